"""The command line in a home of its own: in this process for speed, in a process of its own where that is the point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from watchword_server.cli import app

CHEAP = {
    "WATCHWORD_ENVIRONMENT": "development",
    "WATCHWORD_PASSWORDS__MEMORY_KIB": "64",
    "WATCHWORD_PASSWORDS__TIME_COST": "1",
}
"""Hashing as cheap as development allows."""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    return kept | CHEAP | {"WATCHWORD_HOME": str(home)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def watchword(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process: `watchword("accounts", "list", stdin="…")`."""
    for name in list(os.environ):
        if name.startswith("WATCHWORD_"):
            monkeypatch.delenv(name)
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, stdin: str | bytes | None = None) -> Outcome:
        result = CliRunner().invoke(app, list(arguments), input=stdin, prog_name="watchword")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def stocked(watchword: Run) -> Run:
    """The same over a store with an administrator and a user."""
    assert watchword("migrate").code == 0
    for email, role in (("ada@example.test", "admin"), ("bob@example.test", "user")):
        made = watchword(
            "accounts", "create", email, "--role", role, "--password-stdin", stdin="correct horse battery\n"
        )
        assert made.code == 0, made.err
    return watchword


def in_a_process(home: Path, *arguments: str, stdin: str = "", **more: str) -> Outcome:
    """Run a command as its users do."""
    done = subprocess.run(
        [sys.executable, "-m", "watchword_server.cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(home) | more,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def process(home: Path) -> Run:
    def run(*arguments: str, stdin: str = "", **more: str) -> Outcome:
        return in_a_process(home, *arguments, stdin=stdin, **more)

    return run
