"""The schema as numbered steps, one folder a dialect: `migrations/sqlite/0001_initial.sql`. A released step is never edited.

Holds reading and checking of them; running them under a lock is each engine's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Literal

import msgspec

from watchword_server.store.port import SchemaMismatch

Dialect = Literal["sqlite", "postgres"]

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Step(msgspec.Struct, frozen=True):
    """One step: its number, its name, the SQL and the checksum recorded once it was run."""

    version: int
    name: str
    sql: str
    checksum: str


def steps(dialect: Dialect) -> tuple[Step, ...]:
    """All steps of a dialect in order, numbered from 1 without a gap."""
    found = []
    for entry in files(__package__).joinpath("migrations", dialect).iterdir():
        if (match := _NAME.fullmatch(entry.name)) is not None:
            sql = entry.read_text(encoding="utf-8")
            found.append(Step(int(match[1]), match[2], sql, sha256(sql.encode()).hexdigest()))
    return tuple(sorted(found, key=lambda step: step.version))


def missing(dialect: Dialect, done: Mapping[int, str]) -> tuple[Step, ...]:
    """The steps yet to run, given version and checksum of those that were.

    Raises SchemaMismatch when the database is newer than this program or was made by an edited step.
    """
    known = steps(dialect)
    newest = max(done, default=0)
    if newest > len(known):
        raise SchemaMismatch(
            f"the database has schema {newest} and this version of Watchword knows {len(known)}: run a newer Watchword"
        )
    for step in known[:newest]:
        if done.get(step.version) != step.checksum:
            raise SchemaMismatch(f"schema step {step.version} ({step.name}) of the database is not this Watchword's")
    return known[newest:]


def outdated(dialect: Dialect, pending: tuple[Step, ...]) -> SchemaMismatch:
    """What to raise when steps are pending and may not be run."""
    known = len(steps(dialect))
    return SchemaMismatch(
        f"the database has schema {known - len(pending)} and this version of Watchword needs {known}: "
        "run `watchword migrate`"
    )
