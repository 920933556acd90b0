"""Pushing a security event token to its receiver (RFC 8935).

Keeps nothing; the stream is read anew for each attempt, so that a change of it counts at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from watchword_server.keys.sealing import Sealer, SealError
from watchword_server.outbox.courier import Delivered, Never, NotYet, Outcome, Paused
from watchword_server.ssf.names import SET_MEDIA_TYPE
from watchword_server.store.delivery_records import Delivery
from watchword_server.store.signal_port import Signals
from watchword_server.web.outgoing import Answer, OutgoingFailed, OutgoingRefused, OutgoingRequests

SEALED_FOR: Final = "ssf_authorization"
"""What the Authorization header of a stream is sealed for."""
LOOK_AT_PAUSED: Final = 30.0
_MAX_ANSWER: Final = 16_384
_REFUSALS: Final = frozenset({"invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"})
"""Errors of RFC 8935 §2.4 that another attempt would not mend; authentication is mended by whoever manages the stream."""


class PushCourier:
    """Carries deliveries of the kind ``ssf_push``."""

    def __init__(
        self, store: Signals, outgoing: OutgoingRequests, *, sign: Callable[[bytes], str], sealer: Sealer
    ) -> None:
        self._store = store
        self._outgoing = outgoing
        self._sign = sign
        self._sealer = sealer

    async def carry(self, delivery: Delivery) -> Outcome:
        """As `Courier.carry`."""
        stream = await self._store.stream(delivery.destination)
        if stream is None or stream.endpoint is None or stream.status == "disabled":
            return Delivered()
        if stream.status == "paused":
            return Paused(LOOK_AT_PAUSED)
        headers = {"Accept": "application/json"}
        if stream.sealed is not None:
            try:
                opened = self._sealer.open(stream.sealed, purpose=SEALED_FOR, name=stream.id)
            except SealError:
                return NotYet("the stream's Authorization header does not open under this master key")
            headers["Authorization"] = opened.decode()
        try:
            answer = await self._outgoing.post(
                stream.endpoint,
                self._sign(delivery.payload).encode(),
                content_type=SET_MEDIA_TYPE,
                headers=headers,
                max_bytes=_MAX_ANSWER,
            )
        except OutgoingRefused as refused:
            return Never(str(refused))
        except OutgoingFailed as failed:
            return NotYet(str(failed))
        return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """What a receiver's answer means (RFC 8935 §2.2, §2.4). Redirects are failures like any other."""
    if answer.status in {200, 202, 204}:
        return Delivered()
    error = _error(answer.body) if answer.status == 400 else None
    if error in _REFUSALS:
        return Never(f"400 {error}")
    if answer.status == 410:
        return Never("410")
    return NotYet(f"{answer.status} {error}" if error else str(answer.status), answer.retry_after)


def _error(body: bytes) -> str | None:
    """The `err` of RFC 8935 §2.4, if it is one of the registered names: nothing else of a peer's text is kept."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None
    error = members.get("err") if isinstance(members, dict) else None
    known = _REFUSALS | {"authentication_failed", "access_denied"}
    return error if isinstance(error, str) and error in known else None
