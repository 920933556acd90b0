"""Client authentication: every method by its rules, and every way around it."""

import base64
import hashlib
import json

import pytest
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword_server.clients.metadata import ClientSettings

from .conftest import ISSUER, SECRET, TOKEN_ENDPOINT, basic


async def refused(world, **presented) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await world.authenticate(**presented)
    return caught.value


@pytest.mark.rfc("6749 §2.3.1/1")
async def test_a_secret_is_taken_in_the_header_and_its_parts_are_form_decoded(world):
    world.client("app:one", "client_secret_basic")
    found = await world.authenticate(authorization=basic("app:one", SECRET))
    assert (found.client.client_id, found.method, found.binding) == (
        "app:one",
        "client_secret_basic",
        "client:app:one",
    )


async def test_a_secret_is_taken_in_the_body_from_who_registered_so(world):
    world.client("app", "client_secret_post")
    found = await world.authenticate(client_id="app", client_secret=SECRET)
    assert found.method == "client_secret_post"


async def test_a_public_client_names_itself_and_is_bound_to_nothing(world):
    world.client("spa", "none")
    assert (await world.authenticate(client_id="spa")).binding is None


@pytest.mark.rfc("6749 §2.3/2")
@pytest.mark.rfc("6749 §3.2.1")
@pytest.mark.parametrize(
    ("registered", "presented"),
    [
        ("client_secret_post", {"authorization": basic("app", SECRET)}),
        ("client_secret_basic", {"client_id": "app", "client_secret": SECRET}),
        ("client_secret_basic", {"client_id": "app"}),
        ("private_key_jwt", {"client_id": "app"}),
        ("tls_client_auth", {"client_id": "app"}),
        ("tls_client_auth", {"client_id": "app", "certificate": object()}),
        ("none", {"client_id": "app", "client_secret": SECRET}),
        ("none", {"authorization": basic("app", SECRET)}),
    ],
)
async def test_only_the_registered_method_is_good(world, registered, presented):
    world.client("app", registered)
    assert (await refused(world, **presented)).code == "invalid_client"


@pytest.mark.rfc("6749 §2.3/1")
@pytest.mark.rfc("7523 §2.2")
@pytest.mark.parametrize(
    "presented",
    [
        {"authorization": basic("app", SECRET), "client_secret": SECRET},
        {"authorization": basic("app", SECRET), "client_id": "other"},
        {"client_id": "app", "assertion_type": "x"},
    ],
)
async def test_two_methods_in_one_request_are_refused(world, presented):
    world.client("app", "client_secret_basic")
    assert (await refused(world, **presented)).code == "invalid_request"


@pytest.mark.rfc("6749 §2.3/1")
@pytest.mark.rfc("7521 §4.2.1/2")
@pytest.mark.parametrize(
    "other", [{"client_id": "app", "client_secret": SECRET}, {"authorization": basic("app", SECRET)}]
)
async def test_an_assertion_beside_another_method_is_invalid_client(world, other):
    world.client("app", "client_secret_basic")
    both = {"assertion": "a.b.c", "assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    assert (await refused(world, **both, **other)).code == "invalid_client"


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic", "Basic ", "Basic !!!", "Bearer abc", "Basic " + base64.b64encode(b"app").decode(),
        "Basic " + base64.b64encode(b"app:").decode(), "Basic " + base64.b64encode(b"app:%ff").decode(),
        "Basic " + "a" * 9000,
    ],
)  # fmt: skip
async def test_a_broken_header_is_invalid_client(world, authorization):
    world.client("app", "client_secret_basic")
    assert (await refused(world, authorization=authorization)).code == "invalid_client"


async def test_attack_client_enumeration_unknown_client_and_wrong_secret_answer_alike(world):
    world.client("app", "client_secret_basic")
    unknown = await refused(world, authorization=basic("nobody", SECRET))
    wrong = await refused(world, authorization=basic("app", "wcs_" + "x" * 40))
    assert unknown.members() == wrong.members()
    assert unknown.headers == wrong.headers
    assert SECRET not in repr(unknown) + str(unknown.detail) + str(wrong.detail)


async def test_two_secrets_are_good_while_one_replaces_the_other(world):
    app = world.client("app", "client_secret_basic")
    import msgspec

    newer = "wcs_" + "n" * 40
    world.clients["app"] = msgspec.structs.replace(
        app, secret_digests=(hashlib.sha256(newer.encode()).digest(), *app.secret_digests)
    )
    for secret in (newer, SECRET):
        assert (await world.authenticate(authorization=basic("app", secret))).client.client_id == "app"


@pytest.mark.rfc("7523 §3/3")
@pytest.mark.parametrize("aud", [ISSUER, TOKEN_ENDPOINT, [ISSUER]])
async def test_a_signed_assertion_authenticates_whoever_registered_its_key(world, aud):
    world.client("app", "private_key_jwt", jwks=world.jwks)
    found = await world.authenticate(**world.assertion("app", aud=aud))
    assert found.binding == "client:app"


@pytest.mark.rfc("7521 §4.2.1/1")
@pytest.mark.rfc("7521 §5.1")
@pytest.mark.rfc("7521 §5.2/2")
@pytest.mark.rfc("7521 §5.2/3")
@pytest.mark.rfc("7521 §5.2/4")
@pytest.mark.rfc("7523 §3.2")
@pytest.mark.rfc("7523 §3/2")
@pytest.mark.rfc("7523 §3/3")
@pytest.mark.rfc("7523 §3/4")
@pytest.mark.rfc("7523 §3/5")
@pytest.mark.rfc("openid-core §9")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example.test"},
        {"aud": f"{ISSUER}/"},
        {"aud": [ISSUER, "https://other.example.test/token"]},
        {"aud": None},
        {"sub": "someone"},
        {"sub": None},
        {"jti": None},
        {"exp": None},
        {"exp": 1},
        {"exp": 10**10},
        {"nbf": 10**10},
        {"iat": 10**10},
    ],
)
async def test_attack_assertion_audience_confusion_and_claims_out_of_bounds_are_refused(world, changes):
    world.client("app", "private_key_jwt", jwks=world.jwks)
    assert (await refused(world, **world.assertion("app", **changes))).code == "invalid_client"
    assert not world.replays.seen


@pytest.mark.rfc("7523 §3/5")
@pytest.mark.rfc("openid-core §9")
async def test_attack_assertion_replay_is_refused_also_for_another_endpoint(world):
    world.client("app", "private_key_jwt", jwks=world.jwks)
    presented = world.assertion("app")
    await world.authenticate(**presented)
    assert (await refused(world, **presented)).code == "invalid_client"
    assert (await refused(world, **world.assertion("app", aud=TOKEN_ENDPOINT))).code == "invalid_client"
    await world.authenticate(**world.assertion("app", jti="twice"))


@pytest.mark.rfc("7521 §4.2")
@pytest.mark.rfc("7521 §5.2/1")
@pytest.mark.rfc("7521 §5.2/5")
@pytest.mark.rfc("7523 §2.2")
@pytest.mark.rfc("7523 §3/6")
async def test_attack_client_impersonation_by_anothers_key_is_refused(world):
    world.client("app", "private_key_jwt", jwks=world.jwks)
    world.client("thief", "private_key_jwt", jwks={"keys": [Key.generate("ES256", "k2").public_jwk()]})
    assert (await refused(world, **world.assertion("thief"))).code == "invalid_client"
    assert (await refused(world, client_id="thief", **world.assertion("app"))).code == "invalid_client"


@pytest.mark.rfc("7523 §3/6")
async def test_attack_algorithm_confusion_a_public_key_is_no_hmac_secret(world):
    world.client("app", "private_key_jwt", jwks=world.jwks)
    public = json.dumps(world.key.public_jwk()).encode()
    header = base64url.encode(b'{"alg":"HS256","kid":"k1"}')
    payload = base64url.encode(json.dumps(world.claims("app")).encode())
    import hmac

    mac = hmac.digest(public, f"{header}.{payload}".encode(), "sha256")
    forged = {"assertion": f"{header}.{payload}.{base64url.encode(mac)}"}
    presented = world.assertion("app") | forged
    assert (await refused(world, **presented)).code == "invalid_client"
    for header_text in (b'{"alg":"none"}', b'{"alg":"NONE"}'):
        unsigned = f"{base64url.encode(header_text)}.{payload}."
        assert (await refused(world, **(presented | {"assertion": unsigned}))).code == "invalid_client"


async def test_attack_a_key_that_the_assertion_brings_itself_is_not_used(world):
    world.client("app", "private_key_jwt", jwks=world.jwks)
    own = Key.generate("ES256")
    signer = Signer(own, header={"jwk": own.public_jwk()})
    assert (await refused(world, **world.assertion("app", signer=signer))).code == "invalid_client"


@pytest.mark.rfc("7523 §3/6")
async def test_client_secret_jwt_is_checked_by_the_secret_and_by_hmac_alone(world):
    world.client("app", "client_secret_jwt")
    secret = Key.from_secret(SECRET.encode(), "HS256")
    await world.authenticate(**world.assertion("app", signer=Signer(secret)))
    wrong = Key.from_secret(b"w" * 44, "HS256")
    assert (await refused(world, **world.assertion("app", signer=Signer(wrong)))).code == "invalid_client"
    assert (await refused(world, **world.assertion("app"))).code == "invalid_client"


async def test_a_client_that_registered_one_algorithm_is_held_to_it(world):
    world.client("app", "private_key_jwt", jwks=world.jwks, token_endpoint_auth_signing_alg="PS256")
    assert (await refused(world, **world.assertion("app"))).code == "invalid_client"


@pytest.mark.parametrize("aud", [TOKEN_ENDPOINT, [ISSUER]])
async def test_fapi_2_takes_the_issuer_as_a_string_and_nothing_else(world, aud):
    world.client("app", "private_key_jwt", jwks=world.jwks, settings=ClientSettings(profile="fapi2"))
    assert (await refused(world, **world.assertion("app", aud=aud))).code == "invalid_client"
    await world.authenticate(**world.assertion("app"))


async def test_keys_by_address_are_fetched_once_and_again_for_an_unfamiliar_kid(world):
    uri = "https://app.example.test/jwks.json"
    world.client("app", "private_key_jwt", jwks_uri=uri)
    world.web.documents[uri] = json.dumps(world.jwks).encode()
    authenticator = world.authenticator()
    from watchword_server.clients.authentication import PresentedCredentials

    for jti in ("a", "b"):
        await authenticator.authenticate(PresentedCredentials(**world.assertion("app", jti=jti)))
    assert world.web.asked == [uri]
    newer = Key.generate("ES256", "k2")
    world.web.documents[uri] = json.dumps({"keys": [newer.public_jwk()]}).encode()
    await authenticator.authenticate(PresentedCredentials(**world.assertion("app", signer=Signer(newer), jti="c")))
    assert world.web.asked == [uri, uri], "keys changed just after they were looked at"
    newest = Key.generate("ES256", "k3")
    world.web.documents[uri] = json.dumps({"keys": [newest.public_jwk()]}).encode()
    for jti in ("d", "e", "f"):
        with pytest.raises(OAuthError):
            await authenticator.authenticate(
                PresentedCredentials(**world.assertion("app", signer=Signer(newest), jti=jti))
            )
    assert world.web.asked == [uri, uri], "a stranger who makes up kids has no third fetch made"
    world.clock.advance(31)
    await authenticator.authenticate(PresentedCredentials(**world.assertion("app", signer=Signer(newest), jti="g")))
    assert world.web.asked == [uri, uri, uri]


async def test_an_address_that_does_not_answer_is_not_asked_for_every_request(world):
    world.client("app", "private_key_jwt", jwks_uri="https://gone.example.test/jwks.json")
    authenticator = world.authenticator()
    from watchword_server.clients.authentication import PresentedCredentials

    for _ in range(3):
        with pytest.raises(OAuthError):
            await authenticator.authenticate(PresentedCredentials(**world.assertion("app")))
    assert len(world.web.asked) == 1
