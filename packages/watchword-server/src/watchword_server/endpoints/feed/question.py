"""What a verifier asks of the feed, strictly parsed.

Answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from watchword_server.revocation.cursor import CursorError, parse_cursor
from watchword_server.revocation.verifiers import VerifierName, VerifierNameError, parse_verifier
from watchword_server.revocation.wire import STREAM_MEDIA_TYPE
from watchword_server.store.records import Cursor, Record
from watchword_server.web.problem import ProblemError

DEFAULT_PAGE: Final = 500
LARGEST_PAGE: Final = 5000
LONGEST_WAIT: Final = 25.0
"""Seconds; under the 30 for which proxies and clients commonly wait."""

VERIFIER_HEADER: Final = "watchword-verifier"

_LIMIT: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22,128}", re.ASCII)
_WAIT: Final = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?", re.ASCII)


class Question(Record, frozen=True):
    """One question. ``nonce`` asks for a signed page, ``wait`` (seconds) to be held, ``stream`` for events."""

    cursor: Cursor | None
    asked: str | None
    """The cursor as it was written."""
    limit: int
    nonce: str | None
    wait: float
    stream: bool
    verifier: VerifierName | None = None
    """What it calls itself, for the map of verifiers alone."""


def parse_question(request: Request) -> Question:
    """The question of a request.

    Raises ProblemError 400 for anything that is not exactly one.
    """
    stream = accepts(request.headers.getlist("accept"), STREAM_MEDIA_TYPE)
    asked = _single(request, "cursor")
    if stream:
        # How a stream says where it was when it broke (HTML Standard §9.2.4); newer than what its URL says.
        asked = request.headers.get("last-event-id") or asked
    nonce = _single(request, "nonce")
    wait = _wait(_single(request, "wait"))
    if nonce is not None and not _NONCE.fullmatch(nonce):
        raise ProblemError(400, "nonce_malformed", "nonce is 22 to 128 characters of base64url.")
    if stream and (nonce is not None or wait is not None):
        raise ProblemError(400, "stream_question", "A stream takes neither nonce nor wait: it proves no freshness.")
    if wait is not None and asked is None:
        raise ProblemError(400, "wait_without_cursor", "wait needs the cursor after which news is waited for.")
    return Question(
        cursor=_cursor(asked),
        asked=asked,
        limit=_limit(_single(request, "limit")),
        nonce=nonce,
        wait=wait or 0.0,
        stream=stream,
        verifier=_verifier(request.headers.getlist(VERIFIER_HEADER)),
    )


def accepts(headers: Iterable[str], wanted: str) -> bool:
    """Whether a list such as `Accept` or `Accept-Encoding` names that very value, not with weight 0 (RFC 9110 §12.4.2)."""
    for element in ",".join(headers).split(","):
        value, *parameters = element.split(";")
        if value.strip().lower() == wanted:
            weights = [text.strip().lower() for text in parameters if text.strip()[:2].lower() == "q="]
            return not any(re.fullmatch(r"q=0(?:\.0{0,3})?", weight) for weight in weights)
    return False


def _cursor(text: str | None) -> Cursor | None:
    try:
        return None if text is None else parse_cursor(text)
    except CursorError as error:
        raise ProblemError(400, "cursor_malformed", str(error)) from error


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    if not _LIMIT.fullmatch(text) or int(text) > LARGEST_PAGE:
        raise ProblemError(400, "limit_malformed", f"limit is a whole number from 1 to {LARGEST_PAGE}.")
    return int(text)


def _wait(text: str | None) -> float | None:
    if text is None:
        return None
    if not _WAIT.fullmatch(text) or float(text) > LONGEST_WAIT:
        raise ProblemError(400, "wait_malformed", f"wait is a number of seconds from 0 to {LONGEST_WAIT:.0f}.")
    return float(text)


def _verifier(given: list[str]) -> VerifierName | None:
    if len(given) > 1:
        raise ProblemError(400, "verifier_malformed", "Watchword-Verifier is given more than once.")
    try:
        return parse_verifier(given[0]) if given else None
    except VerifierNameError as error:
        raise ProblemError(400, "verifier_malformed", str(error)) from error


def _single(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise ProblemError(400, "parameter_repeated", f"{name} is given more than once.")
    return values[0] if values else None
