"""Request objects that nobody but the server can read (RFC 9101 §6.1): opened at a bounded cost, and believed no more for it."""

import json

import msgspec
import pytest
from joserfc import jwe as joserfc_jwe
from oauth_story import CALLBACK, ORIGIN, OAuth
from watchword.jose import base64url
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import encrypt
from watchword.jose.jwk import Key, KeySet
from watchword.oauth.errors import OAuthError
from watchword_server.clients.request_object import MAX_LENGTH

from .test_authorize import FIRST_PARTY, asking
from .test_signed_requests import KEY, signed

OFFERED = {"WATCHWORD_OAUTH__REQUEST_OBJECT_ENCRYPTION": "ECDH-ES+A256KW"}
BOTH = {"WATCHWORD_OAUTH__REQUEST_OBJECT_ENCRYPTION": "ECDH-ES+A256KW,RSA-OAEP-256"}
with_rsa = pytest.mark.parametrize("environ", [pytest.param(BOTH, id="both")])
"""For tests that need it: an RSA key takes a second to make."""
ELLIPTIC = {"request_object_encryption_alg": "ECDH-ES+A256KW", "request_object_encryption_enc": "A256GCM"}
NONE = base64url.encode(b'{"alg":"none"}')
RSA = {"request_object_encryption_alg": "RSA-OAEP-256", "request_object_encryption_enc": "A128GCM"}


@pytest.fixture
def environ():
    return OFFERED


async def own(oauth, client_id="own", **metadata):
    return await oauth.client(client_id, settings=FIRST_PARTY, key=KEY, **ELLIPTIC | metadata)


async def published(oauth, algorithm="ECDH-ES+A256KW") -> EncryptionKey:
    """The key that a client finds."""
    keys = (await oauth.http.get("/jwks.json")).json()["keys"]
    return EncryptionKey.from_jwk(next(key for key in keys if key["use"] == "enc" and key["alg"] == algorithm))


async def sealed(oauth, text=None, *, algorithm="ECDH-ES+A256KW", encoding="A256GCM", **more) -> str:
    key = await published(oauth, algorithm)
    text = signed(oauth) if text is None else text
    return encrypt(text.encode(), key, algorithm=algorithm, encoding=encoding, **more)


async def asks(oauth, ada, raw, client_id="own"):
    await ada.goes_to("/authorize", client_id=client_id, request=raw, redirect_uri=CALLBACK)
    return ada


async def refused(oauth, ada, raw, client_id="own") -> str:
    """What the page says."""
    await asks(oauth, ada, raw, client_id)
    assert ada.left is None, ada.left
    assert ada.answer.status_code == 400
    assert "invalid_request_object" in ada.answer.text
    return ada.page.said


@pytest.mark.parametrize("wanted", [ELLIPTIC, RSA], ids=["elliptic", "rsa"])
@with_rsa
async def test_a_request_that_is_signed_and_then_encrypted_is_followed(oauth, ada, wanted):
    client = await own(oauth, require_signed_request_object=True, **wanted)
    algorithm, encoding = wanted.values()
    raw = await sealed(oauth, algorithm=algorithm, encoding=encoding)
    assert raw.count(".") == 4
    pushed = await oauth.post("/par", client, request=raw, client_id="own")
    assert pushed.status_code == 201, pushed.text
    await asks(oauth, ada, raw)
    await ada.logs_in()
    assert ada.left.startswith(f"{CALLBACK}?code=")
    assert ada.told["state"] == "af0ifjsldkj"


async def test_a_client_that_may_encrypt_may_as_well_sign_alone(oauth, ada):
    await own(oauth)
    await asks(oauth, ada, signed(oauth))
    assert ada.sees("sign-in")


@with_rsa
async def test_the_key_is_published_for_encryption_alone_and_verifiers_pass_it_over(oauth):
    document = (await oauth.http.get("/jwks.json")).json()
    found = [key for key in document["keys"] if key["use"] == "enc"]
    assert {key["alg"] for key in found} == {"ECDH-ES+A256KW", "RSA-OAEP-256"}
    assert not any({"d", "p", "q", "k"} & key.keys() for key in found)
    verifying = KeySet.from_json(json.dumps(document).encode())
    assert {key.kid for key in verifying}.isdisjoint(key["kid"] for key in found)
    assert {key.kid for key in oauth.server.services.keys.key_set} == {key.kid for key in verifying}


@with_rsa
async def test_discovery_tells_what_is_offered(oauth):
    listed = (await oauth.http.get("/.well-known/openid-configuration")).json()
    assert listed["request_object_encryption_alg_values_supported"] == ["ECDH-ES+A256KW", "RSA-OAEP-256"]
    assert listed["request_object_encryption_enc_values_supported"] == ["A256GCM", "A128GCM"]


async def test_without_the_setting_there_is_nothing_of_it(open_server):
    async with open_server() as server, server.browser() as http:
        oauth = OAuth(server, http)
        assert {key["use"] for key in (await http.get("/jwks.json")).json()["keys"]} == {"sig"}
        listed = (await http.get("/.well-known/openid-configuration")).json()
        assert not any(name.startswith("request_object_encryption") for name in listed)
        with pytest.raises(OAuthError, match="request_object_encryption_alg"):
            await own(oauth)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"request_object_encryption_alg": "RSA1_5"}, "request_object_encryption_alg"),
        ({"request_object_encryption_alg": "dir"}, "request_object_encryption_alg"),
        ({"request_object_encryption_alg": "PBES2-HS256+A128KW"}, "request_object_encryption_alg"),
        ({"request_object_encryption_alg": None}, "request_object_encryption_enc"),
        ({"request_object_encryption_enc": None}, "request_object_encryption_enc"),
        ({"request_object_encryption_enc": "A128CBC-HS256"}, "request_object_encryption_enc"),
    ],
)
async def test_what_is_not_offered_is_refused_by_name_at_the_registration(oauth, changes, named):
    given = {name: value for name, value in (ELLIPTIC | changes).items() if value is not None}
    with pytest.raises(OAuthError, match=named):
        await oauth.client("own", settings=FIRST_PARTY, key=KEY, **given)


@pytest.mark.rfc("9101 §4/3")
@pytest.mark.rfc("9101 §10.2")
async def test_attack_what_is_inside_is_believed_by_its_signature_alone(oauth, ada):
    await own(oauth)
    claims = base64url.encode(msgspec.json.encode(asking("own")))
    none = f"{NONE}.{claims}."
    stranger = signed(oauth, Key.generate("ES256"))
    for text in (none, stranger, signed(oauth)[:-4] + "AAAA", signed(oauth, iss="other"), signed(oauth, exp=1)):
        await refused(oauth, ada, await sealed(oauth, text))
    # Not even parameters in JSON, which nobody signed.
    for text in (json.dumps(asking("own")), "", "x", "..", "é", claims):
        await refused(oauth, ada, await sealed(oauth, text))


async def test_attack_layers_within_layers_are_not_unpacked(oauth, ada):
    await own(oauth)
    for depth in range(1, 4):
        raw = await sealed(oauth)
        for _ in range(depth):
            raw = await sealed(oauth, raw)
        await refused(oauth, ada, raw)


async def test_attack_an_encrypted_jwt_bomb_is_not_inflated(oauth):
    client = await own(oauth)
    key = await published(oauth)
    registry = joserfc_jwe.JWERegistry(algorithms=["ECDH-ES+A256KW", "A256GCM", "DEF"])
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": key.kid, "zip": "DEF", "cty": "JWT"}
    for inside in (b"0" * 4_000_000, signed(oauth).encode()):
        bomb = joserfc_jwe.encrypt_compact(header, inside, key.native, registry=registry)
        assert len(bomb) < MAX_LENGTH
        answer = await oauth.post("/par", client, request=bomb, client_id="own")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")


async def test_attack_an_object_too_large_is_not_opened(oauth):
    client = await own(oauth)
    large = await sealed(oauth, signed(oauth, filler="x" * MAX_LENGTH))
    for raw in (large, "a." * 4 + "b" * MAX_LENGTH, "." * 4):
        answer = await oauth.post("/par", client, request=raw, client_id="own")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")


def with_header(raw: str, **changes) -> str:
    first, rest = raw.split(".", 1)
    header = json.loads(base64url.decode(first)) | changes
    kept = {name: value for name, value in header.items() if value is not None}
    return f"{base64url.encode(json.dumps(kept).encode())}.{rest}"


CHOSEN_BY_STRANGERS = (
    {"alg": "RSA1_5"},
    {"alg": "RSA-OAEP"},
    {"alg": "dir"},
    {"alg": "none"},
    {"alg": "PBES2-HS256+A128KW", "p2c": 1_000_000_000, "p2s": "AAAA"},
    {"alg": "ECDH-ES"},
    {"alg": "RSA-OAEP-256"},
    {"alg": None},
    {"enc": "A128GCM"},
    {"enc": "A128CBC-HS256"},
    {"enc": None},
    {"kid": "another"},
    {"zip": "DEF"},
    {"crit": ["b64"]},
    {"jwk": {"kty": "oct", "k": "AAAA"}},
    {"jku": "https://evil.example/jwks.json"},
    {"x5u": "https://evil.example/x.pem"},
    {"cty": "JOSE"},
    {"epk": {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}},
    {"epk": {"kty": "oct", "k": "AAAA"}},
    {"epk": None},
)


@pytest.mark.rfc("9101 §6.1")
@with_rsa
async def test_attack_algorithm_confusion_and_headers_that_a_stranger_chose(oauth):
    client = await own(oauth)
    raw = await sealed(oauth)
    parts = raw.split(".")
    forged = [with_header(raw, **changes) for changes in CHOSEN_BY_STRANGERS]
    for index in range(1, 5):
        changed = base64url.encode(b"\0" * len(base64url.decode(parts[index])))
        forged.append(".".join((*parts[:index], changed, *parts[index + 1 :])))
    answers = [await oauth.post("/par", client, request=one, client_id="own") for one in forged]
    # The same words for each: no oracle of how far it came (RFC 7516 §11.5).
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].json()["error"] == "invalid_request_object"
    assert (await oauth.post("/par", client, request=raw, client_id="own")).status_code == 201


@pytest.mark.parametrize("other", [RSA, ELLIPTIC | {"request_object_encryption_enc": "A128GCM"}], ids=["alg", "enc"])
@with_rsa
async def test_attack_by_another_algorithm_than_was_registered(oauth, ada, other):
    await own(oauth)
    algorithm, encoding = other.values()
    await refused(oauth, ada, await sealed(oauth, algorithm=algorithm, encoding=encoding))


async def test_attack_work_for_whoever_did_not_register_for_it_is_not_done(oauth, ada):
    await oauth.client("plain", settings=FIRST_PARTY, key=KEY)
    said = await refused(oauth, ada, await sealed(oauth, signed(oauth, client_id="plain", iss="plain")), "plain")
    assert "did not register" in said


async def test_attack_claims_in_the_clear_are_those_inside(oauth, ada):
    await own(oauth)
    await refused(oauth, ada, await sealed(oauth, header={"iss": "other"}))
    await asks(oauth, ada, await sealed(oauth, header={"iss": "own"}))
    assert ada.sees("sign-in")


async def test_keys_rotate_and_what_was_encrypted_to_the_last_one_is_read_still(oauth, ada):
    await own(oauth)
    keys = oauth.server.services.keys
    before, old = await published(oauth), await sealed(oauth)
    kid = await keys.rotate("request_object", ORIGIN, algorithm="ECDH-ES+A256KW")
    assert (await published(oauth)).kid == kid != before.kid
    for raw in (old, await sealed(oauth)):
        await asks(oauth, ada, raw)
        assert ada.sees("sign-in")
    # One that leaked opens nothing more, and another takes its place.
    assert await keys.distrust(kid, ORIGIN)
    distrusted = encrypt(signed(oauth).encode(), EncryptionKey.from_jwk(json.loads(_row(keys, kid).public_jwk)))
    await refused(oauth, ada, distrusted)
    assert (await published(oauth)).kid not in {kid, before.kid}
    await asks(oauth, ada, await sealed(oauth))
    assert ada.sees("sign-in")


def _row(keys, kid):
    return next(row for row in keys.keys if row.kid == kid)
