"""The rotation rule: what becomes of a presented refresh token. Pure: a view, a time and a table.

Reads nothing, writes nothing and signs nothing: rotation.py walks. The order of the checks is part of the rule:
whatever fails before the generation is looked at changes nothing, or anyone who knows a family's id could end it.
Reasons for what the table leaves open are in docs/decisions/0003-refresh-rotation.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from watchword.clock import EpochSeconds

from watchword_server.store.records import Family, FamilyView, Record


class Reason(StrEnum):
    """Why a refresh token is refused. The value is what the client and the session's history are told."""

    MALFORMED = "malformed"
    """Not a refresh token at all."""
    UNKNOWN = "unknown"
    """No such family, or a MAC that is not ours; the two are not told apart."""
    WRONG_CLIENT = "wrong_client"
    PROOF_MISSING = "proof_missing"
    """Bound to a key, and no proof of possession came with it."""
    PROOF_WRONG = "proof_wrong"
    """Bound to another key than the one shown."""
    REVOKED = "revoked"
    """The family was cut off; its row says why."""
    ACCOUNT_DISABLED = "account_disabled"
    SESSION_ENDED = "session_ended"
    CUT_OFF = "cut_off"
    """By a cut-off on account, client, tenant or everything that is newer than the family."""
    IDLE = "idle"
    EXPIRED = "expired"
    SCOPE_EXCEEDED = "scope_exceeded"
    """More scope was asked for than was granted (RFC 6749 §6); nothing changed, the token is good."""
    RESOURCE_EXCEEDED = "resource_exceeded"
    """A resource was asked for that was not granted (RFC 8707 §2.2); nothing changed, the token is good."""
    DETAILS_EXCEEDED = "details_exceeded"
    """Authorization details were asked for that were not granted (RFC 9396 §6.1); nothing changed, the token is good."""
    REUSE = "reuse"
    RESTORED = "restored"
    """A generation that this store never issued, with a good MAC: the store was restored from a backup."""

    @property
    def ends_family(self) -> bool:
        """Whether the family, its session and its access tokens are to be cut off before the refusal is told."""
        return self is Reason.REUSE or self is Reason.RESTORED

    @property
    def leaves_token_good(self) -> bool:
        """Whether the presenter may come again with the same token; a cookie is then kept."""
        return self in {Reason.SCOPE_EXCEEDED, Reason.RESOURCE_EXCEEDED, Reason.DETAILS_EXCEEDED}


class OddKind(StrEnum):
    """What made a repeat odd."""

    SAME_KIND_LATE = "same_kind_late"
    OTHER_KIND = "other_kind"
    OVERTAKEN = "overtaken"


class Rules(Record, frozen=True):
    """The settings of the rule (``rotation`` in the settings tree)."""

    window: float = 30.0
    """Seconds after a rotation in which a repeat from the same kind of device is nothing special."""
    odd_limit_same: int = 10
    """Odd repeats from the same kind of device are let through while the count is under this."""
    odd_limit_other: int = 1
    """The same for another kind of device within the window. 0 and 0 is strict."""
    rotate_bound: bool = True
    """False: a bound family keeps its refresh token (FAPI 2.0 Security Profile §5.3.2.1)."""
    overtaken: bool = False
    """True: a cookie request from the same kind of device that two rotations overtook within the window is an odd
    repeat instead of reuse."""


class Presented(Record, frozen=True):
    """What came in, as far as the rule looks at it."""

    authentic: bool
    """Whether the MAC is ours, over this family's salt, by the key named in its row."""
    generation: int
    client_id: str
    device_kind: str
    """User-agent family and platform, such as ``firefox/linux``."""


class Advance(Record, frozen=True):
    """Move the family on by compare-and-swap; whoever loses reads again and is decided again."""

    generation: int
    """The one to issue: g + 1."""


class Stay(Record, frozen=True):
    """The same refresh token again, a fresh access token."""

    generation: int
    """The one presented."""
    records_use: bool = False
    """A family whose rotation is off: move the row on, so that its idle end moves; losing that race means nothing."""


class OddRepeat(Record, frozen=True):
    """The signal of an odd repeat, naming both parties."""

    kind: OddKind
    rotated_by: str
    presented_by: str
    count: int
    """Odd generations counted before this one, leaked ones taken off."""
    limit: int
    marks: bool
    """Whether this one is the first of its generation, and so is to be marked, audited and told."""


class Repeat(Record, frozen=True):
    """The newest refresh token again, a fresh access token."""

    generation: int
    """The newest issued: g."""
    odd: OddRepeat | None = None


class Refuse(Record, frozen=True):
    """No. ``reason.ends_family`` says whether the family is cut off first."""

    reason: Reason


Fate: TypeAlias = Advance | Stay | Repeat | Refuse


def decide(view: FamilyView, presented: Presented, proof: str | None, now: EpochSeconds, rules: Rules) -> Fate:
    """The fate of a presented refresh token (RFC 9700 §4.14).

    ``proof`` is the thumbprint of the key, certificate or confidential client whose possession was shown with this very
    request, None when none was; ``now`` is the store's time, ``view.read_at``.

    Returns Advance, Stay, Repeat or Refuse. Does not check proofs and does not change anything.
    """
    family = view.family
    reason = _refused_unseen(view, family, presented, proof, now)
    if reason is not None:
        return Refuse(reason=reason)
    if presented.generation > family.generation:
        return Refuse(reason=Reason.RESTORED)
    if family.sender_key is not None:
        return _decide_bound(family, presented, now, rules)
    return _decide_bearer(family, presented, now, rules)


def _refused_unseen(
    view: FamilyView, family: Family, presented: Presented, proof: str | None, now: EpochSeconds
) -> Reason | None:
    """Everything that is looked at before the generation; nothing refused here changes anything."""
    if not presented.authentic:
        return Reason.UNKNOWN
    if presented.client_id != family.client_id:
        return Reason.WRONG_CLIENT
    if family.sender_key is not None and proof != family.sender_key:
        return Reason.PROOF_MISSING if proof is None else Reason.PROOF_WRONG
    return ended(view, now)


def ended(view: FamilyView, now: EpochSeconds) -> Reason | None:
    """Why no token of this family is good any more, whoever presents it; None while it lives."""
    family = view.family
    if family.revoked_at is not None:
        return Reason.REVOKED
    if view.account.disabled_at is not None:
        return Reason.ACCOUNT_DISABLED
    if view.session_ended:
        return Reason.SESSION_ENDED
    if family.rev < view.cut_off:
        return Reason.CUT_OFF
    if now >= family.idle_expires_at:
        return Reason.IDLE
    if now >= family.expires_at:
        return Reason.EXPIRED
    return None


def _decide_bound(family: Family, presented: Presented, now: EpochSeconds, rules: Rules) -> Fate:
    """Whoever shows the key is the client: any generation it was ever given is good, without a time limit."""
    if not rules.rotate_bound:
        used_lately = now - family.rotated_at <= rules.window
        return Stay(generation=presented.generation, records_use=not used_lately)
    if presented.generation == family.generation:
        return Advance(generation=family.generation + 1)
    return Repeat(generation=family.generation)


def _decide_bearer(family: Family, presented: Presented, now: EpochSeconds, rules: Rules) -> Fate:
    newest = family.generation
    soon = now - family.rotated_at <= rules.window
    same_kind = presented.device_kind == family.device_kind
    if presented.generation == newest:
        if family.delivery == "cookie" and same_kind and soon:
            return Stay(generation=newest)
        return Advance(generation=newest + 1)
    if presented.generation < newest - 1:
        overtaken = presented.generation == newest - 2 and family.delivery == "cookie" and same_kind and soon
        if overtaken and rules.overtaken:
            return _odd(family, presented, OddKind.OVERTAKEN, rules.odd_limit_same)
        return Refuse(reason=Reason.REUSE)
    if same_kind and soon:
        return Repeat(generation=newest)
    if same_kind:
        return _odd(family, presented, OddKind.SAME_KIND_LATE, rules.odd_limit_same)
    if soon:
        return _odd(family, presented, OddKind.OTHER_KIND, rules.odd_limit_other)
    return Refuse(reason=Reason.REUSE)


def _odd(family: Family, presented: Presented, kind: OddKind, limit: int) -> Fate:
    # The count is of generations, not of messages: this generation's own mark is taken off again, or a message the
    # network delivered twice would be counted against an honest client.
    count = family.odd_count - 1 if family.odd_marked else family.odd_count
    if count >= limit:
        return Refuse(reason=Reason.REUSE)
    odd = OddRepeat(
        kind=kind,
        rotated_by=family.device_kind,
        presented_by=presented.device_kind,
        count=count,
        limit=limit,
        marks=not family.odd_marked,
    )
    return Repeat(generation=family.generation, odd=odd)
