"""Fetching events (RFC 8936): ask, hand on, acknowledge with the next question.

Verifies no event; the receiver does.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, Never

import msgspec

from watchword.jose import strict_json
from watchword.jose.errors import JoseError
from watchword.ssf.receiver import EventReceiver, EventsUnavailable
from watchword.transport import HttpTransport, Request, Transport, TransportError
from watchword.verify.jwt import JwtRejected

_log: Final = logging.getLogger("watchword")

MAX_ANSWER_BYTES: Final = 4_194_304
MAX_SETS: Final = 1000
LONGEST_PAUSE: Final = 60.0


class PollError(Exception):
    """The transmitter gave no answer that could be used. The message names no token."""


class PollClient:
    """Polls one stream: ``await PollClient(url, receiver, authorization="Bearer …").run()``.

    ``wait``: seconds that the transmitter may hold a question when there is nothing; ``max_events`` in one answer.
    """

    def __init__(
        self,
        url: str,
        receiver: EventReceiver,
        *,
        authorization: str,
        transport: Transport | None = None,
        wait: float = 30.0,
        max_events: int = 100,
    ) -> None:
        if not 0 < max_events <= MAX_SETS:
            raise ValueError(f"max_events is 1 to {MAX_SETS}")
        self._url = url
        self._receiver = receiver
        self._authorization = authorization
        self._transport = transport or HttpTransport()
        self._wait = wait
        self._max_events = max_events
        self._done: list[str] = []
        self._errors: dict[str, dict[str, str]] = {}

    async def run(self) -> Never:
        """Poll until cancelled. What fails is logged and tried again, with growing pauses."""
        pause = 1.0
        while True:
            try:
                more = await self.poll_once()
            except PollError as error:
                _log.warning("security events: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = 1.0
                if not more:
                    await asyncio.sleep(1.0 if self._wait <= 0 else 0.05)

    async def poll_once(self, *, at_once: bool = False) -> bool:
        """Acknowledge what was handled, ask for more and hand it on. With ``at_once`` the transmitter answers without
        waiting for an event.

        Returns: whether there is more to be had at once, or something to acknowledge.
        Raises: PollError. Events that could not be handled now come again.
        """
        told, errors = self._done, self._errors
        question: dict[str, Any] = {"maxEvents": self._max_events, "returnImmediately": at_once or self._wait <= 0}
        if told:
            question["ack"] = told
        if errors:
            question["setErrs"] = errors
        sets, more = _read(await self._ask(msgspec.json.encode(question)))
        # Acknowledged by an answer, not by a question: one that was lost is told again.
        self._done, self._errors = [], {}
        for jti, raw in sets.items():
            await self._take(jti, raw)
        return more or bool(self._done or self._errors)

    async def _take(self, jti: str, raw: str) -> None:
        try:
            event = await self._receiver.receive(raw)
        except JwtRejected as rejected:
            self._errors[jti] = {"err": "invalid_request", "description": rejected.message}
        except EventsUnavailable as error:
            _log.warning("a security event is left for later: %s", error)
        except Exception:  # noqa: BLE001 - whatever the handler raised, the event must come again
            _log.exception("a security event was not handled")
        else:
            if event.jti != jti:
                self._errors[jti] = {"err": "invalid_request", "description": "the event has another jti"}
            else:
                self._done.append(jti)

    async def _ask(self, body: bytes) -> bytes:
        request = Request(
            self._url,
            method="POST",
            headers={
                "Authorization": self._authorization,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body=body,
            timeout=self._wait + 10.0,
            max_bytes=MAX_ANSWER_BYTES,
        )
        try:
            answer = await asyncio.to_thread(self._transport.fetch, request)
        except TransportError as error:
            raise PollError(str(error)) from None
        if answer.status != 200:
            raise PollError(f"the transmitter answered {answer.status}")
        return answer.body


def _read(body: bytes) -> tuple[dict[str, str], bool]:
    try:
        members = strict_json.decode_object(body, max_depth=4, max_bytes=MAX_ANSWER_BYTES)
    except JoseError:
        raise PollError("the transmitter's answer is not JSON") from None
    sets, more = members.get("sets", {}), members.get("moreAvailable", False)
    if not isinstance(sets, dict) or len(sets) > MAX_SETS or not all(isinstance(raw, str) for raw in sets.values()):
        raise PollError("the transmitter's answer holds no sets")
    return sets, more is True
