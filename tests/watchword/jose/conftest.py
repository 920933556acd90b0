"""Keys made once, and the words the tests of this folder share."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from watchword.jose import JoseError, Key
from watchword.jose.algorithms import ALGORITHMS

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(scope="session")
def keys() -> dict[str, Key]:
    """A private key (or secret) for each algorithm, declared for it alone; RSA algorithms share their numbers."""
    rsa = Key.generate("RS256").private_jwk()
    made = {}
    for name, row in ALGORITHMS.items():
        made[name] = Key.from_jwk(rsa | {"alg": name, "kid": f"rsa-{name}"}) if row.kty == "RSA" else Key.generate(name)
    return made


@pytest.fixture(scope="session")
def other_keys() -> dict[str, Key]:
    """Keys of the same kinds as ``keys``, and none of them equal."""
    rsa = Key.generate("RS256").private_jwk()
    made = {}
    for name, row in ALGORITHMS.items():
        made[name] = Key.from_jwk(rsa | {"alg": name}) if row.kty == "RSA" else Key.generate(name)
    return made


@pytest.fixture(scope="session")
def refused() -> Callable[..., AbstractContextManager[None]]:
    """``with refused("bad_key", ...):`` the block raises JoseError with one of these reasons."""

    @contextmanager
    def block(*reasons: str) -> Iterator[None]:
        with pytest.raises(JoseError) as caught:
            yield
        assert caught.value.reason in reasons, f"{caught.value.reason}: {caught.value}"

    return block


@pytest.fixture(scope="session")
def b64() -> Callable[[bytes | dict[str, Any]], str]:
    """Base64url by the standard library; a dict is written as compact JSON first."""

    def encode(value: bytes | dict[str, Any]) -> str:
        raw = json.dumps(value, separators=(",", ":")).encode() if isinstance(value, dict) else value
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return encode


@pytest.fixture(scope="session")
def forge(b64: Callable[[bytes | dict[str, Any]], str]) -> Callable[..., str]:
    """Sign whatever header is given, JSON text or dict, truly with the key: what only an attacker would write."""

    def make(key: Key, header: dict[str, Any] | bytes, payload: bytes = b"{}", *, algorithm: str | None = None) -> str:
        signing_input = f"{b64(header)}.{b64(payload)}"
        signature = key.signers[algorithm or key.algorithm or ""](signing_input.encode())
        return f"{signing_input}.{b64(signature)}"

    return make


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Load a JSON file of ``tests/vectors`` by its path there."""

    def load(path: str) -> Any:
        return json.loads((VECTORS / path).read_text("utf-8"))

    return load
