"""One table of requests for every adapter that speaks HTTP: the answers are those of RFC 6750 and RFC 9728, to the byte."""

import asyncio
from contextlib import ExitStack

import pytest
from watchword import Revocations
from watchword.jose.jwk import Key
from watchword.testing import override

from .conftest import ABSENT, MALFORMED
from .stages import HTTP, stage

METADATA = "https://api.test/.well-known/oauth-protected-resource"
MALFORMED_SAYS = {"malformed bearer credentials", "malformed credentials", "more than one credential"}
MEGABYTE = 1_000_000


@pytest.fixture(params=HTTP)
def name(request):
    return request.param


@pytest.fixture
def api(name, issuer):
    """Makes a context of the stage with options."""

    def make(**options):
        return stage(name, issuer, **options)

    return make


def invalid(description):
    return f'Bearer error="invalid_token", error_description="{description}"'


@pytest.mark.rfc("6750 §2.1")
async def test_a_good_token_comes_in_whatever_the_case_of_its_scheme(api, issuer):
    token = issuer.token("grace", scope="reports:read profile", roles=["user", "admin"])
    async with api() as service:
        for path in ("/profile", "/reports", "/admin", "/posts"):
            for scheme in ("Bearer", "bearer", "BEARER"):
                answer = await service.ask(path, f"{scheme} {token}")
                assert (answer.status, answer.json) == (200, {"sub": "grace"})


@pytest.mark.rfc("6750 §3.1/2")
async def test_without_credentials_the_challenge_is_bare(api):
    async with api() as service:
        for path in ("/profile", "/reports", "/admin"):
            for values in ABSENT.values():
                answer = await service.ask(path, *values)
                assert (answer.status, answer.challenge) == (401, "Bearer")


async def test_where_a_token_is_optional_nobody_is_let_in_and_bad_credentials_are_not(api, issuer):
    async with api() as service:
        for values in ABSENT.values():
            answer = await service.ask("/posts", *values)
            assert (answer.status, answer.json) == (200, {"sub": None})
        answer = await service.ask("/posts", f"Bearer {issuer.token(exp=1)}")
        assert (answer.status, answer.challenge) == (401, invalid("the access token has expired"))


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.parametrize("path", ["/profile", "/posts"])
async def test_malformed_and_doubled_credentials_are_an_invalid_request(api, path):
    async with api() as service:
        for values in MALFORMED.values():
            answer = await service.ask(path, *values)
            if service.behind_server and any(b"\0" in value for value in values if isinstance(value, bytes)):
                assert answer.status == 400, "the server's parser was there first"
                continue
            before, _, said = answer.challenge.partition("error_description=")
            assert (answer.status, before) == (400, 'Bearer error="invalid_request", ')
            assert said.strip('"') in MALFORMED_SAYS


@pytest.mark.rfc("6750 §2")
async def test_two_good_credentials_are_one_too_many(api, issuer):
    first, second = f"Bearer {issuer.token()}", f"Bearer {issuer.token('eve')}"
    async with api() as service:
        for values in ([first, second], [first, first], [f"{first}, {second}"], [f"{first},{second}"]):
            assert (await service.ask("/profile", *values)).status == 400


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.rfc("9068 §4/9")
async def test_every_bad_token_is_told_what_is_wrong_and_nothing_else(api, issuer):
    revoked = issuer.token()
    issuer.revoke(revoked)
    head, payload, _ = issuer.token().split(".")
    table = {
        "x": "the access token is malformed",
        "a.b.c": "the access token is malformed",
        "a" * MEGABYTE: "the access token is too long",
        issuer.token(exp=1): "the access token has expired",
        issuer.token(aud="billing"): "the access token is meant for another audience",
        issuer.token(iss="https://elsewhere.test"): "the access token is from another issuer",
        issuer.token(typ="JWT"): "the token is not an access token",
        issuer.token(key=Key.generate("ES256")): "the access token is signed with an unknown key",
        f"{head}.{payload}.{'A' * 86}": "the signature of the access token is wrong",
        issuer.token(nbf=int(issuer.clock.now()) + 3600): "the access token is not valid yet",
        revoked: "the access token was revoked",
    }
    async with api() as service:
        for raw, said in table.items():
            answer = await service.ask("/profile", f"Bearer {raw}")
            assert (answer.status, answer.challenge) == (401, invalid(said)), raw[:40]


@pytest.mark.rfc("6749 §7")
@pytest.mark.rfc("6750 §3.1/1")
async def test_a_token_that_does_not_suffice_is_told_what_would(api, issuer):
    wanting = 'Bearer error="insufficient_scope", error_description="the access token lacks a '
    async with api() as service:
        answer = await service.ask("/reports", f"Bearer {issuer.token(scope='profile reports')}")
        assert answer.status == 403
        assert answer.challenge == f'{wanting}scope that is required here", scope="reports:read"'
        answer = await service.ask("/admin", f"Bearer {issuer.token(roles=['administrator'])}")
        assert (answer.status, answer.challenge) == (403, f'{wanting}role that is required here"')


async def test_permissions_and_tenants_are_asked_for_exactly(api, issuer):
    both = ["orders:read", "orders:refund"]
    async with api() as service:
        for permissions in ([], ["orders:read"], ["orders:*", "orders"], ["ORDERS:READ", "orders:refund"]):
            token = issuer.token(permissions=permissions, scope=" ".join(both), roles=both)
            answer = await service.ask("/orders", f"Bearer {token}")
            assert answer.status == 403
            assert answer.challenge.endswith('"the access token lacks a permission that is required here"')
        assert (await service.ask("/orders", f"Bearer {issuer.token(permissions=both)}")).json == {"sub": "ada"}
        for tenant in (None, "", "acm", "acme-lab", "Acme", "acme "):
            answer = await service.ask("/acme", f"Bearer {issuer.token(tenant=tenant)}")
            assert answer.status in {401, 403}
        assert answer.challenge.endswith('error_description="the access token belongs to another tenant"')
        assert (await service.ask("/acme", f"Bearer {issuer.token(tenant='acme-labs')}")).json == {"sub": "ada"}


@pytest.mark.rfc("9470 §3/1")
async def test_a_login_too_weak_or_too_old_is_told_what_login_would_do(api, issuer):
    now = int(issuer.clock.now())
    before = (
        'Bearer error="insufficient_user_authentication", '
        'error_description="a stronger or more recent login is required here", '
    )
    stronger, newer = 'acr_values="urn:mfa urn:passkey"', 'max_age="300"'
    weak = [
        ({}, f"{stronger}, {newer}"),
        ({"acr": "urn:mfa"}, newer),
        ({"auth_time": now}, stronger),
        ({"acr": "urn:password", "auth_time": now}, stronger),
        ({"acr": "urn:MFA", "auth_time": now}, stronger),
        ({"acr": "urn:mfa", "auth_time": now - 301}, newer),
        ({"acr": "urn:password", "auth_time": now - 301}, f"{stronger}, {newer}"),
    ]
    async with api() as service:
        for claims, wanted in weak:
            answer = await service.ask("/transfers", f"Bearer {issuer.token(**claims)}")
            assert (answer.status, answer.challenge) == (401, before + wanted), claims
        good = issuer.token(acr="urn:passkey", auth_time=now - 299)
        assert (await service.ask("/transfers", f"Bearer {good}")).json == {"sub": "ada"}


@pytest.mark.rfc("9728 §5.1")
async def test_the_realm_and_where_to_learn_more_stand_in_every_challenge(api, issuer):
    async with api(realm="api", resource_metadata=METADATA) as service:
        assert (await service.ask("/profile")).challenge == f'Bearer realm="api", resource_metadata="{METADATA}"'
        for values in (["Bearer x"], ["Bearer a b"], [f"Bearer {issuer.token()}"]):
            challenge = (await service.ask("/admin", *values)).challenge
            assert challenge.startswith('Bearer realm="api", error="')
            assert challenge.endswith(f', resource_metadata="{METADATA}"')


async def test_a_verifier_that_cannot_tell_answers_503_and_when_to_ask_again(api, issuer):
    issuer.transport.down = True
    for options in ({"keys": None}, {"revocations": Revocations(max_staleness=30)}):
        async with api(verifier={**options, "transport": issuer.transport}) as service:
            answer = await service.ask("/profile", f"Bearer {issuer.token()}")
            assert (answer.status, answer.retry_after, answer.challenge) == (503, "1", None)
            assert (await service.ask("/profile")).status == 401


@pytest.mark.rfc("6750 §2.2")
@pytest.mark.rfc("9700 §4.3.2")
async def test_a_token_anywhere_else_is_none(api, issuer):
    value = f"Bearer {issuer.token()}".encode()
    names = (b"x-authorization", b"proxy-authorization", b"x-forwarded-authorization", b"sec-websocket-protocol")
    headers = [(name, value) for name in names] + [(b"cookie", b"access_token=" + value)]
    async with api() as service:
        assert (await service.ask("/profile", headers=headers)).status == 401


async def test_other_methods_are_guarded_as_well(api):
    async with api() as service:
        for method in ("HEAD", "POST", "PUT", "DELETE"):
            assert (await service.ask("/profile", method=method)).status in {401, 405}


async def test_requests_at_the_same_time_never_get_each_other_s_token(api, issuer):
    names = [f"user-{number}" for number in range(24)]
    async with api() as service:
        answers = await asyncio.gather(*(service.ask("/profile", f"Bearer {issuer.token(one)}") for one in names))
        assert [answer.json for answer in answers] == [{"sub": one} for one in names]
        assert (await service.ask("/profile")).status == 401


async def test_nothing_of_a_bad_token_is_in_the_answer(api, issuer):
    token = issuer.token("mallory", aud="elsewhere")
    async with api() as service:
        answer = await service.ask("/profile", f"Bearer {token}")
        shown = f"{answer.headers} {answer.body}"
        assert not any(part in shown for part in ("mallory", "elsewhere", *token.split(".")))


async def test_in_tests_a_token_may_stand_in_for_whatever_requests_present(api, issuer):
    token = issuer.access_token("grace", roles=["admin"])
    async with api() as service:
        with ExitStack() as stack:
            for guarded in service.guarded:
                stack.enter_context(override(guarded, token))
            for values in ([], ["Bearer x"], ["Bearer a b"]):
                for path in ("/profile", "/admin", "/posts"):
                    assert (await service.ask(path, *values)).json == {"sub": "grace"}
                assert (await service.ask("/reports", *values)).status == 403, "what is asked for is asked for still"
        assert (await service.ask("/admin")).status == 401


def test_nothing_but_a_guard_can_be_overridden(issuer):
    with pytest.raises(TypeError), override(object(), issuer.access_token()):
        pass
