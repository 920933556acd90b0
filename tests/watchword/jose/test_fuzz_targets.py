"""The fuzz targets of this package, each for a bounded number of inputs; longer runs are by hand."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[3] / "fuzz"

EXPECTED = {
    "fuzz_jws": {"accepted", "accepted as proof", "parse: bad_base64url", "parse: malformed", "parse: bad_json"},
    "fuzz_jwk": {"set of 0; set of 1; key: bad_key: kty is not one of EC, OKP, RSA, oct"},
    "fuzz_tokens": {"proof: accepted", "jwe: accepted", "jwe: bad_base64url", "answer: True", "target: True"},
    "fuzz_strict_json": {"read 3", "bad_json: text is not JSON in UTF-8"},
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bounded_run_finds_nothing(name: str, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(FUZZ))
    module = importlib.import_module(name)
    outcomes = importlib.import_module("mutation").run(
        module.target, module.SEEDS, module.WORDS, seed=20261120, rounds=2500
    )
    assert outcomes.total() == 2500 + len(module.SEEDS)
    assert EXPECTED[name] <= set(outcomes)
    assert len(outcomes) >= 8


def test_a_finding_is_raised_with_the_input_that_led_to_it(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(FUZZ))
    mutation = importlib.import_module("mutation")

    def target(data: bytes) -> str:
        if b"\x00" in data:
            raise IndexError
        return "fine"

    with pytest.raises(IndexError) as caught:
        mutation.run(target, [b"seed"], [b"\x00"], seed=1, rounds=1000)
    assert "00" in caught.value.__notes__[0]
