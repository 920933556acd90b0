"""Plain WSGI."""

import json
from contextlib import asynccontextmanager

from watchword.adapters.wsgi import BearerMiddleware, token_of

from .callers import ROUTES, WsgiCaller


def show(environ, start_response):
    try:
        sub = token_of(environ).sub
    except LookupError:
        sub = None
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"sub": sub}).encode()]


@asynccontextmanager
async def stage(issuer, verifier, auth):
    verifier = issuer.sync_verifier(**verifier)
    routes = {path: BearerMiddleware(show, verifier, **auth, **asked) for path, asked in ROUTES.items()}

    def app(environ, start_response):
        return routes[environ["PATH_INFO"]](environ, start_response)

    yield WsgiCaller(app, *routes.values())
