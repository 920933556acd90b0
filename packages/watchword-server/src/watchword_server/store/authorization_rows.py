"""From rows to records of authorization, in the order of authorization_statements.py, whatever engine they came from.

Does not query.
"""

from __future__ import annotations

from typing import Final

import msgspec

from watchword_server.store.authorization_records import (
    Authorization,
    ClientSession,
    CodeView,
    DeviceView,
    NewOpaqueToken,
    OpaqueView,
    SignOn,
    SignOnView,
    StoredClient,
    TokenFacts,
)
from watchword_server.store.rows import Row, account_of, session_of
from watchword_server.store.text import unpack_list

MOST_DIGESTS: Final = 16
"""Secrets a client may have at once."""
LONGEST_DIGEST: Final = 64
"""Bytes of the longest digest: SHA-512."""

_encode = msgspec.json.Encoder().encode
_decode_digests = msgspec.json.Decoder(tuple[bytes, ...]).decode


def pack_digests(digests: tuple[bytes, ...]) -> str:
    """Digests as JSON text. Raises ValueError when there are too many or one is none."""
    if len(digests) > MOST_DIGESTS:
        raise ValueError("too many secrets at once")
    require_digests(*digests)
    return _encode(digests).decode()


def require_digests(*digests: bytes | None) -> None:
    """Raises ValueError unless each could be a digest."""
    if not all(digest is None or 0 < len(digest) <= LONGEST_DIGEST for digest in digests):
        raise ValueError("a digest is 1 to 64 bytes")


def merged(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    """What was allowed before and what is allowed now, each once, in that order."""
    return tuple(dict.fromkeys((*before, *now)))


def client_of(row: Row) -> StoredClient:
    """A registered client."""
    return StoredClient(
        client_id=row[0],
        origin=row[1],
        metadata=row[2],
        secret_digests=_decode_digests(row[3]),
        sealed_secret=row[4],
        registration_digest=row[5],
        tenant=row[6],
        created_at=row[7],
        updated_at=row[8],
        disabled_at=row[9],
    )


def sign_on_of(row: Row, at: int = 0) -> SignOn:
    """The sign-on whose columns begin at ``at``."""
    return SignOn(
        id=row[at],
        account_id=row[at + 1],
        rev=row[at + 2],
        device=row[at + 3],
        place=row[at + 4],
        created_at=row[at + 5],
        auth_time=row[at + 6],
        amr=unpack_list(row[at + 7]),
        acr=row[at + 8],
        last_used_at=row[at + 9],
        idle_expires_at=row[at + 10],
        expires_at=row[at + 11],
        ended_at=row[at + 12],
    )


def sign_on_view_of(row: Row) -> SignOnView:
    """From columns of account and sign-on, head and time of the read."""
    return SignOnView(account=account_of(row), sign_on=sign_on_of(row, 10), rev=row[23], read_at=row[24])


def authorization_of(row: Row) -> Authorization:
    """What an account allowed a client."""
    return Authorization(
        account_id=row[0],
        client_id=row[1],
        scope=unpack_list(row[2]),
        resource=unpack_list(row[3]),
        details=row[4],
        granted_at=row[5],
        updated_at=row[6],
    )


def client_session_of(row: Row) -> ClientSession:
    """From ``client_session_columns``."""
    return ClientSession(session=session_of(row), sign_on=row[15], id_token_sid=row[16], told=bool(row[17]))


def code_view_of(row: Row) -> CodeView:
    """A code as presented."""
    return CodeView(
        client_id=row[0],
        terms=row[1],
        expires_at=row[2],
        used=bool(row[3]),
        alive=bool(row[4]),
        sid=row[5],
        rev=row[6],
        read_at=row[7],
        account=account_of(row, 8),
        sign_on=sign_on_of(row, 18),
    )


def device_view_of(row: Row) -> DeviceView:
    """A device code as polled."""
    decided = bool(row[10])
    return DeviceView(
        client_id=row[0],
        request=row[1],
        terms=row[2],
        state=row[3],
        too_soon=bool(row[4]),
        interval=row[5],
        expires_at=row[6],
        alive=bool(row[7]),
        rev=row[8],
        read_at=row[9],
        account=account_of(row, 11) if decided else None,
        sign_on=sign_on_of(row, 21) if decided else None,
    )


def opaque_values(new: NewOpaqueToken) -> tuple[object, ...]:
    """The columns of an opaque token."""
    return (
        *(new.digest, new.jti, new.client_id, new.account_id, new.sid, new.tenant, new.rev, new.claims),
        new.expires_at,
    )


def opaque_view_of(row: Row) -> OpaqueView:
    """From the columns of an opaque token but its digest, then whether it lives, and the time of the read."""
    facts = TokenFacts(
        jti=row[0],
        client_id=row[1],
        account_id=row[2],
        sid=row[3],
        tenant=row[4],
        rev=row[5],
    )
    return OpaqueView(facts=facts, claims=row[6], expires_at=row[7], alive=bool(row[8]), read_at=row[9])
