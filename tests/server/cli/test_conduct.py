"""How every command behaves: help, misuse, settings that cannot be used, faults; never a traceback, never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from watchword_server.cli import app
from watchword_server.cli.failures import Commands
from watchword_server.cli.reference import page

from .conftest import Run

ROOT = Path(__file__).resolve().parents[3]


def leaves(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", None)
    if not children:
        return [path]
    return [leaf for name, child in children.items() for leaf in leaves(child, (*path, name))]


COMMANDS = leaves(typer.main.get_command(app))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(watchword: Run, command: tuple[str, ...]) -> None:
    shown = watchword(*command, "--help")
    assert shown.code == 0
    assert "Usage: watchword " + " ".join(command) in shown.out


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c not in {("serve",), ("edge",), ("config", "schema")}], ids=" ".join
)
def test_every_command_that_prints_results_can_print_json(watchword: Run, command: tuple[str, ...]) -> None:
    assert "--json" in watchword(*command, "--help").out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_a_misuse_told_in_one_line_with_its_mend(watchword: Run, command: tuple[str, ...]) -> None:
    refused = watchword(*command, "--no-such-option")
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.startswith("watchword: ")
    assert refused.err.splitlines()[1] == f"  mend: watchword {' '.join(command)} --help"
    assert len(refused.err.splitlines()) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("accounts", "list"),
        ("accounts", "show", "x"),
        ("sessions", "list"),
        ("keys", "list"),
        ("cutoffs", "list"),
        ("audit", "list"),
        ("audit", "tail"),
    ],
    ids=" ".join,
)
def test_a_command_in_the_wrong_place_makes_no_store_and_names_the_mend(
    watchword: Run, home: Path, command: tuple[str, ...]
) -> None:
    refused = watchword(*command)
    assert refused.code == 1
    assert "there is no store at" in refused.err
    assert "--home" in refused.err
    assert not (home / "watchword.db").exists()


@pytest.mark.parametrize("command", [("accounts", "list"), ("serve",), ("migrate",), ("config", "show")], ids=" ".join)
def test_unusable_settings_are_told_all_at_once_and_end_with_code_2(
    watchword: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WATCHWORD_ENVIRONMENT", "production")
    refused = watchword(*command)
    assert refused.code == 2
    assert "issuer" in refused.err
    assert "master_key" in refused.err
    assert "mend:" in refused.err
    assert "Traceback" not in refused.err


def test_a_store_that_is_no_database_is_told_without_a_traceback(watchword: Run, home: Path) -> None:
    home.mkdir()
    (home / "watchword.db").write_text("not a database at all, and long enough to be looked at by SQLite" * 20)
    refused = watchword("keys", "list")
    assert refused.code == 1
    assert refused.err.startswith("watchword: the store cannot be used")


def test_an_unforeseen_fault_shows_its_kind_and_place_but_not_its_text() -> None:
    broken = typer.Typer(cls=Commands, pretty_exceptions_enable=False, rich_markup_mode=None)

    @broken.command()
    def explode() -> None:
        raise RuntimeError("password=hunter2")

    @broken.command()
    def other() -> None:
        """A second command, so that the first keeps its name."""

    from typer.testing import CliRunner

    result = CliRunner().invoke(broken, ["explode"])
    assert result.exit_code == 1
    assert "unexpected RuntimeError at test_conduct.py:" in result.stderr
    assert "hunter2" not in result.output
    assert "Traceback" not in result.output


def test_the_version_is_printed(watchword: Run) -> None:
    assert watchword("--version").out.startswith("watchword ")


def test_an_error_cannot_steer_the_terminal(watchword: Run) -> None:
    refused = watchword("\x1b[31mbogus")
    assert refused.code == 2
    assert "\x1b" not in refused.err


def test_a_process_ends_as_its_command_does(process: Run) -> None:
    assert process("--version").code == 0
    assert process("bogus").code == 2
    assert process("keys", "list").code == 1


def test_the_reference_page_is_what_the_commands_say_now() -> None:
    assert (ROOT / "docs/reference/cli.md").read_text() == page(), "run: .venv/bin/python .ci/generate.py"
