"""The benchmark measures what it says: every contestant does its work, and does it rightly."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from watchword.jose import parse

PATH = Path(__file__).parents[3] / "benchmarks" / "jose.py"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("name", ["ES256", "EdDSA", "PS256", "HS256"])
def test_every_contestant_signs_and_verifies(name: str) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_of_jose", PATH)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    verifying, signing = module.contestants(name)
    assert set(verifying) == set(signing) == {"raw", "ours", "PyJWT", "joserfc"}
    assert verifying["ours"]().payload == module.PAYLOAD
    assert verifying["PyJWT"]() == module.PAYLOAD
    assert verifying["joserfc"]().payload == module.PAYLOAD
    header = verifying["ours"]().header
    for peer in ("ours", "PyJWT", "joserfc"):
        token = signing[peer]()
        assert parse(token).payload == module.PAYLOAD
        assert dict(parse(token).header) == dict(header)
