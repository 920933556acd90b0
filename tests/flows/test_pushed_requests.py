"""Pushed authorization requests (RFC 9126): what is pushed is what counts, once, for its own client."""

import asyncio
import json

import pytest
from oauth_story import CALLBACK, OAuth, Prover
from story import ISSUER
from watchword_server.clients.metadata import ClientSettings

from .test_authorize import FIRST_PARTY, asking, exchange

PAR = f"{ISSUER}/par"


async def push(oauth, client, headers: dict | None = None, **changes):
    form = asking(client.client_id, **changes)
    credentials = client.basic if client.secret else {}
    return await oauth.http.post("/par", data=form, headers=credentials | (headers or {}))


@pytest.mark.rfc("9126 §2.2/1")
@pytest.mark.rfc("9126 §7.3")
async def test_a_pushed_request_leads_to_a_code_once(oauth, ada):
    own = await oauth.client("own", settings=FIRST_PARTY)
    answer = await push(oauth, own)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 5 <= body["expires_in"] < 600
    query = {"client_id": "own", "request_uri": body["request_uri"]}
    await ada.goes_to("/authorize", **query)
    await ada.goes_to("/authorize", **query)
    assert ada.sees("sign-in"), "loading the page again is no use of it"
    await ada.logs_in()
    assert (await exchange(oauth, own, ada.told["code"])).status_code == 200
    await ada.goes_to("/authorize", **query)
    assert ada.answer.status_code == 400
    assert "invalid_request_uri" in ada.answer.text


async def test_a_refusal_uses_a_pushed_request_up_too(oauth, ada):
    app = await oauth.client()
    name = (await push(oauth, app)).json()["request_uri"]
    await ada.goes_to("/authorize", client_id="app", request_uri=name)
    await ada.press("cancel")
    assert ada.told["error"] == "access_denied"
    await ada.goes_to("/authorize", client_id="app", request_uri=name)
    assert ada.answer.status_code == 400


@pytest.mark.rfc("9126 §7.5")
@pytest.mark.rfc("9126 §2.2/3")
@pytest.mark.rfc("9126 §7.2")
async def test_request_uri_swapping_and_parameters_beside_it_change_nothing(oauth, ada):
    own = await oauth.client("own", settings=FIRST_PARTY)
    await oauth.client("other", settings=FIRST_PARTY)
    name = (await push(oauth, own)).json()["request_uri"]
    await ada.goes_to("/authorize", client_id="other", request_uri=name)
    assert ada.answer.status_code == 400
    beside = {"redirect_uri": "https://evil.example", "state": "evil", "response_mode": "fragment", "prompt": "none"}
    await ada.goes_to("/authorize", client_id="own", request_uri=name, **beside)
    assert ada.sees("sign-in")
    await ada.logs_in()
    assert ada.left.startswith(f"{CALLBACK}?code=")
    assert ada.told["state"] == "af0ifjsldkj"


@pytest.mark.rfc("9126 §4/2")
async def test_a_pushed_request_runs_out(oauth, ada):
    app = await oauth.client()
    name = (await push(oauth, app)).json()["request_uri"]
    oauth.server.clock.advance(541)
    await ada.goes_to("/authorize", client_id="app", request_uri=name)
    assert ada.answer.status_code == 400
    for guessed in (
        name[:-1] + "A",
        "urn:ietf:params:oauth:request_uri:",
        "urn:ietf:params:oauth:request_uri:" + "A" * 99,
    ):
        await ada.goes_to("/authorize", client_id="app", request_uri=guessed)
        assert ada.answer.status_code == 400


@pytest.mark.rfc("9126 §7.2")
@pytest.mark.rfc("9126 §2.1/2")
@pytest.mark.rfc("9126 §2.1/3")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"scope": "nope"}, "invalid_scope"),
        ({"resource": "https://nowhere.example"}, "invalid_target"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "ey"}, "invalid_request_object"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"dpop_jkt": "x"}, "invalid_request"),
        ({"state": "x" * 5000}, "invalid_request"),
    ],
)
async def test_faults_are_told_where_the_request_is_pushed(oauth, changes, error):
    app = await oauth.client()
    answer = await push(oauth, app, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.rfc("9126 §2.1/1")
async def test_only_the_authenticated_client_pushes_its_own_requests(oauth):
    app = await oauth.client()
    await oauth.client("other")
    strange = await oauth.http.post("/par", data=asking())
    assert (strange.status_code, strange.json()["error"]) == (401, "invalid_client")
    foreign = await oauth.http.post("/par", data=asking("other"), headers=app.basic)
    assert foreign.status_code in {400, 401}
    assert (await oauth.http.post("/par?x=1", data=asking(), headers=app.basic)).status_code == 400
    assert (await oauth.http.get("/par")).status_code == 405


@pytest.mark.rfc("9126 §4/3")
async def test_a_client_that_has_to_push_may_not_come_without(oauth, ada):
    app = await oauth.client(require_pushed_authorization_requests=True)
    await ada.goes_to("/authorize", **asking())
    assert ada.told["error"] == "invalid_request"
    name = (await push(oauth, app)).json()["request_uri"]
    await ada.goes_to("/authorize", client_id="app", request_uri=name)
    assert ada.sees("sign-in")


async def test_a_long_request_goes_by_being_pushed(oauth, ada):
    own = await oauth.client("own", settings=FIRST_PARTY)
    claims = json.dumps({"userinfo": {f"claim_number_{n}": None for n in range(150)}})
    state = "s" * 2000
    assert (await oauth.http.get("/authorize", params=asking("own", claims=claims, state=state))).status_code == 400
    name = (await push(oauth, own, claims=claims, state=state)).json()["request_uri"]
    await ada.goes_to("/authorize", client_id="own", request_uri=name)
    await ada.logs_in()
    assert ada.told["state"] == state


@pytest.mark.rfc("9449 §8/2")
async def test_whoever_is_asked_for_a_nonce_is_given_one_with_the_refusal(open_server):
    async with open_server(WATCHWORD_OAUTH__DPOP_NONCE="true") as server, server.browser() as http:
        oauth = OAuth(server, http)
        own, prover = await oauth.client("own", settings=FIRST_PARTY), Prover(server.clock)
        asked = await push(oauth, own, prover.headers(PAR))
        assert (asked.status_code, asked.json()["error"]) == (400, "use_dpop_nonce")
        assert (await push(oauth, own, prover.headers(PAR, nonce=asked.headers["dpop-nonce"]))).status_code == 201


@pytest.mark.rfc("9449 §10.1")
async def test_a_proof_at_the_push_binds_the_code_to_its_key(oauth, ada):
    own = await oauth.client("own", settings=ClientSettings(first_party=True))
    prover, thief = Prover(oauth.server.clock), Prover(oauth.server.clock)
    answer = await push(oauth, own, prover.headers(PAR), dpop_jkt=thief.jkt)
    assert answer.json()["error"] == "invalid_dpop_proof"
    name = (await push(oauth, own, prover.headers(PAR))).json()["request_uri"]
    await (await ada.goes_to("/authorize", client_id="own", request_uri=name)).logs_in()
    code = ada.told["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    for headers in ({}, thief.headers()):
        refused = await oauth.http.post("/token", data=form, headers=own.basic | headers)
        assert refused.status_code == 400
    assert (await oauth.http.post("/token", data=form, headers=own.basic | prover.headers())).status_code == 200
    used = await push(oauth, own, {"DPoP": prover.proof(f"{ISSUER}/token")})
    assert used.json()["error"] == "invalid_dpop_proof", "a proof for another endpoint"


@pytest.mark.rfc("9126 §7.3")
async def test_of_answers_to_one_pushed_request_at_once_exactly_one_is_a_code(oauth, ada):
    own = await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    query = {"client_id": "own", "request_uri": (await push(oauth, own)).json()["request_uri"]}
    answers = await asyncio.gather(*(oauth.http.get("/authorize", params=query) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400, 400, 400]


async def test_nobody_fills_the_store_by_pushing_in_the_name_of_a_public_client(open_server):
    async with open_server(WATCHWORD_THROTTLE__DEVICE_REQUESTS="1") as server, server.browser() as http:
        oauth = OAuth(server, http)
        app = await oauth.client("app", token_endpoint_auth_method="none")
        huge = await push(oauth, app, claims=json.dumps({"userinfo": {"x" * 3_000: None}}), unknown="x" * 20_000)
        assert (huge.status_code, huge.json()["error"]) == (400, "invalid_request")
        answers = await asyncio.gather(*(push(oauth, app) for _ in range(14)))
        assert sorted(answer.status_code for answer in answers) == [201] * 10 + [503] * 4
        backend = await oauth.client("backend")
        assert (await push(oauth, backend)).status_code == 201, "whoever authenticates is known"
        async with server.browser(address="192.0.2.9") as elsewhere:
            oauth.http = elsewhere
            assert (await push(oauth, app)).status_code == 201
        server.clock.advance(901)
        oauth.http = http
        assert (await push(oauth, app)).status_code == 201
