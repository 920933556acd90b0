"""Scopes: reading and writing the space-separated list (RFC 6749 §3.3).

Does not know which scopes exist or who may have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

MAX_SCOPE_LENGTH: Final = 4096
"""Characters a scope parameter may have."""
MAX_SCOPE_TOKENS: Final = 128
"""Scope tokens it may name, repetitions included."""

_LONGEST_REMEMBERED: Final = 256
"""Characters: clients ask for the same few again and again, and a stranger must not fill memory with long ones."""

# scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), RFC 6749 §3.3
_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope_token(text: str) -> bool:
    """Whether the text is one ``scope-token``: printable ASCII without space, quote and backslash."""
    return _TOKEN.fullmatch(text) is not None


def parse_scope(text: str) -> tuple[str, ...]:
    """Read ``scope = scope-token *( SP scope-token )``.

    Returns: the tokens in the order given, each once.
    Raises: OAuthError ``invalid_scope`` for anything outside the grammar (an empty text, two spaces, other white
    space), more than `MAX_SCOPE_LENGTH` characters or `MAX_SCOPE_TOKENS` tokens.
    """
    if len(text) > MAX_SCOPE_LENGTH or text.count(" ") >= MAX_SCOPE_TOKENS:
        raise OAuthError(ErrorCode.INVALID_SCOPE, "too many scopes are named")
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _tokens(text)


def _tokens(text: str) -> tuple[str, ...]:
    tokens = text.split(" ")
    if not all(map(is_scope_token, tokens)):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "scope is not a list of scope tokens with one space between them")
    return tuple(dict.fromkeys(tokens))


_remembered = lru_cache(maxsize=256)(_tokens)


def format_scope(tokens: Iterable[str]) -> str:
    """Write scope tokens as one text, each once, in the order given.

    Raises: ValueError for anything that is not a scope token: a space in a token would grant two.
    """
    unique = tuple(dict.fromkeys(tokens))
    if not all(map(is_scope_token, unique)):
        raise ValueError("not a scope token (RFC 6749 §3.3)")
    return " ".join(unique)
