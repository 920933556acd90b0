"""`GET /status-lists/{n}`: which sessions are dead, one bit each (draft-ietf-oauth-status-list).

Says nothing that the revocation log and the sessions do not say at the moment of the read; keeps an answer for a moment.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.clock import Clock, EpochSeconds
from watchword.jose import base64url

from watchword_server.sessions.status_numbers import LIST_SIZE, status_list_uri
from watchword_server.store.port import Revocations
from watchword_server.store.records import Cursor, Record
from watchword_server.store.status_port import StatusNumbers
from watchword_server.web.problem import ProblemError

PATH: Final = "/status-lists/{place}"
TYP: Final = "statuslist+jwt"
MEDIA_TYPE: Final = "application/statuslist+jwt"
MOST_KEPT: Final = 64
"""Lists kept ready by one process."""
_PLACE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
"""A list in its one spelling. As a route's own number it could have more digits than Python reads."""
LEAST_AGE: Final = 1.0
"""Seconds for which a list is given again whatever happened: a stranger's questions cost the store one read a second."""

_encode = msgspec.json.Encoder().encode


class StatusStore(StatusNumbers, Revocations, Protocol):
    """What the lists ask of a store."""


class _Kept(Record, frozen=True):
    body: bytes
    etag: str
    head: Cursor
    made_at: float


class StatusLists:
    """The endpoint. ``ttl``: seconds that a verifier may keep a list."""

    def __init__(
        self, store: StatusStore, sign: Callable[[bytes], str], *, issuer: str, ttl: int, clock: Clock
    ) -> None:
        self._store = store
        self._sign = sign
        self._issuer = issuer
        self._ttl = ttl
        self._clock = clock
        self._kept: dict[int, _Kept] = {}
        self._reading = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        """The list, or 304 for who has it; 404 for one in which there is no session yet."""
        place = request.path_params["place"]
        if _PLACE.fullmatch(place) is None:
            raise _unknown()
        kept = await self._list(int(place))
        age = int(self._clock.monotonic() - kept.made_at)
        headers = {"Cache-Control": f"public, max-age={max(0, self._ttl - age)}", "ETag": kept.etag}
        if request.headers.get("if-none-match") == kept.etag:
            return Response(status_code=304, headers=headers)
        return Response(kept.body, media_type=MEDIA_TYPE, headers=headers)

    async def _list(self, place: int) -> _Kept:
        kept = self._kept.get(place)
        if kept is not None and self._clock.monotonic() - kept.made_at < LEAST_AGE:
            return kept
        # One at a time: who waited finds what the one before has made.
        async with self._reading:
            kept = self._kept.get(place)
            now = self._clock.monotonic()
            if kept is not None and now - kept.made_at < LEAST_AGE:
                return kept
            # Read before the sessions: what is cut off meanwhile makes the next list.
            head = await self._store.head()
            if kept is not None and kept.head == head and now - kept.made_at < self._ttl / 2:
                return kept
            if place * LIST_SIZE >= await self._store.status_numbers_end():
                raise _unknown()
            first = place * LIST_SIZE
            dead = await self._store.dead_status_numbers(first, first + LIST_SIZE - 1)
            text = self._sign(_encode(self._claims(place, dead, self._clock.now())))
            etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            made = self._kept[place] = _Kept(body=text.encode(), etag=etag, head=head, made_at=now)
            return made

    def _claims(self, place: int, dead: Sequence[int], now: EpochSeconds) -> dict[str, object]:
        return {
            "iss": self._issuer,
            "sub": status_list_uri(place, issuer=self._issuer),
            "iat": int(now),
            # Twice the time that it may be kept: a verifier that cannot ask has as long again, and no longer.
            "exp": int(now) + 2 * self._ttl,
            "ttl": self._ttl,
            "status_list": {"bits": 1, "lst": compressed(place, dead)},
        }


def _unknown() -> ProblemError:
    return ProblemError(404, "status_list_unknown", "There is no such list.")


def compressed(place: int, dead: Sequence[int]) -> str:
    """One bit a session, the least significant bit of each byte first (§4.1), in zlib's format (§4.2)."""
    bits = bytearray(LIST_SIZE // 8)
    for number in dead:
        index = number - place * LIST_SIZE
        bits[index // 8] |= 1 << (index % 8)
    return base64url.encode(zlib.compress(bits, 9))
