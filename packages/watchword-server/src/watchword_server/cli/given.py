"""What every command is given before its own arguments: the settings, and from them the services.

Composes nothing: app.py does. Holds the one place where the command line crosses into async code.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from watchword_server.cli.failures import MISUSED, CommandFailed
from watchword_server.cli.output import clean
from watchword_server.settings.load import Loaded, load, process_environment
from watchword_server.settings.tree import Settings
from watchword_server.store.records import Origin

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.port import Store

T = TypeVar("T")

LONGEST_INPUT = 64 * 1024
"""Bytes of a file or of standard input."""
CLI = Origin(actor="cli")
"""Who acts, in the audit log."""


@dataclass(frozen=True)
class Given:
    """The options before the command's name."""

    config: Path | None = None
    home: Path | None = None

    def flags(self) -> dict[str, Any]:
        """Settings given by these options, by dotted path."""
        return {} if self.home is None else {"home": str(self.home)}

    def load(self, flags: dict[str, Any] | None = None) -> Loaded:
        """All settings. Raises SettingsError."""
        return load({**self.flags(), **(flags or {})}, process_environment(), self.config)


def given_of(context: typer.Context) -> Given:
    """The options before the command's name."""
    found = context.find_object(Given)
    return found if found is not None else Given()


def run_with_services(context: typer.Context, work: Callable[[Services], Awaitable[T]]) -> T:
    """Open the services that the settings describe, do the work, close them.

    Raises CommandFailed when there is no store yet: a command given in the wrong place must not make one.
    """
    settings = given_of(context).load().settings
    require_store(settings)

    async def opened() -> T:
        from watchword_server.app import open_services  # noqa: PLC0415 - heavy; `--help` does without

        async with open_services(settings) as services:
            return await work(services)

    return asyncio.run(opened())


def read_json_object(file: Path, mend: str) -> dict[str, Any]:
    """A JSON object from a file, or from standard input for ``-``; not more than 64 KiB of it. Raises CommandFailed."""
    try:
        raw = sys.stdin.buffer.read(LONGEST_INPUT) if str(file) == "-" else file.read_bytes()[:LONGEST_INPUT]
        found = json.loads(raw)
    except OSError as fault:
        raise CommandFailed(f"{clean(str(file))} cannot be read: {fault.strerror}", "name a readable file") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CommandFailed(f"{clean(str(file))} is not a JSON object", mend, code=MISUSED)
    return found


def require_store(settings: Settings) -> None:
    """Raises CommandFailed when the store is a file that is not there."""
    missing = missing_database(settings)
    if missing is not None:
        raise CommandFailed(
            f"there is no store at {missing}",
            "give --home or WATCHWORD_HOME of the server, start the server once, or make an empty store: watchword migrate",
        )


def missing_database(settings: Settings) -> Path | None:
    """The SQLite file that the settings name, when it is not there."""
    path = settings.store.url.removeprefix("sqlite:///")
    return None if path == settings.store.url or Path(path).exists() else Path(path)


@asynccontextmanager
async def opened_store(settings: Settings, *, migrate: bool) -> AsyncIterator[Store]:
    """The bare store, without keys and services."""
    from watchword_server.store.open import store_from_url  # noqa: PLC0415 - drivers; `--help` does without

    store = store_from_url(settings.store.url)
    await store.open(migrate=migrate)
    try:
        yield store
    finally:
        await store.close()
