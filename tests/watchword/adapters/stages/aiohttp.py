"""aiohttp, behind its own server on a loopback port: it has no interface to call past that."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from watchword.adapters.aiohttp import BearerAuth, token_of

from .callers import ROUTES, answer

_ROOM = 2_000_000


async def show(request):
    try:
        sub = token_of(request).sub
    except LookupError:
        sub = None
    return web.json_response({"sub": sub})


class SocketCaller:
    """Writes requests to a socket, byte for byte."""

    behind_server = True

    def __init__(self, port, *guarded):
        self.port = port
        self.guarded = guarded

    async def ask(self, path, *authorization, method="GET", headers=()):
        values = [value if isinstance(value, bytes) else value.encode() for value in authorization]
        lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: api.test", b"Connection: close", b"Content-Length: 0"]
        lines += [b"Authorization: " + value for value in values]
        lines += [name + b": " + value for name, value in headers]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        status, *fields = head.decode("latin-1").split("\r\n")
        return answer(int(status.split()[1]), [field.split(": ", 1) for field in fields], body)


@asynccontextmanager
async def stage(issuer, verifier, auth):
    bearer = BearerAuth(issuer.verifier(**verifier), **auth)
    app = web.Application()
    for path, asked in ROUTES.items():
        handler = bearer.optional()(show) if "optional" in asked else bearer.require(**asked)(show)
        app.router.add_route("*", path, handler)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(max_line_size=_ROOM, max_field_size=_ROOM, max_headers=100)
    try:
        yield SocketCaller(server.port, bearer)
    finally:
        await server.close()
