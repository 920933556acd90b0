"""Names of SSF 1.0, CAEP 1.0 and the delivery methods (RFC 8935, RFC 8936).

Holds no rule.
"""

from __future__ import annotations

from typing import Final

_CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
SESSION_REVOKED: Final = f"{_CAEP}session-revoked"
CREDENTIAL_CHANGE: Final = f"{_CAEP}credential-change"
TOKEN_CLAIMS_CHANGE: Final = f"{_CAEP}token-claims-change"
EVENTS_SUPPORTED: Final = (SESSION_REVOKED, CREDENTIAL_CHANGE, TOKEN_CLAIMS_CHANGE)
"""What receivers may ask for; verification and stream-updated come unasked."""

_SSF: Final = "https://schemas.openid.net/secevent/ssf/event-type/"
VERIFICATION: Final = f"{_SSF}verification"
STREAM_UPDATED: Final = f"{_SSF}stream-updated"

PUSH: Final = "urn:ietf:rfc:8935"
POLL: Final = "urn:ietf:rfc:8936"
DELIVERY_METHODS: Final = (PUSH, POLL)

PUSH_KIND: Final = "ssf_push"
POLL_KIND: Final = "ssf_poll"
"""Kinds of deliveries in the outbox."""

SET_TYPE: Final = "secevent+jwt"
SET_MEDIA_TYPE: Final = "application/secevent+jwt"
