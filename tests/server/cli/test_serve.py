"""`watchword serve` hands its flags over and becomes the server process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from watchword_server.cli.serve import handed_over
from watchword_server.settings.load import load

from .conftest import Run


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], dict[str, str]]]:
    calls: list[tuple[str, list[str], dict[str, str]]] = []

    def execve(path: str, arguments: list[str], environ: dict[str, str]) -> None:
        calls.append((path, arguments, environ))

    monkeypatch.setattr(os, "execve", execve)
    return calls


def test_it_becomes_the_server_process_with_the_flags_in_its_environment(
    watchword: Run, replaced: list[tuple[str, list[str], dict[str, str]]]
) -> None:
    assert (
        watchword("serve", "--port", "9123", "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "192.0.2.1/32").code
        == 0
    )
    [(path, arguments, environ)] = replaced
    assert path == sys.executable
    assert arguments == [sys.executable, "-P", "-m", "watchword_server.process"]
    settings = load({}, {k: v for k, v in environ.items() if k.startswith("WATCHWORD_")}).settings
    assert settings.server.port == 9123
    assert [str(network) for network in settings.server.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32"]


def test_the_options_before_the_command_are_handed_over_too(
    watchword: Run, replaced: list[tuple[str, list[str], dict[str, str]]], tmp_path: Path
) -> None:
    file = tmp_path / "w.toml"
    file.write_text("[server]\nport = 9456\n")
    assert watchword("--config", str(file), "--home", str(tmp_path / "other"), "serve").code == 0
    environ = replaced[0][2]
    settings = load({}, {k: v for k, v in environ.items() if k.startswith("WATCHWORD_")}).settings
    assert settings.server.port == 9456
    assert settings.home == tmp_path / "other"


def test_a_flag_stands_in_the_place_of_every_variable_that_sets_the_same() -> None:
    given = {"WATCHWORD_SERVER__PORT": "1", "WATCHWORD_PORT": "1", "WATCHWORD_MASTER_KEY_FILE": "/k", "PATH": "/bin"}
    handed = handed_over(given, {"server.port": 2}, None)
    assert handed == {"WATCHWORD_PORT": "2", "WATCHWORD_MASTER_KEY_FILE": "/k", "PATH": "/bin"}


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--port", "70000"), "65535"),
        (("--trusted-proxy", "everyone"), "everyone"),
        (("--environment", "staging"), "environment"),
        (("--tls-cert", "/tmp/cert.pem"), "tls"),
    ],
)
def test_a_bad_flag_is_refused_before_anything_is_replaced(
    watchword: Run, replaced: list[tuple[str, list[str], dict[str, str]]], flags: tuple[str, ...], named: str
) -> None:
    refused = watchword("serve", *flags)
    assert refused.code == 2
    assert named in refused.err
    assert replaced == []
