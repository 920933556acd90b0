"""`watchword config`: show the settings in force and whence they come, check them, print their schema.

Reads and judges nothing itself; the package settings does. Never prints a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from pydantic import SecretStr

from watchword_server.cli.failures import FAILED, complain
from watchword_server.cli.given import given_of
from watchword_server.cli.output import JsonFlag, emit_json, emit_rows
from watchword_server.settings.problems import SettingsError
from watchword_server.settings.schema import LEAVES, json_schema
from watchword_server.settings.tree import Settings

app = typer.Typer(no_args_is_help=True, help="The settings in force.")

HIDDEN = "(set, not shown)"


def shown(settings: Settings) -> dict[str, Any]:
    """Every setting by dotted path, secrets hidden: whether one is set shows, what it is does not."""
    return {
        path: HIDDEN if leaf.secret and value not in (None, (), {}) else _readable(value)
        for path, leaf, value in _walk(settings)
    }


def _walk(settings: Settings) -> list[tuple[str, Any, Any]]:
    found = []
    for path, leaf in LEAVES.items():
        value: Any = settings
        for name in path.split("."):
            value = getattr(value, name)
        found.append((path, leaf, value))
    return found


def _readable(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN
    if hasattr(value, "model_dump"):
        return _readable(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


@app.command()
def show(context: typer.Context, json_: JsonFlag = False) -> None:
    """Show every setting, its value and where it came from. Secrets are not shown."""
    loaded = given_of(context).load()
    values = shown(loaded.settings)
    if json_:
        emit_json(
            {"settings": {path: {"value": value, "source": loaded.sources[path]} for path, value in values.items()}}
        )
        return
    emit_rows(
        [{"setting": path, "value": value, "source": loaded.sources[path]} for path, value in values.items()],
        {"setting": "SETTING", "value": "VALUE", "source": "SOURCE"},
        nothing="",
    )


@app.command()
def check(context: typer.Context, json_: JsonFlag = False) -> None:
    """Check the settings; every problem is told, with its mend. Exit code 1 when there is one."""
    problems: list[dict[str, str]] = []
    try:
        given_of(context).load()
    except SettingsError as refused:
        problems = [
            {"name": p.name, "setting": p.path, "source": p.source, "message": p.message, "mend": p.mend}
            for p in refused.problems
        ]
        if not json_:
            complain(str(refused))
    if json_:
        emit_json({"ok": not problems, "problems": problems})
    elif not problems:
        typer.echo("the settings are sound")
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def schema() -> None:
    """Print the JSON Schema of watchword.toml, for editors."""
    emit_json(json_schema())
