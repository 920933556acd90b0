"""Cutting off by hand: what would die, in numbers and words, and the act itself, for the API and the command line.

Holds no route and no SQL; the store counts and writes, keys/ring.py distrusts keys.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol, get_args

from watchword_server.keys.ring import KeyRing
from watchword_server.store.port import Revocations
from watchword_server.store.records import AuditEvent, CutOff, Origin, Reach

HandAxis = Literal["token", "session", "account", "client", "tenant", "key", "everything"]
"""What may be cut off by hand: all but families, whose sessions are named instead."""
HAND_AXES: Final[tuple[str, ...]] = get_args(HandAxis)
BROAD_AXES: Final = frozenset({"account", "client", "tenant", "everything"})
"""Where one can choose to let sessions live."""


class Subject(Protocol):
    """What to cut off; checked to be well formed."""

    @property
    def axis(self) -> HandAxis: ...
    @property
    def value(self) -> str: ...
    @property
    def ends_sessions(self) -> bool: ...


class NothingToCut(Exception):  # noqa: N818 - an outcome, told as others are
    """There is no session or key of that name on record. ``code`` is the problem's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def shape_fault(axis: str, value: str) -> tuple[str, str] | None:
    """What is wrong with a value for that axis, as code and hint; None when nothing is."""
    if bool(value) is (axis == "everything"):
        hint = "Give the jti, sid, sub, client_id, tenant or kid; leave it empty on `everything`."
        return ("value_unexpected" if value else "value_required", hint)
    return None


def summary(axis: HandAxis, reach: Reach, *, ends_sessions: bool) -> str:
    """What dies, in one line: `3 sessions of 1 account, 2 clients`."""
    if axis == "token":
        return "1 access token; its session lives on and can refresh"
    if reach.known is False and axis in {"session", "key"}:
        return f"nothing: there is no {axis} of that name"
    who = _counted(reach)
    if axis == "key":
        return f"every token it signed; {who} may hold one, and can refresh"
    if axis in BROAD_AXES and not ends_sessions:
        return f"access tokens of {who}; the sessions live on and can refresh"
    return who


async def cut_off(store: Revocations, keys: KeyRing, subject: Subject, *, cause: str, origin: Origin) -> CutOff:
    """Write the cut-off; a session is ended with it, a key distrusted. One that lives on an absolute axis is returned.

    Raises:
        NothingToCut: no such session or key is on record.
    """
    axis, value = subject.axis, subject.value
    if axis in {"session", "key"} and not (await store.reach(axis, value, limit=1)).known:
        raise NothingToCut(f"{axis}_unknown", f"There is no {axis} of that name on record.")
    if axis == "key":
        await keys.distrust(value, origin)  # writes the entry that is returned below
    audit = AuditEvent(
        event="cut_off.written",
        origin=origin,
        reason=cause,
        account_id=value if axis == "account" else None,
        sid=value if axis == "session" else None,
        detail={"axis": axis, "value": value},
    )
    ends_families = subject.ends_sessions and axis in BROAD_AXES
    return await store.cut_off(axis, value, spares=None, ends_families=ends_families, cause=cause, audit=audit)


def _counted(reach: Reach) -> str:
    if not reach.sessions and not reach.more:
        return "no living session"
    least = "at least " if reach.more else ""
    parts = (
        f"{_some(reach.sessions, 'session')} of {_some(reach.accounts, 'account')}, {_some(reach.clients, 'client')}"
    )
    return least + parts


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
