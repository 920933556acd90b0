"""Accept tokens: verify them without I/O, and know when they were revoked.

Holds only re-exports, each loaded when it is first asked for; the code lives in the modules below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchword.clock import Clock, system_clock
    from watchword.jose.jwk import Key, KeySet
    from watchword.oauth.errors import OAuthError
    from watchword.oauth.names import ErrorCode
    from watchword.signedurl import SignedUrl, SignedUrls, UrlRejected
    from watchword.transport import HttpTransport, Transport, TransportError
    from watchword.verify.access_token import AccessToken, Ancestor, Confirmation
    from watchword.verify.check import check_access_token
    from watchword.verify.credentials import BearerToken, ClientKey, ClientSecret
    from watchword.verify.dpop_nonces import DpopNonces
    from watchword.verify.errors import (
        KeysUnavailable,
        RejectionReason,
        RevocationViewStale,
        TokenRejected,
        VerifierUnavailable,
    )
    from watchword.verify.feed_settings import Revocations
    from watchword.verify.health import Health
    from watchword.verify.introspection import Introspection
    from watchword.verify.policy import Policy
    from watchword.verify.possession import Dpop, Possession
    from watchword.verify.replay import AsyncSharedReplayMemory, LocalReplayMemory, SharedReplayMemory
    from watchword.verify.revocation import RevocationView
    from watchword.verify.several import SeveralIssuers, SyncSeveralIssuers
    from watchword.verify.verifier import SyncVerifier, Verifier

__version__ = "0.1.0"

__all__ = [
    "AccessToken",
    "Ancestor",
    "AsyncSharedReplayMemory",
    "BearerToken",
    "ClientKey",
    "ClientSecret",
    "Clock",
    "Confirmation",
    "Dpop",
    "DpopNonces",
    "ErrorCode",
    "Health",
    "HttpTransport",
    "Introspection",
    "Key",
    "KeySet",
    "KeysUnavailable",
    "LocalReplayMemory",
    "OAuthError",
    "Policy",
    "Possession",
    "RejectionReason",
    "RevocationView",
    "RevocationViewStale",
    "Revocations",
    "SeveralIssuers",
    "SharedReplayMemory",
    "SignedUrl",
    "SignedUrls",
    "SyncSeveralIssuers",
    "SyncVerifier",
    "TokenRejected",
    "Transport",
    "TransportError",
    "UrlRejected",
    "Verifier",
    "VerifierUnavailable",
    "__version__",
    "check_access_token",
    "system_clock",
]

if not TYPE_CHECKING:
    _HOMES = {
        "AccessToken": "verify.access_token",
        "Ancestor": "verify.access_token",
        "AsyncSharedReplayMemory": "verify.replay",
        "BearerToken": "verify.credentials",
        "ClientKey": "verify.credentials",
        "ClientSecret": "verify.credentials",
        "Clock": "clock",
        "Confirmation": "verify.access_token",
        "Dpop": "verify.possession",
        "DpopNonces": "verify.dpop_nonces",
        "ErrorCode": "oauth.names",
        "Health": "verify.health",
        "HttpTransport": "transport",
        "Introspection": "verify.introspection",
        "Key": "jose.jwk",
        "KeySet": "jose.jwk",
        "KeysUnavailable": "verify.errors",
        "LocalReplayMemory": "verify.replay",
        "OAuthError": "oauth.errors",
        "Policy": "verify.policy",
        "Possession": "verify.possession",
        "RejectionReason": "verify.errors",
        "RevocationView": "verify.revocation",
        "RevocationViewStale": "verify.errors",
        "Revocations": "verify.feed_settings",
        "SeveralIssuers": "verify.several",
        "SharedReplayMemory": "verify.replay",
        "SignedUrl": "signedurl",
        "SignedUrls": "signedurl",
        "SyncSeveralIssuers": "verify.several",
        "SyncVerifier": "verify.verifier",
        "TokenRejected": "verify.errors",
        "Transport": "transport",
        "TransportError": "transport",
        "UrlRejected": "signedurl",
        "Verifier": "verify.verifier",
        "VerifierUnavailable": "verify.errors",
        "check_access_token": "verify.check",
        "system_clock": "clock",
    }

    def __getattr__(name):  # noqa: ANN001, ANN202 - typed above, for those who check types
        if name not in _HOMES:
            raise AttributeError(f"module 'watchword' has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - importing watchword imports nothing else

        value = globals()[name] = getattr(import_module(f"watchword.{_HOMES[name]}"), name)
        return value

    def __dir__():  # noqa: ANN202 - as above
        return sorted({*globals(), *__all__})
