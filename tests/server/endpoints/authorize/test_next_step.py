"""The one decision, over every combination of what it looks at: against the rules, each written down on its own."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace
from watchword.oauth.names import ErrorCode, Prompt
from watchword_server.endpoints.authorize.next_step import (
    Consent,
    Issue,
    Login,
    Person,
    Progress,
    Refuse,
    SelectAccount,
    next_step,
)
from watchword_server.store.authorization_records import Authorization, SignOn
from watchword_server.store.records import Account

NOW = 1_800_000_000.0
ADA = Account(
    id="ada", email="ada@example.test", username=None, roles=(), permissions=(), tenant=None, email_verified=True,
    created_at=0.0, password_changed_at=0.0, disabled_at=None,
)  # fmt: skip


def signed_on(*, ago: float = 100.0, acr: str | None = None) -> Person:
    sign_on = SignOn(
        id="so", account_id="ada", rev=0, device="", place="", created_at=0.0, auth_time=NOW - ago, amr=("pwd",), acr=acr,
        last_used_at=0.0, idle_expires_at=NOW + 9, expires_at=NOW + 9, ended_at=None,
    )  # fmt: skip
    return Person(account=ADA, sign_on=sign_on, subject="ada-at-app")


def allowed(*scope: str, resource: tuple[str, ...] = ()) -> Authorization:
    return Authorization(
        account_id="ada", client_id="app", scope=scope, resource=resource, details=b"", granted_at=0.0, updated_at=0.0
    )


ALL = allowed("openid", "profile")
BEGAN = Progress(began=NOW - 10)


@pytest.fixture
def decide(ask, make_client):
    def make(person=None, authorization=None, progress=BEGAN, *, client=None, subject=None, **values):
        request = replace(ask(client or make_client(), **values), subject=subject)
        return next_step(request, person, authorization, progress, NOW)

    return make


def test_nobody_is_asked_to_log_in_and_somebody_who_allowed_it_is_not(decide):
    assert decide() == Login(again=False)
    assert decide(signed_on(), ALL) == Issue()


def test_prompt_create_begins_with_registration_until_it_is_done(decide):
    assert decide(prompt="create") == Login(again=False, register=True)
    assert decide(signed_on(), ALL, prompt="create") == Login(again=False, register=True)
    assert decide(signed_on(ago=5), ALL, prompt="create") == Issue()


@pytest.mark.rfc("openid-core §3.1.2.1/4")
def test_prompt_login_wants_a_login_after_the_request_began(decide):
    assert decide(signed_on(ago=10.1), ALL, prompt="login") == Login(again=True)
    assert decide(signed_on(ago=10), ALL, prompt="login") == Issue()
    assert decide(signed_on(ago=0), ALL, prompt="login") == Issue()


@pytest.mark.rfc("openid-core §3.1.2.1/6")
def test_max_age_counts_to_the_second_and_zero_is_satisfied_by_a_login_for_this_request(decide):
    assert decide(signed_on(ago=60), ALL, max_age="60") == Issue()
    assert decide(signed_on(ago=60.5), ALL, max_age="60") == Login(again=True)
    assert decide(signed_on(ago=20), ALL, max_age="0") == Login(again=True)
    assert decide(signed_on(ago=5), ALL, max_age="0") == Issue()


def test_select_account_is_asked_once(decide):
    chosen = Progress(began=NOW - 10, selected="ada")
    assert decide(signed_on(), ALL, prompt="select_account") == SelectAccount()
    assert decide(signed_on(), ALL, chosen, prompt="select_account") == Issue()
    assert (
        decide(signed_on(), ALL, Progress(began=NOW - 10, selected="eve"), prompt="select_account") == SelectAccount()
    )
    assert decide(signed_on(ago=5), ALL, prompt="select_account") == Issue()
    assert decide(prompt="select_account") == Login(again=False)


@pytest.mark.rfc("openid-core §3.1.2.1/7")
@pytest.mark.rfc("openid-core §3.1.2.2/2")
def test_an_answer_about_somebody_else_is_never_given(decide):
    assert decide(signed_on(), ALL, subject="ada-at-app") == Issue()
    assert decide(signed_on(), ALL, subject="eve-at-app") == Login(again=False)
    refused = decide(signed_on(ago=5), ALL, subject="eve-at-app")
    assert isinstance(refused, Refuse)
    assert refused.error is ErrorCode.LOGIN_REQUIRED


@pytest.mark.rfc("openid-core §5.5.1.1")
def test_an_essential_acr_that_no_login_reaches_fails_and_a_wish_does_not(decide):
    essential = '{"id_token": {"acr": {"essential": true, "values": ["urn:strong"]}}}'
    refused = decide(signed_on(acr="urn:weak"), ALL, claims=essential)
    assert isinstance(refused, Refuse)
    assert refused.error is ErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS
    assert decide(signed_on(acr="urn:strong"), ALL, claims=essential) == Issue()
    assert decide(signed_on(acr="urn:weak"), ALL, acr_values="urn:strong") == Issue()


@pytest.mark.rfc("openid-core §3.1.2.1/5")
@pytest.mark.rfc("openid-core §3.1.2.4")
def test_consent_is_asked_for_what_was_not_allowed_before(decide):
    whole = ("openid", "profile")
    assert decide(signed_on()) == Consent(scope=whole, new=whole)
    assert decide(signed_on(), allowed("openid", "email")) == Consent(scope=whole, new=("profile",), held=("email",))
    assert decide(signed_on(), ALL, prompt="consent") == Consent(scope=whole, new=())
    assert decide(signed_on(), ALL, Progress(began=NOW, consented="ada"), prompt="consent") == Issue()
    other = decide(signed_on(), None, Progress(began=NOW, consented="eve"))
    assert isinstance(other, Consent), "what somebody else allowed a moment ago is not allowed"


def test_consent_covers_the_resource_too(decide):
    api = ("https://api.example.com",)
    other = ("https://other.example.com",)
    step = decide(signed_on(), allowed("openid", "profile", "email", resource=other), resource=api)
    assert step == Consent(scope=("openid", "profile"), new=(), held=("email",), resource=api + other)
    assert decide(signed_on(), allowed("openid", "profile", resource=api), resource=api) == Issue()


@pytest.fixture
def decide_always(ask, make_client):
    """A request with a detail that people are asked for each time, over who is signed in and what was allowed."""

    def make(person=None, authorization=ALL, progress=BEGAN, *, silent=False, **settings):
        request = ask(make_client(settings=settings), prompt="none" if silent else None)
        request = replace(request, details=({"type": "payment"},), ask_always=True)
        return next_step(request, person, authorization, progress, NOW)

    return make


def test_some_details_are_asked_for_each_time_of_first_parties_too_and_never_silently(decide_always):
    before = replace(ALL, details=b'[{"type":"payment"}]')
    for settings in ({}, {"first_party": True}):
        assert isinstance(decide_always(signed_on(), before, **settings), Consent)
        refused = decide_always(signed_on(), before, silent=True, **settings)
        assert isinstance(refused, Refuse)
        assert refused.error is ErrorCode.CONSENT_REQUIRED
        assert decide_always(signed_on(), before, Progress(began=NOW, consented="ada"), **settings) == Issue()
        assert isinstance(decide_always(signed_on(), before, Progress(began=NOW, consented="eve"), **settings), Consent)
    assert decide_always() == Login(again=False)


@pytest.mark.rfc("openid-core §11")
def test_offline_access_has_to_be_allowed_like_any_scope(decide):
    step = decide(signed_on(), ALL, scope="openid profile offline_access")
    assert step == Consent(scope=("openid", "profile", "offline_access"), new=("offline_access",))


def test_a_first_party_is_not_asked_about_unless_it_wants_to_be(decide, make_client):
    own = make_client(settings={"first_party": True})
    assert decide(signed_on(), client=own) == Issue()
    assert isinstance(decide(signed_on(), client=own, prompt="consent"), Consent)


@pytest.mark.rfc("8252 §8.6")
@pytest.mark.parametrize("uri", ["com.example.app:/cb", "http://127.0.0.1/cb"])
def test_an_app_that_anybody_could_claim_to_be_is_asked_about_every_time(decide, make_client, uri):
    members = {"redirect_uris": (uri,), "application_type": "native", "token_endpoint_auth_method": "none"}
    native = make_client(**members)
    assert isinstance(decide(signed_on(), ALL, client=native, redirect_uri=uri), Consent)
    assert decide(signed_on(), ALL, Progress(began=NOW, consented="ada"), client=native, redirect_uri=uri) == Issue()
    own = make_client(settings={"first_party": True}, **members)
    assert decide(signed_on(), client=own, redirect_uri=uri) == Issue()


PEOPLE = (None, signed_on(), signed_on(ago=5), signed_on(ago=5000, acr="urn:a"))
AUTHORIZATIONS = (None, allowed("openid"), ALL)
PROGRESSES = (BEGAN, Progress(began=NOW - 10, selected="ada"), Progress(began=NOW - 10, consented="ada"))
PROMPTS = ("", "login", "consent", "select_account", "create", "login consent", "login select_account consent")


@pytest.mark.rfc("6749 §10.12/2")
@pytest.mark.rfc("6749 §3.1/1")
@pytest.mark.rfc("openid-core §3.1.2.4")
def test_over_all_combinations_a_code_is_issued_only_to_somebody_signed_in_who_allowed_it(decide, make_client):
    seen = set()
    clients = (make_client(), make_client(settings={"first_party": True}))
    for client, person, authorization, progress, prompt, max_age, subject in itertools.product(
        clients, PEOPLE, AUTHORIZATIONS, PROGRESSES, PROMPTS, (None, "60", "0"), (None, "ada-at-app", "eve-at-app")
    ):
        step = decide(
            person, authorization, progress, client=client, prompt=prompt or None, max_age=max_age, subject=subject
        )
        seen.add(type(step))
        fresh = person is not None and person.sign_on.auth_time >= progress.began
        if person is None:
            assert isinstance(step, Login)
            continue
        if isinstance(step, Issue):
            assert subject in {None, person.subject}
            assert fresh or "login" not in prompt
            assert fresh or max_age is None or NOW - person.sign_on.auth_time <= int(max_age)
            assert fresh or "create" not in prompt
            assert fresh or "select_account" not in prompt or progress.selected == "ada"
            asked = progress.consented == "ada"
            assert asked or "consent" not in prompt
            assert asked or client.settings.first_party or authorization is ALL
        silent = decide(person, authorization, progress, client=client, prompt="none", max_age=max_age, subject=subject)
        assert isinstance(silent, Issue | Refuse)
        if isinstance(silent, Issue):
            loud = decide(person, authorization, progress, client=client, max_age=max_age, subject=subject)
            assert isinstance(loud, Issue)
    assert seen == {Login, SelectAccount, Consent, Issue, Refuse}


@pytest.mark.rfc("openid-core §3.1.2.6")
@pytest.mark.parametrize(
    ("person", "authorization", "values", "code"),
    [
        (None, None, {}, ErrorCode.LOGIN_REQUIRED),
        (signed_on(ago=99), ALL, {"max_age": "5"}, ErrorCode.LOGIN_REQUIRED),
        (signed_on(), ALL, {"subject": "eve-at-app"}, ErrorCode.LOGIN_REQUIRED),
        (signed_on(), None, {}, ErrorCode.CONSENT_REQUIRED),
        (signed_on(), allowed("openid"), {}, ErrorCode.CONSENT_REQUIRED),
    ],
)
def test_prompt_none_tells_what_a_page_would_have_asked(decide, person, authorization, values, code):
    step = decide(person, authorization, prompt="none", **values)
    assert isinstance(step, Refuse)
    assert step.error is code
    assert Prompt.NONE == "none"
