"""`GET /revocations`: the revocation log for verifiers, page by page after a cursor.

Writes nothing. Reading needs the feed's bearer token, since an open feed would tell strangers who logs out when.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode

from watchword_server.revocation.cursor import CursorError, parse_cursor, write_cursor
from watchword_server.store.port import Revocations
from watchword_server.store.records import Axis, CutOffBatch
from watchword_server.web.metrics import Metrics
from watchword_server.web.problem import ProblemError

DEFAULT_PAGE = 500
LARGEST_PAGE = 5000
_LIMIT = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class FeedEntry(msgspec.Struct, frozen=True, gc=False):
    """One cut-off as verifiers see it. ``expires_in`` is relative, so that no clocks are compared."""

    position: int
    axis: Axis
    value: str
    spares: str | None
    floor: int
    expires_in: int


class FeedPage(msgspec.Struct, frozen=True, gc=False):
    """A page of the feed."""

    cursor: str
    entries: list[FeedEntry]
    more: bool
    snapshot: bool


def feed_page(batch: CutOffBatch) -> FeedPage:
    """The page for a batch; entries already past their end are told with 0 seconds."""
    return FeedPage(
        cursor=write_cursor(batch.cursor),
        entries=[
            FeedEntry(
                entry.position,
                entry.axis,
                entry.value,
                entry.spares,
                entry.floor,
                max(0, int(entry.expires_at - batch.read_at) + 1),
            )
            for entry in batch.entries
        ],
        more=batch.more,
        snapshot=batch.snapshot,
    )


class Feed:
    """The endpoint. ``token`` is the secret that verifiers present; None (development only) leaves it open."""

    def __init__(self, store: Revocations, token: str | None, metrics: Metrics) -> None:
        self._store = store
        self._token = token.encode() if token is not None else None
        self._metrics = metrics
        self._encode = msgspec.json.Encoder().encode

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route("/revocations", self.read, methods=["GET"])]

    async def read(self, request: Request) -> Response:
        """One page after `cursor`, or a snapshot from the start without one."""
        self._authenticate(request.headers.getlist("authorization"))
        cursor_text = _single(request, "cursor")
        limit_text = _single(request, "limit")
        try:
            cursor = parse_cursor(cursor_text) if cursor_text is not None else None
        except CursorError as error:
            raise ProblemError(400, "cursor_malformed", str(error)) from error
        limit = DEFAULT_PAGE
        if limit_text is not None:
            if not _LIMIT.fullmatch(limit_text) or int(limit_text) > LARGEST_PAGE:
                raise ProblemError(400, "limit_malformed", f"limit is a whole number from 1 to {LARGEST_PAGE}.")
            limit = int(limit_text)
        batch = await self._store.cut_offs_after(cursor, limit=limit)
        self._metrics.feed_reads.labels("snapshot" if batch.snapshot else "batch").inc()
        return Response(
            self._encode(feed_page(batch)), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    def _authenticate(self, authorization: Sequence[str]) -> None:
        if self._token is None:
            return
        presented = (
            authorization[0][7:] if len(authorization) == 1 and authorization[0][:7].lower() == "bearer " else ""
        )
        if not hmac.compare_digest(presented.encode("utf-8", "replace"), self._token):
            error = ErrorCode.INVALID_TOKEN if presented else None
            raise ProblemError(
                401,
                "feed_unauthorized",
                "Reading the revocation feed needs its bearer token (feed.token of the server).",
                headers={"WWW-Authenticate": challenge(error=error)},
            )


def _single(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise ProblemError(400, "parameter_repeated", f"{name} is given more than once.")
    return values[0] if values else None
