"""Gives one account very many sessions, through the store itself: by logins it would take half an hour of hashing."""

import asyncio
import uuid

from watchword_server.store.open import store_from_url
from watchword_server.store.records import AuditEvent, NewFamily, NewSession, Origin

AUDIT = AuditEvent(event="benchmark.act", origin=Origin(actor="system"))


def _store(server, url):
    return store_from_url(url or f"sqlite:///{server.settings['WATCHWORD_HOME']}/watchword.db")


async def make(server, url, email, count):
    """Start so many sessions beside the server, as another process may."""
    store = _store(server, url)
    await store.open(migrate=False)
    try:
        view = await store.account_for_login(email_key=email, username_key=None)
        account, now, rev, mark = view.account.id, view.read_at, view.rev, uuid.uuid4().hex[:12]

        def session(number):
            later = now + 30 * 86400
            family = NewFamily(
                id=f"f{mark}{number}",
                scope=(),
                resource=(),
                sender_key=None,
                delivery="body",
                salt=bytes(16),
                key_id="k",
                device_kind="firefox/linux",
                idle_expires_at=later,
                expires_at=later,
            )
            return NewSession(
                sid=f"s{mark}{number}",
                account_id=account,
                client_id="first-party",
                rev=rev,
                device="Firefox on Linux",
                place="",
                auth_time=now,
                amr=("pwd",),
                expires_at=later,
                family=family,
            )

        turn = iter(range(count))

        async def some():
            for number in turn:
                if not await store.start_session(session(number), AUDIT):
                    raise SystemExit("a session was refused")

        await asyncio.gather(*(some() for _ in range(64)))
    finally:
        await store.close()


async def living(server, url, email):
    """How many sessions of the account a page of them shows."""
    store = _store(server, url)
    await store.open(migrate=False)
    try:
        view = await store.account_for_login(email_key=email, username_key=None)
        return len(await store.list_sessions(view.account.id))
    finally:
        await store.close()
