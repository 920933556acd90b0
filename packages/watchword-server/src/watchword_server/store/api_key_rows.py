"""SQL of API keys that both engines share, and from their rows to records.

Queries nothing.
"""

from __future__ import annotations

from typing import Final

from watchword_server.store.api_key_records import ApiKey, ApiKeyView, NewApiKey
from watchword_server.store.authorization_rows import require_digests
from watchword_server.store.rows import Row, account_of
from watchword_server.store.statements import ACCOUNT_COLUMNS
from watchword_server.store.text import pack_list, require_storable, unpack_list

API_KEY_COLUMNS: Final = (
    "k.id, k.account_id, k.client_id, k.tenant, k.name, k.scope, k.audience, k.rev, k.created_at, k.expires_at, "
    "k.last_used_at"
)
DEAD_AND_LIVING: Final = 10
"""So many times the keys that may live may be on record: each that is revoked has left a cut-off with every verifier."""
OWNED: Final = "api_keys k LEFT JOIN accounts a ON a.id = k.account_id"
_FLAGS: Final = 11
"""Where the columns of a key end."""


def key_standing(greatest: str) -> str:
    """Whether key ``k`` was not cut off and its account ``a``, if it has one, is enabled. Nobody spares a key."""
    return (
        "((k.account_id IS NULL OR (a.id IS NOT NULL AND a.disabled_at IS NULL)) "
        f"AND k.rev >= {greatest}(coalesce(a.cut_off, 0), coalesce((SELECT max(c.position) FROM family_cutoffs c "
        "WHERE (c.axis = 'client' AND c.value = k.client_id) "
        "OR (c.axis = 'tenant' AND c.value = coalesce(a.tenant, k.tenant)) "
        "OR (c.axis = 'everything' AND c.value = '')), 0)))"
    )


def key_alive(greatest: str, now: str) -> str:
    """Whether key ``k`` of account ``a`` lives at the time of expression ``now``."""
    return f"(k.ended_at IS NULL AND k.expires_at > {now} AND {key_standing(greatest)})"


def view_columns(greatest: str, now: str) -> str:
    """The columns of a view, from OWNED and head ``h``."""
    return f"{API_KEY_COLUMNS}, {key_alive(greatest, now)}, h.position, {now}, a.id IS NOT NULL, {ACCOUNT_COLUMNS}"


def key_values(new: NewApiKey) -> tuple[object, ...]:
    """The columns of a new key. Raises ValueError for what cannot be kept."""
    require_storable(id=new.id, account_id=new.account_id, client_id=new.client_id, tenant=new.tenant, name=new.name)
    require_digests(new.digest)
    scope, audience = pack_list("scope", new.scope), pack_list("audience", new.audience)
    return (
        *(new.id, new.digest, new.account_id, new.client_id, new.tenant, new.name, scope, audience, new.rev),
        new.expires_at,
    )


def api_key_of(row: Row) -> ApiKey:
    """From API_KEY_COLUMNS."""
    return ApiKey(
        id=row[0],
        account_id=row[1],
        client_id=row[2],
        tenant=row[3],
        name=row[4],
        scope=unpack_list(row[5]),
        audience=unpack_list(row[6]),
        rev=row[7],
        created_at=row[8],
        expires_at=row[9],
        last_used_at=row[10],
    )


def api_key_view_of(row: Row) -> ApiKeyView:
    """From `view_columns`."""
    alive, rev, read_at, owned = row[_FLAGS : _FLAGS + 4]
    return ApiKeyView(
        key=api_key_of(row),
        alive=bool(alive),
        account=account_of(row, _FLAGS + 4) if owned else None,
        rev=rev,
        read_at=read_at,
    )
