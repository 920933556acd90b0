"""Base64url without padding, in exactly one spelling per value (RFC 7515 §2, RFC 4648 §5).

Knows nothing of tokens: it turns bytes into text and back.
"""

from __future__ import annotations

from binascii import Error as _BinasciiError
from binascii import a2b_base64, b2a_base64

from watchword.jose.errors import JoseError, Reason

_TO_URL = bytes.maketrans(b"+/", b"-_")
# What is not of the URL alphabet ("+", "/" and "=") becomes a byte that the strict decoder refuses.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/\xff\xff\xff")
_PADDING = (b"", b"", b"==", b"=")
# The last character of a group of two carries four spare bits, of three two; they must be zero (RFC 4648 §3.5),
# or several texts would stand for one value and a token could be altered without becoming another token.
_LAST = (None, frozenset[int](), frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))


def encode(data: bytes) -> str:
    """Encode bytes as base64url text without padding."""
    return encode_bytes(data).decode("ascii")


def encode_bytes(data: bytes) -> bytes:
    """Encode bytes as base64url without padding, the text given as ASCII bytes."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def decode(text: str | bytes) -> bytes:
    """Decode base64url text that has no padding, foreign character, white space or spare bits.

    Returns: the bytes; ``encode(decode(text)) == text`` always holds.
    Raises: JoseError ``bad_base64url``.
    Does not limit the length: the caller knows how long its value may be.
    """
    if isinstance(text, str):
        try:
            text = text.encode("ascii")
        except UnicodeEncodeError:
            raise JoseError(Reason.BAD_BASE64URL, "base64url text holds a character outside its alphabet") from None
    rest = len(text) & 3
    if rest and (last := _LAST[rest]) is not None and text[-1] not in last:
        raise JoseError(Reason.BAD_BASE64URL, "base64url text has an impossible length or spare bits that are not zero")
    try:
        return a2b_base64(text.translate(_FROM_URL) + _PADDING[rest], strict_mode=True)
    except _BinasciiError:
        raise JoseError(Reason.BAD_BASE64URL, "base64url text holds a character outside its alphabet") from None
