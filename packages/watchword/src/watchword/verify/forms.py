"""The forms of access tokens (signed, encrypted, opaque), and which of them a verifier accepts.

Checks no claim; what a signed token must say is in ``check``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from watchword.jose.errors import JoseError
from watchword.jose.errors import Reason as JoseReason
from watchword.verify.errors import RejectionReason, TokenRejected

Form: TypeAlias = Literal["jwt", "jwe", "opaque"]

_NESTED: Final = frozenset({"jwt", "at+jwt"})
_REASONS: Final = {
    JoseReason.TOO_LONG: RejectionReason.TOO_LONG,
    JoseReason.UNSUPPORTED_ALGORITHM: RejectionReason.ALGORITHM,
    JoseReason.ALGORITHM_NOT_ALLOWED: RejectionReason.ALGORITHM,
    JoseReason.CRITICAL_HEADER: RejectionReason.CRITICAL_HEADER,
    JoseReason.UNKNOWN_KEY: RejectionReason.UNDECIPHERABLE,
    JoseReason.BAD_SIGNATURE: RejectionReason.UNDECIPHERABLE,
}


class Decrypter(Protocol):
    """What is asked of ``watchword.jose.jwe.Decrypter``, which is loaded only where it is used."""

    def decrypt(self, token: str, *, max_length: int) -> Any: ...


class SignedForms:
    """Tokens that are signed, in the clear or inside a JWE."""

    __slots__ = ("_accepts_jwt", "_decrypter")

    def __init__(self, decrypter: Decrypter | None, forms: Collection[Form] | None, *, opaque: bool) -> None:
        """Raises: ValueError for a form that cannot be accepted, or none."""
        able = {"jwt"} | ({"jwe"} if decrypter is not None else set()) | ({"opaque"} if opaque else set())
        wanted = able if forms is None else set(forms)
        if isinstance(forms, str) or not wanted <= set(get_args(Form)) or not wanted:
            raise ValueError("forms are some of jwt, jwe and opaque")
        if wanted - able:
            raise ValueError("jwe asks for decrypter=, opaque for introspection=")
        self._accepts_jwt = "jwt" in wanted
        self._decrypter = decrypter if "jwe" in wanted else None

    @property
    def decrypts(self) -> bool:
        """Whether encrypted tokens are accepted."""
        return self._decrypter is not None

    def signed(self, raw: str, max_length: int) -> str:
        """The signed token: the one given, or the one inside (RFC 7519 §7.2). Raises: TokenRejected."""
        if self._decrypter is None or raw.count(".") != 4:
            if not self._accepts_jwt:
                raise TokenRejected(RejectionReason.MALFORMED)
            return raw
        try:
            found = self._decrypter.decrypt(raw, max_length=max_length)
        except JoseError as error:
            reason = _REASONS.get(error.reason, RejectionReason.MALFORMED)  # type: ignore[call-overload]
            raise TokenRejected(reason) from None
        # RFC 7519 §5.2: in the case that nested signing or encryption is employed, cty MUST be present and JWT. What is
        # not signed inside is written by nobody knows whom.
        if found.header.get("cty", "").lower().removeprefix("application/") not in _NESTED:
            raise TokenRejected(RejectionReason.WRONG_TYPE)
        inner: str = found.plaintext.decode("latin-1")
        return inner
