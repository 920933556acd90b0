"""The server's log: standard logging, one redacted JSON object a line, or text for people in development.

Holds no event; each room logs its own by ``logging.getLogger(__name__)`` with ``extra={...}``.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

from watchword_server.web.correlation import correlation_id
from watchword_server.web.redaction import REDACTED, is_secret_name, redact, redact_text

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_encode = msgspec.json.Encoder().encode


def event(record: logging.LogRecord) -> dict[str, Any]:
    """A log record as members of a JSON object, secrets taken out of message, extras and traceback."""
    members: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": redact_text(_message(record)),
    }
    if reference := correlation_id():
        members["correlation_id"] = reference
    for name, value in vars(record).items():
        if name not in _STANDARD and name not in members:
            members[name] = REDACTED if value and is_secret_name(name) else redact(value)
    if record.exc_info and record.exc_info[0] is not None:
        members["error_type"] = record.exc_info[0].__name__
        members["traceback"] = redact_text(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        members["stack"] = redact_text(record.stack_info)
    return members


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a line whose arguments do not fit is written without them, not lost
        return str(record.msg)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        return _encode(event(record)).decode("utf-8")


class ConsoleFormatter(logging.Formatter):
    """One line for people: time, level, event, then members. Line breaks in values are escaped, so none can be forged."""

    def format(self, record: logging.LogRecord) -> str:
        members = event(record)
        traceback = members.pop("traceback", None)
        head = f"{members.pop('time')[11:23]} {members.pop('level'):<7} {_one_line(members.pop('event'))}"
        members.pop("logger")
        line = " ".join([head, *(f"{name}={_one_line(value)}" for name, value in members.items())])
        return f"{line}\n{traceback}" if traceback else line


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else _encode(value).decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def configure(level: str, form: Literal["json", "console"], *, stream: TextIO | None = None) -> None:
    """Send every logger of the process, uvicorn's too, to one redacting handler.

    ``level`` and ``form`` are settings.log.level and .format. uvicorn's own access log, which writes query strings, is
    silenced; request_log.py writes ours. Run uvicorn with ``log_config=None, access_log=False``.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)  # uvicorn sets one of its own, for the whole process
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    logging.captureWarnings(capture=True)
