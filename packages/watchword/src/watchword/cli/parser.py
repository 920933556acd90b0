"""Command lines, and what is said of those that are wrong: one line and its mend, as every command of ``watchword``.

Holds no option.
"""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

_LONGEST = 200


class CommandLine(argparse.ArgumentParser):
    """An ``argparse`` parser with the manners of the house."""

    def format_usage(self) -> str:
        """As the other commands begin it."""
        return super().format_usage().replace("usage:", "Usage:", 1)

    def format_help(self) -> str:
        """As the other commands begin it."""
        return super().format_help().replace("usage:", "Usage:", 1)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and how to mend it; end with 2."""
        # Nothing of what was given may steer the terminal.
        shown = "".join(one if one.isprintable() else "?" for one in message)[:_LONGEST]
        sys.stderr.write(f"watchword: {shown}\n  mend: {self.prog} --help\n")
        raise SystemExit(2)
