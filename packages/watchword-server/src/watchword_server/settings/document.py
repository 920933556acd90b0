"""docs/configuration.md, written from the tree: ``python -m watchword_server.settings.document [file]``.

Does not run in the server.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from watchword_server.settings.schema import LEAVES, SECTIONS, Leaf
from watchword_server.settings.tree import derived_defaults

PATH = Path("docs/configuration.md")

_HEAD = """# Configuration

*Written by `python -m watchword_server.settings.document` from the settings tree; change the tree, not this page.*

Each setting can be given in five ways. The first that gives it wins:

1. a flag of the command;
2. an environment variable: `WATCHWORD_<SECTION>__<FIELD>`, or the short name shown;
3. for secrets, a file named by the same variable with `_FILE` after it (one final line break is left out);
4. `watchword.toml` in the home directory, or the file that `WATCHWORD_CONFIG` names (`[section]`, `field = value`; for
   secrets also `field_file = "path"`, relative to that file);
5. its default.

Durations are seconds, or text such as `10m`, `1h30m`, `7d`. Lists in the environment are parted by commas; tables are
JSON. An unknown setting is refused, with a guess at what was meant; so is, in production, whatever would be insecure. All
problems are told at once.
"""

_CHECKS = """## Refused in production

An `http` issuer; no master key, or one of few different characters; a secret's file that others can read; SQLite with
several workers; `*` or an `http` origin in `cors.origins`; the playground; a feed without a token; a denylist
in clear on another host without a password; `server.trusted_proxies` that include everyone; a listener in clear beyond the machine itself with no proxy before it; password hashing cheaper than
OWASP's least; passwords under 8 characters; debug logs.

## Development

`WATCHWORD_ENVIRONMENT=development` is for your own machine: the issuer may be `http` on localhost or a loopback address, a
master key is made in the home directory (`master.key`, readable by its owner only), and these defaults differ:

"""


def document() -> str:
    """The page, in Markdown."""
    parts = [_HEAD, "## General\n", _table([leaf for leaf in LEAVES.values() if "." not in leaf.path])]
    for name, section in SECTIONS.items():
        leaves = [leaf for path, leaf in LEAVES.items() if path.startswith(f"{name}.")]
        parts += [f"\n## `[{name}]`\n", f"{inspect.getdoc(section) or ''}\n", _table(leaves)]
    development = derived_defaults({"environment": "development"})
    production = derived_defaults({"environment": "production"})
    rows = [f"| `{path}` | `{_show(value)}` |" for path, value in development.items() if path not in production]
    parts += ["\n" + _CHECKS + "| setting | default in development |\n| --- | --- |", *rows]
    return "\n".join(parts) + "\n"


def _table(leaves: Sequence[Leaf]) -> str:
    rows = ["| setting | environment | unit | default | what it does |", "| --- | --- | --- | --- | --- |"]
    for leaf in leaves:
        variables = " or ".join(f"`{variable}`" for variable in leaf.variables)
        if leaf.secret:
            variables += f"; `{leaf.variables[0]}_FILE`"
        description = (leaf.field.description or "").replace("|", "\\|")
        rows.append(f"| `{leaf.path}` | {variables} | {leaf.unit} | {_default(leaf)} | {description} |")
    return "\n".join(rows)


_FOLLOWS = {"audience": "the issuer", "store.url": "`sqlite:///<home>/watchword.db`"}


def _default(leaf: Leaf) -> str:
    if leaf.path in _FOLLOWS:
        return _FOLLOWS[leaf.path]
    if leaf.field.is_required():
        return "required"
    value = leaf.field.get_default(call_default_factory=True, validated_data={})
    return "none" if value is None else f"`{_show(value)}`"


def _show(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case BaseModel():
            return _show(value.model_dump())
        case dict():
            return "{" + ", ".join(f"{name}: {_show(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_show(item) for item in value) + "]"
        case _:
            return str(value)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    target.write_text(document(), encoding="utf-8")
