"""What every command is given before its own arguments: the settings, and from them the services.

Composes nothing: app.py does. Holds the one place where the command line crosses into async code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from watchword_server.settings.load import Loaded, load, process_environment
from watchword_server.store.records import Origin

if TYPE_CHECKING:
    from watchword_server.app import Services

T = TypeVar("T")

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
    """Open the services that the settings describe, do the work, close them."""
    settings = given_of(context).load().settings

    async def opened() -> T:
        from watchword_server.app import open_services  # noqa: PLC0415 - heavy; `--help` does without

        async with open_services(settings) as services:
            return await work(services)

    return asyncio.run(opened())
