"""What is wrong with the settings, told so that it can be mended.

Holds no rule; load.py and checks.py find the problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault. ``name`` is stable; ``source`` says where the value came from; ``mend`` what to do."""

    name: str
    path: str
    source: str
    message: str
    mend: str

    def __str__(self) -> str:
        where = f" ({self.source})" if self.source else ""
        return f"{self.path}{where}: {self.message}\n    mend: {self.mend}"


class SettingsError(Exception):
    """All that is wrong, at once. Its text never holds a secret."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count > 1 else ''} in the settings"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))
