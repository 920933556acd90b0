"""What text both engines can keep: valid Unicode without U+0000, no longer than an index can hold.

Does not normalise: which emails are equal is for accounts/ to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec

LONGEST_KEY = 1024
"""Bytes of UTF-8 in anything that is looked up by; PostgreSQL's indexes end at 2704."""
LONGEST_LIST = 16384
"""Bytes of JSON in a list of scopes, roles or permissions."""
LONGEST_NOTE = 512
"""Characters of a text for people, such as a user agent; the rest is cut."""
MOST_DETAILS = 32
"""Members of a mapping of details; the rest is dropped."""

LONGEST_DOCUMENT = 1 << 20
"""Bytes of a document (JSON) that the store keeps without reading it."""

LARGEST_PAGE = 10_000
"""Rows in one answer."""

_LARGEST_INTEGER = (1 << 63) - 1
_decode_list = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_detail = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


def storable(*texts: str | None) -> bool:
    """Whether each can be a key: an identifier that cannot be kept is one that is not there."""
    for text in texts:  # noqa: SIM110 - a generator costs more than what it asks, and every read of a row asks
        if text is not None and not _storable(text):
            return False
    return True


def _storable(text: str) -> bool:
    if "\0" in text or len(text) > LONGEST_KEY:
        return False
    if text.isascii():
        return True
    try:
        return len(text.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def require_storable(**texts: str | None) -> None:
    """Raises ValueError naming the field, never its value, when one cannot be kept."""
    for name, text in texts.items():
        if text is not None and not _storable(text):
            raise ValueError(f"{name} is too long, holds U+0000 or is not valid Unicode")


def require_document(**documents: bytes | None) -> None:
    """Raises ValueError naming the field when a document is too long to be kept."""
    for name, document in documents.items():
        if document is not None and len(document) > LONGEST_DOCUMENT:
            raise ValueError(f"{name} is too long")


def clean(text: str, limit: int = LONGEST_NOTE) -> str:
    """Text for people, cut to ``limit`` characters, with what cannot be kept replaced by U+FFFD."""
    text = text[:limit]
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def clean_or_none(text: str | None) -> str | None:
    """``clean``, for what may be absent."""
    return None if text is None else clean(text)


def pack_list(name: str, items: tuple[str, ...]) -> str:
    """A tuple as JSON text. Raises ValueError when it is too long or holds what cannot be kept."""
    require_storable(**{name: None}, **{f"{name}[{place}]": item for place, item in enumerate(items)})
    packed = _encode(items)
    if len(packed) > LONGEST_LIST:
        raise ValueError(f"{name} has too many members")
    return packed.decode()


def unpack_list(text: str) -> tuple[str, ...]:
    """The tuple that ``pack_list`` packed."""
    return () if text == "[]" else _decode_list(text)


def pack_detail(detail: Mapping[str, str]) -> str:
    """A mapping of details as JSON text, cleaned and cut rather than refused: an act must not fail by its own record."""
    if not detail:
        return "{}"
    pairs = list(detail.items())[:MOST_DETAILS]
    return _encode({clean(name, 64): clean(value) for name, value in pairs}).decode()


def unpack_detail(text: str) -> dict[str, str]:
    """The mapping that ``pack_detail`` packed."""
    return {} if text == "{}" else _decode_detail(text)


def counter_key(key: str) -> str:
    """A key of a failure counter as kept: itself, or its digest when it cannot be. Strangers choose these."""
    return key if _storable(key) else "#" + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def integer(number: int) -> int:
    """``number`` brought into the range of 64 bits that both engines take."""
    return max(-_LARGEST_INTEGER, min(number, _LARGEST_INTEGER))


def limited(limit: int) -> int:
    """``limit`` brought into what one page may hold."""
    return max(0, min(limit, LARGEST_PAGE))
