"""Django REST framework."""

from contextlib import asynccontextmanager

from .callers import ROUTES, WsgiCaller
from .django import configured

from django.core.handlers.wsgi import WSGIHandler  # isort: skip
from django.urls import path  # isort: skip
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView
from watchword.adapters.django.conf import gate
from watchword.adapters.drf import BearerAuthentication, exception_handler, require


def view(asked):
    class Show(APIView):
        authentication_classes = (BearerAuthentication,)
        permission_classes = () if "optional" in asked else (require(**asked),)
        renderer_classes = (JSONRenderer,)
        get_exception_handler = staticmethod(lambda: exception_handler)

        def get(self, request):
            return Response({"sub": request.auth and request.auth.sub})

    return Show.as_view()


@asynccontextmanager
async def stage(issuer, verifier, auth):
    urls = [path(route[1:], view(asked)) for route, asked in ROUTES.items()]
    with configured(urls, issuer.sync_verifier(**verifier), auth):
        yield WsgiCaller(WSGIHandler(), gate())
