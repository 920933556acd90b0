"""Fetching events: what is acknowledged, what comes again, and answers that are none."""

import asyncio
import json

import pytest
from watchword.ssf import EventReceiver, PollClient
from watchword.ssf.polling import PollError
from watchword.testing import FakeTransport, json_response
from watchword.transport import Response, TransportError

from .conftest import AUDIENCE, ISSUER

URL = "https://transmitter.example/poll"


class Stream:
    """A transmitter's stream: hands out what is not acknowledged."""

    def __init__(self):
        self.sets = {}
        self.errors = {}
        self.asked = []
        self.fail = None

    def __call__(self, request):
        question = json.loads(request.body)
        self.asked.append((dict(request.headers), question))
        if self.fail is not None:
            fault, self.fail = self.fail, None
            if isinstance(fault, Exception):
                raise fault
            return fault
        self.errors |= question.get("setErrs", {})
        for jti in [*question.get("ack", []), *question.get("setErrs", {})]:
            self.sets.pop(jti, None)
        most = question["maxEvents"]
        return json_response({"sets": dict(list(self.sets.items())[:most]), "moreAvailable": len(self.sets) > most})


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def polling(transmitter, stream):
    def make(handler, **members):
        receiver = EventReceiver(ISSUER, AUDIENCE, handler, keys=transmitter.keys, clock=transmitter.clock)
        return PollClient(
            URL, receiver, authorization="Bearer agreed", transport=FakeTransport({URL: stream}), wait=0, **members
        )

    return make


async def test_events_are_fetched_handled_and_acknowledged(transmitter, stream, polling):
    seen = []
    client = polling(lambda event: seen.append(event.jti), max_events=2)
    stream.sets = {jti: transmitter.event(jti=jti) for jti in ("a", "b", "c")}
    assert await client.poll_once()
    assert await client.poll_once()
    assert not await client.poll_once()
    assert (seen, stream.sets) == (["a", "b", "c"], {})
    headers, question = stream.asked[0]
    assert headers["Authorization"] == "Bearer agreed"
    assert question == {"maxEvents": 2, "returnImmediately": True}


@pytest.mark.rfc("8936 §2.3")
async def test_what_is_no_event_is_told_and_what_was_not_handled_comes_again(transmitter, stream, polling):
    faults = [RuntimeError("down")]

    def handler(_event):
        if faults:
            raise faults.pop()

    client = polling(handler)
    stream.sets = {"a": transmitter.event(jti="a"), "b": "garbage", "c": transmitter.event(jti="other")}
    await client.poll_once()
    await client.poll_once()
    assert stream.errors.keys() == {"b", "c"}
    assert stream.sets.keys() == {"a"}
    await client.poll_once()
    assert stream.sets == {}


async def test_an_acknowledgement_that_was_lost_is_sent_again(transmitter, stream, polling):
    seen = []
    client = polling(lambda event: seen.append(event.jti))
    stream.sets = {"a": transmitter.event(jti="a")}
    await client.poll_once()
    stream.fail = TransportError("lost")
    with pytest.raises(PollError):
        await client.poll_once()
    await client.poll_once()
    assert (stream.sets, seen) == ({}, ["a"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"sets":1}',
        b'{"sets":{"a":1}}',
        b'{"sets":{"a":"x","a":"y"}}',
        b'{"a":' * 9 + b"1" + b"}" * 9,
    ],
)
async def test_an_answer_that_is_none_changes_nothing(stream, polling, body):
    stream.fail = Response(200, {}, body)
    with pytest.raises(PollError):
        await polling(lambda _: None).poll_once()


async def test_a_refusal_is_an_error_without_the_token(stream, polling):
    stream.fail = Response(401, {}, b"Bearer agreed")
    with pytest.raises(PollError, match="401") as error:
        await polling(lambda _: None).poll_once()
    assert "agreed" not in str(error.value)


async def test_it_runs_until_it_is_cancelled(transmitter, stream, polling):
    handled = asyncio.Event()
    client = polling(lambda _: handled.set())
    stream.sets = {"a": transmitter.event(jti="a")}
    running = asyncio.create_task(client.run())
    async with asyncio.timeout(60):
        await handled.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
