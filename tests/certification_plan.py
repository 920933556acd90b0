"""The static clients of the certification plans, what is told of their person, and a client's own web server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwk
from secure import Trust

BACK, QUERY_BACK = "https://app.example.test/callback", "https://app.example.test/callback?kept=1"
BYE = "https://app.example.test/bye"
SECRET = "a secret of the conformance plan, 42 characters"
SCOPE = "openid profile email address phone"
ES256 = jwk.ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
PS256 = jwk.RSAKey.generate_key(2048, {"kid": "two", "alg": "PS256", "use": "sig"})
PERSON = {
    "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "Ada",
    "preferred_username": "ada", "profile": "https://ada.example.test/", "picture": "https://ada.example.test/me.png",
    "website": "https://ada.example.test/", "gender": "female", "birthdate": "1815-12-10", "zoneinfo": "Europe/London",
    "locale": "en-GB", "address": {"locality": "London", "country": "UK"}, "phone_number": "+44 20 7946 0000",
}  # fmt: skip


class Peer(ThreadingHTTPServer):
    """A client's own web server over https: it serves documents and is told of logouts."""

    daemon_threads = True

    def __init__(self, trust: Trust) -> None:
        super().__init__(("127.0.0.1", 0), _Serving)
        self.socket = trust.serving.wrap_socket(self.socket, server_side=True)
        self.documents: dict[str, Any] = {}
        self.told: list[str] = []
        self.url = f"https://localhost:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Serving(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        document = self.server.documents.get(self.path)
        self._answer(200 if document is not None else 404, json.dumps(document).encode())

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.server.told.append(form["logout_token"])
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


def static_clients(peer: Peer) -> list[dict[str, Any]]:
    common = {"redirect_uris": [BACK, QUERY_BACK], "post_logout_redirect_uris": [BYE], "scope": f"{SCOPE} offline_access",
              "grant_types": ["authorization_code", "refresh_token"]}  # fmt: skip
    told = {"backchannel_logout_uri": f"{peer.url}/out", "backchannel_logout_session_required": True}
    return [
        common | {"client_id": "basic", "client_secret": SECRET, "pkce_exempt": True},
        common | {"client_id": "posting", "client_secret": SECRET, "pkce_exempt": True, "token_endpoint_auth_method": "client_secret_post"},
        common | {"client_id": "secret-jwt", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_jwt", "id_token_signed_response_alg": "ES256"},
        common | {"client_id": "one", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [ES256.as_dict(private=False)]}, "id_token_signed_response_alg": "ES256"},
        common | {"client_id": "two", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [PS256.as_dict(private=False)]}, "id_token_signed_response_alg": "PS256"},
        common | {"client_id": "told", "client_secret": SECRET} | told,
    ]  # fmt: skip
