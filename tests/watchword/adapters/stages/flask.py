"""Flask."""

from contextlib import asynccontextmanager

from flask import Flask
from watchword.adapters.flask import BearerAuth, current_token

from .callers import ROUTES, WsgiCaller


def show():
    return {"sub": current_token.sub if current_token else None}


@asynccontextmanager
async def stage(issuer, verifier, auth):
    app = Flask(__name__)
    auth = BearerAuth(issuer.sync_verifier(**verifier), **auth)
    for path, asked in ROUTES.items():
        view = auth.optional()(show) if "optional" in asked else auth.require(**asked)(show)
        app.add_url_rule(path, path, view)
    yield WsgiCaller(app, auth)
