"""The pages about adapters and migration do what they say: their code is run, and so are the tests they show."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from watchword.testing import FakeIssuer

from tests.watchword.adapters.stages.django import configured

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
PAGES = sorted([*(HOW_TO / "adapters").glob("*.md"), *(HOW_TO / "migrate").glob("*.md")])
TAB = re.compile(r'^=== "([^"]+)"\n\n((?:(?:    .*)?\n)+)', re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def code_of(page: Path) -> str:
    """All Python of a page in its order, but for tabs that show what there was before."""
    text = page.read_text()
    plain = TAB.sub(lambda tab: "" if tab[1].startswith("Before") else textwrap.dedent(tab[2]), text)
    return "\n\n".join(BLOCK.findall(plain))


@pytest.fixture
def namespace() -> Iterator[ModuleType]:
    """A module, which frameworks that look annotations up can find."""
    module = ModuleType(f"page_{uuid.uuid4().hex}")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
async def test_the_code_of_a_page_runs_and_its_tests_hold(page: Path, namespace: ModuleType) -> None:
    code = code_of(page)
    assert code, "a page without code that is run"
    issuer = FakeIssuer()
    with configured([], issuer.sync_verifier(), {}):
        exec(compile(code, str(page), "exec"), vars(namespace))
        tests = {name: test for name, test in vars(namespace).items() if name.startswith("test_")}
        assert tests or page.stem == "index"
        for test in tests.values():
            result = test()
            if inspect.isawaitable(result):
                await result


def test_every_adapter_has_a_page_and_stands_in_the_table() -> None:
    examples = {folder.parent.name for folder in (HOW_TO.parents[1] / "examples").glob("*/app.py")} - {"demonstration"}
    assert {page.stem for page in (HOW_TO / "adapters").glob("*.md")} - {"index"} == examples
    table = (HOW_TO / "adapters/index.md").read_text()
    readme = (HOW_TO.parents[1] / "README.md").read_text()
    for name in examples:
        assert f"]({name}.md)" in table
        assert f"](docs/how-to/adapters/{name}.md)" in readme
        assert f"](examples/{name}/app.py)" in readme
