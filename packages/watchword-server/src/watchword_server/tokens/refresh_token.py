"""The form of a refresh token, ``wr_<key id>.<family>.<generation>.<mac>``: minting, parsing, its MAC.

Decides nothing: whether a well-made token is still good is refresh.py's business. Nothing here is stored: the same
token can be derived again from its family's row and the MAC key.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

import msgspec
from watchword.jose import base64url

PREFIX: Final = "wr_"
MAX_LENGTH: Final = 256
"""Characters; a longer text is refused before anything else looks at it."""
MAX_GENERATION: Final = 10**15 - 1

_MAC_LENGTH: Final = 43
_LABEL: Final = b"watchword refresh token 1\x00"
# Fields share no character with the separator, a generation has no leading zero, and the last character of 32 bytes in
# base64url has two bits that must be zero: so a token has one spelling only.
_FORM: Final = re.compile(
    r"wr_(?P<key_id>[A-Za-z0-9_-]{1,64})"
    r"\.(?P<family_id>[A-Za-z0-9_-]{1,64})"
    r"\.(?P<generation>0|[1-9][0-9]{0,14})"
    r"\.(?P<mac>[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])",
    re.ASCII,
)
_FIELD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class RefreshToken(msgspec.Struct, frozen=True, gc=False):
    """A refresh token in its parts, its MAC not yet checked."""

    key_id: str
    family_id: str
    generation: int
    unverified_mac: str

    def __repr__(self) -> str:
        """Without the MAC, so that a log line or an exception carries no secret."""
        return f"RefreshToken(family_id={self.family_id[:5]!r}…, generation={self.generation})"

    def is_authentic(self, secret: bytes, salt: bytes) -> bool:
        """Whether the MAC is ours, for the family's salt, in constant time.

        Does not say whether the generation was ever issued or is still good.
        """
        good = _mac(secret, salt, f"{self.key_id}.{self.family_id}.{self.generation}")
        return hmac.compare_digest(good.encode(), self.unverified_mac.encode())


def mint(secret: bytes, *, key_id: str, family_id: str, salt: bytes, generation: int) -> str:
    """The refresh token of that generation; the same text each time it is asked for.

    ``secret`` is the MAC key named ``key_id``, at least 32 bytes; ``salt`` the family's, at least 16.

    Raises ValueError when a part could not be parsed back, or a key or salt is too short.
    """
    if not (_FIELD.fullmatch(key_id) and _FIELD.fullmatch(family_id) and 0 <= generation <= MAX_GENERATION):
        raise ValueError("a refresh token cannot be made of these parts")
    if len(secret) < 32 or len(salt) < 16:
        raise ValueError("the MAC key has at least 32 bytes and the salt at least 16")
    body = f"{key_id}.{family_id}.{generation}"
    return f"{PREFIX}{body}.{_mac(secret, salt, body)}"


def parse(text: str) -> RefreshToken | None:
    """The parts of a refresh token, or None for anything that is not exactly one.

    Does not check the MAC.
    """
    if len(text) > MAX_LENGTH:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    key_id, family_id, generation, mac = found.groups()
    return RefreshToken(key_id, family_id, int(generation), mac)


def _mac(secret: bytes, salt: bytes, body: str) -> str:
    # The salt's length goes first: label, salt and body can be told apart in one way only.
    message = _LABEL + len(salt).to_bytes(2) + salt + body.encode("ascii")
    return base64url.encode(hmac.digest(secret, message, "sha256"))
