"""Userinfo that only the client can read (OpenID Connect Core §5.3.2): encrypted to the key it registered, or not told."""

import msgspec
import pytest
from story import ISSUER
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import verify
from watchword.oauth.errors import OAuthError

KEY = EncryptionKey.generate(kid="e")
RSA = EncryptionKey.generate("RSA-OAEP-256", "r")
ASKED = {"userinfo_encrypted_response_alg": "ECDH-ES+A256KW", "userinfo_encrypted_response_enc": "A256GCM"}


def published(*keys: EncryptionKey, **changes) -> dict:
    return {"keys": [key.public_jwk() | {"use": "enc"} | changes for key in keys]}


async def read(oauth, **metadata):
    app = await oauth.client(**metadata)
    account = await oauth.account()
    return account, await oauth.userinfo((await oauth.tokens(app, account))["access_token"])


@pytest.mark.rfc("openid-core §5.3.2/3")
async def test_userinfo_is_signed_and_then_encrypted_to_the_client(oauth):
    account, answer = await read(oauth, jwks=published(KEY), userinfo_signed_response_alg="ES256", **ASKED)
    assert answer.headers["content-type"] == "application/jwt"
    assert answer.text.count(".") == 4
    opened = Decrypter([KEY]).decrypt(answer.text)
    assert opened.header["cty"] == "JWT"
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    claims = msgspec.json.decode(verify(opened.plaintext.decode(), keys, algorithms={"ES256"}).payload)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, "app", account)


@pytest.mark.parametrize("encoding", ["A256GCM", "A128GCM"])
@pytest.mark.parametrize("key", [KEY, RSA], ids=["elliptic", "rsa"])
async def test_userinfo_is_encrypted_without_a_signature_where_none_is_asked_for(oauth, key, encoding):
    asked = {"userinfo_encrypted_response_alg": key.algorithms[0], "userinfo_encrypted_response_enc": encoding}
    account, answer = await read(oauth, jwks=published(key), **asked)
    opened = Decrypter([key]).decrypt(answer.text)
    assert (opened.header["alg"], opened.header["enc"]) == (key.algorithms[0], encoding)
    assert msgspec.json.decode(opened.plaintext)["sub"] == account


async def test_a_key_for_signatures_stands_beside_the_one_for_encryption_and_is_never_encrypted_to(oauth):
    own = Key.generate("ES256", "s")
    both = {"keys": [own.public_jwk(), *published(KEY)["keys"]]}
    _, answer = await read(oauth, jwks=both, **ASKED)
    assert Decrypter([KEY]).decrypt(answer.text)


async def test_where_no_key_can_be_had_nothing_is_told(oauth):
    _, answer = await read(oauth, jwks_uri="https://127.0.0.1:1/jwks.json", **ASKED)
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert "sub" not in answer.text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"userinfo_encrypted_response_alg": "RSA1_5"}, "userinfo_encrypted_response_alg"),
        ({"userinfo_encrypted_response_alg": "dir"}, "userinfo_encrypted_response_alg"),
        ({"userinfo_encrypted_response_alg": "RSA-OAEP-256"}, "jwks"),
        ({"userinfo_encrypted_response_alg": None, "jwks": None}, "userinfo_encrypted_response_enc"),
        ({"userinfo_encrypted_response_enc": None}, "userinfo_encrypted_response_enc"),
        ({"userinfo_encrypted_response_enc": "A128CBC-HS256"}, "userinfo_encrypted_response_enc"),
        ({"jwks": None}, "jwks"),
        ({"jwks": published(KEY, use="sig")}, "jwks"),
        ({"jwks": {"keys": [KEY.public_jwk() | {"use": None}]}}, "jwks"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name_and_never_passed_over(oauth, changes, named):
    given = {"jwks": published(KEY)} | ASKED | changes
    with pytest.raises(OAuthError, match=named):
        await oauth.client(**{name: value for name, value in given.items() if value is not None})


async def test_discovery_lists_what_can_be_asked_for(oauth):
    listed = (await oauth.http.get("/.well-known/openid-configuration")).json()
    assert listed["userinfo_encryption_alg_values_supported"] == ["ECDH-ES+A256KW", "ECDH-ES", "RSA-OAEP-256"]
    assert listed["userinfo_encryption_enc_values_supported"] == ["A256GCM", "A128GCM"]
