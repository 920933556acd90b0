"""A JWK Set (RFC 7517 §5): keys to verify with, and the rule that finds the one for a token.

Fetches nothing and forgets nothing: a set does not change, and ``watchword.verify.keys`` gets new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from watchword.jose import strict_json
from watchword.jose.errors import JoseError, Reason
from watchword.jose.key import Key

MAX_KEYS = 128
"""Keys in one set; a larger document is refused whole."""
MAX_SET_BYTES = 524_288
"""Octets of a JWK Set document."""


class KeySet:
    """Keys to verify with, and the rule that finds the one for a token.

    Raises (also from `from_json`): JoseError ``bad_key_set`` if there are more than `MAX_KEYS`, if two different
    keys answer to the same ``kid`` and algorithm, or if secrets stand beside public keys, where an algorithm
    confusion would have somewhere to land.
    """

    __slots__ = ("_by_algorithm", "_by_kid", "_keys", "_kids")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)
        if len(self._keys) > MAX_KEYS:
            raise _bad_set(f"more than {MAX_KEYS} keys")
        if len({key.is_symmetric for key in self._keys}) > 1:
            raise _bad_set("secrets beside public keys")
        self._kids = frozenset(key.kid for key in self._keys if key.kid is not None)
        self._by_kid: dict[tuple[str, str], Key] = {}
        self._by_algorithm: dict[str, Key | None] = {}
        for key in self._keys:
            for alg in key.verifiers:
                self._enter(key, alg)

    def _enter(self, key: Key, alg: str) -> None:
        rival = self._by_algorithm.setdefault(alg, key)
        if rival is not None and rival is not key and rival.thumbprint() != key.thumbprint():
            self._by_algorithm[alg] = None
        if key.kid is None:
            return
        rival = self._by_kid.setdefault((key.kid, alg), key)
        if rival is not key and rival.thumbprint() != key.thumbprint():
            raise _bad_set("two keys of the same kid and algorithm")

    @classmethod
    def from_json(cls, raw: bytes, *, allow_secret: bool = False) -> Self:
        """Read a JWK Set (RFC 7517 §5). Keys that cannot be used are skipped, as that section asks.

        Private keys and secrets are skipped as well unless ``allow_secret``: in a published document they are
        compromised.

        Raises: JoseError ``bad_key_set`` (see the class), or that of `strict_json.decode_object`.
        """
        keys = strict_json.decode_object(raw, max_bytes=MAX_SET_BYTES).get("keys")
        if not isinstance(keys, list) or len(keys) > MAX_KEYS or not all(isinstance(jwk, dict) for jwk in keys):
            raise _bad_set(f"no array of at most {MAX_KEYS} keys")
        usable: list[Key] = []
        broken: list[dict[str, Any]] = []
        for jwk in keys:
            try:
                usable.append(Key.from_jwk(jwk))
            except JoseError:
                broken.append(jwk)
        if any(_rivals(key, jwk) for key in usable for jwk in broken):
            raise _bad_set("a broken key has the kid and algorithm of a sound one")
        whole = cls(usable)
        return whole if allow_secret else cls(key for key in whole if not key.is_private)

    def choose(self, kid: str | None, alg: str) -> Key | None:
        """Find the key for a token's ``kid`` and ``alg``.

        With a ``kid``: the key of that very name, if it may verify with that algorithm. Without: the only key that
        may. Returns None if there is none or no single one.
        """
        if kid is None:
            return self._by_algorithm.get(alg)
        return self._by_kid.get((kid, alg))

    def knows(self, kid: str | None) -> bool:
        """Whether some key, for whatever algorithm, has this ``kid``; False for None."""
        return kid in self._kids

    def public_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK Set to publish.

        Raises: JoseError ``key_mismatch`` if it holds secrets.
        """
        return {"keys": [key.public_jwk() for key in self._keys]}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeySet({list(self._keys)!r})"


def _rivals(key: Key, jwk: dict[str, Any]) -> bool:
    """Whether a key that was skipped claims the name and purpose of one that was not."""
    # The curve belongs to the purpose: secp256k1 or X25519 beside a sound key of the same kty is another key, which
    # RFC 7517 §5 wants ignored and not resented.
    names = (jwk.get("kid"), jwk.get("kty"), jwk.get("crv"), jwk.get("use", "sig"))
    alg = jwk.get("alg")
    return names == (key.kid, key.kty, key.curve, "sig") and (
        alg is None or (isinstance(alg, str) and alg in key.verifiers)
    )


def _bad_set(message: str) -> JoseError:
    return JoseError(Reason.BAD_KEY_SET, f"JWK Set is refused: {message}")
