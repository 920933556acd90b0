"""The public keys of a client: those it registered, or those it publishes at its ``jwks_uri``, kept for a while.

Fetches by the one guarded way out (web/outgoing) alone, and verifies nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from watchword.clock import Clock
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet

from watchword_server.clients.metadata import Client
from watchword_server.web.outgoing import Getting, OutgoingFailed, OutgoingRefused

_MAX_AGE: Final = 600.0
"""Seconds for which fetched keys are used without asking again."""
_COOL_DOWN: Final = 30.0
"""Seconds within which one address is fetched twice at most, whatever strangers send."""
_MOST: Final = 1024

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_NONE: Final = KeySet(())


@dataclass(slots=True)
class _Held:
    keys: KeySet
    raw: bytes
    """The document they were read from."""
    fetched_at: float
    early: bool = False
    """Whether that was the second fetch within the cool-down."""


class ClientKeys:
    """Key sets by client. One fetch at a time for an address; others wait for it."""

    def __init__(self, outgoing: Getting, clock: Clock) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._inline: OrderedDict[bytes, KeySet] = OrderedDict()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._fetching: dict[str, asyncio.Lock] = {}

    async def of(self, client: Client, *, kid: str | None) -> KeySet:
        """The keys of a client; with a ``kid`` that is not among those at hand, asked for anew (OpenID Connect Core
        §10.1.1: an unfamiliar kid means to look again). Empty when there are none, or none can be had.
        """
        return await self.published(client.metadata.jwks, client.metadata.jwks_uri, kid=kid)

    async def published(self, jwks: Mapping[str, Any] | None, jwks_uri: str | None, *, kid: str | None) -> KeySet:
        """As ``of``, for whoever publishes keys in these ways."""
        if jwks is not None:
            return self._of_document(_encode(jwks))
        return _NONE if jwks_uri is None else (await self._of_address(jwks_uri, kid)).keys

    async def document(self, client: Client) -> bytes | None:
        """The JWK Set of a client as it stands, with the keys that are for encryption; None when it has none."""
        if client.metadata.jwks is not None:
            return _encode(client.metadata.jwks)
        uri = client.metadata.jwks_uri
        return None if uri is None else (await self._of_address(uri, None)).raw

    def _of_document(self, raw: bytes) -> KeySet:
        keys = self._inline.get(raw)
        if keys is None:
            keys = _read(raw)
            self._inline[raw] = keys
            if len(self._inline) > _MOST:
                self._inline.popitem(last=False)
        return keys

    async def _of_address(self, uri: str, kid: str | None) -> _Held:
        lock = self._fetching.setdefault(uri, asyncio.Lock())
        async with lock:
            held, now = self._held.get(uri), self._clock.monotonic()
            if held is not None:
                age = now - held.fetched_at
                unfamiliar = kid is not None and not held.keys.knows(kid)
                # Once at once: a client may change its keys just after it was looked at.
                if age < _COOL_DOWN and (held.early or not unfamiliar or not len(held.keys)):
                    return held
                if age < _MAX_AGE and not unfamiliar and len(held.keys):
                    return held
            raw = await self._fetch(uri)
            if raw is None:
                raw = held.raw if held is not None else b""
            early = held is not None and now - held.fetched_at < _COOL_DOWN
            fresh = self._held[uri] = _Held(_read(raw), raw, now, early)
            if len(self._held) > _MOST:
                forgotten, _ = self._held.popitem(last=False)
                self._fetching.pop(forgotten, None)
            return fresh

    async def _fetch(self, uri: str) -> bytes | None:
        try:
            answer = await self._outgoing.get(uri)
        except (OutgoingRefused, OutgoingFailed) as fault:
            _log.warning("keys of a client not fetched", extra={"error": str(fault)})
            return None
        return answer.body if answer.status == 200 else None


def _read(raw: bytes) -> KeySet:
    try:
        return KeySet.from_json(raw)
    except JoseError:
        return _NONE
