"""What each call may ask: a bound of its own, a policy of its own, someone to ask."""

import asyncio

import pytest
from watchword import (
    RejectionReason,
    Revocations,
    RevocationViewStale,
    SyncVerifier,
    TokenRejected,
    Verifier,
)
from watchword.adapters.metrics import health_metrics
from watchword.testing import FakeIssuer


@pytest.fixture
def issuer(clock):
    return FakeIssuer(clock=clock, lifetime=3600)


@pytest.fixture
def make(issuer, clock):
    made = []

    def making(kind=SyncVerifier, *, introspector=None, **settings):
        verifier = kind(
            issuer.issuer,
            "api",
            transport=issuer.transport,
            clock=clock,
            leeway=0,
            introspector=introspector,
            revocations=Revocations(push=False, **settings),
        )
        made.append(verifier)
        for step in verifier.begin():
            step.result(10)
        return verifier

    yield making
    for verifier in made:
        verifier.end()


@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "new"])
def test_a_call_may_ask_for_a_fresher_view_than_others(make, issuer, clock, seen):
    verifier = make()
    raw = issuer.token()
    if seen:
        verifier.verify(raw)
    issuer.transport.down = True
    clock.advance(4.9)
    assert verifier.verify_now(raw, max_staleness=5)
    clock.advance(0.1)
    with pytest.raises(RevocationViewStale):
        verifier.verify_now(raw, max_staleness=5)
    assert verifier.verify_now(raw), "others are content"
    clock.advance(115)
    with pytest.raises(RevocationViewStale):
        verifier.verify_now(raw)
    assert verifier.verify_now(raw, max_staleness=300), "or for an older one"


def test_the_first_call_with_a_closer_bound_waits_for_a_newer_view_and_later_ones_need_not(make, issuer, clock):
    verifier = make()
    raw = issuer.token()
    clock.advance(60)
    assert verifier.verify(raw, max_staleness=5)
    assert verifier.health().revocations_age == 0
    assert verifier.health().refused_while_stale == 0
    assert verifier._feed._bound == 5


@pytest.mark.parametrize("bound", [0, -1, float("nan"), float("inf")])
def test_a_bound_that_cannot_be_is_refused(make, issuer, bound):
    with pytest.raises(ValueError):
        make().verify_now(issuer.token(), max_staleness=bound)


def test_a_bound_that_nobody_keeps_is_refused(issuer):
    verifier = SyncVerifier(issuer.issuer, "api", keys=issuer.keys, clock=issuer.clock)
    for asked in ({"max_staleness": 5}, {"when_stale": "accept"}):
        with pytest.raises(ValueError, match="revocations="):
            verifier.verify_now(issuer.token(), **asked)


def test_a_revoked_token_is_refused_whatever_the_policy(make, issuer, clock):
    verifier = make(introspector=Oracle())
    raw = issuer.token()
    issuer.revoke(raw)
    verifier._feed.background.request().result(10)
    issuer.transport.down = True
    clock.advance(1000)
    for policy in ("refuse", "accept", "introspect", lambda token, age: True):
        with pytest.raises(TokenRejected) as caught:
            verifier.verify(raw, when_stale=policy)
        assert caught.value.reason is RejectionReason.REVOKED


def test_a_call_may_have_a_policy_of_its_own_and_a_judge_is_told_token_and_age(make, issuer, clock):
    verifier = make()
    raw = issuer.token("ada")
    issuer.transport.down = True
    clock.advance(200)
    told = []
    assert verifier.verify_now(raw, when_stale="accept").sub == "ada"
    assert verifier.verify_now(raw, when_stale=lambda token, age: told.append((token.sub, age)) or True)
    assert told == [("ada", 200)]
    for judge in (lambda *_: False, lambda *_: None, lambda *_: 1, lambda *_: "yes"):
        with pytest.raises(RevocationViewStale):
            verifier.verify_now(raw, when_stale=judge)
    health = verifier.health()
    assert (health.accepted_while_stale, health.refused_while_stale) == (2, 4)


def test_a_policy_that_is_none_is_refused(make, issuer):
    verifier = make()
    with pytest.raises(ValueError):
        verifier.verify_now(issuer.token(), when_stale="ignore")
    with pytest.raises(ValueError, match="introspector"):
        verifier.verify_now(issuer.token(), when_stale="introspect")
    with pytest.raises(ValueError, match="introspector"):
        make(when_stale="introspect")


class Oracle:
    """An introspector that says what it is told to, for threads and for asyncio."""

    def __init__(self, says=True):
        self.says = says
        self.asked = []

    def introspect(self, raw):
        self.asked.append(raw)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class AsyncOracle(Oracle):
    async def introspect(self, raw):
        if self.says == "slow":
            await asyncio.Event().wait()
        return super().introspect(raw)


class Shell:
    def __init__(self, kind, oracle):
        self.kind, self.oracle = kind, oracle

    def verify(self, verifier, raw, **asked):
        value = verifier.verify(raw, **asked)
        return value if self.kind is SyncVerifier else asyncio.run(self._one(value))

    @staticmethod
    async def _one(value):
        return await value


@pytest.fixture(params=[(SyncVerifier, Oracle), (Verifier, AsyncOracle)], ids=["sync", "async"])
def shell(request):
    return Shell(*request.param)


def test_an_introspector_is_asked_only_when_the_view_is_stale_and_believed(make, issuer, clock, shell):
    oracle = shell.oracle()
    verifier = make(shell.kind, introspector=oracle, when_stale="introspect")
    raw = issuer.token("ada")
    assert shell.verify(verifier, raw).sub == "ada"
    assert oracle.asked == []
    issuer.transport.down = True
    clock.advance(121)
    assert shell.verify(verifier, raw).sub == "ada"
    assert oracle.asked == [raw]
    oracle.says = False
    with pytest.raises(TokenRejected) as caught:
        shell.verify(verifier, raw)
    assert caught.value.reason is RejectionReason.REVOKED
    assert verifier.health().introspected == 2


@pytest.mark.parametrize("says", [1, "true", None, {"active": True}])
def test_only_true_is_a_yes(make, issuer, clock, shell, says):
    verifier = make(shell.kind, introspector=shell.oracle(says), when_stale="introspect")
    issuer.transport.down = True
    clock.advance(121)
    with pytest.raises(TokenRejected):
        shell.verify(verifier, issuer.token())


def test_an_introspector_that_fails_leaves_the_token_unknown_and_unlogged(make, issuer, clock, shell, caplog):
    raw = issuer.token()
    verifier = make(shell.kind, introspector=shell.oracle(RuntimeError(raw)), when_stale="introspect")
    issuer.transport.down = True
    clock.advance(121)
    with pytest.raises(RevocationViewStale) as caught:
        shell.verify(verifier, raw)
    assert caught.value.retry_after >= 1
    assert raw not in caplog.text
    assert "RuntimeError" in caplog.text


def test_an_introspector_that_never_answers_is_waited_for_no_longer_than_the_timeout(make, issuer, clock):
    verifier = make(Verifier, introspector=AsyncOracle("slow"), when_stale="introspect")
    verifier.timeout = 0.05
    issuer.transport.down = True
    clock.advance(121)
    with pytest.raises(RevocationViewStale):
        asyncio.run(Shell._one(verifier.verify(issuer.token())))


def test_nobody_is_asked_about_a_token_that_is_bad_or_has_too_little(make, issuer, clock, shell):
    oracle = shell.oracle()
    verifier = make(shell.kind, introspector=oracle, when_stale="introspect")
    issuer.transport.down = True
    clock.advance(121)
    for raw, asked in ((issuer.token(aud="other"), {}), (issuer.token(), {"scopes": ["reports:read"]})):
        with pytest.raises(TokenRejected):
            shell.verify(verifier, raw, **asked)
    assert oracle.asked == []


def test_verify_now_asks_nobody_and_refuses(make, issuer, clock):
    oracle = Oracle()
    verifier = make(introspector=oracle, when_stale="introspect")
    issuer.transport.down = True
    clock.advance(121)
    with pytest.raises(RevocationViewStale):
        verifier.verify_now(issuer.token())
    assert oracle.asked == []


def test_health_tells_the_lease_and_its_story_and_so_do_the_metrics(make, issuer, clock):
    verifier = make()
    issuer.cut_off("session", "s1")
    verifier._feed.background.request().result(10)
    clock.advance(20)
    health = verifier.health()
    assert (health.revocations_age, health.lease_left, health.mode) == (20, 100, "poll")
    assert health.renewals >= 2
    assert health.revocations_bytes > 0
    text = health_metrics(verifier)
    lines = text.splitlines()
    assert "watchword_verifier_lease_left_seconds 100" in lines
    assert "watchword_verifier_revocations 1" in lines
    assert "watchword_verifier_stale_refused_total 0" in lines
    assert 'watchword_verifier_mode{watchword_verifier_mode="poll"} 1' in lines
    assert lines[-1] == "# EOF"
    assert text.endswith("# EOF\n")
    clock.advance(200)
    assert verifier.health().lease_left == 0


def test_metrics_of_a_verifier_without_revocations_leave_them_out(issuer):
    text = health_metrics(SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=issuer.clock))
    assert "lease_left" not in text
    assert "watchword_verifier_keys_age_seconds +Inf" in text
