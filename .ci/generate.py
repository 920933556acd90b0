"""Writes the pages that are generated from the code; with `--check`, says which of them are out of date.

Holds the list alone: each page is made by the module that knows its subject.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PAGES: dict[str, str] = {
    "docs/configuration.md": "watchword_server.settings.reference",
    "docs/reference/cli.md": "watchword_server.cli.reference",
}
"""Page -> module which, run with -m, prints it."""


def main() -> int:
    """Write each page, or compare."""
    check = "--check" in sys.argv[1:]
    stale = []
    for page, module in PAGES.items():
        if importlib.util.find_spec(module) is None:
            stale.append(f"{page}: there is no {module} to make it")
            continue
        text = subprocess.run(
            [sys.executable, "-m", module], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        path = ROOT / page
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale.append(f"{page} is out of date")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {page}")
    for line in stale:
        print(line, file=sys.stderr)
    if stale:
        print("mend: .venv/bin/python .ci/generate.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
