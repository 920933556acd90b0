"""What commands print: tables for people, tab-separated lines for pipes, JSON for programs.

Holds no wording of single commands. Text from outside is never printed raw: it could steer the terminal.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from watchword.clock import EpochSeconds

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def clean(text: str, *, keep_lines: bool = False) -> str:
    """The text with every character that could steer a terminal or reorder a line made visible, such as ESC as x1b.

    A device name or an email address is chosen by a stranger.
    """
    return "".join(c if _harmless(c) or (keep_lines and c == "\n") else _escaped(c) for c in text)


def _harmless(c: str) -> bool:
    return c == " " or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _escaped(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def moment(at: EpochSeconds | None) -> str | None:
    """An instant in UTC as ``2026-11-20 19:40:07Z``; None for None."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(seconds: float) -> str:
    """A span for people: ``45 s``, ``12 min``, ``5 h``, ``3 d``; rounded down."""
    size = abs(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if size >= 2 * length:
            return f"{'-' if seconds < 0 else ''}{int(size // length)} {unit}"
    return f"{int(seconds)} s"


def emit_json(value: Any) -> None:
    """Print one JSON document. Control characters are escaped by JSON itself."""
    typer.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None, ensure_ascii=True, default=_plain))


def emit_json_line(value: Any) -> None:
    """Print one JSON document on one line."""
    typer.echo(json.dumps(value, ensure_ascii=True, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def emit_rows(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, nothing: str, whole: Collection[str] = ("id",)
) -> None:
    """Print rows; ``columns`` maps a row's key to its heading. For people a table, piped one line a row, tabs between.

    ``whole`` names columns that are never folded, because people copy from them.
    """
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(_cell(row.get(key)) for key in columns))
        return
    if not rows:
        typer.echo(nothing)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        table.add_column(heading, overflow="fold", no_wrap=key in whole)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(key))) for key in columns))
    Console().print(table)


def emit_line(row: Mapping[str, Any]) -> None:
    """Print one row of a table that never ends: cells with two spaces between, piped with a tab."""
    typer.echo(("  " if sys.stdout.isatty() else "\t").join(_cell(value) for value in row.values()))


def emit_facts(facts: Mapping[str, Any]) -> None:
    """Print one thing as lines ``name  value``; piped, with a tab between."""
    aligned = sys.stdout.isatty()
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {_cell(value)}" if aligned else f"{name}\t{_cell(value)}")


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return clean(", ".join(str(item) for item in value)) or "-"
    return clean(str(value))
