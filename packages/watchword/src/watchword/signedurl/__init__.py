"""Signed URLs: links that expire, are bound to what you say, and die with a session.

Holds only re-exports; reads no request of a framework (``watchword.adapters`` does) and serves no file.
"""

from __future__ import annotations

from watchword.signedurl.binding import Bindings, Session
from watchword.signedurl.caveats import Caveats, Query, UrlRequest
from watchword.signedurl.errors import UrlReason, UrlRejected
from watchword.signedurl.signed_url import CutOffs, SignedUrl, SignedUrls
from watchword.signedurl.single_use import (
    AsyncSingleUse,
    AsyncValkeySingleUse,
    MemorySingleUse,
    PostgresSingleUse,
    SingleUse,
    SqliteSingleUse,
    ValkeySingleUse,
)

__all__ = [
    "AsyncSingleUse",
    "AsyncValkeySingleUse",
    "Bindings",
    "Caveats",
    "CutOffs",
    "MemorySingleUse",
    "PostgresSingleUse",
    "Query",
    "Session",
    "SignedUrl",
    "SignedUrls",
    "SingleUse",
    "SqliteSingleUse",
    "UrlReason",
    "UrlRejected",
    "UrlRequest",
    "ValkeySingleUse",
]
