"""What is pushed: merged at once, believed only if signed, never a renewal; and what happens when it fails."""

import gc
import queue
import threading
import weakref

import msgspec
import pytest
from watchword import Key, Revocations, SyncVerifier, TransportError
from watchword.jose.jws import Signer
from watchword.testing import FakeClock, FakeIssuer
from watchword.verify.answer import TYP
from watchword.verify.event_stream import ALIVE, Event, EventTooLong, events
from watchword.verify.feed import Feed
from watchword.verify.keys import StaticKeys
from watchword.verify.push import HOPEFUL_FAILURES

URL = "https://issuer.test/revocations"
SOON = 60
END = object()


class FakeStream:
    """A stream that says what is put into it."""

    def __init__(self, status=200, headers=None, lines=()):
        self.status = status
        self.headers = {"content-type": "text/event-stream; charset=utf-8"} if headers is None else headers
        self._lines = queue.Queue()
        self.closed = False
        self.say(*lines)

    def say(self, *lines):
        for line in lines:
            self._lines.put(line)

    def lines(self):
        while (line := self._lines.get(timeout=SOON)) is not END:
            if isinstance(line, Exception):
                raise line
            yield line

    def interrupt(self):
        self.say(END)

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Streaming:
    """The fake issuer's transport, with streams handed out in turn."""

    def __init__(self, plain):
        self._plain = plain
        self.streams = []
        self.opened = []

    def fetch(self, request):
        return self._plain.fetch(request)

    def stream(self, request, *, idle):
        self.opened.append((request, idle))
        if not self.streams:
            raise TransportError("no stream to be had")
        return self.streams.pop(0)


@pytest.fixture
def issuer():
    return FakeIssuer(clock=FakeClock())


@pytest.fixture
def feed(issuer):
    feed = Feed(
        Revocations(token="feed-secret"),
        issuer=issuer.issuer,
        url=URL,
        transport=Streaming(issuer.transport),
        clock=issuer.clock,
        leeway=0,
        keys=StaticKeys(issuer.feed_keys),
    )
    feed.push.background.stop()  # streams are opened by the tests
    feed.step()
    yield feed
    feed.close()


def batch(issuer, *values, since="fake.0.0", cursor="fake.1.0", key=None, **members):
    entries = [
        {"position": number + 1, "axis": "session", "value": value, "expires_in": 600}
        for number, value in enumerate(values)
    ]
    payload = {"iss": issuer.issuer, "from": since, "cursor": cursor, "entries": entries, **members}
    signed = Signer(issuer.feed_key if key is None else key, typ=TYP).sign(msgspec.json.encode(payload))
    return [b"event: cut-offs", b"id: " + cursor.encode(), b"data: " + signed.encode(), b""]


def test_what_is_pushed_is_merged_and_renews_nothing(feed, issuer):
    issuer.clock.advance(7)
    feed.push.follow("fake.0.0", lambda: None)
    feed.push._transport.streams = [FakeStream(lines=[b": alive", b"", *batch(issuer, "s1"), END])]
    feed.push.step()
    assert len(feed.view) == 1
    assert feed.freshness.age() == 7
    assert (feed.push.batches, feed.push.failures, feed.push.error) == (1, 0, None)
    request, idle = feed.push._transport.opened[0]
    assert request.url == f"{URL}?cursor=fake.0.0"
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Authorization"] == "Bearer feed-secret"
    assert 15 < idle < 60


def test_a_stream_counts_as_one_only_once_something_came_through(feed):
    stream = FakeStream()
    feed.push._transport.streams = [stream]
    reading = threading.Thread(target=feed.push.step)
    reading.start()
    while feed.push._stream is None:
        pass
    assert feed.mode == "poll"
    stream.say(b": alive")
    while not feed.push.delivering:
        pass
    assert feed.mode == "push"
    feed.close()
    reading.join(SOON)
    assert not reading.is_alive()
    assert stream.closed
    assert feed.mode != "push"


BAD = {
    "unsigned": [b"event: cut-offs", b'data: {"iss":"https://issuer.test","cursor":"x","entries":[]}', b""],
    "signed by a stranger": "stranger",
    "of another issuer": "issuer",
    "of an unknown axis": "axis",
}


@pytest.mark.parametrize("lines", BAD.values(), ids=BAD.keys())
def test_a_bad_batch_changes_nothing_and_ends_the_stream(feed, issuer, lines):
    if lines == "stranger":
        lines = batch(issuer, "s1", key=Key.generate("ES256"))
    elif lines == "issuer":
        lines = batch(issuer, "s1", iss="https://evil.test")
    elif lines == "axis":
        lines = batch(issuer, entries=[{"position": 1, "axis": "planet", "value": "x", "expires_in": 1}])
    stream = FakeStream(lines=[*lines, *batch(issuer, "s2")])
    feed.push._transport.streams = [stream]
    feed.push.step()
    assert len(feed.view) == 0
    assert stream.closed
    assert feed.push.error
    assert feed.push.failures == 1


def test_a_gap_has_the_feed_asked(feed, issuer):
    polls = []
    feed.push.follow("fake.0.0", lambda: polls.append(True))
    lines = [*batch(issuer, "s1"), *batch(issuer, "s3", since="fake.2.0", cursor="fake.3.0")]
    feed.push._transport.streams = [FakeStream(lines=[*lines, TransportError("reset")])]
    feed.push.step()
    assert len(feed.view) == 2, "what is true is merged, gap or not"
    assert len(polls) == 2, "for the gap, and for what was made since the stream ended"


def test_a_resync_ends_the_stream_and_has_the_feed_asked(feed, issuer):
    polls = []
    feed.push.follow("fake.0.0", lambda: polls.append(True))
    stream = FakeStream(lines=[b"event: resync", b"data: {}", b"", *batch(issuer, "s1")])
    feed.push._transport.streams = [stream]
    feed.push.step()
    assert polls == [True]
    assert stream.closed
    assert len(feed.view) == 0


REFUSALS = {
    "401": FakeStream(status=401),
    "a redirect": FakeStream(status=302),
    "JSON": FakeStream(headers={"content-type": "application/json"}),
    "no type": FakeStream(headers={}),
}


@pytest.mark.parametrize("stream", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_no_stream_is_not_read(feed, stream):
    feed.push._transport.streams = [stream]
    feed.push.step()
    assert feed.push.error
    assert stream.closed


def test_a_server_that_is_full_is_left_alone_as_long_as_it_asks_and_not_for_ever(feed):
    for said, least, most in (("7", 7, 8), ("1000000", 60, 90), ("-5", 0, 30), ("soon", 0, 30)):
        feed.push._transport.streams = [FakeStream(status=503, headers={"retry-after": said})]
        feed.push.failures = 0
        assert least <= feed.push.step() <= most


def test_after_a_few_failures_questions_are_held_instead_and_streams_tried_ever_more_rarely(feed):
    for _ in range(HOPEFUL_FAILURES):
        assert feed.mode == "poll"
        assert feed.push.step() <= 4
    assert feed.mode == "long-poll"
    assert feed.push.step() <= 30


def test_a_stream_that_owes_what_a_question_brought_is_given_up(feed, issuer):
    stream = FakeStream(lines=[b": alive"])
    feed.push._transport.streams = [stream]
    reading = threading.Thread(target=feed.push.step)
    reading.start()
    while not feed.push.delivering:
        pass
    issuer.cut_off("session", "s1")
    assert feed.step() <= 2, "it is looked after soon"
    assert feed.push.delivering, "a moment is granted"
    issuer.clock.advance(2)
    feed.step()
    reading.join(SOON)
    assert feed.push.error == "a stream is held back on its way"
    assert feed.mode == "long-poll"


def test_a_stream_that_is_a_moment_late_is_kept(feed, issuer):
    stream = FakeStream(lines=[b": alive"])
    feed.push._transport.streams = [stream]
    reading = threading.Thread(target=feed.push.step)
    reading.start()
    while not feed.push.delivering:
        pass
    issuer.cut_off("session", "s1")
    feed.step()
    stream.say(*batch(issuer, "s1"))
    while not feed.push.batches:
        pass
    issuer.clock.advance(2)
    feed.step()
    assert feed.mode == "push"
    feed.close()
    reading.join(SOON)


def test_a_transport_that_cannot_stream_does_without(issuer):
    feed = Feed(
        Revocations(),
        issuer=issuer.issuer,
        url=URL,
        transport=issuer.transport,
        clock=issuer.clock,
        leeway=0,
        keys=StaticKeys(issuer.feed_keys),
    )
    assert feed.push is None
    feed.step()
    assert feed.mode == "long-poll"


def test_a_verifier_that_everybody_forgot_ends_its_stream(issuer):
    stream, transport = FakeStream(lines=[b": alive"]), Streaming(issuer.transport)
    transport.streams = [stream]
    before = set(threading.enumerate())
    verifier = SyncVerifier(
        issuer.issuer, "api", transport=transport, clock=issuer.clock, revocations=Revocations(poll_interval=0.01)
    )
    verifier.start()
    while verifier.health().mode != "push":
        pass
    (reader,) = (one for one in set(threading.enumerate()) - before if one.name == "watchword-push")
    gone = weakref.ref(verifier)
    del verifier
    while gone() is not None:
        gc.collect()
    reader.join(SOON)
    assert not reader.is_alive()
    assert stream.closed


# Events


def test_events_are_put_together_from_lines():
    lines = [
        b"event: cut-offs",
        b"id: 1",
        b"data: one",
        b"data:two",
        b"",
        b": alive",
        b"data: x",
        b"",
        b"event: y",
        b"",
    ]
    assert list(events(lines, max_bytes=100)) == [Event("cut-offs", b"one\ntwo"), ALIVE, Event("message", b"x")]


def test_what_a_stream_ends_in_the_middle_of_is_left_out():
    assert list(events([b"event: cut-offs", b"data: one"], max_bytes=100)) == []


def test_an_endless_event_is_an_error():
    with pytest.raises(EventTooLong):
        list(events((b"data: x" for _ in range(1000)), max_bytes=100))
