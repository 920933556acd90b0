"""`make bench`: runs every benchmark of benchmarks/, one after another in order of name, never two at a time.

Holds no measurement. A benchmark is a file that can be run; each accepts `--quick`, and prints its own tables.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def benchmarks() -> list[Path]:
    files = sorted((ROOT / "benchmarks").glob("*.py"))
    return [file for file in files if '__name__ == "__main__"' in file.read_text()]


def main() -> int:
    arguments = sys.argv[1:]
    failed = []
    print(f"CPython {platform.python_version()} · {platform.system()} {platform.machine()} · {os.cpu_count()} CPUs")
    for file in benchmarks():
        print(f"\n== {file.stem} {'=' * max(0, 76 - len(file.stem))}", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, str(file), *arguments], cwd=ROOT, check=False).returncode
        print(f"-- {time.monotonic() - started:.0f} s", flush=True)
        if code:
            failed.append(file.stem)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
