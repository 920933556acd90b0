"""oauth4webapi or openid-client in a process of its own, as a test talks with it (tests/interop/node)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from secure import Secure, Trust, child_environ, passes
from watchword.jose.jwk import Key

LIBRARIES = ("oauth4webapi", "openid_client")
REDIRECT = "https://app.example.test/callback"
SCOPE = "openid profile email offline_access"
SECRET = "a secret of forty characters, and no more"
KEY = Key.generate("ES256", "client-key")


class Node:
    """A library in a process of its own, which tells stories one after the other."""

    def __init__(self, library: str, folder: Path, trust: Trust, clients: Sequence[dict[str, Any]]) -> None:
        self.library, self.clients = library, clients
        self.log = folder / f"{library}.log"
        with self.log.open("wb") as told:
            self.process = subprocess.Popen(
                [shutil.which("node") or "node", str(folder / f"{library}.mjs")],
                env=child_environ(trust), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip

    def _say(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)

    async def tells(self, story: str, server: Secure, /, client_id: str = "", **given: Any) -> Any:
        """Tell it. A person opens the pages it asks for, logs in and allows."""
        known = next((one for one in self.clients if one["client_id"] == client_id), {"client_id": client_id})
        shown = {
            name: known[name]
            for name in ("client_id", "token_endpoint_auth_method", "id_token_signed_response_alg")
            if name in known
        }
        private = KEY.private_jwk() | {"alg": "ES256"}
        message = {"story": story, "issuer": server.url, "client": shown, "secret": SECRET, "key": private}
        async with server.client() as http:
            person = server.person(http)
            said = self._say({"scope": SCOPE} | message | given)
            while "open" in said:
                back = await passes(person, said["open"])
                said = self._say({"back": back, "form": person.posted})
        assert "failed" not in said, (said.get("failed"), said.get("cause"), server.log.read_text()[-3000:])
        return said["done"]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)
