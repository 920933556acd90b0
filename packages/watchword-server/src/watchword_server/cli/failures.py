"""How a command fails: one line that says what, one that says the mend, and an exit code; never a traceback.

Does not print tables or results; output.py does.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from watchword_server.cli.output import clean
from watchword_server.settings.problems import SettingsError
from watchword_server.store.port import SchemaMismatch, StoreUnavailable

FAILED = 1
MISUSED = 2


class CommandFailed(Exception):  # noqa: N818 - it tells an outcome, as the other outcomes are told
    """What the command was asked for could not be done. Exit code 1."""

    def __init__(self, message: str, mend: str | None = None, *, code: int = FAILED) -> None:
        super().__init__(message)
        self.mend = mend
        self.code = code


def complain(message: str, mend: str | None = None) -> None:
    """Write an error to standard error."""
    typer.echo(f"watchword: {clean(message, keep_lines=True)}", err=True)
    if mend:
        typer.echo(f"  mend: {clean(mend, keep_lines=True)}", err=True)


class Commands(TyperGroup):
    """The root of the command tree; turns whatever a command raises into a line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run; always ends by SystemExit: 0 done, 1 failed, 2 misused or unusable settings, 130 interrupted."""
        raise SystemExit(self._run(*args, **extra | {"standalone_mode": False}))

    def _run(self, *args: Any, **extra: Any) -> int:
        try:
            returned = super().main(*args, **extra)
        except typer.Abort:
            complain("nothing was done")
            return FAILED
        except typer._click.exceptions.ClickException as misuse:  # noqa: SLF001 - typer exports no public name of it
            return _misused(misuse)
        except CommandFailed as failure:
            complain(str(failure), failure.mend)
            return failure.code
        except SettingsError as refused:
            complain(str(refused))
            return MISUSED
        except StoreUnavailable as lost:
            complain(f"the store cannot be used: {lost}", "see that the database runs: watchword doctor")
            return FAILED
        except SchemaMismatch as mismatch:
            complain(str(mismatch))
            return FAILED
        except Exception as fault:  # noqa: BLE001 - the last resort before a person
            return _known(fault) or _unexpected(fault)
        return returned if isinstance(returned, int) else 0


def _misused(misuse: Any) -> int:
    if type(misuse).__name__ == "NoArgsIsHelpError":
        misuse.show()
        return MISUSED
    path = misuse.ctx.command_path if getattr(misuse, "ctx", None) else "watchword"
    mend = f"{path} --help"
    if type(misuse).__name__ == "NoSuchOption" and not str(misuse.option_name).startswith("--"):
        mend = f"write -- before a value that begins with a hyphen, or see {mend}"
    complain(misuse.format_message(), mend)
    return int(misuse.exit_code)


def _known(fault: Exception) -> int | None:
    """Errors whose modules are too heavy to import before one of them is met."""
    if "watchword_server.app" not in sys.modules and "watchword_server.keys.sealing" not in sys.modules:
        return None
    from watchword_server.accounts.results import AccountRefused  # noqa: PLC0415
    from watchword_server.keys.sealing import MasterKeyError, SealError  # noqa: PLC0415

    if isinstance(fault, AccountRefused):
        complain(str(fault))
    elif isinstance(fault, MasterKeyError | SealError):
        complain(str(fault), "watchword doctor")
    else:
        return None
    return FAILED


def _unexpected(fault: Exception) -> int:
    where = traceback.extract_tb(fault.__traceback__)[-1]
    place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
    # The text of a foreign exception may hold anything, a secret too; its kind and place are enough to report it.
    complain(f"unexpected {type(fault).__name__} at {place}", "this is a fault of Watchword: please report this line")
    return FAILED
