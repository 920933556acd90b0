"""`watchword cutoffs`: list the living entries of the revocation log, write one by hand.

Holds no rule: admin/cutting.py counts and cuts. Most cut-offs come from acts on sessions, accounts and keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from watchword_server.cli.accounts import find_account
from watchword_server.cli.failures import MISUSED, CommandFailed
from watchword_server.cli.given import CLI, run_with_services
from watchword_server.cli.output import JsonFlag, clean, duration, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.admin.models import NewCutOff
    from watchword_server.app import Services
    from watchword_server.store.records import Cursor, CutOff, CutOffBatch, Reach

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


@app.command()
def add(
    context: typer.Context,
    axis: Annotated[
        str,
        typer.Argument(metavar="AXIS", help="token, session, account, client, tenant, key or everything."),
    ],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="Beside it a jti, sid, account (id, email address or username), client_id, tenant or kid; nothing for "
            "everything.",
        ),
    ] = "",
    cause: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")] = "administrator",
    tokens_only: Annotated[
        bool,
        typer.Option(
            "--tokens-only",
            help="On account, client, tenant and everything: access tokens alone die, and sessions refresh.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Show what a cut-off would end, ask, and write it. Running servers see it and hand it to verifiers by themselves."""
    new = _checked(axis, value, cause, tokens_only=tokens_only)

    async def look(services: Services) -> tuple[NewCutOff, Reach]:
        from watchword_server.store.reach import MOST_LOOKED_AT  # noqa: PLC0415

        found = new
        if new.axis == "account" and (await services.store.account(new.value)) is None:
            found = new.model_copy(update={"value": (await find_account(services, new.value)).id})
        return found, await services.store.reach(found.axis, found.value, limit=MOST_LOOKED_AT)

    found, reach = run_with_services(context, look)
    preview = _preview(found, reach)
    if not yes:
        typer.echo(f"dies: {preview}", err=True)
        typer.confirm(f"Cut off {found.axis} {clean(value)}".rstrip() + "?", abort=True, err=True)
    written = run_with_services(context, lambda services: _write(services, found))
    if json_:
        from watchword_server.admin.models import CutOffModel  # noqa: PLC0415

        emit_json({"cut_off": CutOffModel.of(written).model_dump(), "preview": _numbers(reach) | {"summary": preview}})
    else:
        typer.echo(f"cut off at position {written.position}: {preview}")


@app.command("begin-epoch")
def begin_epoch(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: JsonFlag = False,
) -> None:
    """After a restore from a backup: cut off everything issued before, what the backup has forgotten included.

    A new epoch of the log begins, past every position that was lost; verifiers read it from the start and merge it.
    """
    if not yes:
        typer.confirm("Everybody is logged out, you included. Begin a new epoch?", abort=True, err=True)

    async def work(services: Services) -> Cursor:
        from watchword_server.store.records import AuditEvent  # noqa: PLC0415

        return await services.store.begin_epoch(AuditEvent(event="log.epoch_begun", origin=CLI, reason="restored"))

    head = run_with_services(context, work)
    if json_:
        emit_json({"epoch": head.epoch, "position": head.position})
    else:
        typer.echo(f"a new epoch begins at position {head.position}; everything before it is cut off")


def _checked(axis: str, value: str, cause: str, *, tokens_only: bool) -> NewCutOff:
    """Raises CommandFailed, exit code 2, for what is no cut-off."""
    from pydantic import ValidationError  # noqa: PLC0415 - only this command pays for it

    from watchword_server.admin.cutting import BROAD_AXES, HAND_AXES, shape_fault  # noqa: PLC0415
    from watchword_server.admin.models import NewCutOff  # noqa: PLC0415

    if axis not in HAND_AXES:
        raise CommandFailed(f"there is no axis {axis!r}", f"one of {', '.join(HAND_AXES)}", code=MISUSED)
    if (fault := shape_fault(axis, value)) is not None:
        raise CommandFailed(f"the value does not fit the axis {axis}", fault[1], code=MISUSED)
    if tokens_only and axis not in BROAD_AXES:
        raise CommandFailed(f"--tokens-only means nothing on the axis {axis}", code=MISUSED)
    try:
        return NewCutOff.model_validate(
            {"axis": axis, "value": value, "cause": cause, "ends_sessions": not tokens_only}
        )
    except ValidationError as error:
        where = error.errors()[0]
        raise CommandFailed(f"{where['loc'][0]}: {where['msg']}", code=MISUSED) from None


def _preview(found: NewCutOff, reach: Reach) -> str:
    from watchword_server.admin.cutting import summary  # noqa: PLC0415

    return summary(found.axis, reach, ends_sessions=found.ends_sessions)


def _numbers(reach: Reach) -> dict[str, object]:
    return {
        "sessions": reach.sessions,
        "accounts": reach.accounts,
        "clients": reach.clients,
        "at_least": reach.more,
        "known": reach.known,
        "standing": reach.standing,
    }


async def _write(services: Services, found: NewCutOff) -> CutOff:
    from watchword_server.admin.cutting import NothingToCut, cut_off  # noqa: PLC0415

    try:
        return await cut_off(services.store, services.keys, found, cause=found.cause, origin=CLI)
    except NothingToCut as nothing:
        raise CommandFailed(str(nothing), f"watchword {found.axis}s list") from None
