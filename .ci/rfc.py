"""Writes docs/rfc/: for each RFC what it demands of the server or the library, and the tests that hold it, or none.

Judges no test: a test says by its mark what it holds, `@pytest.mark.rfc("9449 §4.3/2")` the second demand of a section,
`"9449 §4.3"` the only one. Reads the marks without running anything.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs/rfc"
Marks = dict[str, list[str]]
SHOWN = 3
"""Tests named beside one demand."""


def marks(tests: Path = ROOT / "tests") -> Marks:
    """Mark -> the tests that bear it, as ``tests/path.py::name``."""
    found: Marks = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        name = path.relative_to(ROOT).as_posix()
        for node, around in _functions(tree, _module_marks(tree)):
            for mark in (*around, *_marks_of(node.decorator_list)):
                found[mark].append(f"{name}::{node.name}")
    return found


def _functions(
    tree: ast.AST, around: tuple[str, ...]
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, tuple[str, ...]]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield node, around
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, (*around, *_marks_of(node.decorator_list)))


def _module_marks(tree: ast.Module) -> tuple[str, ...]:
    values = [
        n.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "pytestmark"
    ]
    return tuple(mark for value in values for mark in _marks_of([value]))


def _marks_of(decorators: list[ast.expr]) -> Iterator[str]:
    """Also those of single parameters: ``pytest.param(..., marks=pytest.mark.rfc("…"))``."""
    for decorator in decorators:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "rfc":
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def page(number: str, document: dict, found: Marks) -> tuple[str, int, int]:
    """The page of one RFC, how many of its demands are held, and how many there are."""
    demands = document["must"]
    several: dict[str, int] = defaultdict(int)
    for demand in demands:
        several[demand["section"]] += 1
    lines = [f"# RFC {number}: {document['title']}", ""] if number.isdigit() else [f"# {document['title']}", ""]
    lines += [document.get("note", ""), ""] if document.get("note") else []
    lines += ["| § | demand | held by |", "|---|---|---|"]
    counter: dict[str, int] = defaultdict(int)
    held = 0
    for demand in demands:
        section = demand["section"]
        counter[section] += 1
        place = f"{section}/{counter[section]}" if several[section] > 1 else section
        tests = found.get(f"{number} §{place}", [])
        if not tests and "by" in demand:
            cell = demand["by"]
            held += 1
        else:
            cell = _named(tests)
            held += bool(tests)
        lines.append(f"| {place} | {demand['text']} | {cell} |")
    return "\n".join(lines) + "\n", held, len(demands)


def _named(tests: list[str]) -> str:
    """Three of them, and how many more there are."""
    names = sorted(set(tests))
    more = f"<br>and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "<br>".join(f"`{name}`" for name in names[:SHOWN]) + more if names else "**none**"


def pages() -> dict[str, str]:
    """Every page of the ledger, by its path from the root."""
    found = marks()
    made: dict[str, str] = {}
    rows = []
    for source in sorted((FOLDER / "requirements").glob("*.toml")):
        document = tomllib.loads(source.read_text())
        text, held, total = page(source.stem, document, found)
        made[f"docs/rfc/{source.stem}.md"] = text
        name = f"[RFC {source.stem}]" if source.stem.isdigit() else f"[{document['title']}]"
        title = document["title"] if source.stem.isdigit() else ""
        rows.append(f"| {name}({source.stem}.md) | {title} | {held} of {total} |")
    head = (
        "# What the standards demand, and which test holds it\n\n"
        "For each standard the demands (MUST, MUST NOT, REQUIRED) on an authorization server or a resource server, in our "
        "own words, and the tests that hold them, or a sentence where the way it is built leaves nothing to test. **none** "
        "means just that: nothing fails if it is broken. Demands on clients alone are left out. Generated from "
        "`requirements/` and the marks of the tests by `.ci/rfc.py`.\n\n| standard | | held |\n|---|---|---|\n"
    )
    made["docs/rfc/index.md"] = head + "\n".join(rows) + "\n"
    return made


def strays() -> list[str]:
    """Marks that name no demand of an RFC that has a list: a slip of the pen, or a list that lacks something."""
    known = set()
    numbers = set()
    for source in (FOLDER / "requirements").glob("*.toml"):
        numbers.add(source.stem)
        counter: dict[str, int] = defaultdict(int)
        for demand in tomllib.loads(source.read_text())["must"]:
            counter[demand["section"]] += 1
            known |= {
                f"{source.stem} §{demand['section']}",
                f"{source.stem} §{demand['section']}/{counter[demand['section']]}",
            }
    return sorted(mark for mark in marks() if mark.partition(" ")[0] in numbers and mark not in known)


if __name__ == "__main__":
    for stray in strays():
        print("names no demand on the list:", stray)
    sys.stdout.write(pages()["docs/rfc/index.md"])
