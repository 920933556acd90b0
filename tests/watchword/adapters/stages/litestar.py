"""Litestar."""

from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, get
from litestar.connection import Request
from watchword.adapters.litestar import BearerAuth

from .callers import ROUTES, AsgiCaller


def handler(path, guard):
    @get(path, guards=[guard], name=path)
    async def show(request: Request[Any, Any, Any]) -> dict[str, str | None]:
        return {"sub": request.auth and request.auth.sub}

    return show


@asynccontextmanager
async def stage(issuer, verifier, auth):
    bearer = BearerAuth(issuer.verifier(**verifier), **auth)
    handlers = []
    for path, asked in ROUTES.items():
        handlers.append(handler(path, bearer.optional() if "optional" in asked else bearer.require(**asked)))
    yield AsgiCaller(Litestar(handlers, plugins=[bearer], openapi_config=None), bearer)
