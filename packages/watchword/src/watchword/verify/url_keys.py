"""The keys by which an authorization server signs URLs, fetched and kept fresh in the background.

Verifies no URL: ``SignedUrls(keys, ...)`` does, with one of these as its source of keys.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from typing import Self

from watchword.clock import Clock, system_clock
from watchword.jose.key_set import KeySet
from watchword.transport import HttpTransport, Transport, check_url
from watchword.verify.errors import KeysUnavailable
from watchword.verify.keys import RemoteKeys

PATH = "/signed-urls/keys"
"""Where a Watchword server publishes them."""


class PublishedUrlKeys:
    """A source of keys: ``with PublishedUrlKeys("https://auth.example.com") as keys: SignedUrls(keys, origin=...)``.

    Keys that are not for signed URLs are passed over by whoever uses them. Safe in threads.
    """

    def __init__(
        self,
        issuer: str,
        *,
        uri: str | None = None,
        transport: Transport | None = None,
        clock: Clock = system_clock,
        timeout: float = 5.0,
    ) -> None:
        """``uri``: where they are, if not where a Watchword server of that issuer has them. ``timeout``: in seconds.

        Raises: TransportError for URLs that cannot be.
        """
        where = f"{issuer.rstrip('/')}{PATH}" if uri is None else uri
        check_url(where, allow_http=True)  # whether http is allowed, the transport decides
        self._own = HttpTransport() if transport is None else None
        self._timeout = timeout
        self._keys = RemoteKeys(
            issuer,
            transport=transport or self._own or HttpTransport(),
            clock=clock,
            jwks_uri=where,
            timeout=timeout,
            name="watchword-url-keys",
        )

    def current(self) -> KeySet:
        """The keys to use now. Raises: KeysUnavailable, and asks for them in the background."""
        try:
            return self._keys.current()
        except KeysUnavailable:
            self._keys.refresh()
            raise

    def refresh(self) -> Future[None] | None:
        """Ask for newer keys. Returns: what to wait for; None while cooling down from the last time."""
        return self._keys.refresh()

    def __enter__(self) -> Self:
        """Fetch them, waiting for ``timeout`` seconds at most. Without an answer it goes on, and tries again."""
        step = self._keys.refresh()
        if step is not None:
            with contextlib.suppress(TimeoutError):
                step.result(self._timeout)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop fetching."""
        self._keys.background.stop()
        if self._own is not None:
            self._own.close()
