"""A refresh as it came in, and what is told of it to the audit log and to the account.

Decides nothing; rotation.py walks with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from watchword_server.clients.details import Details
from watchword_server.clients.entitlement import TokenForm
from watchword_server.store.records import AuditEvent, Family, NewNotice, Origin, Record
from watchword_server.tokens.refresh import Rules

REPEATED: Final = "refresh.repeated"
REUSED: Final = "refresh.reused"
RESTORED: Final = "refresh.restored"


class RefreshRequest(Record, frozen=True):
    """A refresh as it came in, its client already authenticated and its proof of possession already checked."""

    token: str
    client_id: str
    """The client as authenticated, or as a public client names itself."""
    device_kind: str
    """User-agent family and platform, such as ``firefox/linux``."""
    place: str
    origin: Origin
    proof: str | None = None
    """Thumbprint of the key, certificate or confidential client whose possession this very request has shown."""
    scope: tuple[str, ...] | None = None
    """A part of the granted scope (RFC 6749 §6); None: all of it."""
    resource: tuple[str, ...] | None = None
    """A part of the granted resources (RFC 8707 §2.2); None: all of them."""
    may_scope: Callable[[str], bool] | None = None
    """Whether the client may still have a scope that it was granted; None: all of them."""
    may_resource: Callable[[str], bool] | None = None
    """The same of a resource."""
    details: Details | None = None
    """A part of the granted authorization details (RFC 9396 §6.1); None: all of them."""
    may_detail: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether the client may still have a detail that it was granted; None: all of them."""
    form_for: Callable[[tuple[str, ...]], TokenForm] | None = None
    """How access tokens for these resources are made; None: as signed tokens of the usual lifetime."""
    confirmation: Mapping[str, str] | None = None
    """The `cnf` of the access token, for a token bound to a key."""
    rules: Rules | None = None
    """Those of the client's profile; None: the installation's."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"RefreshRequest({self.token[:5]}…, client_id={self.client_id!r})"

    def audit(self, event: str, family: Family, *, reason: str, presented: int | None = None) -> AuditEvent:
        """A line of the audit log about this request; `presented` is its token's generation, where that matters."""
        detail = self._parties(family) | {"family": family.id, "generation": str(family.generation)}
        if presented is not None:
            detail["presented_generation"] = str(presented)
        return AuditEvent(
            event=event,
            origin=self.origin,
            account_id=family.account_id,
            sid=family.sid,
            client_id=family.client_id,
            reason=reason,
            detail=detail,
        )

    def notice(self, kind: str, family: Family) -> NewNotice:
        """What the account is to see of it."""
        return NewNotice(kind=kind, detail=self._parties(family))

    def _parties(self, family: Family) -> dict[str, str]:
        """Who rotated last and who came now: a person reads this and knows one of the two."""
        return {"rotated_by": family.device_kind, "presented_by": self.device_kind, "place": self.place}
