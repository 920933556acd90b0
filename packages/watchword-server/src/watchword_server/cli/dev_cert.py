"""`watchword dev-cert`: https and client certificates for a developer's own machine.

Makes none that strangers trust, and tells no system to trust its authority: it says how.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from watchword.clock import system_clock

from watchword_server.cli.failures import CommandFailed
from watchword_server.cli.given import given_of
from watchword_server.cli.output import JsonFlag, emit_json
from watchword_server.settings.load import process_environment

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def dev_cert(
    context: typer.Context,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name or address; may be repeated. Default: this machine."),
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Make a client certificate of that name too; may be repeated."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Where they are kept. Default: `tls` in the home directory."),
    ] = None,
    json_: JsonFlag = False,
) -> None:
    """Make a certificate for https on this machine, signed by an authority of your own. For development and tests."""
    from watchword_server.keys.development_certificates import (  # noqa: PLC0415 - cryptography only where it is used
        CertificateRefused,
        DevelopmentAuthority,
    )

    where = (
        folder or (given_of(context).home or Path(process_environment().get("WATCHWORD_HOME") or ".watchword")) / "tls"
    )
    try:
        authority = DevelopmentAuthority(where, now=system_clock.now())
        server = authority.issue_server(host or LOOPBACK)
        clients = {name: authority.issue_client(name) for name in client or ()}
    except (CertificateRefused, OSError) as error:
        raise CommandFailed(f"no certificate was made: {error}") from None
    if json_:
        emit_json(
            {
                "authority": str(authority.certificate),
                "certificate": str(server.certificate),
                "key": str(server.key),
                "clients": {
                    name: {"certificate": str(one.certificate), "key": str(one.key)} for name, one in clients.items()
                },
            }
        )
        return
    typer.echo(f"Authority:    {authority.certificate}   (trust this one: curl --cacert, SSL_CERT_FILE, your browser)")
    typer.echo(f"Certificate:  {server.certificate}")
    typer.echo(f"Key:          {server.key}")
    for name, one in clients.items():
        typer.echo(f"Client {name}:  {one.certificate}  {one.key}")
    typer.echo(
        f"\nServe https:  WATCHWORD_SERVER__TLS_CERT={server.certificate} WATCHWORD_SERVER__TLS_KEY={server.key} watchword serve"
    )
