"""Status lists on both stores, read by the library's check as a foreign verifier would."""

import contextlib

from story import ISSUER, bearer
from watchword.jose import jws, strict_json
from watchword.jose.jwk import KeySet
from watchword.verify.status_list import check_status_list, status_reference

ON = {"WATCHWORD_STATUS_LISTS__ENABLED": "true", "WATCHWORD_STATUS_LISTS__TTL": "60"}


@contextlib.asynccontextmanager
async def numbering(open_server, **environ):
    async with open_server(**ON | environ) as server:
        await server.services.numbered.tend()
        yield server


def claims_of(tokens):
    return strict_json.decode_object(jws.parse(tokens["access_token"]).payload)


async def status(server, client, tokens):
    reference = status_reference(claims_of(tokens))
    answer = await client.get(reference.uri.removeprefix(ISSUER))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/statuslist+jwt"
    keys = KeySet.from_json((await client.get("/jwks.json")).content)
    read = check_status_list(answer.text, keys, uri=reference.uri, issuer=ISSUER, now=server.clock.now())
    assert read.ttl == 60
    return read.status(reference.idx)


async def test_nothing_is_said_of_a_status_unless_it_is_on(open_server):
    async with open_server() as server, server.browser() as ada:
        await server.register(ada)
        tokens = await server.login(ada)
        assert "status" not in claims_of(tokens)
        assert "." not in claims_of(tokens)["sid"]
        assert (await ada.get("/status-lists/0")).status_code == 404


async def test_a_session_that_ends_is_invalid_in_its_list_and_no_other_is(open_server):
    async with (
        numbering(open_server) as server,
        server.browser() as ada,
        server.browser() as phone,
        server.browser() as bob,
    ):
        await server.register(ada)
        await server.register(bob, "bob@example.test")
        first, second = await server.login(ada), await server.login(phone)
        other = await server.login(bob, "bob@example.test")
        assert [await status(server, ada, tokens) for tokens in (first, second, other)] == [0, 0, 0]
        await ada.post("/auth/logout", headers=bearer(first))
        server.clock.advance(2)
        assert [await status(server, ada, tokens) for tokens in (first, second, other)] == [1, 0, 0]
        await phone.post("/auth/logout-all", headers=bearer(second))
        server.clock.advance(2)
        assert [await status(server, ada, tokens) for tokens in (first, second, other)] == [1, 1, 0]


async def test_a_refreshed_token_keeps_its_place(open_server):
    async with numbering(open_server) as server, server.browser() as ada:
        await server.register(ada)
        before = await server.login(ada)
        after = (await ada.post("/auth/refresh")).json()
        assert claims_of(before)["status"] == claims_of(after)["status"]


async def test_a_list_is_kept_by_its_validator_and_changes_with_the_log(open_server):
    async with numbering(open_server) as server, server.browser() as ada:
        await server.register(ada)
        tokens = await server.login(ada)
        first = await ada.get("/status-lists/0")
        assert first.headers["cache-control"] == "public, max-age=60"
        again = await ada.get("/status-lists/0", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        await ada.post("/auth/logout", headers=bearer(tokens))
        server.clock.advance(2)
        changed = await ada.get("/status-lists/0", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


async def test_strangers_questions_read_the_store_once_a_second_at_most(open_server):
    async with numbering(open_server) as server, server.browser() as ada:
        reads = []
        store = server.services.store
        known = store.dead_status_numbers

        async def counting(first, last):
            reads.append(first)
            return await known(first, last)

        store.dead_status_numbers = counting
        for _ in range(20):
            assert (await ada.get("/status-lists/0")).status_code == 200
        assert reads == [0]


async def test_lists_that_are_not_there_are_404(open_server):
    async with numbering(open_server) as server, server.browser() as ada:
        for place in ("1", "999999999999999999999999", "-1", "x", "0x0", "1.0", "%30%30"):
            assert (await ada.get(f"/status-lists/{place}")).status_code in {200, 404}, place
        assert (await ada.get("/status-lists/1")).json()["code"] == "status_list_unknown"


async def test_numbers_are_given_once_over_processes_and_run_out_without_harm(open_server):
    from watchword_server.sessions.status_numbers import BLOCK, NumberedSessions

    async with numbering(open_server) as server:
        names = iter(range(10**6))
        processes = [NumberedSessions(server.services.store, lambda: f"s{next(names)}") for _ in range(2)]
        assert "." not in processes[0].session_identifier()
        given = []
        for _ in range(3):
            for process in processes:
                await process.tend()
                given += [process.session_identifier() for _ in range(BLOCK)]
        numbers = [sid.partition(".")[2] for sid in given if "." in sid]
        assert len(numbers) == len(set(numbers)) == 6 * BLOCK


async def test_a_list_of_absurd_number_is_unknown_and_no_failure(open_server):
    async with numbering(open_server) as server, server.browser() as anyone:
        for place in ("9" * 9, "9" * 400, "9" * 5000, "00", "-1", "+0", "0%00", "%D9%A0", "x"):
            assert (await anyone.get(f"/status-lists/{place}")).status_code == 404
