"""Receiving security events of others: the receiver's side of the Shared Signals Framework (SSF 1.0, CAEP 1.0).

Manages no stream: who may, has a token of the transmitter and its configuration.
"""

from watchword.ssf.ends import EndsFull, SignalledEnds
from watchword.ssf.event import (
    CREDENTIAL_CHANGE,
    SESSION_REVOKED,
    STREAM_UPDATED,
    TOKEN_CLAIMS_CHANGE,
    VERIFICATION,
    SecurityEvent,
    check_security_event,
)
from watchword.ssf.polling import PollClient
from watchword.ssf.push import PushEndpoint
from watchword.ssf.receiver import EventReceiver, EventsUnavailable

__all__ = [
    "CREDENTIAL_CHANGE",
    "SESSION_REVOKED",
    "STREAM_UPDATED",
    "TOKEN_CLAIMS_CHANGE",
    "VERIFICATION",
    "EndsFull",
    "EventReceiver",
    "EventsUnavailable",
    "PollClient",
    "PushEndpoint",
    "SecurityEvent",
    "SignalledEnds",
    "check_security_event",
]
