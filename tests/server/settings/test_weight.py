"""The server process stays light: what docs/decisions/0002 keeps out of it is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pydantic_settings", "structlog", "rich", "typer", "fastapi", "zxcvbn", "dns", "httpx", "jinja2", "redis")


@pytest.mark.parametrize("module", ["settings.load", "web.stack", "accounts.service", "app", "serving"])
def test_nothing_heavy_is_imported_before_it_is_needed(module):
    code = f"import sys, watchword_server.{module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
