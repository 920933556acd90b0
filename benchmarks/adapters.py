"""What an adapter costs: to import, to install, and with every request.

Run ``python benchmarks/adapters.py`` (or with ``--quick``). Imports are timed in fresh processes, framework and
verifier beside framework, verifier and adapter, by turns; installed size is the library's own files and what each extra brings. A request
goes through the application without a server, with a token seen before, beside the same route unprotected. Only ratios
and differences travel between machines.
"""

import argparse
import asyncio
import io
import re
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from watchword.testing import FakeIssuer

FRAMEWORKS = {
    "asgi": (None, ()),
    "wsgi": (None, ()),
    "starlette": ("starlette.middleware.authentication, starlette.responses, starlette.websockets", ("starlette",)),
    "fastapi": ("fastapi, fastapi.security", ("fastapi",)),
    "litestar": ("litestar, litestar.openapi.spec, litestar.plugins", ("litestar",)),
    "flask": ("flask, werkzeug", ("flask",)),
    "django": ("django.http, django.core.checks", ("django",)),
    "aiohttp": ("aiohttp.web", ("aiohttp",)),
    "grpc": ("grpc.aio", ("grpcio",)),
    "graphql": ("strawberry, strawberry.permission", ("strawberry-graphql",)),
    "mcp": ("mcp.server.mcpserver, mcp.server.auth.provider", ("mcp",)),
    "fastmcp": ("fastmcp.server.auth, fastmcp.server.dependencies", ("fastmcp",)),
}
SETTINGS = "from django.conf import settings; settings.configure(REST_FRAMEWORK={'UNAUTHENTICATED_USER': None}); "
BEHIND_SETTINGS = {
    "drf": ("rest_framework.views", ("djangorestframework",)),
    "ninja": ("ninja", ("django-ninja",)),
}
TIMED = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
LIBRARY = ("watchword", "cryptography", "msgspec", "cffi", "pycparser")


def import_seconds(statement: str) -> float:
    """CPU seconds of an import in a fresh process; Django's settings are made before the clock starts."""
    script = TIMED.format(statement)
    if "rest_framework" in statement or "ninja" in statement:  # which read the settings as they are imported
        script = SETTINGS + script
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def needed_by(names: tuple[str, ...]) -> set[str]:
    """Distributions that these bring with them, themselves included, extras aside."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requires = distribution(name).requires or ()
        except PackageNotFoundError:
            continue  # for another platform or version
        found.add(name)
        waiting += [re.match(r"[\w.-]+", one)[0] for one in requires if "extra ==" not in one.replace("'", '"')]
    return found


def size_of(names: set[str]) -> int:
    """Octets of the files of distributions; the library's own, which may be installed as editable, from its source."""
    total = 0
    for name in names:
        if name == "watchword":
            root = Path(__file__).resolve().parents[1] / "packages/watchword/src"
            total += sum(file.stat().st_size for file in root.rglob("*.py"))
            continue
        files = distribution(name).files or ()
        total += sum(file.size or 0 for file in files if file.suffix != ".pyc")
    return total


def imports(rounds: int) -> None:
    verifier = "from watchword import Verifier"
    times = [import_seconds(verifier) for _ in range(rounds)]
    print(f"importing a verifier: {statistics.median(times) * 1000:.0f} ms of CPU")
    print("import, ms of CPU, median     framework and verifier   and adapter   adapter adds   framework, installed")
    base = needed_by(LIBRARY)
    for name, (framework, packages) in {**FRAMEWORKS, **BEHIND_SETTINGS}.items():
        before = f"import {framework or 'sys'}; {verifier}"
        pairs = []
        for _ in range(rounds):
            pairs.append((import_seconds(before), import_seconds(f"{before}; import watchword.adapters.{name}")))
        first, second = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        adds = statistics.median(after - ahead for ahead, after in pairs) * 1000
        extra = size_of(needed_by(packages) - base) / 1e6
        print(f"  {name:26} {first:22.0f} {second:13.0f} {adds:14.0f} {extra:19.1f} MB")
    own = size_of({"watchword"}) / 1e3
    print(f"the library's own files: {own:.0f} kB; with cryptography and msgspec {size_of(base) / 1e6:.1f} MB")


def asgi_request(app, headers):
    """One GET, to the end; a coroutine made anew with each call."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"api.test"), *headers],
        "server": ("api.test", 80),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message

    async def ask():
        await app(dict(scope), receive, send)

    return ask


def wsgi_request(app, headers):
    """One GET, to the end."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "api.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "api.test",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
    }

    def start_response(status, _headers, _exc_info=None):
        assert status.startswith("200"), status

    def ask():
        b"".join(app(dict(environ), start_response))

    return ask


def asgi_stages(issuer):
    """Open and protected applications, by name."""
    from typing import Annotated

    from fastapi import Depends, FastAPI
    from litestar import Litestar, get
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from watchword import AccessToken
    from watchword.adapters.asgi import BearerMiddleware
    from watchword.adapters.fastapi import BearerAuth as FastapiAuth
    from watchword.adapters.litestar import BearerAuth as LitestarAuth
    from watchword.adapters.starlette import BearerBackend

    verifier = issuer.verifier()

    async def bare(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    yield "asgi", bare, BearerMiddleware(bare, verifier)

    async def endpoint(_request):
        return PlainTextResponse("ok")

    backend = BearerBackend(verifier)
    guarded = Starlette(routes=[Route("/", backend.require()(endpoint))], middleware=[backend.middleware()])
    yield "starlette", Starlette(routes=[Route("/", endpoint)]), guarded

    auth, plain, protected = FastapiAuth(verifier), FastAPI(), FastAPI()

    @plain.get("/")
    async def shown():
        return {"sub": "ada"}

    @protected.get("/")
    async def shown_to_some(token: Annotated[AccessToken, Depends(auth)]):
        return {"sub": token.sub}

    yield "fastapi", plain, protected

    litestar = LitestarAuth(verifier)

    @get("/")
    async def one() -> str:
        return "ok"

    @get("/", guards=[litestar.require()])
    async def other() -> str:
        return "ok"

    yield "litestar", Litestar([one], openapi_config=None), Litestar([other], openapi_config=None)


def wsgi_stages(issuer):
    """Open and protected applications, by name."""
    from flask import Flask
    from watchword.adapters.flask import BearerAuth
    from watchword.adapters.wsgi import BearerMiddleware

    verifier = issuer.sync_verifier()

    def bare(_environ, start_response):
        start_response("200 OK", [])
        return [b"ok"]

    yield "wsgi", bare, BearerMiddleware(bare, verifier)
    auth, plain, protected = BearerAuth(verifier), Flask("plain"), Flask("protected")
    plain.get("/")(lambda: "ok")
    protected.get("/")(auth.require()(lambda: "ok"))
    yield "flask", plain, protected

    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path
    from watchword.adapters.django import require

    def view(_request):
        return HttpResponse("ok")

    urls = type("urls", (), {"urlpatterns": [path("", view)]})
    closed = type("closed", (), {"urlpatterns": [path("", require()(view))]})
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, WATCHWORD={"VERIFIER": verifier})
    import django

    django.setup()
    handler = WSGIHandler()

    def behind(chosen):
        def app(environ, start_response):
            settings.ROOT_URLCONF = chosen
            return handler(environ, start_response)

        return app

    yield "django", behind(urls), behind(closed)


def microseconds(ask, count: int) -> float:
    """CPU time of one request."""
    if asyncio.iscoroutinefunction(ask):

        async def many():
            began = time.process_time()
            for _ in range(count):
                await ask()
            return time.process_time() - began

        return asyncio.run(many()) / count * 1e6
    began = time.process_time()
    for _ in range(count):
        ask()
    return (time.process_time() - began) / count * 1e6


def requests(count: int, rounds: int) -> None:
    from watchword import system_clock

    issuer = FakeIssuer(clock=system_clock, lifetime=3600)
    value = f"Bearer {issuer.token(scope='openid profile', roles=['user'])}"
    print("\na protected request, µs of CPU, median           open      protected     adapter adds")
    kinds = (
        (asgi_stages, asgi_request, [(b"authorization", value.encode())]),
        (wsgi_stages, wsgi_request, {"HTTP_AUTHORIZATION": value}),
    )
    for stages, request, headers in kinds:
        for name, plain, protected in stages(issuer):
            asks = [request(plain, headers), request(protected, headers)]
            for ask in asks:
                microseconds(ask, count // 10)
            times = [[microseconds(ask, count) for ask in asks] for _ in range(rounds)]
            first, second = (statistics.median(column) for column in zip(*times, strict=True))
            adds = statistics.median(b - a for a, b in times)
            print(f"  {name:40} {first:11.1f} {second:14.1f} {adds:16.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    imports(1 if quick else 5)
    requests(300 if quick else 3000, 3 if quick else 9)


if __name__ == "__main__":
    main()
