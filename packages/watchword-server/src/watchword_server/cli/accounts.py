"""`watchword accounts`: create, list, show, profile, disable, enable, roles, set-password.

Holds no rule about accounts; the account service does. A password is never an argument: arguments are seen by every user
of the machine and kept by the shell.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword_server import entropy
from watchword_server.cli.failures import MISUSED, CommandFailed
from watchword_server.cli.given import CLI, read_json_object, run_with_services
from watchword_server.cli.output import JsonFlag, clean, emit_facts, emit_json, emit_rows, moment

if TYPE_CHECKING:
    from watchword_server.app import Services
    from watchword_server.store.records import Account

app = typer.Typer(no_args_is_help=True, help="Accounts: people and robots that log in.")

Who = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id, email address or username.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=10000, help="Most to print.")]
LONGEST_INPUT = 64 * 1024


def account_json(account: Account) -> dict[str, Any]:
    """As the administration API shows an account."""
    from watchword_server.admin.models import AccountModel  # noqa: PLC0415 - only commands that print one pay for it

    return AccountModel.of(account).model_dump()


async def find_account(services: Services, who: str) -> Account:
    """The account with that id, email address or username. Raises CommandFailed."""
    view = await services.store.account(who)
    if view is None:
        view = await services.accounts.find(who)
    if view is None:
        raise CommandFailed(f"there is no account {who!r}", "watchword accounts list --search PART")
    return view.account


def read_password(*, from_stdin: bool) -> str:
    """A password from the terminal, hidden and asked twice, or from standard input up to the first line break.

    Raises CommandFailed when there is neither terminal nor ``--password-stdin``.
    """
    if from_stdin:
        raw = sys.stdin.buffer.readline(LONGEST_INPUT)
        try:
            password = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise CommandFailed("the password on standard input is not UTF-8", "send it as UTF-8 text") from None
        if not password:
            raise CommandFailed("there is no password on standard input", "… | watchword accounts … --password-stdin")
        return password
    if not sys.stdin.isatty():
        raise CommandFailed(
            "there is no terminal to ask for the password on",
            "send it to standard input with --password-stdin",
            code=MISUSED,
        )
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt="The same again")
    return answer


@app.command("list")
def list_(
    context: typer.Context,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Part of the email address or username.")] = None,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this account.")] = None,
    limit: Limit = 100,
    json_: JsonFlag = False,
) -> None:
    """List accounts, oldest first."""

    async def work(services: Services) -> list[Account]:
        return list(await services.store.list_accounts(after=after, limit=limit, search=search))

    found = run_with_services(context, work)
    following = found[-1].id if len(found) == limit else None
    if json_:
        emit_json({"accounts": [account_json(account) for account in found], "next_after": following})
        return
    rows = [
        {
            "id": a.id,
            "email": a.email,
            "username": a.username,
            "roles": a.roles,
            "state": "disabled" if a.disabled_at is not None else "enabled",
            "created": moment(a.created_at),
        }
        for a in found
    ]
    columns = {
        "id": "ID",
        "email": "EMAIL",
        "username": "USERNAME",
        "roles": "ROLES",
        "state": "STATE",
        "created": "CREATED",
    }
    emit_rows(rows, columns, nothing="there are no such accounts")
    if following:
        typer.echo(f"there may be more: --after {following}", err=True)


@app.command()
def show(context: typer.Context, who: Who, json_: JsonFlag = False) -> None:
    """Show one account."""

    async def work(services: Services) -> Account:
        return await find_account(services, who)

    _print_account(run_with_services(context, work), json_=json_)


def _print_account(account: Account, *, json_: bool) -> None:
    if json_:
        emit_json({"account": account_json(account)})
        return
    emit_facts(
        {
            "id": account.id,
            "email": account.email,
            "email verified": account.email_verified,
            "username": account.username,
            "roles": account.roles,
            "permissions": account.permissions,
            "tenant": account.tenant,
            "created": moment(account.created_at),
            "password changed": moment(account.password_changed_at),
            "disabled": moment(account.disabled_at),
        }
    )


@app.command()
def create(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Its email address.")],
    username: Annotated[
        str | None, typer.Option(metavar="NAME", help="A name to log in with beside the email address.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="A role; may be repeated. Default: those of registration.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password and print it once.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Create an account. The password is asked for, unless --password-stdin or --generate is given."""
    if password_stdin and generate:
        raise CommandFailed("--password-stdin and --generate exclude each other", "give one of them", code=MISUSED)
    password = entropy.readable_password() if generate else read_password(from_stdin=password_stdin)

    async def work(services: Services) -> Account:
        roles = tuple(role) if role else services.settings.registration.roles
        return await services.accounts.create(
            email=email, username=username, password=password, roles=roles, origin=CLI
        )

    account = run_with_services(context, work)
    if json_:
        emit_json({"account": account_json(account)} | ({"password": password} if generate else {}))
        return
    _print_account(account, json_=False)
    if generate:
        emit_facts({"password": password})


@app.command()
def profile(
    context: typer.Context,
    who: Who,
    replace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Replace it by this JSON object; - reads standard input."),
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Show, or replace, what an account tells of its person: the standard claims of OpenID Connect, for /userinfo."""
    told = None if replace is None else read_json_object(replace, "see reference/oauth")

    async def work(services: Services) -> dict[str, Any]:
        import msgspec  # noqa: PLC0415 - only commands that need it pay for it

        from watchword_server.accounts.profiles import Profile  # noqa: PLC0415

        account = await find_account(services, who)
        if told is None:
            kept: Profile | None = await services.oauth.profiles.read(account.id)
        else:
            try:
                given = msgspec.convert(told, Profile)
            except msgspec.ValidationError as fault:
                raise CommandFailed(clean(f"not a profile: {fault}"), "see reference/oauth") from None
            kept = await services.oauth.profiles.replace(account.id, given, CLI, by_itself=False)
        return dict(msgspec.to_builtins(kept))

    shown = run_with_services(context, work)
    if json_:
        emit_json({"profile": shown})
        return
    emit_facts({name: json.dumps(value) if isinstance(value, dict) else value for name, value in shown.items()})


@app.command("set-password")
def set_password(
    context: typer.Context,
    who: Who,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password and print it once.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Set a new password. Every session of the account is cut off."""
    if password_stdin and generate:
        raise CommandFailed("--password-stdin and --generate exclude each other", "give one of them", code=MISUSED)
    password = entropy.readable_password() if generate else read_password(from_stdin=password_stdin)

    async def work(services: Services) -> Account:
        account = await find_account(services, who)
        await services.accounts.set_password(account.id, password, CLI)
        return account

    account = run_with_services(context, work)
    done = {"account": account.id, "changed": True} | ({"password": password} if generate else {})
    if json_:
        emit_json(done)
        return
    typer.echo(f"the password of {_name(account)} is changed; its sessions are cut off")
    if generate:
        emit_facts({"password": password})


@app.command()
def disable(context: typer.Context, who: Who, json_: JsonFlag = False) -> None:
    """Disable an account: it cannot log in, its sessions and access tokens are cut off."""
    _set_disabled(context, who, disabled=True, json_=json_)


@app.command()
def enable(context: typer.Context, who: Who, json_: JsonFlag = False) -> None:
    """Enable an account again. What was cut off stays so."""
    _set_disabled(context, who, disabled=False, json_=json_)


def _set_disabled(context: typer.Context, who: str, *, disabled: bool, json_: bool) -> None:
    async def work(services: Services) -> tuple[Account, bool]:
        account = await find_account(services, who)
        act = services.accounts.disable if disabled else services.accounts.enable
        return account, await act(account.id, CLI)

    account, done = run_with_services(context, work)
    word = "disabled" if disabled else "enabled"
    words = f"is {word}" if done else f"was {word} already"
    _told(account, {"disabled": disabled, "changed": done}, words, json_=json_)


@app.command()
def roles(
    context: typer.Context,
    who: Who,
    role: Annotated[list[str] | None, typer.Argument(metavar="ROLE", help="All its roles from now on.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Take every role away.")] = False,
    json_: JsonFlag = False,
) -> None:
    """Set the roles of an account. When one is taken away, its access tokens are cut off; it stays logged in."""
    if bool(role) is none:
        raise CommandFailed(
            "give the roles that the account shall have, or --none", "watchword accounts roles --help", code=MISUSED
        )

    async def work(services: Services) -> Account:
        account = await find_account(services, who)
        unknown = sorted(set(role or ()) - set(services.settings.roles))
        if unknown:
            known = ", ".join(sorted(services.settings.roles))
            raise CommandFailed(
                f"there is no role {', '.join(unknown)}", f"roles are made in the settings; there are: {known}"
            )
        changed = await services.accounts.set_roles(account.id, tuple(role or ()), CLI)
        return changed or account

    account = run_with_services(context, work)
    _told(account, {"roles": list(account.roles)}, f"has the roles: {', '.join(account.roles) or 'none'}", json_=json_)


def _told(account: Account, facts: dict[str, Any], sentence: str, *, json_: bool) -> None:
    if json_:
        emit_json({"account": account.id} | facts)
    else:
        typer.echo(f"{_name(account)} {sentence}")


def _name(account: Account) -> str:
    return clean(account.email)
