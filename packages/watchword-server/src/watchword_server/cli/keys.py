"""`watchword keys`: list the ring, rotate, distrust.

Holds no rule; keys/ring.py does. Never prints a private key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from watchword_server.cli.failures import MISUSED, CommandFailed
from watchword_server.cli.given import CLI, run_with_services
from watchword_server.cli.output import JsonFlag, clean, duration, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.records import SigningKey

app = typer.Typer(no_args_is_help=True, help="Signing keys: next, active, retired, distrusted.")


Purpose = Literal["access_token", "refresh_mac", "feed", "signed_url", "request_object"]
"""Keys that rotate, by what they are for."""


def _print(keys: Sequence[SigningKey], *, json_: bool) -> None:
    if json_:
        from watchword_server.admin.models import KeyModel  # noqa: PLC0415 - only commands that print one pay for it

        emit_json({"keys": [KeyModel.of(key).model_dump() for key in keys]})
        return
    rows = [
        {
            "kid": key.kid,
            "purpose": key.purpose,
            "algorithm": key.algorithm,
            "state": key.state,
            "created": moment(key.created_at),
            "activated": moment(key.activated_at),
            "retired": moment(key.retired_at),
        }
        for key in keys
    ]
    emit_rows(
        rows,
        {name: name.upper() for name in (rows[0] if rows else {})},
        nothing="there are no keys yet: they are made at the first start",
        whole=("kid",),
    )


@app.command("list")
def list_(context: typer.Context, json_: JsonFlag = False) -> None:
    """List the key ring."""

    async def work(services: Services) -> Sequence[SigningKey]:
        return await services.store.keys()

    _print(run_with_services(context, work), json_=json_)


@app.command()
def rotate(
    context: typer.Context,
    purpose: Annotated[
        Purpose,
        typer.Option(
            help="Which keys: those that sign access tokens, authenticate refresh tokens, sign the revocation feed or URLs, "
            "or those to which clients encrypt request objects."
        ),
    ] = "access_token",
    algorithm: Annotated[
        str | None,
        typer.Option(
            metavar="ALG",
            help="Of access_token: the keys of this algorithm, such as RS256 for ID tokens. Default: tokens.algorithm. Of "
            "request_object: which of oauth.request_object_encryption.",
        ),
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Even if verifiers may not know the next key yet.")
    ] = False,
    json_: JsonFlag = False,
) -> None:
    """Make the announced next key the active one, and announce another. Running servers follow by themselves."""

    async def work(services: Services) -> Sequence[SigningKey]:
        from watchword_server.keys.ring import KeyNotAnnounced  # noqa: PLC0415

        try:
            await services.keys.rotate(purpose, CLI, at_once=at_once, algorithm=algorithm)
        except ValueError as unknown:
            raise CommandFailed(
                clean(str(unknown)), "see oauth.id_token_algorithms and oauth.request_object_encryption", code=MISUSED
            ) from None
        except KeyNotAnnounced as early:
            raise CommandFailed(str(early), f"wait {duration(early.wait)}, or use --at-once") from None
        return await services.store.keys()

    _print(run_with_services(context, work), json_=json_)


@app.command()
def distrust(
    context: typer.Context,
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Emergency: take a key out of service and cut off every token it signed, at once."""
    if not yes:
        typer.confirm(
            f"Distrust {clean(kid)}? Every token it signed dies now, and this cannot be undone.", abort=True, err=True
        )

    async def work(services: Services) -> Sequence[SigningKey]:
        if not await services.keys.distrust(kid, CLI):
            raise CommandFailed(f"there is no trusted key {kid!r}", "watchword keys list")
        return await services.store.keys()

    _print(run_with_services(context, work), json_=json_)
