"""Email addresses and usernames: what is acceptable, and the keys under which they are unique.

Asks nobody: syntax alone decides, delivery is never looked up.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import email_validator
from email_validator import EmailNotValidError, validate_email

from watchword_server.web.field_error import FieldError

# Addresses of reserved domains (example.test, localhost) are as good as any other: delivery is not asked for. This is
# the library's documented way to say so, and no other code of the process uses it.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

LONGEST_EMAIL = 254
"""Characters of an address (RFC 5321 §4.5.3.1.3, less the brackets of the path)."""
SHORTEST_USERNAME = 2
LONGEST_USERNAME = 64

_PUNCTUATION = frozenset("._-+")
_LETTERS_OF_NAMES = frozenset({"Ll", "Lu", "Lo", "Lm", "Mn", "Mc", "Nd"})
"""Categories of PRECIS' LetterDigits (RFC 8264 §9.1)."""
_TOGETHER = (frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}), frozenset({"CJK", "HANGUL"}))
"""Scripts that one name may mix, as Japanese and Korean do (UTS #39, highly restrictive)."""


@dataclass(frozen=True, slots=True)
class Name:
    """An address or username as shown, and the key that is unique."""

    shown: str
    key: str


def parse_email(text: str) -> Name | FieldError:
    """An address by syntax alone; quoted local parts and address literals are not taken.

    The key folds case, width and domain spelling, so that no two accounts differ by what people do not see.
    """
    text = text.strip(" ")
    if not 3 <= len(text) <= LONGEST_EMAIL or not _is_encodable(text):
        return FieldError("email", "invalid", f"must be an email address of at most {LONGEST_EMAIL} characters")
    try:
        found = validate_email(
            text, strict=True, check_deliverability=False, test_environment=True, globally_deliverable=False
        )
    except (EmailNotValidError, ValueError):
        return FieldError("email", "invalid", "must be an email address such as name@example.com")
    domain = (found.ascii_domain or found.domain).lower()
    key = f"{_fold(found.local_part)}@{domain}"
    if len(key) > LONGEST_EMAIL:
        # One letter can fold to eighteen; a key that long is beyond what the store can look up by.
        return FieldError("email", "invalid", f"must be an email address of at most {LONGEST_EMAIL} characters")
    return Name(found.normalized, key)


def parse_username(text: str) -> Name | FieldError:
    """A username: letters and digits of one script, and ``. _ - +`` between them (after RFC 8265 §3.3, UTS #39).

    No ``@``, so that it is never taken for an address; nothing invisible; no letters of two scripts that look alike.
    """
    if len(text) > 4 * LONGEST_USERNAME or not _is_encodable(text):
        return _wrong_username()
    shown = unicodedata.normalize("NFKC", text.strip(" "))
    if not SHORTEST_USERNAME <= len(shown) <= LONGEST_USERNAME:
        return _wrong_username()
    if any(c not in _PUNCTUATION and unicodedata.category(c) not in _LETTERS_OF_NAMES for c in shown):
        return _wrong_username()
    if unicodedata.category(shown[0])[0] not in "LN" or shown[-1] in _PUNCTUATION:
        return FieldError("username", "invalid", "must begin with a letter or digit and end with one")
    if not _is_of_one_script(shown):
        return FieldError("username", "confusing", "must not mix letters of different scripts")
    return Name(shown, _fold(shown))


def _wrong_username() -> FieldError:
    limits = f"{SHORTEST_USERNAME} to {LONGEST_USERNAME}"
    return FieldError("username", "invalid", f"must be {limits} letters and digits, with . _ - + between them")


def _is_of_one_script(text: str) -> bool:
    """The script of a letter is the first word of its Unicode name: LATIN, CYRILLIC, GREEK, CJK, …"""
    scripts = {unicodedata.name(c, "UNKNOWN").split()[0] for c in text if unicodedata.category(c).startswith("L")}
    digits = {unicodedata.name(c, "UNKNOWN").rpartition(" DIGIT ")[0] for c in text if unicodedata.category(c) == "Nd"}
    return (len(scripts) <= 1 or any(scripts <= mix for mix in _TOGETHER)) and len(digits) <= 1


def login_keys(identifier: str) -> tuple[str | None, str | None]:
    """The email key or the username key that somebody logs in with; both None for what can be neither."""
    name = parse_email(identifier) if "@" in identifier else parse_username(identifier)
    if isinstance(name, FieldError):
        return None, None
    return (name.key, None) if "@" in identifier else (None, name.key)


def _fold(text: str) -> str:
    """Equal for texts that differ by case, width or composition only (NFKC_Casefold in effect)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_encodable(text: str) -> bool:
    """No surrogate, which UTF-8 cannot hold, and no control character, the null byte first of all."""
    return not any(unicodedata.category(c) in {"Cs", "Cc"} for c in text)
