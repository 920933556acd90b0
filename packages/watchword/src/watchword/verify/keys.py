"""The issuer's keys: found by discovery, fetched, kept, refreshed in the background.

Verifies nothing. However many tokens name keys nobody has, the issuer is asked at most once in a while.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Protocol
from urllib.parse import urlsplit

from watchword.clock import Clock
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet
from watchword.oauth.metadata import MAX_METADATA_BYTES, MetadataError, ServerMetadata, metadata_urls, parse_metadata
from watchword.transport import Request, Response, Transport, TransportError, check_url
from watchword.verify.background import Background
from watchword.verify.errors import KeysUnavailable
from watchword.verify.max_age import fresh_seconds

_log: Final = logging.getLogger("watchword")

COOL_DOWN_SECONDS: Final = 10.0
"""Least time between two fetches that tokens ask for; a new key is found at latest so much after it is published."""
FIRST_COOL_DOWN_SECONDS: Final = 1.0
"""The same as long as there are no keys at all."""
MIN_REFRESH_SECONDS: Final = 60.0
DEFAULT_REFRESH_SECONDS: Final = 300.0
MAX_REFRESH_SECONDS: Final = 3600.0
"""Bounds of ``max-age``, and what holds without it."""
MAX_STALE_SECONDS: Final = 86_400.0
"""How long keys are trusted while the issuer cannot be asked for newer ones."""
MAX_JWKS_BYTES: Final = 524_288
"""Octets of a JWK Set that are read at all."""


class KeySource(Protocol):
    """Where a verifier gets keys from."""

    def current(self) -> KeySet:
        """The keys to use now: the same object as long as they are the same. Raises: KeysUnavailable."""
        ...

    def refresh(self) -> Future[None] | None:
        """Ask for newer keys. Returns: what to wait for, or None if there is nothing to wait for."""
        ...


class StaticKeys:
    """Keys given once."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def current(self) -> KeySet:
        """The keys given."""
        return self._keys

    def refresh(self) -> None:
        """Nothing newer is to be had."""


def key_source(keys: KeySet | KeySource) -> KeySource:
    """What a verifier was given, as something it can ask.

    Raises: TypeError for anything else, which would otherwise fail at the first token.
    """
    if isinstance(keys, KeySet):
        return StaticKeys(keys)
    if isinstance(keys, type) or not all(callable(getattr(keys, name, None)) for name in ("current", "refresh")):
        raise TypeError("keys must be a KeySet or a KeySource")
    return keys


class FetchError(Exception):
    """The issuer gave an answer that cannot be used. The message names the rule that was broken."""


class RemoteKeys:
    """Keys fetched from an issuer's JWK Set (RFC 8414, RFC 7517 §5).

    A refresh that fails changes nothing: the keys at hand stay in use for `MAX_STALE_SECONDS`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        transport: Transport,
        clock: Clock,
        jwks_uri: str | None = None,
        timeout: float = 5.0,
        on_removal: Callable[[], None] | None = None,
        uri_of: Callable[[ServerMetadata], str | None] = lambda metadata: metadata.jwks_uri,
        name: str = "watchword-keys",
    ) -> None:
        """Prepare it.

        ``jwks_uri`` spares discovery, ``uri_of`` says which URL to take from what it finds; ``on_removal`` is called
        when a key is no longer published; ``name`` is that of the thread.
        """
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._fixed_uri = jwks_uri
        self._uri = jwks_uri
        self._timeout = timeout
        self._on_removal = on_removal
        self._uri_of = uri_of
        self._keys: KeySet | None = None
        self._names: frozenset[tuple[str | None, str, str]] = frozenset()
        self._body = b""
        self._fetched = -math.inf
        self._tried = -math.inf
        self.background: Background = Background(name, self.step)
        self.error: str | None = None
        """Why the last fetch failed; None if it did not."""

    def __len__(self) -> int:
        return 0 if self._keys is None else len(self._keys)

    def age(self) -> float:
        """Seconds since the keys were fetched; infinite before."""
        return self._clock.monotonic() - self._fetched

    def current(self) -> KeySet:
        """As `KeySource.current`."""
        if self._keys is None or self.age() > MAX_STALE_SECONDS:
            raise KeysUnavailable("the issuer's keys cannot be had")
        self.background.ensure()
        return self._keys

    def refresh(self) -> Future[None] | None:
        """As `KeySource.refresh`; None while cooling down from the last fetch."""
        return self.background.request_unless(self._cooling_down)

    def _cooling_down(self) -> bool:
        cool_down = FIRST_COOL_DOWN_SECONDS if self._keys is None else COOL_DOWN_SECONDS
        return self._clock.monotonic() - self._tried < cool_down

    def step(self) -> float:
        """Fetch once. Returns: seconds until the next fetch. Does not raise for a faulty issuer."""
        self._tried = self._clock.monotonic()
        try:
            answer = self._fetch_keys()
            self._adopt(answer.body)
        except (TransportError, FetchError) as error:
            if self.error is None:
                _log.warning("keys of the issuer: %s", error)
            self.error = str(error)
            self._uri = self._fixed_uri  # it may have moved
            return COOL_DOWN_SECONDS
        if self.error is not None:
            _log.info("keys of the issuer are fetched again")
        self.error = None
        self._fetched = self._tried
        return refresh_seconds(answer.headers.get("cache-control", ""))

    def _fetch_keys(self) -> Response:
        if self._uri is None:
            self._uri = self._discover()
        return self._get(self._uri, MAX_JWKS_BYTES)

    def _discover(self) -> str:
        failure: Exception = FetchError("issuer has no metadata")
        for url in metadata_urls(self._issuer):
            try:
                found = self._uri_of(parse_metadata(self._get(url, MAX_METADATA_BYTES).body, issuer=self._issuer))
            except MetadataError as error:
                failure = FetchError(str(error))
            except (TransportError, FetchError) as error:
                failure = error
            else:
                if found is not None:
                    return _same_scheme(found, self._issuer)
                failure = FetchError("the issuer's metadata does not say where these keys are")
        raise failure

    def _get(self, url: str, max_bytes: int) -> Response:
        answer = self._transport.fetch(
            Request(url, headers={"Accept": "application/json"}, timeout=self._timeout, max_bytes=max_bytes)
        )
        if answer.status != 200:
            raise FetchError(f"issuer answered {answer.status}")
        return answer

    def _adopt(self, body: bytes) -> None:
        if self._keys is not None and body == self._body:
            return
        try:
            keys = KeySet.from_json(body)
        except JoseError as error:
            raise FetchError(f"keys are unusable: {error.message}") from None
        if not len(keys):
            # Better yesterday's keys than none: an empty set is an accident, distrust has its own road (the feed).
            raise FetchError("no key is usable")
        # With its algorithms: a key that may no longer be used as before is, to that extent, gone.
        names = frozenset((key.kid, key.thumbprint(), name) for key in keys for name in key.verifiers)
        removed = self._names - names
        self._keys, self._names, self._body = keys, names, body
        if removed and self._on_removal is not None:
            self._on_removal()


def _same_scheme(url: str, issuer: str) -> str:
    """Refuse a URL by which an issuer asked over TLS would send us to plain http, on this machine or elsewhere."""
    if check_url(url, allow_http=True).scheme != "https" and urlsplit(issuer).scheme == "https":
        raise FetchError("jwks_uri of an https issuer is not https")  # RFC 8414 §2: MUST use the "https" scheme
    return url


def refresh_seconds(cache_control: str) -> float:
    """How long fetched keys are fresh: ``max-age`` within bounds (RFC 9111 §5.2.2.1)."""
    return fresh_seconds(
        cache_control, least=MIN_REFRESH_SECONDS, usual=DEFAULT_REFRESH_SECONDS, most=MAX_REFRESH_SECONDS
    )
