"""Attacks on names, passwords and the counters that guard them."""

import asyncio

import pytest
from story import PASSWORD, bearer

WRONG = "wrong " + PASSWORD


async def guess(client, identifier: str, password: str = WRONG) -> int:
    return (await client.post("/auth/login", json={"identifier": identifier, "password": password})).status_code


async def test_an_address_whose_letters_fold_to_eighteen_each_is_refused_or_kept_never_an_error(server):
    async with server.browser() as client:
        for count in (5, 13, 20, 64):
            email = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * count + "@example.test"
            answer = await client.post("/auth/register", json={"email": email, "password": PASSWORD})
            assert answer.status_code in {201, 422}, answer.text
            assert await guess(client, email, PASSWORD) == (200 if answer.status_code == 201 else 401)


async def test_failed_logins_as_the_id_of_an_account_do_not_keep_its_owner_from_a_new_password(server):
    async with server.browser() as owner, server.browser() as attacker:
        account = await server.register(owner)
        tokens = await server.login(owner)
        for identifier in (f"id {account['id']}", account["id"], f"name {account['email']}"):
            for _ in range(10):
                assert await guess(attacker, identifier) == 401
        body = {"current_password": PASSWORD, "new_password": "an entirely different staple"}
        assert (await owner.post("/auth/password", json=body, headers=bearer(tokens))).status_code == 204


@pytest.mark.parametrize(
    "spellings",
    [
        ["ada@example.test", "ADA@example.test", " ada@example.test ", "ada@EXAMPLE.TEST", "\uff41da@example.test"],
        ["ada", "ADA", " ada ", "\uff41\uff44\uff41", "Ada"],
    ],
    ids=["email", "username"],
)
async def test_another_spelling_of_a_name_buys_no_more_guesses(server, spellings):
    # django-allauth 0.44.0 (case), CVE-2026-97764 (accents): the counter folds as the look-up does.
    async with server.browser() as client:
        await server.register(client, username="ada")
        codes = [await guess(client, spellings[number % len(spellings)]) for number in range(12)]
        assert codes == [401] * 10 + [429] * 2


@pytest.mark.parametrize("other", ["\u00e1da@example.test", "\u0430da@example.test", "ad\u0131@example.test"])
async def test_a_name_that_only_looks_alike_is_another_name_for_look_up_and_counter(server, other):
    # CVE-2019-19844 (Django): no address of another mailbox finds the account.
    async with server.browser() as client:
        await server.register(client)
        assert await guess(client, other, PASSWORD) == 401
        for _ in range(12):
            await guess(client, other)
        await server.login(client)


async def test_guesses_sent_all_at_once_are_no_more_than_the_limit_and_the_threads(server):
    # CVE-2024-4629 (Keycloak): a burst that outruns the counter.
    async with server.browser() as client:
        await server.register(client)
        codes = await asyncio.gather(*(guess(client, "ada@example.test") for _ in range(60)))
        tried = [code for code in codes if code == 401]
        assert len(tried) <= 10 + server.services.hasher.threads + 1
        assert await guess(client, "ada@example.test", PASSWORD) == 429


async def test_a_forwarding_header_of_a_stranger_buys_no_more_guesses(server):
    # CVE-2024-47070 (authentik): X-Forwarded-For believed from anybody.
    async with server.browser() as client:
        await server.register(client)
        codes = []
        for number in range(12):
            forged = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
            forged |= {"X-Real-IP": f"198.51.100.{number}", "True-Client-IP": f"198.51.100.{number}"}
            body = {"identifier": "ada@example.test", "password": WRONG}
            codes.append((await client.post("/auth/login", json=body, headers=forged)).status_code)
        assert codes == [401] * 10 + [429] * 2


async def test_logging_in_to_an_own_account_does_not_wipe_the_failures_with_another(server):
    async with server.browser() as client:
        await server.register(client)
        await server.register(client, "eve@example.test")
        for _ in range(9):
            await guess(client, "ada@example.test")
        await server.login(client, "eve@example.test")
        assert [await guess(client, "ada@example.test") for _ in range(2)] == [401, 429]


async def test_one_address_cannot_ask_for_all_names_there_may_be_nor_fill_the_store(open_server):
    async with (
        open_server(WATCHWORD_THROTTLE__REGISTRATIONS="5") as server,
        server.browser(address="203.0.113.7") as attacker,
        server.browser(address="198.51.100.1") as other,
    ):
        await server.register(attacker)
        taken = {"email": "ada@example.test", "password": PASSWORD}
        codes = [(await attacker.post("/auth/register", json=taken)).status_code for _ in range(6)]
        assert codes == [409] * 4 + [429] * 2
        refused = await attacker.post("/auth/register", json={"email": "new@example.test", "password": PASSWORD})
        assert refused.status_code == 429
        assert refused.json()["code"] == "too_many_registrations"
        wait = int(refused.headers["retry-after"])
        await server.register(other, "bob@example.test")
        await server.login(attacker)
        server.clock.advance(wait + 1)
        await server.register(attacker, "new@example.test")


async def test_registrations_sent_all_at_once_are_no_more_than_the_limit(open_server):
    async with open_server(WATCHWORD_THROTTLE__REGISTRATIONS="5") as server, server.browser() as client:
        asked = [
            client.post("/auth/register", json={"email": f"u{number}@example.test", "password": PASSWORD})
            for number in range(20)
        ]
        codes = [answer.status_code for answer in await asyncio.gather(*asked)]
        assert codes.count(201) == 5
        assert codes.count(429) == 15


async def test_closed_registration_tells_nothing_about_names(open_server):
    async with open_server(WATCHWORD_REGISTRATION__OPEN="false", WATCHWORD_ADMIN__PASSWORD=PASSWORD) as server:
        from watchword_server.serving import first_administrator

        await first_administrator(server.services)
        async with server.browser() as client:
            answers = []
            for email in ("admin@localhost", "nobody@example.test", "not an address"):
                answer = await client.post("/auth/register", json={"email": email, "password": "x"})
                body = answer.json()
                del body["correlation_id"]
                answers.append((answer.status_code, body))
            assert answers[0] == answers[1] == answers[2]
            assert answers[0][0] == 403


async def test_what_is_counted_and_written_is_the_same_whether_or_not_there_is_an_account(server, monkeypatch):
    # CVE-2024-45052 (Fides), GHSA-6f65-4fv2-wwch (Vendure) and many more: hashes, reads, writes, headers, words.
    from watchword_server.store.records import Origin

    async with server.browser() as client:
        await server.register(client, username="ada")
        gone = await server.register(client, "gone@example.test")
        await server.services.accounts.disable(gone["id"], Origin(actor="test"))
        hasher = server.services.hasher
        done: list[str] = []
        verify = hasher.engine.verify
        monkeypatch.setattr(hasher.engine, "verify", lambda *given: done.append("hash") or verify(*given))
        for verb in ("append_audit", "count_failure", "failures", "account_for_login"):
            act = getattr(server.services.store, verb)

            def noting(*given, act=act, verb=verb, **named):
                done.append(verb)
                return act(*given, **named)

            monkeypatch.setattr(server.services.store, verb, noting)
        seen = []
        for identifier, password in (
            ("ada@example.test", WRONG),
            ("ada", WRONG),
            ("nobody@example.test", WRONG),
            ("nobody", WRONG),
            ("gone@example.test", PASSWORD),
            ("gone@example.test", WRONG),
            ("not a name at all\x00", WRONG),
            ("ada@example.test", "\x00"),
            ("ada@example.test", "a" * 5000),
        ):
            done.clear()
            answer = await client.post("/auth/login", json={"identifier": identifier, "password": password})
            body = answer.json()
            del body["correlation_id"]
            headers = {name for name in answer.headers if name != "x-request-id"}
            seen.append((answer.status_code, body, headers, list(done)))
        assert all(one == seen[0] for one in seen), seen
        assert seen[0][3].count("hash") == 1


async def test_guesses_from_many_addresses_keep_nobody_out_where_they_log_in_from(server):
    async with server.browser(address="192.0.2.1") as owner, server.browser(address="192.0.2.2") as elsewhere:
        await server.register(owner)
        await server.login(owner)
        for network in range(10):
            async with server.browser(address=f"2001:db8:0:{network:x}::1") as attacker:
                assert [await guess(attacker, "ada@example.test") for _ in range(11)] == [401] * 10 + [429]
        async with server.browser(address="2001:db8:0:ff::1") as attacker:
            assert await guess(attacker, "ada@example.test") == 429
        assert await guess(elsewhere, "ada@example.test", PASSWORD) == 429
        await server.login(owner)
        # Even there no more than the limit of one address.
        assert [await guess(owner, "ada@example.test") for _ in range(11)] == [401] * 10 + [429]


async def test_logging_in_to_an_own_account_makes_no_network_one_of_another_accounts(server):
    async with server.browser(address="192.0.2.1") as attacker, server.browser(address="192.0.2.2") as owner:
        await server.register(owner)
        await server.register(attacker, "eve@example.test")
        await server.login(attacker, "eve@example.test")
        for network in range(10):
            async with server.browser(address=f"2001:db8:0:{network:x}::1") as other:
                for _ in range(10):
                    await guess(other, "ada@example.test")
        assert await guess(attacker, "ada@example.test") == 429
