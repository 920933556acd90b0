"""The demonstration's films: a link for whoever is logged in, good for nothing else, and dead with the session."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import httpx
import pytest
from watchword.testing import FakeIssuer

APP = Path(__file__).resolve().parents[3] / "examples/demonstration/app.py"
API = "http://localhost:8001"


@pytest.fixture(scope="module")
def demonstration():
    spec = importlib.util.spec_from_file_location("demonstration_app_of_videos", APP)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def issuer():
    return FakeIssuer()


@pytest.fixture
async def api(demonstration, issuer):
    app = demonstration.application(issuer.verifier(), ["http://localhost:8000"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=API) as http:
        yield http


async def link(api, issuer, number=1, sub="ada", **query):
    headers = {"Authorization": f"Bearer {issuer.token(sub)}"}
    return (await api.get(f"/api/videos/{number}", params=query, headers=headers)).json()["url"]


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_whoever_is_logged_in_gets_a_link_that_needs_no_token(api, issuer, number):
    answer = await api.get(f"/api/videos/{number}", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert answer.json().keys() == {"url", "expires_at"}
    assert answer.json()["expires_at"] == pytest.approx(issuer.clock.now() + 600, abs=5)
    film = await api.get(answer.json()["url"])
    assert film.status_code == 200
    assert film.headers["content-type"] == "video/mp4"
    assert b"ftyp" in film.content[:16]


async def test_nobody_gets_none_and_there_are_three(api, issuer):
    assert (await api.get("/api/videos/1")).status_code == 401
    token = {"Authorization": f"Bearer {issuer.token()}"}
    assert (await api.get("/api/videos/4", headers=token)).status_code == 404
    assert (await api.get("/api/videos/0", headers=token)).status_code == 404


async def test_byte_ranges_and_head_work(api, issuer):
    url = await link(api, issuer)
    whole = (await api.get(url)).content
    part = await api.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert (await api.get(url, headers={"Range": "bytes=-10"})).content == whole[-10:]
    head = await api.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole)), b"")
    assert (await api.get(url, headers={"Range": f"bytes={len(whole)}-"})).status_code == 416


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.partition("?")[0],
        lambda url: url.replace("/media/1/", "/media/2/"),
        lambda url: url + "&x=1",
        lambda url: url.replace("?", "?x=1&"),
        lambda url: url[:-1],
        lambda url: url.replace("film.mp4", "film%2Emp4"),
        lambda url: url.replace("/media/1/", "/media//1/"),
        lambda url: url.replace("/media/1/", "/media/1/%2e/"),
    ],
)
async def test_a_changed_link_is_forbidden(api, issuer, change):
    assert (await api.get(change(await link(api, issuer)))).status_code == 403


async def test_a_link_is_good_for_the_host_it_was_made_for(api, issuer):
    url = await link(api, issuer)
    assert url.startswith(f"{API}/media/1/film.mp4?ww=")
    assert (await api.get(url, headers={"Host": "127.0.0.1:8001"})).status_code == 403
    headers = {"Authorization": f"Bearer {issuer.token()}", "Host": "127.0.0.1:8001"}
    other = (await api.get("/api/videos/1", headers=headers)).json()["url"]
    assert other.startswith("http://127.0.0.1:8001/media/")
    assert (await api.get(other)).status_code == 200


async def test_a_stream_opens_its_segments_until_the_session_ends(api, issuer):
    playlist = await link(api, issuer, 2, stream=True)
    text = (await api.get(playlist)).text
    segments = [line for line in text.splitlines() if line.endswith(".m4s")]
    assert len(segments) == 6
    first = httpx.URL(playlist).join(segments[0])
    assert (await api.get(first)).status_code == 200
    assert (await api.get(str(first).replace("/media/2/", "/media/3/"))).status_code == 403
    issuer.cut_off("session", "session-ada")
    assert (await api.get(httpx.URL(playlist).join(segments[1]))).status_code == 403
    assert (await api.get(playlist)).status_code == 403
    assert (await api.get(await link(api, issuer, 2, "bob", stream=True))).status_code == 200


async def test_below_a_prefix_there_is_only_what_there_is(api, issuer):
    playlist = await link(api, issuer, stream=True)
    assert (await api.get(playlist.replace("index.m3u8", "absent.m4s"))).status_code == 404
    assert (await api.get(playlist.replace("index.m3u8", "..%2F2%2Ffilm.mp4"))).status_code == 403


def test_the_key_may_come_from_a_file_that_an_edge_shares(demonstration, tmp_path):
    file = tmp_path / "key.json"
    file.write_text('{"kty": "oct", "kid": "shared", "alg": "HS256", "k": "' + "A" * 43 + '"}')
    settings = demonstration.Settings.from_environment({"DEMO_URL_KEY_FILE": str(file)})
    assert settings.url_key.kid == "shared"
    assert demonstration.Settings.from_environment({}).url_key.kid == "demo"
