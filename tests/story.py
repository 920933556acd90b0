"""A whole server in this process, driven as browsers and native apps would."""

from dataclasses import dataclass

import httpx
from watchword.testing import FakeClock
from watchword_server.app import Services

ISSUER = "http://localhost:8000"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
PASSWORD = "correct horse battery staple"


@dataclass
class Server:
    services: Services
    clock: FakeClock
    app: object

    def browser(self, user_agent: str = FIREFOX, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client with its own cookie jar."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, client=(address, 50000), raise_app_exceptions=False),
            base_url=ISSUER,
            headers={"User-Agent": user_agent},
        )

    async def register(self, client: httpx.AsyncClient, email: str = "ada@example.test", **more: str) -> dict:
        answer = await client.post("/auth/register", json={"email": email, "password": PASSWORD, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["account"]

    async def login(self, client: httpx.AsyncClient, identifier: str = "ada@example.test", **more: str) -> dict:
        answer = await client.post("/auth/login", json={"identifier": identifier, "password": PASSWORD, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()


def bearer(tokens: dict) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}
