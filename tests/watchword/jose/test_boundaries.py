"""Who may import what, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import watchword.jose

LIBRARY = Path(watchword.jose.__file__).parents[1]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_within_the_library_only_jose_imports_cryptography() -> None:
    importers = {
        path.relative_to(LIBRARY).parts[0]
        for path in LIBRARY.rglob("*.py")
        if any(name.split(".")[0] == "cryptography" for name in imported(path))
    }
    assert importers == {"jose"}


def test_jose_imports_nothing_else_of_the_library() -> None:
    for path in (LIBRARY / "jose").glob("*.py"):
        own = {name for name in imported(path) if name.split(".")[0] == "watchword"}
        assert all(name.startswith("watchword.jose") for name in own), path.name


def test_importing_jose_loads_no_more_than_it_needs() -> None:
    """Import time is held by what is not loaded; the figure itself is printed by ``python -X importtime``."""
    code = "import sys, watchword.jose; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    for heavy in (
        "asyncio",
        "cryptography.x509",
        "cryptography.hazmat.primitives.serialization",
        "cryptography.hazmat.backends",
        "cryptography.hazmat.primitives.ciphers",
        "http.client",
        "logging",
        "socket",
        "ssl",
        "urllib.request",
    ):
        assert heavy not in loaded
    assert len([name for name in loaded if name.startswith("cryptography")]) < 40
