"""Answers that go on, against peers that misbehave: a real socket on loopback each time."""

import contextlib
import gzip
import os
import socket
import threading

import pytest
from watchword.transport import HttpTransport, Request, StreamingTransport, TransportError

SOON = 60
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def serve():
    """Serve one connection with a function of it; gives its URL."""
    servers = []

    def serving(talk):
        listener = socket.create_server(("127.0.0.1", 0))
        servers.append(listener)

        def accept():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while not data.endswith(b"\r\n\r\n"):
                    data += connection.recv(65536)
                try:
                    talk(connection)
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/feed"

    yield serving
    for listener in servers:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who still waits for a caller
        listener.close()


def opened(url, *, idle=SOON, max_bytes=1000, timeout=SOON):
    return HttpTransport().stream(Request(url + "?secret=1", timeout=timeout, max_bytes=max_bytes), idle=idle)


def test_lines_come_as_they_are_sent_whatever_their_pieces(serve):
    go_on = threading.Event()

    def talk(connection):
        connection.sendall(HEAD + b"one\ntw")
        assert go_on.wait(SOON)
        connection.sendall(b"o\r\n\nlast")

    with opened(serve(talk)) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        lines = stream.lines()
        assert next(lines) == b"one", "before the answer has ended"
        go_on.set()
        assert list(lines) == [b"two", b""], "what has no end is no line"


def test_chunks_are_undone(serve):
    with opened(
        serve(lambda c: c.sendall(CHUNKED + b"4\r\none\n\r\n5\r\ntwo\nt\r\n5\r\nhree\n\r\n0\r\n\r\n"))
    ) as stream:
        assert list(stream.lines()) == [b"one", b"two", b"three"]


def drip(connection):
    connection.sendall(HEAD)
    stop = threading.Event()
    while not stop.wait(0.01):
        connection.sendall(b"x")


def say_nothing(connection):
    connection.sendall(HEAD)
    connection.recv(1)


FAULTS = {
    "drips one endless line": drip,
    "says nothing": say_nothing,
    "sends a line too long": lambda c: c.sendall(HEAD + b"x" * 5000),
    "sends a line too long and ends it": lambda c: c.sendall(HEAD + b"x" * 5000 + b"\n"),
    "cuts a chunk short": lambda c: c.sendall(CHUNKED + b"5\r\nhe"),
    "sends bad chunks": lambda c: c.sendall(CHUNKED + b"zz\r\nhello\n\r\n"),
}


@pytest.mark.parametrize("talk", FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_stream_is_one_kind_of_error(talk, serve):
    with opened(serve(talk), idle=0.2) as stream, pytest.raises(TransportError) as caught:
        list(stream.lines())
    assert "secret" not in str(caught.value)


OPENINGS = {
    "sends no headers": lambda c: c.recv(1),
    "hangs up": lambda c: None,
    "speaks no HTTP": lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "compresses, though not asked to": lambda c: c.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x\n")
    ),
}


@pytest.mark.parametrize("talk", OPENINGS.values(), ids=OPENINGS.keys())
def test_a_stream_that_cannot_be_opened_is_that_error_too(talk, serve):
    with pytest.raises(TransportError):
        opened(serve(talk), timeout=0.3)


def test_a_redirect_is_an_answer(serve):
    with opened(serve(lambda c: c.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"))) as stream:
        assert stream.status == 302


def test_a_url_that_must_not_be_fetched_is_not_streamed_either():
    with pytest.raises(TransportError):
        HttpTransport().stream(Request("http://as.example/"), idle=1)


def test_another_thread_ends_the_reading_at_once(serve):
    with opened(serve(say_nothing), idle=60) as stream:
        read = []
        reader = threading.Thread(target=lambda: read.append(list(stream.lines())))
        reader.start()
        stream.interrupt()
        reader.join(SOON)
        assert read == [[]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_lets_go_of_a_stream_does_not_end_the_parent_s(serve):
    go_on = threading.Event()

    def talk(connection):
        connection.sendall(HEAD)
        assert go_on.wait(SOON)
        connection.sendall(b"still here\n")

    with opened(serve(talk)) as stream:
        child = os.fork()
        if child == 0:
            stream.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        go_on.set()
        assert list(stream.lines()) == [b"still here"]


def test_the_transport_says_that_it_can_stream():
    assert isinstance(HttpTransport(), StreamingTransport)
