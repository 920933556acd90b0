"""What a device asks for (RFC 8628 §3.1), and the code that a person types for it (§6.1). Pure.

Decides nothing about guesses: the page that takes the code counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

VERIFICATION_PATH: Final = "/device"
"""The page on which a person types the code."""
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, so that no words come out, and nothing that looks like a digit."""
LENGTH: Final = 8
"""20^8 codes, 34 bits: with the guesses that the page allows nobody finds a living one (§5.1)."""


class DeviceRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Kept with the device code."""

    scope: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    """Authorization details (RFC 9396)."""
    device: str = ""
    """What asked, for people: ``curl``, ``Unknown device``."""
    device_kind: str = ""

    def encode(self) -> bytes:
        """As JSON."""
        return _encode(self)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DeviceRequest).decode


def decode_device_request(document: bytes) -> DeviceRequest:
    """A request from its JSON; for what this server wrote itself."""
    return _decode(document)


def user_code(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh code in its normalised form: eight letters, each as likely as any other."""
    letters: list[str] = []
    while len(letters) < LENGTH:
        # 240 is the greatest multiple of 20 in a byte: the rest would favour some letters.
        letters += [ALPHABET[byte % 20] for byte in random_bytes(2 * LENGTH) if byte < 240]
    return "".join(letters[:LENGTH])


def shown_user_code(code: str) -> str:
    """As it is shown and typed: ``WDJB-MJHT``."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def normalised_user_code(typed: str) -> str | None:
    """What a person typed, as it is kept: case, blanks and dashes do not matter (RFC 8628 §6.1). None for what is no code."""
    if len(typed) > 64:
        return None
    code = "".join(letter for letter in typed.upper() if letter not in " -\t\u2010\u2011\u2013\u2014.")
    return code if len(code) == LENGTH and all(letter in ALPHABET for letter in code) else None
