"""Plain ASGI: WebSockets, streams that end with their token, gates within gates."""

import asyncio
from contextlib import suppress

import pytest
from watchword.adapters.asgi import BearerMiddleware, accepted_subprotocol, presented_by, token_of
from watchword.adapters.gate import Presented
from watchword.testing import FakeClock, FakeDpopKey, FakeIssuer

from .conftest import BARE, MALFORMED
from .stages.callers import AsgiCaller


async def socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept", "subprotocol": accepted_subprotocol(scope)})
    await send({"type": "websocket.send", "text": token_of(scope).sub})
    await send({"type": "websocket.close"})


async def show(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"sub": "%s"}' % token_of(scope).sub.encode()})


async def test_a_websocket_comes_in_by_header_or_by_subprotocol(issuer, client):
    api = client(BearerMiddleware(socket, issuer.verifier()))
    token = issuer.token("ada")
    by_header = await api.websocket("/", f"Bearer {token}")
    assert (by_header.type, by_header.subprotocol, by_header.text) == ("websocket.accept", None, "ada")
    by_protocol = await api.websocket("/", headers=[(b"sec-websocket-protocol", f"bearer, {token}".encode())])
    assert (by_protocol.type, by_protocol.subprotocol, by_protocol.text) == ("websocket.accept", "bearer", "ada")


async def test_a_websocket_without_a_good_token_is_never_accepted(issuer, client):
    api = client(BearerMiddleware(socket, issuer.verifier()))
    answer = await api.websocket("/")
    assert (answer.type, answer.status, answer.challenge) == ("websocket.http.response.start", 401, BARE)
    answer = await api.websocket("/", denial=False)
    assert (answer.type, answer.code) == ("websocket.close", 1008)
    for bad in (["Bearer x"], *MALFORMED.values()):
        assert (await api.websocket("/", *bad)).status in {400, 401}


async def test_a_subprotocol_is_no_credential_for_plain_http(issuer, client):
    api = client(BearerMiddleware(show, issuer.verifier()))
    offered = [(b"sec-websocket-protocol", f"bearer, {issuer.token()}".encode())]
    assert (await api.get("/", headers=offered)).status == 401


async def test_what_is_neither_http_nor_websocket_passes(issuer):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    await BearerMiddleware(app, issuer.verifier())({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


async def test_an_inner_gate_asks_for_more(issuer):
    verifier = issuer.verifier()
    service = AsgiCaller(BearerMiddleware(BearerMiddleware(show, verifier, roles=["admin"]), verifier, optional=True))
    assert (await service.ask("/")).status == 401
    assert (await service.ask("/", f"Bearer {issuer.token()}")).status == 403
    assert (await service.ask("/", f"Bearer {issuer.token(roles=['admin'])}")).json == {"sub": "ada"}


async def test_a_gate_does_not_rely_on_another_s_verifier(issuer):
    inner = BearerMiddleware(show, issuer.verifier(audience="billing"))
    service = AsgiCaller(BearerMiddleware(inner, issuer.verifier()))
    assert (await service.ask("/", f"Bearer {issuer.token()}")).status == 401
    token = issuer.token(aud=["api", "billing"])
    assert (await service.ask("/", f"Bearer {token}")).status == 200


async def test_a_gate_that_asks_freshly_looks_again_at_a_token_let_in_before(issuer):
    verifier = issuer.verifier()
    token = issuer.token()

    async def revoking(scope, receive, send):
        issuer.revoke(token)
        await inner(scope, receive, send)

    inner = BearerMiddleware(show, verifier, max_staleness=30)
    service = AsgiCaller(BearerMiddleware(revoking, verifier))
    assert (await service.ask("/", f"Bearer {token}")).status == 401


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_what_goes_on_in_a_token_s_name_ends_with_it(issuer, client, kind):
    token = issuer.token()
    begun, ended = asyncio.Event(), []

    async def endless(scope, receive, send):
        begin = "websocket.accept" if kind == "websocket" else "http.response.start"
        await send({"type": begin, "status": 200, "headers": []})
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    sent = []
    app = BearerMiddleware(endless, issuer.verifier(), ends_with_token=True)
    scope = client._scope(kind, "/", [f"Bearer {token}"], ()) | {"method": "GET"}
    under_way = asyncio.ensure_future(app(scope, client._receiver(), client._sender(sent)))
    await begun.wait()
    issuer.revoke(token)
    await asyncio.wait_for(under_way, 60)
    assert ended == ["cancelled"]
    last = sent[-1]
    if kind == "websocket":
        assert (last["type"], last["code"]) == ("websocket.close", 1008)
    else:
        assert last["type"] == "http.response.start", "an answer without its end is known not to be whole"


async def begun_and_ended(issuer, client, kind, app, *, why="revoked"):
    """Serve, end the token once the application waits, and tell what was sent."""
    token, sent = issuer.token(), []
    waits = asyncio.Event()
    middleware = BearerMiddleware(app(waits), issuer.verifier(), ends_with_token=True)
    scope = client._scope(kind, "/", [f"Bearer {token}"], ()) | {"method": "GET"}
    under_way = asyncio.ensure_future(middleware(scope, client._receiver(), client._sender(sent)))
    await waits.wait()
    if why == "revoked":
        issuer.revoke(token)
    else:
        issuer.clock.advance(86_400)
    await asyncio.wait_for(under_way, 60)
    return sent


@pytest.mark.parametrize(
    ("why", "said"), [("revoked", "the access token was revoked"), ("expired", "the access token has expired")]
)
async def test_a_request_of_which_nothing_was_answered_when_its_token_ends_is_refused(client, why, said):
    def app(waits):
        async def silent(scope, receive, send):
            waits.set()
            await asyncio.Event().wait()

        return silent

    issuer = FakeIssuer(clock=FakeClock())
    start, body = await begun_and_ended(issuer, client, "http", app, why=why)
    challenge = f'Bearer error="invalid_token", error_description="{said}"'.encode()
    assert (start["status"], dict(start["headers"])[b"www-authenticate"]) == (401, challenge)
    assert body["body"] == b'{"detail":"%s"}' % said.encode()


@pytest.mark.parametrize("last", ["websocket.close", "websocket.http.response.start"])
async def test_a_websocket_that_is_being_closed_when_its_token_ends_is_closed_once(issuer, client, last):
    def app(waits):
        async def closing(scope, receive, send):
            await send({"type": last, "code": 1000, "status": 404, "headers": []})
            waits.set()
            await asyncio.Event().wait()

        return closing

    assert [message["type"] for message in await begun_and_ended(issuer, client, "websocket", app)] == [last]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_an_application_that_takes_no_notice_says_nothing_more(issuer, client, kind):
    begin, more = {
        "http": ("http.response.start", "http.response.body"),
        "websocket": ("websocket.accept", "websocket.send"),
    }[kind]

    def app(waits):
        async def deaf(scope, receive, send):
            await send({"type": begin, "status": 200, "headers": []})
            waits.set()
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                await send({"type": more, "body": b"never", "text": "never"})

        return deaf

    types = [message["type"] for message in await begun_and_ended(issuer, client, kind, app)]
    assert types == ([begin, "websocket.close"] if kind == "websocket" else [begin])


async def test_tasks_that_all_speak_at_once_end_like_one(issuer, client):
    def app(waits):
        async def chatter(send):
            while True:
                await send({"type": "websocket.send", "text": "more"})
                await asyncio.sleep(0)

        async def several(scope, receive, send):
            await send({"type": "websocket.accept"})
            async with asyncio.TaskGroup() as tasks:
                for _ in range(4):
                    tasks.create_task(chatter(send))
                waits.set()

        return several

    sent = await begun_and_ended(issuer, client, "websocket", app)
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1008)


async def test_an_answer_that_ends_by_itself_is_left_alone(issuer):
    service = AsgiCaller(BearerMiddleware(show, issuer.verifier(), ends_with_token=True))
    assert (await service.ask("/", f"Bearer {issuer.token()}")).json == {"sub": "ada"}


async def test_a_verifier_of_threads_is_asked_without_blocking_the_loop(issuer):
    service = AsgiCaller(BearerMiddleware(show, issuer.sync_verifier()))
    assert (await service.ask("/", f"Bearer {issuer.token()}")).json == {"sub": "ada"}
    issuer.transport.down = True
    remote = issuer.sync_verifier(keys=None, transport=issuer.transport)
    service = AsgiCaller(BearerMiddleware(show, remote))
    assert (await service.ask("/", f"Bearer {issuer.token()}")).status == 503
    issuer.transport.down = False
    issuer.clock.advance(60)
    assert (await service.ask("/", f"Bearer {issuer.token()}")).json == {"sub": "ada"}


def test_what_cannot_be_is_refused_when_made(issuer):
    verifier = issuer.verifier()
    for asked, error in (
        ({"scopes": "reports:read"}, TypeError),
        ({"scopes": ["a b"]}, ValueError),
        ({"scopes": ['a", error="none']}, ValueError),
        ({"roles": [""]}, ValueError),
        ({"roles": [None]}, ValueError),
        ({"max_age": -1}, ValueError),
        ({"when_stale": "perhaps"}, ValueError),
        ({"realm": "a\r\nSet-Cookie: b=c"}, ValueError),
    ):
        with pytest.raises(error):
            BearerMiddleware(show, verifier, **asked)
    with pytest.raises(TypeError, match="watch over tokens"):
        BearerMiddleware(show, issuer.sync_verifier(), ends_with_token=True)


@pytest.mark.parametrize("asked", ["scopes", "roles", "permissions", "tenants"])
async def test_a_gate_made_of_an_iterator_still_guards_the_second_request(issuer, asked):
    service = AsgiCaller(BearerMiddleware(show, issuer.verifier(), **{asked: (name for name in ["admin"])}))
    for _ in range(3):
        assert (await service.ask("/", f"Bearer {issuer.token()}")).status == 403


async def test_what_a_request_presents_is_shown_to_nobody(issuer, caplog):
    token = issuer.token()
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"dpop", token.encode()), (b"host", b"api.test")]
    presented = presented_by({"type": "http", "path": "/", "headers": headers})
    admitted = await BearerMiddleware(show, issuer.verifier()).gate.admit(Presented([f"Bearer {token}"]))
    for shown in (repr(presented), repr(admitted), str(presented), caplog.text):
        assert not any(part in shown for part in token.split("."))
    assert repr(presented) == "Presented(1 credentials, 1 proofs)"


@pytest.mark.parametrize("path", ["/\ud800", "/\x00", ""])
async def test_a_path_that_no_text_encodes_is_refused_and_no_failure(issuer, path):
    key, sent = FakeDpopKey(clock=issuer.clock), []
    token = issuer.token(cnf={"jkt": key.jkt})
    shown = key.headers("GET", "http://h/x", token)
    headers = [(name.lower().encode(), value.encode()) for name, value in shown.items()]

    async def send(message):
        sent.append(message)

    app = BearerMiddleware(None, issuer.verifier())
    await app({"type": "http", "method": "GET", "path": path, "headers": [*headers, (b"host", b"h")]}, None, send)
    assert sent[0]["status"] == 401
