"""Opaque tokens: one question, a short memory, and cut-offs at each use."""

import asyncio
import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import msgspec
import pytest
from watchword import Dpop, Key, RejectionReason, Revocations, TokenRejected, VerifierUnavailable
from watchword.jose.jws import Signer
from watchword.oauth.names import Scheme
from watchword.testing import FakeDpopKey, FakeIssuer, json_response
from watchword.transport import Response
from watchword.verify.check import check_privileges
from watchword.verify.credentials import BearerToken, ClientKey, ClientSecret
from watchword.verify.introspection import AsyncEndpointIntrospector, EndpointIntrospector, Introspection
from watchword.verify.jwt import check_jwt
from watchword.verify.possession import Possession

SECRET = ClientSecret("rs 1", "s3cret/:")
R = RejectionReason


@pytest.fixture
def issuer():
    return FakeIssuer()


@pytest.fixture(params=["sync", "async"])
def verifying(request, issuer):
    """Makes a function that verifies with one verifier, whatever its shell."""

    def make(credentials=SECRET, settings=(), **options):
        introspection = Introspection(credentials, **dict(settings))
        if request.param == "sync":
            verifier = issuer.sync_verifier(introspection=introspection, **options)
            return verifier.verify
        verifier = issuer.verifier(introspection=introspection, **options)
        return lambda raw, **wanted: asyncio.run(verifier.verify(raw, **wanted))

    return make


def questions(issuer):
    return [request for request in issuer.transport.asked if request.url.endswith("/introspect")]


def why(verify, raw, **wanted):
    with pytest.raises(TokenRejected) as caught:
        verify(raw, **wanted)
    return caught.value.reason


@pytest.mark.rfc("7662 §2.1/2")
def test_an_opaque_token_is_asked_about_once_and_then_known_for_a_while(issuer, verifying):
    verify = verifying(settings={"cache_seconds": 30})
    raw = issuer.opaque_token("grace", scope="reports:read", roles=["user"], tenant="acme")
    token = verify(raw, scopes=["reports:read"])
    assert (token.sub, token.tenant, token.sid, token.kid) == ("grace", "acme", "session-grace", None)
    assert verify(raw) == token
    assert len(questions(issuer)) == 1
    issuer.clock.advance(31)
    verify(raw)
    assert len(questions(issuer)) == 2
    question = questions(issuer)[0]
    assert parse_qs(question.body.decode()) == {"token": [raw], "token_type_hint": ["access_token"]}
    assert question.headers["Authorization"] == "Basic " + base64.b64encode(b"rs+1:s3cret%2F%3A").decode()
    assert question.method == "POST"


def test_api_keys_are_asked_about_as_opaque_tokens_are_and_cut_off_at_once(issuer, verifying):
    verify = verifying(settings={"cache_seconds": 3600})
    raw = issuer.api_key("grace", scope="reports:read", sid=None)
    assert raw.startswith("wk_")
    token = verify(raw, scopes=["reports:read"])
    assert (token.sub, token.sid) == ("grace", None)
    verify(raw)
    assert len(questions(issuer)) == 1
    issuer.cut_off("token", token.jti)
    assert why(verify, raw) is R.REVOKED


@pytest.mark.parametrize("prefix", [(), ("",), ("wo_", "")])
def test_several_prefixes_are_each_one(prefix):
    with pytest.raises(ValueError, match="prefixes"):
        Introspection(SECRET, prefix=prefix)


def test_who_takes_opaque_tokens_alone_asks_nobody_about_api_keys(issuer, verifying):
    assert why(verifying(settings={"prefix": "wo_"}), issuer.api_key()) is R.MALFORMED
    assert questions(issuer) == []


def test_jwts_are_verified_beside_them_and_nobody_is_asked(issuer, verifying):
    verify = verifying()
    assert verify(issuer.token("ada")).sub == "ada"
    assert questions(issuer) == []


@pytest.mark.parametrize("raw", ["wx_abc", "wo_abc.def", "wo_ä", "wo_ a", "wo_" + 600 * "a", "", "abc", "wo_a=b"])
def test_what_has_not_the_form_of_one_is_malformed_and_nobody_is_asked(issuer, verifying, raw):
    assert why(verifying(), raw) is R.MALFORMED
    assert questions(issuer) == []


def test_without_introspection_opaque_tokens_are_malformed(issuer):
    with pytest.raises(TokenRejected):
        issuer.sync_verifier().verify(issuer.opaque_token())


@pytest.mark.parametrize(("axis", "value"), [("token", "token-1"), ("session", "session-ada"), ("account", "ada")])
def test_a_cut_off_ends_a_token_that_is_still_remembered(issuer, verifying, axis, value):
    verify = verifying(settings={"cache_seconds": 3600})
    raw = issuer.opaque_token()
    verify(raw)
    issuer.cut_off(axis, value)
    assert why(verify, raw) is R.REVOKED
    assert why(verify, raw) is R.INACTIVE


def test_an_inactive_token_is_asked_about_once_in_a_while(issuer, verifying):
    verify = verifying()
    for _ in range(5):
        assert why(verify, "wo_unknown") is R.INACTIVE
    assert len(questions(issuer)) == 1


@pytest.mark.rfc("7662 §4/5")
def test_it_expires_while_it_is_remembered(issuer, verifying):
    verify = verifying(settings={"cache_seconds": 3600})
    raw = issuer.opaque_token()
    verify(raw)
    issuer.clock.advance(700)
    assert why(verify, raw) is R.EXPIRED


@pytest.mark.rfc("7662 §2.2")
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "billing"}, R.AUDIENCE),
        ({"aud": None}, R.MISSING_CLAIM),
        ({"iss": "https://elsewhere.test"}, R.ISSUER),
        ({"token_type": "refresh_token"}, R.WRONG_TYPE),
        ({"token_type": 1}, R.WRONG_TYPE),
        ({"amr": "pwd"}, R.BAD_CLAIM),
        ({"nbf": 4_000_000_000}, R.NOT_YET_VALID),
        ({"sub": None, "client_id": None}, R.MISSING_CLAIM),
        ({"active": "true"}, R.INACTIVE),
        ({"active": 1}, R.INACTIVE),
        ({"cnf": {"jkt": "x"}}, R.BOUND),
        ({"cnf": {"kid": "x"}}, R.BOUND),
    ],
)
def test_what_the_answer_says_is_held_against_the_same_rules(issuer, verifying, claims, reason):
    assert why(verifying(), issuer.opaque_token(**claims)) is reason


def test_what_an_answer_need_not_say_is_made_up_for(issuer, verifying):
    token = verifying()(issuer.opaque_token(jti=None, iat=None, client_id=None, sid=None, rev=None))
    assert token.client_id == "ada"
    assert token.jti.startswith("opaque:")
    check_privileges(token)


def test_many_who_wait_for_one_token_ask_once(issuer):
    verifier = issuer.sync_verifier(introspection=Introspection(SECRET))
    raw = issuer.opaque_token()
    answering = issuer.transport.answers[f"{issuer.issuer}/introspect"]
    gate = threading.Event()

    def slowly(request):
        gate.wait(60)
        return answering(request)

    issuer.transport.answers[f"{issuer.issuer}/introspect"] = slowly
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(verifier.verify, raw) for _ in range(16)]
        while not questions(issuer):
            pass
        gate.set()
        assert {future.result(30).sub for future in waiting} == {"ada"}
    assert len(questions(issuer)) == 1


def test_one_who_gives_up_takes_the_answer_from_nobody(issuer):
    async def story():
        verifier = issuer.verifier(introspection=Introspection(SECRET))
        raw = issuer.opaque_token()
        impatient, patient = (asyncio.create_task(verifier.verify(raw)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert asyncio.run(story()).sub == "ada"


@pytest.mark.parametrize(
    "answer",
    [
        Response(500, {}, b""),
        Response(401, {}, b"{}"),
        Response(400, {}, b"{}"),
        Response(302, {"location": "https://evil.test"}, b""),
        Response(200, {"content-type": "application/json"}, b"[]"),
        Response(200, {"content-type": "application/json"}, b'{"active":true,"active":false}'),
        Response(200, {"content-type": "application/json"}, b'{"active":' + 90 * b"["),
        Response(200, {"content-type": "application/json"}, b"\xff"),
        Response(200, {"content-type": "application/token-introspection+jwt"}, b"a.b.c"),
    ],
)
def test_an_answer_that_cannot_be_used_is_503_and_not_the_tokens_fault(issuer, verifying, answer, caplog):
    verify = verifying()
    issuer.transport.answers[f"{issuer.issuer}/introspect"] = lambda _: answer
    raw = issuer.opaque_token()
    with pytest.raises(VerifierUnavailable):
        verify(raw)
    assert raw not in caplog.text
    assert "s3cret" not in caplog.text


def test_an_endpoint_that_is_down_is_left_alone_for_a_moment(issuer):
    verifier = issuer.sync_verifier(introspection=Introspection(SECRET, url=f"{issuer.issuer}/introspect"))
    issuer.transport.down = True
    for n in range(20):
        with pytest.raises(VerifierUnavailable):
            verifier.verify(f"wo_{n}")
    assert len(questions(issuer)) == 1
    issuer.transport.down = False
    issuer.clock.advance(2)
    assert verifier.verify(issuer.opaque_token()).sub == "ada"


def test_a_token_the_endpoint_does_not_like_stops_no_other(issuer):
    verifier = issuer.sync_verifier(introspection=Introspection(SECRET))
    good = issuer.transport.answers[f"{issuer.issuer}/introspect"]
    issuer.transport.answers[f"{issuer.issuer}/introspect"] = lambda request: (
        json_response({}, status=400) if b"bad" in request.body else good(request)
    )
    with pytest.raises(VerifierUnavailable):
        verifier.verify("wo_bad")
    assert verifier.verify(issuer.opaque_token()).sub == "ada"


def test_strangers_cannot_push_out_what_is_known_nor_fill_the_memory(issuer):
    verifier = issuer.sync_verifier(introspection=Introspection(SECRET, max_entries=100, cache_seconds=3600))
    raw = issuer.opaque_token()
    verifier.verify(raw)
    for n in range(300):
        with pytest.raises(TokenRejected):
            verifier.verify(f"wo_stranger{n}")
    before = len(questions(issuer))
    verifier.verify(raw)
    assert len(questions(issuer)) == before
    for n in range(400):
        verifier.verify(issuer.opaque_token(str(n)))
    assert len(verifier._opaque) <= 100


def test_while_the_view_is_stale_an_answer_as_fresh_as_the_view_should_be_will_do(issuer):
    feed = Revocations(max_staleness=30, poll_interval=5, keys=issuer.feed_keys)
    verifier = issuer.sync_verifier(introspection=Introspection(SECRET, cache_seconds=3600), revocations=feed)
    verifier.start()
    verifier._feed.close()
    raw = issuer.opaque_token()
    verifier.verify(raw)
    issuer.clock.advance(31)
    assert verifier.verify(raw).sub == "ada"
    assert len(questions(issuer)) == 2
    issuer.cut_off("session", "session-ada")
    issuer.clock.advance(31)
    assert why(verifier.verify, raw) is R.INACTIVE


@pytest.mark.rfc("9701 §5/3")
def test_signed_answers_are_read_and_nothing_else_where_they_are_asked_for(issuer, verifying):
    key = Key.generate("ES256")
    verify = verifying(ClientKey("rs1", key), {"signed": True})
    assert verify(issuer.opaque_token()).sub == "ada"
    form = parse_qs(questions(issuer)[0].body.decode())
    assertion = check_jwt(
        form["client_assertion"][0],
        key,
        algorithms=["ES256"],
        now=issuer.clock.now(),
        typ=["client-authentication+jwt"],
        issuer="rs1",
        subject="rs1",
        audience=[issuer.issuer],
        max_lifetime=60,
        required=["jti", "exp"],
    )
    assert assertion.claims["jti"]
    issuer.transport.answers[f"{issuer.issuer}/introspect"] = lambda _: json_response({"active": True})
    with pytest.raises(VerifierUnavailable):
        verify(issuer.opaque_token())


@pytest.mark.rfc("9701 §5/2")
@pytest.mark.parametrize("change", [{"iss": "https://evil.test"}, {"aud": "rs2"}, {"typ": "at+jwt"}, {"key": 1}])
def test_a_signed_answer_to_another_or_of_another_is_none(issuer, verifying, change):
    verify = verifying(ClientKey("rs1", Key.generate("ES256")), {"signed": True})

    def forged(_request):
        claims = {
            "iss": change.get("iss", issuer.issuer),
            "aud": change.get("aud", "rs1"),
            "iat": int(issuer.clock.now()),
            "token_introspection": {"active": True, "sub": "eve", "aud": "api", "exp": 4_000_000_000},
        }
        key = Key.generate("ES256") if "key" in change else issuer.key
        signer = Signer(key, typ=change.get("typ", "token-introspection+jwt"))
        body = signer.sign(msgspec.json.encode(claims)).encode()
        return Response(200, {"content-type": "application/token-introspection+jwt"}, body)

    issuer.transport.answers[f"{issuer.issuer}/introspect"] = forged
    with pytest.raises(VerifierUnavailable):
        verify(issuer.opaque_token())


def test_a_bearer_token_may_ask_and_the_endpoint_may_refuse(issuer, verifying):
    issuer.introspection_authorization = "Bearer mine"
    assert verifying(BearerToken(lambda: "mine"))(issuer.opaque_token()).sub == "ada"
    with pytest.raises(VerifierUnavailable):
        verifying(BearerToken("other"))(issuer.opaque_token())


def test_an_https_issuer_does_not_send_credentials_over_http(issuer):
    issuer.transport.answers[f"{issuer.issuer}/.well-known/openid-configuration"] = lambda _: json_response(
        {"issuer": issuer.issuer, "jwks_uri": f"{issuer.issuer}/jwks", "introspection_endpoint": "http://issuer.test/i"}
    )
    verifier = issuer.sync_verifier(introspection=Introspection(SECRET))
    with pytest.raises(VerifierUnavailable):
        verifier.verify(issuer.opaque_token())
    assert not any(request.url.startswith("http://") for request in issuer.transport.asked)


@pytest.mark.rfc("9449 §6.2")
def test_an_opaque_token_may_be_bound_to_a_key(issuer, verifying):
    key = FakeDpopKey(clock=issuer.clock)
    raw = issuer.opaque_token(cnf={"jkt": key.jkt}, token_type="DPoP")
    verify = verifying(dpop=Dpop())
    shown = Possession(Scheme.DPOP, (key.proof("GET", "https://rs.test/", raw),), "GET", "https://rs.test/")
    assert verify(raw, possession=shown).cnf.jkt == key.jkt
    assert why(verify, raw, possession=shown) is R.REPLAYED
    assert why(verify, raw) is R.BOUND


def test_the_introspectors_of_the_port_ask_the_same_endpoint(issuer):
    raw = issuer.opaque_token()
    asks = Introspection(SECRET)
    assert EndpointIntrospector(issuer.issuer, asks, transport=issuer.transport).introspect(raw) is True
    other = AsyncEndpointIntrospector(issuer.issuer, asks, transport=issuer.transport)
    assert asyncio.run(other.introspect("wo_x")) is False


def test_no_secret_is_in_a_repr_and_settings_that_cannot_be_are_refused():
    assert "s3cret" not in repr(Introspection(SECRET))
    assert "mine" not in repr(BearerToken("mine"))
    for options in ({"cache_seconds": -1}, {"max_entries": 0}, {"max_concurrent": 0}, {"url": "ftp://x"}):
        with pytest.raises(Exception, match=r".+"):
            Introspection(SECRET, **options)
