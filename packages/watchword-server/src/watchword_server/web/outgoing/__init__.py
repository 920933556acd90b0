"""The one way out of the server to URLs that strangers name: `OutgoingRequests.get` and `post`.

Knows nothing of what is fetched or delivered: client metadata, key sets and notices each have their own room.
"""

from watchword_server.web.outgoing.addresses import AllowList, OutgoingRefused, check_outgoing_url
from watchword_server.web.outgoing.answer import Answer, OutgoingFailed
from watchword_server.web.outgoing.port import Getting, Posting
from watchword_server.web.outgoing.requests import Limits, OutgoingRequests, tls_trust

__all__ = [
    "AllowList",
    "Answer",
    "Getting",
    "Limits",
    "OutgoingFailed",
    "OutgoingRefused",
    "OutgoingRequests",
    "Posting",
    "check_outgoing_url",
    "tls_trust",
]
