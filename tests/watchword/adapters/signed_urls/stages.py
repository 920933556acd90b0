"""The same route, /media/…, behind signed URLs in each framework; it answers JSON with ``path`` and ``sub``.

Requests are handed over as a server hands them over, so that no client normalises what a test sends.
"""

import asyncio
import io
import uuid
from contextlib import nullcontext
from types import ModuleType
from typing import Annotated
from urllib.parse import unquote, unquote_to_bytes

import msgspec
from fastapi import Depends, FastAPI
from watchword.adapters.signed_urls.fastapi import SignedUrlAuth
from watchword.signedurl import SignedUrl

HOST = "media.example.com"


def told(url):
    return {"path": url.path, "sub": url.sub}


def asgi(urls):
    from watchword.adapters.signed_urls.asgi import SignedUrlMiddleware, signed_url_of

    async def app(scope, receive, send):
        body = msgspec.json.encode({**told(signed_url_of(scope)), "seen": scope["path"]})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return AsgiCaller(SignedUrlMiddleware(app, urls))


def starlette(urls):
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Mount
    from watchword.adapters.signed_urls.asgi import SignedUrlMiddleware, signed_url_of

    async def media(scope, receive, send):
        await JSONResponse(told(signed_url_of(scope)))(scope, receive, send)

    return AsgiCaller(Starlette(routes=[Mount("/media", SignedUrlMiddleware(media, urls))]))


def fastapi(urls):
    app, signed = FastAPI(), SignedUrlAuth(urls)

    @app.api_route("/media/{path:path}", methods=["GET", "HEAD", "PUT"])
    async def media(url: Annotated[SignedUrl, Depends(signed)]):
        return told(url)

    return AsgiCaller(app)


def wsgi(urls, **server):
    from watchword.adapters.signed_urls.wsgi import SignedUrlMiddleware, signed_url_of

    def app(environ, start_response):
        start_response("200 OK", [])
        return [msgspec.json.encode({**told(signed_url_of(environ)), "seen": environ["PATH_INFO"]})]

    return WsgiCaller(SignedUrlMiddleware(app, urls), **server)


def wsgi_untold(urls):
    return wsgi(urls, tells=False)


def flask(urls):
    from flask import Flask, jsonify
    from watchword.adapters.signed_urls.flask import current_url, signed

    app = Flask("stage")

    @app.route("/media/<path:_>", methods=["GET", "HEAD", "PUT"])
    @signed(urls)
    def media(_):
        return jsonify(told(current_url))

    return WsgiCaller(app)


def _django(view):
    import django as framework
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            INSTALLED_APPS=["watchword.adapters.django"],
            SECRET_KEY=uuid.uuid4().hex,
            WATCHWORD={"ISSUER": "https://issuer.test", "AUDIENCE": "api"},
        )
        framework.setup()
    from django.test import override_settings
    from django.urls import re_path

    module = ModuleType("urls")
    module.urlpatterns = [re_path("^media/", view)]
    return override_settings(ROOT_URLCONF=module, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])


def django(urls):
    from django.core.handlers.wsgi import WSGIHandler
    from watchword.adapters.signed_urls.django import signed, signed_url_of

    @signed(urls)
    def media(request):
        from django.http import JsonResponse

        return JsonResponse(told(signed_url_of(request)))

    around = _django(media)
    return WsgiCaller(WSGIHandler(), around)


def django_asgi(urls):
    from django.core.handlers.asgi import ASGIHandler
    from watchword.adapters.signed_urls.django import signed, signed_url_of

    @signed(urls)
    async def media(request):
        from django.http import JsonResponse

        return JsonResponse(told(signed_url_of(request)))

    around = _django(media)
    return AsgiCaller(ASGIHandler(), around)


def aiohttp(urls):
    from aiohttp import web
    from watchword.adapters.signed_urls.aiohttp import signed, signed_url_of

    @signed(urls)
    async def media(request):
        return web.json_response(told(signed_url_of(request)))

    app = web.Application()
    app.router.add_route("*", "/media/{path:.*}", media)
    return AiohttpCaller(app)


STAGES = [aiohttp, asgi, starlette, fastapi, wsgi, wsgi_untold, flask, django, django_asgi]


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return msgspec.json.decode(self.body)


class AsgiCaller:
    def __init__(self, app, around=None):
        self.app = app
        self.around = around or nullcontext()

    async def __call__(self, method, target, *, host=HOST, client="192.0.2.7", headers=()):
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode("latin-1", "replace"),
            "query_string": query.encode("latin-1", "replace"),
            "root_path": "",
            "client": (client, 1),
            "server": ("127.0.0.1", 1),
            "state": {},
            "extensions": {},
            "headers": [(b"host", host.encode()), *((n.encode(), v.encode()) for n, v in headers)],
        }
        sent, body, asked = {}, [], []

        async def receive():
            if asked:
                await asyncio.Event().wait()  # the client stays
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                sent.update(message)
            else:
                body.append(message.get("body", b""))

        with self.around:
            await self.app(scope, receive, send)
        given = {n.decode().lower(): v.decode() for n, v in sent["headers"]}
        return Answer(sent["status"], given, b"".join(body))


class WsgiCaller:
    def __init__(self, app, around=None, *, tells=True):
        self.app = app
        self.around = around or nullcontext()
        self.tells = tells

    async def __call__(self, method, target, *, host=HOST, client="192.0.2.7", headers=()):
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "HTTP_HOST": host,
            "REMOTE_ADDR": client,
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if self.tells:
            environ["RAW_URI"] = target
        for name, value in headers:
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        sent = {}

        def start_response(status, given, exc_info=None):
            sent.update(status=int(status.split()[0]), headers={n.lower(): v for n, v in given})

        with self.around:
            answered = self.app(environ, start_response)
            body = b"".join(answered)
            if hasattr(answered, "close"):
                answered.close()
        return Answer(sent["status"], sent["headers"], body)


class AiohttpCaller:
    """Requests are put together as aiohttp's parser does it, and handled by the application."""

    def __init__(self, app):
        self.app = app
        app.freeze()

    async def __call__(self, method, target, *, host=HOST, client="192.0.2.7", headers=()):
        from aiohttp import web
        from aiohttp.test_utils import make_mocked_request
        from multidict import CIMultiDict

        given = CIMultiDict([("Host", host), *headers])
        request = make_mocked_request(method, target, given, app=self.app).clone(remote=client)
        match = await self.app.router.resolve(request)
        match.add_app(self.app)
        match.freeze()
        request._match_info = match
        try:
            answer = await match.handler(request)
        except web.HTTPException as error:
            answer = error
        body = answer.body if isinstance(answer.body, bytes) else b""
        return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)
