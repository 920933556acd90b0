"""For whatever is signed: it verifies, and nothing else does; whatever arrives: a URL or UrlRejected, nothing else."""

from __future__ import annotations

import importlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from watchword.jose import Key
from watchword.signedurl import SignedUrls, UrlRejected, UrlRequest
from watchword.testing import FakeClock

ORIGIN = "https://media.example.com"
URLS = SignedUrls(Key.from_secret(bytes(range(32)), "HS256", kid="k1"), origin=ORIGIN, clock=FakeClock(1.8e9))
FUZZ = Path(__file__).parents[3] / "fuzz"

segments = st.text("abcXYZ019-_~!$&'()*+,=:@", min_size=1, max_size=8).filter(lambda s: not s.lower().startswith("ww="))
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
names = st.sampled_from(["a", "b", "lang", "q", "_x"])
queries = st.lists(st.builds("{}={}".format, names, st.text("abc019%-._~+/?:@", max_size=6)), max_size=4).map("&".join)


@settings(max_examples=150, deadline=None)
@given(paths, queries, st.sampled_from(["all", "none", ("a", "q")]))
def test_what_is_signed_verifies(path, query, bound):
    target = f"{path}?{query}" if query else path
    url = URLS.sign(target, 60, query=bound)[len(ORIGIN) :]
    assert URLS.verify(UrlRequest("GET", url)).target == target
    assert URLS.verify(UrlRequest("HEAD", url)).path == path


@settings(max_examples=300, deadline=None)
@given(paths, queries, st.data())
def test_no_change_of_a_plain_url_verifies(path, query, data):
    url = URLS.sign(f"{path}?{query}" if query else path, 60)[len(ORIGIN) :]
    place = data.draw(st.integers(0, len(url) - 1))
    instead = data.draw(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
    changed = data.draw(
        st.sampled_from(
            [
                url[:place] + instead + url[place + 1 :],
                url[:place] + url[place + 1 :],
                url[:place] + instead + url[place:],
            ]
        )
    )
    if changed == url:
        return
    try:
        URLS.verify(UrlRequest("GET", changed))
    except UrlRejected:
        return
    raise AssertionError(changed)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.text(max_size=8))
def test_whatever_arrives_is_refused_by_its_one_error(target, method):
    for asked in (target, f"/{target}", f"/a?ww={target}", f"/ww={target}/b", f"/a?ww=1.k1.1.{target}.x"):
        try:
            URLS.verify(UrlRequest(method, asked))
        except UrlRejected:
            continue
        raise AssertionError(asked)


def test_a_bounded_run_of_the_fuzz_target_finds_nothing(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZ))
    module = importlib.import_module("fuzz_signed_url")
    outcomes = importlib.import_module("mutation").run(
        module.target, module.SEEDS, module.WORDS, seed=20261121, rounds=3000
    )
    assert {"good", "bad_signature", "malformed", "unsigned", "path", "query", "unknown_key"} <= set(outcomes)
