"""Which test does what each module of the conformance suite does: the tests that conformance_modules.toml names exist, and the page
about the suite tells of every module that does not pass.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLANS = tomllib.loads((HERE / "conformance_modules.toml").read_text())
PAGE = (HERE.parents[1] / "docs/how-to/conformance.md").read_text()
MODULES = {(plan, module): told for plan, modules in PLANS.items() for module, told in modules.items()}
OUTCOMES = {"skipped", "failed", "not run"}


@pytest.mark.parametrize(("plan", "module"), MODULES)
def test_the_test_of_a_module_exists(plan, module):
    told = MODULES[plan, module]
    file, _, name = (told if isinstance(told, str) else told["test"]).partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (HERE / file).read_text(), re.MULTILINE)


def test_what_does_not_pass_is_told_with_its_reason():
    for (_, module), told in MODULES.items():
        if isinstance(told, dict):
            assert told["outcome"] in OUTCOMES
            [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{module}`") and told["because"] in line]
            assert told["outcome"] in row


def test_the_page_tells_of_no_other_module_and_of_every_plan():
    rows = {
        module for module in re.findall(r"^\| `([a-z0-9_-]+)`[^|]*\| (?:skipped|failed|not run)", PAGE, re.MULTILINE)
    }
    assert rows == {module for (_, module), told in MODULES.items() if isinstance(told, dict)}
    assert all(f"`{plan}`" in PAGE for plan in PLANS)
