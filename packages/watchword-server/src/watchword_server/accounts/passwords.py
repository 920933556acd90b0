"""Passwords: the form in which they are hashed, and whether a new one is acceptable.

Hashing itself is in hasher.py. Nothing here ever puts a password, or part of one, in a message.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from watchword_server.settings.tree import Passwords
from watchword_server.web.field_error import FieldError

_EXAMINED = 40
"""Characters of which the strength is estimated; what follows can only add to it."""
_MOST_SUBSTITUTES = 5
_SUBSTITUTES = frozenset("4@8({[<36911!|70$5+7%2")
"""Characters that zxcvbn takes for letters in disguise. It tries all combinations: with all of them in one password one
estimate takes seconds, with five 15 ms. Further ones are replaced by one that it does not know."""


def prepare(password: str, settings: Passwords) -> bytes | None:
    """The octets that are hashed: OpaqueString of RFC 8265 §4.2 in UTF-8, so that a password typed on another keyboard
    is the same password. None for what can be nobody's password: too long, empty, or with characters forbidden there.
    """
    if not password or len(password) > settings.max_length:
        return None
    if not password.isascii():
        # RFC 8265 §4.2.2: non-ASCII spaces become U+0020, then NFC. Width and case are kept.
        spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in password)
        password = unicodedata.normalize("NFC", spaced)
    # RFC 8264 §9.11, §9.12: controls, surrogates, private use and unassigned code points are in no FreeformClass.
    if any(unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"} for c in password):
        return None
    octets = password.encode("utf-8")
    return octets if len(octets) <= settings.max_bytes else None


def form_error(password: str, settings: Passwords, *, field: str = "password") -> FieldError | None:
    """What is wrong with the form of a new password, strength apart."""
    if len(password) < settings.min_length:
        return FieldError(field, "too_short", f"must have at least {settings.min_length} characters")
    if len(password) > settings.max_length:
        return FieldError(field, "too_long", f"must have at most {settings.max_length} characters")
    if prepare(password, settings) is None:
        detail = f"must be text without control characters, of at most {settings.max_bytes} bytes"
        return FieldError(field, "invalid", detail)
    return None


def strength_error(
    password: str, settings: Passwords, *, known: Sequence[str] = (), field: str = "password"
) -> FieldError | None:
    """What makes a new password easy to guess. ``known``: email, username and the like, which count as guessed.

    Costs up to 20 ms of pure Python; runs where hashes run.
    """
    if settings.min_score == 0:
        return None
    from zxcvbn import zxcvbn  # noqa: PLC0415 - 12 MiB of word lists, needed only where people choose passwords

    words = [part for text in known for part in (text, *text.split("@")) if len(part) > 2]
    found = zxcvbn(_tame(password), user_inputs=[*words, "watchword"])
    if found["score"] >= settings.min_score:
        return None
    feedback = found["feedback"]
    advice = [feedback["warning"], *feedback["suggestions"]]
    detail = " ".join(
        ["is too easy to guess.", *(text if text.endswith(".") else f"{text}." for text in advice if text)]
    )
    return FieldError(field, "too_weak", detail)


def _tame(password: str) -> str:
    kept: set[str] = set()
    letters = []
    for letter in password[:_EXAMINED]:
        if letter in _SUBSTITUTES and letter not in kept and len(kept) == _MOST_SUBSTITUTES:
            letters.append("~")
            continue
        if letter in _SUBSTITUTES:
            kept.add(letter)
        letters.append(letter)
    return "".join(letters)
