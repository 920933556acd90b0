"""The keys of signed URLs, each with one algorithm that is its own: HMAC-SHA256 or Ed25519.

Makes none and stores none. A URL names its key and no algorithm, so there is nothing to swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hmac import compare_digest
from typing import Final, Protocol, TypeAlias

from watchword.jose import base64url
from watchword.jose.errors import JoseError
from watchword.jose.jws import Signer
from watchword.jose.key import Key
from watchword.jose.key_set import KeySet
from watchword.signedurl.grammar import KEY_ID

_ALGORITHMS: Final = ("HS256", "Ed25519")
PLAYBACK_TYPE: Final = "playback+jwt"
"""``typ`` of the JWT of players."""

Check: TypeAlias = Callable[[str, bytes], bool]
"""``check(signature, message)``: True for the right signature in its one spelling. Raises nothing."""


class UrlKeySource(Protocol):
    """Where keys come from that change while the application runs, such as `PublishedUrlKeys`. May have ``refresh()``."""

    def current(self) -> KeySet:
        """The keys to use now: the same object as long as they are the same."""
        ...


UrlKeys: TypeAlias = Key | Iterable[Key] | UrlKeySource
"""One key, several, or a source of them. The first private one signs; every one verifies."""


class KeyTable:
    """Keys made ready: what checks each of them, and what signs."""

    __slots__ = ("checks", "jwt", "keys", "kid", "of", "signing")

    def __init__(self, keys: Iterable[Key], of: KeySet | None = None) -> None:
        """Make keys ready. Raises: ValueError for none, a kid that cannot stand in a URL or stands twice, a wrong type."""
        self.of: KeySet | None = of
        """The set they were made from, to be compared by identity."""
        self.checks: dict[str, Check] = {}
        self.kid: str = ""
        """Name of the key that signs; empty if none does."""
        self.signing: Callable[[bytes], str] | None = None
        self.jwt: Signer | None = None
        """What signs the JWT of players."""
        known = tuple(keys)
        for key in known:
            name = next((name for name in _ALGORITHMS if name in key.verifiers), None)
            if name is None or key.kid is None or KEY_ID.fullmatch(key.kid) is None:
                raise ValueError("keys of signed URLs are for HS256 or Ed25519, with a kid of A-Z a-z 0-9 _ -")
            if key.kid in self.checks:
                raise ValueError("two keys of signed URLs have the same kid")
            self.checks[key.kid] = _hmac_check(key) if key.is_symmetric else _ed25519_check(key)
            if self.signing is None and name in key.signers:
                self.kid, self.signing = key.kid, _signing(key, name)
                self.jwt = Signer(key, algorithm=name, typ=PLAYBACK_TYPE)
        if not self.checks and of is None:
            raise ValueError("signed URLs need a key")
        self.keys: Mapping[str, Key] = {key.kid: key for key in known if key.kid is not None}
        """The same for the JWT of players."""


class KeyRing:
    """The table of the moment."""

    def __init__(self, keys: UrlKeys) -> None:
        """Take keys. Raises: ValueError, TypeError for what cannot be keys of signed URLs."""
        self._source: UrlKeySource | None = None
        if isinstance(keys, Key):
            self._table = KeyTable([keys])
        elif callable(getattr(keys, "current", None)) and not isinstance(keys, type):
            self._source = keys  # type: ignore[assignment]
            self._table = KeyTable((), KeySet())  # the first question fills it
        elif isinstance(keys, Iterable):
            self._table = KeyTable(keys)
        else:
            raise TypeError("keys must be a Key, several, or a source of keys")

    def table(self) -> KeyTable:
        """The keys to use now. Keys of a published set that are not for signed URLs are left out."""
        source, table = self._source, self._table
        if source is not None and (now := source.current()) is not table.of:
            fit = [key for key in now if key.kid is not None and KEY_ID.fullmatch(key.kid) and _fits(key)]
            table = self._table = KeyTable(fit, now)
        return table

    def look_again(self) -> None:
        """A URL named a key that is not known: have the source look for newer ones, if it can. Waits for nothing."""
        refresh = getattr(self._source, "refresh", None)
        if callable(refresh):
            refresh()

    def replace(self, keys: Iterable[Key]) -> None:
        """Verify with these from now on, and sign with the first private one; the others are forgotten.

        Raises: ValueError, and then nothing is changed.
        """
        self._table, self._source = KeyTable(keys), None


def _fits(key: Key) -> bool:
    return not key.is_symmetric and "Ed25519" in key.verifiers


def _hmac_check(key: Key) -> Check:
    sign, encode = key.signers["HS256"], base64url.encode_bytes

    def check(signature: str, message: bytes) -> bool:
        # Text against text: of several spellings of one value only one is right.
        try:
            return compare_digest(encode(sign(message)), signature.encode("ascii"))
        except UnicodeEncodeError:
            return False

    return check


def _ed25519_check(key: Key) -> Check:
    verify = key.verifiers["Ed25519"]

    def check(signature: str, message: bytes) -> bool:
        try:
            raw = base64url.decode(signature)
        except JoseError:
            return False
        return len(raw) == 64 and verify(raw, message)

    return check


def _signing(key: Key, name: str) -> Callable[[bytes], str]:
    sign = key.signers[name]
    return lambda message: base64url.encode(sign(message))
