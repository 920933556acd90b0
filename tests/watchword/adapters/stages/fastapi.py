"""FastAPI."""

from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Security
from watchword import AccessToken
from watchword.adapters.fastapi import BearerAuth

from .callers import ROUTES, AsgiCaller


@asynccontextmanager
async def stage(issuer, verifier, auth):
    auth = BearerAuth(issuer.verifier(**verifier), **auth)
    app = FastAPI()

    @app.get("/profile")
    async def profile(token: Annotated[AccessToken, Depends(auth)]):
        return {"sub": token.sub}

    @app.get("/reports")
    async def reports(token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]):
        return {"sub": token.sub}

    @app.get("/admin")
    async def admin(token: Annotated[AccessToken, Depends(auth.roles("admin"))]):
        return {"sub": token.sub}

    @app.get("/posts")
    async def posts(token: Annotated[AccessToken | None, Depends(auth.optional)]):
        return {"sub": token and token.sub}

    for path in ("/orders", "/acme", "/transfers"):

        @app.get(path)
        async def asking(token: Annotated[AccessToken, Depends(auth.requires(**ROUTES[path]))]):
            return {"sub": token.sub}

    yield AsgiCaller(app, auth)
