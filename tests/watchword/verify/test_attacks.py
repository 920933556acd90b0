"""Attacks on a running verifier: on its memory, its keys, its settings and its errors."""

import asyncio
import os
import pickle
import sys
import threading
import zlib

import pytest
from msgspec.json import decode, encode
from watchword import (
    Key,
    KeySet,
    KeysUnavailable,
    RejectionReason,
    Revocations,
    RevocationView,
    RevocationViewStale,
    SyncVerifier,
    TokenRejected,
    Verifier,
)
from watchword.jose import base64url, jws
from watchword.testing import FakeIssuer, json_response
from watchword.verify import verifier as verifier_module
from watchword.verify.keys import MAX_STALE_SECONDS

R = RejectionReason
DISCOVERY = "https://issuer.test/.well-known/openid-configuration"
JWKS = "https://issuer.test/jwks"
DAY = 86_400


@pytest.fixture
def issuer(clock):
    return FakeIssuer(clock=clock, lifetime=2 * DAY)


@pytest.fixture
def verifier(issuer, clock):
    with SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock, leeway=0) as made:
        yield made


def reason(verifier, raw):
    with pytest.raises(TokenRejected) as caught:
        verifier.verify_now(raw)
    return caught.value.reason


def withdraw(issuer):
    """Publish another key, and no longer the one tokens were signed with."""
    issuer.key = Key.generate("ES256")
    issuer.keys = KeySet([issuer.key])


# What was verified once must not outlive the reasons for it


@pytest.mark.parametrize("generation", ["recent", "older"])
def test_a_key_withdrawn_while_a_cut_off_is_looked_up_takes_its_tokens_along(issuer, clock, generation):
    view = RevocationView(clock=clock)
    verifier = SyncVerifier(
        issuer.issuer, "api", transport=issuer.transport, clock=clock, revocations=view, cache_size=4
    )
    verifier.start()
    raw = issuer.token()
    verifier.verify_now(raw)
    for _ in range(2 if generation == "older" else 0):
        verifier.verify_now(issuer.token())
    issuer.cut_off("account", "somebody else")
    view.apply([entry for entry, _ in issuer._cut_offs])
    kills = view.kills

    def withdrawn_meanwhile(token):
        withdraw(issuer)
        verifier._keys.step()
        return kills(token)

    view.kills = withdrawn_meanwhile
    assert verifier.verify_now(raw), "it was good when it was looked at"
    view.kills = kills
    assert reason(verifier, raw) is R.UNKNOWN_KEY, "it must not come back into the new memory"
    verifier.close()


def test_a_key_withdrawn_while_a_new_memory_is_begun_takes_its_tokens_along(verifier, issuer):
    raw = issuer.token()
    issuer.rotate()
    verifier._keys.step()  # other keys than the memory was begun with
    current = verifier._keys.current
    calls = []

    def withdrawn_meanwhile():
        keys = current()
        if not calls:
            calls.append(None)
            withdraw(issuer)
            verifier._keys.step()
        return keys

    verifier._keys.current = withdrawn_meanwhile
    assert verifier.verify_now(raw), "it was good when it was looked at"
    verifier._keys.current = current
    assert reason(verifier, raw) is R.UNKNOWN_KEY


def test_a_key_withdrawn_from_keys_that_tell_nobody_takes_its_tokens_along_within_a_minute(issuer, clock):
    verifier = issuer.sync_verifier(leeway=0)
    raw = issuer.token()
    verifier.verify_now(raw)
    withdraw(issuer)
    clock.advance(60)
    assert reason(verifier, raw) is R.UNKNOWN_KEY
    again = issuer.token()
    verifier.verify_now(again)
    withdraw(issuer)
    assert reason(verifier, issuer.token(key=Key.generate("ES256"))) is R.UNKNOWN_KEY
    assert reason(verifier, again) is R.UNKNOWN_KEY, "a look at the keys for any token is one for all"


def test_keys_too_old_to_be_trusted_are_too_old_for_tokens_seen_before(verifier, issuer, clock):
    raw = issuer.token()
    verifier.verify(raw)
    issuer.transport.down = True
    clock.advance(MAX_STALE_SECONDS - 10)
    assert verifier.verify_now(raw)
    clock.advance(61)
    with pytest.raises(KeysUnavailable):
        verifier.verify_now(raw)


def test_a_token_seen_again_and_again_still_ends_when_it_ends(issuer, clock):
    verifier = issuer.sync_verifier(leeway=10)
    raw = issuer.token(exp=int(clock.now()) + 90)
    for _ in range(10):
        assert verifier.verify_now(raw)
        clock.advance(9.9)
    clock.advance(1)
    assert reason(verifier, raw) is R.EXPIRED


def test_an_issuer_whose_clock_runs_away_does_not_take_the_verifier_s_along(issuer, clock):
    verifier = issuer.sync_verifier(leeway=10)
    now = int(clock.now())
    honest = issuer.token(exp=now + 60)
    assert verifier.verify_now(issuer.token(iat=now + 9, exp=now + 69))
    for ahead in range(18, 3600, 9):  # each a little ahead of the one before, which must not make it credible
        assert reason(verifier, issuer.token(iat=now + ahead, exp=now + ahead + 60)) is R.ISSUED_IN_FUTURE
    assert verifier.verify_now(honest)
    assert verifier.verify_now(issuer.token(exp=now + 30)), "what others issue is not over before its time"


def test_a_key_whose_algorithm_was_narrowed_takes_its_tokens_along(clock):
    issuer = FakeIssuer(clock=clock, algorithm="RS256")
    broad = {name: value for name, value in issuer.key.public_jwk().items() if name != "alg"}
    issuer.keys = KeySet([Key.from_jwk(broad)])
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    verifier.start()
    raw = issuer.token()
    verifier.verify_now(raw)
    issuer.keys = KeySet([Key.from_jwk(broad | {"alg": "PS256"})])
    verifier._keys.step()
    assert reason(verifier, raw) is R.ALGORITHM
    verifier.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_only_sees_known_tokens_still_follows_the_keys(verifier, issuer, clock):
    raw = issuer.token()
    verifier.verify(raw)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            clock.advance(61)
            verifier.verify_now(raw)
            verifier._keys.background.request().result(10)
            withdraw(issuer)
            verifier._keys.background.request().result(10)
            names = {thread.name for thread in threading.enumerate()}
            status = 0 if "watchword-keys" in names and reason(verifier, raw) is R.UNKNOWN_KEY else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_view_that_forgets_sooner_than_tokens_end_is_refused(issuer, clock):
    with pytest.raises(ValueError, match="grace"):
        SyncVerifier(issuer.issuer, "api", keys=issuer.keys, revocations=RevocationView(grace=60), leeway=61)
    verifier = issuer.sync_verifier(leeway=300)
    raw = issuer.token()
    verifier.verify_now(raw)
    issuer.revoke(raw)
    for _ in range(30):
        clock.advance((2 * DAY + 299) / 30)
        issuer.view.prune()
        assert reason(verifier, raw) is R.REVOKED


def test_verifiers_of_other_audiences_share_nothing_though_the_text_is_equal(issuer):
    raw = issuer.token(aud=["api", "billing"])
    api, reporting = issuer.sync_verifier(), issuer.sync_verifier("reporting")
    assert api.verify_now(raw)
    assert reason(reporting, raw) is R.AUDIENCE


def test_claims_handed_out_cannot_poison_what_others_get(issuer):
    verifier = issuer.sync_verifier()
    raw = issuer.token(roles=["reader"], custom={"list": [1]})
    token = verifier.verify_now(raw)
    token.claims["custom"]["list"].append(2)
    token.claims["roles"] = ["admin"]
    for name, value in (("roles", ("admin",)), ("sub", "root"), ("payload", b"{}")):
        with pytest.raises(AttributeError):
            setattr(token, name, value)
    again = verifier.verify_now(raw)
    assert again is token
    assert again.claims["custom"] == {"list": [1]}
    assert again.roles == ("reader",)


# Settings that would silently not protect


@pytest.mark.parametrize("kind", [Verifier, SyncVerifier])
@pytest.mark.parametrize("value", [True, "https://issuer.test/revocations", {"url": "x"}, Revocations, RevocationView])
def test_revocations_of_another_type_are_refused_and_never_ignored(kind, value, issuer):
    with pytest.raises(TypeError, match="revocations"):
        kind(issuer.issuer, "api", keys=issuer.keys, revocations=value)


@pytest.mark.parametrize("value", [Key.generate("ES256"), {"keys": []}, "https://issuer.test/jwks", []])
def test_keys_of_another_type_are_refused_when_made_and_not_at_the_first_token(value, issuer):
    with pytest.raises(TypeError, match="keys"):
        SyncVerifier(issuer.issuer, "api", keys=value)


# Errors


def test_a_rejection_for_an_unknown_key_crosses_processes_without_keys(issuer):
    verifier = issuer.sync_verifier()
    with pytest.raises(TokenRejected) as caught:
        verifier.verify(issuer.token(key=Key.generate("ES256")))
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is TokenRejected
    assert (again.reason, again.description) == (R.UNKNOWN_KEY, caught.value.description)


def test_other_rejections_cross_processes_too():
    again = pickle.loads(pickle.dumps(TokenRejected(R.INSUFFICIENT_SCOPE, scope=("a",))))
    assert (again.reason, again.scope, str(again)) == (R.INSUFFICIENT_SCOPE, ("a",), str(again.description))


# The way to the keys


@pytest.mark.rfc("8414 §6.2")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:6379/jwks",
        "http://localhost/jwks",
        "http://issuer.test/jwks",
        "file:///etc/passwd",
        "ftp://issuer.test/jwks",
        "//issuer.test/jwks",
        "https://[/jwks",
        "https://user:secret@issuer.test/jwks",
        "gopher://127.0.0.1/",
        "",
    ],
)
def test_an_https_issuer_cannot_send_the_verifier_to_plain_http_or_elsewhere(uri, issuer, clock):
    issuer.transport.answers[DISCOVERY] = lambda _: json_response({"issuer": issuer.issuer, "jwks_uri": uri})
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    assert not verifier.start().ready
    assert all("/.well-known/" in request.url for request in issuer.transport.asked)
    assert "secret" not in verifier.health().keys_error
    verifier.close()


def test_an_http_issuer_of_this_machine_may_have_its_keys_there(clock):
    issuer = FakeIssuer("http://localhost:8000", clock=clock)
    with SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock) as verifier:
        assert verifier.verify_now(issuer.token())


def test_an_impatient_waiter_waits_once_and_not_once_for_each_attempt(issuer, clock, monkeypatch):
    gate = threading.Event()
    issuer.transport.answers[JWKS] = lambda _: gate.wait(60)
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock, timeout=0.05)
    waited = []
    settled = verifier_module.wait
    monkeypatch.setattr(
        verifier_module, "wait", lambda steps, timeout: (waited.append(timeout), settled(steps, timeout))
    )
    with pytest.raises(KeysUnavailable):
        verifier.verify(issuer.token())
    assert waited[0] == 0.05
    assert sum(waited[1:]) == 0
    gate.set()
    verifier.close()


# Many at once


def test_threads_that_verify_while_keys_turn_and_cut_offs_come_accept_nothing_wrong(issuer, clock):
    view = RevocationView(clock=clock)
    verifier = SyncVerifier(
        issuer.issuer, "api", transport=issuer.transport, clock=clock, revocations=view, cache_size=32
    )
    verifier.start()
    stranger, dead = Key.generate("ES256", kid=issuer.key.kid), []
    strange = [issuer.token(key=stranger), "rubbish", "a.b.c"]
    good = [issuer.token(f"user-{number}") for number in range(30)]
    stop, failures = threading.Event(), []

    def attack():
        while not stop.is_set():
            for raw in good:
                try:
                    # What was dead before the question must not be good after it.
                    was_dead = raw in dead
                    verifier.verify_now(raw)
                    if was_dead:
                        failures.append("accepted although revoked")
                except TokenRejected as rejected:
                    if rejected.reason is not R.REVOKED:
                        failures.append(rejected.reason)
            for raw in strange:
                try:
                    verifier.verify_now(raw)
                    failures.append("accepted a stranger's")
                except TokenRejected:
                    pass

    def guarded():
        try:
            attack()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(4)]
    for thread in threads:
        thread.start()
    for raw in good[::2]:
        issuer.rotate()
        verifier._keys.step()
        issuer.revoke(raw)
        view.apply([issuer._cut_offs[-1][0]])
        dead.append(raw)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert all(reason(verifier, raw) is R.REVOKED for raw in good[::2])
    assert all(verifier.verify_now(raw) for raw in good[1::2])
    assert verifier.health().cached_tokens <= 32 + len(threads)
    verifier.close()


def test_threads_that_ask_while_another_s_fetch_ends_do_not_cause_one_more(issuer, clock):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that a thread is often stopped between a question and what follows from it
    try:
        for _ in range(60):
            issuer.transport.asked.clear()
            verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock, jwks_uri=JWKS)
            threads = [threading.Thread(target=wait_for_keys, args=(verifier,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert len(issuer.transport.asked) == 1
            verifier.close()
    finally:
        sys.setswitchinterval(before)


def wait_for_keys(verifier):
    step = verifier._keys.refresh()
    if step is not None:
        step.result(60)


async def test_one_who_is_cancelled_while_keys_are_fetched_takes_them_from_nobody(issuer, clock):
    gate = threading.Event()
    answer = issuer.transport.answers[JWKS]
    issuer.transport.answers[JWKS] = lambda request: gate.wait(60) and answer(request)
    verifier = Verifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    tasks = [asyncio.create_task(verifier.verify(issuer.token(f"user-{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert [result.sub for result in results[1::2]] == [f"user-{number}" for number in range(1, 20, 2)]
    assert sum(request.url == JWKS for request in issuer.transport.asked) == 1
    await verifier.aclose()


def test_an_event_loop_that_ended_while_waiting_breaks_no_other(issuer, clock, caplog):
    gate = threading.Event()
    answer = issuer.transport.answers[JWKS]
    issuer.transport.answers[JWKS] = lambda request: gate.wait(60) and answer(request)
    verifier = Verifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(verifier.verify(issuer.token()), 0.01)

    asyncio.run(give_up())
    step = verifier._keys.background.join()
    gate.set()
    step.result(60)
    assert asyncio.run(verifier.verify(issuer.token())).sub == "ada"
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]
    verifier.end()


# What may be seen


@pytest.mark.rfc("9700 §4.9.3")
def test_neither_errors_nor_logs_nor_representations_hold_a_token_or_a_credential(issuer, clock, caplog):
    secret = "feed-credential-0123456789"
    issuer.transport.down = True
    verifier = SyncVerifier(
        issuer.issuer,
        "api",
        transport=issuer.transport,
        clock=clock,
        revocations=Revocations(token=secret),
    )
    raw = issuer.token("mallory")
    with pytest.raises(KeysUnavailable) as caught:
        verifier.verify(raw)
    issuer.transport.down = False
    clock.advance(1)
    verifier.start()
    with pytest.raises(TokenRejected) as again:
        verifier.verify(raw[:-4] + "AAAA")
    held = [caught.value, again.value, verifier, verifier.policy, verifier.health(), Revocations(token=secret)]
    shown = "".join(f"{one!r} {one}" for one in [*held, issuer.key, issuer.keys])
    shown += "".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)
    assert secret not in shown
    assert not any(part in shown for part in raw.split("."))
    assert issuer.key.private_jwk()["d"] not in shown
    verifier.close()


# Attacks on other libraries that must stay failures here


def signed(issuer, header, payload=None):
    """A token with whatever header, truly signed by the issuer's key."""
    members = {"kid": issuer.key.kid, "alg": "ES256", "typ": "at+jwt"} | header
    body = jws.parse(issuer.token()).payload if payload is None else payload
    signing_input = ".".join(base64url.encode(part) for part in (encode(members), body))
    return f"{signing_input}.{base64url.encode(issuer.key.signers['ES256'](signing_input.encode()))}"


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ({"crit": ["bork"], "bork": 1}, R.CRITICAL_HEADER),  # CVE-2025-59420, CVE-2026-32597
        ({"crit": ["exp"], "exp": 9e9}, R.CRITICAL_HEADER),
        ({"crit": ["b64"], "b64": False}, R.CRITICAL_HEADER),
        ({"b64": False}, R.CRITICAL_HEADER),
        ({"alg": "none"}, R.ALGORITHM),  # CVE-2015-9235, CVE-2022-23540
        ({"alg": "HS256"}, R.ALGORITHM),  # CVE-2016-10555, CVE-2022-29217, CVE-2026-48526
        ({"jku": "https://evil.example/"}, R.EMBEDDED_KEY),
        ({"jwk": {"kty": "oct", "k": ""}}, R.EMBEDDED_KEY),  # CVE-2018-0114
        ({"x5u": "http://169.254.169.254/"}, R.EMBEDDED_KEY),
        ({"kid": "../../../dev/null"}, R.UNKNOWN_KEY),
        ({"kid": ""}, R.UNKNOWN_KEY),
        ({"typ": "JWT"}, R.WRONG_TYPE),
        ({"typ": "at+jwt; charset=utf-8"}, R.WRONG_TYPE),
        ({"typ": " at+jwt"}, R.WRONG_TYPE),
        ({"typ": "at+jwt\0"}, R.WRONG_TYPE),
        ({"typ": "application/application/at+jwt"}, R.WRONG_TYPE),
        ({"typ": "logout+jwt"}, R.WRONG_TYPE),
        ({"typ": ["at+jwt"]}, R.MALFORMED),
    ],
)
def test_a_header_that_fooled_another_library_fools_nobody_here(issuer, attack, expected):
    assert reason(issuer.sync_verifier(), signed(issuer, attack)) is expected


def test_a_compressed_or_nested_payload_is_not_unfolded(issuer):
    verifier = issuer.sync_verifier()
    claims = jws.parse(issuer.token()).payload
    # CVE-2024-33664, CVE-2024-28176, CVE-2024-28102: zip is for JWE; here it is a name like any other.
    assert reason(verifier, signed(issuer, {"zip": "DEF"}, zlib.compress(claims)[2:-4])) is R.MALFORMED
    assert reason(verifier, signed(issuer, {"cty": "JWT"}, issuer.token().encode())) is R.MALFORMED


@pytest.mark.parametrize(
    "iss",
    [
        "https://issuer.test/",
        "https://ISSUER.test",
        "https://issuer.test.evil.example",
        "https://issuer.tes",
        "https://xn--issuer-9za.test",
        "https://issuer.test\u200b",
        "https://\u0456ssuer.test",
        ["https://issuer.test"],  # CVE-2024-53861, CVE-2025-30144: a list, and "in" for "=="
        {"https://issuer.test": 1},
        "",
    ],
)
def test_an_issuer_that_only_resembles_is_another(issuer, iss):
    members = decode(jws.parse(issuer.token()).payload) | {"iss": iss}
    assert reason(issuer.sync_verifier(), signed(issuer, {}, encode(members))) in {R.ISSUER, R.BAD_CLAIM}


def test_tokens_of_nothing_but_dots_are_refused_without_being_split(issuer):
    verifier = issuer.sync_verifier()  # CVE-2025-27144, CVE-2025-30204
    for raw in ("." * 10_000, "." * 10_000_000, "a" * 10_000_000, "a." * 8_000):
        assert reason(verifier, raw) in {R.MALFORMED, R.TOO_LONG}


def test_a_judge_who_fails_accepts_nothing_and_is_no_other_error(clock):
    issuer = FakeIssuer(clock=clock)
    verifier = issuer.sync_verifier()
    raw = issuer.token()
    issuer.view.full = True

    def judge(_token, _age):
        raise ZeroDivisionError("secret")

    with pytest.raises(RevocationViewStale) as caught:
        verifier.verify_now(raw, when_stale=judge)
    assert "secret" not in str(caught.value)
    for answer in (1, "yes", None, [True]):
        with pytest.raises(RevocationViewStale):
            verifier.verify_now(raw, when_stale=lambda _token, _age, answer=answer: answer)
    assert verifier.verify_now(raw, when_stale=lambda _token, _age: True)


def test_one_of_two_keys_of_one_name_is_chosen_by_algorithm_and_type_alone(clock):
    issuer = FakeIssuer(clock=clock)
    rsa = Key.generate("RS256", kid=issuer.key.kid)
    issuer.keys = KeySet([rsa.public(), issuer.key.public()])
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    verifier.start()
    assert verifier.verify_now(issuer.token())
    assert verifier.verify_now(issuer.token(key=rsa))
    assert reason(verifier, issuer.token(key=Key.generate("RS256", kid=rsa.kid))) is R.BAD_SIGNATURE
    assert reason(verifier, issuer.token(key=Key.generate("Ed25519", kid=rsa.kid))) is R.ALGORITHM
    verifier.close()


@pytest.mark.parametrize("change", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": ["sign"]}, {"alg": "ES384"}])
def test_a_published_key_for_something_else_verifies_nothing(issuer, clock, change):
    members = {name: value for name, value in issuer.key.public_jwk().items() if name not in {"use", "alg"}}
    other = Key.generate("ES256").public_jwk()
    issuer.transport.answers[JWKS] = lambda _: json_response({"keys": [members | change, other]})
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    verifier.start()
    assert reason(verifier, issuer.token()) in {R.UNKNOWN_KEY, R.ALGORITHM}
    verifier.close()


def test_a_private_key_or_a_secret_that_was_published_verifies_nothing(issuer, clock):
    secret = Key.generate("HS256")
    for leaked in (issuer.key, secret):
        answer = json_response({"keys": [leaked.private_jwk(), Key.generate("ES256").public_jwk()]})
        issuer.transport.answers[JWKS] = lambda _, answer=answer: answer
        verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
        verifier.start()
        with pytest.raises((TokenRejected, KeysUnavailable)):
            verifier.verify(issuer.token(key=leaked))
        verifier.close()


def test_a_failing_key_server_takes_no_known_key_away_however_many_strangers_ask(verifier, issuer, clock):
    raw = issuer.token()  # CVE-2026-48524
    issuer.transport.answers[JWKS] = lambda _: json_response({}, status=500)
    asked = len(issuer.transport.asked)
    for number in range(1000):
        assert reason(verifier, signed(issuer, {"kid": f"random-{number}"})) is R.UNKNOWN_KEY
        with pytest.raises(TokenRejected):
            verifier.verify(signed(issuer, {"kid": f"random-{number}"}))
    assert len(issuer.transport.asked) - asked <= 4
    assert verifier.verify(raw)
