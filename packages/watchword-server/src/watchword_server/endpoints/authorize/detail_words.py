"""Authorization details (RFC 9396) as people are shown them: all of each, as text. Pure.

Leaves nothing out and cuts nothing: what is not shown has not been allowed. How much there can be, the request's limits say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

_SHOWN_APART: Final = frozenset({"type", "locations", "actions"})
_encode = msgspec.json.Encoder().encode


def shown_detail(detail: Mapping[str, Any], words: str, name_of: Callable[[str], str]) -> dict[str, Any]:
    """What a page shows of a detail: the words of its type, where, which actions, and each other member by its name.

    RFC 9396 §12: what is shown has to be what is asked for; ``name_of``: what people know a resource by.
    """
    return {
        "words": words,
        "locations": [name_of(one) for one in detail.get("locations", ())],
        "actions": [_visible(one) for one in detail.get("actions", ())],
        "members": [(_visible(name), _text(value)) for name, value in detail.items() if name not in _SHOWN_APART],
    }


def _text(value: Any) -> str:
    return _visible(value if isinstance(value, str) else _encode(value).decode())


def _visible(text: str) -> str:
    """Without tricks of direction and invisible characters, each of which leaves a mark."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
