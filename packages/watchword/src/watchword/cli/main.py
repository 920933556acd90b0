"""Which command is asked for: one of the library's, or one of a package that adds its own by entry point.

Holds no command.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

OWN: Final = {
    "sign-url": ("watchword.cli.sign_url", "sign a URL, or make a key for it"),
    "edge": ("watchword.cli.edge", "answer a reverse proxy: may this request pass?"),
}
GROUP: Final = "watchword.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns: the exit code; 0 done, 1 failed, 2 called wrongly."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in OWN:
        command: Callable[[Sequence[str]], int] = import_module(OWN[given[0]][0]).main
        return command(given[1:])
    for other in entry_points(group=GROUP):
        outcome = other.load()()
        return outcome if isinstance(outcome, int) else 0
    wanted = {"-h", "--help", "help"} & set(given[:1]) or not given
    where = sys.stdout if wanted else sys.stderr
    if not wanted:
        where.write(f"watchword: no command {given[0][:40]!r} (is watchword-server installed?)\n")
    where.write("usage: watchword COMMAND …\n\n")
    for name, (_, what) in OWN.items():
        where.write(f"  {name:10} {what}\n")
    return 0 if wanted else 2
