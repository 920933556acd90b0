"""gRPC for asyncio. Run: python examples/grpc/app.py

Messages are plain text here, so that the example needs no generated code; with yours, nothing else changes.
"""

import asyncio
import os

import grpc
from watchword import Revocations, Verifier
from watchword.adapters.grpc import AsyncBearerInterceptor, current_token

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = AsyncBearerInterceptor(verifier, {"/watch.Reports/List": {"scopes": ["reports:read"]}})


async def profile(_request, _context):
    return current_token().sub.encode()


async def reports(_request, _context):
    for night in ("Tuesday: 42 lanterns lit", "Wednesday: 40"):
        yield night.encode()


async def ticks(_request, _context):
    """A stream that nobody ends but its token."""
    while True:
        yield b"all is well"
        await asyncio.sleep(0.1)


async def main():
    handlers = {
        "Profile": grpc.unary_unary_rpc_method_handler(profile),
        "List": grpc.unary_stream_rpc_method_handler(reports),
        "Ticks": grpc.unary_stream_rpc_method_handler(ticks),
    }
    server = grpc.aio.server(interceptors=[auth])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("watch.Reports", handlers)])
    server.add_insecure_port(f"127.0.0.1:{os.environ.get('PORT', '8001')}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
