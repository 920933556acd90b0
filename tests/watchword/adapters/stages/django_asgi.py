"""Django, as ASGI application, with its middleware and async views."""

from contextlib import asynccontextmanager

from .callers import ROUTES, AsgiCaller
from .django import configured, guarded
from .django import show as show_in_thread

from django.core.handlers.asgi import ASGIHandler  # isort: skip
from django.urls import path  # isort: skip
from watchword.adapters.django.conf import gate


async def show(request):
    return show_in_thread(request)


@asynccontextmanager
async def stage(issuer, verifier, auth):
    urls = [path(route[1:], guarded(show, asked)) for route, asked in ROUTES.items()]
    middleware = ["watchword.adapters.django.middleware.BearerMiddleware"]
    with configured(urls, issuer.sync_verifier(**verifier), auth, MIDDLEWARE=middleware):
        yield AsgiCaller(ASGIHandler(), gate())
