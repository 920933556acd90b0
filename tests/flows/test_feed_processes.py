"""The live feed of real server processes: they stop, are killed, share a port, and run out of disk."""

import asyncio
import resource
import signal
import subprocess
import sys

import httpx
import pytest
from live_feed import FEED, NONCE, PATIENCE, Events, cursor_of, reader, streaming
from process import Process
from story import PASSWORD, bearer

METRIC = 'watchword_feed_readers{kind="%s"} %s'


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("migrated_postgres_dsn") if request.param == "postgres" else None


@pytest.fixture
def start(tmp_path):
    started = []

    def starting(store_url: str | None = None, **environ: str) -> Process:
        process = Process(tmp_path / f"home{len(started)}", store_url, **environ)
        started.append(process)
        return process

    yield starting
    for process in started:
        process.kill() if process.process.poll() is None else None


async def login(client: httpx.AsyncClient, email: str = "ada@example.test") -> dict:
    await client.post("/auth/register", json={"email": email, "password": PASSWORD})
    body = {"identifier": email, "password": PASSWORD, "delivery": "body"}
    answer = await client.post("/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def settled(client: httpx.AsyncClient, *, polls: int = 0, streams: int = 0) -> None:
    """Wait until the server says that it holds so many."""
    wanted = [METRIC % (kind, f"{count:.1f}") for kind, count in (("poll", polls), ("stream", streams)) if count]
    async with asyncio.timeout(PATIENCE):
        while True:
            text = (await client.get("/metrics")).text
            if all(line in text for line in wanted):
                return
            await asyncio.sleep(0.01)


def axes(payload: dict) -> list[str]:
    return [entry["axis"] for entry in payload["entries"]]


async def test_on_sigterm_held_polls_are_answered_streams_end_and_the_exit_code_is_0(start, store_url):
    server = start(store_url, WATCHWORD_SERVER__SHUTDOWN_GRACE="600")
    async with reader(server.url) as client:
        cursor = await cursor_of(client)
        params = {"cursor": cursor, "wait": "25", "nonce": NONCE}
        polls = [asyncio.create_task(client.get("/revocations", params=params)) for _ in range(5)]
        async with streaming(client, cursor) as events:
            await settled(client, polls=5, streams=1)
            server.process.send_signal(signal.SIGTERM)
            assert await events.next() is None
        for answer in await asyncio.gather(*polls):
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/watchword-revocations+jwt"
    assert await asyncio.to_thread(server.process.wait, 60) == 0
    assert "Traceback" not in server.log.read_text()


async def test_after_kill_9_and_a_restart_a_reader_goes_on_from_what_it_saw_last(start, store_url):
    server = start(store_url)
    async with reader(server.url) as client, server.client() as browser:
        cursor = await cursor_of(client)
        for _ in range(3):
            tokens = await login(browser)
            async with streaming(client, cursor) as events:
                assert (await browser.post("/auth/logout", headers=bearer(tokens))).status_code == 204
                cursor = (await events.payload())["cursor"]
                tokens = await login(browser)
                await settled(client, streams=1)
                assert (await browser.post("/auth/logout", headers=bearer(tokens))).status_code == 204
                server.kill()
            server.start()
            async with streaming(client, None, **{"last-event-id": cursor}) as events:
                payload = await events.payload()
                assert payload["from"] == cursor
                assert axes(payload) == ["session"]
                cursor = payload["cursor"]
        quiet = (await client.get("/revocations", params={"cursor": cursor})).json()
        assert quiet == {"cursor": cursor, "entries": [], "more": False, "snapshot": False}


async def test_what_one_worker_is_told_reaches_the_readers_of_all(start, migrated_postgres_dsn):
    server = start(migrated_postgres_dsn, WATCHWORD_SERVER__WORKERS="2")
    async with reader(server.url) as client, server.client() as browser:
        cursor = await cursor_of(client)
        ready = asyncio.Event()
        joined = 0

        async def follow() -> list[dict]:
            nonlocal joined
            async with streaming(client, cursor) as events:
                joined += 1
                if joined == 12:
                    ready.set()
                # Cut-offs that come close together travel together.
                payloads = [await events.payload()]
                while sum(len(payload["entries"]) for payload in payloads) < 3:
                    payloads.append(await events.payload())
                return payloads

        following = [asyncio.create_task(follow()) for _ in range(12)]
        await ready.wait()
        for _ in range(3):
            tokens = await login(browser)
            assert (await browser.post("/auth/logout", headers=bearer(tokens))).status_code == 204
        async with asyncio.timeout(PATIENCE):
            told = await asyncio.gather(*following)
        assert {axis for payloads in told for payload in payloads for axis in axes(payload)} == {"session"}
        assert len({payloads[-1]["cursor"] for payloads in told}) == 1
        keys = (await client.get("/revocations/keys")).json()["keys"]
        assert len(keys) == 2, "made once, whichever worker was first"
    assert server.stop() == 0


async def test_what_the_command_line_ends_is_pushed(start, store_url):
    server = start(store_url)
    async with reader(server.url) as client, server.client() as browser:
        await login(browser)
        cursor = await cursor_of(client)
        async with streaming(client, cursor) as events:
            command = [sys.executable, "-m", "watchword_server.cli", "accounts", "disable", "ada@example.test"]
            ran = await asyncio.to_thread(
                subprocess.run, command, env=server.environ, capture_output=True, text=True, timeout=60
            )
            assert ran.returncode == 0, ran.stderr
            assert axes(await events.payload()) == ["account"]


async def test_on_a_full_disk_a_revocation_is_refused_whole_and_possible_again_when_there_is_room(start):
    """The process may not write one byte more to any file, as on a disk without room."""
    server = start()
    pid = server.process.pid
    async with reader(server.url) as client, server.client() as browser:
        tokens = await login(browser)
        cursor = await cursor_of(client)
        async with streaming(client, cursor) as events:
            await settled(client, streams=1)
            room = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            for call in ("/auth/logout", "/auth/logout-all", "/auth/logout"):
                answer = await browser.post(call, headers=bearer(tokens))
                assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
                assert (await browser.get("/auth/me", headers=bearer(tokens))).status_code == 200
            signed = await client.get("/revocations", params={"cursor": cursor, "nonce": NONCE})
            assert signed.status_code == 200, "who reads is not held up"
            assert (await cursor_of(client)) == cursor
            resource.prlimit(pid, resource.RLIMIT_FSIZE, room)
            again = await browser.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
            assert again.status_code == 200, "nothing was revoked"
            assert (await browser.post("/auth/logout", headers=bearer(tokens))).status_code == 204
            payload = await events.payload()
            assert (payload["from"], axes(payload)) == (cursor, ["session"])
        assert (await browser.get("/auth/me", headers=bearer(tokens))).status_code == 401
    assert server.stop() == 0


async def test_what_a_reader_left_before_it_had_it_whole_is_told_again(start, store_url):
    server = start(store_url)
    async with reader(server.url) as client, server.client() as browser:
        cursor = await cursor_of(client)
        for _ in range(3):
            tokens = await login(browser)
            assert (await browser.post("/auth/logout", headers=bearer(tokens))).status_code == 204
        headers = FEED | {"accept": "text/event-stream"}
        async with client.stream("GET", "/revocations", params={"cursor": cursor}, headers=headers) as response:
            raw = b""
            async for chunk in response.aiter_raw():
                raw += chunk
                if b"data: " in raw:
                    break
        async with streaming(client, cursor) as events:
            assert axes(await events.payload()) == ["session"] * 3


def test_events_are_parsed_by_these_tests_as_the_standard_says():
    """The reader of these tests itself: comments, fields, and an event that has no end."""

    class Canned:
        async def aiter_lines(self):
            for line in (": alive", "", "event: a", "id: 1", "data: x", "", ": alive", "", "event: b"):
                yield line

    async def run() -> None:
        events = Events(Canned())
        assert await events.next() == {"event": "a", "id": "1", "data": "x"}
        with pytest.raises(AssertionError):
            await events.next()
        assert events.comments == [": alive", ": alive"]

    asyncio.run(run())
