"""A web application of somebody else, as browsers see it: it notes every request, and sends on from `/onward`."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


class ClientSite(ThreadingHTTPServer):
    """Listens on a free port of this machine while it is entered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.seen: list[tuple[str, str, str]] = []
        """Method, path with query, body."""
        self.pages: dict[str, str] = {}
        """HTML by path; every other path says where it is."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"

    @property
    def elsewhere(self) -> str:
        """The same site under another origin."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def clients(self) -> list[dict[str, Any]]:
        """Who it is at the server, by its configuration."""
        common = {
            "redirect_uris": [f"{self.url}/callback", f"{self.url}/onward"],
            "post_logout_redirect_uris": [f"{self.url}/bye"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "application_type": "native",
            "scope": "openid profile email offline_access",
        }
        album = {
            "client_id": "album",
            "client_name": "Photo Album",
            "policy_uri": "https://album.example.test/privacy",
            "frontchannel_logout_uri": f"{self.url}/out",
        }
        own = {"client_id": "own", "client_name": "Our own app", "first_party": True}
        television = {
            "client_id": "television",
            "client_name": "Living Room",
            "token_endpoint_auth_method": "none",
            "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
            "scope": "openid profile email offline_access",
        }
        return [common | album, common | own, television]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def requests(self, path: str) -> list[tuple[str, str, str]]:
        return [one for one in self.seen if urlsplit(one[1]).path == path]


class _Answers(BaseHTTPRequestHandler):
    server: ClientSite

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))).decode())

    def _answer(self, body: str) -> None:
        self.server.seen.append((self.command, self.path, body))
        path, _, query = self.path.partition("?")
        if path == "/onward":
            self.send_response(302)
            self.send_header("Location", f"{self.server.elsewhere}/home?{query}")
            self.end_headers()
            return
        text = self.server.pages.get(path, f"<!doctype html><title>client</title><p id=at>{path}</p>").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""
