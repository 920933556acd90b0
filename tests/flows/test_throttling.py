"""Failures are throttled per account and per address; successes never are; nobody learns which accounts exist."""

import pytest
from story import PASSWORD


async def fail(client, identifier: str = "ada@example.test", times: int = 1) -> list[int]:
    codes = []
    for _ in range(times):
        answer = await client.post("/auth/login", json={"identifier": identifier, "password": "wrong " + PASSWORD})
        codes.append(answer.status_code)
    return codes


async def test_after_too_many_failures_the_account_is_throttled_and_told_when_to_come_back(server):
    async with server.browser() as client:
        await server.register(client)
        assert await fail(client, times=10) == [401] * 10
        answer = await client.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
        assert answer.status_code == 429
        wait = int(answer.headers["retry-after"])
        assert wait > 0
        server.clock.advance(wait + 1)
        await server.login(client)


@pytest.mark.parametrize("identifier", ["nobody@example.test", "nobody"])
async def test_an_account_that_does_not_exist_is_throttled_in_the_same_words(server, identifier):
    async with server.browser() as client:
        await server.register(client)
        known, unknown = [], []
        for seen, name in ((known, "ada@example.test"), (unknown, identifier)):
            for _ in range(11):
                answer = await client.post("/auth/login", json={"identifier": name, "password": "wrong " + PASSWORD})
                body = answer.json()
                body.pop("correlation_id", None)
                seen.append((answer.status_code, body))
        assert known == unknown


async def test_successes_are_never_throttled(server):
    async with server.browser() as client:
        await server.register(client)
        for _ in range(30):
            await server.login(client)


async def test_an_address_that_fails_with_many_accounts_is_throttled_and_others_are_not(server):
    async with server.browser(address="203.0.113.7") as attacker, server.browser(address="198.51.100.1") as other:
        await server.register(other)
        codes = []
        for number in range(101):
            codes += await fail(attacker, f"user{number}@example.test")
        assert codes[:100] == [401] * 100
        assert codes[100] == 429
        await server.login(other)


async def test_addresses_of_one_ipv6_network_count_as_one(server):
    async with server.browser() as other:
        await server.register(other)
    codes = []
    for number in range(101):
        async with server.browser(address=f"2001:db8:1:1::{number + 1:x}") as attacker:
            codes += await fail(attacker, f"user{number}@example.test")
    assert codes[100] == 429
    async with server.browser(address="2001:db8:1:2::1") as neighbour:
        await server.login(neighbour)
