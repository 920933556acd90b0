"""How the parts of a verifier are made of its settings: where keys come from, and cut-offs.

Starts nothing and fetches nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from watchword.clock import Clock
from watchword.jose.jwk import KeySet
from watchword.transport import Transport, check_url
from watchword.verify.feed import Feed
from watchword.verify.feed_settings import Revocations
from watchword.verify.keys import KeySource, RemoteKeys, StaticKeys, key_source
from watchword.verify.revocation import RevocationView


def token_keys(
    issuer: str,
    keys: KeySet | KeySource | None,
    *,
    jwks_uri: str | None,
    transport: Transport,
    clock: Clock,
    timeout: float,
    on_removal: Callable[[], None],
) -> KeySource:
    """Where the keys of access tokens come from: those given, or the issuer.

    Raises: TypeError or TransportError for settings that cannot be.
    """
    if keys is not None:
        return key_source(keys)
    for url in (issuer, jwks_uri or issuer):
        check_url(url, allow_http=True)  # whether http is allowed, the transport decides
    return RemoteKeys(
        issuer, transport=transport, clock=clock, jwks_uri=jwks_uri, timeout=timeout, on_removal=on_removal
    )


def feed_of(
    revocations: Revocations,
    issuer: str,
    *,
    transport: Transport,
    clock: Clock,
    leeway: float,
    timeout: float,
    token_keys: Callable[[], KeySet | None],
) -> Feed:
    """The feed of cut-offs. Raises: TransportError for a URL that cannot be."""
    url = revocations.url or f"{issuer.rstrip('/')}/revocations"
    check_url(url, allow_http=True)
    return Feed(
        revocations,
        issuer=issuer,
        url=url,
        transport=transport,
        clock=clock,
        leeway=leeway,
        keys=_feed_keys(revocations, issuer, transport, clock, timeout),
        token_keys=token_keys,
    )


def view_of(
    revocations: Revocations | RevocationView | None, feed: Feed | None, leeway: float
) -> RevocationView | None:
    """The view to look tokens up in. Raises: ValueError or TypeError for one that cannot serve."""
    if isinstance(revocations, RevocationView):
        if revocations.grace < leeway:
            raise ValueError("grace of the view must be at least leeway, or tokens outlive their cut-offs")
        return revocations
    if feed is not None:
        return feed.view
    if revocations is not None:  # ignored, it would have revoked tokens accepted
        raise TypeError("revocations must be Revocations or a RevocationView")
    return None


def _feed_keys(
    revocations: Revocations, issuer: str, transport: Transport, clock: Clock, timeout: float
) -> KeySource | None:
    if not revocations.signed:
        return None
    if revocations.keys is not None:
        return StaticKeys(revocations.keys)
    check_url(revocations.keys_uri or issuer, allow_http=True)
    return RemoteKeys(
        issuer,
        transport=transport,
        clock=clock,
        jwks_uri=revocations.keys_uri,
        timeout=timeout,
        uri_of=lambda metadata: metadata.watchword_revocations_keys_uri,
        name="watchword-feed-keys",
    )
