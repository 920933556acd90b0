"""The way out to the network, against peers that misbehave: a real socket on loopback each time."""

import contextlib
import datetime as dt
import gzip
import socket
import ssl
import threading
import zlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword.transport import HttpTransport, Request, TransportError, check_url

SOON = 60


class Peer:
    """A server that says to each connection what it is told to, byte for byte."""

    def __init__(self, serve):
        self.requests = []
        self.connections = 0
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/x"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self._serve(self, connection)
            except OSError:
                return

    def read(self, connection):
        """One request, without body."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError
            data += chunk
        self.requests.append(data.decode())

    def close(self):
        # Closed under a thread that waits in it, its number may be the next peer's by the time that thread looks again.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(SOON)
        self._socket.close()


@pytest.fixture
def peer():
    peers = []

    def make(answer):
        def serve(self, connection):
            self.read(connection)
            connection.sendall(answer)

        peers.append(Peer(answer if callable(answer) else serve))
        return peers[-1]

    yield make
    for one in peers:
        one.close()


@pytest.fixture
def transport():
    transport = HttpTransport()
    yield transport
    transport.close()


def answer(body=b"", *headers, status="200 OK", length=None):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_an_answer_is_given_with_status_headers_and_body(peer, transport):
    response = transport.fetch(Request(peer(answer(b"hello", "Cache-Control: max-age=5", "X-A: 1")).url))
    assert (response.status, response.body) == (200, b"hello")
    assert response.headers["cache-control"] == "max-age=5"


def test_the_request_carries_method_path_query_headers_and_body(transport, peer):
    def serve(self, connection):
        data = b""
        while not data.endswith(b"body"):
            data += connection.recv(65536)
        self.requests.append(data.decode())
        connection.sendall(answer())

    there = peer(serve)
    transport.fetch(Request(there.url + "?a=b%20c", method="POST", headers={"X-A": "1"}, body=b"body"))
    request = there.requests[0]
    assert request.startswith("POST /x?a=b%20c HTTP/1.1\r\n")
    assert "\r\nX-A: 1\r\n" in request
    assert f"\r\nHost: {there.url.split('/')[2]}\r\n" in request
    assert request.endswith("\r\n\r\nbody")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 T", "308 P", "404 N", "500 E"])
def test_no_redirect_is_followed_and_no_status_is_an_exception(status, peer, transport):
    there = peer(answer(b"", "Location: http://127.0.0.1:1/evil", status=status))
    assert transport.fetch(Request(there.url)).status == int(status[:3])
    assert there.connections == 1


def test_gzip_is_undone(peer, transport):
    packed = gzip.compress(b'{"keys":[]}' * 1000)
    response = transport.fetch(Request(peer(answer(packed, "Content-Encoding: gzip")).url))
    assert response.body == b'{"keys":[]}' * 1000


def drip(self, connection):
    self.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    stop = threading.Event()
    while not stop.wait(0.1):  # in all 100 s, so that it is not done where threads wait for their turn
        connection.sendall(b"x")


def drip_headers(self, connection):
    self.read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    stop = threading.Event()
    while not stop.wait(0.01):
        connection.sendall(b"X: y\r\n")


def continue_forever(self, connection):
    self.read(connection)
    stop = threading.Event()
    while not stop.wait(0.005):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def say_nothing(self, connection):
    self.read(connection)
    connection.recv(1)


def hang_up(self, connection):
    self.read(connection)


BOMB = gzip.compress(bytes(50_000_000))

FAULTS = {
    "says nothing": say_nothing,
    "hangs up": hang_up,
    "drips its body": drip,
    "drips its headers": drip_headers,
    "never stops to continue": continue_forever,
    "speaks no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "answers with bytes": bytes(range(256)) * 10,
    "answers with a blank line": b"\r\n\r\n",
    "names a status of words": answer(status="abc OK"),
    "names a huge status": answer(status="99999 OK"),
    "sends endless headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "sends an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    "cuts its body short": answer(b"half", length=1000),
    "cuts its chunks short": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "sends bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "sends a negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "announces too much": answer(b"x", length=10**9),
    "sends too much": answer(b"x" * 5000),
    "sends too much in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n"
    + b"x" * 5000
    + b"\r\n0\r\n\r\n",
    "sends too much without saying": b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 5000,
    "sends a bomb": answer(BOMB, "Content-Encoding: gzip"),
    "sends a small bomb": answer(gzip.compress(bytes(5000)), "Content-Encoding: gzip"),
    "sends half a gzip": answer(gzip.compress(b"hello" * 100)[:-12], "Content-Encoding: gzip"),
    "sends gzip and more": answer(gzip.compress(b"hello") + b"trailing", "Content-Encoding: gzip"),
    "sends no gzip": answer(b"hello", "Content-Encoding: gzip"),
    "sends another encoding": answer(zlib.compress(b"hello"), "Content-Encoding: deflate"),
    "sends brotli": answer(b"hello", "Content-Encoding: br"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_a_peer_does_there_is_one_kind_of_error(fault, peer, transport):
    there = peer(fault)
    with pytest.raises(TransportError) as caught:
        transport.fetch(Request(there.url + "?secret=1", timeout=0.3, max_bytes=1000, headers={"A": "secret"}))
    assert "secret" not in str(caught.value)


def test_an_unreachable_peer_and_an_unknown_host_are_that_error_too(transport):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "https://no-such-host.invalid/"):
        with pytest.raises(TransportError):
            transport.fetch(Request(url, timeout=5))


def test_plain_text_where_tls_is_due_is_that_error_too(peer, transport):
    with pytest.raises(TransportError):
        transport.fetch(Request(peer(answer()).url.replace("http:", "https:"), timeout=0.3))


@pytest.mark.parametrize("headers", [{"A": "b\r\nC: d"}, {"A\r\nB": "c"}, {"A": "\u2028secret"}, {"Ä": "b"}])
def test_a_header_that_cannot_be_sent_is_that_error_too_and_is_not_shown(headers, peer, transport):
    with pytest.raises(TransportError) as caught:
        transport.fetch(Request(peer(answer()).url, headers=headers))
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://as.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://10.0.0.1/",
        "http://[::2]/",
        "https://user:password@as.example/",
        "https://@as.example/",
        "https://as.example/#fragment",
        "https://as.example\\@evil.example/",
        "https://as.example/\r\nHost: evil",
        "https://as.example/ x",
        "https://as.example:99999/",
        "https://as.example:0/",
        "https://as.example:x/",
        "https:///path",
        "https://ä.example/",
        "https://as.example/" + "a" * 5000,
        "https://[::1/",
    ],
)
def test_a_url_that_must_not_be_fetched_is_not(url, transport):
    with pytest.raises(TransportError):
        transport.fetch(Request(url))


@pytest.mark.parametrize(
    "url", ["http://localhost/", "http://127.0.0.1:1/", "http://127.9.9.9/", "http://[::1]:8/", "https://a/"]
)
def test_plain_http_is_for_this_machine(url):
    assert check_url(url).hostname


def test_plain_http_elsewhere_must_be_asked_for():
    assert check_url("http://as.internal/", allow_http=True).hostname == "as.internal"


@given(st.text(max_size=50))
@settings(max_examples=200)
def test_text_is_a_url_or_a_transport_error(url):
    try:
        check_url("https://a" + url)
    except TransportError:
        return
    assert ("https://a" + url).isascii()


def serve_many(self, connection):
    while True:
        self.read(connection)
        connection.sendall(answer(str(len(self.requests)).encode()))


def test_a_connection_is_used_again(peer, transport):
    there = peer(serve_many)
    assert [transport.fetch(Request(there.url)).body for _ in range(5)] == [b"1", b"2", b"3", b"4", b"5"]
    assert there.connections == 1


def test_a_connection_the_peer_closed_is_not_an_error(peer, transport):
    there = peer(answer(b"one"))
    for _ in range(3):
        assert transport.fetch(Request(there.url)).body == b"one"
    assert there.connections == 3


def test_bytes_nobody_asked_for_are_never_taken_for_an_answer(peer, transport):
    poison = answer(b"poison")

    def serve(self, connection):
        self.read(connection)
        connection.sendall(answer(b"first") + poison)
        connection.recv(1)

    there = peer(serve)
    assert transport.fetch(Request(there.url)).body == b"first"
    assert transport.fetch(Request(there.url)).body == b"first"


def test_a_faulty_exchange_ends_its_connection(peer, transport):
    def serve(self, connection):
        self.read(connection)
        connection.sendall(answer(b"x" * 5000 if len(self.requests) == 1 else b"fine"))
        connection.recv(1)

    there = peer(serve)
    with pytest.raises(TransportError):
        transport.fetch(Request(there.url, max_bytes=1000))
    assert transport.fetch(Request(there.url)).body == b"fine"
    assert there.connections == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for localhost, as a file of key and certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "good"), [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)]
)
def test_https_needs_a_certificate_that_is_trusted_and_names_the_host(host, trusted, good, certificate, peer):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)

    def serve(self, connection):
        with server.wrap_socket(connection, server_side=True) as secure:
            self.read(secure)
            secure.sendall(answer(b"over tls"))

    url = peer(serve).url.replace("http://127.0.0.1", f"https://{host}")
    transport = HttpTransport(tls=ssl.create_default_context(cafile=certificate) if trusted else None)
    if good:
        assert transport.fetch(Request(url)).body == b"over tls"
    else:
        with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
            transport.fetch(Request(url))
