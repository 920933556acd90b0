"""The FAPI 2.0 Security Profile and Message Signing, requirement by requirement, of a client whose profile is `fapi2`."""

import base64
import json

import msgspec
import pytest
from oauth_story import CALLBACK, Prover, Registered, refused, said
from story import ISSUER
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword.verify.jwt import check_jwt
from watchword_server import entropy
from watchword_server.clients.metadata import ClientSettings

from .test_authorize import asking

FAPI2 = ClientSettings(profile="fapi2", first_party=True)
PAR = f"{ISSUER}/par"
KEY = Key.generate("ES256", "k")
RSA = Key.generate("PS256", "r")


@pytest.fixture
async def bank(oauth):
    return await oauth.client("bank", key=KEY, settings=FAPI2)


@pytest.fixture
def prover(oauth):
    return Prover(oauth.server.clock)


def signed(oauth, client: Registered, **changes) -> str:
    now = int(oauth.server.clock.now())
    claims = asking(client.client_id) | {"iss": client.client_id, "aud": ISSUER, "nbf": now, "exp": now + 300}
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return Signer(client.key, typ="oauth-authz-req+jwt").sign(msgspec.json.encode(kept))


async def push(oauth, client, headers: dict | None = None, **changes):
    return await oauth.post("/par", client, headers=headers, **asking(client.client_id, **changes))


async def signs_in(oauth, ada, client, headers: dict | None = None, **changes) -> dict[str, str]:
    """What the client is told after a pushed request."""
    answer = await push(oauth, client, headers, **changes)
    assert answer.status_code == 201, answer.text
    await ada.goes_to("/authorize", client_id=client.client_id, request_uri=answer.json()["request_uri"])
    if ada.left is None and ada.sees("sign-in"):
        await ada.logs_in()
    return ada.told


async def opened(oauth, response: str, client_id: str = "bank", typ: str = "jwt") -> dict:
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    now = oauth.server.clock.now()
    required = ("exp",) if typ == "jwt" else ("iat",)
    return check_jwt(
        response,
        keys,
        algorithms=("ES256",),
        now=now,
        typ=(typ,),
        issuer=ISSUER,
        audience={client_id},
        required=required,
    ).claims


# Security Profile §5.3.2.1


async def test_5_3_2_1_the_whole_flow_gives_tokens_that_only_their_holder_can_use(oauth, ada, bank, prover):
    told = await signs_in(oauth, ada, bank)
    answer = await oauth.exchange(bank, told["code"], headers=prover.headers())
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["token_type"] == "DPoP"
    assert said(tokens["access_token"])["cnf"] == {"jkt": prover.jkt}
    assert (await oauth.userinfo(tokens["access_token"])).status_code == 401
    proof = prover.proof(f"{ISSUER}/userinfo", "GET", token=tokens["access_token"])
    assert (await oauth.userinfo(tokens["access_token"], "DPoP", DPoP=proof)).status_code == 200


async def test_5_3_2_1_tokens_without_a_holder_are_not_issued(oauth, ada, bank):
    told = await signs_in(oauth, ada, bank)
    refused(await oauth.exchange(bank, told["code"]), "invalid_dpop_proof")
    robot = await oauth.machine("robot", key=KEY, settings=ClientSettings(profile="fapi2"))
    refused(await oauth.token(robot, "client_credentials"), "invalid_dpop_proof")


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt"])
async def test_5_3_2_1_only_keys_and_certificates_authenticate_clients(oauth, method):
    with pytest.raises(OAuthError, match="token_endpoint_auth_method"):
        await oauth.client(settings=FAPI2, token_endpoint_auth_method=method)


async def test_5_3_2_1_an_assertion_is_for_the_issuer_as_one_string(oauth, bank):
    for audience in (f"{ISSUER}/token", PAR, [ISSUER], [ISSUER, "https://elsewhere.example"]):
        form = asking("bank") | oauth.assertion(bank, aud=audience)
        refused(await oauth.http.post("/par", data=form), "invalid_client", 401)
    assert (await push(oauth, bank)).status_code == 201


async def test_5_3_2_1_refresh_tokens_are_not_rotated_and_need_their_holder(oauth, ada, bank, prover):
    told = await signs_in(oauth, ada, bank, scope="openid offline_access")
    first = (await oauth.exchange(bank, told["code"], headers=prover.headers())).json()["refresh_token"]
    for _ in range(3):
        answer = await oauth.token(bank, "refresh_token", refresh_token=first, headers=prover.headers())
        assert answer.json()["refresh_token"] == first
    refused(await oauth.token(bank, "refresh_token", refresh_token=first), "invalid_dpop_proof")


async def test_5_3_2_1_clocks_that_differ_a_little_are_no_fault_and_no_more_than_that(oauth, bank):
    now = int(oauth.server.clock.now())
    near = asking("bank") | oauth.assertion(bank, iat=now + 9, nbf=now + 9)
    assert (await oauth.http.post("/par", data=near)).status_code == 201
    far = asking("bank") | oauth.assertion(bank, iat=now + 61, nbf=now + 61, exp=now + 120)
    refused(await oauth.http.post("/par", data=far), "invalid_client", 401)


# Security Profile §5.3.2.2


async def test_5_3_2_2_a_request_that_was_not_pushed_is_refused_signed_or_not(oauth, ada, bank):
    await ada.goes_to("/authorize", **asking("bank"))
    assert ada.told["error"] == "invalid_request"
    await ada.goes_to("/authorize", client_id="bank", request=signed(oauth, bank))
    assert ada.told["error"] == "invalid_request"


async def test_5_3_2_2_a_request_is_pushed_by_its_authenticated_client_alone(oauth, bank):
    refused(await oauth.http.post("/par", data=asking("bank")), "invalid_client", 401)
    other = await oauth.client("other", key=Key.generate("ES256", "o"), settings=FAPI2)
    form = asking("bank") | oauth.assertion(other)
    assert (await oauth.http.post("/par", data=form)).status_code in {400, 401}


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example"},
        {"response_type": "code id_token"},
    ],
    ids=str,
)
async def test_5_3_2_2_pkce_with_s256_redirect_uri_and_code_are_required(oauth, bank, changes):
    assert (await push(oauth, bank, **changes)).status_code == 400


async def test_5_3_2_2_nobody_is_exempt_from_pkce(oauth):
    with pytest.raises(OAuthError, match="pkce_exempt"):
        await oauth.client(key=KEY, settings=ClientSettings(profile="fapi2", pkce_exempt=True))


async def test_5_3_2_2_the_answer_names_its_issuer(oauth, ada, bank):
    assert (await signs_in(oauth, ada, bank))["iss"] == ISSUER
    assert (await signs_in(oauth, ada, bank, prompt="none", max_age="0"))["iss"] == ISSUER


async def test_5_3_2_2_a_code_is_good_for_a_minute_and_once(oauth, ada, bank, prover):
    late = (await signs_in(oauth, ada, bank))["code"]
    oauth.server.clock.advance(61)
    refused(await oauth.exchange(bank, late, headers=prover.headers()), "invalid_grant")
    code = (await signs_in(oauth, ada, bank))["code"]
    tokens = (await oauth.exchange(bank, code, headers=prover.headers())).json()
    refused(await oauth.exchange(bank, code, headers=prover.headers()), "invalid_grant")
    proof = prover.proof(f"{ISSUER}/userinfo", "GET", token=tokens["access_token"])
    assert (await oauth.userinfo(tokens["access_token"], "DPoP", DPoP=proof)).status_code == 401


async def test_5_3_2_2_a_code_is_bound_to_the_key_that_pushed(oauth, ada, bank, prover):
    code = (await signs_in(oauth, ada, bank, prover.headers(PAR)))["code"]
    thief = Prover(oauth.server.clock)
    assert (await oauth.exchange(bank, code, headers=thief.headers())).status_code == 400
    code = (await signs_in(oauth, ada, bank, prover.headers(PAR)))["code"]
    assert (await oauth.exchange(bank, code, headers=prover.headers())).status_code == 200


async def test_5_3_2_2_a_pushed_request_is_good_for_less_than_ten_minutes(oauth, bank):
    assert (await push(oauth, bank)).json()["expires_in"] < 600


@pytest.mark.parametrize("uri", ["http://app.example.test/callback", "com.example.app:/callback"])
async def test_5_3_2_2_redirect_uris_are_https_save_the_loopback_interface(oauth, uri):
    with pytest.raises(OAuthError, match="redirect_uris"):
        await oauth.client(key=KEY, settings=FAPI2, redirect_uris=[uri], application_type="native")
    loopback = ["http://127.0.0.1/callback"]
    assert await oauth.client("near", key=KEY, settings=FAPI2, redirect_uris=loopback, application_type="native")


async def test_5_3_2_2_the_browser_is_sent_on_by_303(oauth, ada, bank):
    await signs_in(oauth, ada, bank)
    name = (await push(oauth, bank)).json()["request_uri"]
    answer = await oauth.http.get("/authorize", params={"client_id": "bank", "request_uri": name})
    assert answer.status_code == 303


# Security Profile §5.4


@pytest.mark.parametrize(
    "member",
    [
        "id_token_signed_response_alg", "token_endpoint_auth_signing_alg", "userinfo_signed_response_alg",
        "introspection_signed_response_alg", "authorization_signed_response_alg", "request_object_signing_alg",
    ],
)  # fmt: skip
async def test_5_4_1_no_jwt_is_signed_by_rs256(oauth, member):
    with pytest.raises(OAuthError, match=member):
        await oauth.client(key=KEY, settings=FAPI2, **{member: "RS256"})


async def test_5_4_1_assertions_requests_and_proofs_are_signed_by_what_the_profile_names(oauth, bank):
    own = await oauth.client("own", key=RSA, settings=FAPI2)
    assert (await push(oauth, own)).status_code == 201
    weak = Key.from_jwk(RSA.private_jwk() | {"alg": "RS256"})
    form = asking("own") | oauth.assertion(Registered("own", None, weak))
    refused(await oauth.http.post("/par", data=form), "invalid_client", 401)
    raw = signed(oauth, Registered("own", None, weak))
    refused(await oauth.post("/par", own, request=raw, client_id="own"), "invalid_request_object")
    prover = Prover(oauth.server.clock, Key.generate("RS256"))
    refused(await push(oauth, bank, prover.headers(PAR)), "invalid_dpop_proof")
    robot = await oauth.machine("robot", key=KEY, settings=ClientSettings(profile="fapi2"))
    refused(await oauth.token(robot, "client_credentials", headers=prover.headers()), "invalid_dpop_proof")


# Message Signing §5.3: signed requests


async def test_ms_5_3_1_a_signed_request_is_pushed_and_counts_alone(oauth, ada):
    bank = await oauth.client("bank", key=KEY, settings=FAPI2, require_signed_request_object=True)
    assert (await push(oauth, bank)).json()["error"] == "invalid_request"
    form = {"client_id": "bank", "state": "evil", "scope": "openid email", "request": signed(oauth, bank)}
    name = (await oauth.post("/par", bank, **form)).json()["request_uri"]
    await (await ada.goes_to("/authorize", client_id="bank", request_uri=name)).logs_in()
    assert ada.told["state"] == "af0ifjsldkj"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None}, {"iss": None}, {"nbf": None}, {"exp": None},
        {"aud": "https://elsewhere.example"}, {"iss": "other"},
        {"nbf": -3700}, {"exp": 3800}, {"exp": -60}, {"nbf": 120},
    ],
    ids=str,
)  # fmt: skip
async def test_ms_5_3_1_a_signed_request_says_from_whom_for_whom_and_for_how_long(oauth, bank, changes):
    now = int(oauth.server.clock.now())
    changed = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    answer = await oauth.post("/par", bank, client_id="bank", request=signed(oauth, bank, **changed))
    refused(answer, "invalid_request_object")


async def test_a_signed_request_that_names_itself_is_pushed_once_and_an_encrypted_one_not_at_all(oauth, bank):
    raw = signed(oauth, bank, jti=entropy.identifier())
    assert (await oauth.post("/par", bank, client_id="bank", request=raw)).status_code == 201
    refused(await oauth.post("/par", bank, client_id="bank", request=raw), "invalid_request_object")
    answer = await oauth.post("/par", bank, client_id="bank", request="e30.a.b.c.d")
    refused(answer, "invalid_request_object")
    assert "encrypted" in answer.json()["error_description"]
    with pytest.raises(OAuthError, match="request_object_encryption_alg"):
        await oauth.client("other", key=KEY, request_object_encryption_alg="ECDH-ES")


# Message Signing §5.4: signed answers (JARM)


@pytest.mark.rfc("openid-jarm §2.1/1")
@pytest.mark.rfc("openid-jarm §2.1/2")
@pytest.mark.rfc("openid-jarm §2.2")
@pytest.mark.rfc("openid-jarm §2.3")
@pytest.mark.rfc("openid-jarm §2.3.1")
@pytest.mark.rfc("openid-jarm §2.3.2")
@pytest.mark.rfc("openid-jarm §2.3.4")
@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "fragment.jwt"])
async def test_ms_5_4_the_answer_comes_signed_for_the_client_alone(oauth, ada, mode):
    bank = await oauth.client("bank", key=KEY, settings=FAPI2, authorization_signed_response_alg="ES256")
    told = await signs_in(oauth, ada, bank, response_mode=mode)
    assert told.keys() == {"response"}
    assert ("#" in ada.left) == (mode == "fragment.jwt")
    claims = await opened(oauth, told["response"])
    assert claims.keys() == {"iss", "aud", "exp", "code", "state"}
    assert claims["state"] == "af0ifjsldkj"
    assert claims["exp"] - oauth.server.clock.now() <= 600
    assert (await oauth.exchange(bank, claims["code"], headers=Prover(oauth.server.clock).headers())).status_code == 200


@pytest.mark.rfc("openid-jarm §2.1/3")
@pytest.mark.rfc("openid-jarm §2.3.3")
async def test_ms_5_4_refusals_and_form_posts_are_signed_too(oauth, ada):
    bank = await oauth.client("bank", key=KEY, settings=FAPI2, authorization_signed_response_alg="ES256")
    told = await signs_in(oauth, ada, bank, response_mode="jwt", prompt="none")
    claims = await opened(oauth, told["response"])
    assert claims["error"] == "login_required"
    name = (await push(oauth, bank, response_mode="form_post.jwt")).json()["request_uri"]
    await (await ada.goes_to("/authorize", client_id="bank", request_uri=name)).logs_in()
    form = ada.page.forms[0]
    assert form.action == CALLBACK
    assert form.fields.keys() == {"response"}
    assert (await opened(oauth, form.fields["response"]))["code"]


async def test_ms_5_4_an_answer_is_no_id_token_hint_and_an_id_token_no_answer(oauth, ada):
    bank = await oauth.client("bank", key=KEY, settings=FAPI2, authorization_signed_response_alg="ES256")
    told = await signs_in(oauth, ada, bank, response_mode="jwt")
    answer = await push(oauth, bank, id_token_hint=told["response"])
    assert answer.json()["error"] == "invalid_request"


# Message Signing §5.5: signed introspection


async def test_ms_5_5_introspection_is_signed_for_who_asks(oauth, ada, bank, prover):
    told = await signs_in(oauth, ada, bank)
    token = (await oauth.exchange(bank, told["code"], headers=prover.headers())).json()["access_token"]
    shop = ClientSettings(may_introspect=True)
    api = await oauth.machine("api", key=KEY, settings=shop, introspection_signed_response_alg="ES256")
    accept = {"Accept": "application/token-introspection+jwt"}
    answer = await oauth.post("/introspect", api, headers=accept, token=token)
    assert answer.headers["content-type"] == "application/token-introspection+jwt"
    claims = await opened(oauth, answer.text, "api", "token-introspection+jwt")
    assert claims["token_introspection"]["active"]
    assert claims["token_introspection"]["cnf"] == {"jkt": prover.jkt}
    header = json.loads(base64.urlsafe_b64decode(answer.text.split(".")[0] + "=="))
    assert header["typ"] == "token-introspection+jwt"


@pytest.mark.rfc("openid-jarm §4")
async def test_discovery_lists_what_the_profile_needs(oauth):
    listed = (await oauth.http.get("/.well-known/openid-configuration")).json()
    assert set(listed["response_modes_supported"]) >= {"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"}
    for member in ("authorization", "introspection"):
        assert "ES256" in listed[f"{member}_signing_alg_values_supported"]
    assert "ES256" in listed["request_object_signing_alg_values_supported"]
    assert listed["request_parameter_supported"]
    assert not listed["require_signed_request_object"]
    assert listed["authorization_response_iss_parameter_supported"]
