"""A server with the clients of the plans for FAPI 2.0 in its configuration file, and a person with a complete profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from certification_plan import PERSON, toml
from fapi_party import FapiParty, Variant
from fapi_plan import ALL, KEYS, PLAIN, client_id, static_client
from secure import ADA, Secure
from story import PASSWORD
from watchword.clock import system_clock
from watchword_server.keys.development_certificates import DevelopmentAuthority


@pytest.fixture(scope="package")
def certificates(tmp_path_factory):
    authority = DevelopmentAuthority(tmp_path_factory.mktemp("suite"), now=system_clock.now())
    return authority, {number: authority.issue_client(f"suite-{number}") for number in (1, 2)}


@pytest.fixture(scope="package")
def serving(trust, certificates, tmp_path_factory) -> Iterator[Callable[..., Secure]]:
    """serving(WATCHWORD_…="…"): a server process with the clients of every variant, and Ada."""
    running: list[Secure] = []

    def started(**environ: str) -> Secure:
        home = tmp_path_factory.mktemp("fapi") / "home"
        home.mkdir()
        clients = {client_id(variant, number): static_client(variant, number) for variant in ALL for number in (1, 2)}
        tables = [
            ["[[clients]]", *(f"{key} = {toml(value)}" for key, value in one.items())] for one in clients.values()
        ]
        tables.append(["[scopes]", 'accounts = "See your accounts"'])
        (home / "watchword.toml").write_text("\n\n".join("\n".join(table) for table in tables))
        server = Secure(home, trust, WATCHWORD_SERVER__TLS_CLIENT_CA=str(certificates[0].certificate), **environ)
        running.append(server)
        server.account = server.register()
        with httpx.Client(base_url=server.url, verify=server.trust, timeout=30) as http:
            token = http.post("/auth/login", json={"identifier": ADA, "password": PASSWORD}).json()["access_token"]
            answer = http.put("/auth/profile", json=PERSON, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.text
        return server

    yield started
    for server in running:
        server.stop()


@pytest.fixture(scope="package")
def server(serving) -> Secure:
    return serving()


@pytest.fixture
def party(server, certificates):
    """party(variant): its first client; party(variant, 2): its second, whose redirect URI has a query."""

    def made(variant: Variant = PLAIN, number: int = 1) -> FapiParty:
        return FapiParty(server, static_client(variant, number), KEYS[number], variant, certificates[1][number])

    return made


@pytest.fixture
async def ada(server):
    async with server.client() as http:
        yield server.person(http)
