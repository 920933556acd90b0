"""The published keys of signed URLs: fetched in the background, followed through rotation, and never waited for."""

from __future__ import annotations

import pytest
from watchword import KeysUnavailable
from watchword.jose import Key, KeySet
from watchword.signedurl import SignedUrls, UrlRejected, UrlRequest
from watchword.testing import FakeTransport, json_response
from watchword.verify.url_keys import PublishedUrlKeys

ISSUER = "https://auth.example.com"
ORIGIN = "https://media.example.com"


class Server:
    """Publishes keys; assign others to rotate."""

    def __init__(self):
        self.keys = [Key.generate("Ed25519", kid="u1")]
        self.transport = FakeTransport({f"{ISSUER}/signed-urls/keys": lambda _: json_response(self.published())})

    def published(self):
        return KeySet(key.public() for key in self.keys).public_jwks()


@pytest.fixture
def server():
    return Server()


def request(url):
    return UrlRequest("GET", url.removeprefix(ORIGIN))


def test_links_of_the_server_are_verified_with_what_it_publishes(server, clock):
    link = SignedUrls(server.keys[0], origin=ORIGIN, clock=clock).sign("/a", 60)
    with PublishedUrlKeys(ISSUER, transport=server.transport, clock=clock) as keys:
        assert SignedUrls(keys, origin=ORIGIN, clock=clock).verify(request(link)).kid == "u1"


def test_a_key_not_known_yet_is_looked_for_and_found_by_the_next_request(server, clock):
    with PublishedUrlKeys(ISSUER, transport=server.transport, clock=clock) as keys:
        urls = SignedUrls(keys, origin=ORIGIN, clock=clock)
        server.keys.insert(0, Key.generate("Ed25519", kid="u2"))
        link = SignedUrls(server.keys[0], origin=ORIGIN, clock=clock).sign("/a", 60)
        clock.advance(11)
        with pytest.raises(UrlRejected, match="unknown_key"):
            urls.verify(request(link))
        step = keys._keys.background.join()
        assert step is not None
        step.result(10)
        assert urls.verify(request(link)).kid == "u2"


def test_strangers_cannot_make_it_ask_more_than_once_in_a_while(server, clock):
    with PublishedUrlKeys(ISSUER, transport=server.transport, clock=clock) as keys:
        urls = SignedUrls(keys, origin=ORIGIN, clock=clock)
        asked = len(server.transport.asked)
        for n in range(50):
            with pytest.raises(UrlRejected, match="unknown_key"):
                urls.verify(UrlRequest("GET", f"/a?ww=1.stranger{n}.1800000000..AAAA"))
        assert len(server.transport.asked) == asked


def test_without_an_answer_nothing_is_verified_and_nothing_waits(server, clock):
    server.transport.down = True
    with PublishedUrlKeys(ISSUER, transport=server.transport, clock=clock) as keys:
        urls = SignedUrls(keys, origin=ORIGIN, clock=clock)
        link = SignedUrls(server.keys[0], origin=ORIGIN, clock=clock).sign("/a", 60)
        with pytest.raises(KeysUnavailable):
            urls.verify(request(link))
