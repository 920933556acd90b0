"""Opaque access tokens and what is good once on PostgreSQL; calls that wait together share a statement.

Does not make tokens or read what introspection answers of them.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import NewOpaqueToken, OpaqueView, TokenFacts
from watchword_server.store.authorization_rows import opaque_values, opaque_view_of, require_digests
from watchword_server.store.authorization_statements import token_alive
from watchword_server.store.postgres_batch import Batches
from watchword_server.store.postgres_devices import PostgresDevices
from watchword_server.store.postgres_sign_ons import NOW
from watchword_server.store.text import require_document, require_storable, storable

_ADD: Final = (
    "INSERT INTO opaque_tokens (digest, jti, client_id, account_id, sid, tenant, rev, claims, expires_at) "
    "SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], "
    "$8::bytea[], $9::double precision[]) ON CONFLICT (digest) DO NOTHING RETURNING digest"
)
_OWNERS: Final = "LEFT JOIN accounts a ON a.id = p.account_id LEFT JOIN sessions s ON s.sid = p.sid"
# Each token is looked up by itself (OFFSET 0 keeps it so), whatever the planner believes of the tables.
_LOOK: Final = (
    NOW + "SELECT v.* FROM t, unnest($2::bytea[]) AS i (digest) CROSS JOIN LATERAL (SELECT p.jti, p.client_id, "
    "p.account_id, p.sid, p.tenant, p.rev, p.claims, p.expires_at, "
    f"p.expires_at > t.now AND {token_alive('greatest', 't.now')}, t.now, p.digest "
    f"FROM opaque_tokens p {_OWNERS} WHERE p.digest = i.digest OFFSET 0) v"
)
_ALIVE: Final = (
    NOW
    + "SELECT v.* FROM t, unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], "
    "$9::text[]) AS p (key, jti, client_id, account_id, sid, tenant, rev, kid) CROSS JOIN LATERAL (SELECT p.key, "
    f"{token_alive('greatest', 't.now', kid='p.kid')} FROM (SELECT 1) one {_OWNERS} OFFSET 0) v"
)
_DELETE: Final = "DELETE FROM opaque_tokens WHERE digest = $1 AND client_id = $2 RETURNING true"
_FIRST_USES: Final = "SELECT * FROM watchword_first_uses($1, $2, $3, $4)"


class PostgresOpaque(PostgresDevices):
    """The OpaqueTokens and Replays parts of the port."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._additions = Batches(self._add)
        self._looks = Batches(self._look)
        self._lives = Batches(self._alive)
        self._uses = Batches(self._first_uses)
        # Reads have a key of their own each: callers who ask for the same token are answered by the same statement.
        self._turn = itertools.count()

    async def close(self) -> None:
        """Finish what was accepted, then close; a second close does nothing."""
        for batches in (self._additions, self._looks, self._lives, self._uses):
            await batches.drain()
        await super().close()

    async def _add(self, calls: dict[str, tuple[object, ...]]) -> dict[str, bool]:
        """Record all of these in one statement. Returns those that were not there."""
        rows = await self._rows(_ADD, *(list(column) for column in zip(*calls.values(), strict=True)))
        return {row[0].hex(): True for row in rows}

    async def _look(self, calls: dict[str, bytes]) -> dict[str, OpaqueView]:
        rows = await self._rows(_LOOK, self._now(), list(set(calls.values())))
        found = {row[10]: opaque_view_of(row) for row in rows}
        return {key: found[digest] for key, digest in calls.items() if digest in found}

    async def _alive(self, calls: dict[str, TokenFacts]) -> dict[str, bool]:
        facts = list(calls.values())
        columns = [
            [getattr(one, name) for one in facts]
            for name in ("jti", "client_id", "account_id", "sid", "tenant", "rev", "kid")
        ]
        return {row[0]: bool(row[1]) for row in await self._rows(_ALIVE, self._now(), list(calls), *columns)}

    async def _first_uses(self, calls: dict[str, tuple[bytes, str, EpochSeconds]]) -> dict[str, bool]:
        """Remember all of these in one statement. Returns those that were new."""
        columns = [list(column) for column in zip(*calls.values(), strict=True)]
        rows = await self._rows(_FIRST_USES, self._now(), *columns)
        return {f"{row[0].hex()} {row[1]}": True for row in rows}

    async def add_opaque_token(self, new: NewOpaqueToken) -> None:
        """Record it. Raises ValueError when it is there or cannot be kept."""
        require_storable(
            jti=new.jti, client_id=new.client_id, account_id=new.account_id, sid=new.sid, tenant=new.tenant
        )
        require_document(claims=new.claims)
        require_digests(new.digest)
        if await self._additions.submit(new.digest.hex(), opaque_values(new)) is None:
            raise ValueError("that token exists")

    async def opaque_token(self, digest: bytes) -> OpaqueView | None:
        """The token with whether it lives."""
        return await self._looks.submit(str(next(self._turn)), digest)

    async def delete_opaque_token(self, digest: bytes, *, client_id: str) -> bool:
        """Forget it. True for exactly one caller; only one of that client."""
        return storable(client_id) and bool(await self._value(_DELETE, digest, client_id))

    async def is_alive(self, facts: TokenFacts) -> bool:
        """Whether none of it was cut off, its session lives and its account is enabled."""
        if not storable(facts.jti, facts.client_id, facts.account_id, facts.sid, facts.tenant, facts.kid):
            return False
        return bool(await self._lives.submit(str(next(self._turn)), facts))

    async def first_use(self, purpose: str, digest: bytes, *, expires_at: EpochSeconds) -> bool:
        """Remember it until then. True for exactly one caller."""
        require_storable(purpose=purpose)
        require_digests(digest)
        return await self._uses.submit(f"{digest.hex()} {purpose}", (digest, purpose, expires_at)) is not None
