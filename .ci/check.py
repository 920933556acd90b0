"""`make check`: every static check in turn, all of them run even when one fails.

Holds no rule itself but the list; those of our own are in leaks.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ["packages", "tests", "benchmarks", "examples", "fuzz", ".ci"]
# basedpyright finds neither the editable packages nor, asked about one of them, what they stand on.
SEARCHED = [str(ROOT / "packages/watchword/src"), sysconfig.get_path("purelib")]

CHECKS: list[tuple[str, list[str]]] = [
    ("format", [str(BIN / "ruff"), "format", "--check", *CODE]),
    ("lint", [str(BIN / "ruff"), "check", *CODE]),
    ("types", [str(BIN / "mypy")]),
    (
        "public types",
        [str(BIN / "basedpyright"), "--pythonpath", sys.executable, "--verifytypes", "watchword", "--ignoreexternal"],
    ),
    ("imports", [str(BIN / "lint-imports"), "--no-logo"]),
    ("generated pages", [sys.executable, ".ci/generate.py", "--check"]),
    ("leaks", [sys.executable, ".ci/leaks.py"]),
]


def main() -> int:
    """Run them; print one line each, and the output of those that failed."""
    failed = []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(SEARCHED)}
    for name, command in CHECKS:
        started = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=environment)
        took = time.monotonic() - started
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name:<16} {took:5.1f} s", flush=True)
        if done.returncode:
            failed.append(name)
            print(f"\n$ {' '.join(command)}\n{done.stdout}{done.stderr}".replace(str(ROOT) + "/", ""), flush=True)
    if failed:
        print(f"make check: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
