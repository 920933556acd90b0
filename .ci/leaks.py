"""Says what must not stand in a tracked file: paths of one machine, hosts of registries, secrets, things left undone.

Holds the size rule for modules too (400 lines). Patterns are written so that they do not match themselves.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 400

FORBIDDEN: list[tuple[str, re.Pattern[str]]] = [
    ("a path of one machine", re.compile(r"(?<![\w.$}>])/(?:work|root|home/(?!you\b)\w+|Users/\w+)/|[.]pyenv\b")),
    (
        "the host of a package registry",
        re.compile(r"pythonhosted[.]org|\bpypi[.]org|registry[.]npmjs|\bproxy[.]golang[.]"),
    ),
    ("something left for later", re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b")),
    ("a merge that was not finished", re.compile(r"^(?:<{7} |>{7} |={7}$)", re.MULTILINE)),
    ("a private key", re.compile(r"-{5}BEGIN (?:[A-Z]+ )?PRIVATE KEY-{5}\s+[A-Za-z0-9+/]{40}")),
]
EXEMPT = re.compile(r"^(?:tests/vectors/|requirements[.]lock$|[.]ci/uv[.]lock$|packages/watchword-js/package-lock)")
"""Files of others, kept as they came."""
BINARY = {".png", ".ico", ".woff2", ".gz", ".jpg", ".webp", ".mo", ".mp4", ".m4s"}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def faults(name: str, text: str) -> list[str]:
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {what}: {match.group().strip()!r}"
        for what, pattern in FORBIDDEN
        for match in pattern.finditer(text)
    ]
    lines = text.count("\n")
    if name.startswith("packages/") and name.endswith(".py") and lines > MOST_LINES:
        found.append(
            f"{name}: {lines} lines, more than {MOST_LINES}: is there a noun in there that wants a room of its own?"
        )
    return found


def main() -> int:
    found: list[str] = []
    for name in tracked():
        if EXEMPT.match(name) or Path(name).suffix in BINARY:
            continue
        found += faults(name, (ROOT / name).read_text(encoding="utf-8"))
    print("\n".join(found) or "nothing leaks", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
