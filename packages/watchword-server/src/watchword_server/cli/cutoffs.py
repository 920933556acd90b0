"""`watchword cutoffs`: list the living entries of the revocation log.

Writes none: cut-offs come from acts on sessions, accounts and keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from watchword_server.cli.given import run_with_services
from watchword_server.cli.output import JsonFlag, duration, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.records import CutOff, CutOffBatch

app = typer.Typer(no_args_is_help=True, help="Cut-offs: what was revoked and may still have living tokens.")
PAGE = 1000


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100000, help="Most to print.")] = 1000,
    json_: JsonFlag = False,
) -> None:
    """List living cut-offs, oldest first."""

    async def work(services: Services) -> tuple[list[CutOff], CutOffBatch]:
        found: list[CutOff] = []
        batch = await services.store.cut_offs_after(None, limit=min(limit, PAGE))
        found.extend(batch.entries)
        while batch.more and len(found) < limit:
            batch = await services.store.cut_offs_after(batch.cursor, limit=min(limit - len(found), PAGE))
            found.extend(batch.entries)
        return found, batch

    found, last = run_with_services(context, work)
    if json_:
        from watchword_server.admin.models import CutOffModel  # noqa: PLC0415 - only commands that print one pay for it

        emit_json({"cut_offs": [CutOffModel.of(entry).model_dump() for entry in found], "more": last.more})
        return
    rows = [
        {
            "position": entry.position,
            "axis": entry.axis,
            "value": entry.value,
            "spares": entry.spares,
            "at": moment(entry.at),
            "left": duration(max(0.0, entry.expires_at - last.read_at)),
            "cause": entry.cause,
        }
        for entry in found
    ]
    columns = {
        "position": "POSITION", "axis": "AXIS", "value": "VALUE", "spares": "SPARES", "at": "AT", "left": "KEPT FOR",
        "cause": "CAUSE",
    }  # fmt: skip
    emit_rows(rows, columns, nothing="there are no living cut-offs")
    if last.more:
        typer.echo("there are more: raise --limit", err=True)
