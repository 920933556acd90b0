"""Keys to which clients encrypt: kept by the ring like others, published one at a time, and opened by every process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.errors import JoseError, Reason
from watchword.jose.jwe import encrypt
from watchword_server.keys.ring import KeyRing
from watchword_server.store.port import Store
from watchword_server.store.records import Origin

CLI = Origin(actor="cli")
DAY = 86_400.0
BY = "ECDH-ES+A256KW"
MakeRing = Callable[..., KeyRing]


def published(ring: KeyRing) -> list[dict[str, Any]]:
    return [key for key in json.loads(ring.jwks.body)["keys"] if key["use"] == "enc"]


def written(ring: KeyRing) -> str:
    [key] = published(ring)
    return encrypt(b"what is asked", EncryptionKey.from_jwk(key))


def read(ring: KeyRing, text: str) -> bytes:
    return ring.request_decrypter(BY, "A256GCM").decrypt(text).plaintext


async def test_one_key_an_algorithm_is_published_and_none_of_it_that_is_secret(
    make_ring: MakeRing, ring_store: Store
) -> None:
    ring = make_ring(encrypted_by=(BY, "RSA-OAEP-256"))
    await ring.start()
    assert sorted(key["alg"] for key in published(ring)) == [BY, "RSA-OAEP-256"]
    assert not {"d", "p", "q"} & {name for key in published(ring) for name in key}
    for row in await ring_store.keys():
        assert b'"d"' not in row.public_jwk
        assert b'"d"' not in row.sealed


async def test_a_retired_key_opens_for_its_time_and_is_not_published(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring(encrypted_by=(BY,))
    await ring.start()
    old = written(ring)
    clock.advance(91 * DAY)
    await ring.tend()
    new = written(ring)
    assert [read(ring, text) for text in (old, new)] == [b"what is asked"] * 2
    clock.advance(2 * DAY)
    await ring.tend()
    assert read(ring, new) == b"what is asked"
    with pytest.raises(JoseError) as unknown:
        read(ring, old)
    assert unknown.value.reason is Reason.UNKNOWN_KEY


async def test_every_process_opens_what_any_published(make_ring: MakeRing, clock: Any) -> None:
    one, other = make_ring(encrypted_by=(BY,)), make_ring(encrypted_by=(BY,))
    await one.start()
    await other.start()
    assert published(one) == published(other)
    await one.rotate("request_object", CLI, algorithm=BY)
    text = written(one)
    clock.advance(2)
    await other.look_again()
    assert read(other, text) == b"what is asked"


async def test_a_distrusted_key_opens_nothing(make_ring: MakeRing) -> None:
    ring = make_ring(encrypted_by=(BY,))
    await ring.start()
    text = written(ring)
    [before] = published(ring)
    assert await ring.distrust(before["kid"], CLI)
    with pytest.raises(JoseError):
        read(ring, text)
    assert published(ring)[0]["kid"] != before["kid"]


async def test_without_algorithms_there_is_no_key_and_nothing_is_opened(make_ring: MakeRing) -> None:
    made = make_ring(encrypted_by=(BY,))
    await made.start()
    text = written(made)
    ring = make_ring()
    await ring.start()
    assert published(ring) == []
    with pytest.raises(JoseError):
        read(ring, text)


async def test_which_keys_are_rotated_has_to_be_said(make_ring: MakeRing) -> None:
    ring = make_ring(encrypted_by=(BY,))
    await ring.start()
    for algorithm in (None, "RSA-OAEP-256", "ES256"):
        with pytest.raises(ValueError, match="request objects"):
            await ring.rotate("request_object", CLI, algorithm=algorithm)
    with pytest.raises(ValueError, match="several algorithms"):
        await ring.rotate("feed", CLI, algorithm="ES256")
