"""Who reads the feed, how much of it and until when: clients' access tokens, certificates, tenants."""

import asyncio
import base64
import datetime as dt
import itertools
import json

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from live_feed import PATIENCE, Events, held, live, until
from oauth_story import OAuth, refused
from story import ISSUER, bearer
from watchword import RejectionReason, Revocations, SyncVerifier, TokenRejected
from watchword.testing import FakeClock
from watchword.verify.answer import parse_batch
from watchword.verify.revocation import RevocationView
from watchword_server.clients.metadata import ClientSettings
from watchword_server.endpoints.feed.access import SCOPE
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens.claims import AccessTerms

AUDIT = AuditEvent(event="test.happened", origin=Origin(actor="system"))
STATIC = {"Authorization": "Bearer feed-token-of-the-tests"}
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
ON = {"WATCHWORD_FEED__ACCESS_TOKENS": "true"}


async def issue(server, **members) -> str:
    """What the token endpoint gives a client for itself."""
    head = await server.services.store.head()
    given = {
        "sub": "orders", "client_id": "orders", "scope": (SCOPE,), "rev": head.position, "now": server.clock.now(),
    }  # fmt: skip
    return server.services.issuer.issue(AccessTerms(**given | members)).text


def shown(raw: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {raw}"}


async def cut(server, axis: str, value: str, **members):
    told = {"spares": None, "ends_families": False, "cause": "test", "audit": AUDIT}
    return await server.services.store.cut_off(axis, value, **told | members)


def jti_of(raw: str) -> str:
    return json.loads(base64.urlsafe_b64decode(raw.split(".")[1] + "=="))["jti"]


# Access tokens.


async def test_a_client_s_own_token_with_the_scope_reads_where_that_is_set_and_the_feed_s_token_goes_on(open_server):
    async with open_server(**ON) as server, server.browser() as client:
        raw = await issue(server)
        assert (await client.get("/revocations", headers=shown(raw))).status_code == 200
        assert (await client.get("/revocations", headers=STATIC)).status_code == 200
        meant = await issue(server, audience=f"{ISSUER}/revocations")
        assert (await client.get("/revocations", headers=shown(meant))).status_code == 200


async def test_no_access_token_reads_unless_that_is_set(server):
    async with server.browser() as client:
        answer = await client.get("/revocations", headers=shown(await issue(server)))
        assert (answer.status_code, answer.json()["code"]) == (401, "feed_unauthorized")


async def test_tokens_for_other_things_are_403_and_say_the_scope(open_server):
    others = [
        {"scope": ()},
        {"scope": ("watchword:feeds", "watchword", "feed")},
        {"scope": (SCOPE.upper(),)},
        {"sub": "ada", "sid": "s1"},  # a person's, by whatever consent
        {"sub": "ada"},
        {"sid": "s1"},
    ]
    async with open_server(**ON) as server, server.browser() as client:
        for members in others:
            answer = await client.get("/revocations", headers=shown(await issue(server, **members)))
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), members
            assert f'scope="{SCOPE}"' in answer.headers["www-authenticate"]
        await server.register(client)
        answer = await client.get("/revocations", headers=bearer(await server.login(client)))
        assert answer.status_code == 403


async def test_what_is_no_token_of_this_server_for_this_server_is_401(open_server):
    async with open_server(**ON) as server, server.browser() as client:
        raw = await issue(server)
        head, payload, signature = raw.split(".")
        faulty = [
            await issue(server, audience="https://api.example.com"),
            await issue(server, confirmation={"jkt": "x" * 43}),  # a bound token as a plain one is a stolen one
            f"{head}.{payload}.{signature[:-4]}AAAA", f"{head}.{payload}.", f"{raw}x", "x", "x" * 8193, "",
            "feed-token-of-the-test", "feed-token-of-the-testsx",
        ]  # fmt: skip
        for one in faulty:
            answer = await client.get("/revocations", headers=shown(one))
            assert (answer.status_code, answer.json()["code"]) == (401, "feed_unauthorized"), one
        twice = [("Authorization", f"Bearer {raw}"), ("Authorization", f"Bearer {raw}")]
        assert (await client.get("/revocations", headers=twice)).status_code == 400
        assert (await client.get("/revocations", headers={"Authorization": f"Basic {raw}"})).status_code == 401
        assert (await client.get("/revocations", params={"access_token": raw})).status_code == 401


async def test_a_token_that_has_expired_reads_no_more(open_server):
    async with open_server(**ON) as server, server.browser() as client:
        raw = await issue(server)
        server.clock.advance(server.services.settings.tokens.access_lifetime + server.services.settings.tokens.leeway)
        assert (await client.get("/revocations", headers=shown(raw))).status_code == 401


@pytest.mark.parametrize("axis", ["token", "client", "account", "key", "everything"])
async def test_a_token_that_was_cut_off_reads_no_more_at_once(open_server, axis):
    async with open_server(**ON) as server, server.browser() as client:
        raw, other = await issue(server), await issue(server, sub="billing", client_id="billing")
        assert (await client.get("/revocations", headers=shown(raw))).status_code == 200
        kid = next(iter(server.services.keys.key_set)).kid
        values = {"token": jti_of(raw), "client": "orders", "account": "orders", "key": kid, "everything": ""}
        await cut(server, axis, values[axis])
        assert (await client.get("/revocations", headers=shown(raw))).status_code == 401
        spared = (await client.get("/revocations", headers=shown(other))).status_code
        assert spared == (401 if axis in {"key", "everything"} else 200)
        if axis != "key":
            assert (await client.get("/revocations", headers=shown(await issue(server)))).status_code == (200)


async def test_a_log_that_cannot_be_read_lets_no_token_in(open_server, monkeypatch):
    async def away(*_given, **_named):
        raise StoreUnavailable("away")

    async with open_server(**ON) as server, server.browser() as client:
        raw = await issue(server)
        monkeypatch.setattr(server.services.feed, "page", away)
        assert (await client.get("/revocations", headers=shown(raw))).status_code == 503


def reader(url: str, raw: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers=shown(raw), timeout=PATIENCE)


async def streams(server, count: int) -> None:
    """Wait until so many are open. (Their guard waits beside them, so `settled` would not do.)"""
    await until(lambda: held(server, "stream") == len(server.services.feed._streams) == count)


async def test_a_token_cut_off_while_its_question_is_held_gets_no_answer(open_server):
    async with open_server(**ON) as server, live(server) as url:
        raw = await issue(server)
        async with reader(url, raw) as client:
            cursor = (await client.get("/revocations")).json()["cursor"]
            asking = asyncio.create_task(
                client.get("/revocations", params={"cursor": cursor, "wait": "25", "nonce": NONCE})
            )
            await until(lambda: held(server, "poll") == 1 and server.services.feed._waiting)
            await cut(server, "token", jti_of(raw))
            assert (await asking).status_code == 401


@pytest.mark.parametrize("how", ["cut off", "expired"])
async def test_a_stream_ends_with_the_token_that_opened_it_and_others_go_on(open_server, how):
    async with open_server(**ON) as server, live(server) as url:
        raw = await issue(server)
        sse = {"accept": "text/event-stream"}
        async with (
            reader(url, raw) as client,
            reader(url, "feed-token-of-the-tests") as fixed,
            client.stream("GET", "/revocations", headers=sse) as answer,
            fixed.stream("GET", "/revocations", headers=sse) as other,
        ):
            assert answer.status_code == other.status_code == 200
            events, others = Events(answer), Events(other)
            await streams(server, 2)
            if how == "expired":
                server.clock.advance(server.services.settings.tokens.access_lifetime + 1)
            await cut(server, "token", jti_of(raw) if how == "cut off" else "another")
            while (event := await events.next()) is not None:
                assert event["event"] == "cut-offs"
            assert (await others.next())["event"] == "cut-offs"
            await streams(server, 1)
            assert not server.services.feed.draining


async def test_a_client_with_the_role_gets_such_a_token_and_one_without_does_not(open_server):
    roles = '{"user": {}, "verifier": {"scopes": ["watchword:feed"]}}'
    async with open_server(**ON, WATCHWORD_ROLES=roles) as server, server.browser() as http:
        oauth = OAuth(server, http)
        plain = await oauth.machine("plain", scope=SCOPE)
        refused(await oauth.token(plain, "client_credentials", scope=SCOPE), "invalid_scope")
        orders = await oauth.machine("orders", scope=SCOPE, settings=ClientSettings(roles=("verifier",)))
        for asked in ({}, {"scope": SCOPE}):
            body = (await oauth.token(orders, "client_credentials", **asked)).json()
            assert (await http.get("/revocations", headers=bearer(body))).status_code == 200
        await cut(server, "client", "orders")
        assert (await http.get("/revocations", headers=bearer(body))).status_code == 401


# Certificates.


def certificate(*, dns=(), uri=(), days=1.0) -> bytes:
    """A certificate with these names, in DER; the handshake and its authorities are the proxy's affair."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    begins = dt.datetime.fromtimestamp(FakeClock().now() - 3600, dt.UTC)
    names = [*map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uri)]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


MTLS = {
    "WATCHWORD_FEED__CERTIFICATES": "dns:verifier.internal,uri:spiffe://internal/orders",
    "WATCHWORD_SERVER__CLIENT_CERTIFICATE_HEADER": "Client-Cert",
    "WATCHWORD_SERVER__TRUSTED_PROXIES": "192.0.2.1/32",
}
PROXY, STRANGER = "192.0.2.1", "192.0.2.2"


def handed_on(der: bytes) -> dict[str, str]:
    return {"Client-Cert": f":{base64.b64encode(der).decode()}:"}


async def test_a_certificate_with_a_name_of_the_settings_reads_and_no_other(open_server):
    async with open_server(**MTLS) as server, server.browser(address=PROXY) as proxy:
        for der in (certificate(dns=["a.test", "Verifier.Internal"]), certificate(uri=["spiffe://internal/orders"])):
            assert (await proxy.get("/revocations", headers=handed_on(der))).status_code == 200
        for der in (
            certificate(dns=["sub.verifier.internal"]),
            certificate(dns=["verifier.internal.example"]),
            certificate(uri=["spiffe://internal/orders/x"]),
            certificate(uri=["dns:verifier.internal"]),
            certificate(),
            certificate(dns=["verifier.internal"], days=0.01),
        ):
            assert (await proxy.get("/revocations", headers=handed_on(der))).status_code == 401
        assert (await proxy.get("/revocations")).status_code == 401
        assert (await proxy.get("/revocations", headers=STATIC)).status_code == 200


async def test_a_certificate_that_a_stranger_writes_into_a_header_opens_nothing(open_server):
    good = handed_on(certificate(dns=["verifier.internal"]))
    async with open_server(**MTLS) as server, server.browser(address=STRANGER) as stranger:
        assert (await stranger.get("/revocations", headers=good)).status_code == 401
    async with open_server() as server, server.browser(address=PROXY) as proxy:
        assert (await proxy.get("/revocations", headers=good)).status_code == 401


async def test_beside_a_wrong_credential_a_certificate_does_not_count(open_server):
    good = handed_on(certificate(dns=["verifier.internal"]))
    async with open_server(**MTLS) as server, server.browser(address=PROXY) as proxy:
        assert (await proxy.get("/revocations", headers=good | shown("wrong"))).status_code == 401


async def test_a_certificate_that_cannot_be_read_is_400(open_server):
    async with open_server(**MTLS) as server, server.browser(address=PROXY) as proxy:
        assert (await proxy.get("/revocations", headers={"Client-Cert": ":AAAA:"})).status_code == 400


# Tenants.


async def populate(server, sample) -> None:
    """An account with a session for each of two tenants, and for none."""
    store = server.services.store
    for name, tenant in (("ann", "acme"), ("ben", "bolt"), ("cid", None)):
        await sample.register(store, name, tenant=tenant)
        await sample.login(store, f"s-{name}", name)


ENTRIES = [
    ("account", "ann"), ("account", "ben"), ("account", "cid"), ("account", "gone"),
    ("session", "s-ann"), ("session", "s-ben"), ("session", "s-cid"), ("session", "s-gone"),
    ("family", "f-s-ann"), ("family", "f-s-ben"),
    ("token", "t1"), ("client", "web"), ("tenant", "acme"), ("tenant", "bolt"), ("key", "k9"), ("everything", ""),
]  # fmt: skip
HIDDEN = {
    ("account", "ben"), ("account", "cid"), ("session", "s-ben"), ("session", "s-cid"), ("family", "f-s-ben"),
    ("tenant", "bolt"),
}  # fmt: skip


def told(entries: list[dict]) -> set[tuple[str, str]]:
    return {(entry["axis"], entry["value"]) for entry in entries}


async def test_a_tenant_s_verifiers_are_told_what_could_kill_its_tokens_and_of_nobody_else_s_accounts(
    open_server, sample
):
    async with open_server(**ON) as server, server.browser() as client:
        await populate(server, sample)
        for axis, value in ENTRIES:
            await cut(server, axis, value)
        acme = shown(await issue(server, tenant="acme"))
        for limit in (100, 3, 1):
            cursor, found, snapshots = None, [], []
            while True:
                params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
                page = (await client.get("/revocations", params=params, headers=acme)).json()
                found += page["entries"]
                snapshots.append(page["snapshot"])
                assert page["tenant"] == "acme"
                cursor = page["cursor"]
                if not page["more"]:
                    break
            assert told(found) >= set(ENTRIES) - HIDDEN
            assert not told(found) & HIDDEN
            assert len(found) == len(told(found)), "told once each"
            assert snapshots[0] is True
            assert not any(snapshots[1:]), "places without content are places all the same"
        whole = (await client.get("/revocations", headers=shown(await issue(server)))).json()
        assert told(whole["entries"]) >= set(ENTRIES)
        assert "tenant" not in whole
        assert whole["cursor"] == cursor


async def test_a_tenant_s_stream_tells_the_same_and_every_place(open_server, sample):
    async with open_server(**ON) as server, live(server) as url:
        await populate(server, sample)
        tokens = {tenant: await issue(server, tenant=tenant) for tenant in ("acme", "bolt", None)}
        found = {}
        for tenant, raw in tokens.items():
            async with reader(url, raw) as client:
                cursor = (await client.get("/revocations")).json()["cursor"]
                async with client.stream(
                    "GET", "/revocations", params={"cursor": cursor}, headers={"accept": "text/event-stream"}
                ) as answer:
                    events = Events(answer)
                    await streams(server, 1)
                    entries, places = [], [cursor]
                    session = f"s-{tenant}-x"
                    await sample.register(server.services.store, f"x-{tenant}", tenant="acme")
                    await sample.login(server.services.store, session, f"x-{tenant}")
                    await cut(server, "session", session)
                    await cut(server, "tenant", f"end-{tenant}")
                    last = await server.services.store.head()
                    while f".{last.position}." not in places[-1]:
                        payload = await events.payload()
                        assert payload["from"] == places[-1]
                        assert payload.get("tenant") == tenant
                        places.append(payload["cursor"])
                        entries += payload["entries"]
                    found[tenant] = told(entries)
        assert found["acme"] == {("session", "s-acme-x")}
        assert found["bolt"] == set()
        assert found[None] == {("session", "s-None-x"), ("tenant", "end-None")}


async def test_a_tenant_s_view_kills_of_its_own_tokens_just_what_the_whole_view_kills(open_server, sample):
    class Asked(msgspec.Struct):
        jti: str | None
        sid: str | None
        sub: str | None
        client_id: str | None
        kid: str | None
        tenant: str | None
        rev: int | None

    async with open_server(**ON) as server, server.browser() as client:
        await populate(server, sample)
        views = {}
        for number, (axis, value) in enumerate(ENTRIES[:-1]):
            await cut(server, axis, value, **({"spares": "s-ann"} if number % 2 and axis == "account" else {}))
        for tenant in ("acme", None):
            page = await client.get("/revocations", headers=shown(await issue(server, tenant=tenant)))
            batch = parse_batch(page.content)
            views[tenant] = RevocationView()
            views[tenant].apply(batch.entries)
            views[tenant].confine(batch.tenant)
        people = [("ann", "s-ann"), ("ann", "s2"), ("gone", "s-gone"), ("dan", "s-dan")]
        kills = set()
        for (sub, sid), jti, own, kid, rev in itertools.product(
            people, ("t1", "t2"), ("web", "app"), ("k9", "k1"), (None, 0, 5, 99)
        ):
            token = Asked(jti, sid, sub, own, kid, "acme", rev)
            assert views["acme"].kills(token) == views[None].kills(token)
            kills.add(views["acme"].kills(token))
            assert views["acme"].kills(msgspec.structs.replace(token, tenant="bolt")) is not None
        assert kills >= {None, "session", "account", "token", "client", "tenant", "key"} - {None}


async def test_a_verifier_with_tokens_that_are_renewed_follows_one_tenant_and_refuses_the_rest(open_server, sample):
    async with open_server(**ON) as server, live(server) as url:
        await populate(server, sample)
        current = {"raw": await issue(server, tenant="acme")}
        terms = {"sub": "ann", "client_id": "web", "sid": "s-ann", "scope": ()}
        ann = await issue(server, tenant="acme", **terms)
        ben = await issue(server, tenant="bolt", **terms | {"sub": "ben", "sid": "s-ben"})
        settings = Revocations(
            url=f"{url}/revocations", token=lambda: current["raw"], keys=None, keys_uri=f"{url}/revocations/keys"
        )

        def finding(verifier, raw):
            try:
                verifier.verify_now(raw)
            except TokenRejected as rejected:
                return rejected.reason
            return None

        def opened():
            verifier = SyncVerifier(
                ISSUER, ISSUER, revocations=settings, jwks_uri=f"{url}/jwks.json", clock=server.clock
            )
            verifier.start()
            return verifier

        verifier = await asyncio.to_thread(opened)
        try:
            assert finding(verifier, ann) is None, verifier.health()
            assert finding(verifier, ben) is RejectionReason.REVOKED
            await until(lambda: verifier.health().mode == "push")
            current["raw"] = await issue(server, tenant="acme")
            await cut(server, "session", "s-ann")
            await until(lambda: finding(verifier, ann) is RejectionReason.REVOKED)
            later = await issue(server, tenant="acme", **terms | {"sid": "s2"})
            assert finding(verifier, later) is None
        finally:
            await asyncio.to_thread(verifier.close)
