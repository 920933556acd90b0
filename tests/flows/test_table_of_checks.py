"""The table of checks is true: each of the checks that every endpoint could make is made exactly where the table says."""

import json

import msgspec
import pytest
from oauth_story import CALLBACK, CHALLENGE, ORIGIN, VERIFIER, OAuth, Prover
from story import ISSUER
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword.oauth.names import GrantType, TokenTypeUri
from watchword_server import entropy
from watchword_server.clients.metadata import ClientSettings
from watchword_server.endpoints.token.endpoint import GRANTS
from watchword_server.oauth_composition import GRANT_TYPES as OFFERED_GRANT_TYPES
from watchword_server.store.records import AuditEvent, NewAccount
from watchword_server.tokens.checks import CHECKS, Check, Place, applies
from watchword_server.tokens.device_request import normalised_user_code
from watchword_server.tokens.terms import AuthorizationTerms

OFFERED = frozenset(map(str, (*OFFERED_GRANT_TYPES, GrantType.JWT_BEARER)))
PLACES = {name: place for name, (place, _) in GRANTS.items()} | {GrantType.JWT_BEARER: Place.JWT_BEARER}
GRANTS_OF = {place: {str(name)} for name, place in PLACES.items()}
PATHS = dict.fromkeys(PLACES.values(), "/token") | {
    Place.INTROSPECT: "/introspect",
    Place.REVOKE: "/revoke",
    Place.USERINFO: "/userinfo",
    Place.DEVICE_AUTHORIZATION: "/device_authorization",
    Place.PUSHED_REQUEST: "/par",
}
"""Where each place of the table is."""
SERVED = tuple(
    place
    for place in Place
    if OFFERED.issuperset({Place.DEVICE_AUTHORIZATION: {GrantType.DEVICE_CODE}}.get(place, GRANTS_OF.get(place, set())))
)
"""Places whose grant clients can register for."""
GRANT_TYPES = {place: str(name) for name, place in PLACES.items()}
IDP, IDP_KEY = "https://idp.example.test", Key.generate("ES256", kid="of-the-idp")
ADA = "a" * 22
TRUSTED = json.dumps(
    {IDP: {"profile": "jwt", "jwks": {"keys": [IDP_KEY.public_jwk()]}, "clients": ["known"], "accounts": {"ada": ADA}}}
)


@pytest.fixture
def environ():
    details = '{"files": {"words": "Use your files", "without_person": true}}'
    return {"WATCHWORD_TRUSTED_ISSUERS": TRUSTED, "WATCHWORD_AUTHORIZATION_DETAILS": details}


def form_for(place: Place) -> dict[str, str]:
    """A form that is not refused before the check in question."""
    if place in GRANT_TYPES:
        return {"grant_type": GRANT_TYPES[place]}
    if place is Place.PUSHED_REQUEST:
        return {
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
    return {"token": "wo_" + "x" * 43} if place is not Place.DEVICE_AUTHORIZATION else {"scope": "openid"}


async def registered(oauth: OAuth, place: Place, **more):
    """A client that may do what is done at that place, and authenticates by a secret."""
    grants = [GRANT_TYPES[place]] if place in GRANT_TYPES else ["client_credentials"]
    if place is Place.DEVICE_AUTHORIZATION:
        grants = [str(GrantType.DEVICE_CODE)]
    if place is Place.PUSHED_REQUEST:
        grants = [str(GrantType.AUTHORIZATION_CODE)]
    uris = [CALLBACK] if place in {Place.AUTHORIZATION_CODE, Place.REFRESH_TOKEN, Place.PUSHED_REQUEST} else []
    return await oauth.client(
        "known",
        **{"grant_types": grants, "redirect_uris": uris, "settings": ClientSettings(exchange=True)} | more,
    )


def error_of(answer) -> str | None:
    return None if answer.status_code == 200 or not answer.content else answer.json().get("error")


def test_every_place_of_the_table_is_asked_here():
    assert PATHS.keys() == set(Place) == CHECKS.keys()


@pytest.mark.parametrize("place", SERVED)
async def test_nothing_in_query(oauth, place):
    known = await registered(oauth, place)
    path = f"{PATHS[place]}?access_token=x" if place is Place.USERINFO else f"{PATHS[place]}?client_secret=x"
    answer = await oauth.post(path, known, **form_for(place))
    refused = answer.status_code == 400 and error_of(answer) == "invalid_request"
    assert refused == applies(Check.NOTHING_IN_QUERY, place)


@pytest.mark.parametrize("place", SERVED)
async def test_strict_form(oauth, place):
    known = await registered(oauth, place)
    doubled = "&".join(f"{name}={value}" for name, value in [*form_for(place).items()] * 2) or "scope=a&scope=a"
    if place is Place.USERINFO:
        doubled = "access_token=x&access_token=x"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if place is not Place.USERINFO:
        headers |= known.basic
    answer = await oauth.http.post(PATHS[place], content=doubled, headers=headers)
    refused = answer.status_code == 400 and error_of(answer) == "invalid_request"
    assert refused == applies(Check.STRICT_FORM, place)


@pytest.mark.rfc("7523 §3.1/1")
@pytest.mark.rfc("6749 §3.2.1")
@pytest.mark.rfc("6749 §4.1.3/1")
@pytest.mark.rfc("6749 §6/1")
@pytest.mark.rfc("7009 §2.1/1")
@pytest.mark.rfc("8628 §3.4")
@pytest.mark.parametrize("place", SERVED)
async def test_client_authentication(oauth, place):
    await registered(oauth, place)
    answer = await oauth.http.post(
        PATHS[place], data={**form_for(place), "client_id": "known", "client_secret": "wrong"}
    )
    assert (error_of(answer) == "invalid_client") == applies(Check.CLIENT_AUTHENTICATION, place)


@pytest.mark.rfc("6749 §4.4")
@pytest.mark.parametrize("place", [place for place in SERVED if place is not Place.USERINFO])
async def test_confidential_client(oauth, place):
    if place in GRANT_TYPES and applies(Check.CONFIDENTIAL_CLIENT, place):
        # Such a client cannot even be registered for it; one that was before its rules changed is refused all the same.
        public = await oauth.client("public", token_endpoint_auth_method="none")
    elif place in {*GRANT_TYPES, Place.DEVICE_AUTHORIZATION}:
        public = await registered(oauth, place, token_endpoint_auth_method="none")
    else:
        public = await oauth.client("public", token_endpoint_auth_method="none")
    answer = await oauth.post(PATHS[place], public, **form_for(place))
    refused = error_of(answer) in {"invalid_client", "unauthorized_client"}
    assert refused == applies(Check.CONFIDENTIAL_CLIENT, place), answer.text


@pytest.mark.parametrize("place", [place for place in SERVED if place is not Place.USERINFO])
async def test_grant_allowed(oauth, place):
    # A client of another grant; for code and refresh, which go together, one of neither.
    other = {Place.CLIENT_CREDENTIALS: "refresh_token"}.get(place, "client_credentials")
    client = await oauth.client("other", grant_types=[other], redirect_uris=[], settings=ClientSettings(exchange=True))
    answer = await oauth.post(PATHS[place], client, **form_for(place))
    assert (error_of(answer) == "unauthorized_client") == applies(Check.GRANT_ALLOWED, place), answer.text


@pytest.mark.parametrize("place", SERVED)
async def test_dpop_proof(oauth, place):
    prover = Prover(oauth.server.clock)
    elsewhere = prover.headers(f"{ISSUER}/elsewhere")
    if place is Place.USERINFO:
        app = await oauth.client()
        code = await oauth.code(app, await oauth.account())
        token = (await oauth.exchange(app, code, headers={**prover.headers(), **app.basic})).json()["access_token"]
        answer = await oauth.http.get("/userinfo", headers={"Authorization": f"DPoP {token}", **elsewhere})
    else:
        known = await registered(oauth, place)
        answer = await oauth.post(PATHS[place], known, headers={**elsewhere, **known.basic}, **form_for(place))
    assert (error_of(answer) == "invalid_dpop_proof") == applies(Check.DPOP_PROOF, place), answer.text


@pytest.mark.rfc("9449 §5.2")
@pytest.mark.parametrize("place", [place for place in SERVED if place is not Place.USERINFO])
async def test_dpop_required(oauth, place):
    known = await registered(oauth, place, dpop_bound_access_tokens=True)
    answer = await oauth.post(PATHS[place], known, **form_for(place))
    assert (error_of(answer) == "invalid_dpop_proof") == applies(Check.DPOP_REQUIRED, place), answer.text


async def good_form(oauth: OAuth, place: Place, known) -> dict[str, str]:
    """A form that is answered well there."""
    form, store, clock = form_for(place), oauth.store, oauth.server.clock
    new = NewAccount(
        id=ADA, email="ada@example.test", email_key="ada@example.test", username=None, username_key=None,
        password_hash="none", roles=("user",), permissions=(), tenant=None, email_verified=False,
    )  # fmt: skip
    await store.create_account(new, AuditEvent(event="account.created", origin=ORIGIN))
    match place:
        case Place.AUTHORIZATION_CODE:
            code = await oauth.code(known, ADA)
            form |= {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        case Place.REFRESH_TOKEN:
            form["refresh_token"] = (await oauth.tokens(known, ADA))["refresh_token"]
        case Place.DEVICE_CODE:
            device = (await oauth.post("/device_authorization", known, scope="openid")).json()
            view = await store.account(ADA)
            terms = AuthorizationTerms(scope=("openid",)).encode()
            audit = AuditEvent(event="device.allowed", origin=ORIGIN)
            user_code, sign_on = normalised_user_code(device["user_code"]), await oauth.sign_on(ADA)
            assert await store.decide_device(user_code, terms=terms, sign_on=sign_on, rev=view.rev, audit=audit)
            form["device_code"] = device["device_code"]
        case Place.JWT_BEARER:
            now = int(clock.now())
            claims = {"iss": IDP, "sub": "ada", "aud": ISSUER, "exp": now + 60, "iat": now, "jti": entropy.identifier()}
            form["assertion"] = Signer(IDP_KEY, typ="JWT").sign(msgspec.json.encode(claims))
        case Place.TOKEN_EXCHANGE:
            given = (await oauth.token(known, "client_credentials")).json()
            form |= {"subject_token": given["access_token"], "subject_token_type": str(TokenTypeUri.ACCESS_TOKEN)}
    return form


WRONG = {
    Check.AUTHORIZATION_DETAILS: ({"authorization_details": '[{"type": "unknown"}]'}, "invalid_authorization_details"),
    Check.RESOURCE: ({"resource": "https://unknown.example.test"}, "invalid_target"),
}


@pytest.mark.rfc("9396 §5/1")
@pytest.mark.rfc("8707 §2/3")
@pytest.mark.parametrize("check", WRONG, ids=lambda check: check.name.lower())
@pytest.mark.parametrize("place", [place for place in SERVED if place is not Place.USERINFO])
async def test_authorization_details_and_resource(oauth, place, check):
    more = {
        Place.REFRESH_TOKEN: {"grant_types": ["authorization_code", "refresh_token"]},
        Place.TOKEN_EXCHANGE: {"grant_types": [GRANT_TYPES[Place.TOKEN_EXCHANGE], "client_credentials"]},
    }
    known = await registered(oauth, place, **more.get(place, {}))
    form = await good_form(oauth, place, known)
    wrong, error = WRONG[check]
    answer = await oauth.post(PATHS[place], known, **form, **wrong)
    refused = error_of(answer) == error
    assert refused == applies(check, place), answer.text
    assert refused or answer.status_code == 200
    again = await oauth.post(PATHS[place], known, **form)
    assert again.status_code in {200, 201}, "nothing else was wrong, and nothing was used up"
