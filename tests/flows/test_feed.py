"""The revocation feed: who reads it, in what order, and how a verifier follows it."""

from story import SAFARI, bearer
from watchword.testing import FakeClock  # noqa: F401

FEED = {"Authorization": "Bearer feed-token-of-the-tests"}


async def test_reading_the_feed_needs_its_token(server):
    async with server.browser() as client:
        assert (await client.get("/revocations")).status_code == 401
        assert (await client.get("/revocations", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get("/revocations", headers=FEED)).status_code == 200


async def test_a_token_of_an_account_does_not_read_the_feed(server):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        assert (await client.get("/revocations", headers=bearer(tokens))).status_code == 401


async def test_without_a_cursor_a_snapshot_and_after_it_only_what_came_since(server):
    async with server.browser() as client, server.browser(SAFARI) as phone:
        await server.register(client)
        await server.login(client)
        await client.post("/auth/logout")
        first = (await client.get("/revocations", headers=FEED)).json()
        assert first["snapshot"] is True
        assert [entry["axis"] for entry in first["entries"]] == ["session"]
        # As long as a signed URL of the session may live, and the leeway of whoever verifies it.
        assert 3600 <= first["entries"][0]["expires_in"] <= 3600 + 60 + 5 + 1
        after = {"cursor": first["cursor"]}
        quiet = (await client.get("/revocations", params=after, headers=FEED)).json()
        assert quiet == {"cursor": first["cursor"], "entries": [], "more": False, "snapshot": False}
        await server.login(phone)
        await phone.post("/auth/logout")
        news = (await client.get("/revocations", params=after, headers=FEED)).json()
        assert len(news["entries"]) == 1
        assert news["entries"][0]["position"] == first["entries"][0]["position"] + 1


async def test_pages_are_as_long_as_asked_and_tell_when_there_is_more(server):
    async with server.browser() as client:
        await server.register(client)
        for _ in range(5):
            await server.login(client)
            await client.post("/auth/logout")
        seen, cursor, pages = [], None, 0
        while True:
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/revocations", params=params, headers=FEED)).json()
            seen += [entry["position"] for entry in page["entries"]]
            cursor, pages = page["cursor"], pages + 1
            if not page["more"]:
                break
        assert pages == 3
        assert seen == sorted(set(seen))
        assert len(seen) == 5


async def test_a_cursor_of_another_log_or_from_the_future_gets_a_snapshot(server):
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        await client.post("/auth/logout")
        cursor = (await client.get("/revocations", headers=FEED)).json()["cursor"]
        epoch, position, chain = cursor.split(".")
        for foreign in (
            f"other.{position}.{chain}",
            f"{epoch}.{int(position) + 5}.{chain}",
            f"{epoch}.{position}.AAAA",
        ):
            page = (await client.get("/revocations", params={"cursor": foreign}, headers=FEED)).json()
            assert page["snapshot"] is True
            assert page["cursor"] == cursor
            assert len(page["entries"]) == 1


async def test_malformed_parameters_are_400(server):
    async with server.browser() as client:
        for query in (
            "cursor=x",
            "cursor=",
            "cursor=a.b.c",
            "cursor=a.1.b&cursor=a.1.b",
            "limit=0",
            "limit=x",
            "limit=99999",
            "cursor=" + "a" * 3000,
            "limit=-1",
            "limit=%00",
        ):
            answer = await client.get(f"/revocations?{query}", headers=FEED)
            assert answer.status_code == 400, query


async def test_a_thousand_logins_and_logouts_of_one_account_do_not_flood_the_feed(server):
    async with server.browser() as client:
        await server.register(client)
        for _ in range(120):
            await server.login(client)
            await client.post("/auth/logout")
        page = (await client.get("/revocations", headers=FEED, params={"limit": "5000"})).json()
        assert len(page["entries"]) <= 51
