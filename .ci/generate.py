"""Writes the pages that are generated from the code; with `--check`, says which of them are out of date.

Holds the list alone: each page is made by the module that knows its subject.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import rfc

ROOT = Path(__file__).resolve().parent.parent

PAGES: dict[str, str] = {
    "docs/configuration.md": "watchword_server.settings.document",
    "docs/reference/cli.md": "watchword_server.cli.reference",
}
"""Page -> module which, run with -m and the name of a file, writes it."""


def main() -> int:
    """Write each page, or compare."""
    with tempfile.TemporaryDirectory() as folder:
        return generate(folder, check="--check" in sys.argv[1:])


def made_by(module: str, folder: str) -> str:
    draft = Path(folder) / "page.md"
    subprocess.run([sys.executable, "-m", module, str(draft)], cwd=ROOT, check=True)
    return draft.read_text()


def list_of_decisions() -> str:
    head = "# Decisions\n\nWhat shapes the whole, each with its context and its price.\n\n"
    files = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    return head + "".join(f"- [{file.read_text().partition(chr(10))[0][2:]}]({file.name})\n" for file in files)


def generate(folder: str, *, check: bool) -> int:
    stale = []
    pages = {page: made_by(module, folder) for page, module in PAGES.items()}
    pages["docs/decisions/index.md"] = list_of_decisions()
    pages |= rfc.pages()
    slips = [f"a mark of a test names no demand in docs/rfc/requirements: {mark}" for mark in rfc.strays()]
    for line in slips:
        print(line, file=sys.stderr)
    for page, text in pages.items():
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
    return 1 if stale or slips else 0


if __name__ == "__main__":
    sys.exit(main())
