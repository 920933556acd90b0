"""Settings of what the server sends to others: outgoing requests, and deliveries with retries.

Reads nothing; tree.py has these sections in its tree.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, SecretStr

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import FilePath, OutgoingAllowed, Seconds, Table, WholeSeconds

_SHORTEST_TOKEN: Final = 16


class Outbox(Section):
    """Deliveries to others: repeated with growing waits until they arrive, or are given up as dead letters."""

    concurrency: int = setting(32, "Deliveries a worker makes at once.", "deliveries", ge=1, le=1000)
    per_destination: int = setting(4, "Of these, at most so many to one destination.", "deliveries", ge=1, le=100)
    give_up_after: WholeSeconds = setting(
        3 * 86400, "A failure this long after the delivery was decided on is its last.", "seconds", ge=60
    )


def _callers(values: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Tokens by name. Raises ValueError for a name that is no audience, and for a token that could be guessed."""
    for name, token in values.items():
        if not 0 < len(name) <= 256 or not name.isascii() or not name.isprintable() or name.startswith("client:"):
            raise ValueError(
                f"{name[:64]!r} is not a name of 1 to 256 printable ASCII characters, not beginning with client:"
            )
        if len(token.get_secret_value()) < _SHORTEST_TOKEN:
            raise ValueError(f"the token of {name!r} has fewer than {_SHORTEST_TOKEN} characters")
    if len({token.get_secret_value() for token in values.values()}) < len(values):
        raise ValueError("two names share a token")
    return values


class Ssf(Section):
    """Security events for receivers elsewhere (Shared Signals Framework 1.0, CAEP 1.0)."""

    enabled: bool = setting(default=False, description="Whether receivers may have streams of events.")
    receivers: Annotated[dict[str, SecretStr], Table, AfterValidator(_callers)] = setting(
        {}, "Receivers and the bearer token of each: `{name: token}`. The name is the `aud` of its events."
    )
    access_tokens: bool = setting(
        default=False,
        description="Whether clients manage streams with access tokens of their own (client credentials) and the scope "
        "`ssf.manage`, or `ssf.read` to fetch alone.",
    )
    default_subjects: Literal["NONE", "ALL"] = setting(
        "NONE", "Whom a stream is about that was told of nobody: nobody, or everybody."
    )
    max_streams: int = setting(4, "Streams a receiver may have.", "streams", ge=1, le=1000)
    max_queued: int = setting(
        10_000, "Events that may wait for one stream; with more it is disabled.", "events", ge=10, le=1_000_000
    )
    verification_interval: WholeSeconds = setting(
        60, "How often a receiver may ask for a verification event.", "seconds", ge=0, le=86400
    )
    poll_wait: Seconds = setting(
        15, "How long a receiver that fetches events is held when there is none.", "seconds", ge=0, le=25
    )
    max_pollers: int = setting(100, "Receivers that one worker holds so at a time.", "receivers", ge=0, le=10_000)


class GlobalRevocation(Section):
    """Global Token Revocation (draft-parecki-oauth-global-token-revocation, which may change): machines end all that one
    account has.
    """

    enabled: bool = setting(default=False, description="Whether `/global-token-revocation` is served.")
    callers: Annotated[dict[str, SecretStr], Table, AfterValidator(_callers)] = setting(
        {}, "Machines that may call it and the bearer token of each: `{name: token}`."
    )
    access_tokens: bool = setting(
        default=False,
        description="Whether clients may call it with access tokens of their own (client credentials) and the scope "
        "`global_token_revocation`.",
    )


class StatusLists(Section):
    """Status lists (draft-ietf-oauth-status-list), for verifiers that know nothing of Watchword."""

    enabled: bool = setting(
        default=False, description="Whether tokens name the status of their session, which adds about 90 bytes to each."
    )
    ttl: WholeSeconds = setting(60, "How long a verifier may keep a list.", "seconds", ge=5, le=86400)


class Outgoing(Section):
    """What the server itself asks of others: documents of clients, and deliveries. Public addresses over https only."""

    allow: OutgoingAllowed = setting(
        (), "Networks and exact host names that may be asked although they are not public.", "CIDR or host"
    )
    ca_file: FilePath | None = setting(None, "Certificate authorities in PEM to trust beside the system's.", "path")
    timeout: Seconds = setting(5, "A whole exchange, from the name to the last byte.", "seconds", gt=0, le=60)
    max_bytes: int = setting(262_144, "Longest body of an answer.", "bytes", ge=1024, le=16 << 20)
