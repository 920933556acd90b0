"""Managing streams of events (SSF 1.0 §8.1): what a receiver may make, read, change and end, each only its own.

Reads no request and authenticates nobody; endpoints/ssf does. Refuses by ProblemError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from watchword.clock import Clock

from watchword_server.keys.sealing import Sealer
from watchword_server.ssf.courier import SEALED_FOR
from watchword_server.ssf.names import EVENTS_SUPPORTED, POLL, PUSH
from watchword_server.ssf.subjects import SubjectError, name_of
from watchword_server.ssf.translator import delivery_of, stream_updated, verification
from watchword_server.store.delivery_port import Outbox
from watchword_server.store.signal_port import Signals
from watchword_server.store.signal_records import Stream, StreamStatus
from watchword_server.web.outgoing import OutgoingRefused, OutgoingRequests
from watchword_server.web.problem import ProblemError

MOST_SUBJECTS: Final = 100_000
MOST_REQUESTED: Final = 64
LONGEST_STATE: Final = 1024
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,2047}", re.ASCII)


class StreamStore(Signals, Outbox, Protocol):
    """What the management of streams asks of a store."""


class Delivery(msgspec.Struct, frozen=True):
    """How events are delivered (SSF 1.0 §6.1)."""

    method: str
    endpoint_url: str | None = None
    authorization_header: str | None = None

    def __repr__(self) -> str:
        """Without the header."""
        return f"Delivery(method={self.method!r})"


class Wanted(msgspec.Struct, frozen=True):
    """What a receiver says of a stream when it makes or changes it; UNSET: not said."""

    delivery: Delivery | msgspec.UnsetType = msgspec.UNSET
    events_requested: list[str] | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET


class StreamManager:
    """All of it, over one store. ``base`` is the issuer's URL, under which the poll endpoints lie."""

    def __init__(
        self,
        store: StreamStore,
        outgoing: OutgoingRequests,
        *,
        issuer: str,
        sealer: Sealer,
        clock: Clock,
        identifier: Callable[[], str],
        most_streams: int,
        verification_interval: float,
        enqueued: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._outgoing = outgoing
        self._issuer = issuer
        self._sealer = sealer
        self._clock = clock
        self._identifier = identifier
        self._most_streams = most_streams
        self._interval = verification_interval
        self._enqueued = enqueued

    async def create(self, receiver: str, wanted: Wanted) -> dict[str, Any]:
        """Make a stream. Returns: its configuration."""
        blank = Stream(
            id=self._identifier(),
            receiver=receiver,
            method="poll",
            endpoint=None,
            sealed=None,
            requested=EVENTS_SUPPORTED,
            description="",
            status="enabled",
            reason="",
            created_at=self._clock.now(),
            verified_at=0.0,
        )
        stream = self._changed(blank, wanted)
        if not await self._store.create_stream(stream, most=self._most_streams):
            raise ProblemError(409, "streams_full", f"A receiver has at most {self._most_streams} streams.")
        return self.configuration(stream)

    async def own(self, receiver: str, stream_id: str) -> Stream:
        """A stream of that receiver. Raises ProblemError 404, also for those of others."""
        stream = await self._store.stream(stream_id)
        if stream is None or stream.receiver != receiver:
            raise ProblemError(404, "stream_unknown", "There is no such stream.")
        return stream

    async def listed(self, receiver: str) -> Sequence[Stream]:
        """All streams of that receiver."""
        return await self._store.streams(receiver)

    async def change(self, receiver: str, stream_id: str, wanted: Wanted, *, whole: bool) -> dict[str, Any]:
        """Change what is said; with ``whole``, put back to its default what is not (PUT, §8.1.1.4)."""
        stream = await self.own(receiver, stream_id)
        if whole:
            stream = msgspec.structs.replace(
                stream, method="poll", endpoint=None, sealed=None, requested=EVENTS_SUPPORTED, description=""
            )
        before = stream.method
        stream = self._changed(stream, wanted)
        await self._replace(stream)
        if stream.method != before:
            # What waits was made for the other method: its receiver would wait for it in vain.
            await self._store.drop_deliveries(f"ssf_{before}", stream.id, None)
        return self.configuration(stream)

    async def delete(self, receiver: str, stream_id: str) -> None:
        """End a stream, with all that waits for it."""
        stream = await self.own(receiver, stream_id)
        if not await self._store.delete_stream(stream.id):
            raise ProblemError(404, "stream_unknown", "There is no such stream.")

    async def set_status(self, receiver: str, stream_id: str, status: StreamStatus, reason: str) -> dict[str, Any]:
        """Pause, disable or enable it (§8.1.2). What waits for a disabled one is dropped: nothing is kept for it."""
        stream = await self.own(receiver, stream_id)
        changed = msgspec.structs.replace(stream, status=status, reason=reason)
        await self._replace(changed)
        if status == "disabled":
            await self._store.drop_deliveries(f"ssf_{stream.method}", stream.id, None)
        elif status != stream.status:
            await self._tell(changed, stream_updated(changed))
        return status_of(changed)

    async def note_subject(self, receiver: str, stream_id: str, subject: object, *, included: bool) -> None:
        """Add or remove a subject (§8.1.3). Does not say whether there is such a subject: it would tell who has an account."""
        stream = await self.own(receiver, stream_id)
        try:
            name = name_of(subject)
        except SubjectError as error:
            raise ProblemError(400, "subject_unsupported", str(error)) from None
        if not await self._store.set_subject(stream.id, name, included=included, most=MOST_SUBJECTS):
            raise ProblemError(409, "subjects_full", f"A stream has at most {MOST_SUBJECTS} subjects.")

    async def verify(self, receiver: str, stream_id: str, state: str | None) -> None:
        """Send a verification event (§8.1.4), not more often than the interval."""
        if state is not None and len(state) > LONGEST_STATE:
            raise ProblemError(400, "state_too_long", f"The state has at most {LONGEST_STATE} characters.")
        stream = await self.own(receiver, stream_id)
        now = self._clock.now()
        wait = stream.verified_at + self._interval - now
        if wait > 0:
            raise ProblemError(429, "verified_too_often", "Ask again later.", retry_after=int(wait) + 1)
        if stream.status == "disabled":
            raise ProblemError(409, "stream_disabled", "The stream is disabled.")
        noted = msgspec.structs.replace(stream, verified_at=now)
        await self._replace(noted)
        await self._tell(noted, verification(noted, state))

    async def _tell(self, stream: Stream, event: Any) -> None:
        new = delivery_of(stream, event, issuer=self._issuer, jti=self._identifier(), now=self._clock.now())
        await self._store.enqueue([new])
        self._enqueued()

    async def _replace(self, stream: Stream) -> None:
        if not await self._store.replace_stream(stream):
            raise ProblemError(409, "stream_changed", "The stream was changed meanwhile; read it and try again.")

    def _changed(self, stream: Stream, wanted: Wanted) -> Stream:
        changes: dict[str, Any] = {}
        if not isinstance(wanted.delivery, msgspec.UnsetType):
            changes |= self._delivery(stream, wanted.delivery)
        if not isinstance(wanted.events_requested, msgspec.UnsetType):
            if len(wanted.events_requested) > MOST_REQUESTED:
                raise ProblemError(400, "events_too_many", f"At most {MOST_REQUESTED} events are requested.")
            # Unknown ones are let be (§8.1.1.1): what is delivered is what both know.
            changes["requested"] = tuple(name for name in EVENTS_SUPPORTED if name in wanted.events_requested)
        if not isinstance(wanted.description, msgspec.UnsetType):
            changes["description"] = wanted.description
        return msgspec.structs.replace(stream, **changes)

    def _delivery(self, stream: Stream, given: Delivery) -> dict[str, Any]:
        if given.method == POLL:
            if given.authorization_header is not None:
                raise _delivery_refused("authorization_header goes with push")
            # A poll stream's endpoint is the transmitter's to name (§6.1.2); what a receiver sent back of it is let be.
            return {"method": "poll", "endpoint": None, "sealed": None}
        if given.method != PUSH or given.endpoint_url is None:
            raise _delivery_refused(f"method is {PUSH} with endpoint_url, or {POLL}")
        try:
            self._outgoing.check(given.endpoint_url)
        except OutgoingRefused as refused:
            raise _delivery_refused(str(refused)) from None
        sealed = None
        if given.authorization_header is not None:
            if _HEADER_VALUE.fullmatch(given.authorization_header) is None:
                raise _delivery_refused("authorization_header is not one line of printable ASCII")
            secret = given.authorization_header.encode()
            sealed = self._sealer.seal(secret, purpose=SEALED_FOR, name=stream.id)
        elif given.endpoint_url == stream.endpoint:
            sealed = stream.sealed  # never sent elsewhere than where it was given for
        return {"method": "push", "endpoint": given.endpoint_url, "sealed": sealed}

    def configuration(self, stream: Stream) -> dict[str, Any]:
        """The stream as its receiver sees it (§8.1.1), without the Authorization header."""
        delivery: dict[str, Any] = {"method": PUSH, "endpoint_url": stream.endpoint}
        if stream.method == "poll":
            delivery = {"method": POLL, "endpoint_url": f"{self._issuer}/ssf/poll/{stream.id}"}
        return {
            "stream_id": stream.id,
            "iss": self._issuer,
            "aud": stream.receiver,
            "delivery": delivery,
            "events_supported": list(EVENTS_SUPPORTED),
            "events_requested": list(stream.requested),
            "events_delivered": list(stream.requested),
            "min_verification_interval": int(self._interval),
            **({"description": stream.description} if stream.description else {}),
        }


def status_of(stream: Stream) -> dict[str, Any]:
    """The status document (§8.1.2)."""
    reason: Mapping[str, str] = {"reason": stream.reason} if stream.reason else {}
    return {"stream_id": stream.id, "status": stream.status, **reason}


def _delivery_refused(why: str) -> ProblemError:
    return ProblemError(400, "delivery_unsupported", f"The delivery cannot be: {why}.")
