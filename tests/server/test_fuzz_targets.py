"""The fuzz target of the server's small languages, for a bounded number of inputs; longer runs are by hand."""

import importlib
from pathlib import Path

FUZZ = Path(__file__).parents[2] / "fuzz"


def test_a_bounded_run_finds_nothing(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZ))
    module = importlib.import_module("fuzz_server_texts")
    outcomes = importlib.import_module("mutation").run(
        module.target, module.SEEDS, module.WORDS, seed=20261120, rounds=2500
    )
    assert outcomes.total() == 2500 + len(module.SEEDS)
    assert any(outcome.startswith("authentic") for outcome in outcomes)
    assert len(outcomes) >= 12
