"""The verifier as a whole: both shells, keys that change, cut-offs that come, clocks that lie, strangers that insist."""

import asyncio
import base64
import json
import os
import threading

import pytest
from watchword import (
    Key,
    KeySet,
    KeysUnavailable,
    RejectionReason,
    Revocations,
    RevocationViewStale,
    SyncVerifier,
    TokenRejected,
    TransportError,
    Verifier,
)
from watchword.verify.seen import MAX_CACHED_LENGTH

R = RejectionReason
JWKS = "https://issuer.test/jwks"
FEED = "https://issuer.test/revocations"


class Shell:
    """One face for both shells."""

    def __init__(self, kind, made):
        self.kind = kind
        self._made = made

    def make(self, issuer, **options):
        verifier = self.kind(
            issuer.issuer, issuer.audience, transport=issuer.transport, clock=issuer.clock, leeway=0, **options
        )
        self._made.append(verifier)
        return verifier

    def verify(self, verifier, raw, **asked):
        return self._await(verifier.verify(raw, **asked))

    def start(self, verifier):
        return self._await(verifier.start())

    def _await(self, value):
        return asyncio.run(self._one(value)) if self.kind is Verifier else value

    @staticmethod
    async def _one(value):
        return await value


@pytest.fixture(params=[Verifier, SyncVerifier], ids=["async", "sync"])
def shell(request):
    made = []
    yield Shell(request.param, made)
    for verifier in made:
        verifier.end()


def reason(shell, verifier, raw, **asked):
    with pytest.raises(TokenRejected) as caught:
        shell.verify(verifier, raw, **asked)
    return caught.value.reason


def poll(verifier):
    """One more poll of the feed, now."""
    verifier._feed.background.request().result(10)


def fetches(issuer, url=JWKS):
    return sum(request.url.partition("?")[0] == url for request in issuer.transport.asked)


def stranger_token(kid):
    header = {"alg": "ES256", "typ": "at+jwt", "kid": kid}
    segments = [json.dumps(header).encode(), b'{"iss":"https://issuer.test"}', bytes(64)]
    return ".".join(base64.urlsafe_b64encode(segment).rstrip(b"=").decode() for segment in segments)


# The usual


def test_a_token_is_verified_with_nothing_but_issuer_and_audience(shell, issuer):
    verifier = shell.make(issuer)
    token = shell.verify(verifier, issuer.token("ada", scope="reports:read", roles=["admin"]))
    assert (token.sub, token.scope, token.roles) == ("ada", {"reports:read"}, ("admin",))


def test_issuer_and_audience_cannot_be_left_out():
    with pytest.raises(TypeError):
        Verifier("https://issuer.test")
    with pytest.raises(ValueError):
        Verifier("https://issuer.test", "")


@pytest.mark.parametrize("url", ["issuer.test", "ftp://issuer.test", "https://u:p@issuer.test", "https://a b", ""])
def test_an_issuer_that_is_no_url_is_refused_at_once(url):
    with pytest.raises((TransportError, ValueError)):
        Verifier(url, "api")


def test_scopes_and_roles_are_asked_for_on_every_sight(shell, issuer):
    verifier = shell.make(issuer)
    raw = issuer.token(scope="a b", roles=["user"])
    for _ in range(2):
        assert shell.verify(verifier, raw, scopes=["a"], roles=["user"])
        assert reason(shell, verifier, raw, scopes=["a", "c"]) is R.INSUFFICIENT_SCOPE
        assert reason(shell, verifier, raw, roles=["admin"]) is R.INSUFFICIENT_ROLE


def test_a_token_seen_again_is_not_verified_again_but_ends_when_it_ends(shell, issuer, clock):
    verifier = shell.make(issuer)
    raw = issuer.token()
    first = shell.verify(verifier, raw)
    clock.advance(599.9)
    assert shell.verify(verifier, raw) is first
    clock.advance(0.1)
    assert reason(shell, verifier, raw) is R.EXPIRED
    assert reason(shell, verifier, raw) is R.EXPIRED
    assert verifier.health().cached_tokens == 0


def test_verify_now_waits_for_nothing_and_asks_for_the_keys_it_lacks(issuer):
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=issuer.clock)
    with pytest.raises(KeysUnavailable):
        verifier.verify_now(issuer.token())
    assert issuer.transport.asked == []
    verifier.start()
    assert verifier.verify_now(issuer.token())
    verifier.close()


def test_without_memory_each_token_is_verified_anew(shell, issuer):
    verifier = shell.make(issuer, cache_size=0)
    raw = issuer.token()
    assert shell.verify(verifier, raw) is not shell.verify(verifier, raw)
    assert verifier.health().cached_tokens == 0


def test_memory_is_bounded_in_number_and_length(shell, issuer):
    verifier = shell.make(issuer, cache_size=20)
    for _ in range(100):
        shell.verify(verifier, issuer.token())
    assert verifier.health().cached_tokens <= 20
    long = issuer.token(note="x" * MAX_CACHED_LENGTH)
    assert shell.verify(verifier, long) is not shell.verify(verifier, long)


def test_a_token_in_use_stays_in_memory_while_others_pass_by(issuer):
    verifier = issuer.verifier(cache_size=20)
    raw = issuer.token()
    first = verifier.verify_now(raw)
    for _ in range(100):
        verifier.verify_now(issuer.token())
        assert verifier.verify_now(raw) is first


# Keys


def test_keys_are_fetched_once_for_all_who_wait_for_them(issuer):
    async def many():
        async with Verifier(issuer.issuer, "api", transport=issuer.transport, clock=issuer.clock) as verifier:
            return await asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(200)))

    assert len(asyncio.run(many())) == 200
    assert fetches(issuer) == 1


def test_threads_share_one_fetch_as_well(issuer):
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=issuer.clock)
    raw, subs = issuer.token(), []
    threads = [threading.Thread(target=lambda: subs.append(verifier.verify(raw).sub)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert subs == ["ada"] * 20
    assert fetches(issuer) == 1
    verifier.close()


def test_a_new_key_is_found_while_running(shell, issuer, clock):
    verifier = shell.make(issuer)
    old = issuer.token()
    shell.verify(verifier, old)
    issuer.rotate()
    clock.advance(10)
    assert shell.verify(verifier, issuer.token()).kid == issuer.key.kid
    assert shell.verify(verifier, old)
    assert fetches(issuer) == 2


def test_strangers_who_name_random_keys_cause_one_fetch_in_each_cool_down(shell, issuer, clock):
    verifier = shell.make(issuer)
    good = issuer.token()
    first = shell.verify(verifier, good)
    for number in range(500):
        assert reason(shell, verifier, stranger_token(f"stranger-{number}")) is R.UNKNOWN_KEY
    assert fetches(issuer) == 1, "the first fetch was a moment ago"
    clock.advance(10)
    for number in range(500):
        assert reason(shell, verifier, stranger_token(f"more-{number}")) is R.UNKNOWN_KEY
    assert fetches(issuer) == 2
    assert shell.verify(verifier, good) is first
    assert verifier.health().cached_tokens == 1


@pytest.mark.soak
def test_a_hundred_thousand_random_keys_cause_no_more_fetches_than_cool_downs(issuer, clock):
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    good = issuer.token(exp=int(clock.now()) + 10_000)
    first = verifier.verify(good)
    for number in range(100_000):
        with pytest.raises(TokenRejected):
            verifier.verify(stranger_token(f"stranger-{number}"))
        clock.advance(0.001)
    assert fetches(issuer) <= 11
    assert verifier.verify(good) is first
    verifier.close()


def test_a_flood_during_one_slow_fetch_waits_for_that_fetch_alone(issuer, clock):
    gate = threading.Event()
    plain = issuer.transport.answers[JWKS]

    async def flood():
        verifier = Verifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
        await verifier.start()
        clock.advance(10)
        issuer.transport.answers[JWKS] = lambda request: (gate.wait(60), plain(request))[1]
        strangers = [asyncio.create_task(verifier.verify(stranger_token(f"s{number}"))) for number in range(300)]
        await asyncio.sleep(0)
        assert (await verifier.verify(issuer.token())).sub == "ada", "good tokens wait for nothing"
        strangers[0].cancel()
        gate.set()
        results = await asyncio.gather(*strangers, return_exceptions=True)
        await verifier.aclose()
        return results

    results = asyncio.run(flood())
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, TokenRejected) for result in results[1:])
    assert fetches(issuer) == 2


def test_without_keys_nobody_is_told_that_the_token_is_bad(shell, issuer, clock):
    issuer.transport.down = True
    verifier = shell.make(issuer)
    with pytest.raises(KeysUnavailable) as caught:
        shell.verify(verifier, issuer.token())
    assert caught.value.retry_after >= 1
    issuer.transport.down = False
    clock.advance(1)
    assert shell.verify(verifier, issuer.token())


def test_when_the_issuer_goes_down_known_keys_go_on(shell, issuer, clock):
    verifier = shell.make(issuer)
    shell.start(verifier)
    issuer.transport.down = True
    clock.advance(3600)
    assert shell.verify(verifier, issuer.token())
    assert reason(shell, verifier, stranger_token("new")) is R.UNKNOWN_KEY


def test_a_fetch_that_never_ends_holds_nobody_longer_than_the_timeout(shell, issuer):
    gate = threading.Event()
    issuer.transport.answers[JWKS] = lambda _: gate.wait(60)
    verifier = shell.make(issuer, timeout=0.05)
    with pytest.raises(KeysUnavailable):
        shell.verify(verifier, issuer.token())
    gate.set()


def test_tokens_of_a_key_that_is_published_no_longer_are_forgotten(shell, issuer, clock):
    verifier = shell.make(issuer)
    raw = issuer.token()
    shell.verify(verifier, raw)
    issuer.rotate()
    issuer.keys = KeySet([issuer.key])
    clock.advance(10)
    shell.verify(verifier, issuer.token())
    assert reason(shell, verifier, raw) is R.UNKNOWN_KEY


def test_a_token_verified_while_its_key_is_withdrawn_is_not_remembered(issuer, clock):
    verifier = SyncVerifier(issuer.issuer, "api", transport=issuer.transport, clock=clock)
    verifier.start()
    raw = issuer.token()
    current = verifier._keys.current

    def withdrawn_meanwhile():
        keys = current()
        issuer.rotate()
        issuer.keys = KeySet([issuer.key])
        verifier._keys.step()
        return keys

    verifier._keys.current = withdrawn_meanwhile
    assert verifier.verify_now(raw), "it was good when it was looked at"
    verifier._keys.current = current
    with pytest.raises(TokenRejected):
        verifier.verify_now(raw)
    verifier.close()


def test_static_keys_ask_nobody(shell, issuer):
    verifier = shell.make(issuer, keys=issuer.keys)
    assert shell.verify(verifier, issuer.token())
    assert reason(shell, verifier, stranger_token("x")) is R.UNKNOWN_KEY
    assert issuer.transport.asked == []


def test_hmac_works_with_static_keys_if_asked_for(shell, issuer):
    key = Key.generate("HS256")
    verifier = shell.make(issuer, keys=KeySet([key]), algorithms=["HS256"])
    assert shell.verify(verifier, issuer.token(key=key))
    assert reason(shell, verifier, issuer.token()) is R.ALGORITHM


# Revocation


def following(shell, issuer, **settings):
    verifier = shell.make(issuer, revocations=Revocations(**settings))
    assert shell.start(verifier).ready
    return verifier


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("token", "token-1"),
        ("session", "session-ada"),
        ("account", "ada"),
        ("client", "first-party"),
        ("tenant", "acme"),
        ("key", ...),
        ("everything", ""),
    ],
)
@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "new"])
def test_a_cut_off_on_any_axis_kills(shell, issuer, axis, value, seen):
    verifier = following(shell, issuer)
    raw = issuer.token(tenant="acme")
    if seen:
        shell.verify(verifier, raw)
    issuer.cut_off(axis, issuer.key.kid if value is ... else value)
    poll(verifier)
    assert reason(shell, verifier, raw) is R.REVOKED
    assert reason(shell, verifier, raw) is R.REVOKED
    if axis in {"account", "client", "tenant", "everything"}:
        assert shell.verify(verifier, issuer.token(tenant="acme")), "issued after the cut-off"


def test_a_spared_session_lives_on(shell, issuer):
    verifier = following(shell, issuer)
    mine, other = issuer.token(sid="mine"), issuer.token(sid="other")
    for raw in (mine, other):
        shell.verify(verifier, raw)
    issuer.cut_off("account", "ada", spares="mine")
    poll(verifier)
    assert shell.verify(verifier, mine)
    assert reason(shell, verifier, other) is R.REVOKED


def test_the_first_token_waits_for_the_first_view(shell, issuer):
    raw = issuer.token()
    issuer.revoke(raw)
    verifier = shell.make(issuer, revocations=Revocations())
    assert reason(shell, verifier, raw) is R.REVOKED
    assert shell.verify(verifier, issuer.token())


def test_a_view_never_had_refuses_with_another_error_than_a_bad_token(shell, issuer):
    del issuer.transport.answers[FEED]
    verifier = shell.make(issuer, revocations=Revocations())
    assert not shell.start(verifier).ready
    with pytest.raises(RevocationViewStale) as caught:
        shell.verify(verifier, issuer.token())
    assert caught.value.retry_after >= 1
    assert reason(shell, verifier, "rubbish") is R.MALFORMED


@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "new"])
def test_a_stale_view_refuses_at_the_bound_and_recovers(shell, issuer, clock, seen):
    verifier = following(shell, issuer, max_staleness=30)
    raw = issuer.token()
    if seen:
        shell.verify(verifier, raw)
    issuer.transport.down = True
    clock.advance(29.9)
    assert shell.verify(verifier, raw)
    clock.advance(0.1)
    for _ in range(2):
        with pytest.raises(RevocationViewStale):
            shell.verify(verifier, raw)
    assert not verifier.health().ready
    issuer.transport.down = False
    poll(verifier)
    assert shell.verify(verifier, raw)
    assert verifier.health().ready


def test_a_policy_to_accept_is_counted_and_logged_and_still_heeds_what_is_known(shell, issuer, clock, caplog):
    verifier = following(shell, issuer, max_staleness=30, when_stale="accept")
    raw, revoked = issuer.token(), issuer.token()
    issuer.revoke(revoked)
    poll(verifier)
    issuer.transport.down = True
    clock.advance(31)
    for _ in range(3):
        assert shell.verify(verifier, raw)
        assert reason(shell, verifier, revoked) is R.REVOKED
    assert verifier.health().accepted_while_stale == 3
    assert caplog.text.count("tokens are accepted although") == 1


def test_a_full_view_refuses(shell, issuer):
    verifier = following(shell, issuer, max_entries=2)
    raw = issuer.token()
    shell.verify(verifier, raw)
    for sid in ("a", "b", "c"):
        issuer.cut_off("session", sid)
    poll(verifier)
    with pytest.raises(RevocationViewStale):
        shell.verify(verifier, raw)
    assert verifier.health().revocations_full


@pytest.mark.parametrize("jump", [-3600, -120, -1, 1, 119, 121, 3600])
@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "new"])
def test_no_jump_of_the_wall_clock_lets_a_revoked_token_through_after_the_bound(shell, issuer, clock, jump, seen):
    verifier = following(shell, issuer)
    raw, witness = issuer.token(), issuer.token()
    shell.verify(verifier, witness)
    if seen:
        shell.verify(verifier, raw)
    issuer.transport.down = True
    issuer.revoke(raw)
    clock.jump(jump)
    clock.advance(120)
    with pytest.raises((TokenRejected, RevocationViewStale)):
        shell.verify(verifier, raw)


@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "new"])
def test_a_clock_set_back_does_not_revive_a_revoked_token_whose_cut_off_was_pruned(shell, issuer, clock, seen):
    verifier = following(shell, issuer)
    raw = issuer.token()
    if seen:
        shell.verify(verifier, raw)
    issuer.revoke(raw)
    poll(verifier)
    clock.advance(700)
    poll(verifier)
    assert verifier.health().revocations == 0
    shell.verify(verifier, issuer.token())
    clock.jump(-3600)
    poll(verifier)
    assert reason(shell, verifier, raw) is R.EXPIRED


def test_a_clock_set_back_leaves_new_tokens_good(shell, issuer, clock):
    verifier = following(shell, issuer)
    shell.verify(verifier, issuer.token())
    now = int(clock.now())
    clock.jump(-3600)
    poll(verifier)
    fresh = issuer.token(iat=now, exp=now + 600)
    assert shell.verify(verifier, fresh)


def test_a_view_renewed_during_the_look_up_does_not_vouch_for_it(shell, issuer):
    """Whoever looks first and asks for the age after it accepts a token that the view in hand already holds."""
    verifier = shell.make(issuer, keys=issuer.keys, revocations=Revocations())
    raw = issuer.token()
    issuer.revoke(raw)
    look = verifier._view.kills

    def renewed_meanwhile(token):
        found = look(token)
        verifier._feed.step()
        return found

    verifier._view.kills = renewed_meanwhile
    verifier._feed.polled = True
    with pytest.raises((RevocationViewStale, TokenRejected)):
        verifier.verify_now(raw)


def test_a_view_renewed_between_clock_and_version_does_not_vouch_for_a_token_seen_before(shell, issuer, clock):
    verifier = following(shell, issuer)
    raw = issuer.token()
    shell.verify(verifier, raw)
    issuer.revoke(raw)
    clock.advance(130)

    def read_then_renewed():
        reading = clock.monotonic()
        verifier._feed.step()
        return reading

    verifier._monotonic = read_then_renewed
    with pytest.raises((RevocationViewStale, TokenRejected)):
        verifier.verify_now(raw)


def test_the_feed_lies_at_the_issuer_unless_told_otherwise(shell, issuer):
    issuer.transport.answers["https://feed.test/r"] = issuer.transport.answers.pop(FEED)
    verifier = shell.make(issuer, revocations=Revocations(url="https://feed.test/r"))
    assert shell.start(verifier).ready
    assert shell.start(shell.make(issuer, revocations=Revocations())).revocations_error == "feed answered 404"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork_the_child_follows_the_feed_anew(issuer):
    verifier = SyncVerifier(
        issuer.issuer, "api", transport=issuer.transport, clock=issuer.clock, revocations=Revocations(max_staleness=2)
    )
    verifier.start()
    raw = issuer.token()
    verifier.verify(raw)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 2
            assert verifier.verify_now(raw), "the view is as old as it was, not older"
            code = 3
            assert {thread.name for thread in threading.enumerate()} >= {"watchword-revocations"}
            poll(verifier)
            issuer.revoke(raw)
            poll(verifier)
            try:
                verifier.verify(raw)
            except TokenRejected:
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert verifier.verify(raw)
    verifier.close()


# Beginning and end


def test_health_tells_all(shell, issuer, clock):
    verifier = shell.make(issuer, revocations=Revocations())
    before = verifier.health()
    assert (before.ready, before.keys, before.revocations) == (False, 0, 0)
    issuer.cut_off("session", "x")
    health = shell.start(verifier)
    assert (health.ready, health.keys, health.revocations, health.keys_error) == (True, 1, 1, None)
    clock.advance(7)
    assert verifier.health().keys_age >= 0


def test_nothing_runs_before_it_is_needed(issuer):
    before = threading.active_count()
    verifier = Verifier(issuer.issuer, "api", transport=issuer.transport, revocations=Revocations())
    assert threading.active_count() == before
    assert issuer.transport.asked == []
    assert not verifier.health().ready


def test_after_the_end_the_view_grows_old(issuer, clock):
    with SyncVerifier(
        issuer.issuer, "api", transport=issuer.transport, clock=clock, revocations=Revocations()
    ) as verifier:
        assert verifier.verify(issuer.token())
    clock.advance(120)
    with pytest.raises(RevocationViewStale):
        verifier.verify(issuer.token())
    assert not verifier.health().ready


def test_two_verifiers_of_one_issuer_do_not_share_what_they_accepted(issuer):
    api, reports = issuer.verifier("api"), issuer.verifier("reports")
    raw = issuer.token()
    assert api.verify_now(raw)
    with pytest.raises(TokenRejected) as caught:
        reports.verify_now(raw)
    assert caught.value.reason is R.AUDIENCE
