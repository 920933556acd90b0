"""`watchword audit`: list the audit log, or follow it.

Writes nothing to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword_server.cli.accounts import find_account
from watchword_server.cli.given import run_with_services
from watchword_server.cli.output import JsonFlag, emit_json, emit_json_line, emit_line, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.records import AuditEntry

app = typer.Typer(no_args_is_help=True, help="The audit log: who did what, from where.")

Of = Annotated[str | None, typer.Option("--account", metavar="ACCOUNT", help="Only about this account.")]
Event = Annotated[str | None, typer.Option(metavar="NAME", help="Only this event, such as login.failed.")]
COLUMNS = {"at": "AT", "event": "EVENT", "actor": "ACTOR", "account": "ACCOUNT", "address": "ADDRESS", "what": "WHAT"}
POLL = 1.0
"""Seconds between two looks at the log."""
PAGE = 200


def _row(entry: AuditEntry) -> dict[str, Any]:
    event = entry.event
    more = {"reason": event.reason, "sid": event.sid, "client": event.client_id, **event.detail}
    return {
        "at": moment(entry.at),
        "event": event.event,
        "actor": event.origin.actor,
        "account": event.account_id,
        "address": event.origin.address,
        "what": " ".join(f"{name}={value}" for name, value in more.items() if value),
    }


def _json(entry: AuditEntry) -> dict[str, Any]:
    from watchword_server.admin.models import AuditModel  # noqa: PLC0415 - only commands that print one pay for it

    return AuditModel.of(entry).model_dump()


@app.command("list")
def list_(
    context: typer.Context,
    account: Of = None,
    event: Event = None,
    before: Annotated[int | None, typer.Option(metavar="ID", min=1, help="Go on before this entry.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10000, help="Most to print.")] = 50,
    json_: JsonFlag = False,
) -> None:
    """List entries, newest first."""

    async def work(services: Services) -> Sequence[AuditEntry]:
        of = None if account is None else (await find_account(services, account)).id
        return await services.store.audit_entries(before=before, limit=limit, account_id=of, event=event)

    found = run_with_services(context, work)
    following = found[-1].id if len(found) == limit else None
    if json_:
        emit_json({"entries": [_json(entry) for entry in found], "next_before": following})
        return
    emit_rows([_row(entry) for entry in found], COLUMNS, nothing="there are no such entries")
    if following:
        typer.echo(f"there may be more: --before {following}", err=True)


@app.command()
def tail(
    context: typer.Context,
    account: Of = None,
    event: Event = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, max=10000, help="Entries to begin with.")
    ] = 10,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print the last entries, then new ones as they come, until Ctrl-C."""

    async def work(services: Services) -> None:
        of = None if account is None else (await find_account(services, account)).id
        newest = 0
        first = await services.store.audit_entries(before=None, limit=max(lines, 1), account_id=of, event=event)
        if first:
            newest = first[0].id
        _follow(list(first)[:lines], json_=json_)
        while True:
            await asyncio.sleep(POLL)
            fresh = await _since(services, newest, of, event)
            if fresh:
                newest = fresh[0].id
            _follow(fresh, json_=json_)

    run_with_services(context, work)


async def _since(services: Services, newest: int, of: str | None, event: str | None) -> list[AuditEntry]:
    """Entries younger than that, newest first."""
    found: list[AuditEntry] = []
    before: int | None = None
    while True:
        page = await services.store.audit_entries(before=before, limit=PAGE, account_id=of, event=event)
        fresh = [entry for entry in page if entry.id > newest]
        found += fresh
        if len(fresh) < PAGE:
            return found
        before = page[-1].id


def _follow(entries: Sequence[AuditEntry], *, json_: bool) -> None:
    for entry in reversed(entries):
        if json_:
            emit_json_line(_json(entry))
        else:
            emit_line(_row(entry))
