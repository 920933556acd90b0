"""Security events end to end on both stores: a receiver makes a stream, somebody logs out, the event arrives."""

import asyncio

import httpx
import pytest
from outgoing_peer import answer, peer
from ssf_story import CAEP, ON, OTHER, POLL, PUSH, SSF, TOKEN, about, create, follow, opened, poll, receiver
from story import ISSUER, bearer
from watchword.jose import jws
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens.claims import AccessTerms


async def test_configuration_tells_where_everything_is_and_only_when_it_is_on(open_server):
    async with open_server() as off, off.browser() as client:
        assert (await client.get("/.well-known/ssf-configuration")).status_code == 404
        assert (await client.post("/ssf/streams", json={})).status_code == 404
    async with open_server(**ON) as server, receiver(server) as client:
        told = (await client.get("/.well-known/ssf-configuration")).json()
        assert told["issuer"] == ISSUER
        assert told["delivery_methods_supported"] == [PUSH, POLL]
        assert told["default_subjects"] == "NONE"
        for name in ("configuration", "status", "add_subject", "remove_subject", "verification"):
            path = told[f"{name}_endpoint"].removeprefix(ISSUER)
            assert (await client.post(path, content=b"x")).status_code != 404, name


async def test_a_logout_arrives_at_a_receiver_that_polls(open_server):
    async with open_server(**ON) as server, receiver(server) as client, server.browser() as ada:
        account = await server.register(ada)
        tokens = await server.login(ada)
        stream = await create(client, delivery={"method": POLL})
        assert stream["aud"] == "https://acme.example"
        await about(client, stream, account)
        assert (await poll(client, stream))["sets"] == {}
        assert (await ada.post("/auth/logout", headers=bearer(tokens))).status_code in {200, 204}
        await follow(server)
        answered = await poll(client, stream)
        ((jti, token),) = answered["sets"].items()
        claims = await opened(client, token)
        assert (claims["jti"], claims["iss"], claims["aud"]) == (jti, ISSUER, "https://acme.example")
        assert claims["sub_id"]["user"] == {"format": "iss_sub", "iss": ISSUER, "sub": account["id"]}
        assert claims["events"].keys() == {f"{CAEP}session-revoked"}
        # Not acknowledged: it comes again. Acknowledged: it never does.
        assert (await poll(client, stream))["sets"].keys() == {jti}
        assert (await poll(client, stream, ack=[jti]))["sets"] == {}
        assert (await poll(client, stream))["sets"] == {}


async def test_a_new_password_is_pushed_with_the_receivers_own_credential(open_server):
    async with (
        open_server(**ON) as server,
        receiver(server) as client,
        server.browser() as ada,
        peer(answer(status="202 Accepted")) as there,
    ):
        account = await server.register(ada)
        tokens = await server.login(ada)
        delivery = {"method": PUSH, "endpoint_url": there.url("/events"), "authorization_header": "Bearer of-acme"}
        stream = await create(client, delivery=delivery, events_requested=[f"{CAEP}credential-change", "urn:unknown"])
        assert "authorization_header" not in stream["delivery"]
        assert stream["events_delivered"] == [f"{CAEP}credential-change"]
        await about(client, stream, account)
        changed = await ada.post(
            "/auth/password",
            json={"current_password": "correct horse battery staple", "new_password": "another battery of horses"},
            headers=bearer(tokens),
        )
        assert changed.status_code in {200, 204}, changed.text
        await follow(server)
        (request,) = there.requests
        assert b"\r\nAuthorization: Bearer of-acme\r\n" in request
        claims = await opened(client, request.rpartition(b"\r\n\r\n")[2].decode())
        assert claims["events"][f"{CAEP}credential-change"]["change_type"] == "update"
        assert (await server.services.store.outbox_figures()).waiting == 0


async def test_nobody_hears_of_whom_they_did_not_ask_about(open_server):
    async with open_server(**ON) as server, receiver(server) as client, server.browser() as ada:
        await server.register(ada)
        stream = await create(client, delivery={"method": POLL})
        other = await server.register(ada, "bob@example.test")
        await about(client, stream, other)
        gone = {"format": "iss_sub", "iss": ISSUER, "sub": other["id"]}
        removed = await client.post("/ssf/subjects/remove", json={"stream_id": stream["stream_id"], "subject": gone})
        assert removed.status_code == 204
        for email in ("ada@example.test", "bob@example.test"):
            tokens = await server.login(ada, email)
            await ada.post("/auth/logout", headers=bearer(tokens))
        await follow(server)
        assert (await poll(client, stream))["sets"] == {}


async def test_all_subjects_by_setting(open_server):
    on = ON | {"WATCHWORD_SSF__DEFAULT_SUBJECTS": "ALL"}
    async with open_server(**on) as server, receiver(server) as client, server.browser() as ada:
        await server.register(ada)
        stream = await create(client, delivery={"method": POLL})
        tokens = await server.login(ada)
        await ada.post("/auth/logout-all", headers=bearer(tokens))
        await follow(server)
        (token,) = (await poll(client, stream))["sets"].values()
        assert (await opened(client, token))["sub_id"]["format"] == "iss_sub"


async def test_a_paused_stream_keeps_events_and_a_disabled_one_none(open_server):
    async with open_server(**ON) as server, receiver(server) as client, server.browser() as ada:
        account = await server.register(ada)
        stream = await create(client, delivery={"method": POLL})
        await about(client, stream, account)

        async def status(value):
            body = {"stream_id": stream["stream_id"], "status": value, "reason": "tests"}
            answered = await client.post("/ssf/status", json=body)
            assert answered.json() == body
            read = await client.get("/ssf/status", params={"stream_id": stream["stream_id"]})
            assert read.json() == body

        async def logout():
            tokens = await server.login(ada)
            await ada.post("/auth/logout", headers=bearer(tokens))
            await follow(server)

        await status("paused")
        await logout()
        assert (await poll(client, stream))["sets"] == {}
        await status("enabled")
        events = [(await opened(client, one))["events"] for one in (await poll(client, stream))["sets"].values()]
        assert [next(iter(event)) for event in events] == [
            f"{SSF}stream-updated",
            f"{CAEP}session-revoked",
            f"{SSF}stream-updated",
        ]
        await status("disabled")
        await logout()
        await status("enabled")
        events = [(await opened(client, one))["events"] for one in (await poll(client, stream))["sets"].values()]
        assert [next(iter(event)) for event in events] == [f"{SSF}stream-updated"]


async def test_a_verification_comes_with_its_state_and_not_too_often(open_server):
    async with open_server(**ON) as server, receiver(server) as client:
        stream = await create(client, delivery={"method": POLL})
        asked = {"stream_id": stream["stream_id"], "state": "abc"}
        assert (await client.post("/ssf/verify", json=asked)).status_code == 204
        (token,) = (await poll(client, stream))["sets"].values()
        claims = await opened(client, token)
        assert claims["events"] == {f"{SSF}verification": {"state": "abc"}}
        assert claims["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
        again = await client.post("/ssf/verify", json=asked)
        assert (again.status_code, again.headers["retry-after"]) == (429, "61")
        server.clock.advance(61)
        assert (await client.post("/ssf/verify", json=asked)).status_code == 204
        long = await client.post("/ssf/verify", json=asked | {"state": "x" * 2000})
        assert long.status_code == 400


async def test_a_stream_is_changed_replaced_and_ended(open_server):
    async with open_server(**ON) as server, receiver(server) as client, peer(answer()) as there:
        delivery = {"method": PUSH, "endpoint_url": there.url(), "authorization_header": "Bearer secret"}
        stream = await create(client, delivery=delivery, description="one")
        changed = await client.patch("/ssf/streams", json=stream | {"description": "two"})
        assert changed.json()["description"] == "two"
        held = await server.services.store.stream(stream["stream_id"])
        assert held.sealed is not None, "the header stays while the endpoint does"
        assert b"secret" not in held.sealed
        moved = {"stream_id": stream["stream_id"], "delivery": {"method": PUSH, "endpoint_url": there.url("/other")}}
        assert (await client.patch("/ssf/streams", json=moved)).status_code == 200
        held = await server.services.store.stream(stream["stream_id"])
        assert held.sealed is None, "a credential never goes to an endpoint it was not given for"
        replaced = await client.put("/ssf/streams", json={"stream_id": stream["stream_id"]})
        assert replaced.json()["delivery"]["method"] == POLL
        assert "description" not in replaced.json()
        assert [one["stream_id"] for one in (await client.get("/ssf/streams")).json()] == [stream["stream_id"]]
        which = {"stream_id": stream["stream_id"]}
        assert (await client.delete("/ssf/streams", params=which)).status_code == 204
        assert (await client.delete("/ssf/streams", params=which)).status_code == 404
        assert (await client.get("/ssf/streams")).json() == []


async def test_the_streams_of_others_are_not_there(open_server):
    async with open_server(**ON) as server, receiver(server) as client, receiver(server, OTHER) as thief:
        stream = await create(client, delivery={"method": POLL})
        which = {"stream_id": stream["stream_id"]}
        attempts = [
            thief.get("/ssf/streams", params=which),
            thief.delete("/ssf/streams", params=which),
            thief.patch("/ssf/streams", json=which),
            thief.put("/ssf/streams", json=which),
            thief.get("/ssf/status", params=which),
            thief.post("/ssf/status", json=which | {"status": "disabled"}),
            thief.post("/ssf/verify", json=which),
            thief.post("/ssf/subjects/add", json=which | {"subject": {"format": "opaque", "id": "x"}}),
            thief.post(stream["delivery"]["endpoint_url"].removeprefix(ISSUER), json={}),
        ]
        for attempt in attempts:
            assert (await attempt).status_code == 404
        assert (await thief.get("/ssf/streams")).json() == []
        assert (await client.get("/ssf/streams", params=which)).status_code == 200


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "é" * 20, "x" * 10_000])
async def test_strangers_are_401(open_server, token):
    async with open_server(**ON) as server, server.browser() as client:
        headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
        for method, path in (("GET", "/ssf/streams"), ("POST", "/ssf/streams"), ("POST", "/ssf/poll/x")):
            refused = await client.request(method, path, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_an_account_cannot_have_everybodys_events_by_its_own_token(open_server):
    roles = '{"user": {"scopes": ["ssf.manage"]}, "admin": {}}'
    on = ON | {"WATCHWORD_SSF__ACCESS_TOKENS": "true", "WATCHWORD_ROLES": roles}
    async with open_server(**on) as server, server.browser() as ada:
        await server.register(ada)
        tokens = await server.login(ada)
        refused = await ada.get("/ssf/streams", headers=bearer(tokens))
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


def own_token(server, *, scope, client_id="erp", sub=None):
    """An access token that a client got for itself."""
    terms = AccessTerms(
        sub=sub or client_id, client_id=client_id, scope=scope, rev=0, now=server.clock.now(), audience=f"{ISSUER}/ssf"
    )
    return {"Authorization": f"Bearer {server.services.issuer.issue(terms).text}"}


async def test_a_client_manages_streams_by_a_token_of_its_own_until_it_is_cut_off(open_server):
    on = ON | {"WATCHWORD_SSF__ACCESS_TOKENS": "true"}
    async with open_server(**on) as server, server.browser() as client:
        manages = own_token(server, scope=("ssf.manage",))
        made = await client.post("/ssf/streams", json={}, headers=manages)
        assert (made.status_code, made.json()["aud"]) == (201, "client:erp")
        which = {"stream_id": made.json()["stream_id"]}
        reads = own_token(server, scope=("ssf.read",))
        assert (await client.get("/ssf/streams", params=which, headers=reads)).status_code == 200
        assert (await client.delete("/ssf/streams", params=which, headers=reads)).status_code == 403
        for other in ({"client_id": "crm", "scope": ("ssf.manage",)}, {"sub": "ada", "scope": ("ssf.manage",)}):
            status = (await client.get("/ssf/streams", params=which, headers=own_token(server, **other))).status_code
            assert status == (404 if "client_id" in other else 403)
        audit = AuditEvent(event="test", origin=Origin(actor="test"))
        await server.services.store.cut_off("client", "erp", spares=None, ends_families=True, cause="x", audit=audit)
        assert (await client.get("/ssf/streams", params=which, headers=manages)).status_code == 401


async def test_tokens_of_clients_count_only_where_that_is_set(open_server):
    async with open_server(**ON) as server, server.browser() as client:
        headers = own_token(server, scope=("ssf.manage",))
        assert (await client.get("/ssf/streams", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "delivery",
    [
        *({"method": PUSH}, {"method": "nope"}, {"method": PUSH, "endpoint_url": "http://receiver.example/"}),
        *(
            {"method": PUSH, "endpoint_url": "https://10.0.0.1/"},
            {"method": PUSH, "endpoint_url": "https://u@a.example/"},
        ),
        *(
            {"method": PUSH, "endpoint_url": "https://[::ffff:169.254.169.254]/"},
            {"method": POLL, "authorization_header": "x"},
        ),
        {"method": PUSH, "endpoint_url": "https://a.example/", "authorization_header": "a\r\nX-Evil: b"},
        {"method": PUSH, "endpoint_url": "https://a.example/", "authorization_header": "x" * 5000},
    ],
)
async def test_a_delivery_that_would_lead_astray_is_refused(open_server, delivery):
    async with open_server(**ON) as server, receiver(server) as client:
        assert (await client.post("/ssf/streams", json={"delivery": delivery})).status_code == 400


async def test_limits_of_what_a_receiver_may_make(open_server):
    async with open_server(**ON) as server, receiver(server) as client:
        for _ in range(4):
            stream = await create(client)
        assert (await client.post("/ssf/streams", json={})).status_code == 409
        many = await client.patch(
            "/ssf/streams", json={"stream_id": stream["stream_id"], "events_requested": ["x"] * 65}
        )
        assert many.status_code == 400
        path = stream["delivery"]["endpoint_url"].removeprefix(ISSUER)
        assert (await client.post(path, json={"ack": ["x"] * 1001})).status_code == 400
        assert (await client.post(path, json={"maxEvents": -1})).status_code == 400
        assert (await client.post(path, json={"maxEvents": 0})).json() == {"sets": {}, "moreAvailable": False}
        deep = await client.post(
            "/ssf/subjects/add", content=b'{"stream_id":"x","subject":' + b'{"a":' * 99 + b"1" + b"}" * 100
        )
        assert deep.status_code in {400, 415}
        twice = await client.get("/ssf/streams", params=[("stream_id", "a"), ("stream_id", "b")])
        assert twice.status_code == 400


async def test_a_receiver_that_takes_nothing_is_disabled_and_holds_up_nobody(open_server):
    on = ON | {"WATCHWORD_SSF__MAX_QUEUED": "10", "WATCHWORD_SSF__DEFAULT_SUBJECTS": "ALL"}
    async with open_server(**on) as server, receiver(server) as client, server.browser() as ada:
        await server.register(ada)
        stream = await create(client, delivery={"method": POLL})
        for _ in range(12):
            tokens = await server.login(ada)
            await ada.post("/auth/logout", headers=bearer(tokens))
            await follow(server)
        status = (await client.get("/ssf/status", params={"stream_id": stream["stream_id"]})).json()
        assert status["status"] == "disabled"
        assert "too many events wait" in status["reason"]
        assert (await server.services.store.outbox_figures()).held == 10


async def test_more_events_than_one_answer_holds_come_in_the_next(open_server):
    on = ON | {"WATCHWORD_SSF__DEFAULT_SUBJECTS": "ALL"}
    async with open_server(**on) as server, receiver(server) as client, server.browser() as ada:
        await server.register(ada)
        stream = await create(client, delivery={"method": POLL})
        for _ in range(5):
            tokens = await server.login(ada)
            await ada.post("/auth/logout", headers=bearer(tokens))
        await follow(server)
        first = await poll(client, stream, maxEvents=3)
        assert (len(first["sets"]), first["moreAvailable"]) == (3, True)
        error = {next(iter(first["sets"])): {"err": "jws", "description": "bad"}}
        rest = await poll(client, stream, ack=list(first["sets"])[1:], setErrs=error)
        assert (len(rest["sets"]), rest["moreAvailable"]) == (2, False)
        assert not first["sets"].keys() & rest["sets"].keys()


async def test_a_receiver_that_waits_is_answered_when_an_event_comes(open_server):
    on = ON | {"WATCHWORD_SSF__POLL_WAIT": "14"}
    async with open_server(**on) as server, receiver(server) as client:
        stream = await create(client, delivery={"method": POLL})
        path = stream["delivery"]["endpoint_url"].removeprefix(ISSUER)
        waiting = asyncio.ensure_future(client.post(path, json={}))
        await asyncio.sleep(0)
        assert (await client.post("/ssf/verify", json={"stream_id": stream["stream_id"]})).status_code == 204
        async with asyncio.timeout(13):
            assert len((await waiting).json()["sets"]) == 1


async def test_a_push_that_fails_is_tried_again_and_ends_as_a_dead_letter(open_server):
    async with (
        open_server(**ON) as server,
        receiver(server) as client,
        peer(answer(status="503 Busy")) as there,
    ):
        stream = await create(client, delivery={"method": PUSH, "endpoint_url": there.url()})
        await client.post("/ssf/verify", json={"stream_id": stream["stream_id"]})
        await follow(server)
        await follow(server)
        assert len(there.requests) == 1
        server.clock.advance(10)
        await follow(server)
        assert len(there.requests) == 2
        server.clock.advance(3 * 86400)
        await follow(server)
        (dead,) = await server.services.store.deliveries(dead=True, after=None, limit=9)
        assert (dead.kind, dead.destination, dead.last_error) == ("ssf_push", stream["stream_id"], "503")
        tokens = {request.rpartition(b"\r\n\r\n")[2] for request in there.requests}
        jtis = {(await opened(client, token.decode()))["jti"] for token in tokens}
        assert len(jtis) == 1, "a receiver knows a repetition by its jti"


async def test_what_waits_is_signed_by_the_key_of_the_moment_not_by_one_distrusted_since(open_server):
    async with open_server(**ON) as server, receiver(server) as client:
        stream = await create(client, delivery={"method": POLL})
        await client.post("/ssf/verify", json={"stream_id": stream["stream_id"]})
        (before,) = (await poll(client, stream))["sets"].values()
        await server.services.keys.distrust(jws.parse(before).header["kid"], Origin(actor="test"))
        (after,) = (await poll(client, stream))["sets"].values()
        await opened(client, after)
        assert isinstance(client, httpx.AsyncClient)
