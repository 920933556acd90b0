"""The world of tests/server/tokens, for the proofs that go through it; and the simulated one of benchmarks/."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_ROOT = Path(__file__).parents[2]


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


world = _load("token_world", _ROOT / "tests/server/tokens/conftest.py").world


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    return _load("rotation_world", _ROOT / "benchmarks/rotation_world.py")
