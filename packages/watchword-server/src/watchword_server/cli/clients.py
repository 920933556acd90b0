"""`watchword clients`: add, list, show, rotate-secret, disable, enable, delete.

Holds no rule about clients; clients/ does. A secret is printed by the command that made it and never again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from watchword_server.cli.failures import CommandFailed
from watchword_server.cli.given import CLI, read_json_object, run_with_services
from watchword_server.cli.output import JsonFlag, clean, emit_facts, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.clients.administration import MadeClient
    from watchword_server.clients.metadata import Client

app = typer.Typer(no_args_is_help=True, help="OAuth clients: applications, machines and resource servers.")

ClientId = Annotated[str, typer.Argument(metavar="CLIENT", help="Its client_id.")]
Method = Literal["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]


@app.command()
def add(
    context: typer.Context,
    client_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its client_id; else one is made.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="What people are shown.")] = None,
    redirect_uri: Annotated[
        list[str] | None, typer.Option(metavar="URI", help="Where people come back to; may be repeated.")
    ] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE",
            help="A grant_type; may be repeated. Default: authorization_code and refresh_token with a redirect URI, "
            "client_credentials without.",
        ),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(metavar="SCOPES", help="Scopes it may ask for, parted by spaces.")
    ] = None,
    auth: Annotated[Method, typer.Option(help="How it authenticates.")] = "client_secret_basic",
    jwks: Annotated[Path | None, typer.Option(metavar="FILE", help="Its public keys as a JWK Set.")] = None,
    jwks_uri: Annotated[str | None, typer.Option(metavar="URL", help="Where it publishes its keys.")] = None,
    native: Annotated[bool, typer.Option("--native", help="An application on people's devices (RFC 8252).")] = False,
    first_party: Annotated[
        bool, typer.Option("--first-party", help="Yours: people are not asked for consent.")
    ] = False,
    introspects: Annotated[
        bool, typer.Option("--introspects", help="A resource server that may introspect tokens meant for it.")
    ] = False,
    audience: Annotated[
        list[str] | None,
        typer.Option(metavar="URI", help="A resource it may ask for, or answers for; may be repeated."),
    ] = None,
    role: Annotated[list[str] | None, typer.Option(metavar="ROLE", help="A role of its own tokens.")] = None,
    opaque: Annotated[bool, typer.Option("--opaque", help="Give it opaque access tokens.")] = False,
    fapi2: Annotated[bool, typer.Option("--fapi2", help="Hold the FAPI 2.0 Security Profile for it.")] = False,
    metadata: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="More of it as JSON, by the names of RFC 7591; - reads standard input."),
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Put a client on record. Its secret, if it has one, is printed once."""
    given = _read(metadata)
    uris = redirect_uri or given.get("redirect_uris", [])
    given |= {
        "redirect_uris": uris,
        "grant_types": grant or given.get("grant_types") or _default_grants(uris),
        "token_endpoint_auth_method": given.get("token_endpoint_auth_method", auth),
    }
    optional = {
        "client_name": name,
        "scope": scope,
        "jwks": None if jwks is None else _read(jwks),
        "jwks_uri": jwks_uri,
        "application_type": "native" if native else None,
    }
    given |= {key: value for key, value in optional.items() if value is not None}
    settings = {
        "first_party": first_party,
        "may_introspect": introspects,
        "audiences": audience,
        "roles": role or [],
        "access_token_format": "opaque" if opaque else None,
        "profile": "fapi2" if fapi2 else "default",
    }
    if fapi2:
        # The default of OpenID Connect is RS256, which the profile forbids.
        given.setdefault("id_token_signed_response_alg", "ES256")

    async def work(services: Services) -> MadeClient | None:
        import msgspec  # noqa: PLC0415 - only commands that need it pay for it

        from watchword_server.clients.metadata import ClientSettings  # noqa: PLC0415
        from watchword_server.clients.registration import read_metadata  # noqa: PLC0415

        return await services.oauth.administration.add(
            read_metadata(given), CLI, settings=msgspec.convert(settings, ClientSettings), client_id=client_id
        )

    made = _judged(context, work)
    if made is None:
        raise CommandFailed(f"another client is called {client_id!r}", "choose another --id")
    _print_made(made, json_=json_)


def _default_grants(uris: list[str]) -> list[str]:
    return ["authorization_code", "refresh_token"] if uris else ["client_credentials"]


@app.command("list")
def list_(
    context: typer.Context,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this client.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10000, help="Most to print.")] = 100,
    json_: JsonFlag = False,
) -> None:
    """List clients: those of the configuration first, then those on record."""

    async def work(services: Services) -> tuple[list[dict[str, Any]], str | None]:
        from watchword_server.clients.administration import shown_client  # noqa: PLC0415
        from watchword_server.clients.directory import client_of  # noqa: PLC0415

        rows = list(await services.oauth.administration.list(after=after, limit=limit))
        shown = [] if after else [dict(shown_client(client)) for client in services.oauth.configured]
        shown += [dict(shown_client(client_of(row), disabled_at=row.disabled_at)) for row in rows]
        return shown, rows[-1].client_id if len(rows) == limit else None

    found, following = run_with_services(context, work)
    if json_:
        emit_json({"clients": found, "next_after": following})
        return
    rows = [
        {
            "client_id": client["client_id"],
            "name": client["metadata"].get("client_name"),
            "source": client["source"],
            "auth": client["metadata"].get("token_endpoint_auth_method", "client_secret_basic"),
            "grants": client["metadata"].get("grant_types", ["authorization_code"]),
            "state": "enabled" if client["disabled_at"] is None else "disabled",
        }
        for client in found
    ]
    emit_rows(
        rows,
        {name: name.upper() for name in ("client_id", "name", "source", "auth", "grants", "state")},
        nothing="there are no clients",
        whole=("client_id",),
    )
    if following:
        typer.echo(f"there may be more: --after {following}", err=True)


@app.command()
def show(context: typer.Context, client_id: ClientId, json_: JsonFlag = False) -> None:
    """Show one client, without secrets."""

    async def work(services: Services) -> dict[str, Any]:
        from watchword_server.clients.administration import shown_client  # noqa: PLC0415
        from watchword_server.clients.directory import client_of  # noqa: PLC0415

        configured = await services.oauth.configured.find(client_id)
        if configured is not None:
            return dict(shown_client(configured))
        row = await services.oauth.administration.show(client_id)
        if row is None:
            raise _unknown(client_id)
        return dict(shown_client(client_of(row), disabled_at=row.disabled_at))

    shown = run_with_services(context, work)
    if json_:
        emit_json({"client": shown})
        return
    facts = {name: shown[name] for name in ("client_id", "source", "secrets")}
    facts |= {"created": moment(shown["created_at"]), "disabled": moment(shown["disabled_at"])}
    emit_facts(facts | _flat(shown["metadata"]) | _flat(shown["settings"]))


@app.command("rotate-secret")
def rotate_secret(
    context: typer.Context,
    client_id: ClientId,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="End the former secret now; else it stays good until the next rotation.")
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Make a new secret and print it once."""

    async def work(services: Services) -> MadeClient | None:
        return await services.oauth.administration.rotate_secret(client_id, CLI, keep_former=not at_once)

    made = _judged(context, work)
    if made is None:
        raise _unknown(client_id)
    _print_made(made, json_=json_)


@app.command()
def disable(context: typer.Context, client_id: ClientId, json_: JsonFlag = False) -> None:
    """Disable a client: it gets nothing, and what it holds is cut off."""

    async def work(services: Services) -> bool:
        return await services.oauth.administration.disable(client_id, CLI)

    _told(client_id, run_with_services(context, work), "disabled", json_=json_)


@app.command()
def enable(context: typer.Context, client_id: ClientId, json_: JsonFlag = False) -> None:
    """Enable a client again. What was cut off stays so."""

    async def work(services: Services) -> bool:
        return await services.oauth.administration.enable(client_id, CLI)

    _told(client_id, run_with_services(context, work), "enabled", json_=json_)


@app.command()
def delete(context: typer.Context, client_id: ClientId, json_: JsonFlag = False) -> None:
    """Delete a client with its authorizations, codes and tokens."""

    async def work(services: Services) -> bool:
        return await services.oauth.administration.delete(client_id, CLI)

    done = run_with_services(context, work)
    if not done:
        raise _unknown(client_id)
    _told(client_id, done, "deleted", json_=json_)


@app.command("registration-token")
def registration_token(
    context: typer.Context,
    uses: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Registrations it is good for.")] = 1,
    days: Annotated[float, typer.Option(metavar="DAYS", min=0.01, max=365, help="How long it is good.")] = 7,
    json_: JsonFlag = False,
) -> None:
    """Make an initial access token, with which clients may register themselves (RFC 7591), and print it once."""

    async def work(services: Services) -> tuple[str, float]:
        from watchword_server import entropy  # noqa: PLC0415
        from watchword_server.clients.dynamic import INITIAL_PREFIX, digest_of  # noqa: PLC0415
        from watchword_server.store.records import AuditEvent  # noqa: PLC0415

        token = entropy.prefixed(INITIAL_PREFIX)
        expires_at = services.clock.now() + days * 86_400
        audit = AuditEvent(event="registration_token.created", origin=CLI, detail={"uses": str(uses)})
        await services.store.add_registration_token(digest_of(token), uses=uses, expires_at=expires_at, audit=audit)
        return token, expires_at

    token, expires_at = run_with_services(context, work)
    if json_:
        emit_json({"token": token, "uses": uses, "expires_at": expires_at})
        return
    emit_facts({"token": token, "uses": uses, "expires": moment(expires_at)})


def _judged(context: typer.Context, work: Any) -> MadeClient | None:
    """Run; what clients/ refuses is told as a failed command."""
    from watchword.oauth.errors import OAuthError  # noqa: PLC0415 - `--help` does without

    try:
        made: MadeClient | None = run_with_services(context, work)
    except OAuthError as refused:
        raise CommandFailed(f"{refused.description} ({refused.code})", "see how-to/clients") from None
    return made


def _print_made(made: MadeClient, *, json_: bool) -> None:
    if json_:
        from watchword_server.clients.administration import shown_client  # noqa: PLC0415

        emit_json({"client": dict(shown_client(made.client)), "client_secret": made.secret})
        return
    facts: dict[str, Any] = {"client_id": made.client.client_id}
    if made.secret is not None:
        facts["client_secret"] = made.secret
    emit_facts(facts | _flat(_metadata(made.client)))
    if made.secret is not None:
        typer.echo("the secret is shown this once", err=True)


def _metadata(client: Client) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415

    shown: dict[str, Any] = msgspec.to_builtins(client.metadata)
    return shown


def _flat(members: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in members.items()}


def _read(file: Path | None) -> dict[str, Any]:
    return {} if file is None else read_json_object(file, "see how-to/clients")


def _unknown(client_id: str) -> CommandFailed:
    return CommandFailed(f"there is no client {client_id!r} on record", "watchword clients list")


def _told(client_id: str, done: bool, state: str, *, json_: bool) -> None:
    if json_:
        emit_json({"client_id": client_id, "state": state, "changed": done})
        return
    typer.echo(f"{clean(client_id)} is {state}" if done else f"{clean(client_id)} was {state} already, or is unknown")
