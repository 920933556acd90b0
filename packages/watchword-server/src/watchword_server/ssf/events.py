"""What an entry of the revocation log means in the words of CAEP 1.0, and about whom.

PURE: entry and account in, events out. Chooses no stream and signs nothing.
"""

from __future__ import annotations

from typing import Any, Final

from watchword_server.ssf.names import CREDENTIAL_CHANGE, SESSION_REVOKED, TOKEN_CLAIMS_CHANGE
from watchword_server.ssf.subjects import account_names, issuer_subject, opaque_name
from watchword_server.store.delivery_records import News
from watchword_server.store.records import Account, Record

_BY_USER: Final = frozenset({"logout", "logout_all", "ended_by_account", "password.changed"})
_BY_ADMIN: Final = frozenset({"administrator", "account.disabled", "roles.taken"})


class Event(Record, frozen=True):
    """One security event. ``about`` are the names under which receivers may have asked for its subject."""

    type: str
    subject: dict[str, Any]
    members: dict[str, Any]
    about: tuple[str, ...]


def events_of(news: News, account: Account | None, *, issuer: str) -> tuple[Event, ...]:
    """The events of one entry; none for those that name nobody whom a receiver could know.

    ``account``: that of the entry on the axes account and session, as it is now; None when it is gone.
    A cut-off that spares a session is told as the end of all: a receiver must not keep one that it should have ended.
    """
    account_id = news.value if news.axis == "account" else news.account_id
    about = account_names(account, account_id, issuer=issuer)
    told = {"event_timestamp": int(news.at), "initiating_entity": _initiator(news.cause)}
    if news.axis == "tenant" and news.ends_sessions:
        tenant = {"format": "complex", "tenant": {"format": "opaque", "id": news.value}}
        return (Event(SESSION_REVOKED, tenant, told, (opaque_name("tenant", news.value),)),)
    if account_id is None or news.axis not in {"account", "session"}:
        return ()
    user = issuer_subject(account_id, issuer=issuer)
    if news.axis == "session":
        session = {"format": "complex", "user": user, "session": {"format": "opaque", "id": news.value}}
        return (Event(SESSION_REVOKED, session, told, about),)
    found: list[Event] = []
    if news.cause == "roles.taken" and account is not None:
        claims = {"roles": list(account.roles), "permissions": list(account.permissions)}
        found.append(Event(TOKEN_CLAIMS_CHANGE, user, told | {"claims": claims}, about))
    if news.cause == "password.changed":
        change = {"credential_type": "password", "change_type": "update"}
        found.append(Event(CREDENTIAL_CHANGE, user, told | change, about))
    if news.ends_sessions:
        found.append(Event(SESSION_REVOKED, user, told, about))
    return tuple(found)


def _initiator(cause: str) -> str:
    """CAEP 1.0 §2: who set it off. What nobody asked for is the server's own policy (reuse, replay)."""
    if cause in _BY_USER:
        return "user"
    return "admin" if cause in _BY_ADMIN else "policy"
