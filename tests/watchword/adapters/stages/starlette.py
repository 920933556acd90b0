"""Starlette."""

from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from watchword.adapters.starlette import BearerBackend

from .callers import ROUTES, AsgiCaller


async def show(request):
    return JSONResponse({"sub": request.user.token.sub if request.user.is_authenticated else None})


@asynccontextmanager
async def stage(issuer, verifier, auth):
    backend = BearerBackend(issuer.verifier(**verifier), **auth)
    routes = []
    for path, asked in ROUTES.items():
        routes.append(Route(path, show if "optional" in asked else backend.require(**asked)(show)))
    yield AsgiCaller(Starlette(routes=routes, middleware=[backend.middleware()]), backend)
