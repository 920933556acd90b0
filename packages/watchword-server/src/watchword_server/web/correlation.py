"""The id by which an answer and its log lines find each other.

Taken from nobody: it is made here for every request, so that nobody can forge a line of the log with it.
"""

from __future__ import annotations

from contextvars import ContextVar

from watchword_server import entropy

HEADER = "x-request-id"

_current: ContextVar[str] = ContextVar("watchword_correlation_id", default="")


def begin() -> str:
    """Make the id of a new request and hold it for this task and those it starts."""
    made = entropy.identifier()
    _current.set(made)
    return made


def correlation_id() -> str:
    """The id of the request under way; an empty text outside of one."""
    return _current.get()
