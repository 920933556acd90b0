"""The fuzz target of authorization requests, for a bounded number of inputs; longer runs are by hand."""

import importlib
from pathlib import Path

FUZZ = Path(__file__).parents[4] / "fuzz"


def test_a_bounded_run_finds_nothing(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZ))
    module = importlib.import_module("fuzz_authorize")
    outcomes = importlib.import_module("mutation").run(
        module.target, module.SEEDS, module.WORDS, seed=20261121, rounds=2500
    )
    assert outcomes.total() == 2500 + len(module.SEEDS)
    assert any("request of" in outcome for outcome in outcomes)
    assert any("told invalid_request" in outcome for outcome in outcomes)
    assert any(outcome.startswith("ticket") for outcome in outcomes)
    assert len(outcomes) >= 12
