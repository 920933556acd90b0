"""Attacks on a running verifier: on its memory, its keys, its settings and its errors."""

import os
import pickle
import threading

import pytest
from watchword import (
    Key,
    KeySet,
    KeysUnavailable,
    RejectionReason,
    Revocations,
    RevocationView,
    SyncVerifier,
    TokenRejected,
    Verifier,
)
from watchword.testing import FakeClock, FakeIssuer, json_response
from watchword.verify import verifier as verifier_module
from watchword.verify.keys import MAX_STALE_SECONDS

R = RejectionReason
DISCOVERY = "https://issuer.test/.well-known/openid-configuration"
JWKS = "https://issuer.test/jwks"
DAY = 86_400


@pytest.fixture
def clock():
    return FakeClock()


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


@pytest.mark.rfc("8414 §2")
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
    issuer.transport.answers[JWKS] = lambda _: gate.wait(10)
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
