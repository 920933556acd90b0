"""The root of the command tree.

Holds only the options before a command's name and the list of commands.
"""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from watchword_server.cli import (
    accounts,
    api_keys,
    audit,
    clients,
    config,
    cutoffs,
    dev_cert,
    doctor,
    keys,
    migrate,
    of_library,
    outbox,
    serve,
    sessions,
    tokens,
)
from watchword_server.cli.failures import Commands
from watchword_server.cli.given import Given

app = typer.Typer(
    cls=Commands,
    name="watchword",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed or a check is bad, 2 called wrongly or the settings are unusable.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"watchword {installed_version('watchword-server')}")
        raise typer.Exit


@app.callback()
def watchword(
    context: typer.Context,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Settings in TOML. Default: WATCHWORD_CONFIG, else watchword.toml in the home directory.",
        ),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Directory of all state. Default: WATCHWORD_HOME, else .watchword."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Token-based authentication: the authorization server and its upkeep.

    Settings come from flags, WATCHWORD_* variables, files named by WATCHWORD_*_FILE, and watchword.toml, in this order.
    """
    context.obj = Given(config=config_file, home=home)


app.command()(serve.serve)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
app.command()(dev_cert.dev_cert)
app.command("sign-url", context_settings=of_library.PASSED_ON)(of_library.sign_url)
app.command("edge", context_settings=of_library.PASSED_ON)(of_library.edge)
app.add_typer(config.app, name="config")
app.add_typer(accounts.app, name="accounts")
app.add_typer(clients.app, name="clients")
app.add_typer(api_keys.app, name="api-keys")
app.add_typer(sessions.app, name="sessions")
app.add_typer(keys.app, name="keys")
app.add_typer(cutoffs.app, name="cutoffs")
app.add_typer(tokens.app, name="tokens")
app.add_typer(outbox.app, name="outbox")
app.add_typer(audit.app, name="audit")


def main() -> None:
    """The installed script. Ends by SystemExit."""
    app(prog_name="watchword")
