"""`watchword tokens inspect`: takes a token apart and says loudly that this proves nothing; with --verify, proves it.

Holds no check of its own: the library's and the server's are called. Never prints a signature or a MAC.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword_server.cli.failures import FAILED, MISUSED, CommandFailed
from watchword_server.cli.given import run_with_services
from watchword_server.cli.output import JsonFlag, clean, duration, emit_facts, emit_json, moment

if TYPE_CHECKING:
    from watchword_server.app import Services

app = typer.Typer(no_args_is_help=True, help="Tokens: look inside one.")

LONGEST = 16_384
_TIMES = frozenset({"exp", "iat", "nbf", "auth_time"})
_WARNING = (
    "UNVERIFIED: anyone may have written what follows. Use --verify to check it against this server's keys and store."
)


@app.callback()
def tokens() -> None:
    """Tokens: look inside one."""


def read_token(argument: str | None) -> str:
    """The token from the argument or from standard input. Raises CommandFailed when there is none."""
    if argument is not None:
        typer.echo(
            "note: an argument is seen by every user of this machine and kept by the shell; prefer standard input",
            err=True,
        )
        return argument.strip()
    if sys.stdin.isatty():
        raise CommandFailed("there is no token", "watchword tokens inspect < token.txt", code=MISUSED)
    raw = sys.stdin.buffer.read(LONGEST + 1)
    if len(raw) > LONGEST:
        raise CommandFailed(f"that is longer than {LONGEST} characters, so it is no token of this server")
    text = raw.decode("ascii", "replace").strip()
    return text.removeprefix("Bearer ").strip()


@app.command()
def inspect(
    context: typer.Context,
    token: Annotated[
        str | None, typer.Argument(metavar="TOKEN", help="The token; better on standard input.", show_default=False)
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check it against this server's keys and store.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Show what a token says. Exit code 1 when it is no token, or with --verify when it is not good."""
    raw = read_token(token)
    found = taken_apart(raw)
    fault: str | None = None
    if verify:
        from watchword_server.cli.verdict import verdict  # noqa: PLC0415 - only --verify pays for it

        async def work(services: Services) -> str | None:
            return await verdict(services, raw, found["kind"])

        fault = run_with_services(context, work)
    good = verify and fault is None
    if json_:
        emit_json(found | {"verified": good, "fault": fault})
    else:
        _print(found, verify=verify, fault=fault)
    if verify and not good:
        raise typer.Exit(FAILED)


def taken_apart(raw: str) -> dict[str, Any]:
    """The parts of a token, as ``{"kind": …}`` and what that kind holds. Raises CommandFailed for what is none."""
    from watchword.jose.errors import JoseError  # noqa: PLC0415 - cryptography is loaded for this command only
    from watchword.jose.jws import parse  # noqa: PLC0415
    from watchword.jose.strict_json import decode_object  # noqa: PLC0415

    from watchword_server.tokens.refresh_token import PREFIX  # noqa: PLC0415
    from watchword_server.tokens.refresh_token import parse as parse_refresh_token  # noqa: PLC0415

    if raw.startswith(PREFIX):
        refresh = parse_refresh_token(raw)
        if refresh is None:
            raise CommandFailed("that begins like a refresh token but is none", "see that it was copied whole")
        return {
            "kind": "refresh_token",
            "family": refresh.family_id,
            "generation": refresh.generation,
            "key_id": refresh.key_id,
        }
    try:
        unverified = parse(raw, max_length=LONGEST)
        claims = decode_object(unverified.payload)
    except JoseError as refused:
        raise CommandFailed(f"that is no token in JWT form: {refused}", "see that it was copied whole") from None
    return {"kind": "access_token", "header": _thawed(unverified.header), "claims": _thawed(claims)}


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _thawed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_thawed(item) for item in value]
    return value


def _print(found: dict[str, Any], *, verify: bool, fault: str | None) -> None:
    if not verify:
        typer.secho(_WARNING, bold=True)
    elif fault is None:
        typer.secho("VERIFIED: this server issued it, and it is good now.", bold=True)
    else:
        typer.secho(f"REFUSED: {clean(fault)}. What follows proves nothing.", bold=True)
    if found["kind"] == "refresh_token":
        emit_facts({"kind": "refresh token", **{name: found[name] for name in ("family", "generation", "key_id")}})
        return
    typer.echo("\nheader")
    emit_facts({f"  {name}": value for name, value in found["header"].items()})
    typer.echo("\nclaims")
    emit_facts({f"  {name}": _told(name, value) for name, value in found["claims"].items()})


def _told(name: str, value: Any) -> Any:
    from watchword.clock import system_clock  # noqa: PLC0415

    if name not in _TIMES or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    left = value - system_clock.now()
    try:
        at = moment(value)
    except (OverflowError, ValueError, OSError):
        return value
    return f"{value}  ({at}, {'in ' + duration(left) if left >= 0 else duration(-left) + ' ago'})"
