"""Servers over https for strangers' clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from secure import Secure, Trust
from watchword.clock import system_clock
from watchword_server.keys.development_certificates import DevelopmentAuthority


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    authority = DevelopmentAuthority(tmp_path_factory.mktemp("tls"), now=system_clock.now())
    return Trust(authority.certificate, authority.issue_server(("localhost", "127.0.0.1", "::1")))


Starting = Callable[..., Secure]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, trust: Trust) -> Iterator[Starting]:
    """``start(clients=[…], WATCHWORD_…="…")``: a server process with clients in its configuration."""
    running: list[Secure] = []

    def starting(clients: list[dict[str, Any]] | None = None, **environ: str) -> Secure:
        home = tmp_path_factory.mktemp("interop") / "home"
        home.mkdir()
        server = Secure(home, trust, WATCHWORD_CLIENTS=json.dumps(clients or []), **environ)
        running.append(server)
        return server

    yield starting
    for server in running:
        server.stop()
