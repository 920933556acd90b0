"""The local view of what was revoked, and the one question it answers: is this token cut off, and by what?

Fetches nothing (``feed`` does) and knows no policy: how old the view may be is decided by the verifier.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

import msgspec

from watchword.clock import Clock, system_clock

Axis: TypeAlias = Literal["token", "session", "family", "account", "client", "tenant", "key", "everything"]
"""What a cut-off is about; beside it stands a jti, sid, family id, sub, client_id, tenant, kid or ''."""

DEFAULT_MAX_ENTRIES: Final = 1_000_000
_SLOT_SECONDS: Final = 16
_MAX_LIFETIME: Final = 400 * 86_400
_BYTES_OF_VALUE: Final = 80
_Position: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Value: TypeAlias = Annotated[str, msgspec.Meta(max_length=1024)]


class CutOff(msgspec.Struct, frozen=True, gc=False):
    """One revocation as the feed tells it.

    On the axes token, session, family and key it kills absolutely. On account, client, tenant and everything it kills
    a token when ``token.rev < position and not (token.sid == spares and token.rev >= floor)``.
    """

    position: _Position
    axis: Axis
    value: _Value
    expires_in: Annotated[float, msgspec.Meta(ge=0, le=_MAX_LIFETIME)]
    """Seconds from now until the last token it could kill has expired."""
    spares: _Value | None = None
    floor: _Position = 0


class Revocable(Protocol):
    """What a token, or a URL bound to a session, tells about itself."""

    @property
    def jti(self) -> str | None: ...
    @property
    def sid(self) -> str | None: ...
    @property
    def sub(self) -> str | None: ...
    @property
    def client_id(self) -> str | None: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def kid(self) -> str | None: ...
    @property
    def rev(self) -> int | None: ...


class _UpTo(NamedTuple):
    """A cut-off up to a position of the log."""

    position: int
    spares: str | None
    floor: int


class _Ends:
    """The values of one axis, and when each may be forgotten, in slots of 16 seconds."""

    __slots__ = ("_next", "_slots", "until")

    def __init__(self) -> None:
        self.until: dict[str, int] = {}
        self._next: float = math.inf
        """A slot before which nothing is due."""
        self._slots: dict[int, int] = {}  # one int object a slot, shared by its entries: 32 bytes less for each

    def put(self, value: str, slot: int) -> bool:
        """Keep a value at least until a slot is over. Returns: whether it is new."""
        known = self.until.get(value)
        if known is None or known < slot:
            self.until[value] = self._slots.setdefault(slot, slot)
            self._next = min(self._next, slot)
        return known is None

    def take_due(self, now_slot: float) -> list[str]:
        """Forget what is due. Returns: the values forgotten."""
        if self._next > now_slot:
            return []
        # All are looked through, once in 16 seconds at most: a list of each slot's values would take more memory than
        # the look through a million takes time.
        forgotten = [value for value, slot in self.until.items() if slot <= now_slot]
        for value in forgotten:
            del self.until[value]
        self._slots = {slot: same for slot, same in self._slots.items() if slot > now_slot}
        self._next = min(self._slots, default=math.inf)
        return forgotten


Listener: TypeAlias = Callable[[Sequence[CutOff]], None]
"""Called with cut-offs that are new to the view, in the thread that brought them: it must return at once."""


class RevocationView:
    """Live cut-offs, keyed by axis and value.

    Threads that write (`apply`, `prune`) wait for one another; those that ask wait for nobody. Entries are added, merged and, once nothing is left that
    they could kill, pruned; never evicted. `merge` is a union, so order and repetition of entries do not matter: an
    old page applied late takes nothing back.
    """

    def __init__(
        self, *, clock: Clock = system_clock, max_entries: int = DEFAULT_MAX_ENTRIES, grace: float = 60.0
    ) -> None:
        """Make an empty view. ``grace``: seconds an entry is kept beyond its time, the verifier's leeway at least."""
        self._clock = clock
        self._max_entries = max_entries
        self.grace: float = grace
        """Seconds an entry is kept beyond its time."""
        self._ends: dict[Axis, _Ends] = {axis: _Ends() for axis in get_args(Axis)}
        self._up_to: dict[Axis, dict[str, _UpTo]] = {"account": {}, "client": {}, "tenant": {}, "everything": {}}
        self._tokens = self._ends["token"].until
        self._sessions = self._ends["session"].until
        self._keys = self._ends["key"].until
        self._accounts, self._clients = self._up_to["account"], self._up_to["client"]
        self._tenants, self._everything = self._up_to["tenant"], self._up_to["everything"]
        self._writing = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self.version: int = 0
        """Grows with every change that could kill a token; never goes back."""
        self.full: bool = False
        """Whether cut-offs had to be left out for want of room. Then the view must not be trusted."""
        self.tenant: str | None = None
        """The only tenant whose tokens this view tells everything about; tokens of others count as cut off."""
        _views.add(self)

    def __len__(self) -> int:
        return sum(len(ends.until) for ends in self._ends.values())

    def apply(self, entries: Iterable[CutOff]) -> bool:
        """Merge cut-offs into the view.

        Returns: False if at least one had to be left out because the view is full; then bring the same entries again
        after `prune`.
        """
        news: list[CutOff] = []
        with self._writing:
            was_full, complete = self.full, False
            try:
                complete = self._merge(entries, news)
            finally:
                self.full = not complete
                # After all else, never before: whoever sees the new version must see what it is about. Even if the
                # merging broke off, since what it did bring in would not be news the next time.
                self.version += bool(news) or was_full == complete
        if news:
            for listener in self._listeners:
                listener(news)
        return complete

    def _merge(self, entries: Iterable[CutOff], news: list[CutOff]) -> bool:
        now = self._clock.monotonic()
        room = self._max_entries - len(self)
        complete = True
        for entry in entries:
            ends = self._ends[entry.axis]
            # "everything" is one entry for good, and the one that must never be refused.
            if room <= 0 and entry.value not in ends.until and entry.axis != "everything":
                complete = False
                continue
            slot = math.ceil((now + entry.expires_in + self.grace) / _SLOT_SECONDS)
            up_to = self._up_to.get(entry.axis)
            # The cut-off first and its end after it, so that no reader and no prune finds the one without the other.
            changed = up_to is not None and _enter(up_to, entry)
            if ends.put(entry.value, slot):
                room -= 1
                changed = True
            if changed:
                news.append(entry)
        return complete

    def confine(self, tenant: str | None) -> None:
        """Be a view of that tenant's cut-offs alone, of all with None; every token is then looked up again."""
        with self._writing:
            self.tenant = tenant
            self.version += 1
        # As if everything were cut off: whoever watches over a token looks whether it is that one's.
        told = (CutOff(0, "everything", "", 0.0),)
        for listener in self._listeners:
            listener(told)

    def prune(self) -> int:
        """Forget cut-offs that have nothing left to kill. Returns: how many."""
        now_slot = self._clock.monotonic() / _SLOT_SECONDS
        forgotten = 0
        with self._writing:
            for axis, ends in self._ends.items():
                values = ends.take_due(now_slot)
                forgotten += len(values)
                up_to = self._up_to.get(axis)
                if up_to is not None:
                    for value in values:
                        del up_to[value]
        return forgotten

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` called with what is new, until `unlisten`."""
        with self._writing:
            self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Listener) -> None:
        """Call ``listener`` no more."""
        with self._writing:
            self._listeners = tuple(known for known in self._listeners if known != listener)

    def estimated_bytes(self) -> int:
        """Roughly the memory the entries take: for a gauge, not for a bill."""
        return sum(sys.getsizeof(ends.until) + _BYTES_OF_VALUE * len(ends.until) for ends in self._ends.values())

    def after_fork(self) -> None:
        """In the child of a fork: forget a lock that another thread held, and have every token looked up again.

        That thread may have been in the middle of `apply`; what it had brought in would be no news to the child.
        """
        self._writing = threading.Lock()
        self._listeners = ()
        self.version += 1

    def kills(self, token: Revocable) -> Axis | None:
        """Whether the token is cut off, or one that it was made of (RFC 8693). Returns: by which axis, or None.

        Does not look at the age of the view.
        """
        axis = self._killer(token.jti, token.sid, token.kid, token.sub, token.client_id, token.tenant, token.rev)
        if axis is None:
            for one in getattr(token, "made_of", ()):  # which a URL has not
                axis = self._killer(one.jti, one.sid, one.kid, one.sub, one.client_id, one.tenant, one.rev)
                if axis is not None:
                    return axis
        return axis

    def _killer(
        self,
        jti: str | None,
        sid: str | None,
        kid: str | None,
        sub: str | None,
        client_id: str | None,
        tenant: str | None,
        rev: int | None,
    ) -> Axis | None:
        if self.tenant is not None and tenant != self.tenant:
            return "tenant"  # nobody would tell if it were revoked
        if jti in self._tokens:
            return "token"
        if sid in self._sessions:
            return "session"
        if kid in self._keys:
            return "key"
        if (cut := self._accounts.get(sub)) is not None and _reaches(cut, sid, rev):  # type: ignore[arg-type]
            return "account"
        if self._clients and (cut := self._clients.get(client_id)) is not None and _reaches(cut, sid, rev):  # type: ignore[arg-type]
            return "client"
        if self._tenants and (cut := self._tenants.get(tenant)) is not None and _reaches(cut, sid, rev):  # type: ignore[arg-type]
            return "tenant"
        if self._everything and (cut := self._everything.get("")) is not None and _reaches(cut, sid, rev):
            return "everything"
        return None

    def kills_family(self, family: str) -> bool:
        """Whether a refresh family was cut off; access tokens do not name theirs."""
        return family in self._ends["family"].until


def _enter(up_to: dict[str, _UpTo], entry: CutOff) -> bool:
    new = _UpTo(entry.position, entry.spares, min(entry.floor, entry.position))
    old = up_to.get(entry.value)
    if old is not None:
        new = merge(old, new)
    up_to[entry.value] = new
    return new != old


def _reaches(cut: _UpTo, sid: str | None, rev: int | None) -> bool:
    # A token that does not say when it was issued is older than any cut-off.
    rev = -1 if rev is None else rev
    return rev < cut.position and not (cut.spares is not None and sid == cut.spares and rev >= cut.floor)


def merge(one: _UpTo, other: _UpTo) -> _UpTo:
    """The cut-off that kills exactly what either kills.

    The higher position decides for every session but the spared one; for that one, the lower entry kills up to its own
    position, unless it spares the same session, and then up to its floor.
    """
    high, low = (one, other) if one.position >= other.position else (other, one)
    reach = low.floor if low.spares == high.spares else low.position
    return _UpTo(high.position, high.spares, max(high.floor, reach))


_views: weakref.WeakSet[RevocationView] = weakref.WeakSet()


def _after_fork() -> None:
    for view in list(_views):
        view.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
