"""Who asks the stages: no server in between that would tidy the headers."""

import asyncio
import io
import json
from types import SimpleNamespace

ROUTES = {
    "/profile": {},
    "/reports": {"scopes": ["reports:read"]},
    "/admin": {"roles": ["admin"]},
    "/posts": {"optional": True},
    "/orders": {"permissions": ["orders:read", "orders:refund"]},
    "/acme": {"tenants": ["acme", "acme-labs"]},
    "/transfers": {"acr_values": ["urn:mfa", "urn:passkey"], "max_age": 300},
}


def answer(status, headers, body=b""):
    headers = {name.lower(): value for name, value in headers}
    return SimpleNamespace(
        status=status,
        headers=headers,
        challenge=headers.get("www-authenticate"),
        retry_after=headers.get("retry-after"),
        body=body,
        json=json.loads(body) if body.startswith(b"{") else None,
    )


class AsgiCaller:
    """Asks an ASGI application."""

    behind_server = False

    def __init__(self, app, *guarded):
        self.app = app
        self.guarded = guarded

    async def ask(self, path, *authorization, method="GET", headers=()):
        values = [value if isinstance(value, bytes) else value.encode() for value in authorization]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"host", b"api.test"), *((b"authorization", value) for value in values), *headers],
            "server": ("api.test", 80),
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }
        sent = []
        asked = [{"type": "http.request", "body": b"", "more_body": False}]
        gone = asyncio.Event()

        async def receive():
            if asked:
                return asked.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await self.app(scope, receive, send)
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
        return answer(sent[0]["status"], pairs, b"".join(message.get("body", b"") for message in sent))


class WsgiCaller:
    """Asks a WSGI application, in a thread as servers do; joins what comes twice as servers do."""

    behind_server = False

    def __init__(self, app, *guarded):
        self.app = app
        self.guarded = guarded

    async def ask(self, path, *authorization, method="GET", headers=()):
        return await asyncio.to_thread(self._ask, path, authorization, method, headers)

    def _ask(self, path, authorization, method, headers):
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "api.test",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "api.test",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        values = [value if isinstance(value, bytes) else value.encode() for value in authorization]
        if values:
            environ["HTTP_AUTHORIZATION"] = b",".join(values).decode("latin-1")
        for name, value in headers:
            key = "HTTP_" + name.decode().upper().replace("-", "_")
            environ[key] = ",".join(filter(None, [environ.get(key), value.decode("latin-1")]))
        begun = []

        def start_response(status, headers, exc_info=None):
            begun[:] = [int(status.split()[0]), headers]

        result = self.app(environ, start_response)
        try:
            body = b"".join(result)
        finally:
            getattr(result, "close", lambda: None)()
        return answer(*begun, body)
