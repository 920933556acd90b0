"""`watchword outbox`: deliveries that wait, dead letters, and trying these again.

Delivers nothing; a running server does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword_server.cli.failures import CommandFailed
from watchword_server.cli.given import CLI, run_with_services
from watchword_server.cli.output import JsonFlag, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.delivery_records import Delivery, OutboxFigures

app = typer.Typer(no_args_is_help=True, help="Deliveries to others: what waits, what was given up.")

COLUMNS = {
    "id": "ID",
    "kind": "KIND",
    "destination": "DESTINATION",
    "state": "STATE",
    "attempts": "ATTEMPTS",
    "created": "CREATED",
    "due": "DUE",
    "error": "LAST ERROR",
}


def _row(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "destination": one.destination,
        "state": "under way" if one.lease else one.state,
        "attempts": one.attempts,
        "created": moment(one.created_at),
        "due": None if one.state == "dead" else moment(one.due_at),
        "error": one.last_error,
    }


@app.command("list")
def list_(
    context: typer.Context,
    waiting: Annotated[bool, typer.Option("--waiting", help="What waits, instead of dead letters.")] = False,
    after: Annotated[int | None, typer.Option(metavar="ID", min=1, help="Go on after this one.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10000, help="Most to print.")] = 100,
    json_: JsonFlag = False,
) -> None:
    """List dead letters: deliveries that were given up. What was to be delivered is never shown."""

    async def work(services: Services) -> tuple[Sequence[Delivery], OutboxFigures]:
        found = await services.store.deliveries(dead=not waiting, after=after, limit=limit)
        return found, await services.store.outbox_figures()

    found, figures = run_with_services(context, work)
    if json_:
        emit_json({"deliveries": [_row(one) for one in found], "waiting": figures.waiting, "dead": figures.dead})
        return
    emit_rows(
        [_row(one) for one in found], COLUMNS, nothing="nothing waits" if waiting else "there are no dead letters"
    )
    if len(found) == limit:
        typer.echo(f"there may be more: --after {found[-1].id}", err=True)


@app.command()
def retry(
    context: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", help="Dead letters.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Have dead letters delivered again, by a running server, at once."""
    if bool(ids) == all_:
        raise typer.BadParameter("name dead letters, or say --all")

    async def work(services: Services) -> list[int]:
        wanted = list(ids or ())
        if all_:
            after = 0
            while page := await services.store.deliveries(dead=True, after=after, limit=1000):
                wanted += [one.id for one in page]
                after = page[-1].id
        return [one for one in wanted if await _act(services, one, "outbox.retried")]

    done = run_with_services(context, work)
    if not all_ and len(done) < len(ids or ()):
        missing = ", ".join(str(one) for one in ids or () if one not in done)
        raise CommandFailed(f"there is no dead letter {missing}", "watchword outbox list")
    if json_:
        emit_json({"retried": done})
        return
    typer.echo(f"{len(done)} to be delivered again")


@app.command()
def drop(
    context: typer.Context,
    which: Annotated[int, typer.Argument(metavar="ID", min=1, help="The dead letter.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Forget a dead letter. Its destination is never told."""
    if not yes:
        typer.confirm(f"Forget dead letter {which}? Its destination will never be told.", abort=True, err=True)

    async def work(services: Services) -> bool:
        return await _act(services, which, "outbox.dropped")

    if not run_with_services(context, work):
        raise CommandFailed(f"there is no dead letter {which}", "watchword outbox list")
    if json_:
        emit_json({"dropped": which})
        return
    typer.echo("forgotten")


async def _act(services: Services, delivery_id: int, event: str) -> bool:
    from watchword_server.store.records import AuditEvent  # noqa: PLC0415 - only commands that act pay for it

    store = services.store
    done = await (store.retry_delivery if event == "outbox.retried" else store.forget_delivery)(delivery_id)
    if done:
        await store.append_audit(AuditEvent(event=event, origin=CLI, detail={"delivery": str(delivery_id)}))
    return done
