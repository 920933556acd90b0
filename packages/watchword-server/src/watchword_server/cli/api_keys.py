"""`watchword api-keys`: add, list, revoke.

Holds no rule; tokens/api_keys.py does. A secret is printed by the command that made it and never again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword_server.cli.accounts import Limit, find_account
from watchword_server.cli.failures import MISUSED, CommandFailed
from watchword_server.cli.given import CLI, run_with_services
from watchword_server.cli.output import JsonFlag, emit_facts, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.api_key_records import ApiKey
    from watchword_server.tokens.api_keys import MadeKey

app = typer.Typer(no_args_is_help=True, help="API keys of clients, and personal access tokens of accounts.")

OfAccount = Annotated[str | None, typer.Option("--account", metavar="ACCOUNT", help="An account's.")]
OfClient = Annotated[str | None, typer.Option("--client", metavar="CLIENT", help="A client's.")]


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="By which its owner knows it.")],
    account: OfAccount = None,
    client: OfClient = None,
    scope: Annotated[list[str] | None, typer.Option(metavar="SCOPE", help="What it is for; may be repeated.")] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(metavar="URI", help="A resource it is for, else the default audience; may be repeated."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long it lives, such as 90d. Default: by the settings.")
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Make a key. Its secret is printed once."""
    if (account is None) == (client is None):
        raise CommandFailed("a key belongs to an account or to a client", "give --account or --client", code=MISUSED)

    async def work(services: Services) -> MadeKey:
        from watchword_server.tokens.api_keys import KeyRefused, Wish  # noqa: PLC0415 - only commands that need it pay

        wish = Wish(
            name=name, scope=tuple(scope or ()), resource=tuple(resource or ()), expires_in=_seconds(expires_in)
        )
        keys = services.oauth.api_keys
        try:
            if account is not None:
                return await keys.add_personal((await find_account(services, account)).id, wish, CLI)
            return await keys.add_for_client(client or "", wish, CLI)
        except KeyRefused as refused:
            raise CommandFailed(str(refused)) from None

    made = run_with_services(context, work)
    if json_:
        emit_json({"id": made.id, "secret": made.secret, "expires_at": made.expires_at, "scope": list(made.scope)})
        return
    emit_facts({"id": made.id, "secret": made.secret, "ends": moment(made.expires_at)})
    typer.echo("the secret is not shown again", err=True)


@app.command("list")
def list_(
    context: typer.Context,
    account: OfAccount = None,
    client: OfClient = None,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this key.")] = None,
    limit: Limit = 100,
    json_: JsonFlag = False,
) -> None:
    """List living keys, by id."""

    async def work(services: Services) -> list[ApiKey]:
        of = None if account is None else (await find_account(services, account)).id
        return list(await services.store.api_keys(account_id=of, client_id=client, after=after, limit=limit))

    found = run_with_services(context, work)
    following = found[-1].id if len(found) == limit else None
    if json_:
        emit_json({"keys": [_key_json(key) for key in found], "next_after": following})
        return
    rows = [
        {
            "id": key.id,
            "owner": key.account_id or key.client_id,
            "name": key.name,
            "scope": " ".join(key.scope),
            "used": moment(key.last_used_at) or "never",
            "ends": moment(key.expires_at),
        }
        for key in found
    ]
    columns = {"id": "ID", "owner": "OWNER", "name": "NAME", "scope": "SCOPE", "used": "LAST USED", "ends": "ENDS"}
    emit_rows(rows, columns, nothing="there are no living keys", whole=("id", "owner"))
    if following:
        typer.echo(f"there may be more: --after {following}", err=True)


@app.command()
def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, not its secret.")],
    json_: JsonFlag = False,
) -> None:
    """End a key, at once."""

    async def work(services: Services) -> bool:
        return await services.oauth.api_keys.revoke(key_id, account_id=None, origin=CLI)

    if not run_with_services(context, work):
        raise CommandFailed("there is no living key of that id", "watchword api-keys list")
    if json_:
        emit_json({"id": key_id, "revoked": True})
    else:
        typer.echo("the key is revoked")


def _seconds(text: str | None) -> float | None:
    from watchword_server.settings.values import seconds  # noqa: PLC0415 - only commands that need it pay for it

    if text is None:
        return None
    try:
        found: Any = seconds(text)
    except ValueError as fault:
        raise CommandFailed(f"--expires-in: {fault}", "write 90d, 12h or a number of seconds", code=MISUSED) from None
    return float(found) if isinstance(found, int | float) else None


def _key_json(key: ApiKey) -> dict[str, Any]:
    from watchword_server.admin.api_keys import ApiKeyModel  # noqa: PLC0415 - only commands that print one pay for it

    return ApiKeyModel.of(key).model_dump()
