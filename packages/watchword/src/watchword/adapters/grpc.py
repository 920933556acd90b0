"""gRPC: server interceptors, for threads and for asyncio, before calls of all four kinds.

Holds no rules; everything is asked of ``gate``. What HTTP says in ``WWW-Authenticate`` goes into trailing metadata.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from grpc import aio

from watchword.adapters.bearer import Refused
from watchword.adapters.gate import Admitted, AnyVerifier, Gate, Presented
from watchword.adapters.requirement import ANY_TOKEN, Asked, Requirement
from watchword.verify.access_token import AccessToken
from watchword.verify.watch import Ended, TokenEnded, Watch

__all__ = ["AsyncBearerInterceptor", "BearerInterceptor", "current_token"]

_admitted: Final = contextvars.ContextVar[Admitted | None]("watchword_admitted", default=None)
_END: Final[Any] = object()
_CODES: Final = {403: grpc.StatusCode.PERMISSION_DENIED, 503: grpc.StatusCode.UNAVAILABLE}
_Handler: TypeAlias = Any  # a grpc.RpcMethodHandler; gRPC brings no types


def current_token() -> AccessToken:
    """The token of the call that is being answered. Raises: LookupError if there is none."""
    return Admitted.token_in(_admitted.get())


class _Rules:
    """Which method asks for what. A method that is not named needs a token."""

    def __init__(self, methods: Mapping[str, Asked], open_to_all: Collection[str], optional: Collection[str]) -> None:
        if isinstance(open_to_all, str) or isinstance(optional, str):
            raise TypeError("methods are a collection of names, not one string")
        named = {*methods, *open_to_all, *optional}
        if wrong := sorted(name for name in named if not name.startswith("/") or "/" not in name[1:]):
            raise ValueError(f"methods are named /package.Service/Method, or /package.Service/ for all of it: {wrong}")
        if twice := sorted({*open_to_all} & {*methods, *optional}):
            raise ValueError(f"methods open to all cannot ask for something as well: {twice}")
        self._named: dict[str, Requirement | None] = {name: Requirement(**asked) for name, asked in methods.items()}
        self._named |= {name: Requirement(**methods.get(name, {}), optional=True) for name in optional}
        self._named |= dict.fromkeys(open_to_all)

    def __iter__(self) -> Iterator[Requirement]:
        return (requirement for requirement in self._named.values() if requirement is not None)

    def of(self, method: str) -> Requirement | None:
        """What a method asks for; None if it is open to all."""
        service = method[: method.rfind("/") + 1]
        return self._named.get(method, self._named.get(service, ANY_TOKEN))


class _Interceptor:
    def __init__(
        self,
        verifier: AnyVerifier,
        methods: Mapping[str, Asked] | None = None,
        *,
        open_to_all: Collection[str] = (),
        optional: Collection[str] = (),
        realm: str | None = None,
        resource_metadata: str | None = None,
    ) -> None:
        """Guard every method. ``methods`` says which ask for more: ``{"/notes.Notes/List": {"scopes": ["notes"]}}``, as
        in `Requirement`; ``/notes.Notes/`` stands for the whole service. ``open_to_all`` need no token, such as
        ``/grpc.health.v1.Health/``; ``optional`` take one if there is one.

        Raises: TypeError or ValueError for what cannot be asked, such as a method that can never be called.
        """
        waits = isinstance(self, grpc.ServerInterceptor)
        self.gate: Gate = Gate(verifier, realm=realm, resource_metadata=resource_metadata, waits=waits)
        self._rules = _Rules(methods or {}, open_to_all, optional)
        for requirement in self._rules:
            self.gate.announce(requirement)


class BearerInterceptor(_Interceptor, grpc.ServerInterceptor):
    """``grpc.server(pool, interceptors=[BearerInterceptor(verifier)])``. Asks for a `SyncVerifier`.

    Methods find the token by `current_token`. With every message of a stream its token is looked at again.
    """

    def intercept_service(self, continuation: Callable[[Any], _Handler], details: Any) -> _Handler:
        """As gRPC asks for it. What is wrong with a call is told by the thread that answers it."""
        handler, requirement = continuation(details), self._rules.of(details.method)
        if handler is None or requirement is None:
            return handler
        presented = presented_by(details.invocation_metadata)
        return _wrapped(handler, lambda inner: self._guarded(handler, inner, presented, requirement))

    def _guarded(self, handler: _Handler, inner: Any, presented: Presented, requirement: Requirement) -> Any:
        def admit(context: Any) -> Admitted:
            try:
                return self.gate.admit_sync(presented, requirement)
            except Refused as refused:
                context.set_trailing_metadata(trailers_of(refused))
                context.abort(_code(refused), refused.detail)
                raise

        def guarded(request: Any, context: Any) -> Any:
            here = contextvars.copy_context()
            here.run(_admitted.set, admit(context))
            if handler.request_streaming:
                request = still_admitted(request, context, None)
            answer = here.run(inner, request, context)
            return still_admitted(answer, context, here) if handler.response_streaming else answer

        def still_admitted(items: Any, context: Any, here: contextvars.Context | None) -> Iterator[Any]:
            # Each step of a stream may be taken by another thread: what is current goes with it.
            iterator = iter(items)
            while (item := here.run(next, iterator, _END) if here else next(iterator, _END)) is not _END:
                admit(context)
                yield item

        return guarded


class AsyncBearerInterceptor(_Interceptor, aio.ServerInterceptor):
    """``grpc.aio.server(interceptors=[AsyncBearerInterceptor(verifier)])``.

    Methods find the token by `current_token`. With a `Verifier`, streams end with status UNAUTHENTICATED the moment
    their token does.
    """

    async def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> _Handler:
        """As gRPC asks for it."""
        handler, requirement = await continuation(details), self._rules.of(details.method)
        if handler is None or requirement is None:
            return handler
        try:
            admitted = await self.gate.admit(presented_by(details.invocation_metadata), requirement)
        except Refused as refused:
            return _wrapped(handler, functools.partial(_refusing, refused), parses=False)
        _admitted.set(admitted)  # each call has a task, and a context, of its own
        streams = handler.request_streaming or handler.response_streaming
        if streams and admitted.token is not None and hasattr(self.gate.verifier, "watch"):
            return _wrapped(handler, functools.partial(self._until_revoked, admitted.token))
        return _wrapped(handler, _in_this_context)

    def _until_revoked(self, token: AccessToken, inner: Any) -> Any:
        watching = self.gate.verifier.watch  # type: ignore[attr-defined]
        if inspect.isasyncgenfunction(inner):

            async def following(iterator: Any) -> Any:
                return await anext(iterator, _END)

            async def stream(request: Any, rpc: Any) -> AsyncIterator[Any]:
                with watching(token) as watch:
                    context = _Context(rpc, watch)
                    iterator = inner(request, context)
                    while (item := await _going_on(context, following(iterator))) is not _END:
                        yield item

            return stream
        if not inspect.iscoroutinefunction(inner):
            return _in_this_context(inner)

        async def call(request: Any, rpc: Any) -> Any:
            with watching(token) as watch:
                context = _Context(rpc, watch)
                return await _going_on(context, inner(request, context))

        return call


class _Context:
    """The context of a call that may be ended at any moment. What it sends is sent whole, even if whoever waits for it
    is cancelled: gRPC takes no status while a message is under way, and its client would wait until its deadline.

    Sends nothing more once the token has ended, whether or not the method takes notice of being cancelled.
    """

    def __init__(self, rpc: Any, watch: Watch) -> None:
        self._rpc = rpc
        self.watch: Watch = watch
        self._sending: set[asyncio.Task[None]] = set()
        self._aborting: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rpc, name)

    async def write(self, message: Any) -> None:
        await asyncio.shield(self._begun(self._rpc.write, message))

    async def send_initial_metadata(self, metadata: Any) -> None:
        await asyncio.shield(self._begun(self._rpc.send_initial_metadata, metadata))

    async def abort(self, *args: Any, **kwargs: Any) -> None:
        aborting = self._begun(self._rpc.abort, *args, **kwargs)
        self._aborting = self._aborting or aborting
        await asyncio.shield(aborting)

    def _begun(self, send: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any) -> asyncio.Task[None]:
        if self.watch.ended is not None:
            raise TokenEnded(self.watch.ended)
        task = asyncio.ensure_future(send(*args, **kwargs))
        self._sending.add(task)
        task.add_done_callback(self._sent)
        return task

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, though whoever sent it may be gone

    async def end(self, over: TokenEnded) -> None:
        """End the call in the token's name, unless the method has ended it. Waits until nothing is under way any more.

        Raises: gRPC's AbortError.
        """
        if self._sending:
            await asyncio.wait(self._sending)
        if self._aborting is not None:
            await self._aborting
        code = grpc.StatusCode.UNAVAILABLE if over.why is Ended.STALE else grpc.StatusCode.UNAUTHENTICATED
        await self._rpc.abort(code, str(over))


async def _going_on(context: _Context, work: Coroutine[Any, Any, Any]) -> Any:
    """Await work in a token's name; end the call in its place when the token ends."""
    try:
        return await _given(context.watch, work)
    except TokenEnded as over:
        await context.end(over)
        raise


async def _given(watch: Watch, work: Coroutine[Any, Any, Any]) -> Any:
    """What a method gives, which is an answer as much as what it sends: nothing where it took no notice of the end."""
    result = await watch.run(work)
    if watch.ended is not None:
        raise TokenEnded(watch.ended)
    return result


def presented_by(metadata: Sequence[tuple[str, str | bytes]] | None) -> Presented:
    """What a call presents. Bytes outside ASCII are no credential, but one that is malformed."""
    values = [value for name, value in metadata or () if name.lower() == "authorization"]
    return Presented([value if isinstance(value, str) else value.decode("latin-1") for value in values])


def trailers_of(refused: Refused) -> tuple[tuple[str, str], ...]:
    """The trailing metadata of a refusal: the headers that HTTP would have, in lower case."""
    trailers = [(name.lower(), value) for name, value in refused.headers.items()]
    if refused.status == 503:
        # What gRPC's own retries wait for, in milliseconds.
        trailers.append(("grpc-retry-pushback-ms", f"{refused.headers['Retry-After']}000"))
    return tuple(trailers)


def _code(refused: Refused) -> grpc.StatusCode:
    return _CODES.get(refused.status, grpc.StatusCode.UNAUTHENTICATED)


def _refusing(refused: Refused, _inner: Any) -> Any:
    async def refuse(_request: Any, context: Any) -> NoReturn:
        context.set_trailing_metadata(trailers_of(refused))
        await context.abort(_code(refused), refused.detail)
        raise refused

    return refuse


def _in_this_context(inner: Any) -> Any:
    """Functions without async are called by a thread, which does not know what is current; others are left alone."""
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        return inner
    here = contextvars.copy_context()

    def stream(request: Any, context: Any) -> Iterator[Any]:
        iterator = inner(request, context)
        while (item := here.run(next, iterator, _END)) is not _END:
            yield item

    def call(request: Any, context: Any) -> Any:
        return here.run(inner, request, context)

    return stream if inspect.isgeneratorfunction(inner) else call


def _wrapped(handler: _Handler, wrap: Callable[[Any], Any], *, parses: bool = True) -> _Handler:
    """A handler of the same kind around another function; one that only refuses need not parse what was sent."""
    kind = ("stream_" if handler.request_streaming else "unary_") + (
        "stream" if handler.response_streaming else "unary"
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    parser = handler.request_deserializer if parses else None
    return make(wrap(getattr(handler, kind)), parser, handler.response_serializer)
