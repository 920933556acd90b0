"""An ASGI client that sends what it is told to, byte for byte."""

import json
from types import SimpleNamespace

import pytest
from watchword.testing import FakeIssuer


@pytest.fixture
def issuer():
    return FakeIssuer()


class Client:
    """Speaks to an app without a server in between that would tidy the headers."""

    def __init__(self, app):
        self.app = app

    async def get(self, path, *authorization, headers=()):
        """Ask; each ``authorization`` becomes a header of its own."""
        sent = []
        scope = self._scope("http", path, authorization, headers) | {"method": "GET"}
        await self.app(scope, self._receiver({"type": "http.request", "body": b""}), self._sender(sent))
        return self._answer(sent)

    async def websocket(self, path, *authorization, headers=(), denial=True):
        """Open a WebSocket, say nothing, and leave."""
        sent = []
        scope = self._scope("websocket", path, authorization, headers) | {
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}} if denial else {},
        }
        messages = ({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000})
        await self.app(scope, self._receiver(*messages), self._sender(sent))
        return self._answer(sent)

    @staticmethod
    def _scope(kind, path, authorization, headers):
        values = [value if isinstance(value, bytes) else value.encode() for value in authorization]
        return {
            "type": kind,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [*((b"authorization", value) for value in values), *headers],
            "server": ("api.test", 80),
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }

    @staticmethod
    def _receiver(*messages):
        left = list(messages)

        async def receive():
            return left.pop(0) if left else {"type": "http.disconnect"}

        return receive

    @staticmethod
    def _sender(sent):
        async def send(message):
            sent.append(message)

        return send

    @staticmethod
    def _answer(sent):
        first = sent[0]
        body = b"".join(message.get("body") or b"" for message in sent)
        headers = {name.decode(): value.decode() for name, value in first.get("headers") or ()}
        text = next((message["text"] for message in sent if message.get("text")), None)
        return SimpleNamespace(
            type=first["type"],
            status=first.get("status"),
            code=first.get("code"),
            subprotocol=first.get("subprotocol"),
            headers=headers,
            challenge=headers.get("www-authenticate"),
            json=json.loads(body) if body.startswith(b"{") else None,
            text=text,
        )


@pytest.fixture
def client():
    return Client


BARE = "Bearer"
MALFORMED = {
    "an empty token": ["Bearer "],
    "no token": ["Bearer"],
    "spaces alone": ["Bearer    "],
    "two words": ["Bearer a b"],
    "two credentials in one header": ["Bearer a, Bearer b"],
    "a comma": ["Bearer a,b"],
    "two headers": ["Bearer a", "Bearer a"],
    "two schemes": ["Basic YTpi", "Bearer a"],
    "quotes": ['Bearer "a"'],
    "parameters": ["Bearer token=a.b.c"],
    "bytes outside ascii": [b"Bearer \xff\xfe"],
    "utf-8": ["Bearer ä.ö.ü".encode()],
    "a null byte": [b"Bearer a\x00b"],
    "a tab": [b"Bearer a\tb"],
    "padding in front": ["Bearer =abc"],
    "a tab for the space": ["Bearer\tabc.def.ghi"],
    "a null byte for the space": [b"Bearer\x00abc.def.ghi"],
    "a space that is not ASCII": [b"Bearer\xa0abc.def.ghi"],
    "a colon": ["Bearer: abc.def.ghi"],
    "an equals sign": ["Bearer=abc.def.ghi"],
    "quotes around all": ['"Bearer abc.def.ghi"'],
    "joined behind another scheme": ["Basic YTpi, Bearer abc.def.ghi"],
    "joined without a space": ["Basic YTpi,bearer abc.def.ghi"],
    "a megabyte of spaces": [b"Bearer" + b" " * 1_000_000],
    "a megabyte of commas": [b"Bearer a" + b"," * 1_000_000],
}
ABSENT = {
    "nothing": [],
    "an empty header": [""],
    "another scheme": ["Basic YTpi"],
    "a token without scheme": ["abc.def.ghi"],
    "a scheme that only begins alike": ["Bearerx abc"],
    "half a scheme": ["Bear er"],
}
