"""`watchword dev-cert`: certificates that TLS itself accepts, and keys that nobody else reads."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from .conftest import Run


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """What the server saw of its client; raises what the client raises."""
    listening, calling = socket.socketpair()
    seen: dict[str, object] = {}

    def serve() -> None:
        try:
            with server.wrap_socket(listening, server_side=True) as tls:
                seen.update(tls.getpeercert() or {})
                tls.recv(1)
        except OSError:
            listening.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(calling, server_hostname=name) as tls:
            tls.send(b"x")
    finally:
        calling.close()
        thread.join()
    return seen


def server_context(made: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made["certificate"], made["key"])
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_authority_accepts_the_certificate(watchword: Run, name: str) -> None:
    made = watchword("dev-cert", "--json").json
    handshake(server_context(made), ssl.create_default_context(cafile=made["authority"]), name)


def test_a_client_that_does_not_trust_the_authority_refuses_it(watchword: Run) -> None:
    made = watchword("dev-cert", "--json").json
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_context(made), ssl.create_default_context(), "localhost")


def test_the_certificate_is_good_for_the_named_hosts_alone(watchword: Run) -> None:
    made = watchword("dev-cert", "--host", "login.example.test", "--json").json
    trusting = ssl.create_default_context(cafile=made["authority"])
    handshake(server_context(made), trusting, "login.example.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_context(made), trusting, "localhost")


def test_a_client_certificate_shows_the_client_to_a_server_that_asks(watchword: Run) -> None:
    made = watchword("dev-cert", "--client", "billing", "--json").json
    server = server_context(made)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(made["authority"])
    client = ssl.create_default_context(cafile=made["authority"])
    client.load_cert_chain(made["clients"]["billing"]["certificate"], made["clients"]["billing"]["key"])
    seen = handshake(server, client, "localhost")
    assert seen["subject"] == ((("commonName", "billing"),),)
    assert seen["subjectAltName"] == (("DNS", "billing"),)


def test_a_client_certificate_does_not_pass_for_a_server(watchword: Run) -> None:
    made = watchword("dev-cert", "--client", "localhost", "--json").json
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(
            server_context(made["clients"]["localhost"]),
            ssl.create_default_context(cafile=made["authority"]),
            "localhost",
        )


def test_the_authority_stays_when_certificates_are_made_again(watchword: Run) -> None:
    first = watchword("dev-cert", "--json").json
    authority = Path(first["authority"]).read_bytes()
    again = watchword("dev-cert", "--json").json
    assert Path(again["authority"]).read_bytes() == authority
    handshake(server_context(again), ssl.create_default_context(cafile=first["authority"]), "localhost")


def test_keys_are_readable_by_their_owner_alone(watchword: Run, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    os.umask(0o022)
    watchword("dev-cert", "--folder", str(folder), "--client", "one")
    keys = sorted(folder.glob("*.key"))
    assert [key.name for key in keys] == ["ca.key", "client-one.key", "server.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


@pytest.mark.parametrize("host", ["", "a b", "löcal", "x" * 65, "../up", "a..b"])
def test_a_host_no_certificate_can_name_is_refused_with_a_line(watchword: Run, host: str) -> None:
    outcome = watchword("dev-cert", "--host", host)
    assert outcome.code == 1
    assert "neither a host name" in outcome.err


def test_a_folder_with_half_an_authority_is_refused_and_left_alone(watchword: Run, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("mine")
    outcome = watchword("dev-cert", "--folder", str(tmp_path))
    assert outcome.code == 1
    assert "only one of ca.pem and ca.key" in outcome.err
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["ca.pem"]


def test_it_says_how_to_serve_https_with_it(watchword: Run, home: Path) -> None:
    outcome = watchword("dev-cert")
    assert outcome.code == 0
    assert f"WATCHWORD_SERVER__TLS_CERT={home}/tls/server.pem" in outcome.out
