"""The receiver, its memory, and the endpoint that events are pushed to."""

import asyncio
import json

import pytest
from watchword.jose.jwk import Key
from watchword.ssf import EventReceiver, EventsUnavailable, PushEndpoint, SignalledEnds
from watchword.ssf.ends import EndsFull
from watchword.testing import FakeIssuer, FakeTransport, json_response
from watchword.verify.jwt import JwtRejected

from .conftest import AUDIENCE, ISSUER


def receiving(transmitter, handler, **members):
    given = {"keys": transmitter.keys, "clock": transmitter.clock}
    return EventReceiver(ISSUER, AUDIENCE, handler, **given | members)


async def test_an_event_is_handled_once_however_often_it_comes(transmitter):
    seen = []
    receiver = receiving(transmitter, seen.append)
    raw = transmitter.event()
    first = await receiver.receive(raw)
    assert await receiver.receive(raw) == first
    assert seen == [first]


async def test_an_event_whose_handling_failed_is_handled_when_it_comes_again(transmitter):
    faults = [RuntimeError("down")]
    seen = []

    async def handler(event):
        if faults:
            raise faults.pop()
        seen.append(event)

    receiver = receiving(transmitter, handler)
    raw = transmitter.event()
    with pytest.raises(RuntimeError):
        await receiver.receive(raw)
    await receiver.receive(raw)
    assert len(seen) == 1


async def test_an_event_that_comes_twice_at_once_is_handled_once(transmitter):
    gate = asyncio.Event()
    seen = []

    async def handler(event):
        await gate.wait()
        seen.append(event)

    receiver = receiving(transmitter, handler)
    raw = transmitter.event()
    first = asyncio.ensure_future(receiver.receive(raw))
    await asyncio.sleep(0)
    with pytest.raises(EventsUnavailable):
        await receiver.receive(raw)
    gate.set()
    await first
    assert len(seen) == 1


async def test_a_full_memory_takes_nothing_new_and_forgets_only_what_is_too_old_to_come(transmitter):
    receiver = receiving(transmitter, lambda _: None, max_remembered=2)
    kept = [transmitter.event() for _ in range(2)]
    for raw in kept:
        await receiver.receive(raw)
    with pytest.raises(EventsUnavailable):
        await receiver.receive(transmitter.event())
    await receiver.receive(kept[0])
    transmitter.clock.advance(90_000)
    await receiver.receive(transmitter.event())
    with pytest.raises(JwtRejected):
        await receiver.receive(kept[0])


async def test_a_new_key_of_the_transmitter_is_found(transmitter):
    jwks = {"keys": []}
    transport = FakeTransport(
        {
            f"{ISSUER}/.well-known/oauth-authorization-server": lambda _request: json_response(
                {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks.json"}
            ),
            f"{ISSUER}/jwks.json": lambda _request: json_response(jwks),
        }
    )
    jwks["keys"] = [transmitter.key.public_jwk()]
    receiver = EventReceiver(ISSUER, AUDIENCE, lambda _: None, transport=transport, clock=transmitter.clock)
    await receiver.receive(transmitter.event())
    transmitter.key = Key.generate("ES256")
    jwks["keys"].append(transmitter.key.public_jwk())
    transmitter.clock.advance(11)
    await receiver.receive(transmitter.event())


async def test_an_ended_session_kills_its_tokens_and_no_other(transmitter):
    issuer = FakeIssuer(issuer=ISSUER, clock=transmitter.clock)
    ends = SignalledEnds(hold=600, clock=transmitter.clock)
    receiver = receiving(transmitter, ends.apply)
    subject = {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": ISSUER, "sub": "ada"},
        "session": {"format": "opaque", "id": "s1"},
    }
    await receiver.receive(transmitter.event(sub_id=subject))
    assert ends.kills(issuer.access_token("ada", sid="s1"))
    assert not ends.kills(issuer.access_token("ada", sid="s2"))
    transmitter.clock.advance(601)
    assert not ends.kills(issuer.access_token("ada", sid="s1"))


async def test_an_ended_user_kills_what_was_issued_before_and_nothing_after(transmitter):
    issuer = FakeIssuer(issuer=ISSUER, clock=transmitter.clock)
    ends = SignalledEnds(hold=600, clock=transmitter.clock)
    before = issuer.access_token("ada", sid="s1")
    bob = issuer.access_token("bob", sid="s2")
    await receiving(transmitter, ends.apply).receive(transmitter.event())
    transmitter.clock.advance(1)
    after = issuer.access_token("ada", sid="s3")
    assert [ends.kills(token) for token in (before, after, bob)] == [True, False, False]


async def test_attack_who_acts_by_an_exchanged_token_does_not_act_on_after_its_own_end(transmitter):
    issuer = FakeIssuer(issuer=ISSUER, clock=transmitter.clock)
    ends = SignalledEnds(hold=600, clock=transmitter.clock)
    receiver = receiving(transmitter, ends.apply)
    lent = issuer.access_token("ada", sid="s1", made_of=[{"jti": "a"}, {"jti": "b", "sub": "agent", "sid": "s2"}])
    other = issuer.access_token("ada", sid="s1", made_of=[{"jti": "a"}])
    session = {"format": "complex", "session": {"format": "opaque", "id": "s2"}}
    assert not ends.kills(lent)
    await receiver.receive(transmitter.event(sub_id=session))
    assert [ends.kills(one) for one in (lent, other)] == [True, False]
    transmitter.clock.advance(601)
    lent = issuer.access_token("ada", sid="s1", made_of=[{"jti": "b", "sub": "agent", "sid": "s2"}])
    assert not ends.kills(lent)
    await receiver.receive(transmitter.event(sub_id={"format": "iss_sub", "iss": ISSUER, "sub": "agent"}))
    assert ends.kills(lent)


async def test_a_transmitter_has_no_say_about_users_of_others_nor_about_the_future(transmitter):
    issuer = FakeIssuer(issuer=ISSUER, clock=transmitter.clock)
    ends = SignalledEnds(hold=600, clock=transmitter.clock)
    receiver = receiving(transmitter, ends.apply)
    await receiver.receive(
        transmitter.event(sub_id={"format": "iss_sub", "iss": "https://other.example", "sub": "ada"})
    )
    for odd in ({}, {"format": "complex"}, {"format": "complex", "user": 1, "session": []}, {"format": "email"}):
        await receiver.receive(transmitter.event(sub_id=odd))
    assert len(ends) == 0
    far = {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"event_timestamp": 9e15}}
    await receiver.receive(transmitter.event(events=far))
    transmitter.clock.advance(2)
    assert not ends.kills(issuer.access_token("ada"))


async def test_a_full_memory_of_ends_forgets_nothing_and_has_the_event_sent_again(transmitter):
    issuer = FakeIssuer(issuer=ISSUER, clock=transmitter.clock)
    ends = SignalledEnds(hold=600, max_entries=1, clock=transmitter.clock)
    token = issuer.access_token("ada")
    receiver = receiving(transmitter, ends.apply)
    await receiver.receive(transmitter.event())
    raw = transmitter.event(sub_id={"format": "iss_sub", "iss": ISSUER, "sub": "bob"})
    with pytest.raises(EndsFull):
        await receiver.receive(raw)
    assert ends.kills(token)
    transmitter.clock.advance(601)
    await receiver.receive(raw)


async def push(app, body, *, method="POST", headers=None, chunks=None):
    sent = []
    queue = chunks or [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return queue.pop(0) if queue else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    given = {"content-type": "application/secevent+jwt", "authorization": "Bearer agreed"} | (headers or {})
    pairs = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
    await app({"type": "http", "method": method, "headers": pairs}, receive, send)
    body = sent[1]["body"]
    return sent[0]["status"], json.loads(body) if body else None


@pytest.mark.rfc("8935 §2.2")
async def test_a_pushed_event_is_accepted(transmitter):
    seen = []
    app = PushEndpoint(receiving(transmitter, seen.append), authorization="Bearer agreed")
    assert await push(app, transmitter.event().encode()) == (202, None)
    assert len(seen) == 1


@pytest.mark.rfc("8935 §2.4")
async def test_what_is_wrong_with_a_pushed_event_is_told_by_name(transmitter):
    app = PushEndpoint(receiving(transmitter, lambda _: None), authorization="Bearer agreed")
    for raw, err in (
        (transmitter.event(iss="https://other.example"), "invalid_issuer"),
        (transmitter.event(aud="https://other.example"), "invalid_audience"),
        (transmitter.event(key=Key.generate("ES256")), "invalid_key"),
        (transmitter.event(typ="at+jwt"), "invalid_request"),
        ("garbage", "invalid_request"),
        ("", "invalid_request"),
        ("é", "invalid_request"),
    ):
        status, told = await push(app, raw.encode())
        assert (status, told["err"]) == (400, err)


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"headers": {"authorization": "Bearer agree"}}, 401),
        ({"headers": {"authorization": None}}, 401),
        ({"headers": {"content-type": "application/json"}}, 415),
        ({"headers": {"content-type": None}}, 415),
        ({"method": "GET"}, 405),
        ({"chunks": [{"type": "http.request", "body": b"x" * 40_000, "more_body": True}] * 3}, 413),
        ({"chunks": [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]}, 400),
        ({"chunks": [{"type": "http.request", "body": b"x", "more_body": True}]}, 408),
    ],
)
async def test_what_is_no_event_is_not_read_on(transmitter, members, status):
    seen = []
    app = PushEndpoint(
        receiving(transmitter, seen.append), authorization="Bearer agreed", timeout=0.2 if status == 408 else 60
    )
    assert (await push(app, b"x", **members))[0] == status
    assert seen == []


async def test_an_event_that_was_not_handled_is_asked_for_again(transmitter):
    def handler(_event):
        raise RuntimeError("secret of the handler")

    app = PushEndpoint(receiving(transmitter, handler), authorization="Bearer agreed")
    status, told = await push(app, transmitter.event().encode())
    assert status == 500
    assert "secret" not in told["description"]
