"""The one way out to the network: a small port, and its implementation on the standard library.

Knows nothing of tokens, follows no redirect, obeys no proxy setting, keeps no cookie.
"""

from watchword.transport.client import HttpTransport
from watchword.transport.port import Request, Response, Stream, StreamingTransport, Transport, TransportError
from watchword.transport.url import check_url, is_loopback

__all__ = [
    "HttpTransport",
    "Request",
    "Response",
    "Stream",
    "StreamingTransport",
    "Transport",
    "TransportError",
    "check_url",
    "is_loopback",
]
