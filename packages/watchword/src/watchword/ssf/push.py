"""Where events are pushed to: a plain ASGI application (RFC 8935).

Verifies no event; the receiver does. To be mounted where the stream's ``endpoint_url`` says.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from watchword.ssf.receiver import EventReceiver, EventsUnavailable
from watchword.verify.errors import RejectionReason
from watchword.verify.jwt import JwtRejected

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MEDIA_TYPE: Final = "application/secevent+jwt"
MAX_BYTES: Final = 65_536

_log: Final = logging.getLogger("watchword")
_ERRORS: Final = {
    RejectionReason.ISSUER: "invalid_issuer",
    RejectionReason.AUDIENCE: "invalid_audience",
    RejectionReason.UNKNOWN_KEY: "invalid_key",
}


class _Refused(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, status: int, err: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.err = err


class PushEndpoint:
    """``app = PushEndpoint(receiver, authorization="Bearer …")``: what the transmitter must send as Authorization.

    ``authorization`` None leaves it to whatever stands before: events are signed, but anybody could have them verified.
    ``timeout``: seconds for the body.
    """

    def __init__(
        self, receiver: EventReceiver, *, authorization: str | None, max_bytes: int = MAX_BYTES, timeout: float = 10.0
    ) -> None:
        self._receiver = receiver
        self._authorization = None if authorization is None else authorization.encode()
        self._max_bytes = max_bytes
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks for it; speaks HTTP alone."""
        if scope["type"] != "http":
            raise RuntimeError("events are pushed by HTTP")
        try:
            await self._receive(scope, receive)
        except _Refused as refused:
            await _answer(send, refused.status, {"err": refused.err, "description": str(refused)})
        else:
            await _answer(send, 202, None)  # RFC 8935 §2.2

    async def _receive(self, scope: Scope, receive: Receive) -> None:
        headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        if scope["method"] != "POST":
            raise _Refused(405, "invalid_request", "events are sent by POST")
        if self._authorization is not None:
            shown = [value for name, value in headers if name == b"authorization"]
            if len(shown) != 1 or not hmac.compare_digest(shown[0], self._authorization):
                raise _Refused(401, "authentication_failed", "the Authorization header is not the one agreed on")
        types = [value for name, value in headers if name == b"content-type"]
        if len(types) != 1 or types[0].partition(b";")[0].strip().lower() != MEDIA_TYPE.encode():
            raise _Refused(415, "invalid_request", f"an event is {MEDIA_TYPE}")
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._body(receive)
        except TimeoutError:
            raise _Refused(408, "invalid_request", "the event was not received in time") from None
        await self._take(body)

    async def _take(self, body: bytes) -> None:
        try:
            raw = body.decode("ascii")
        except UnicodeDecodeError:
            raise _Refused(400, "invalid_request", "an event is ASCII") from None
        try:
            await self._receiver.receive(raw)
        except JwtRejected as rejected:
            err = _ERRORS.get(rejected.reason, "invalid_request")
            raise _Refused(400, err, rejected.message) from None
        except EventsUnavailable as error:
            raise _Refused(503, "invalid_request", str(error)) from None
        except Exception:  # noqa: BLE001 - whatever the handler raised, the event must come again
            _log.exception("a security event was not handled")
            raise _Refused(500, "invalid_request", "the event was not handled; send it again") from None

    async def _body(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _Refused(400, "invalid_request", "the event was cut short")
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                raise _Refused(413, "invalid_request", "the event is too long")
            if not message.get("more_body", False):
                return bytes(body)


async def _answer(send: Send, status: int, members: dict[str, str] | None) -> None:
    body = b"" if members is None else json.dumps(members).encode()
    headers = [(b"cache-control", b"no-store"), (b"content-length", str(len(body)).encode())]
    if body:
        headers += [(b"content-type", b"application/json"), (b"content-language", b"en")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
