"""The JWT of players: the same promises in one query parameter, and no other token in its place."""

from __future__ import annotations

import msgspec
import pytest
from watchword.jose import Key, Signer, jws
from watchword.signedurl import MemorySingleUse, SignedUrls, UrlRejected, UrlRequest
from watchword.testing import FakeClock

ORIGIN = "https://media.example.com"
KEY = Key.generate("Ed25519", kid="k1")
SECRET = Key.generate("HS256", kid="h1")


@pytest.fixture
def clock():
    return FakeClock(1.8e9)


@pytest.fixture
def urls(clock, issuer):
    return SignedUrls(
        [KEY, SECRET],
        origin=ORIGIN,
        clock=clock,
        playback_parameter="token",
        cut_offs=issuer.view,
        single_use=MemorySingleUse(clock=clock),
    )


def request(url, method="GET", **members):
    return UrlRequest(method, url.removeprefix(ORIGIN), **members)


def reason(urls, asked):
    with pytest.raises(UrlRejected) as refused:
        urls.verify(asked)
    return refused.value.reason


@pytest.mark.parametrize("key", [KEY, SECRET], ids=["Ed25519", "HS256"])
def test_a_player_gets_in_by_its_token_and_by_head_too(clock, key):
    urls = SignedUrls(key, origin=ORIGIN, clock=clock, playback_parameter="token")
    url = urls.sign_playback("/films/1.mp4?quality=high", 60)
    assert "quality=high&token=ey" in url
    assert urls.verify(request(url)).target == "/films/1.mp4?quality=high"
    assert urls.verify(request(url, "HEAD")).kid == key.kid
    clock.advance(60)
    assert reason(urls, request(url)) == "expired"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("1.mp4", "2.mp4", "path"),
        ("/films/", "/films//", "path"),
        ("quality=high", "quality=low", "query"),
        ("quality=high&", "", "query"),
        ("quality=high", "quality=high&x=1", "query"),
        ("token=", "Token=", "unsigned"),
        ("&token=", "&token=&token=", "malformed"),
    ],
)
def test_what_is_changed_around_the_token_is_refused(urls, old, new, why):
    url = urls.sign_playback("/films/1.mp4?quality=high", 60)
    assert reason(urls, request(url.replace(old, new))) == why


def test_a_prefix_is_kept_to(urls):
    url = urls.sign_playback("/films/1/index.m3u8", 60, prefix="/films/1/")
    assert urls.verify(request(url.replace("index.m3u8", "7.m4s"))).path == "/films/1/7.m4s"
    assert reason(urls, request(url.replace("index.m3u8", "..%2F2"))) == "path"


def test_it_dies_with_its_session_and_counts_its_uses(urls, issuer):
    url = urls.sign_playback("/a", 60, session=issuer.verifier().verify_now(issuer.token()))
    urls.verify(request(url))
    issuer.cut_off("session", "session-ada")
    assert reason(urls, request(url)) == "revoked"
    once = urls.sign_playback("/a", 60, once=True)
    assert reason(urls, request(once, "HEAD")) == "method"
    urls.verify(request(once))
    assert reason(urls, request(once)) == "spent"


def forged(url, key=KEY, typ="playback+jwt", algorithm=None, **members):
    raw = url.partition("token=")[2]
    claims = {**msgspec.json.decode(jws.parse(raw).payload), **members}
    return url.replace(raw, Signer(key, algorithm=algorithm, typ=typ).sign(msgspec.json.encode(claims)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"typ": "at+jwt"}, "malformed"),
        ({"typ": None}, "malformed"),
        ({"key": Key.generate("Ed25519", kid="other")}, "unknown_key"),
        ({"key": Key.generate("Ed25519", kid="k1")}, "bad_signature"),
        ({"key": Key.generate("HS256", kid="k1")}, "malformed"),
        ({"key": Key.generate("Ed25519", kid="h1")}, "malformed"),
        ({"aud": "https://evil.example"}, "host"),
        ({"exp": -1}, "malformed"),
        ({"exp": 10**18}, "malformed"),
        ({"exp": 1_800_000_000 + 30 * 86400}, "lifetime"),
        ({"exp": "soon"}, "malformed"),
        ({"colour": "red"}, "malformed"),
        ({"once": True}, "malformed"),
        ({"sub": "ada"}, "lifetime"),
    ],
)
def test_other_tokens_are_no_playback_tokens(urls, change, why):
    url = urls.sign_playback("/films/1.mp4", 60)
    assert reason(urls, request(forged(url, **change))) == why


def test_an_access_token_opens_nothing(urls, issuer):
    assert reason(urls, request(f"/films/1.mp4?token={issuer.token()}")) == "unknown_key"


def test_tokens_are_accepted_only_where_that_was_said(clock, urls):
    strict = SignedUrls(KEY, origin=ORIGIN, clock=clock)
    assert reason(strict, request(urls.sign_playback("/a", 60))) == "unsigned"
    with pytest.raises(ValueError, match="playback_parameter"):
        strict.sign_playback("/a", 60)
    with pytest.raises(ValueError, match="playback_parameter"):
        SignedUrls(KEY, origin=ORIGIN, playback_parameter="ww")


def test_both_kinds_of_signature_at_once_are_refused(urls):
    signed = urls.sign("/a", 60)
    token = urls.sign_playback("/a", 60).partition("?")[2]
    assert reason(urls, request(f"{signed}&{token}")) == "query"
    with pytest.raises(UrlRejected):
        urls.sign_playback("/a?token=x", 60)
