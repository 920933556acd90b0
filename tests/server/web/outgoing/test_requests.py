"""Outgoing requests against peers and resolvers that mean harm: a real socket on loopback each time."""

import asyncio
import gzip
import socket
import zlib

import pytest
from outgoing_peer import answer, peer, self_signed
from watchword_server.web.outgoing import (
    AllowList,
    Limits,
    OutgoingFailed,
    OutgoingRefused,
    OutgoingRequests,
    tls_trust,
)

LOOPBACK = AllowList.of(["127.0.0.0/8", "::1"])


def loopback(**members) -> OutgoingRequests:
    limits = members.pop("limits", Limits(timeout=10, max_bytes=4096))
    return OutgoingRequests(allow=LOOPBACK, limits=limits, http_on_loopback=True, **members)


def leading(*addresses: str):
    """A resolver that says these addresses, one list a question; the last is said for ever."""
    said = [one.split(",") for one in addresses]

    async def resolve(_host: str, _port: int):
        return said.pop(0) if len(said) > 1 else said[0]

    return resolve


async def test_an_answer_is_given_with_status_headers_and_body():
    async with peer(answer(b"hello", "Cache-Control: max-age=5", "X-A: 1", "x-a: 2")) as there:
        got = await loopback().get(there.url("/x?a=b%20c"), headers={"Accept": "application/json"})
    assert (got.status, got.body) == (200, b"hello")
    assert (got.headers["cache-control"], got.headers["x-a"]) == ("max-age=5", "1, 2")
    head = there.requests[0].decode()
    assert head.startswith("GET /x?a=b%20c HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{there.port}\r\n" in head
    assert "\r\nAccept: application/json\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head


async def test_a_body_is_posted_with_its_type():
    async with peer(answer(status="202 Accepted")) as there:
        got = await loopback().post(there.url(), b"a.b.c", content_type="application/secevent+jwt")
    assert got.status == 202
    assert b"\r\nContent-Type: application/secevent+jwt\r\n" in there.requests[0]
    assert there.requests[0].endswith(b"\r\nContent-Length: 5\r\n\r\na.b.c")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + answer(b"hello"),
        answer(b"hello") + b"and bytes nobody asked for",
    ],
)
async def test_every_framing_of_http_is_read(said):
    async with peer(said) as there:
        assert (await loopback().get(there.url())).body == b"hello"


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_a_redirect_is_told_and_never_followed(status):
    async with peer(answer(b"secret")) as inside:
        async with peer(answer(b"", f"Location: {inside.url()}", status=status)) as there:
            assert (await loopback().get(there.url())).status == int(status[:3])
        assert (there.connections, inside.connections) == (1, 0)


async def forever(_reader, writer, *, first: bytes, again: bytes):
    writer.write(first)
    while True:
        writer.write(again)
        await writer.drain()


def endless(first: bytes, again: bytes):
    async def serve(reader, writer):
        await forever(reader, writer, first=first, again=again)

    return serve


BOMB = gzip.compress(bytes(1_000_000))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEAN = {
    "longer than said to be allowed": answer(b"", length=5000),
    "a length of a thousand digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 1000 + b"\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a body without end": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 9000),
    "chunks without end": endless(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "one giant chunk": CHUNKED + b"ffffffff\r\n" + b"x" * 100_000,
    "chunks of nothing but extensions": endless(CHUNKED, b"1;" + b"e" * 30_000 + b"\r\nx\r\n"),
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
    "one header without end": endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 1000),
    "a status line without end": endless(b"HTTP/1.1 200 ", b"a" * 1000),
    "informational answers without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a bomb in gzip": answer(BOMB, "Content-Encoding: gzip"),
    "a bomb in deflate": answer(zlib.compress(bytes(1_000_000)), "Content-Encoding: deflate"),
    "a bomb in two encodings": answer(gzip.compress(BOMB), "Content-Encoding: gzip", "Content-Encoding: gzip"),
    "a body cut short": answer(b"abc", length=10),
    "chunks cut short": CHUNKED + b"5\r\nab",
    "nothing": b"",
    "half a header": b"HTTP/1.1 200 OK\r\nX-",
    "garbage": b"\x16\x03\x01 not http \x00" * 10,
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a version that is none": b"HTTP/9.9 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("said", MEAN.values(), ids=MEAN.keys())
async def test_whatever_a_peer_sends_ends_in_a_failure_within_limits(said):
    async with peer(said) as there:
        with pytest.raises(OutgoingFailed) as failed:
            await loopback().get(there.url("/secret-path?and=query"))
    assert "secret-path" not in str(failed.value)
    assert "query" not in str(failed.value)


async def test_a_peer_that_sends_a_byte_at_a_time_wins_no_time():
    async def drip(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with peer(drip) as there:
        with pytest.raises(OutgoingFailed, match="timed out"):
            await loopback(limits=Limits(timeout=0.3, max_bytes=4096)).get(there.url())


async def test_a_peer_that_says_nothing_and_a_resolver_that_hangs_time_out():
    silent = asyncio.Event()

    async def hang(*_):
        await silent.wait()

    async with peer(hang) as there:
        with pytest.raises(OutgoingFailed, match="timed out"):
            await loopback(limits=Limits(timeout=0.2)).get(there.url())
        with pytest.raises(OutgoingFailed, match="timed out"):
            await loopback(limits=Limits(timeout=0.2), resolve=hang).get(there.url(host="hangs.test"))
        silent.set()


async def test_a_caller_asks_for_less_than_the_settings_and_never_for_more():
    async with peer(answer(b"x" * 3000)) as there:
        with pytest.raises(OutgoingFailed, match="2999"):
            await loopback().get(there.url(), max_bytes=2999)
        with pytest.raises(OutgoingFailed, match="2000"):
            await loopback(limits=Limits(max_bytes=2000)).get(there.url(), max_bytes=1_000_000)


async def test_a_closed_port_is_a_failure():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(OutgoingFailed):
            await loopback().get(f"http://127.0.0.1:{closed.getsockname()[1]}/")


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest/"),
        *("https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://10.0.0.1/", "https://0.0.0.0/", "https://[::]/"),
        "https://[64:ff9b::7f00:1]/",
    ],
)
async def test_an_address_inside_is_refused_before_anything_is_asked(url):
    outgoing = OutgoingRequests()
    with pytest.raises(OutgoingRefused):
        await outgoing.get(url)
    with pytest.raises(OutgoingRefused):
        outgoing.check(url)


@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"])
async def test_a_name_that_leads_inside_is_refused_and_the_address_is_not_told(inside):
    outgoing = OutgoingRequests(resolve=leading(inside))
    outgoing.check("https://innocent.example/")
    with pytest.raises(OutgoingRefused) as refused:
        await outgoing.get("https://innocent.example/")
    assert inside not in str(refused.value)


async def test_a_name_that_is_rebound_between_look_and_connection_leads_nowhere_else():
    """DNS rebinding: the second answer would be the listed peer; only the first is ever asked for."""
    asked = []

    async def resolve(host, _port):
        asked.append(host)
        return ["10.0.0.1"] if len(asked) == 1 else ["127.0.0.1"]

    async with peer(answer(b"inside")) as there:
        outgoing = loopback(resolve=resolve)
        with pytest.raises(OutgoingRefused):
            await outgoing.get(there.url(host="rebound.test"))
        assert (asked, there.connections) == (["rebound.test"], 0)
        assert (await outgoing.get(there.url(host="rebound.test"))).body == b"inside"
        assert len(asked) == 2


async def test_of_several_addresses_only_those_allowed_are_connected():
    async with peer(answer(b"fine")) as there:
        outgoing = loopback(resolve=leading("10.255.255.1,169.254.169.254,127.0.0.1"))
        assert (await outgoing.get(there.url(host="mixed.test"))).body == b"fine"


async def test_a_name_with_no_address_is_a_failure():
    async def none(*_):
        return []

    with pytest.raises(OutgoingFailed):
        await OutgoingRequests(resolve=none).get("https://nobody.example/")


async def test_http_is_for_listed_loopback_addresses_alone():
    public = OutgoingRequests(allow=AllowList.of(["10.0.0.0/8"]), http_on_loopback=True, resolve=leading("1.1.1.1"))
    for url in ("http://example.com/", "http://10.0.0.1/", "http://127.0.0.1/", "http://1.1.1.1/"):
        with pytest.raises(OutgoingRefused):
            await public.get(url)
    with pytest.raises(OutgoingRefused):
        await OutgoingRequests(allow=LOOPBACK).get("http://127.0.0.1/")


@pytest.mark.parametrize(
    "headers", [{"X-A": "a\r\nX-B: b"}, {"X A": "a"}, {"X-A\n": "a"}, {"Host": "evil"}, {"Content-Length": "0"}]
)
async def test_a_header_that_would_forge_the_request_is_never_sent(headers):
    async with peer(answer()) as there:
        with pytest.raises(ValueError, match="cannot be sent"):
            await loopback().get(there.url(), headers=headers)
        assert there.connections == 0


async def test_https_goes_to_the_address_that_was_judged_with_the_name_that_was_asked(tmp_path):
    certificate = self_signed(tmp_path, "receiver.test")
    async with peer(answer(b"over tls"), tls=certificate) as there:
        trusting = loopback(tls=tls_trust(certificate), resolve=leading("127.0.0.1"))
        assert (await trusting.get(there.url(host="receiver.test"))).body == b"over tls"
        assert f"\r\nHost: receiver.test:{there.port}\r\n".encode() in there.requests[0]
        with pytest.raises(OutgoingFailed, match="not trusted"):
            await trusting.get(there.url(host="other.test"))
        with pytest.raises(OutgoingFailed, match="not trusted"):
            await loopback(resolve=leading("127.0.0.1")).get(there.url(host="receiver.test"))
    assert len(there.requests) == 1
