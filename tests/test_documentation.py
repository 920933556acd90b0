"""Pages lead where they say: links inside the repository exist, every page is in the site's menu, commands exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from watchword.cli.main import OWN
from watchword_server.cli import app
from watchword_server.settings.load import load

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
FENCED = re.compile(r"^```(?:bash|console|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


def files_of(menu: Any) -> list[str]:
    if isinstance(menu, str):
        return [menu]
    items = menu.values() if isinstance(menu, dict) else menu
    return [file for item in items for file in files_of(item)]


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = files_of(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    listed = {page for page in pages if re.match(r"decisions/\d|rfc/(?!index)", page)}  # by decisions/ and rfc/index.md
    assert sorted(menu) == sorted(pages - listed)


def commands_told() -> list[tuple[str, list[str]]]:
    told = []
    for page in PAGES:
        if page.name == "cli.md":
            continue
        text = page.read_text()
        lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
        lines += [line.replace("`", "") for line in re.findall(r"`watchword [^`]+`", text)]
        for line in lines:
            found = re.search(r"(?:^|\s|/)watchword ((?:[a-z-]+ ?)[^<|#]*)", line)
            if found and not line.lstrip().startswith(("git", "pip", "#")):
                told.append((str(page.relative_to(ROOT)), shlex.split(found[1].removesuffix("\\"))))
    return told


def test_every_command_that_a_page_tells_exists_with_its_options() -> None:
    told = commands_told()
    assert len(told) >= 20
    for page, words in told:
        command: Any = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not getattr(command, "commands", {}), f"{page}: watchword … {words}"
        options = {name for parameter in command.params for name in parameter.opts}
        if command.name in OWN:
            options = set(import_module(OWN[command.name][0])._parser()._option_string_actions)
        for word in words:
            assert not word.startswith("--") or word in options, f"{page}: {word}"


def test_what_the_production_page_sets_is_enough_for_production(tmp_path: Path) -> None:
    text = (ROOT / "docs/how-to/production.md").read_text()
    given = dict(re.findall(r"export (WATCHWORD_[A-Z_]+)=(\S+)", text))
    for name, value in given.items():
        if value.startswith("/"):
            given[name] = str(tmp_path / Path(value).name)
            if name.endswith("_FILE"):
                Path(given[name]).write_text("Q2xvc2UgdGhlIGdhdGUgYmVoaW5kIHlvdSwgc3RyYW5nZXI=")
                Path(given[name]).chmod(0o600)
    assert load({}, given).settings.environment == "production"


@pytest.mark.parametrize("package", ["watchword", "watchword-server"])
def test_the_architecture_names_every_room_there_is_and_no_other(package: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    source = f"packages/{package}/src/{package.replace('-', '_')}"
    tree = text.partition(f"{source}/")[2].partition("```")[0]
    drawn = set(re.findall(r"^  ([a-z_]+)(?:/|\.py)", tree, re.MULTILINE))
    rooms = {
        entry.stem
        for entry in (ROOT / source).iterdir()
        if (entry.suffix == ".py" or (entry / "__init__.py").exists()) and not entry.name.startswith("__")
    }
    assert drawn == rooms - {"pytest_plugin"}


@pytest.mark.parametrize("room", ["flows", "model", "vectors"])
def test_the_architecture_draws_only_tests_that_are_there(room: str) -> None:
    assert any((ROOT / "tests" / room).iterdir())
