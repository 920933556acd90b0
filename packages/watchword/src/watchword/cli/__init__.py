"""The command ``watchword``, as far as the library goes: ``sign-url`` and ``edge``.

Needs no command-line library. The server's commands come from their own package, if it is installed (see ``main``).
"""

from __future__ import annotations

from watchword.cli.main import main

__all__ = ["main"]
