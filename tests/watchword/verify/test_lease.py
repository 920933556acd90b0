"""The lease: what renews it, from when it counts, and everything that must not renew it."""

import itertools
import re
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import Key, KeySet, Revocations, TransportError
from watchword.testing import FakeClock, FakeIssuer, json_response
from watchword.transport import Response
from watchword.verify import pace
from watchword.verify.feed import Feed
from watchword.verify.keys import RemoteKeys, StaticKeys

URL = "https://issuer.test/revocations"


def follow(issuer, *, keys=None, token_keys=lambda: None, **settings):
    return Feed(
        Revocations(**settings),
        issuer=issuer.issuer,
        url=URL,
        transport=issuer.transport,
        clock=issuer.clock,
        leeway=10,
        keys=StaticKeys(issuer.feed_keys) if keys is None else keys,
        token_keys=token_keys,
    )


@pytest.fixture
def feed(issuer):
    return follow(issuer)


def questions(issuer):
    return [parse_qs(urlsplit(request.url).query) for request in issuer.transport.asked if request.url.startswith(URL)]


def between(issuer, what):
    """Put someone between verifier and feed: ``what(request, feed)`` answers in its place."""
    plain = issuer.transport.answers[URL]
    issuer.transport.answers[URL] = lambda request: what(request, plain)
    return plain


def with_parameter(request, name, value):
    query = re.sub(rf"&?{name}=[^&]*", "", request.url.partition("?")[2])
    extra = "" if value is None else f"&{name}={value}"
    return type(request)(f"{URL}?{query}{extra}", headers=request.headers)


# What renews


def test_an_answer_to_our_own_question_renews_from_when_the_question_left(feed, issuer, clock):
    between(issuer, lambda request, plain: (clock.advance(3), plain(request))[1])
    feed.step()
    assert feed.error is None
    assert feed.freshness.age() == 3
    assert feed.renewals == 1


def test_every_question_has_a_nonce_of_128_bits_of_its_own(feed, issuer):
    for _ in range(20):
        feed.step()
    nonces = [question["nonce"][0] for question in questions(issuer)]
    assert len(set(nonces)) == len(nonces) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce) for nonce in nonces)


def test_only_the_last_page_renews(feed, issuer, clock):
    for number in range(2500):
        issuer.cut_off("session", f"s{number}")
    between(issuer, lambda request, plain: (clock.advance(10), plain(request))[1])
    feed.step()
    assert len(feed.view) == 2500
    assert feed.freshness.age() == 10
    assert feed.renewals == 1


# What does not


def test_a_server_that_does_not_sign_renews_nothing_and_is_named(feed, issuer):
    issuer.cut_off("session", "s1")
    between(issuer, lambda request, plain: plain(with_parameter(request, "nonce", None)))
    feed.step()
    assert not feed.freshness.known
    assert len(feed.view) == 0
    assert "does not sign" in feed.error
    assert feed.forged == 1


def test_signed_false_believes_a_server_that_does_not_sign(issuer):
    feed = follow(issuer, signed=False)
    issuer.cut_off("session", "s1")
    feed.step()
    assert feed.freshness.known
    assert len(feed.view) == 1
    assert "nonce" not in questions(issuer)[0]
    assert feed.mode == "poll"


def test_a_replayed_answer_renews_nothing_and_brings_nothing(feed, issuer, clock):
    recorded = []
    plain = between(issuer, lambda request, plain: recorded.append(plain(request)) or recorded[-1])
    feed.step()
    issuer.cut_off("session", "s1")
    feed.step()
    clock.advance(5)
    for old in recorded:
        issuer.transport.answers[URL] = lambda _request, old=old: old
        feed.step()
        assert feed.freshness.age() == 5
        assert "another question" in feed.error
    assert feed.forged == 2
    issuer.transport.answers[URL] = plain
    feed.step()
    assert (feed.error, feed.freshness.age()) == (None, 0)


def test_answers_that_come_in_another_order_renew_nothing(issuer, clock):
    ours, theirs = follow(issuer), follow(issuer)
    crossed = []
    plain = between(issuer, lambda request, plain: crossed.append(plain(request)) or json_response({}, status=503))
    ours.step()
    theirs.step()
    issuer.transport.answers[URL] = lambda _: crossed.pop()
    ours.step()
    theirs.step()
    assert not ours.freshness.known
    assert not theirs.freshness.known
    issuer.transport.answers[URL] = plain


def test_a_cursor_moved_on_the_way_skips_nothing(feed, issuer, clock):
    issuer.cut_off("session", "before")
    feed.step()
    issuer.cut_off("session", "hidden")
    between(issuer, lambda request, plain: plain(with_parameter(request, "cursor", "fake.2.0")))
    clock.advance(1)
    feed.step()
    assert feed.freshness.age() == 1, "the answer is signed, and to our nonce, but to another cursor"
    assert "another cursor" in feed.error


def test_an_answer_slower_than_the_bound_is_worth_nothing(feed, issuer, clock):
    between(issuer, lambda request, plain: (plain(request), clock.advance(121))[0])
    feed.step()
    assert feed.freshness.age() == 121
    assert not feed.freshness.fresh()


def test_forged_entries_are_not_merged_either(feed, issuer):
    stranger = FakeIssuer(clock=issuer.clock)
    stranger.cut_off("everything")
    between(issuer, lambda request, _plain: stranger.transport.answers[URL](request))
    feed.step()
    assert len(feed.view) == 0
    assert feed.forged == 1
    assert not feed.freshness.known


def test_a_key_of_access_tokens_does_not_sign_the_feed_even_if_it_is_published_as_such(issuer):
    issuer.feed_key, issuer.feed_keys = issuer.key, issuer.keys
    feed = follow(issuer, token_keys=lambda: issuer.keys)
    feed.step()
    assert not feed.freshness.known
    assert "key of access tokens" in feed.error


def test_without_the_feed_s_keys_nothing_renews(issuer):
    del issuer.transport.answers[f"{URL}/keys"]
    keys = RemoteKeys(
        issuer.issuer, transport=issuer.transport, clock=issuer.clock, jwks_uri=f"{URL}/keys", name="feed-keys"
    )
    feed = follow(issuer, keys=keys)
    feed.step()
    assert not feed.freshness.known
    assert feed.error
    feed.close()


def test_a_new_key_of_the_feed_is_fetched_when_it_signs(issuer, clock):
    keys = RemoteKeys(
        issuer.issuer,
        transport=issuer.transport,
        clock=clock,
        uri_of=lambda metadata: metadata.watchword_revocations_keys_uri,
    )
    feed = follow(issuer, keys=keys)
    feed.step()
    assert feed.error is None
    issuer.feed_key = Key.generate("ES256")
    issuer.feed_keys = KeySet([*issuer.feed_keys, issuer.feed_key])
    clock.advance(10)
    feed.step()
    assert (feed.error, feed.freshness.age(), feed.forged) == (None, 0, 0)
    feed.close()


def test_the_first_thing_an_answer_needs_is_a_good_status(feed, issuer):
    between(
        issuer,
        lambda request, plain: Response(203, plain(request).headers, plain(request).body),
    )
    feed.step()
    assert not feed.freshness.known


def test_a_new_epoch_is_merged_and_a_cursor_of_another_log_gets_all(feed, issuer, clock):
    issuer.cut_off("session", "before the restore")
    feed.step()
    feed._cursor = "fake.999.0"  # from the future: the log is younger than we are
    restored = FakeIssuer(clock=clock)
    restored.feed_key = issuer.feed_key
    restored.cut_off("everything")
    restored.transport.answers[URL].__self__._page = lambda cursor, limit: {
        **FakeIssuer._page(restored, None, limit),
        "cursor": "other.1.0",
    }
    issuer.transport.answers[URL] = restored.transport.answers[URL]
    feed.step()
    assert feed.error is None
    assert len(feed.view) == 2
    assert questions(issuer)[-1]["cursor"] == ["fake.999.0"]
    feed.step()
    assert questions(issuer)[-1]["cursor"] == ["other.1.0"]


# Clocks


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_jump_of_the_wall_clock_while_the_question_is_away_never_makes_the_view_younger(feed, issuer, clock, jump):
    between(issuer, lambda request, plain: (clock.advance(2), clock.jump(jump), plain(request))[2])
    feed.step()
    assert feed.freshness.age() >= 2
    clock.advance(118)
    assert not feed.freshness.fresh()


class SleepyClock(FakeClock):
    """A machine that sleeps: the wall clock goes on; the monotonic one only where it counts the sleep, as BOOTTIME."""

    def __init__(self, *, counts_sleep):
        super().__init__()
        self._counts_sleep = counts_sleep

    def sleep(self, seconds):
        if self._counts_sleep:
            self.advance(seconds)
        else:
            self.jump(seconds)


@pytest.mark.parametrize("counts_sleep", [True, False], ids=["BOOTTIME", "MONOTONIC"])
@pytest.mark.parametrize("when", ["before the answer", "after it"])
def test_a_machine_that_slept_does_not_wake_with_a_fresh_view(counts_sleep, when):
    clock = SleepyClock(counts_sleep=counts_sleep)
    issuer = FakeIssuer(clock=clock)
    feed = follow(issuer)
    if when == "before the answer":
        between(issuer, lambda request, plain: (plain(request), clock.sleep(600))[0])
    feed.step()
    if when == "after it":
        clock.sleep(600)
    assert feed.freshness.age() == 600
    assert not feed.freshness.fresh()


# How often


@given(
    bound=st.floats(0.2, 3600),
    round_trip=st.floats(0, 2),
    chance=st.floats(0, 1),
    poll_interval=st.floats(0.01, 100),
    failures=st.integers(1, 10_000),
)
def test_renewals_leave_half_the_bound_to_spare(bound, round_trip, chance, poll_interval, failures):
    if round_trip < 0.3 * bound:
        for wait in (
            pace.renewal(bound, round_trip, chance),
            pace.hold(bound, round_trip),
            pace.interval(poll_interval, bound, round_trip, chance),
        ):
            assert wait + round_trip <= max(bound / 2, pace.LEAST_GAP + round_trip)
    assert 0 < pace.retry(poll_interval, bound, failures, chance) <= max(bound / 4, pace.LEAST_GAP)
    assert 0 <= pace.reconnect(failures, 0, chance) <= 30


def test_readers_who_lost_their_server_together_come_back_apart():
    delays = sorted(pace.reconnect(0, 0, number / 999) for number in range(1000))
    assert delays[-1] <= 1
    gaps = [after - before for before, after in itertools.pairwise(delays)]
    assert max(gaps) < 0.01


def test_someone_who_relies_on_a_fresher_view_has_it_renewed_oftener(feed):
    assert 0.5 <= feed.step() <= 1
    assert feed.keep_within(0.5)
    assert not feed.keep_within(5), "it is often enough already"
    assert feed.step() <= 0.25
    with pytest.raises(ValueError):
        feed.keep_within(0)


# Questions that are held


def holding(issuer, clock, *, news=None):
    """A feed that holds questions: time passes until there is news, or the wait is over."""

    def answer(request, plain):
        seconds = float(parse_qs(urlsplit(request.url).query).get("wait", ["0"])[0])
        if seconds and news:
            clock.advance(seconds / 4)
            issuer.cut_off("session", news.pop())
        elif seconds:
            clock.advance(seconds)
        return plain(request)

    between(issuer, answer)


def test_without_a_stream_questions_are_held_and_answered_with_the_news(feed, issuer, clock):
    news = ["s1"]
    holding(issuer, clock, news=news)
    feed.step()
    assert feed.mode == "long-poll"
    assert "wait" not in questions(issuer)[0], "first the view, then news of it"
    assert feed.step() < 0.1
    assert 0 < float(questions(issuer)[-1]["wait"][0]) <= 25
    assert len(feed.view) == 1
    feed.step()
    assert feed.freshness.age() <= 25, "dated from when the question left, hold included"


@pytest.mark.parametrize("bound", [0.5, 2, 5, 30, 120])
def test_no_question_is_held_longer_than_half_the_bound(issuer, clock, bound):
    holding(issuer, clock)
    feed = follow(issuer, max_staleness=bound, poll_interval=min(1, bound / 2))
    for _ in range(5):
        feed.step()
        assert feed.freshness.age() <= bound / 2


def test_a_proxy_that_cuts_held_questions_off_gets_plain_ones(feed, issuer):
    between(
        issuer,
        lambda request, plain: json_response({}, status=504) if "wait=" in request.url else plain(request),
    )
    for _ in range(6):
        feed.step()
    assert feed.mode == "poll"
    assert sum("wait" in question for question in questions(issuer)) == 2
    assert feed.error is None


def test_a_server_that_does_not_hold_is_not_asked_in_a_circle(feed):
    delays = [feed.step() for _ in range(5)]
    assert min(delays) >= 0.5
    assert feed.mode == "poll"


def test_after_a_failure_no_question_is_held_until_one_was_answered(feed, issuer, clock):
    holding(issuer, clock)
    feed.step()
    feed.step()
    issuer.transport.down = True
    feed.step()
    feed.step()
    assert "wait" not in questions(issuer)[-1]


def test_a_fork_in_the_middle_of_a_merge_leaves_a_child_that_looks_again(feed, issuer):
    view = feed.view
    version = view.version
    with view._writing:
        view.after_fork()
    assert view.version > version
    done = threading.Event()
    threading.Thread(target=lambda: (feed.step(), done.set())).start()
    assert done.wait(60), "the lock another thread held is forgotten"


def test_an_unreachable_feed_is_no_forgery(feed, issuer):
    def down(_request, _plain):
        raise TransportError("gone")

    between(issuer, down)
    feed.step()
    assert (feed.forged, feed.error) == (0, "gone")
