"""Fuzz signed URLs: a target is good or refused by UrlRejected; and only what was signed is good."""

from __future__ import annotations

from mutation import main
from watchword.jose import Key
from watchword.jose.base64url import encode
from watchword.signedurl import MemorySingleUse, SignedUrls, UrlRejected, UrlRequest
from watchword.testing import FakeClock
from watchword.verify.revocation import RevocationView

CLOCK = FakeClock(1_800_000_000.0)
ORIGIN = "https://media.example.com"
SECRET = Key.from_secret(bytes(range(32)), "HS256", kid="h1")
URLS = SignedUrls(
    [SECRET, Key.generate("Ed25519", kid="e1")],
    origin=ORIGIN,
    clock=CLOCK,
    cut_offs=RevocationView(clock=CLOCK),
    single_use=MemorySingleUse(clock=CLOCK),
)
EXACT = [
    URLS.sign(url, 600, **caveats)[len(ORIGIN) :]
    for url, caveats in [
        ("/films/1.mp4", {}),
        ("/films/1.mp4?quality=high&lang=de", {}),
        ("/films/%C3%A9t%C3%A9%20%2F1.mp4", {}),
        ("/films/1.mp4", {"account": "ada"}),
        ("/films/1.mp4", {"clients": ["192.0.2.0/24"]}),
    ]
]
PREFIX = "/films/1/"
BELOW = [URLS.sign("/films/1/audio/7.m4s", 600, prefix=PREFIX, in_path=way)[len(ORIGIN) :] for way in (True, False)]
FREE = [
    URLS.sign("/films/1.mp4?q=1&lang=de", 600, query=["q"])[len(ORIGIN) :],
    URLS.sign("/films/1.mp4", 600, query="none")[len(ORIGIN) :],
]
SEEDS = [text.encode() for text in [*EXACT, *BELOW, *FREE, "/films/1.mp4", "/a?ww=1.h9.1800000600..AAAA"]]
WORDS = [b"%2e%2e/", b"../", b"%2F", b"%252e", b"//", b";", b"\\", b"%c0%ae", b"?ww=", b"&ww=", b"/ww=", b"%77w=1"]
WORDS += [b"&q=2", b"&%71=2", b"#", b"\x00", b"\xc3\xa9", b"-1", b"e1", b"h1", encode(b'{"prefix":"/"}').encode()]


def target(data: bytes) -> str:
    """The outcome is the reason of the refusal, or that it was good."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        url = URLS.check(UrlRequest("GET", text, client="192.0.2.7"))
    except UrlRejected as refused:
        return str(refused.reason)
    if url.caveats.prefix is not None:
        assert url.path.startswith(PREFIX)
        assert "/." not in url.path
        assert url.target == url.path
    elif url.caveats.query == "all":
        assert text in EXACT, "a URL nobody signed is good"
    else:
        assert url.path == "/films/1.mp4"
    return "good"


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
