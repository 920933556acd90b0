"""Keys to which answers are encrypted: public, meant for it, of the client, wherever it keeps them."""

import json

import pytest
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter
from watchword.jose.jwk import Key
from watchword.oauth.errors import OAuthError
from watchword_server.clients.answer_encryption import AnswerEncryption, encryption_algorithms, encryption_key
from watchword_server.clients.client_keys import ClientKeys

URI = "https://app.example.test/jwks.json"
KEY = EncryptionKey.generate(kid="e")
HOW = {"algorithm": "ECDH-ES+A256KW", "encoding": "A256GCM", "cty": None}


def document(*jwks: dict) -> bytes:
    return json.dumps({"keys": jwks}).encode()


async def test_keys_by_address_are_fetched_and_followed_when_they_change(world):
    client = world.client("app", "client_secret_basic", jwks_uri=URI)
    world.web.documents[URI] = document(Key.generate("ES256", "s").public_jwk(), KEY.public_jwk())
    encryption = AnswerEncryption(ClientKeys(world.web, world.clock))
    for _ in range(3):
        assert Decrypter([KEY]).decrypt(await encryption.encrypt(client, "{}", **HOW)).plaintext == b"{}"
    assert world.web.asked == [URI]
    newer = EncryptionKey.generate(kid="n")
    world.web.documents[URI] = document(newer.public_jwk())
    world.clock.advance(601)
    assert Decrypter([newer]).decrypt(await encryption.encrypt(client, "{}", **HOW)).plaintext == b"{}"


@pytest.mark.parametrize("served", [None, b"", b"{}", b"[]", b'{"keys": 1}', b'{"keys": ["x"]}', b"{" * 9000])
async def test_an_address_without_a_key_tells_nothing(world, served):
    client = world.client("app", "client_secret_basic", jwks_uri=URI)
    if served is not None:
        world.web.documents[URI] = served
    with pytest.raises(OAuthError, match="temporarily_unavailable"):
        await AnswerEncryption(ClientKeys(world.web, world.clock)).encrypt(client, "secret", **HOW)


@pytest.mark.parametrize(
    "jwk",
    [
        KEY.public_jwk() | {"use": "sig"},
        {name: value for name, value in KEY.public_jwk().items() if name != "use"},
        KEY.private_jwk() | {"use": "enc"},
        KEY.public_jwk() | {"alg": "RSA-OAEP-256"},
        KEY.public_jwk() | {"x": "AA"},
        Key.generate("ES256").public_jwk(),
    ],
    ids=["for signatures", "for anything", "private", "of another algorithm", "off the curve", "a signing key"],
)
def test_a_key_that_is_not_a_public_one_for_encryption_is_never_taken(jwk):
    assert encryption_key(document(jwk), "ECDH-ES+A256KW") is None
    assert encryption_key(document(jwk, KEY.public_jwk()), "ECDH-ES+A256KW") is not None


def test_what_is_offered_is_what_the_library_speaks():
    from watchword.jose.jwe import ALGORITHMS

    assert set(encryption_algorithms()) == ALGORITHMS
