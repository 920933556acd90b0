"""What users' own tests stand on: the fake issuer, the fake clock, the pytest fixtures."""

import subprocess
import sys

import pytest
from watchword import RejectionReason, Revocations, TokenRejected, Verifier
from watchword.testing import FakeClock, FakeIssuer


def test_the_fixtures_give_an_issuer_on_a_clock_that_is_moved_by_hand(watchword_issuer, watchword_clock):
    verifier = watchword_issuer.sync_verifier()
    raw = watchword_issuer.token("ada", roles=["admin"], tenant="acme")
    assert verifier.verify(raw, roles=["admin"]).tenant == "acme"
    watchword_clock.advance(700)
    with pytest.raises(TokenRejected) as caught:
        verifier.verify(raw)
    assert caught.value.reason is RejectionReason.EXPIRED


async def test_what_is_revoked_is_refused_at_once(watchword_issuer):
    verifier = watchword_issuer.verifier()
    mine, other = watchword_issuer.token(sid="mine"), watchword_issuer.token(sid="other")
    watchword_issuer.cut_off("account", "ada", spares="mine")
    assert await verifier.verify(mine)
    with pytest.raises(TokenRejected):
        await verifier.verify(other)
    watchword_issuer.revoke(mine)
    with pytest.raises(TokenRejected):
        await verifier.verify(mine)


def test_a_session_spared_later_does_not_rise_from_an_earlier_cut_off(watchword_issuer):
    verifier = watchword_issuer.sync_verifier()
    old = watchword_issuer.token(sid="mine")
    watchword_issuer.cut_off("account", "ada")
    between = watchword_issuer.token(sid="mine")
    watchword_issuer.cut_off("account", "ada", spares="mine")
    assert verifier.verify(between)
    with pytest.raises(TokenRejected):
        verifier.verify(old)


async def test_its_transport_serves_discovery_keys_and_feed(watchword_issuer):
    issuer = watchword_issuer
    issuer.feed_token = "secret"
    raw = issuer.token()
    issuer.revoke(raw)
    async with Verifier(
        issuer.issuer,
        issuer.audience,
        transport=issuer.transport,
        clock=issuer.clock,
        revocations=Revocations(token="secret"),
    ) as verifier:
        assert verifier.health().ready
        assert await verifier.verify(issuer.token())
        with pytest.raises(TokenRejected):
            await verifier.verify(raw)


def test_a_claim_of_none_is_left_out(watchword_issuer):
    with pytest.raises(TokenRejected) as caught:
        watchword_issuer.sync_verifier().verify(watchword_issuer.token(client_id=None))
    assert caught.value.reason is RejectionReason.MISSING_CLAIM


def test_new_keys_are_known_at_once(watchword_issuer):
    verifier = watchword_issuer.sync_verifier()
    old = watchword_issuer.token()
    watchword_issuer.rotate()
    assert verifier.verify(old).kid != verifier.verify(watchword_issuer.token()).kid


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "PS256"])
def test_an_issuer_signs_as_it_is_told(algorithm):
    issuer = FakeIssuer(algorithm=algorithm)
    assert issuer.sync_verifier().verify(issuer.token())


def test_time_goes_forward_and_only_jumps_go_back():
    clock = FakeClock(100)
    clock.advance(5)
    clock.jump(-50)
    assert (clock.now(), clock.monotonic()) == (55, 1005)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)


def test_the_plug_in_loads_nothing_until_it_is_used():
    script = "import sys, watchword.pytest_plugin; print([n for n in sys.modules if n.startswith('watchword.')])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['watchword.pytest_plugin']"
