"""Following the feed: faults of every kind change nothing, and never stop it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import KeySet, Revocations, TransportError
from watchword.testing import FakeIssuer, FakeTransport, json_response
from watchword.transport import Response
from watchword.verify.feed import Feed, FeedError, parse_batch

URL = "https://issuer.test/revocations"


def follow(transport, clock, **settings):
    """What is in the pages, whoever signed them: for that see test_lease."""
    return Feed(
        Revocations(**{"signed": False, "push": False, **settings}),
        issuer="https://issuer.test",
        url=URL,
        transport=transport,
        clock=clock,
        leeway=10,
    )


@pytest.fixture
def feed(issuer, clock):
    return follow(issuer.transport, clock)


def entry(**members):
    return {"position": 1, "axis": "session", "value": "s1", "spares": None, "floor": 0, "expires_in": 612, **members}


def page(**members):
    return {"cursor": "e.1.c", "entries": [entry()], "more": False, "snapshot": True, **members}


def test_the_first_poll_takes_the_whole_log_and_later_ones_what_is_new(feed, issuer):
    issuer.cut_off("session", "s1")
    feed.step()
    issuer.cut_off("account", "ada")
    feed.step()
    assert len(feed.view) == 2
    asked = [request.url.partition("?")[2] for request in issuer.transport.asked]
    assert asked == ["limit=1000", "cursor=fake.1.0&limit=1000"]


def test_all_pages_are_drained_in_one_poll_and_the_view_is_dated_from_the_last_question(feed, issuer, clock):
    for number in range(2500):
        issuer.cut_off("session", f"s{number}")
    plain = issuer.transport.answers[URL]

    def slow(request):
        clock.advance(10)
        return plain(request)

    issuer.transport.answers[URL] = slow
    feed.step()
    assert len(feed.view) == 2500
    assert len(issuer.transport.asked) == 3
    assert feed.freshness.age() == 10


def test_the_view_is_not_confirmed_before_the_last_page(feed, issuer):
    for number in range(1500):
        issuer.cut_off("session", f"s{number}")
    plain = issuer.transport.answers[URL]

    def cut_short(request):
        if "cursor" in request.url:
            raise TransportError("gone")
        return plain(request)

    issuer.transport.answers[URL] = cut_short
    feed.step()
    assert len(feed.view) == 1000, "what was learnt is used at once"
    assert not feed.freshness.known
    issuer.transport.answers[URL] = plain
    feed.step()
    assert len(feed.view) == 1500
    assert feed.freshness.known


def test_the_credential_goes_with_every_question_and_stays_out_of_sight(issuer, clock):
    issuer.feed_token = "feed-secret"
    feed = follow(issuer.transport, clock, token="feed-secret")
    feed.step()
    assert feed.error is None
    assert "feed-secret" not in repr(feed.settings)
    assert "feed-secret" not in repr(issuer.transport.asked)
    refused = follow(issuer.transport, clock, token="wrong-secret")
    refused.step()
    assert refused.error == "feed answered 401"
    assert not refused.freshness.known


def test_polls_are_at_most_an_interval_apart_and_spread(feed):
    delays = {feed.step() for _ in range(50)}
    assert all(0.5 <= delay <= 1.0 for delay in delays)
    assert len(delays) > 10


FAULTS = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "binary": bytes(range(256)),
    "cut short": json.dumps(page()).encode()[:-10],
    "nested": b"[" * 100_000,
    "nested object": b'{"x":' * 100_000,
    "no cursor": json.dumps({"entries": [], "more": False}).encode(),
    "no entries": json.dumps({"cursor": "e.1.c", "more": False}).encode(),
    "no more": json.dumps({"cursor": "e.1.c", "entries": []}).encode(),
}
FAULTS |= {
    f"page {name}": json.dumps(page(**members)).encode()
    for name, members in {
        "cursor is a number": {"cursor": 1},
        "cursor is empty": {"cursor": ""},
        "cursor splits a header": {"cursor": "a\r\nX: y"},
        "cursor is huge": {"cursor": "a" * 513},
        "entries is an object": {"entries": {}},
        "entries hold null": {"entries": [entry(), None]},
        "more is a text": {"more": "false"},
        "snapshot is null": {"snapshot": None},
        "more without end": {"more": True},
    }.items()
}
FAULTS |= {
    f"entry {name}": json.dumps(page(entries=[entry(value="fine"), entry(**members)])).encode()
    for name, members in {
        "axis is unknown": {"axis": "planet"},
        "axis is missing": {"axis": None},
        "position is a text": {"position": "1"},
        "position is negative": {"position": -1},
        "position is a fraction": {"position": 1.5},
        "position is huge": {"position": 2**63},
        "position is true": {"position": True},
        "value is a number": {"value": 1},
        "value is huge": {"value": "x" * 2000},
        "end is a text": {"expires_in": "612"},
        "end is negative": {"expires_in": -1},
        "end is never": {"expires_in": 1e300},
        "floor is null": {"floor": None},
        "spares is a list": {"spares": ["s1"]},
    }.items()
}


@pytest.mark.parametrize("raw", FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_answer_changes_nothing_renews_nothing_and_the_next_good_one_counts(raw, issuer, clock):
    feed = follow(issuer.transport, clock)
    issuer.cut_off("account", "ada")
    feed.step()
    version, age_before = feed.view.version, feed.freshness.age()
    good, issuer.transport.answers[URL] = issuer.transport.answers[URL], lambda _: Response(200, {}, raw)
    clock.advance(1)
    assert 0 < feed.step() <= 1
    assert feed.error
    assert feed.freshness.age() == age_before + 1
    if b'"more": true' not in raw:
        assert feed.view.version == version
    issuer.transport.answers[URL] = good
    issuer.cut_off("session", "s9")
    clock.advance(1)
    feed.step()
    assert feed.error is None
    assert feed.freshness.age() == 0


@pytest.mark.parametrize("status", [201, 204, 301, 302, 304, 400, 401, 403, 404, 429, 500, 503])
def test_any_other_status_is_no_answer_redirects_included(status, clock):
    transport = FakeTransport({URL: lambda _: json_response(page(), status=status)})
    feed = follow(transport, clock)
    feed.step()
    assert len(feed.view) == 0
    assert not feed.freshness.known
    assert len(transport.asked) == 1


def test_an_unreachable_feed_is_asked_again_and_again(issuer, clock):
    feed = follow(issuer.transport, clock)
    feed.step()
    issuer.transport.down = True
    for longest in (1, 2, 4, 8, 10):
        clock.advance(30)
        assert longest / 2 <= feed.step() <= longest, "ever more rarely, but within a quarter of the bound"
    assert feed.freshness.age() == 150
    assert not feed.freshness.fresh()
    issuer.transport.down = False
    feed.step()
    assert feed.freshness.age() == 0


def test_a_feed_that_no_longer_understands_the_cursor_is_read_from_the_start(issuer, clock):
    feed = follow(issuer.transport, clock)
    issuer.cut_off("session", "s1")
    feed.step()
    plain = issuer.transport.answers[URL]
    issuer.transport.answers[URL] = lambda request: (
        json_response({}, status=400) if "cursor" in request.url else plain(request)
    )
    issuer.cut_off("session", "s2")
    feed.step()
    assert feed.error == "feed answered 400"
    feed.step()
    assert feed.error is None
    assert len(feed.view) == 2


def test_a_snapshot_is_merged_and_takes_nothing_back(issuer, clock):
    feed = follow(issuer.transport, clock)
    issuer.cut_off("session", "before")
    feed.step()
    restored = FakeIssuer(clock=clock)
    restored.cut_off("session", "after")
    issuer.transport.answers[URL] = lambda request: restored.transport.answers[URL](
        type(request)(request.url.replace("cursor=fake", "cursor=other"))
    )
    feed.step()
    assert len(feed.view) == 2
    assert feed.freshness.age() == 0


def test_a_feed_that_promises_more_forever_is_left_for_a_while(clock):
    count = iter(range(10**9))

    def endless(_request):
        return json_response(page(cursor=f"e.{next(count)}.c", more=True, entries=[]))

    feed = follow(FakeTransport({URL: endless}), clock)
    feed.step()
    assert feed.error == "feed does not come to an end"
    assert not feed.freshness.known


def test_a_full_view_keeps_its_place_in_the_log_and_goes_on_when_there_is_room(issuer, clock):
    feed = follow(issuer.transport, clock, max_entries=2)
    for sid in ("a", "b", "c"):
        issuer.cut_off("session", sid)
    feed.step()
    assert feed.view.full
    assert feed.error == "view of revocations is full"
    assert not feed.freshness.known
    clock.advance(700)
    issuer.cut_off("session", "d")
    feed.step()
    assert not feed.view.full
    assert feed.error is None
    assert feed.freshness.known
    assert issuer.transport.asked[-1].url.endswith("?limit=1000"), "nothing was skipped"


@pytest.mark.parametrize(
    "settings",
    [
        {"poll_interval": 0},
        {"poll_interval": 100},
        {"max_staleness": 1},
        {"max_staleness": 0.01, "poll_interval": 0.001},
        {"max_staleness": float("inf")},
        {"max_staleness": float("nan")},
        {"when_stale": "ignore"},
        {"signed": False, "keys_uri": "https://issuer.test/keys"},
        {"keys": KeySet(), "keys_uri": "https://issuer.test/keys"},
        {"max_entries": 0},
        {"timeout": 0},
    ],
)
def test_settings_that_cannot_keep_the_promise_are_refused(settings):
    with pytest.raises(ValueError):
        Revocations(**settings)


@given(st.binary(max_size=300))
def test_bytes_give_a_batch_or_a_feed_error(raw):
    with pytest.raises(FeedError):
        parse_batch(raw)


def test_a_credential_that_is_renewed_is_asked_for_before_every_question(issuer, clock):
    issuer.feed_token = "first"
    given = ["first"]
    feed = follow(issuer.transport, clock, token=lambda: given[0])
    feed.step()
    assert feed.error is None
    issuer.feed_token = "second"
    feed.step()
    assert feed.error == "feed answered 401"
    given[0] = "second"
    feed.step()
    assert feed.error is None


def test_a_credential_may_come_from_a_coroutine(issuer, clock):
    issuer.feed_token = "awaited"

    async def provide():
        return "awaited"

    feed = follow(issuer.transport, clock, token=provide)
    feed.step()
    assert feed.error is None


@pytest.mark.parametrize(
    "given", ["", "two words", "line\r\nX-Other: 1", "ünïcode", "x" * 8193, None, b"bytes", 7, RuntimeError("s3cret")]
)
def test_no_question_leaves_without_a_sound_credential_and_none_is_told(issuer, clock, given):
    def provide():
        if isinstance(given, Exception):
            raise given
        return given

    feed = follow(issuer.transport, clock, token=provide)
    feed.step()
    assert issuer.transport.asked == []
    assert (
        feed.error == f"no credential for the feed: {'RuntimeError' if isinstance(given, Exception) else 'ValueError'}"
    )
    assert not feed.freshness.known


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Other: 1"])
def test_a_fixed_credential_that_no_header_can_hold_is_refused_without_being_told(token):
    with pytest.raises(ValueError, match="visible characters") as refused:
        Revocations(token=token)
    assert token == "" or token not in str(refused.value)


@pytest.mark.parametrize("token", [b"bytes", 7, ["list"]])
def test_a_credential_is_text_or_a_function(token):
    with pytest.raises(ValueError, match="token is text, or a function"):
        Revocations(token=token)


class Revocable:
    jti, sid, sub, client_id, kid, rev = "j", "s9", "ada", "web", "k", 0

    def __init__(self, tenant):
        self.tenant = tenant


def test_a_view_of_one_tenant_lets_in_no_other_tenant_s_tokens(clock):
    pages = [page(tenant="acme")]
    feed = follow(FakeTransport({URL: lambda _: json_response(pages.pop(0))}), clock)
    version = feed.view.version
    feed.step()
    assert feed.freshness.known
    assert feed.view.version > version, "tokens seen before are looked up again"
    assert feed.view.kills(Revocable("acme")) is None
    assert feed.view.kills(Revocable("other")) == "tenant"
    assert feed.view.kills(Revocable(None)) == "tenant"


def test_a_view_that_becomes_another_tenant_s_is_read_from_the_start_before_it_is_relied_upon(clock):
    answers = [
        page(tenant="acme"),
        page(cursor="e.2.c", entries=[], snapshot=False),  # of every tenant, from where acme's part was read to
        page(cursor="e.2.c", entries=[entry(), entry(position=2, value="s9")], more=True),
        page(cursor="e.3.c", entries=[], snapshot=False),
    ]
    asked = []

    def answer(request):
        asked.append("cursor" in request.url)
        if len(asked) == 4:
            assert feed.view.tenant == "acme", "the wider view is whole only after its last page"
            clock.advance(5)
        return json_response(answers.pop(0))

    feed = follow(FakeTransport({URL: answer}), clock)
    feed.step()
    clock.advance(5)
    feed.step()
    assert asked == [False, True, False, True]
    assert feed.view.tenant is None
    assert feed.freshness.age() == 5
    assert feed.view.kills(Revocable("other")) == "session"


@pytest.mark.parametrize("tenant", ["", 7, "x" * 1025])
def test_a_page_for_no_tenant_that_could_be_is_refused(clock, tenant):
    feed = follow(FakeTransport({URL: lambda _: json_response(page(tenant=tenant))}), clock)
    feed.step()
    assert feed.error == "answer is not a page of cut-offs"


def test_who_watches_over_a_token_hears_when_the_view_becomes_another_tenant_s(clock):
    feed = follow(FakeTransport({URL: lambda _: json_response(page(tenant="acme"))}), clock)
    heard = []
    feed.view.listen(heard.append)
    feed.step()
    assert any(one.axis == "everything" for told in heard for one in told)
