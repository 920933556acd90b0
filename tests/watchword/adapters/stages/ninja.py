"""Django Ninja."""

import uuid
from contextlib import asynccontextmanager

from .callers import ROUTES, WsgiCaller
from .django import configured

from django.core.handlers.wsgi import WSGIHandler  # isort: skip
from django.urls import path  # isort: skip
from ninja import NinjaAPI
from watchword import AccessToken
from watchword.adapters.django.conf import gate
from watchword.adapters.ninja import BearerAuth


def show(request):
    return {"sub": request.auth.sub if isinstance(request.auth, AccessToken) else None}


@asynccontextmanager
async def stage(issuer, verifier, auth):
    api = NinjaAPI(urls_namespace=uuid.uuid4().hex)
    with configured([], issuer.sync_verifier(**verifier), auth):
        bearer = BearerAuth(api)
        for route, asked in ROUTES.items():
            api.get(route, auth=bearer.optional() if "optional" in asked else bearer.require(**asked))(show)
        with configured([path("", api.urls)], issuer.sync_verifier(**verifier), auth):
            yield WsgiCaller(WSGIHandler(), gate())
