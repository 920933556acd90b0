"""What the compact spellings of signed and of encrypted tokens have in common (RFC 7515 §7.1, RFC 7516 §7.1).

Decodes nothing and knows no header.
"""

from __future__ import annotations

from typing import Final

from watchword.jose.errors import JoseError, Reason

_WORDS: Final = {3: "three", 5: "five"}


def segments_of(token: str, *, count: int, max_length: int) -> list[bytes]:
    """The segments of a text, exactly so many of them, as they are.

    Raises: JoseError for what is not text, longer, outside ASCII or in another number of segments.
    """
    if not isinstance(token, str):
        raise JoseError(Reason.MALFORMED, "token is not text")
    if len(token) > max_length:
        raise JoseError(Reason.TOO_LONG, f"token is longer than {max_length} characters")
    try:
        raw = token.encode("ascii")
    except UnicodeEncodeError:
        raise JoseError(Reason.MALFORMED, "token holds characters outside ASCII") from None
    segments = raw.split(b".", count)
    if len(segments) != count:
        raise JoseError(Reason.MALFORMED, f"token has not {_WORDS[count]} segments")
    return segments
