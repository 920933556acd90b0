"""The gate by itself: what it relies on, whom it asks, and what it is made of."""

import pytest
from watchword import Revocations, VerifierUnavailable
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import Admitted, Gate, Presented
from watchword.adapters.requirement import ANY_TOKEN, PERHAPS_A_TOKEN, Requirement


def presented(*tokens):
    return Presented([f"Bearer {token}" for token in tokens])


@pytest.fixture
def gate(issuer):
    return Gate(issuer.sync_verifier())


def refusal(gate, *args):
    with pytest.raises(Refused) as refused:
        gate.admit_sync(*args)
    return refused.value.status


def test_a_token_let_in_before_is_not_verified_again_but_looked_at(issuer, gate):
    before = gate.admit_sync(presented(issuer.token(roles=["admin"])))
    assert gate.admit_sync(presented(), Requirement(roles=["admin"]), before).token is before.token
    assert refusal(gate, presented(), Requirement(roles=["other"]), before) == 403
    assert refusal(gate, presented(), Requirement(scopes=["reports:read"]), before) == 403


def test_what_another_verifier_let_in_counts_nothing(issuer, gate):
    token = issuer.access_token(roles=["admin"])
    for kept in (Admitted(token, issuer.sync_verifier()), token, {"token": token}, "ada", True):
        assert refusal(gate, presented(), ANY_TOKEN, kept) == 401


def test_nobody_let_in_before_is_still_nobody(gate):
    nobody = gate.admit_sync(presented(), PERHAPS_A_TOKEN)
    assert nobody.token is None
    assert refusal(gate, presented(), ANY_TOKEN, nobody) == 401
    with pytest.raises(LookupError):
        Admitted.token_in(nobody)


def test_a_route_that_asks_freshly_verifies_again_whatever_was_let_in_before(issuer):
    issuer.transport.down = True
    verifier = issuer.sync_verifier(
        revocations=Revocations(max_staleness=30, when_stale="accept"), transport=issuer.transport
    )
    gate = Gate(verifier)
    raw = issuer.token()
    before = gate.admit_sync(presented(raw))
    assert before.token is not None, "by the policy of the verifier"
    assert refusal(gate, presented(raw), Requirement(when_stale="refuse"), before) == 503
    assert refusal(gate, presented(), Requirement(when_stale="refuse"), before) == 401, "no longer presented"


def test_what_a_route_will_ask_is_announced_when_it_is_made(issuer, gate):
    with pytest.raises(ValueError, match="max_staleness"):
        gate.announce(Requirement(max_staleness=-1))
    kept = []
    verifier = issuer.sync_verifier()
    verifier.keep_within = kept.append
    Gate(verifier, max_staleness=20).announce(Requirement(max_staleness=5))
    assert kept == [20, 5]


async def test_a_verifier_of_one_s_own_will_do(issuer):
    class Own:
        def verify(self, raw, **asked):
            if raw != "opaque":
                raise VerifierUnavailable("nobody knows", retry_after=7)
            return issuer.access_token("own")

    gate = Gate(Own(), waits=False)
    assert (await gate.admit(presented("opaque"))).token.sub == "own"
    with pytest.raises(Refused) as refused:
        await gate.admit(presented("x"))
    assert refused.value.headers == {"Retry-After": "7"}
    assert Gate(Own()).admit_sync(presented("opaque")).token.sub == "own"


async def test_an_introspector_of_threads_is_asked_aside_from_the_loop(issuer):
    class Introspector:
        def introspect(self, raw):
            return raw == good

    good, other = issuer.token("ada"), issuer.token("eve")
    issuer.transport.down = True
    verifier = issuer.sync_verifier(
        revocations=Revocations(max_staleness=30, when_stale="introspect"),
        transport=issuer.transport,
        introspector=Introspector(),
    )
    gate = Gate(verifier, waits=False)
    assert (await gate.admit(presented(good))).token.sub == "ada"
    with pytest.raises(Refused) as refused:
        await gate.admit(presented(other))
    assert refused.value.status == 401
