"""From rows to records, in the order of statements.py, whatever engine the row came from.

Does not query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace
from watchword.clock import EpochSeconds

from watchword_server.store.records import (
    Account,
    AccountView,
    AuditEntry,
    AuditEvent,
    CutOff,
    Failures,
    Family,
    FamilyView,
    NewNotice,
    NewSession,
    Notice,
    Origin,
    Session,
    SessionView,
    SigningKey,
)
from watchword_server.store.text import clean, clean_or_none, pack_detail, unpack_detail, unpack_list

Row: TypeAlias = Sequence[Any]


def account_of(row: Row, at: int = 0) -> Account:
    """The account whose columns begin at ``at``."""
    return Account(
        id=row[at],
        email=row[at + 1],
        username=row[at + 2],
        roles=unpack_list(row[at + 3]),
        permissions=unpack_list(row[at + 4]),
        tenant=row[at + 5],
        email_verified=bool(row[at + 6]),
        created_at=row[at + 7],
        password_changed_at=row[at + 8],
        disabled_at=row[at + 9],
    )


def account_view_of(row: Row) -> AccountView:
    """From the account's columns, password hash, head and time of the read."""
    return AccountView(account=account_of(row), password_hash=row[10], rev=row[11], read_at=row[12])


def session_of(row: Row, at: int = 0) -> Session:
    """The session whose columns begin at ``at``."""
    return Session(
        sid=row[at],
        account_id=row[at + 1],
        client_id=row[at + 2],
        rev=row[at + 3],
        device=row[at + 4],
        place=row[at + 5],
        created_at=row[at + 6],
        auth_time=row[at + 7],
        amr=unpack_list(row[at + 8]),
        last_used_at=row[at + 9],
        refresh_count=row[at + 10],
        idle_expires_at=row[at + 11],
        expires_at=row[at + 12],
        ended_at=row[at + 13],
        end_reason=row[at + 14],
    )


def own_idle_end(new: NewSession) -> float:
    """The column ``idle_expires_at`` of a session to record: 0 where its family decides alone."""
    if new.idle_expires_at is not None:
        return new.idle_expires_at
    return new.expires_at if new.family is None else 0.0


def named_by(new: NewSession, *, sign_on: str, expires_at: float) -> NewSession:
    """The session in that sign-on which the ID tokens of ``new`` name: without tokens of its own, it lives until the sign-on
    must end.
    """
    return replace(
        new,
        sid=new.id_token_sid or new.sid,
        id_token_sid=None,
        sign_on=sign_on,
        expires_at=EpochSeconds(expires_at),
        idle_expires_at=None,
        family=None,
    )


def session_view_of(row: Row) -> SessionView:
    """From columns of account and session, whether alive, token cut-off, head and time of the read."""
    return SessionView(
        account=account_of(row),
        session=session_of(row, 10),
        alive=bool(row[25]),
        token_cut_off=row[26],
        rev=row[27],
        read_at=row[28],
    )


def family_of(row: Row) -> Family:
    """A family."""
    return Family(
        id=row[0],
        sid=row[1],
        account_id=row[2],
        client_id=row[3],
        scope=unpack_list(row[4]),
        resource=unpack_list(row[5]),
        sender_key=row[6],
        delivery=row[7],
        salt=row[8],
        key_id=row[9],
        rev=row[10],
        generation=row[11],
        rotated_at=row[12],
        device_kind=row[13],
        odd_count=row[14],
        odd_marked=bool(row[15]),
        refresh_count=row[16],
        idle_expires_at=row[17],
        expires_at=row[18],
        revoked_at=row[19],
        revoked_reason=row[20],
        terms=row[21],
    )


def family_view_of(row: Row) -> FamilyView:
    """From columns of family and account, then ended, sid of ID tokens, auth_time, amr, acr, family cut-off, head and time
    of the read.
    """
    return FamilyView(
        family=family_of(row),
        account=account_of(row, 22),
        session_ended=bool(row[32]),
        id_token_sid=row[33],
        auth_time=row[34],
        amr=unpack_list(row[35]),
        acr=row[36],
        cut_off=row[37],
        rev=row[38],
        read_at=row[39],
    )


def cut_off_of(row: Row) -> CutOff:
    """One entry of the log."""
    return CutOff(
        position=row[0],
        axis=row[1],
        value=row[2],
        spares=row[3],
        floor=row[4],
        at=row[5],
        expires_at=row[6],
        cause=row[7],
    )


def key_of(row: Row) -> SigningKey:
    """One key of the ring."""
    return SigningKey(
        kid=row[0],
        purpose=row[1],
        algorithm=row[2],
        state=row[3],
        public_jwk=row[4],
        sealed=row[5],
        created_at=row[6],
        activated_at=row[7],
        retired_at=row[8],
    )


def audit_entry_of(row: Row) -> AuditEntry:
    """One line of the audit log."""
    event = AuditEvent(
        event=row[2],
        origin=Origin(actor=row[3], address=row[4], user_agent=row[5]),
        account_id=row[6],
        sid=row[7],
        client_id=row[8],
        reason=row[9],
        detail=unpack_detail(row[10]),
    )
    return AuditEntry(id=row[0], at=row[1], event=event)


def audit_values(event: AuditEvent) -> list[str | None]:
    """The columns of an audit line from ``event`` on. Cleaned, not refused: no act fails by its own record."""
    origin = event.origin
    return [
        clean(event.event),
        clean(origin.actor),
        clean_or_none(origin.address),
        clean_or_none(origin.user_agent),
        clean_or_none(event.account_id),
        clean_or_none(event.sid),
        clean_or_none(event.client_id),
        clean_or_none(event.reason),
        pack_detail(event.detail),
    ]


def notice_of(row: Row) -> Notice:
    """One notice."""
    return Notice(id=row[0], account_id=row[1], kind=row[2], at=row[3], detail=unpack_detail(row[4]))


def notice_values(notice: NewNotice | None) -> list[str] | None:
    """The columns ``kind`` and ``detail`` of a notice to leave."""
    return None if notice is None else [clean(notice.kind), pack_detail(notice.detail)]


def failures_of(row: Row, key: str) -> Failures:
    """One counter, under the key it was asked by."""
    return Failures(key=key, count=row[1], window_ends_at=row[2])
