"""A verifier and an issuer with a real network between them, on loopback."""

import http.server
import threading
import time

import pytest
from watchword import KeysUnavailable, Revocations, RevocationViewStale, SyncVerifier, TokenRejected, system_clock
from watchword.testing import FakeIssuer
from watchword.transport import Request, Response

SOON = 60


class Site:
    """Serves a fake issuer over HTTP, on a port of its own."""

    def __init__(self):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if site.gone:  # connections kept open outlive their server
                    self.close_connection = True
                    return
                site.paths.append(self.path)
                url = f"{site.issuer.issuer}{self.path}"
                answer = site.issuer.transport.answers.get(url.partition("?")[0])
                response = (
                    Response(404, {}, b"") if answer is None else answer(Request(url, headers=dict(self.headers)))
                )
                self.send_response(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)

            def log_message(self, *arguments):
                pass

        self.gone = False
        self.paths = []
        self._handler = Handler
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._port = self._server.server_address[1]
        self.issuer = FakeIssuer(f"http://127.0.0.1:{self._port}", clock=system_clock)
        self._serve()

    def _serve(self):
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.gone = True
        self._server.shutdown()
        self._server.server_close()

    def start_again(self):
        self.gone = False
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        self._serve()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.stop()


def following(site, *, max_staleness):
    """A verifier with a view that is renewed all the time."""
    revocations = Revocations(token="feed", poll_interval=0.02, max_staleness=max_staleness)
    return SyncVerifier(site.issuer.issuer, site.issuer.audience, revocations=revocations, timeout=SOON)


@pytest.fixture
def verifier(site):
    with following(site, max_staleness=2 * SOON) as verifier:
        yield verifier


def until(happened):
    """Wait for something another thread does."""
    deadline = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def refused(verifier, raw, error):
    def look():
        try:
            verifier.verify(raw)
        except error:
            return True
        return False

    return look


def test_a_revoked_token_dies_with_the_next_poll(site, verifier):
    raw, other = site.issuer.token(), site.issuer.token()
    assert verifier.verify(raw)
    site.issuer.revoke(raw)
    until(refused(verifier, raw, TokenRejected))
    assert verifier.verify(other)


def test_a_new_key_is_found_while_running(site, verifier, monkeypatch):
    assert verifier.verify(site.issuer.token())
    monkeypatch.setattr("watchword.verify.keys.COOL_DOWN_SECONDS", 0)
    site.issuer.rotate()
    assert verifier.verify(site.issuer.token()).kid == site.issuer.key.kid


def fate(verifier, raw):
    """What becomes of a token: None as long as that cannot be told."""
    try:
        verifier.verify(raw)
    except TokenRejected:
        return "rejected"
    except RevocationViewStale:
        return None
    return "accepted"


def test_when_the_issuer_is_gone_the_bound_holds_and_when_it_is_back_so_are_we(site):
    raw = site.issuer.token()
    with following(site, max_staleness=0.5) as verifier:
        until(lambda: fate(verifier, raw) == "accepted")
        site.stop()
        until(refused(verifier, raw, RevocationViewStale))
        site.issuer.revoke(raw)
        fresh = site.issuer.token()
        site.start_again()
        until(lambda: verifier.health().ready)
        fates = []
        until(lambda: fates.append(fate(verifier, raw)) or fates[-1])
        assert fates[-1] == "rejected"
        until(lambda: fate(verifier, fresh) == "accepted")


def test_a_key_set_that_redirects_is_not_followed(site):
    site.issuer.transport.answers[f"{site.issuer.issuer}/jwks"] = lambda _: Response(
        302, {"location": "/elsewhere"}, b""
    )
    verifier = SyncVerifier(site.issuer.issuer, site.issuer.audience)
    with pytest.raises(KeysUnavailable):
        verifier.verify(site.issuer.token())
    assert "/elsewhere" not in site.paths
    verifier.close()


def test_the_feed_s_credential_is_sent_and_needed(site, verifier):
    site.issuer.feed_token = "feed"
    assert verifier.health().ready
    with SyncVerifier(
        site.issuer.issuer, site.issuer.audience, revocations=Revocations(token="wrong", max_staleness=5)
    ) as other:
        assert other.health().revocations_error == "feed answered 401"
        with pytest.raises(RevocationViewStale):
            other.verify(site.issuer.token())
