"""`watchword sessions`: list living sessions, end one, end all of an account.

Holds no rule; the store and sessions/ending.py act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword_server.cli.accounts import Limit, Who, find_account
from watchword_server.cli.failures import CommandFailed
from watchword_server.cli.given import CLI, run_with_services
from watchword_server.cli.output import JsonFlag, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.records import Session

app = typer.Typer(no_args_is_help=True, help="Sessions: logins, one a device.")
REASON = "administrator"


@app.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Only those of this account.")] = None,
    after: Annotated[str | None, typer.Option(metavar="SID", help="Go on after this session.")] = None,
    limit: Limit = 100,
    json_: JsonFlag = False,
) -> None:
    """List living sessions: of an account newest first, of all by id."""

    async def work(services: Services) -> list[Session]:
        of = None if account is None else (await find_account(services, account)).id
        return list(await services.store.list_sessions(of, after=after, limit=limit))

    found = run_with_services(context, work)
    following = found[-1].sid if len(found) == limit else None
    if json_:
        emit_json({"sessions": [_session_json(session) for session in found], "next_after": following})
        return
    rows = [
        {
            "sid": s.sid,
            "account": s.account_id,
            "device": s.device,
            "place": s.place,
            "created": moment(s.created_at),
            "used": moment(s.last_used_at),
            "ends": moment(min(s.idle_expires_at, s.expires_at)),
        }
        for s in found
    ]
    columns = {
        "sid": "SID", "account": "ACCOUNT", "device": "DEVICE", "place": "PLACE", "created": "CREATED", "used": "LAST USED",
        "ends": "ENDS",
    }  # fmt: skip
    if account is not None:
        del columns["account"]
    emit_rows(rows, columns, nothing="there are no living sessions", whole=("sid", "account"))
    if following:
        typer.echo(f"there may be more: --after {following}", err=True)


def _session_json(session: Session) -> dict[str, Any]:
    from watchword_server.admin.models import SessionModel  # noqa: PLC0415 - only commands that print one pay for it

    return SessionModel.of(session).model_dump()


@app.command()
def end(
    context: typer.Context,
    sid: Annotated[str, typer.Argument(metavar="SID", help="The session.")],
    json_: JsonFlag = False,
) -> None:
    """End one session, its access tokens included, at once."""

    async def work(services: Services) -> bool:
        return await services.sessions.end(sid, account_id=None, reason=REASON, origin=CLI)

    if not run_with_services(context, work):
        raise CommandFailed(f"there is no living session {sid!r}", "watchword sessions list")
    if json_:
        emit_json({"sid": sid, "ended": True})
    else:
        typer.echo("the session is ended")


@app.command("end-all")
def end_all(
    context: typer.Context,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: JsonFlag = False,
) -> None:
    """End every session of an account by one cut-off, access tokens included."""
    if not yes:
        typer.confirm(f"End every session of {who}?", abort=True, err=True)

    async def work(services: Services) -> tuple[str, int]:
        found = await find_account(services, who)
        return found.id, await services.sessions.end_all(found.id, reason=REASON, origin=CLI)

    account_id, position = run_with_services(context, work)
    if json_:
        emit_json({"account": account_id, "position": position})
    else:
        typer.echo(f"every session is ended (cut-off {position})")
