"""The live feed: held polls and streams, from the revocation to the reader, and how they end."""

import asyncio
import json
from functools import partial

import httpx
import pytest
from live_feed import (
    FEED,
    NONCE,
    cursor_of,
    feed_keys,
    held,
    live,
    reader,
    settled,
    streaming,
    until,
)
from watchword.jose.jws import verify
from watchword_server.app import open_services
from watchword_server.revocation import node as node_module
from watchword_server.revocation.streams import Stream
from watchword_server.store.records import AuditEvent, Origin

TEST = Origin(actor="cli")
AUDIT = AuditEvent(event="test.happened", origin=TEST)


async def cut(services, value: str = "a"):
    return await services.store.cut_off("token", value, spares=None, ends_families=False, cause="test", audit=AUDIT)


def values(page: dict) -> list[str]:
    return [entry["value"] for entry in page["entries"]]


def poll(client: httpx.AsyncClient, cursor: str, wait: str = "25", **params: str) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.get("/revocations", params={"cursor": cursor, "wait": wait} | params))


async def test_a_held_poll_is_answered_by_the_logout_it_waits_for(server):
    async with live(server) as url, reader(url) as client, server.browser() as browser:
        await server.register(browser)
        await server.login(browser)
        waiting = poll(client, await cursor_of(client))
        await settled(server, polls=1)
        assert (await browser.post("/auth/logout")).status_code == 204
        page = (await waiting).json()
        assert [entry["axis"] for entry in page["entries"]] == ["session"]
        assert page["snapshot"] is False


async def test_a_held_poll_is_signed_when_it_is_answered(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        waiting = poll(client, cursor, nonce=NONCE)
        await settled(server, polls=1)
        await cut(server.services)
        answer = await waiting
        assert answer.headers["content-type"] == "application/watchword-revocations+jwt"
        page = json.loads(verify(answer.text, await feed_keys(client), algorithms={"ES256"}).payload)
        assert (page["nonce"], page["from"], values(page)) == (NONCE, cursor, ["a"])


async def test_a_poll_behind_the_head_is_not_held(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        await cut(server.services)
        assert values((await poll(client, cursor)).json()) == ["a"]
        foreign = cursor.replace(cursor[:32], "f" * 32)
        assert (await poll(client, foreign)).json()["snapshot"] is True


@pytest.mark.parametrize("wait", ["0", "0.05", "0.001", "00"])
async def test_a_poll_for_which_nothing_happens_is_answered_when_its_time_is_over(server, wait):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        page = (await poll(client, cursor, wait)).json()
        assert page == {"cursor": cursor, "entries": [], "more": False, "snapshot": False}


async def test_a_revocation_by_another_process_reaches_polls_and_streams(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        async with (
            open_services(server.services.settings, clock=server.clock) as elsewhere,
            streaming(client, cursor) as events,
        ):
            waiting = poll(client, cursor)
            await settled(server, polls=1, streams=1)
            await cut(elsewhere, "elsewhere")
            assert values((await waiting).json()) == ["elsewhere"]
            assert values(await events.payload()) == ["elsewhere"]


async def test_what_a_stream_looks_like(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        async with streaming(client, cursor) as events:
            response = events.response
            assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"
            assert "content-length" not in response.headers
            assert "content-encoding" not in response.headers
            keys = await feed_keys(client)
            for number in range(3):
                await cut(server.services, f"t{number}")
                payload = await events.payload(keys)
                assert payload.keys() == {"iss", "from", "cursor", "entries"}
                assert payload["iss"] == server.services.settings.issuer
                assert payload["from"] == cursor
                assert values(payload) == [f"t{number}"]
                assert payload["entries"][0].keys() == {"position", "axis", "value", "spares", "floor", "expires_in"}
                cursor = payload["cursor"]
            assert events.comments[0] == ": alive"


async def test_the_bytes_of_a_stream(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        await cut(server.services)
        params, headers = {"cursor": cursor}, {"accept": "text/event-stream"}
        async with client.stream("GET", "/revocations", params=params, headers=headers) as response:
            raw = b""
            async for chunk in response.aiter_raw():
                raw += chunk
                if raw.count(b"\n\n") == 2:
                    break
        comment, event, rest = raw.split(b"\n\n")
        assert (comment, rest) == (b": alive", b"")
        name, place, data = event.split(b"\n")
        assert name == b"event: cut-offs"
        assert place.startswith(b"id: " + cursor[:33].encode())
        assert data.startswith(b"data: ey")
        assert data.count(b".") == 2


async def test_a_stream_without_news_says_that_it_lives(open_server):
    async with (
        open_server(WATCHWORD_FEED__KEEP_ALIVE="1") as server,
        live(server) as url,
        reader(url) as client,
        streaming(client) as events,
    ):
        reading = asyncio.create_task(events.next())
        await until(lambda: len(events.comments) >= 3)
        await cut(server.services)
        assert (await reading)["event"] == "cut-offs"


async def test_a_stream_goes_on_from_its_cursor_and_from_the_last_event_seen(server):
    async with live(server) as url, reader(url) as client:
        start = await cursor_of(client)
        for value in "abc":
            await cut(server.services, value)
        async with streaming(client, start) as events:
            first = await events.payload()
            assert values(first) == ["a", "b", "c"]
        await cut(server.services, "d")
        async with streaming(client, start, **{"last-event-id": first["cursor"]}) as events:
            assert values(await events.payload()) == ["d"]
        async with streaming(client) as events:
            await settled(server, streams=1)
            await cut(server.services, "e")
            assert values(await events.payload()) == ["e"]


async def test_a_stream_after_a_cursor_of_another_log_says_resync_and_ends(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        epoch, position, chain = cursor.split(".")
        for foreign in (
            f"{'f' * 32}.{position}.{chain}",
            f"{epoch}.{int(position) + 1}.{chain}",
            f"{epoch}.0.{'a' * 64}",
            "short.0.AAAA",
        ):
            async with streaming(client, foreign) as events:
                assert (await events.next())["event"] == "resync"
                assert await events.next() is None
        await settled(server)


@pytest.mark.parametrize("extra", [{"nonce": NONCE}, {"wait": "1"}, {"wait": "0"}, {"cursor": "x"}, {"limit": "0"}])
async def test_a_stream_takes_neither_nonce_nor_wait_nor_nonsense(server, extra):
    async with live(server) as url, reader(url) as client:
        params = {"cursor": await cursor_of(client)} | extra
        answer = await client.get("/revocations", params=params, headers={"accept": "text/event-stream"})
        assert answer.status_code == 400
        bad = {"accept": "text/event-stream", "last-event-id": "nonsense"}
        assert (await client.get("/revocations", headers=bad)).status_code == 400


async def test_who_does_not_ask_for_events_exactly_gets_a_page(server):
    async with server.browser() as client:
        for accept in ("*/*", "text/*", "text/event-stream;q=0", "text/event-streams", "application/json"):
            answer = await client.get("/revocations", headers=FEED | {"accept": accept})
            assert answer.headers["content-type"] == "application/json"


async def test_held_readers_need_the_feeds_token(server):
    async with live(server) as url, httpx.AsyncClient(base_url=url, timeout=30) as stranger, reader(url) as client:
        cursor = await cursor_of(client)
        for headers in ({}, {"authorization": "Bearer wrong"}):
            assert (await stranger.get("/revocations", params={"cursor": cursor, "wait": "25"})).status_code == 401
            answer = await stranger.get("/revocations", headers={"accept": "text/event-stream"} | headers)
            assert answer.status_code == 401
        await settled(server)


async def test_a_head_request_holds_nothing(server):
    async with live(server) as url, reader(url) as client:
        answer = await client.head("/revocations", headers={"accept": "text/event-stream"})
        assert (answer.status_code, answer.content) == (200, b"")
        await settled(server)


async def test_a_slow_reader_is_told_to_resync_and_its_stream_ends(server, monkeypatch):
    """A reader whose side takes nothing more, while revocations go on."""
    monkeypatch.setattr(node_module, "Stream", partial(Stream, most=3))
    takes = asyncio.Event()
    sent: list[bytes] = []
    started = asyncio.Event()
    left = asyncio.Event()

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.body":
            started.set()
            await takes.wait()
            sent.append(message["body"])

    headers = [(b"authorization", FEED["Authorization"].encode()), (b"accept", b"text/event-stream")]
    scope = {
        "type": "http", "method": "GET", "path": "/revocations", "raw_path": b"/revocations", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "scheme": "http", "http_version": "1.1",
        "server": ("localhost", 8000), "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    services = server.services
    async with services.feed.following():
        reading = asyncio.create_task(server.app(scope, receive, send))
        await started.wait()
        await until(lambda: len(services.feed._streams) == 1)
        (stream,) = services.feed._streams
        for number in range(12):
            await cut(services, f"t{number}")
            seen = services.feed.changes
            await services.feed.page(await services.store.head(), 9)
            assert services.feed.changes >= seen
        await until(lambda: stream.ending is not None)
        assert not services.feed._streams
        takes.set()
        await reading
        assert sent[-1].startswith(b"event: resync\n")
        assert held(server, "stream") == 0
    exposition = services.metrics.exposition().decode()
    assert 'watchword_feed_resyncs_total{reason="slow"} 1.0' in exposition


async def test_no_more_readers_are_held_than_may_be_and_a_place_given_back_is_free(open_server):
    async with open_server(WATCHWORD_FEED__MAX_READERS="2") as server, live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        waiting = poll(client, cursor)
        async with streaming(client, cursor):
            await settled(server, polls=1, streams=1)
            for params, accept in (({"cursor": cursor, "wait": "1"}, "*/*"), ({}, "text/event-stream")):
                answer = await client.get("/revocations", params=params, headers={"accept": accept})
                assert (answer.status_code, answer.json()["code"]) == (503, "feed_full")
                assert int(answer.headers["retry-after"]) > 0
            assert (await client.get("/revocations", params={"cursor": cursor})).status_code == 200
            assert (await client.get("/revocations", params={"cursor": cursor, "wait": "0"})).status_code == 200
        await settled(server, polls=1)
        async with streaming(client, cursor):
            await settled(server, polls=1, streams=1)
        waiting.cancel()
        await settled(server)


async def test_readers_that_go_away_leave_nothing_behind(server):
    async with live(server) as url:
        async with reader(url) as client:
            cursor = await cursor_of(client)
            await cut(server.services)
            cursor = await cursor_of(client)
        await settled(server)
        before = len(asyncio.all_tasks())
        for _ in range(2):
            async with reader(url) as client:
                polls = [poll(client, cursor) for _ in range(25)]
                streams = [asyncio.create_task(_stay(client, cursor)) for _ in range(25)]
                await settled(server, polls=25, streams=25)
                for task in (*polls, *streams):
                    task.cancel()
                await asyncio.gather(*polls, *streams, return_exceptions=True)
            await settled(server)
        await until(lambda: len(asyncio.all_tasks()) <= before)


async def _stay(client: httpx.AsyncClient, cursor: str) -> None:
    async with streaming(client, cursor) as events:
        await events.next()


async def test_a_stopping_server_answers_polls_and_ends_streams(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        waiting = poll(client, cursor, nonce=NONCE)
        async with streaming(client, cursor) as events:
            await settled(server, polls=1, streams=1)
            server.services.feed.drain()
            assert await events.next() is None
            page = json.loads(verify((await waiting).text, await feed_keys(client), algorithms={"ES256"}).payload)
            assert (page["cursor"], page["nonce"], page["entries"]) == (cursor, NONCE, [])
            answer = await client.get("/revocations", headers={"accept": "text/event-stream"})
            assert (answer.status_code, answer.json()["code"]) == (503, "feed_draining")
            assert (await poll(client, cursor)).status_code == 200


async def test_a_rotated_key_signs_what_is_pushed_from_then_on(server):
    async with live(server) as url, reader(url) as client, streaming(client, await cursor_of(client)) as events:
        before = await feed_keys(client)
        await cut(server.services, "a")
        await events.payload(before)
        await server.services.keys.rotate("feed", TEST, at_once=True)
        await cut(server.services, "b")
        assert values(await events.payload(before)) == ["b"], "the next key had been announced"
        active = json.loads(server.services.keys.feed_jwks.body)["keys"][0]["kid"]
        await server.services.keys.distrust(active, TEST)
        after = await feed_keys(client)
        assert active not in {key.kid for key in after}
        assert values(await events.payload()) == [active], "pushed, by whichever key"
        await cut(server.services, "c")
        assert values(await events.payload(after)) == ["c"]


async def test_a_cursor_lives_on_over_a_restart(server):
    services = server.services
    async with server.browser() as client:
        client.headers.update(FEED)
        await cut(services, "a")
        cursor = await cursor_of(client)
        await cut(services, "b")
    async with open_services(services.settings, clock=server.clock) as again:
        batch = await again.feed.page(None, 9)
        assert [entry.value for entry in batch.entries] == ["a", "b"]
        epoch, position, chain = cursor.split(".")
        place = type(batch.cursor)(epoch=epoch, position=int(position), chain=chain)
        for _ in range(2):
            page = await again.feed.page(place, 9)
            assert ([entry.value for entry in page.entries], page.snapshot) == (["b"], False)


async def test_a_new_epoch_is_told_as_a_snapshot_and_ends_streams(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        waiting = poll(client, cursor)
        async with streaming(client, cursor) as events:
            await settled(server, polls=1, streams=1)
            await server.services.store.begin_epoch(AUDIT)
            page = (await waiting).json()
            assert page["snapshot"] is True
            assert page["cursor"].partition(".")[0] != cursor.partition(".")[0]
            assert [entry["axis"] for entry in page["entries"]] == ["everything"]
            assert (await events.next())["event"] == "resync"
            assert await events.next() is None


async def test_the_cursor_of_the_head_is_known_when_its_entry_has_expired(server):
    async with live(server) as url, reader(url) as client:
        await cut(server.services, "a")
        cursor = await cursor_of(client)
        server.clock.advance(100_000)
        await server.services.store.sweep(limit=1000, retention=0)
        quiet = (await client.get("/revocations", params={"cursor": cursor})).json()
        assert quiet == {"cursor": cursor, "entries": [], "more": False, "snapshot": False}
        async with streaming(client, cursor) as events:
            await settled(server, streams=1)
            await cut(server.services, "b")
            assert values(await events.payload()) == ["b"]
        async with open_services(server.services.settings, clock=server.clock) as again:
            page = await again.feed.page((await again.store.head()), 9)
            assert not page.snapshot


async def test_time_held_on_purpose_is_not_counted_as_slowness(server):
    """Held for a second and longer; what remains of the request is far less."""
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with streaming(client, cursor):
            await poll(client, cursor, "1")
        await settled(server)
        held_seconds = loop.time() - began
    sums = [
        sample.value
        for metric in server.services.metrics.durations.collect()
        for sample in metric.samples
        if sample.name.endswith("_sum") and sample.labels["route"] == "/revocations"
    ]
    assert held_seconds >= 1
    assert sum(sums) < held_seconds


async def test_what_is_held_pushed_and_resynced_is_counted(server):
    async with live(server) as url, reader(url) as client:
        cursor = await cursor_of(client)
        async with streaming(client, cursor) as events:
            await settled(server, streams=1)
            await cut(server.services)
            await events.payload()
            text = server.services.metrics.exposition().decode()
            assert 'watchword_feed_readers{kind="stream"} 1.0' in text
            assert "watchword_feed_pushes_total 1.0" in text
            assert "watchword_feed_store_reads_total" in text
        async with streaming(client, cursor.replace(cursor[:32], "f" * 32)) as events:
            await events.next()
        text = server.services.metrics.exposition().decode()
        assert 'watchword_feed_resyncs_total{reason="lost"} 1.0' in text
        await settled(server)
