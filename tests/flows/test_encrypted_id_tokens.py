"""ID tokens that only the client can read (OpenID Connect Core §10.2): signed, then encrypted, or not given."""

import msgspec
import pytest
from oauth_story import refused, said
from page_story import Person
from story import ISSUER
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter
from watchword.jose.jwk import KeySet
from watchword.jose.jws import verify
from watchword.oauth.errors import OAuthError

KEY = EncryptionKey.generate(kid="e")
RSA = EncryptionKey.generate("RSA-OAEP-256", "r")
BYE = "https://app.example.test/bye"


def asked(key: EncryptionKey = KEY, encoding: str = "A256GCM", **more):
    return {
        "jwks": published(key),
        "id_token_encrypted_response_alg": key.algorithms[0],
        "id_token_encrypted_response_enc": encoding,
        **more,
    }


def published(*keys: EncryptionKey, **changes) -> dict:
    return {"keys": [key.public_jwk() | {"use": "enc"} | changes for key in keys]}


@pytest.fixture
async def ada(oauth):
    return await oauth.account()


async def inside(oauth, text, key=KEY):
    """The claims of a nested ID token, decrypted by the client and verified by it."""
    opened = Decrypter([key]).decrypt(text)
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    verified = verify(opened.plaintext.decode(), keys, algorithms={"ES256"})
    return opened, msgspec.json.decode(verified.payload)


@pytest.mark.rfc("openid-core §2/6")
@pytest.mark.parametrize("encoding", ["A256GCM", "A128GCM"])
@pytest.mark.parametrize("key", [KEY, RSA], ids=["elliptic", "rsa"])
async def test_an_id_token_is_signed_and_then_encrypted_to_the_client(oauth, ada, key, encoding):
    app = await oauth.client(**asked(key, encoding))
    tokens = await oauth.tokens(app, ada, nonce="n")
    opened, claims = await inside(oauth, tokens["id_token"], key)
    assert (opened.header["alg"], opened.header["enc"], opened.header["cty"]) == (key.algorithms[0], encoding, "JWT")
    assert opened.header["kid"] == key.kid
    assert (claims["iss"], claims["aud"], claims["sub"], claims["nonce"]) == (ISSUER, "app", ada, "n")
    assert "at_hash" in claims
    # Access tokens are nobody's but the resource's, and stay as they were.
    assert said(tokens["access_token"])["sub"] == ada


async def test_that_of_a_refresh_is_encrypted_too(oauth, ada):
    app = await oauth.client(**asked())
    tokens = await oauth.tokens(app, ada)
    again = (await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"])).json()
    _, claims = await inside(oauth, again["id_token"])
    assert claims["sub"] == ada


async def test_other_clients_get_theirs_as_before(oauth, ada):
    app = await oauth.client()
    assert (await oauth.tokens(app, ada))["id_token"].count(".") == 2


async def test_where_no_key_can_be_had_no_tokens_are_given_and_the_code_stays_good(oauth, ada):
    app = await oauth.client(**asked(jwks=None, jwks_uri="https://127.0.0.1:1/jwks.json"))
    code = await oauth.code(app, ada)
    refused(await oauth.exchange(app, code), "temporarily_unavailable", 503)
    refused(await oauth.exchange(app, code), "temporarily_unavailable", 503)


async def test_a_key_that_is_gone_at_a_refresh_leaves_the_refresh_token_as_it_was(oauth, ada, monkeypatch):
    app = await oauth.client(**asked(), token_endpoint_auth_method="none")
    tokens = await oauth.tokens(app, ada)
    held = oauth.server.services.oauth.client_keys

    async def gone(_client):
        return None

    with monkeypatch.context() as patched:
        patched.setattr(held, "document", gone)
        for _ in range(3):
            given = await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"])
            refused(given, "temporarily_unavailable", 503)
    given = await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"])
    assert given.status_code == 200, given.text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id_token_encrypted_response_alg": "RSA1_5"}, "id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "dir"}, "id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "A128KW"}, "id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "RSA-OAEP-256"}, "jwks"),
        ({"id_token_encrypted_response_alg": None, "jwks": None}, "id_token_encrypted_response_enc"),
        ({"id_token_encrypted_response_enc": None}, "id_token_encrypted_response_enc"),
        ({"id_token_encrypted_response_enc": "A128CBC-HS256"}, "id_token_encrypted_response_enc"),
        ({"jwks": None}, "jwks"),
        ({"jwks": published(KEY, use="sig")}, "jwks"),
        ({"jwks": {"keys": [KEY.private_jwk()]}}, "jwks"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name_and_never_passed_over(oauth, changes, named):
    given = asked() | changes
    with pytest.raises(OAuthError, match=named):
        await oauth.client(**{name: value for name, value in given.items() if value is not None})


async def test_clients_that_register_themselves_may_ask_for_it(open_server):
    async with open_server(WATCHWORD_SELF_REGISTRATION__DYNAMIC="open") as server, server.browser() as http:
        given = {"redirect_uris": ["https://app.example.test/callback"], **asked()}
        made = await http.post("/register", json=given)
        assert made.status_code == 201, made.text
        assert made.json()["id_token_encrypted_response_alg"] == "ECDH-ES+A256KW"


async def test_discovery_tells_what_is_offered(oauth):
    document = (await oauth.http.get("/.well-known/openid-configuration")).json()
    assert document["id_token_encryption_alg_values_supported"] == ["ECDH-ES+A256KW", "ECDH-ES", "RSA-OAEP-256"]
    assert document["id_token_encryption_enc_values_supported"] == ["A256GCM", "A128GCM"]


async def test_a_hint_is_the_signed_token_and_an_encrypted_one_is_refused_by_name(oauth, ada):
    app = await oauth.client(**asked(), post_logout_redirect_uris=[BYE])
    tokens = await oauth.tokens(app, ada)
    opened, _ = await inside(oauth, tokens["id_token"])
    person = Person(oauth.http)
    await person.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert person.answer.status_code == 400
    assert "id_token_hint is encrypted" in person.page.said
    await person.goes_to("/logout", id_token_hint=opened.plaintext.decode(), post_logout_redirect_uri=BYE)
    assert person.left == BYE or person.answer.status_code == 200
    request = {
        "client_id": "app", "redirect_uri": "https://app.example.test/callback", "response_type": "code",
        "scope": "openid", "code_challenge": "x" * 43, "code_challenge_method": "S256", "prompt": "none",
    }  # fmt: skip
    await person.goes_to("/authorize", **request, id_token_hint=tokens["id_token"])
    assert person.told["error"] == "invalid_request"
    assert "encrypted" in person.told["error_description"]
    await person.goes_to("/authorize", **request, id_token_hint=opened.plaintext.decode())
    assert person.told["error"] == "login_required"
