"""The head of a request is bounded in size and time, and trailers never become headers."""

import asyncio
import contextlib

import pytest
import uvicorn
from watchword_server.process import listening_socket
from watchword_server.web import http_protocol
from watchword_server.web.http_protocol import MAX_HEAD_BYTES, GuardedHttpProtocol


async def echo_headers(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    shown = b"\n".join(name + b"=" + value[:40] for name, value in scope["headers"]) + b"\n\n" + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(shown))]})
    await send({"type": "http.response.body", "body": shown})


@pytest.fixture
async def port():
    sock = listening_socket("127.0.0.1", 0, shared=False)
    config = uvicorn.Config(echo_headers, http=GuardedHttpProtocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield sock.getsockname()[1]
    server.should_exit = True
    await task


async def exchange(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


GET = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"


async def test_an_ordinary_request_is_answered(port):
    assert b"200 OK" in await exchange(port, GET + b"\r\n")


async def test_a_header_that_never_ends_is_refused_while_it_arrives(port):
    answer = await exchange(port, GET + b"X-Long: ", *[b"a" * 8192] * 40)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


async def test_many_small_headers_are_refused(port):
    answer = await exchange(port, GET + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431")


async def test_a_request_line_over_the_limit_is_refused(port):
    answer = await exchange(port, b"GET /" + b"a" * (2 * MAX_HEAD_BYTES))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


async def test_a_head_that_trickles_is_given_up(port, monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_DEADLINE", 0.05)
    assert (await exchange(port, b"GET / HTTP/1.1\r\nHost: he")).startswith(b"HTTP/1.1 408")


async def test_a_connection_that_says_nothing_is_closed(port, monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_DEADLINE", 0.05)
    assert (await exchange(port)).startswith(b"HTTP/1.1 408")


@pytest.mark.rfc("9110 §6.5.1")
async def test_trailer_fields_are_dropped_and_never_become_headers(port):
    answer = await exchange(
        port,
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        b"2\r\nhi\r\n0\r\nAuthorization: Bearer forged\r\n\r\n",
    )
    assert answer.endswith(b"hi")
    assert b"forged" not in answer


async def test_requests_may_follow_one_another_on_a_connection(port):
    keep = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nhi"
    answer = await exchange(port, keep, keep, GET + b"\r\n")
    assert answer.count(b"200 OK") == 3


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: -2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: xchunked\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHo st: here\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
)
async def test_ambiguous_or_broken_framing_is_refused(port, smuggled):
    answer = await exchange(port, smuggled)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def a_lot(_scope, _receive, send):
    """More than the buffers of two sockets hold."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


async def test_a_stopping_server_does_not_wait_for_who_reads_nothing():
    sock = listening_socket("127.0.0.1", 0, shared=False)
    config = uvicorn.Config(
        a_lot, http=GuardedHttpProtocol, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=600
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    _, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    writer.transport.pause_reading()
    writer.write(GET + b"\r\n")
    async with asyncio.timeout(60):
        while not any(connection.flow.write_paused for connection in server.server_state.connections):
            await asyncio.sleep(0.01)
        server.should_exit = True
        await serving
    writer.close()
