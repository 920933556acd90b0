"""The library's receiver against this server: what ends here is dead there, fetched and pushed."""

import asyncio
import contextlib

from outgoing_peer import peer
from ssf_story import ON, TOKEN, about, create, follow, receiver
from story import ISSUER, bearer
from watchword.jose.jwk import KeySet
from watchword.ssf import EventReceiver, PollClient, PushEndpoint, SignalledEnds
from watchword.transport import Response
from watchword.verify.check import check_access_token
from watchword.verify.policy import Policy

AUDIENCE = "https://acme.example"


class Bridge:
    """The library's transport to a server in this process."""

    def __init__(self, client):
        self._client = client
        self._loop = asyncio.get_running_loop()

    def fetch(self, request):
        asked = self._client.request(
            request.method, request.url.removeprefix(ISSUER), headers=dict(request.headers), content=request.body
        )
        answer = asyncio.run_coroutine_threadsafe(asked, self._loop).result(20)
        return Response(answer.status_code, dict(answer.headers), answer.content)


async def verified(client, tokens, clock):
    keys = KeySet.from_json((await client.get("/jwks.json")).content)
    policy = Policy(issuer=ISSUER, audience=ISSUER, algorithms=("ES256",), leeway=5)
    return check_access_token(tokens["access_token"], keys, policy, clock.now())


async def test_what_ends_here_is_dead_at_a_receiver_that_polls(open_server):
    async with open_server(**ON) as server, receiver(server) as client, server.browser() as ada:
        account = await server.register(ada)
        tokens = await server.login(ada)
        stream = await create(client, delivery={"method": "urn:ietf:rfc:8936"})
        await about(client, stream, account)
        ends = SignalledEnds(hold=600, clock=server.clock)
        events = EventReceiver(ISSUER, AUDIENCE, ends.apply, transport=Bridge(client), clock=server.clock)
        polling = PollClient(
            stream["delivery"]["endpoint_url"],
            events,
            authorization=f"Bearer {TOKEN}",
            transport=Bridge(client),
            wait=0,
        )
        token = await verified(client, tokens, server.clock)
        await polling.poll_once()
        assert not ends.kills(token)
        await ada.post("/auth/logout", headers=bearer(tokens))
        await follow(server)
        await polling.poll_once()
        assert ends.kills(token)
        await polling.poll_once()
        assert (await server.services.store.outbox_figures()).held == 0
        server.clock.advance(2)
        fresh = await verified(client, await server.login(ada), server.clock)
        assert not ends.kills(fresh)


async def test_what_ends_here_is_dead_at_a_receiver_that_is_pushed_to(open_server):
    ends = None
    app = None

    async def serve(request: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        headers = [(name.lower(), value) for name, value in lines]
        await app({"type": "http", "method": "POST", "headers": headers}, receive, send)
        writer.write(f"HTTP/1.1 {sent[0]['status']} X\r\nContent-Length: {len(sent[1]['body'])}\r\n\r\n".encode())
        writer.write(sent[1]["body"])
        await writer.drain()

    async with open_server(**ON) as server, receiver(server) as client, server.browser() as ada:
        ends = SignalledEnds(hold=600, clock=server.clock)
        events = EventReceiver(ISSUER, AUDIENCE, ends.apply, transport=Bridge(client), clock=server.clock)
        app = PushEndpoint(events, authorization="Bearer agreed")

        async def said(_reader, writer):
            await serve(there.requests[-1], writer)

        async with contextlib.AsyncExitStack() as stack:
            there = await stack.enter_async_context(peer(said))
            account = await server.register(ada)
            tokens = await server.login(ada)
            token = await verified(client, tokens, server.clock)
            delivery = {
                "method": "urn:ietf:rfc:8935",
                "endpoint_url": there.url(),
                "authorization_header": "Bearer agreed",
            }
            await about(client, await create(client, delivery=delivery), account)
            await ada.post("/auth/logout-all", headers=bearer(tokens))
            await follow(server)
            assert ends.kills(token)
            assert (await server.services.store.outbox_figures()).waiting == 0
