"""Django, as WSGI application, with decorators alone."""

import uuid
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType

import django as framework
from django.conf import settings

from .callers import ROUTES, WsgiCaller

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["api.test"],
        INSTALLED_APPS=["watchword.adapters.django"],
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
        SECRET_KEY=uuid.uuid4().hex,
        WATCHWORD={"ISSUER": "https://issuer.test", "AUDIENCE": "api"},
    )
    framework.setup()

from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.test import override_settings
from django.urls import path
from watchword.adapters.django import optional, require
from watchword.adapters.django.conf import gate


def show(request):
    token = request.access_token
    return JsonResponse({"sub": token and token.sub})


def guarded(view, asked):
    return optional()(view) if "optional" in asked else require(**asked)(view)


@contextmanager
def configured(urls, verifier, auth, **settings):
    """Settings for as long as the stage stands."""
    module = ModuleType("urls")
    module.urlpatterns = urls
    given = {"VERIFIER": verifier, **{name.upper(): value for name, value in auth.items()}}
    with override_settings(ROOT_URLCONF=module, WATCHWORD=given, **settings):
        yield


@asynccontextmanager
async def stage(issuer, verifier, auth):
    urls = [path(route[1:], guarded(show, asked)) for route, asked in ROUTES.items()]
    with configured(urls, issuer.sync_verifier(**verifier), auth):
        yield WsgiCaller(WSGIHandler(), gate())
