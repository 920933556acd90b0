"""Pushing events (RFC 8935): what is sent, what an answer means, and where nothing is ever sent."""

import json

import pytest
from outgoing_peer import answer, peer
from watchword_server.keys.sealing import MasterKey, Sealer
from watchword_server.outbox.courier import Delivered, Never, NotYet, Paused
from watchword_server.ssf.courier import SEALED_FOR, PushCourier, outcome_of
from watchword_server.store.delivery_records import Delivery
from watchword_server.store.signal_records import Stream
from watchword_server.web.outgoing import AllowList, Answer, OutgoingRequests

SEALER = Sealer(MasterKey(bytes(range(32))), "test", lambda count: bytes(range(count)))
DELIVERY = Delivery(
    id=1,
    kind="ssf_push",
    destination="g1",
    payload=b"claims",
    dedupe="j",
    created_at=0.0,
    due_at=0.0,
    attempts=1,
    lease="w",
    state="waiting",
    last_error="",
)


class Streams:
    def __init__(self, stream):
        self.held = stream

    async def stream(self, _stream_id):
        return self.held


def stream(endpoint, **members):
    given = {
        "id": "g1",
        "receiver": "acme",
        "method": "push",
        "endpoint": endpoint,
        "sealed": None,
        "requested": (),
        "description": "",
        "status": "enabled",
        "reason": "",
        "created_at": 0.0,
        "verified_at": 0.0,
    }
    return Stream(**given | members)


def courier(held, **members):
    outgoing = OutgoingRequests(**{"allow": AllowList.of(["127.0.0.0/8"]), "http_on_loopback": True} | members)
    return PushCourier(Streams(held), outgoing, sign=lambda payload: f"signed.{payload.decode()}.x", sealer=SEALER)


@pytest.mark.rfc("8935 §2.1")
async def test_a_token_is_posted_with_its_type_and_the_receivers_authorization():
    async with peer(answer(status="202 Accepted")) as there:
        sealed = SEALER.seal(b"Bearer receiver-secret", purpose=SEALED_FOR, name="g1")
        outcome = await courier(stream(there.url("/events"), sealed=sealed)).carry(DELIVERY)
    assert outcome == Delivered()
    request = there.requests[0].decode()
    assert request.startswith("POST /events HTTP/1.1\r\n")
    assert "\r\nContent-Type: application/secevent+jwt\r\n" in request
    assert "\r\nAccept: application/json\r\n" in request
    assert "\r\nAuthorization: Bearer receiver-secret\r\n" in request
    assert request.endswith("\r\n\r\nsigned.claims.x")


async def test_a_header_sealed_for_another_stream_is_never_sent():
    async with peer(answer()) as there:
        stolen = SEALER.seal(b"Bearer of-another", purpose=SEALED_FOR, name="g2")
        outcome = await courier(stream(there.url(), sealed=stolen)).carry(DELIVERY)
    assert isinstance(outcome, NotYet)
    assert there.requests == []


@pytest.mark.parametrize("status", ["disabled", "paused"])
async def test_nothing_is_sent_for_a_stream_that_is_not_enabled(status):
    async with peer(answer()) as there:
        outcome = await courier(stream(there.url(), status=status)).carry(DELIVERY)
    assert isinstance(outcome, Delivered if status == "disabled" else Paused)
    assert there.requests == []


async def test_a_stream_that_is_gone_wants_nothing():
    assert await courier(None).carry(DELIVERY) == Delivered()


async def test_an_endpoint_that_leads_inside_is_never_asked_and_will_not_be():
    """SSRF by the receiver's endpoint: by address, by name, by redirect."""
    async with peer(answer(b"secret")) as inside:
        refused = await courier(stream(inside.url()), allow=AllowList()).carry(DELIVERY)
        assert isinstance(refused, Never)
        async with peer(answer(b"", f"Location: {inside.url()}", status="307 Temporary Redirect")) as there:
            assert await courier(stream(there.url())).carry(DELIVERY) == NotYet("307")
        assert inside.requests == []


def answered(status, body=b"", **headers):
    return outcome_of(Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body))


@pytest.mark.rfc("8935 §2.2")
def test_what_an_answer_means():
    assert answered(202) == answered(200) == answered(204) == Delivered()
    assert answered(500) == NotYet("500")
    assert answered(503, retry_after="120") == NotYet("503", 120.0)
    assert answered(503, retry_after="9" * 400) == NotYet("503")
    assert answered(503, retry_after="²") == NotYet("503")
    assert answered(410) == Never("410")
    assert answered(401) == NotYet("401")
    assert answered(302) == NotYet("302")


@pytest.mark.rfc("8935 §2.4")
def test_an_error_by_name_is_final_unless_it_can_be_mended_and_no_other_text_is_kept():
    def body(err):
        return json.dumps({"err": err, "description": "secret"}).encode()

    assert answered(400, body("invalid_key")) == Never("400 invalid_key")
    assert answered(400, body("authentication_failed")) == NotYet("400 authentication_failed")
    assert answered(400, body("<script>")) == NotYet("400")
    for garbage in (b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"err": 1}', b'{"err": {}}'):
        assert answered(400, garbage) == NotYet("400")
