"""Attacks on tokens: forged, altered, of another kind or place; and revocations that race what they revoke."""

import asyncio
import base64
import hmac
import json

import pytest
from story import PASSWORD, SAFARI, bearer
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens import refresh_token

TEST = Origin(actor="test")


def claims(token: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


async def me(client, token: str) -> int:
    return (await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code


def altered(token: str) -> list[str]:
    key_id, family, generation, mac = token.removeprefix("wr_").split(".")
    last = "AEIMQUYcgkosw048"
    return [
        f"wr_{key_id}.{family}.{int(generation) + 1}.{mac}",
        f"wr_{key_id}.{family}.999999999999999.{mac}",
        f"wr_{key_id}.{family}.9999999999999999.{mac}",
        f"wr_{key_id}.{family}.00.{mac}",
        f"wr_{key_id}.{family}.-0.{mac}",
        f"wr_{key_id}.{family}.+0.{mac}",
        f"wr_{key_id}.{family}.\u0660.{mac}",
        f"wr_{key_id}.{family}.\uff10.{mac}",
        f"wr_{key_id}.{family}.0e0.{mac}",
        f"wr_{key_id}.{family}.{generation}.{mac}=",
        f"wr_{key_id}.{family}.{generation}.{mac}\n",
        f" wr_{key_id}.{family}.{generation}.{mac}",
        f"WR_{key_id}.{family}.{generation}.{mac}",
        f"wr_{key_id}.{family}.{generation}.{mac[:-1]}{chr(ord(mac[-1]) + 1)}",
        f"wr_{key_id}.{family}.{generation}.{mac[:-1]}{last[(last.index(mac[-1]) + 1) % 16]}",
        f"wr_{key_id}.{family}.{generation}.{mac.swapcase()}",
        f"wr_{key_id}.{family}.{generation}.{'A' * 43}",
        f"wr_{key_id}.{family}.{generation}.",
        f"wr_{key_id}.{family}.{generation}",
        f"wr_{key_id}.{family}..{mac}",
        f"wr_{key_id}..{generation}.{mac}",
        f"wr_.{family}.{generation}.{mac}",
        f"wr_x{key_id}.{family}.{generation}.{mac}",
        f"wr_{key_id}.x{family}.{generation}.{mac}",
        f"wr_{family}.{key_id}.{generation}.{mac}",
        f"wr_{key_id}.{family}.{generation}.{mac}.{mac}",
        f"wr_{key_id}.{family}.{generation}.{mac}\x00",
        f"wr_{key_id}.{family[:-1]}\u0131.{generation}.{mac}",
    ]


async def test_no_altered_refresh_token_is_accepted_changes_the_family_or_logs_it_out(server):
    async with server.browser() as client, server.browser(SAFARI) as stranger:
        await server.register(client)
        token = (await server.login(client, delivery="body"))["refresh_token"]
        family_id = token.split(".")[1]
        before = await server.services.store.family(family_id)
        position = (await server.services.store.head()).position
        for forged in altered(token):
            body = {"refresh_token": forged}
            answer = await stranger.post("/auth/refresh", json=body)
            assert answer.status_code == 401, forged
            assert answer.json()["reason"] in {"malformed", "unknown"}
            assert (await stranger.post("/auth/logout", json=body)).status_code == 204
        after = await server.services.store.family(family_id)
        assert after.family == before.family
        assert (await server.services.store.head()).position == position
        assert (await client.post("/auth/refresh", json={"refresh_token": token})).status_code == 200


async def test_a_mac_of_one_family_key_or_generation_is_none_of_another(server):
    async with server.browser() as ada, server.browser() as eve:
        await server.register(ada)
        await server.register(eve, "eve@example.test")
        hers = (await server.login(ada, delivery="body"))["refresh_token"].split(".")
        his = (await server.login(eve, "eve@example.test", delivery="body"))["refresh_token"].split(".")
        await server.services.keys.rotate("refresh_mac", TEST, at_once=True)
        other_key = f"wr_{server.services.keys.active_mac_key}"
        secret = server.services.keys.mac_secret(server.services.keys.active_mac_key)
        family = (await server.services.store.family(hers[1])).family
        # Even a MAC by a good key, over the right salt: the family's row names another key.
        crossed = refresh_token.mint(
            secret, key_id=server.services.keys.active_mac_key, family_id=family.id, salt=family.salt, generation=0
        )
        for forged in (
            ".".join([hers[0], hers[1], hers[2], his[3]]),
            ".".join([his[0], hers[1], his[2], his[3]]),
            ".".join([other_key, hers[1], hers[2], hers[3]]),
            crossed,
        ):
            answer = await eve.post("/auth/refresh", json={"refresh_token": forged})
            assert (answer.status_code, answer.json()["reason"]) == (401, "unknown")
            await eve.post("/auth/logout", json={"refresh_token": forged})
        assert (await ada.post("/auth/refresh", json={"refresh_token": ".".join(hers)})).status_code == 200


async def test_the_id_of_a_signing_key_is_no_id_of_a_mac_key(server):
    async with server.browser() as client:
        for key in server.services.keys.keys:
            if key.purpose == "access_token":
                forged = f"wr_{key.kid}.{'f' * 22}.0.{'A' * 43}"
                answer = await client.post("/auth/refresh", json={"refresh_token": forged})
                assert answer.json()["reason"] in {"malformed", "unknown"}
                assert server.services.keys.mac_secret(key.kid) is None


async def test_known_and_unknown_families_are_refused_in_the_same_words(server):
    async with server.browser() as client:
        await server.register(client)
        token = (await server.login(client, delivery="body"))["refresh_token"]
        head, family, generation, mac = token.split(".")
        seen = []
        for one in (family, "f" * len(family)):
            forged = f"{head}.{one}.{generation}.{'A' * len(mac)}"
            body = (await client.post("/auth/refresh", json={"refresh_token": forged})).json()
            del body["correlation_id"]
            seen.append(body)
        assert seen[0] == seen[1]


async def test_every_generation_after_a_reuse_is_dead_and_says_no_more_than_that(server):
    # CVE-2026-1035, CVE-2026-9802 (Keycloak): rotation that a race or a restart undoes.
    async with server.browser() as client, server.browser(SAFARI) as thief:
        await server.register(client)
        tokens = [(await server.login(client, delivery="body"))["refresh_token"]]
        for _ in range(3):
            server.clock.advance(31)
            answer = await client.post("/auth/refresh", json={"refresh_token": tokens[-1]})
            tokens.append(answer.json()["refresh_token"])
        answers = await asyncio.gather(
            *(thief.post("/auth/refresh", json={"refresh_token": tokens[0]}) for _ in range(8))
        )
        assert {answer.status_code for answer in answers} == {401}
        assert sorted(answer.json()["reason"] for answer in answers).count("reuse") == 1
        for token in tokens:
            assert (await client.post("/auth/refresh", json={"refresh_token": token})).json()["reason"] == "revoked"


async def test_parallel_refreshes_of_one_token_make_one_successor(server):
    async with server.browser() as client:
        await server.register(client)
        token = (await server.login(client, delivery="body"))["refresh_token"]
        answers = await asyncio.gather(
            *(client.post("/auth/refresh", json={"refresh_token": token}) for _ in range(12))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def forge(token: str, key: Key, *, header: dict | None = None, algorithm: str | None = None, **changed) -> str:
    said = {name: value for name, value in {**claims(token), **changed}.items() if value is not None}
    named = {"typ": "at+jwt", **(header or {})}
    typ = named.pop("typ")
    return Signer(key, algorithm=algorithm, typ=typ, header=named).sign(json.dumps(said).encode())


async def test_a_token_signed_by_this_server_for_another_purpose_or_place_is_refused(server):
    async with server.browser() as client:
        await server.register(client)
        token = (await server.login(client, delivery="body"))["access_token"]
        key = server.services.keys.signer("at+jwt").key
        assert await me(client, forge(token, key)) == 200
        for changed in (
            {"aud": "https://another.example"},
            {"aud": []},
            {"iss": "http://localhost:8001"},
            {"iss": "http://localhost:8000/"},
            {"client_id": "another-client"},
            {"client_id": "first-party "},
            {"sid": None},
            {"sid": "x"},
            {"sub": "somebody"},
            {"rev": None},
            {"rev": -1},
            {"rev": "0"},
            {"exp": 1},
            {"exp": None},
            {"iat": 4102444800},
            {"nbf": 4102444800},
            {"jti": None},
        ):
            assert await me(client, forge(token, key, **changed)) == 401, changed
        for header in ({"typ": "JWT"}, {"typ": "id_token"}, {"typ": "logout+jwt"}, {"typ": None}):
            assert await me(client, forge(token, key, header=header)) == 401, header


async def test_a_token_signed_by_another_key_is_refused_whatever_its_header_says(server):
    async with server.browser() as client:
        await server.register(client)
        token = (await server.login(client, delivery="body"))["access_token"]
        own = server.services.keys.signer("at+jwt").key
        stranger = Key.generate("ES256", kid=own.kid)
        public = stranger.public_jwk()
        for header in (
            {},
            {"jwk": public},
            {"jku": "http://localhost:8000/jwks.json"},
            {"x5u": "http://localhost:8000/jwks.json"},
        ):
            assert await me(client, forge(token, stranger, header=header)) == 401, header
        for kid in ("../../dev/null", "' OR 1=1 --", "http://localhost:8000/jwks.json"):
            assert await me(client, forge(token, Key.generate("ES256", kid=kid))) == 401, kid
        head, payload, signature = token.split(".")
        confused = base64url.encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": own.kid}).encode())
        for secret in (json.dumps(own.public_jwk()).encode(), (await client.get("/jwks.json")).content, b""):
            mac = hmac.digest(secret, f"{confused}.{payload}".encode(), "sha256")
            assert await me(client, f"{confused}.{payload}.{base64url.encode(mac)}") == 401
        none = base64url.encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode())
        for one in (
            f"{none}.{payload}.",
            f"{head}.{payload}.",
            f"{head}.{payload}.{signature}A",
            f"{head}..{signature}",
        ):
            assert await me(client, one) == 401


async def test_an_admin_scope_of_a_token_is_not_enough_once_the_role_is_taken(server):
    async with server.browser() as client:
        account = await server.register(client)
        await server.services.accounts.set_roles(account["id"], ("user", "admin"), TEST)
        token = await server.login(client, delivery="body")
        assert (await client.get("/admin/api/keys", headers=bearer(token))).status_code == 200
        race = [client.post("/auth/refresh", json={"refresh_token": token["refresh_token"]}) for _ in range(6)]
        taken = server.services.accounts.set_roles(account["id"], ("user",), TEST)
        *answers, _ = await asyncio.gather(*race, taken)
        for answer in answers:
            if answer.status_code == 200:
                status = (await client.get("/admin/api/keys", headers=bearer(answer.json()))).status_code
                assert status in {401, 403}


async def test_a_revoked_token_is_refused_for_as_long_as_a_verifier_would_grant_it_leeway(open_server):
    # The cut-off is swept once nothing it could kill is left: with the leeway counted in.
    async with open_server(WATCHWORD_TOKENS__LEEWAY="300") as server, server.browser() as client:
        account = await server.register(client)
        await server.services.accounts.set_roles(account["id"], ("user", "admin"), TEST)
        token = await server.login(client, delivery="body")
        await server.services.accounts.set_roles(account["id"], ("user",), TEST)
        # The newest entry is never swept; so that this is not it, another follows.
        await server.services.sessions.end_all("somebody", reason="test", origin=TEST)
        expires = claims(token["access_token"])["exp"]
        for _ in range(12):
            server.clock.advance(45)
            while (await server.services.store.sweep(limit=500, retention=0)).more:
                pass
            assert (await client.get("/admin/api/keys", headers=bearer(token))).status_code == 401
            if server.clock.now() > expires + 300:
                return
        raise AssertionError("the clock did not reach the end of the leeway")


RACES = {
    "logout": lambda client, services, account, token: client.post("/auth/logout", json={"refresh_token": token}),
    "end all": lambda client, services, account, token: services.sessions.end_all(account, reason="test", origin=TEST),
    "disable": lambda client, services, account, token: services.accounts.disable(account, TEST),
    "password": lambda client, services, account, token: services.accounts.set_password(account, PASSWORD + "!", TEST),
}


@pytest.mark.parametrize("act", RACES)
@pytest.mark.parametrize("when", ["between read and write", "with it"])
async def test_what_is_refreshed_while_the_session_is_ended_is_dead(server, monkeypatch, act, when):
    async with server.browser() as client:
        account = (await server.register(client))["id"]
        first = await server.login(client, delivery="body")
        server.clock.advance(31)
        services = server.services
        end = RACES[act]
        if when == "between read and write":
            advance = services.rotation._families.advance_refresh

            async def late(*given, **named):
                monkeypatch.undo()
                await end(client, services, account, first["refresh_token"])
                return await advance(*given, **named)

            monkeypatch.setattr(services.rotation._families, "advance_refresh", late)
            answers = [await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})]
        else:
            race = [client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}) for _ in range(6)]
            *answers, _ = await asyncio.gather(*race, end(client, services, account, first["refresh_token"]))
        for answer in [*answers, None]:
            tokens = first if answer is None else answer.json()
            if answer is None or answer.status_code == 200:
                assert await me(client, tokens["access_token"]) == 401
                again = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
                assert again.status_code == 401


@pytest.mark.parametrize("act", ["disable", "password", "end all"])
async def test_what_is_logged_in_while_the_account_is_cut_off_is_dead(server, monkeypatch, act):
    async with server.browser() as client:
        account = (await server.register(client))["id"]
        services = server.services
        opening = services.store.start_session

        async def late(*given, **named):
            monkeypatch.undo()
            await RACES[act](client, services, account, "")
            return await opening(*given, **named)

        monkeypatch.setattr(services.store, "start_session", late)
        answer = await client.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
        assert answer.status_code == 401
        assert answer.json()["code"] == "wrong_credentials"
        assert (await services.store.list_sessions(account)) in ([], ())


@pytest.mark.parametrize("axes", [("account", "everything"), ("everything", "account"), ("client", "account")])
async def test_of_two_cut_offs_on_different_axes_neither_hides_the_other(server, axes):
    # CVE-2026-8922, CVE-2026-18218 (Keycloak): a narrower revocation was ignored where a broader one was set, or the
    # other way round.
    async with server.browser() as client:
        account = (await server.register(client))["id"]
        values = {"account": account, "client": "first-party", "everything": ""}
        for axis in axes:
            tokens = await server.login(client, delivery="body")
            audit = AuditEvent(event="cut_off.written", origin=TEST)
            await server.services.store.cut_off(
                axis, values[axis], spares=None, ends_families=True, cause="test", audit=audit
            )
            assert await me(client, tokens["access_token"]) == 401
            answer = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
            assert answer.json()["reason"] == "cut_off"
        assert await me(client, (await server.login(client))["access_token"]) == 200
