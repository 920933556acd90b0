"""Plain ASGI."""

import json
from contextlib import asynccontextmanager

from watchword.adapters.asgi import BearerMiddleware, token_of

from .callers import ROUTES, AsgiCaller


async def show(scope, receive, send):
    try:
        sub = token_of(scope).sub
    except LookupError:
        sub = None
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps({"sub": sub}).encode()})


@asynccontextmanager
async def stage(issuer, verifier, auth):
    verifier = issuer.verifier(**verifier)
    routes = {path: BearerMiddleware(show, verifier, **auth, **asked) for path, asked in ROUTES.items()}

    async def app(scope, receive, send):
        await routes[scope["path"]](scope, receive, send)

    yield AsgiCaller(app, *routes.values())
