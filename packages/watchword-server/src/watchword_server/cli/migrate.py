"""`watchword migrate`: brings the store's schema up to date.

Holds no statement; the store's migrations do.
"""

from __future__ import annotations

import asyncio

import typer

from watchword_server.cli.given import given_of, opened_store
from watchword_server.cli.output import JsonFlag, emit_json
from watchword_server.settings.tree import Settings


def migrate(context: typer.Context, json_: JsonFlag = False) -> None:
    """Bring the store's schema up to date, under a lock. Does nothing when it is.

    For installations that set store.migrate_on_start to false; else the server does it when it starts.
    """
    asyncio.run(_migrate(given_of(context).load().settings))
    if json_:
        emit_json({"up_to_date": True})
    else:
        typer.echo("the schema is up to date")


async def _migrate(settings: Settings) -> None:
    async with opened_store(settings, migrate=True):
        pass
