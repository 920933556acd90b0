"""`watchword serve`: checks the settings, then becomes the server process.

Does not serve: the process is replaced by `python -m watchword_server.process`, which imports no command-line library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword_server.cli.failures import CommandFailed
from watchword_server.cli.given import given_of
from watchword_server.settings.load import process_environment
from watchword_server.settings.schema import CONFIG_VARIABLE, LEAVES


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen on.", min=0, max=65535)] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that share the port.", min=1, max=256)
    ] = None,
    issuer: Annotated[str | None, typer.Option(metavar="URL", help="Public URL of this server.")] = None,
    environment: Annotated[str | None, typer.Option(metavar="NAME", help="production or development.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate chain in PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Private key of the certificate in PEM.")] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network whose forwarding headers are believed; may be repeated."),
    ] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
) -> None:
    """Run the authorization server.

    Stops on SIGTERM or SIGINT after finishing what was begun. Every flag is also a setting: see docs/configuration.md.
    """
    given = given_of(context)
    flags = given.flags() | {
        path: value
        for path, value in {
            "server.host": host,
            "server.port": port,
            "server.workers": workers,
            "issuer": issuer,
            "environment": environment,
            "server.tls_cert": None if tls_cert is None else str(tls_cert),
            "server.tls_key": None if tls_key is None else str(tls_key),
            "server.trusted_proxies": None if not trusted_proxy else ",".join(trusted_proxy),
            "log.level": log_level,
        }.items()
        if value is not None
    }
    given.load(flags)  # told here, where flags are still called flags
    environ = handed_over(process_environment(), flags, given.config)
    sys.stdout.flush()
    # -P: a file that happens to lie in the working directory must not be imported in place of a module of ours.
    command = [sys.executable, "-P", "-m", "watchword_server.process"]
    try:
        os.execve(sys.executable, command, environ)  # noqa: S606 - replaces this process, on purpose without a shell
    except OSError as refused:
        raise CommandFailed(f"cannot start {sys.executable}: {refused.strerror}") from None


def handed_over(environ: Mapping[str, str], flags: Mapping[str, Any], config: Path | None) -> dict[str, str]:
    """The environment in which the server process finds the same settings: each flag stands in the place of whatever
    variables set the same thing.
    """
    handed = dict(environ)
    for path, value in flags.items():
        variables = LEAVES[path].variables
        for variable in variables:
            handed.pop(variable, None)
            handed.pop(f"{variable}_FILE", None)
        handed[variables[0]] = str(value)
    if config is not None:
        handed[CONFIG_VARIABLE] = str(config)
    return handed
