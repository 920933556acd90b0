"""A process to be killed: does acts as fast as it can and tells each one only after the store acknowledged it.

Not a test; test_kill.py starts it. Arguments: the store's address, a name to tell one run's rows from another's.
Lines: `account <id>`, `session <sid>`, `advance <family> <generation>`, `end <sid>`, `cut <jti>`, `redeemed <code> <sid>`,
`opaque <token>`.
"""

import asyncio
import os
import sys

from watchword_server.store.authorization_records import NewCode, NewOpaqueToken, NewSignOn
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store
from watchword_server.store.records import AuditEvent, NewAccount, NewFamily, NewSession, Origin

AUDIT = AuditEvent(event="hammer", origin=Origin(actor="system"))
LATER = 9_000_000_000.0


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def work(store: Store, name: str) -> None:
    new = NewAccount(id=name, email=name, email_key=name, username=None, username_key=None, password_hash="x", roles=())
    await store.create_account(new, AUDIT)
    tell("account", name)
    turn = 0
    while True:
        sid = f"{name}-{turn}"
        family = NewFamily(
            id=f"f-{sid}",
            scope=(),
            resource=(),
            sender_key=None,
            delivery="body",
            salt=b"",
            key_id="k",
            device_kind="x",
            idle_expires_at=LATER,
            expires_at=LATER,
        )
        session = NewSession(
            sid=sid,
            account_id=name,
            client_id="c",
            rev=(await store.head()).position,
            device="",
            place="",
            auth_time=0,
            amr=(),
            expires_at=LATER,
            family=family,
        )
        if await store.start_session(session, AUDIT):
            tell("session", sid)
        for generation in range(3):
            if await store.advance_refresh(
                family.id, from_generation=generation, device_kind="x", place="", idle_expires_at=LATER
            ):
                tell("advance", family.id, generation + 1)
        await store.cut_off("token", sid, spares=None, ends_families=False, cause="x", audit=AUDIT)
        tell("cut", sid)
        if await store.end_session(sid, account_id=None, reason="x", audit=AUDIT):
            tell("end", sid)
        await authorize(store, name, f"{name}-{turn}")
        turn += 1


async def authorize(store: Store, account_id: str, name: str) -> None:
    """A sign-on, a code, its exchange and an opaque token."""
    rev = (await store.head()).position
    digest = name.encode()
    await store.start_sign_on(
        NewSignOn(
            id=f"o-{name}", digest=digest, account_id=account_id, rev=rev, device="", place="", auth_time=0, amr=(),
            acr=None, idle_expires_at=LATER, expires_at=LATER,
        ),
        AUDIT,
    )  # fmt: skip
    await store.add_code(
        NewCode(
            digest=digest, client_id="app", account_id=account_id, sign_on=f"o-{name}", rev=rev, terms=b"",
            expires_at=LATER,
        )
    )  # fmt: skip
    session = NewSession(
        sid=f"by-{name}", account_id=account_id, client_id="app", rev=rev, device="", place="", auth_time=0, amr=(),
        expires_at=LATER, family=None, sign_on=f"o-{name}",
    )  # fmt: skip
    if await store.redeem_code(digest, session=session, audit=AUDIT):
        tell("redeemed", name, session.sid)
    await store.add_opaque_token(
        NewOpaqueToken(
            digest=digest, jti=name, client_id="app", account_id=account_id, sid=session.sid, tenant=None, rev=rev,
            claims=b"", expires_at=LATER,
        )
    )  # fmt: skip
    tell("opaque", name)


async def main(url: str, name: str) -> None:
    store = store_from_url(url)
    await store.open(migrate=True)
    await asyncio.gather(*(work(store, f"{name}-{number}") for number in range(8)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
