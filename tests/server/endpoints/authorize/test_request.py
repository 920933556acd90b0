"""Authorization requests: what is read of them, and each way of being refused, by name."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, Prompt, ResponseMode
from watchword_server.clients.metadata import Client, ClientMetadata
from watchword_server.endpoints.authorize.parameters import (
    MAX_REQUEST_BYTES,
    Parameters,
    destination,
    read_parameters,
)
from watchword_server.endpoints.authorize.request import read_request

from .conftest import API, CALLBACK, CHALLENGE


def refusal(act, *arguments, **members) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        act(*arguments, **members)
    return caught.value


@pytest.mark.rfc("openid-core §15.1/2")
@pytest.mark.rfc("openid-core §5.5")
def test_a_good_request_is_read_whole(ask):
    request = ask(
        nonce="n-0S6_WzA2Mj",
        prompt="login consent",
        max_age="600",
        login_hint="ada@example.test",
        acr_values="urn:a urn:b urn:a",
        dpop_jkt=CHALLENGE,
        resource=(API, API),
        scope="openid posts:read",
        claims='{"id_token": {"acr": {"essential": true, "values": ["urn:a"]}}, "userinfo": {"email": null}, "x": 1}',
    )
    assert request.destination.redirect_uri == CALLBACK
    assert request.destination.state == "af0ifjsldkj"
    assert request.prompt == {Prompt.LOGIN, Prompt.CONSENT}
    assert (request.max_age, request.login_hint, request.nonce) == (600, "ada@example.test", "n-0S6_WzA2Mj")
    assert request.acr_values == ("urn:a", "urn:b")
    assert request.essential_acr == ("urn:a",)
    assert request.resource == (API,)
    assert request.scope == ("openid", "posts:read")
    assert set(request.claims) == {"id_token", "userinfo"}
    assert (request.code_challenge, request.dpop_jkt) == (CHALLENGE, CHALLENGE)


@pytest.mark.rfc("6749 §4.1.1")
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (None, ErrorCode.INVALID_REQUEST),
        ("token", ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
        ("id_token", ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
        ("code id_token", ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
        ("code token", ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
        ("none", ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
        ("Code", ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
    ],
)
def test_no_token_is_given_out_in_a_response_and_what_was_asked_for_is_named(ask, kind, code):
    error = refusal(ask, response_type=kind)
    assert error.code is code
    assert kind is None or kind in error.description


@pytest.mark.rfc("7636 §4.4.1/1")
@pytest.mark.rfc("7636 §4.4.1/2")
@pytest.mark.rfc("8252 §6")
@pytest.mark.rfc("9700 §2.1.1/1")
@pytest.mark.parametrize(
    "values",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "a" * 42},
        {"code_challenge": "a" * 44},
        {"code_challenge": "a" * 42 + "="},
        {"code_challenge": "a" * 42 + "\n"},
    ],
)
def test_pkce_downgrade_every_request_without_a_sound_s256_challenge_is_refused(ask, values):
    assert refusal(ask, **values).code is ErrorCode.INVALID_REQUEST


@pytest.mark.rfc("9700 §2.1.1/1")
def test_a_confidential_openid_client_may_be_exempted_from_pkce_and_then_owes_a_nonce(ask, make_client):
    exempt = make_client(settings={"pkce_exempt": True})
    without = {"code_challenge": None, "code_challenge_method": None}
    assert ask(exempt, nonce="n", **without).code_challenge is None
    assert ask(exempt).code_challenge == CHALLENGE
    assert "nonce" in refusal(ask, exempt, **without).description
    assert "PKCE" in refusal(ask, exempt, nonce="n", scope="posts:read", **without).description
    public = make_client(settings={"pkce_exempt": True}, token_endpoint_auth_method="none")
    assert "PKCE" in refusal(ask, public, nonce="n", **without).description


@pytest.mark.rfc("6749 §3.1.2.4")
@pytest.mark.rfc("9700 §2.1/1")
@pytest.mark.rfc("openid-core §3.1.2.1/2")
@pytest.mark.rfc("9700 §4.1.3")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback/",
        "https://app.example.com/callback/../callback",
        "https://app.example.com/callback/../../evil",
        "https://app.example.com/Callback",
        "https://APP.example.com/callback",
        "HTTPS://app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com:8443/callback",
        "https://user@app.example.com/callback",
        "https://app.example.com@evil.example/callback",
        "https://app.example.com\\@evil.example/callback",
        "https://evil.example/callback",
        "https://app.example.com.evil.example/callback",
        "https://evil.example/https://app.example.com/callback",
        "https://app.example.com/callback?next=https://evil.example",
        "https://app.example.com/callback#x",
        "https://app.example.com/%63allback",
        "https://app.example.com/callback%20",
        "https://app.example.com/callback ",
        " https://app.example.com/callback",
        "https://app.example.com/callback\n",
        "https://app.example.com\t/callback",
        "https://\u0430pp.example.com/callback",
        "https://app.example.c\u043em/callback",
        "https://xn--pp-7ka.example.com/callback",
        "https://app\uff0eexample.com/callback",
        "https://*.example.com/callback",
        "//app.example.com/callback",
        "http://app.example.com/callback",
        "javascript:alert(1)//https://app.example.com/callback",
        "data:text/html,x",
        "",
        "x" * 3000,
    ],
)
def test_redirect_uri_tricks_never_pass_for_the_registered_one(sent, make_client, uri):
    error = refusal(destination, sent(redirect_uri=uri), make_client())
    assert error.code is ErrorCode.INVALID_REQUEST
    assert "redirect_uri" in error.description


@pytest.mark.rfc("8252 §8.4/2")
@pytest.mark.rfc("8252 §7.3")
def test_a_native_app_may_listen_on_any_loopback_port_and_nothing_else_may_differ(sent, make_client):
    native = make_client(
        redirect_uris=("http://127.0.0.1/cb", "http://[::1]:1/cb"),
        application_type="native",
        token_endpoint_auth_method="none",
    )
    for uri in ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://[::1]:51004/cb"):
        assert destination(sent(redirect_uri=uri), native).redirect_uri == uri
    for uri in (
        "http://127.0.0.1:51004/cb2",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.2:51004/cb",
        "http://localhost:51004/cb",
        "http://127.1:51004/cb",
        "https://127.0.0.1:51004/cb",
    ):
        assert "redirect_uri" in refusal(destination, sent(redirect_uri=uri), native).description
    web = make_client(redirect_uris=("http://127.0.0.1/cb",), application_type="web")
    assert refusal(destination, sent(redirect_uri="http://127.0.0.1:51004/cb"), web)


@pytest.mark.rfc("6749 §3.1.2.3")
@pytest.mark.rfc("openid-core §3.1.2.1/2")
def test_a_request_without_redirect_uri_goes_to_the_only_one_and_openid_needs_it_said(ask, make_client, sent):
    assert ask(redirect_uri=None, scope="posts:read").redirect_uri_sent is False
    assert "redirect_uri" in refusal(ask, redirect_uri=None).description
    two = make_client(redirect_uris=(CALLBACK, "https://app.example.com/other"))
    assert "redirect_uri" in refusal(destination, sent(redirect_uri=None), two).description


def test_response_mode_is_one_of_those_known_and_injection_falls_back_to_the_query(ask, sent, make_client):
    for mode in ResponseMode:
        assert ask(response_mode=mode.value).destination.mode is mode
    for mode in ("web_message", "query.jwe", "okta_post_message", "QUERY", "fragment\r\nX: y"):
        assert "response_mode" in refusal(ask, response_mode=mode).description
        assert destination(sent(response_mode=mode), make_client()).mode is ResponseMode.QUERY


@pytest.mark.parametrize("state", ["x" * 2049, "a\nb", "a\x00b", "\u00e9"])
def test_a_state_that_is_none_is_refused_and_not_sent_back(ask, sent, make_client, state):
    assert "state" in refusal(ask, state=state).description
    assert destination(sent(state=state), make_client()).state is None


@pytest.mark.rfc("8707 §2/1")
@pytest.mark.rfc("9101 §10.4")
@pytest.mark.rfc("openid-core §3.1.2.1/3")
@pytest.mark.rfc("openid-core §3.1.2.2/1")
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"request": "ey"}, ErrorCode.INVALID_REQUEST),
        ({"request_uri": "https://evil.example/r"}, ErrorCode.REQUEST_URI_NOT_SUPPORTED),
        ({"registration": "{}", "response_type": "id_token"}, ErrorCode.UNSUPPORTED_RESPONSE_TYPE),
        ({"authorization_details": "[]"}, ErrorCode.INVALID_AUTHORIZATION_DETAILS),
        ({"prompt": "none login"}, ErrorCode.INVALID_REQUEST),
        ({"prompt": "NONE"}, ErrorCode.INVALID_REQUEST),
        ({"prompt": "login " * 20 + "x"}, ErrorCode.INVALID_REQUEST),
        ({"max_age": "-1"}, ErrorCode.INVALID_REQUEST),
        ({"max_age": "1e3"}, ErrorCode.INVALID_REQUEST),
        ({"max_age": "\u0661"}, ErrorCode.INVALID_REQUEST),
        ({"max_age": "9" * 10}, ErrorCode.INVALID_REQUEST),
        ({"login_hint": "a\nb"}, ErrorCode.INVALID_REQUEST),
        ({"login_hint": "a" * 321}, ErrorCode.INVALID_REQUEST),
        ({"nonce": "a" * 1025}, ErrorCode.INVALID_REQUEST),
        ({"dpop_jkt": "short"}, ErrorCode.INVALID_REQUEST),
        ({"acr_values": " ".join(map(str, range(40)))}, ErrorCode.INVALID_REQUEST),
        ({"claims": "[]"}, ErrorCode.INVALID_REQUEST),
        ({"claims": "{"}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"id_token": 1}'}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"id_token": {"acr": 1}}'}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"id_token": {"acr": {"essential": true, "values": [1]}}}'}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"id_token": {"sub": {"value": 1}}}'}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"id_token":' * 9 + "{}" + "}" * 9}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"id_token": {}, "id_token": {}}'}, ErrorCode.INVALID_REQUEST),
        ({"claims": '{"x": "' + "a" * 5000 + '"}'}, ErrorCode.INVALID_REQUEST),
        ({"scope": "unheard-of"}, ErrorCode.INVALID_SCOPE),
        ({"scope": "openid posts:write"}, ErrorCode.INVALID_SCOPE),
        ({"scope": "openid  profile"}, ErrorCode.INVALID_SCOPE),
        ({"resource": ("https://other.example",)}, ErrorCode.INVALID_TARGET),
        ({"resource": ("https://api.example.com/",)}, ErrorCode.INVALID_TARGET),
        ({"resource": ("https://api.example.com#x",)}, ErrorCode.INVALID_TARGET),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_registered_name(ask, values, code):
    assert refusal(ask, **values).code is code


def test_scopes_nobody_knows_are_left_out_and_those_of_others_are_refused(ask):
    assert ask(scope="openid unheard-of email").scope == ("openid", "email")


@pytest.mark.rfc("9101 §10.5")
def test_a_client_that_has_to_push_or_sign_may_not_do_without(ask, make_client):
    pushes = make_client(require_pushed_authorization_requests=True)
    assert "9126" in refusal(ask, pushes).description
    assert ask(pushes, pushed=True).scope == ("openid", "profile")
    assert "9101" in refusal(ask, make_client(require_signed_request_object=True)).description


def test_a_client_without_the_grant_is_not_served(ask, make_client):
    machine = make_client(grant_types=("client_credentials",))
    assert refusal(ask, machine).code is ErrorCode.UNAUTHORIZED_CLIENT


def test_the_defaults_of_the_client_stand_in(ask, make_client):
    client = make_client(default_max_age=60, default_acr_values=("urn:a",))
    assert (ask(client).max_age, ask(client).acr_values) == (60, ("urn:a",))
    assert (ask(client, max_age="5").max_age, ask(client, acr_values="urn:b").acr_values) == (5, ("urn:b",))


@pytest.mark.rfc("openid-core §3.1.2.2/2")
def test_the_hint_and_the_claims_may_not_speak_of_different_people(ask):
    wanted = '{"id_token": {"sub": {"value": "ada"}}}'
    assert ask(claims=wanted).subject == "ada"
    assert ask(claims=wanted, hinted="ada").subject == "ada"
    assert "different people" in refusal(ask, claims=wanted, hinted="eve").description


@pytest.mark.rfc("6749 §3.1/4")
@pytest.mark.parametrize(
    "raw",
    [
        b"client_id=app&client_id=app",
        b"state=a&scope=openid&state=",
        b"redirect_uri=https://a.example&redirect%5Furi=https://b.example",
        b"scope=%ff",
        b"scope=%zz",
        b"scope=\xc3\xa9",
        b"&" * 100,
        b"state=" + b"a" * (MAX_REQUEST_BYTES + 1),
        b"a=" + b"%41" * MAX_REQUEST_BYTES,
    ],
)
def test_duplicate_broken_and_huge_requests_are_refused_whole(raw):
    assert refusal(read_parameters, raw).code is ErrorCode.INVALID_REQUEST


def test_only_resource_may_be_repeated():
    parameters = read_parameters(b"resource=https%3A%2F%2Fa.example&client_id=app&resource=https%3A%2F%2Fb.example")
    assert parameters.resource == ("https://a.example", "https://b.example")


_NAMES = ("prompt", "max_age", "claims", "acr_values", "login_hint", "response_mode", "state", "nonce", "scope")


@given(
    values=st.dictionaries(st.sampled_from([*_NAMES, "response_type", "dpop_jkt"]), st.text(max_size=60), max_size=6)
)
def test_whatever_is_sent_gives_a_request_or_an_oauth_error(entitlements, values):
    client = Client(client_id="app", source="admin", metadata=ClientMetadata(redirect_uris=(CALLBACK,)))
    good = {
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    parameters = Parameters(values=good | values)
    where = destination(parameters, client)
    assert where.redirect_uri == CALLBACK
    with contextlib.suppress(OAuthError):
        assert read_request(parameters, client, where, entitlements).client is client
