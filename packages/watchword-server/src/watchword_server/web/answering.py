"""The answer to one request on its way out: seen, and its head completed, by all middlewares in one place.

Decides nothing: each middleware says what it wants seen or added; without it every one would wrap every message anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.types import Message, Scope, Send

_ANSWER: Final = "watchword.answer"
Headers = list[tuple[bytes, bytes]]
Shape = Callable[[Headers], None]


class Answer:
    """What was sent of an answer so far, and who completes its head."""

    __slots__ = ("_send", "_shapes", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._shapes: list[Shape] = []
        self.status = 0
        """0 as long as nothing was sent."""

    def shape(self, shape: Shape) -> None:
        """Let ``shape`` change the headers when the answer begins; who came first, outside, has the last word."""
        self._shapes.append(shape)

    async def send(self, message: Message) -> None:
        """Send on; the head once all have had their word."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: Headers = list(message.get("headers", ()))
            for shape in reversed(self._shapes):
                shape(headers)
            message["headers"] = headers
            await self._send(message)
        elif message.get("more_body"):
            await self._send(message)
        else:
            # The answer is in the scope, which the server's own end of it holds: let go, or each request is a ring of
            # objects that only the collector of garbage takes apart.
            send, self._send = self._send, _nothing_more
            await send(message)


async def _nothing_more(message: Message) -> None:
    raise RuntimeError(f"{message['type']} after the end of the answer")


def answer_of(scope: Scope, send: Send) -> tuple[Answer, Send]:
    """The answer to the request of ``scope``, and through what to send it on.

    The outermost middleware begins it; those within pass on the ``send`` they were given, so that nothing in between is
    passed by.
    """
    known: Answer | None = scope.get(_ANSWER)
    if known is not None:
        return known, send
    begun = scope[_ANSWER] = Answer(send)
    return begun, begun.send
