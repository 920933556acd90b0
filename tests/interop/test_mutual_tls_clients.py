"""oauth4webapi and openid-client find the host for certificates by discovery: at the server's own TLS, and behind nginx."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from node_library import LIBRARIES, REDIRECT, Node
from process import free_port
from secure import Secure, Trust
from watchword.clock import system_clock
from watchword.jose.certificate import certificate_der, certificate_thumbprint
from watchword_server.keys.development_certificates import DevelopmentAuthority, Issued

PAGE = Path(__file__).parents[2] / "docs/how-to/client-certificates.md"
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
BILLING: dict[str, Any] = {
    "client_id": "billing",
    "client_name": "Billing",
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_san_dns": "billing",
    "tls_client_certificate_bound_access_tokens": True,
    "id_token_signed_response_alg": "ES256",
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentAuthority:
    """The authority of the clients, which is not the one of the servers."""
    return DevelopmentAuthority(tmp_path_factory.mktemp("clients"), now=system_clock.now())


@pytest.fixture(scope="module")
def billing(clients: DevelopmentAuthority) -> Issued:
    return clients.issue_client("billing")


class BehindNginx(Secure):
    """Speaks http to the nginx of the page, which stands before it."""

    def start(self) -> None:
        for name in ("WATCHWORD_SERVER__TLS_CERT", "WATCHWORD_SERVER__TLS_KEY"):
            self.environ.pop(name, None)
        super().start()


def nginx_of_the_page(folder: Path, trust: Trust, authority: Path, ports: tuple[int, int], upstream: int) -> list[str]:
    """The command that starts what the page shows, at these places."""
    shown = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    servers = shown[1].replace("127.0.0.1:8000", f"127.0.0.1:{upstream}")
    for name, file in (
        ("login.pem", trust.server.certificate), ("login.key", trust.server.key), ("clients-ca.pem", authority)
    ):  # fmt: skip
        servers = servers.replace(f"/etc/nginx/{name}", str(file))
    for port in ports:
        servers = servers.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;", 1)
    assert "listen 443" not in servers
    paths = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\n    access_log off;\n{paths}{servers}}}\n"
    )
    as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
    return [str(NGINX), "-p", str(folder), "-c", str(conf), *as_root]


def listening(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx does not listen")


@pytest.fixture(scope="module")
def own_tls(start: Callable[..., Secure], clients: DevelopmentAuthority) -> Secure:
    port = free_port()
    server = start(
        [BILLING],
        WATCHWORD_SERVER__TLS_CLIENT_CA=str(clients.certificate),
        WATCHWORD_SERVER__MTLS_PORT=str(port),
        WATCHWORD_SERVER__MTLS_URL=f"https://localhost:{port}",
    )
    server.account = server.register()
    return server


@pytest.fixture(scope="module")
def behind_nginx(
    tmp_path_factory: pytest.TempPathFactory, trust: Trust, clients: DevelopmentAuthority
) -> Iterator[Secure]:
    if NGINX is None:
        pytest.skip("NO NGINX: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    ports, upstream = (free_port(), free_port()), free_port()
    command = nginx_of_the_page(folder, trust, clients.certificate, ports, upstream)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        listening(process, ports[1])
        home = folder / "home"
        home.mkdir()
        server = BehindNginx(
            home,
            trust,
            WATCHWORD_PORT=str(upstream),
            WATCHWORD_ISSUER=f"https://localhost:{ports[0]}",
            WATCHWORD_SERVER__TRUSTED_PROXIES="127.0.0.1/32",
            WATCHWORD_SERVER__CLIENT_CERTIFICATE_HEADER="Client-Cert",
            WATCHWORD_SERVER__MTLS_URL=f"https://localhost:{ports[1]}",
            WATCHWORD_CLIENTS=json.dumps([BILLING]),
        )
        try:
            server.account = server.register()
            yield server
        finally:
            server.stop()
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module", params=["own_tls", "behind_nginx"])
def server(request: pytest.FixtureRequest) -> Secure:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module", params=LIBRARIES)
def node(request: pytest.FixtureRequest, packages: Path, trust: Trust) -> Iterator[Node]:
    running = Node(request.param, packages, trust, [BILLING])
    yield running
    running.stop()


def alias(server: Secure) -> str:
    return server.environ["WATCHWORD_SERVER__MTLS_URL"]


@pytest.mark.rfc("8705 §5/2")
async def test_a_client_with_a_certificate_goes_to_the_aliases_by_itself(node, server, billing):
    shown = {"cert": str(billing.certificate), "key": str(billing.key)}
    given = {"client_id": "billing", "token_endpoint_auth_method": "tls_client_auth"}
    told = await node.tells(
        "certificate", server, "billing", scope="openid offline_access", shown=shown,
        client=given | {"id_token_signed_response_alg": "ES256"},
    )  # fmt: skip
    assert told["sub"] == server.account
    assert (told["active"], told["after"]) == (True, False)
    first, end, _ = billing.certificate.read_text().partition("-----END CERTIFICATE-----\n")
    assert told["cnf"] == {"x5t#S256": certificate_thumbprint(certificate_der(first + end))}
    assert {urlsplit(url).path for url in told["asked"]} == {"/par", "/token", "/userinfo", "/introspect", "/revoke"}
    assert all(url.startswith(f"{alias(server)}/") for url in told["asked"])


FORM = {"grant_type": "client_credentials", "client_id": "billing"}


def asked(server: Secure, url: str, shown: Issued | None = None, **headers: str) -> httpx.Response:
    trust = server.trusting(shown)
    with httpx.Client(verify=trust, timeout=30) as http:
        return http.post(f"{url}/token", data=FORM, headers=headers)


def test_attack_a_certificate_in_a_header_is_believed_at_neither_host(server, billing):
    header = quote(billing.certificate.read_text())
    for url in (server.url, alias(server)):
        assert asked(server, url, client_cert=header, **{"Client-Cert": header}).status_code == 401
    assert asked(server, alias(server), billing).status_code == 200


def test_attack_a_certificate_of_another_authority_is_none(server, tmp_path):
    other = DevelopmentAuthority(tmp_path, now=system_clock.now()).issue_client("billing")
    try:
        answer = asked(server, alias(server), other)
    except httpx.HTTPError:
        return  # the handshake ended
    assert answer.status_code in {400, 401}
    assert "access_token" not in answer.text
