"""An answer that is whole at once is written once, is the same octets as in pieces, and holds no header of a stranger's making."""

import asyncio
import gc
import weakref

import pytest
import uvicorn
from uvicorn.server import ServerState
from watchword_server.web.answering import answer_of
from watchword_server.web.http_protocol import GuardedHttpProtocol

GET = b"GET /path?x=1 HTTP/1.1\r\nHost: here\r\n\r\n"
START = {"type": "http.response.start", "status": 200}


class Transport:
    """What was written to a connection, and whether it was closed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def get_extra_info(self, name, default=None):
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def answered(app, request: bytes = GET) -> Transport:
    """The connection after that request."""
    done = asyncio.Event()

    async def noticed(scope, receive, send):
        try:
            await app(scope, receive, send)
        finally:
            done.set()

    config = uvicorn.Config(noticed, ws="none", lifespan="off", log_config=None)
    protocol, transport = GuardedHttpProtocol(config, ServerState(), {}), Transport()
    protocol.connection_made(transport)
    protocol.data_received(request)
    async with asyncio.timeout(60):
        await done.wait()
        while protocol.tasks:
            await asyncio.gather(*protocol.tasks)
    protocol.connection_lost(ConnectionError())
    return transport


def sending(*messages):
    async def app(scope, receive, send):
        for message in messages:
            await send(dict(message))

    return app


def body(octets: bytes, *, more: bool = False):
    return {"type": "http.response.body", "body": octets, "more_body": more}


LENGTH = START | {"headers": [(b"content-length", b"2"), (b"X-Own", b"1"), (b"cache-control", b"no-store")]}


async def test_an_answer_that_is_whole_goes_out_in_one_piece() -> None:
    transport = await answered(sending(LENGTH, body(b"ok")))
    assert transport.written == [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-own: 1\r\ncache-control: no-store\r\n\r\nok"
    ]
    assert not transport.closed.is_set()


async def test_an_answer_in_pieces_is_the_same_octets() -> None:
    transport = await answered(sending(LENGTH, body(b"o", more=True), body(b"k")))
    whole = await answered(sending(LENGTH, body(b"ok")))
    assert b"".join(transport.written) == whole.written[0]


async def test_an_answer_without_a_length_is_begun_at_once_and_sent_in_chunks() -> None:
    transport = await answered(sending(START | {"headers": []}, body(b"ok", more=True), body(b"")))
    assert transport.written[0].endswith(b"transfer-encoding: chunked\r\n\r\n")
    assert b"".join(transport.written[1:]) == b"2\r\nok\r\n0\r\n\r\n"


async def test_an_answer_without_headers_is_one() -> None:
    transport = await answered(sending(START, body(b"ok")))
    assert b"".join(transport.written).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_the_answer_to_head_has_no_body() -> None:
    transport = await answered(sending(LENGTH, body(b"ok")), b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert b"".join(transport.written).endswith(b"no-store\r\n\r\n")


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"]
)
async def test_a_connection_that_is_to_be_closed_is_told_so_and_closed(request_) -> None:
    transport = await answered(sending(LENGTH, body(b"ok")), request_)
    assert b"\r\nconnection: close\r\n" in b"".join(transport.written)
    assert transport.closed.is_set()


async def test_an_answer_that_says_it_closes_closes() -> None:
    start = START | {"headers": [(b"content-length", b"2"), (b"Connection", b"close")]}
    transport = await answered(sending(start, body(b"ok")))
    assert transport.closed.is_set()


@pytest.mark.parametrize("octets", [b"o", b"okk"])
async def test_an_answer_of_another_length_than_announced_ends_the_connection(octets) -> None:
    transport = await answered(sending(LENGTH, body(octets)))
    assert transport.closed.is_set()


@pytest.mark.parametrize(
    "header",
    [
        (b"x-note", b"a\r\nset-cookie: stolen=1"),
        (b"cache-control", b"a\nb"),
        (b"location", b"/\x00"),
        (b"x-a: b\r\nx-c", b"d"),
        (b"vary ", b"Origin"),
    ],
)
async def test_a_header_that_would_split_the_answer_is_refused(header) -> None:
    transport = await answered(sending(START | {"headers": [(b"content-length", b"2"), header]}, body(b"ok")))
    assert transport.written == [] or transport.written[0].startswith(b"HTTP/1.1 500")
    assert b"stolen" not in b"".join(transport.written)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a/b", "/a/b", b""),
        (b"/a%2Fb%C3%A9", "/a/b\xe9", b""),
        (b"/a?b=%26", "/a", b"b=%26"),
        (b"http://here/a?b", "/a", b"b"),
        (b"//there/a", "//there/a", b""),
    ],
)
async def test_the_target_is_told_apart_in_path_and_query(target, path, query) -> None:
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)
        await sending(LENGTH, body(b"ok"))(scope, receive, send)

    await answered(app, b"GET " + target + b" HTTP/1.1\r\nHost: here\r\n\r\n")
    assert (seen["path"], seen["query_string"]) == (path, query)


async def test_an_answered_request_leaves_nothing_to_the_collector_of_garbage() -> None:
    left = []

    class Mark:
        """Something that lives as long as the request."""

    async def app(scope, receive, send):
        scope["mark"] = Mark()
        left.append(weakref.ref(scope["mark"]))
        _, send = answer_of(scope, send)
        await sending(LENGTH, body(b"ok"))(scope, receive, send)

    gc.disable()
    try:
        await answered(app, GET * 2)
        assert len(left) == 2
        assert left[0]() is None
    finally:
        gc.enable()
