"""Bound tokens at the verifier itself, in both shells: what was shown, what was proven, and what memory says so."""

import asyncio

import pytest
from watchword import (
    Confirmation,
    Dpop,
    LocalReplayMemory,
    Possession,
    RejectionReason,
    Revocations,
    TokenRejected,
    VerifierUnavailable,
    check_access_token,
)
from watchword.oauth.names import Scheme
from watchword.testing import FakeDpopKey, FakeIssuer
from watchword.verify.possession import FirstUseDue, PossessionRules, proven_by

R = RejectionReason
URL = "https://rs.test/reports"
THUMBPRINT = "A" * 43


@pytest.fixture
def issuer():
    return FakeIssuer()


@pytest.fixture
def key(issuer):
    return FakeDpopKey(clock=issuer.clock)


@pytest.fixture(params=["sync", "async"])
def make(request, issuer):
    """Makes a function that verifies with one verifier, whatever its shell."""

    def make(**options):
        if request.param == "sync":
            return issuer.sync_verifier(**options).verify
        verifier = issuer.verifier(**options)
        return lambda raw, **wanted: asyncio.run(verifier.verify(raw, **wanted))

    return make


def shown(key, raw, **options):
    return Possession(Scheme.DPOP, (key.proof("GET", URL, raw),), "GET", URL, **options)


def why(verify, raw, **wanted):
    with pytest.raises(TokenRejected) as caught:
        verify(raw, **wanted)
    return caught.value.reason


class Memory:
    """A shared memory that is asked over some network."""

    def __init__(self):
        self.used = set()
        self.down = False

    def first_use(self, key, expires_at):
        if self.down:
            raise VerifierUnavailable("down")
        first = key not in self.used
        self.used.add(key)
        return first


class AsyncMemory(Memory):
    async def first_use(self, key, expires_at):
        await asyncio.sleep(0)
        return super().first_use(key, expires_at)


@pytest.mark.rfc("9449 §11.1")
def test_a_shared_memory_lets_a_proof_pass_once_at_all_verifiers(issuer, key, make):
    memory = Memory()
    here, there = make(dpop=Dpop(replay=memory)), make(dpop=Dpop(replay=memory))
    raw = issuer.token(cnf={"jkt": key.jkt})
    proof = shown(key, raw)
    assert here(raw, possession=proof).sub == "ada"
    assert why(there, raw, possession=proof) is R.REPLAYED
    memory.down = True
    with pytest.raises(VerifierUnavailable):
        here(raw, possession=shown(key, raw))


async def test_an_asynchronous_memory_is_awaited_and_bounded(issuer, key):
    verifier = issuer.verifier(dpop=Dpop(replay=AsyncMemory()), timeout=0.05)
    raw = issuer.token(cnf={"jkt": key.jkt})
    proof = shown(key, raw)
    assert (await verifier.verify(raw, possession=proof)).sub == "ada"
    with pytest.raises(TokenRejected):
        await verifier.verify(raw, possession=proof)

    async def never(_key, _expires_at):
        await asyncio.Event().wait()

    verifier.possession.dpop.replay.first_use = never
    with pytest.raises(VerifierUnavailable):
        await verifier.verify(raw, possession=shown(key, raw))
    with pytest.raises(TypeError):
        issuer.sync_verifier(dpop=Dpop(replay=AsyncMemory()))


def test_verify_now_waits_for_no_memory(issuer, key):
    raw = issuer.token(cnf={"jkt": key.jkt})
    with pytest.raises(FirstUseDue) as caught:
        issuer.sync_verifier(dpop=Dpop(replay=Memory())).verify_now(raw, possession=shown(key, raw))
    assert caught.value.token.sub == "ada"


def test_a_proof_is_used_up_only_where_it_lets_someone_in(issuer, key, make):
    memory = LocalReplayMemory(clock=issuer.clock)
    verify = make(dpop=Dpop(replay=memory))
    raw = issuer.token(cnf={"jkt": key.jkt})
    proof = shown(key, raw)
    assert why(verify, raw, possession=proof, scopes=["reports:read"]) is R.INSUFFICIENT_SCOPE
    assert why(verify, raw, possession=proof, tenants=["acme"]) is R.TENANT
    assert len(memory) == 0
    assert verify(raw, possession=proof).sub == "ada"


def test_a_full_memory_refuses_with_503_and_not_as_a_replay(issuer, key, make):
    verify = make(dpop=Dpop(replay=LocalReplayMemory(clock=issuer.clock, max_entries=1)))
    raw = issuer.token(cnf={"jkt": key.jkt})
    verify(raw, possession=shown(key, raw))
    with pytest.raises(VerifierUnavailable):
        verify(raw, possession=shown(key, raw))


@pytest.mark.rfc("8705 §3/1")
def test_the_certificate_of_the_connection_must_be_the_one_named(issuer, make):
    verify = make()
    raw = issuer.token(cnf={"x5t#S256": THUMBPRINT})
    assert verify(raw, possession=Possession(certificate=THUMBPRINT)).cnf == Confirmation(None, THUMBPRINT)
    for certificate in (None, "", "B" * 43, THUMBPRINT.lower(), THUMBPRINT + "="):
        assert why(verify, raw, possession=Possession(certificate=certificate)) is R.BOUND
    assert why(verify, raw) is R.BOUND
    assert why(verify, raw, possession=Possession(Scheme.DPOP, certificate=THUMBPRINT)) is R.BOUND


def test_of_two_bindings_both_must_hold(issuer, key, make):
    verify = make()
    raw = issuer.token(cnf={"jkt": key.jkt, "x5t#S256": THUMBPRINT})
    assert verify(raw, possession=shown(key, raw, certificate=THUMBPRINT)).sub == "ada"
    assert why(verify, raw, possession=shown(key, raw)) is R.BOUND
    assert why(verify, raw, possession=Possession(certificate=THUMBPRINT)) is R.BOUND


@pytest.mark.rfc("9449 §6/1")
@pytest.mark.rfc("7800 §3.1")
@pytest.mark.parametrize(
    ("cnf", "reason"),
    [
        ({}, R.BOUND),
        ({"jwk": {}}, R.BOUND),
        ({"jkt": "x", "kid": "y"}, R.BOUND),
        ("x", R.BOUND),
        ([], R.BOUND),
        ({"jkt": 1}, R.BAD_CLAIM),
        ({"jkt": ""}, R.BAD_CLAIM),
        ({"x5t#S256": None}, R.BAD_CLAIM),
    ],
)
def test_a_binding_that_is_not_understood_cannot_be_met(issuer, key, make, cnf, reason):
    raw = issuer.token(cnf=cnf)
    assert why(make(), raw) is reason
    assert why(make(), raw, possession=shown(key, raw, certificate="x")) is reason


def test_the_pure_check_alone_refuses_every_bound_token(issuer, key):
    raw = issuer.token(cnf={"jkt": key.jkt})
    verifier = issuer.verifier()
    with pytest.raises(TokenRejected) as caught:
        check_access_token(raw, issuer.keys, verifier.policy, issuer.clock.now())
    assert caught.value.reason is R.BOUND
    token = check_access_token(raw, issuer.keys, verifier.policy, issuer.clock.now(), possession_follows=True)
    assert token.cnf == Confirmation(key.jkt)


def test_what_was_proven_of_a_request_is_not_proven_again_and_of_no_other(issuer, key, make):
    verify = make()
    raw = issuer.token(cnf={"jkt": key.jkt})
    proof = shown(key, raw)
    token = verify(raw, possession=proof)
    assert verify(raw, possession=proven_by(token, proof)).sub == "ada"
    other = issuer.token(cnf={"jkt": FakeDpopKey().jkt})
    assert why(verify, other, possession=proven_by(token, proof)) is not None


def test_where_only_bound_tokens_will_do_no_other_does(issuer, key, make):
    verify = make(require_bound=True)
    assert why(verify, issuer.token()) is R.NOT_BOUND
    raw = issuer.token(cnf={"jkt": key.jkt})
    assert verify(raw, possession=shown(key, raw)).sub == "ada"
    assert (
        verify(issuer.token(cnf={"x5t#S256": THUMBPRINT}), possession=Possession(certificate=THUMBPRINT)).sub == "ada"
    )


def test_a_stale_view_that_is_introspected_lets_no_bound_token_pass_unproven(issuer, key):
    class Oracle:
        def introspect(self, _raw):
            return True

    feed = Revocations(max_staleness=30, poll_interval=5, keys=issuer.feed_keys, when_stale="introspect")
    verifier = issuer.sync_verifier(revocations=feed, introspector=Oracle(), transport=issuer.transport)
    verifier.start()
    verifier._feed.close()
    issuer.clock.advance(31)
    raw = issuer.token(cnf={"jkt": key.jkt})
    assert why(verifier.verify, raw) is R.BOUND
    proof = shown(key, raw)
    assert verifier.verify(raw, possession=proof).sub == "ada"
    assert why(verifier.verify, raw, possession=proof) is R.REPLAYED


def test_nothing_that_was_shown_is_in_a_repr(issuer, key):
    raw = issuer.token(cnf={"jkt": key.jkt})
    proof = shown(key, raw)
    assert proof.proofs[0] not in repr(proof)
    assert PossessionRules(None, required=False).nonce(None, 0.0) is None
