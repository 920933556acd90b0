"""Taking secrets out of what is about to be written to a log.

Works on values whatever their origin: a name that promises a secret, or a text that looks like one. Errs on the side of
taking out too much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"
_DEEPEST = 6
_LONGEST_TEXT = 32_768

_NAMES = (
    r"password|passwd|passphrase|secret|token|access_token|refresh_token|id_token|client_secret|client_assertion|assertion"
    r"|code|code_verifier|device_code|user_code|authorization|proxy-authorization|cookie|set-cookie|dpop|master_key"
    r"|api_key|apikey|private_key|credential|credentials|current_password|new_password|password_hash|sealed|salt|mac"
    r"|sig|signature|otp|totp|state|nonce|session_token|ticket"
)
_SECRET_NAME = re.compile(rf"(?:.*[_\-.])?(?:{_NAMES})s?", re.IGNORECASE)
_HARMLESS_NAMES = frozenset({"error_code", "status_code", "exit_code", "key_state", "token_type"})

_PATTERNS = (
    # A private key in PEM, whole.
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    # JWS and JWE in compact form: the header of each begins with {" and so with eyJ.
    (re.compile(r"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,4}"), REDACTED),
    # Our own prefixes (wr_, wo_, wmk_, ...): that is what they are for.
    (re.compile(r"(?<![A-Za-z0-9])(w[a-z]{1,3}_)[A-Za-z0-9_\-~.+/=]{6,}"), rf"\1{REDACTED}"),
    (re.compile(r"\$argon2(?:id|i|d)\$[^\s\"']+"), REDACTED),
    (re.compile(r"\b(Bearer|Basic|DPoP|Digest|Negotiate)(\s+)[A-Za-z0-9._~+/=\-]{4,}", re.IGNORECASE), rf"\1\2{REDACTED}"),
    (re.compile(r"((?:__Secure-|__Host-)?watchword-(?:refresh|sso|flow)=)[^;\s\"',]+"), rf"\1{REDACTED}"),
    (re.compile(r"\b((?:set-)?cookie|authorization|dpop)(\"?'?\s*[:=,]\s*b?\"?'?)[^\r\n\"']+", re.IGNORECASE), rf"\1\2{REDACTED}"),
    # The password in the authority of a URL.
    (re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@"), rf"\1{REDACTED}@"),
    # name=value of a query or form, and "name": "value" of JSON or a Python repr, escaped or not.
    (re.compile(rf"(?<![A-Za-z0-9_\-])((?:[A-Za-z0-9]*[_-])*(?:{_NAMES})=)(?!\[redacted)[^&\s\"';,)]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(
        rf"((?:\\?[\"'])(?:[A-Za-z0-9]*[_-])*(?:{_NAMES}|d)(?:\\?[\"'])\s*:\s*b?)(\\?[\"'])(?:(?!\2).)*(?:\2|\Z)", re.IGNORECASE
    ), rf"\1\2{REDACTED}\2"),
)  # fmt: skip
_SUSPICIOUS = re.compile(
    r"[=$\"'\\]|eyJ|://|w[a-z]{1,3}_|-----|(?i:bearer|basic|dpop|digest|negotiate|cookie|authorization)"
)
"""Each pattern needs one of these: most texts of a log have none, and are spared the rest."""


def redact_text(text: str) -> str:
    """The text without anything that looks like a credential. Longer than 32 KiB is cut off."""
    if _SUSPICIOUS.search(text) is None:
        return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + "…"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether a value under this name must not be written, whatever it looks like."""
    return name.lower() not in _HARMLESS_NAMES and _SECRET_NAME.fullmatch(name) is not None


def redact(value: Any, *, depth: int = 0) -> Any:
    """The value with secrets taken out, as something JSON can hold."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case bytes() | bytearray() | memoryview():
            return redact_text(_text(bytes(value)))
        case _ if depth >= _DEEPEST:
            return "…"
        case Mapping():
            return {
                redact_text(str(name)): REDACTED
                if item and is_secret_name(str(name))
                else redact(item, depth=depth + 1)
                for name, item in value.items()
            }
        case (str() | bytes() as name, second) if is_secret_name(_text(name)):
            # A pair as in raw ASGI headers: (b"cookie", b"...").
            return [_text(name), REDACTED if second else second]
        case list() | tuple() | set() | frozenset():
            return [redact(item, depth=depth + 1) for item in value]
        case _:
            return redact_text(str(value))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
