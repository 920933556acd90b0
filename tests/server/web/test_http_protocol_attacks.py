"""Attacks on the connection itself: what is no body is bounded too, and so are requests sent ahead."""

import asyncio
import contextlib
import socket
import sys

import pytest
import uvicorn
from watchword_server import process
from watchword_server.process import listening_socket
from watchword_server.web import http_protocol
from watchword_server.web.http_protocol import MAX_AHEAD, MAX_HEAD_BYTES, GuardedHttpProtocol

POST = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
ENDLESS = 64 * MAX_HEAD_BYTES


class App:
    """Answers at once and reads no body, but for the path /body; counts; holds answers back while told to."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope, receive, send):
        self.begun.append(scope["raw_path"])
        await self.may_answer.wait()
        shown = b"ok"
        if scope["path"] == "/body":
            message = {"more_body": True}
            shown = b""
            while message.get("more_body"):
                message = await receive()
                shown += message.get("body", b"")
        if scope["path"] == "/large":
            shown = b"a" * 8_000_000
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(shown))]})
        await send({"type": "http.response.body", "body": shown})


@pytest.fixture
async def app():
    return App()


@pytest.fixture
async def connect(app, monkeypatch):
    monkeypatch.setattr(process, "STALLED_AFTER", 0.3)
    sock = listening_socket("127.0.0.1", 0, shared=False)
    config = uvicorn.Config(app, http=GuardedHttpProtocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    async with contextlib.AsyncExitStack() as stack:

        async def connecting():
            reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
            stack.callback(writer.close)
            return reader, writer

        connecting.address = sock.getsockname()
        connecting.open = server.server_state.connections
        yield connecting
    app.may_answer.set()
    server.should_exit = True
    await task


async def pour(writer: asyncio.StreamWriter, data: bytes, total: int) -> int:
    """Send again and again until so much is sent or the other side closes; how much was taken."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < total and not writer.is_closing():
            writer.write(data)
            await asyncio.wait_for(writer.drain(), 60)
            sent += len(data)
            await asyncio.sleep(0)
    return sent


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes; the end of it is the end of the connection."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 60)
    return b""


@pytest.mark.parametrize("beginning", [b"0\r\nX-Endless: ", b"1;extension=", b"1\r\na\r\n0\r\nX: "], ids=repr)
async def test_a_trailer_or_chunk_extension_without_end_closes_the_connection(connect, beginning):
    reader, writer = await connect()
    writer.write(POST + beginning)
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    sent = await pour(writer, b"a" * 8192, ENDLESS * 16)
    assert await rest(reader) == b""
    assert sent < ENDLESS * 16


async def test_many_small_trailers_close_the_connection(connect):
    # CVE-2026-22815 (aiohttp): unlimited trailers.
    reader, writer = await connect()
    writer.write(POST + b"0\r\n")
    await reader.readuntil(b"ok")
    sent = await pour(writer, b"X: y\r\n" * 1000, ENDLESS * 16)
    assert await rest(reader) == b""
    assert sent < ENDLESS * 16


async def test_a_body_that_trickles_after_the_answer_is_given_up(connect, monkeypatch):
    reader, writer = await connect()
    writer.write(GET)
    await reader.readuntil(b"ok")
    monkeypatch.setattr(http_protocol, "HEAD_DEADLINE", 0.05)  # from here on: it also counts from connecting
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 60000\r\n\r\na")
    await reader.readuntil(b"ok")
    for _ in range(100):
        if reader.at_eof() or reader.exception() is not None:
            break
        with contextlib.suppress(ConnectionError):
            writer.write(b"a")
            await writer.drain()
        await asyncio.sleep(0.01)
    # No second answer either: it would be taken for that to the next request.
    assert await rest(reader) == b""
    # What came too late for the server to read turns its end of the connection into a reset.
    assert reader.at_eof() or isinstance(reader.exception(), ConnectionResetError)


async def test_a_body_that_ends_after_the_answer_leaves_the_connection_usable(connect):
    reader, writer = await connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\na")
    await reader.readuntil(b"ok")
    writer.write(b"bc" + GET)
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_a_long_body_in_small_chunks_is_no_overhead(connect):
    reader, writer = await connect()
    writer.write(b"POST /body HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
    writer.write(b"1\r\na\r\n" * (2 * MAX_HEAD_BYTES) + b"0\r\n\r\n")
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(2 * MAX_HEAD_BYTES) == b"a" * (2 * MAX_HEAD_BYTES)


async def test_some_requests_may_be_sent_ahead(connect):
    reader, writer = await connect()
    writer.write(GET * MAX_AHEAD)
    for _ in range(MAX_AHEAD):
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_a_flood_of_requests_sent_ahead_closes_the_connection_and_is_not_queued(connect, app):
    app.may_answer.clear()
    reader, writer = await connect()
    await pour(writer, GET * 1000, 1000 * len(GET))
    assert await rest(reader) == b""
    assert len(app.begun) <= MAX_AHEAD
    app.may_answer.set()


@pytest.mark.parametrize("ahead", [b"X: y\r\n" * 200 + b"\r\n", b"X-Endless: " + b"a" * 2 * MAX_HEAD_BYTES])
async def test_a_refused_head_is_never_answered_in_the_place_of_the_request_before_it(connect, app, ahead):
    app.may_answer.clear()
    reader, writer = await connect()
    writer.write(b"GET /first HTTP/1.1\r\nHost: here\r\n\r\n")
    while not app.begun:
        await asyncio.sleep(0.001)
    writer.write(b"GET /second HTTP/1.1\r\n" + ahead)
    assert await rest(reader) == b""
    assert app.begun == [b"/first"]


async def test_the_body_of_a_refused_request_is_not_added_to_that_of_the_request_before_it(connect, app):
    reader, writer = await connect()
    first = b"POST /body HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi"
    refused = b"POST / HTTP/1.1\r\nContent-Length: 7\r\n" + b"X: y\r\n" * 200 + b"\r\n forged"
    writer.write(first + refused)
    assert b"forged" not in await rest(reader)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such timeout")
async def test_a_client_that_never_reads_its_answer_is_dropped(connect):
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(connect.address)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        for seen in (True, False):
            for _ in range(2000):
                if bool(connect.open) is seen:
                    break
                await asyncio.sleep(0.01)
            assert bool(connect.open) is seen


@pytest.mark.parametrize(
    "smuggled",
    [
        # CVE-2023-30589 and CVE-2025-23167 (llhttp): a bare CR ends a header, or the head.
        b"GET / HTTP/1.1\r\nHost: here\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\n\rX: y\r\n\r\n",
        # CVE-2024-27982: obfuscated Content-Length.
        b"POST / HTTP/1.1\r\nHost: here\r\n Content-Length: 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length : 2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: +2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2, 2\r\n\r\nhi",
        # CVE-2025-43859 (h11): two octets of anything after a chunk. CVE-2025-55315 (Kestrel): LF in an extension.
        POST + b"2\r\nhixx0\r\n\r\n",
        POST + b"2;a\nxx\r\nhi\r\n0\r\n\r\n",
        POST + b"2\nhi\n0\n\n",
        POST + b"0x2\r\nhi\r\n0\r\n\r\n",
        POST + b"fffffffffffffffff\r\nhi",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: \x0bchunked\r\nContent-Length: 2\r\n\r\nhi",
        b"GET / HTTP/1.1\nHost: here\n\n",
        b"GET /\xff HTTP/1.1\r\nHost: here\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_framing_known_from_advisories_is_refused_or_ends_the_connection(connect, smuggled):
    reader, writer = await connect()
    writer.write(smuggled + GET)
    answer = await rest(reader)
    # A chunked body may be answered before its broken end is seen; nothing after it may be.
    assert answer.count(b"HTTP/1.1 200") <= (1 if smuggled.startswith(POST) else 0)


UPGRADES = [
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
    ],
)
async def test_the_body_of_a_request_that_asks_to_upgrade_is_its_body_and_never_a_request(
    connect, app, upgrade, at_once, framing, body
):
    """Behind a proxy it would come from the proxy: with any address and any client certificate in its headers."""
    reader, writer = await connect()
    head = b"POST /body HTTP/1.1\r\nHost: here\r\n" + upgrade + framing + b"\r\n"
    if at_once:
        writer.write(head + body + GET)
    else:
        writer.write(head)
        while not app.begun:
            await asyncio.sleep(0.01)
        writer.write(body + GET)
    answers = b""
    while not answers.endswith(b"ok"):
        answers += await asyncio.wait_for(reader.readexactly(1), 60)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.count(SMUGGLED) == 1
    assert app.begun == [b"/body", b"/"]


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_a_request_that_asks_to_upgrade_is_answered_as_if_it_did_not(connect, app, upgrade):
    reader, writer = await connect()
    one = b"GET /one HTTP/1.1\r\nHost: here\r\n" + upgrade + b"\r\n"
    writer.write(one[:40])
    await writer.drain()
    writer.write(one[40:] + one + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answers = await rest(reader)
    assert answers.count(b"HTTP/1.1 200") == 3
    assert app.begun == [b"/one", b"/one", b"/"]


async def test_a_flood_of_requests_that_ask_to_upgrade_is_not_queued_either(connect, app):
    app.may_answer.clear()
    reader, writer = await connect()
    writer.write((b"GET / HTTP/1.1\r\nHost: here\r\n" + UPGRADES[0] + b"\r\n") * 3 * MAX_AHEAD)
    assert await rest(reader) == b""
    assert len(app.begun) <= 1


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_what_is_refused_is_refused_too_where_an_upgrade_is_asked_for(connect, app, upgrade):
    reader, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X: y\r\n" * 200 + upgrade + b"\r\n" + GET)
    assert (await rest(reader)).startswith(b"HTTP/1.1 431 ")
    assert app.begun == []


async def test_nothing_after_a_request_for_a_tunnel_is_read(connect, app):
    reader, writer = await connect()
    writer.write(b"CONNECT /tunnel HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED))
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    with contextlib.suppress(ConnectionError):
        writer.write(SMUGGLED)
        await writer.drain()
    answer += await rest(reader)
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert app.begun == [b"/tunnel"]
