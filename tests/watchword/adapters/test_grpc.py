"""gRPC: both interceptors before calls of all four kinds, over a real socket."""

import asyncio
import gc
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from types import SimpleNamespace

import grpc
import pytest
from grpc import aio
from watchword import Revocations
from watchword.adapters.grpc import AsyncBearerInterceptor, BearerInterceptor, current_token
from watchword.jose.jwk import Key

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
RULES = {"/notes.Notes/reports": {"scopes": ["reports:read"]}, "/notes.Notes/admin": {"roles": ["admin"]}}
OPEN = {"open_to_all": ["/grpc.health.v1.Health/"], "optional": ["/notes.Notes/posts"]}


def sub():
    try:
        return current_token().sub.encode()
    except LookupError:
        return b"nobody"


class Sync:
    """Handlers for threads."""

    def unary_unary(self, request, context):
        return sub()

    def unary_stream(self, request, context):
        for _ in range(2):
            yield sub()

    def stream_unary(self, requests, context):
        list(requests)
        return sub()

    def stream_stream(self, requests, context):
        for _ in requests:
            yield sub()


class Async:
    """Handlers for asyncio."""

    async def unary_unary(self, request, context):
        return sub()

    async def unary_stream(self, request, context):
        for _ in range(2):
            yield sub()

    async def stream_unary(self, requests, context):
        async for _ in requests:
            pass
        return sub()

    async def stream_stream(self, requests, context):
        async for _ in requests:
            yield sub()


class Writers(Async):
    """Handlers for asyncio that write and read by themselves."""

    async def unary_stream(self, request, context):
        for _ in range(2):
            await context.write(sub())

    async def stream_stream(self, requests, context):
        while await context.read() is not aio.EOF:
            await context.write(sub())


def handlers_of(servicer):
    made = {kind: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(servicer, kind)) for kind in KINDS}
    made |= {name: made["unary_unary"] for name in ("reports", "admin", "posts")}
    health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": made["unary_unary"]})
    return (grpc.method_handlers_generic_handler("notes.Notes", made), health)


@contextmanager
def threaded(issuer, servicer, **options):
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, interceptors=[BearerInterceptor(issuer.sync_verifier(**options), RULES, **OPEN)])
        server.add_generic_rpc_handlers(handlers_of(servicer))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()


@asynccontextmanager
async def serve_sync(issuer, **options):
    with threaded(issuer, options.pop("servicer", Sync()), **options) as port:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel


@asynccontextmanager
async def serve_async(issuer, **options):
    servicer = options.pop("servicer", Async())
    server = aio.server(interceptors=[AsyncBearerInterceptor(issuer.verifier(**options), RULES, **OPEN)])
    server.add_generic_rpc_handlers(handlers_of(servicer))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


def serve_writers(issuer, **options):
    return serve_async(issuer, servicer=Writers(), **options)


def serve_threads_of_asyncio(issuer, **options):
    return serve_async(issuer, servicer=Sync(), **options)


@pytest.fixture(params=[serve_sync, serve_async, serve_writers, serve_threads_of_asyncio])
def serve(request):
    return request.param


async def call(channel, method, *authorization, kind="unary_unary", service="notes.Notes", sent=(b"one", b"two")):
    """Call, and tell how it went: code, detail, trailing metadata, answers.

    With ``sent=None`` nothing is sent, the end of it included, before the call is over: gRPC's client reports a call that
    ends while it sends as an error of its own.
    """
    metadata = tuple(("authorization", value) for value in authorization)
    is_over = asyncio.Event()

    async def requests():
        for message in sent or ():
            yield message
        if sent is None:
            await is_over.wait()

    begun = getattr(channel, kind)(f"/{service}/{method}")(
        requests() if kind.startswith("stream") else b"one", metadata=metadata, timeout=60
    )
    answers = []
    try:
        if kind.endswith("unary"):
            answers.append(await begun)
        else:
            answers += [item async for item in begun]
    except aio.AioRpcError:
        pass
    trailers = dict(await begun.trailing_metadata() or ())
    is_over.set()
    return SimpleNamespace(code=await begun.code(), detail=await begun.details(), trailers=trailers, answers=answers)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_good_token_comes_in_by_every_kind_of_call(serve, issuer, kind):
    async with serve(issuer) as channel:
        for scheme in ("Bearer", "bearer"):
            done = await call(channel, kind, f"{scheme} {issuer.token('grace')}", kind=kind)
            count = 1 if kind.endswith("unary") else 2
            assert (done.code, done.answers) == (grpc.StatusCode.OK, [b"grace"] * count)


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_token_no_kind_of_call_is_answered(serve, issuer, kind):
    async with serve(issuer) as channel:
        for values in ([], ["Basic YTpi"], ["abc.def.ghi"]):
            done = await call(channel, kind, *values, kind=kind, sent=None)
            assert (done.code, done.answers) == (grpc.StatusCode.UNAUTHENTICATED, [])
            assert (done.detail, done.trailers["www-authenticate"]) == ("an access token is required", "Bearer")


@pytest.mark.rfc("6750 §3.1/1")
async def test_bad_tokens_are_told_what_is_wrong(serve, issuer):
    revoked = issuer.token()
    issuer.revoke(revoked)
    table = {
        "x": "the access token is malformed",
        "a" * 6000: "the access token is malformed",
        issuer.token(exp=1): "the access token has expired",
        issuer.token(aud="billing"): "the access token is meant for another audience",
        issuer.token(iss="https://elsewhere.test"): "the access token is from another issuer",
        issuer.token(key=Key.generate("ES256")): "the access token is signed with an unknown key",
        revoked: "the access token was revoked",
    }
    async with serve(issuer) as channel:
        for raw, said in table.items():
            done = await call(channel, "unary_unary", f"Bearer {raw}")
            assert (done.code, done.detail) == (grpc.StatusCode.UNAUTHENTICATED, said)
            challenge = f'Bearer error="invalid_token", error_description="{said}"'
            assert done.trailers["www-authenticate"] == challenge


async def test_credentials_that_are_malformed_or_doubled_are_refused(serve, issuer):
    good = f"Bearer {issuer.token()}"
    async with serve(issuer) as channel:
        for values in ([good, good], [f"{good}, {good}"], ["Bearer a b"], ["Bearer"], ['"Bearer a"'], ["Bearer a,b"]):
            done = await call(channel, "unary_unary", *values)
            assert done.code == grpc.StatusCode.UNAUTHENTICATED
            assert 'error="invalid_request"' in done.trailers["www-authenticate"]


async def test_a_token_that_does_not_suffice_is_denied_with_what_would(serve, issuer):
    async with serve(issuer) as channel:
        done = await call(channel, "reports", f"Bearer {issuer.token(scope='profile')}")
        assert done.code == grpc.StatusCode.PERMISSION_DENIED
        assert done.trailers["www-authenticate"].endswith('scope="reports:read"')
        done = await call(channel, "admin", f"Bearer {issuer.token()}")
        assert done.code == grpc.StatusCode.PERMISSION_DENIED
        good = issuer.token("ada", scope="reports:read", roles=["admin"])
        for method in ("reports", "admin"):
            assert (await call(channel, method, f"Bearer {good}")).answers == [b"ada"]


async def test_open_methods_are_open_and_optional_ones_refuse_bad_tokens(serve, issuer):
    async with serve(issuer) as channel:
        done = await call(channel, "Check", "Bearer x", service="grpc.health.v1.Health")
        assert done.answers == [b"nobody"]
        assert (await call(channel, "posts")).answers == [b"nobody"]
        assert (await call(channel, "posts", f"Bearer {issuer.token('ada')}")).answers == [b"ada"]
        assert (await call(channel, "posts", "Bearer x")).code == grpc.StatusCode.UNAUTHENTICATED


async def test_a_verifier_that_cannot_tell_is_unavailable_and_says_when_to_ask_again(serve, issuer):
    issuer.transport.down = True
    async with serve(issuer, revocations=Revocations(max_staleness=30), transport=issuer.transport) as channel:
        done = await call(channel, "unary_unary", f"Bearer {issuer.token()}")
        assert done.code == grpc.StatusCode.UNAVAILABLE
        assert (done.trailers["retry-after"], done.trailers["grpc-retry-pushback-ms"]) == ("1", "1000")


async def test_an_unknown_method_is_unimplemented_whoever_asks(serve, issuer):
    async with serve(issuer) as channel:
        assert (await call(channel, "nothing")).code == grpc.StatusCode.UNIMPLEMENTED


async def test_calls_at_the_same_time_never_get_each_other_s_token(serve, issuer):
    names = [f"user-{number}" for number in range(24)]
    async with serve(issuer) as channel:
        calls = (call(channel, "unary_stream", f"Bearer {issuer.token(name)}", kind="unary_stream") for name in names)
        assert [done.answers for done in await asyncio.gather(*calls)] == [[name.encode()] * 2 for name in names]


class Endless:
    """Streams that go on until somebody ends them."""

    def __init__(self):
        self.more = asyncio.Event()

    async def unary_unary(self, request, context):
        return b""

    async def unary_stream(self, request, context):
        yield b"first"
        await self.more.wait()
        yield b"never"

    async def stream_unary(self, requests, context):
        await self.more.wait()
        return b"never"

    async def stream_stream(self, requests, context):
        await context.write(b"first")
        await self.more.wait()


async def revoked_amid(issuer, channel, kind, *, steps=None):
    """Call a method whose token is revoked once it is watched over, or exactly so many steps of the loop after that.
    Returns: how the call went.
    """
    token = issuer.token()
    under_way = asyncio.ensure_future(call(channel, kind, f"Bearer {token}", kind=kind, sent=None))
    while not issuer.view._listeners:
        await asyncio.sleep(0.005 if steps is None else 0)
    for _ in range(steps or 0):
        await asyncio.sleep(0)
    issuer.revoke(token)
    return await under_way


@pytest.mark.parametrize("kind", ["unary_stream", "stream_stream", "stream_unary"])
async def test_a_stream_of_asyncio_ends_the_moment_its_token_does(issuer, kind):
    async with serve_async(issuer, servicer=Endless()) as channel:
        done = await revoked_amid(issuer, channel, kind)
        assert (done.code, done.detail) == (grpc.StatusCode.UNAUTHENTICATED, "the access token is revoked")
        assert b"never" not in done.answers


class Saying(Endless):
    """Streams that say one thing after another by themselves, so that something is nearly always being sent."""

    async def unary_stream(self, request, context):
        await context.send_initial_metadata((("said", "first"),))
        for _ in range(500):
            await context.write(b"more")
        await self.more.wait()

    async def stream_stream(self, requests, context):
        await self.unary_stream(requests, context)


@pytest.mark.parametrize("kind", ["unary_stream", "stream_stream"])
async def test_a_stream_ends_though_its_token_does_while_something_is_sent(issuer, kind):
    async with serve_async(issuer, servicer=Saying()) as channel:
        for moment in range(60):
            done = await revoked_amid(issuer, channel, kind, steps=moment)
            assert (done.code, done.detail) == (grpc.StatusCode.UNAUTHENTICATED, "the access token is revoked")


class Deaf(Endless):
    """Takes no notice of being cancelled."""

    async def unary_stream(self, request, context):
        while True:
            with suppress(asyncio.CancelledError):
                await context.write(b"more")


async def test_a_method_that_takes_no_notice_sends_nothing_more_once_its_token_has_ended(issuer):
    async with serve_async(issuer, servicer=Deaf()) as channel:
        done = await revoked_amid(issuer, channel, "unary_stream")
        assert (done.code, done.detail) == (grpc.StatusCode.UNAUTHENTICATED, "the access token is revoked")


class Stubborn(Endless):
    """Takes being cancelled for the word to go on."""

    async def unary_stream(self, request, context):
        while True:
            with suppress(asyncio.CancelledError):
                await self.more.wait()
            yield b"never"

    async def stream_unary(self, requests, context):
        with suppress(asyncio.CancelledError):
            await self.more.wait()
        return b"never"


@pytest.mark.parametrize("kind", ["unary_stream", "stream_unary"])
async def test_attack_what_a_method_gives_once_its_token_has_ended_is_not_sent(issuer, kind):
    async with serve_async(issuer, servicer=Stubborn()) as channel:
        done = await revoked_amid(issuer, channel, kind)
        assert (done.code, done.detail) == (grpc.StatusCode.UNAUTHENTICATED, "the access token is revoked")
        assert b"never" not in done.answers


class Aborting(Endless):
    """Ends its calls itself, and says when it is about to."""

    def __init__(self):
        self.about_to = asyncio.Event()

    async def unary_stream(self, request, context):
        self.about_to.set()
        await context.abort(grpc.StatusCode.ABORTED, "its own")


async def test_a_call_that_its_method_is_ending_when_its_token_ends_is_ended_once(issuer, caplog):
    servicer = Aborting()
    async with serve_async(issuer, servicer=servicer) as channel:
        for moment in range(20):
            token = issuer.token()
            under_way = asyncio.ensure_future(
                call(channel, "unary_stream", f"Bearer {token}", kind="unary_stream", sent=None)
            )
            await servicer.about_to.wait()
            servicer.about_to.clear()
            for _ in range(moment):
                await asyncio.sleep(0)
            issuer.revoke(token)
            done = await under_way
            assert (done.code, done.detail) == (grpc.StatusCode.ABORTED, "its own")
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


class Waiting(Sync):
    """A stream of threads that waits for a sign before each further message."""

    def __init__(self):
        self.more = threading.Event()

    def unary_stream(self, request, context):
        yield b"first"
        self.more.wait(60)
        yield b"never"


async def test_a_stream_of_threads_ends_with_its_next_message(issuer):
    token, servicer = issuer.token(), Waiting()
    async with serve_sync(issuer, servicer=servicer) as channel:
        begun = channel.unary_stream("/notes.Notes/unary_stream")(
            b"", metadata=(("authorization", f"Bearer {token}"),), timeout=60
        )
        assert await begun.read() == b"first"
        issuer.revoke(token)
        servicer.more.set()
        with pytest.raises(aio.AioRpcError) as ended:
            await begun.read()
        assert (ended.value.code(), ended.value.details()) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "the access token was revoked",
        )


@pytest.mark.parametrize("rules", [{"List": {}}, {"notes.Notes/List": {}}, {"/List": {}}])
def test_a_rule_for_a_method_that_cannot_be_called_is_refused(issuer, rules):
    with pytest.raises(ValueError, match=r"/package\.Service/Method"):
        BearerInterceptor(issuer.sync_verifier(), rules)
    with pytest.raises(ValueError, match=r"/package\.Service/Method"):
        AsyncBearerInterceptor(issuer.verifier(), open_to_all=list(rules))


def test_threads_ask_for_a_sync_verifier_and_names_for_a_list(issuer):
    with pytest.raises(TypeError, match="SyncVerifier"):
        BearerInterceptor(issuer.verifier())
    with pytest.raises(TypeError, match="one string"):
        BearerInterceptor(issuer.sync_verifier(), open_to_all="/notes.Notes/")
    assert json.dumps(issuer.token()) not in repr(vars(BearerInterceptor(issuer.sync_verifier())))


@pytest.mark.parametrize("name", ["/notes.Notes/reports", "/notes.Notes/"])
def test_a_method_is_not_opened_by_a_second_list_that_names_it(issuer, name):
    for more in ({"methods": {name: {"scopes": ["notes"]}}}, {"optional": [name]}):
        with pytest.raises(ValueError, match="open to all"):
            AsyncBearerInterceptor(issuer.verifier(), open_to_all=[name], **more)
