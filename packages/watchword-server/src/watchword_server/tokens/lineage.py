"""What an exchanged token was made of (RFC 8693): its ancestors, as far as a cut-off looks at them. Pure.

Exchanges nothing and asks nobody whether an ancestor lives; token_exchange.py and reading.py do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from watchword_server.store.authorization_records import TokenFacts
from watchword_server.store.records import Record

CLAIM: Final = "made_of"
MAX_ANCESTORS: Final = 8
"""More than any chain of services needs, and few enough to be looked up with each call. Verifiers take twice as many."""
_NAMES: Final = ("sub", "client_id", "sid", "tenant", "rev", "kid")


class Ancestor(Record, frozen=True):
    """One token that another was made of."""

    jti: str
    sub: str
    client_id: str
    sid: str | None
    tenant: str | None
    rev: int
    kid: str | None

    @property
    def facts(self) -> TokenFacts:
        """What the store is asked about."""
        return TokenFacts(
            jti=self.jti,
            client_id=self.client_id,
            account_id=self.sub if self.sid is not None else None,
            sid=self.sid,
            tenant=self.tenant,
            rev=self.rev,
            kid=self.kid,
        )


def line(claims: Mapping[str, Any], facts: TokenFacts) -> tuple[Ancestor, ...]:
    """A token, and after it all that it was made of: what a token that is made of it now dies with."""
    return (_itself(claims, facts), *ancestors(claims, facts))


def ancestors(claims: Mapping[str, Any], facts: TokenFacts) -> tuple[Ancestor, ...]:
    """What a token of this server was made of; nothing for one that was not exchanged."""
    listed = claims.get(CLAIM)
    if not listed:
        return ()
    own = _itself(claims, facts)
    return tuple(_resolved(one, own) for one in listed)


def together(*lines: tuple[Ancestor, ...]) -> tuple[Ancestor, ...]:
    """Several lines as one, each ancestor once. Raises ValueError when there are more than a token may name."""
    # Whole, not by jti: whoever forges a token with a stolen key may give it that of a good one, and have it hide behind it.
    found = dict.fromkeys(one for each in lines for one in each)
    if len(found) > MAX_ANCESTORS:
        raise ValueError("too many tokens stand one behind another")
    return tuple(found)


def told(known: tuple[Ancestor, ...], claims: Mapping[str, Any], kid: str | None) -> list[dict[str, Any]]:
    """The claim in a token that says this and is signed by that key: of each ancestor its jti, and what is other than in
    the token itself; an empty text for what the ancestor has not.
    """
    own = {name: claims.get(name) for name in _NAMES} | {"kid": kid}
    return [
        {"jti": one.jti}
        | {
            name: "" if value is None else value
            for name in _NAMES
            if (value := getattr(one, name)) != own[name]
        }
        for one in known
    ]  # fmt: skip


def _itself(claims: Mapping[str, Any], facts: TokenFacts) -> Ancestor:
    return Ancestor(
        jti=facts.jti,
        sub=claims.get("sub", facts.client_id),
        client_id=facts.client_id,
        sid=facts.sid,
        tenant=facts.tenant,
        rev=facts.rev,
        kid=facts.kid,
    )


def _resolved(one: Mapping[str, Any], own: Ancestor) -> Ancestor:
    return Ancestor(
        jti=one["jti"],
        sub=one.get("sub", own.sub),
        client_id=one.get("client_id", own.client_id),
        sid=one.get("sid", own.sid) or None,
        tenant=one.get("tenant", own.tenant) or None,
        rev=one.get("rev", own.rev),
        kid=one.get("kid", own.kid) or None,
    )
