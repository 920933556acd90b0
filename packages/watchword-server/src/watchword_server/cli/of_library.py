"""`watchword sign-url` and `watchword edge`, which belong to the library: listed here, run there.

Holds no option; the library's own `--help` tells of them.
"""

from __future__ import annotations

from typing import Final

import typer
from watchword.cli import main as library

PASSED_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Every word behind the command is the library's."""


def sign_url(context: typer.Context) -> None:
    """Sign a URL with a key from a file, verify one, or make a key. Its options: `watchword sign-url --help`."""
    raise typer.Exit(library(["sign-url", *context.args]))


def edge(context: typer.Context) -> None:
    """Answer a reverse proxy whether a request may pass. Its options: `watchword edge --help`."""
    raise typer.Exit(library(["edge", *context.args]))
