"""`watchword migrate` and `watchword doctor`: the schema, and the state of an installation."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run


def levels(outcome: Any) -> dict[str, str]:
    return {finding["name"]: finding["level"] for finding in outcome.json["findings"]}


def test_migrating_makes_a_store_that_only_its_owner_can_read(watchword: Run, home: Path) -> None:
    assert watchword("migrate", "--json").json == {"up_to_date": True}
    assert stat.S_IMODE((home / "watchword.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_migrating_twice_changes_nothing(watchword: Run) -> None:
    assert watchword("migrate").code == 0
    assert watchword("migrate").code == 0


def test_a_fresh_place_is_well(watchword: Run) -> None:
    looked = watchword("doctor", "--json")
    assert looked.code == 0
    assert looked.json["ok"] is True
    assert all(set(finding) == {"level", "name", "message", "mend"} for finding in looked.json["findings"])


def test_every_line_that_is_not_well_names_its_mend(watchword: Run) -> None:
    watchword("migrate")
    looked = watchword("doctor", "--json")
    assert all(finding["mend"] for finding in looked.json["findings"] if finding["level"] != "ok")
    printed = watchword("doctor").out
    assert printed.count("mend: ") == sum(finding["level"] != "ok" for finding in looked.json["findings"])


def test_bad_settings_are_findings_and_fail(watchword: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_ENVIRONMENT", "production")
    monkeypatch.setenv("WATCHWORD_ISSUER", "http://login.example.com")
    looked = watchword("doctor", "--json")
    assert looked.code == 1
    assert looked.json["ok"] is False
    [finding] = looked.json["findings"]
    assert finding["level"] == "fail"
    assert finding["message"].startswith("master_key")
    assert "WATCHWORD_MASTER_KEY_FILE" in finding["mend"]


def test_files_open_to_others_are_noticed(watchword: Run, home: Path) -> None:
    watchword("migrate")
    (home / "watchword.db").chmod(0o644)
    home.chmod(0o755)
    found = levels(watchword("doctor", "--json"))
    assert found["database file"] == "warn"
    assert found["home"] == "warn"


def test_a_home_that_cannot_be_written_is_bad(watchword: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watchword("migrate")
    # Root may write everywhere, so what the system would say to others is said here.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != home)
    looked = watchword("doctor", "--json")
    assert looked.code == 1
    assert levels(looked)["home"] == "fail"


def test_a_pending_migration_is_bad_and_names_the_command(watchword: Run, home: Path) -> None:
    watchword("config", "check")
    sqlite3.connect(home / "watchword.db").close()
    looked = watchword("doctor", "--json")
    assert looked.code == 1
    [finding] = [finding for finding in looked.json["findings"] if finding["level"] == "fail"]
    assert finding["name"] == "store"
    assert "watchword migrate" in finding["mend"]


def test_a_database_of_a_newer_version_is_told(watchword: Run, home: Path) -> None:
    watchword("migrate")
    with sqlite3.connect(home / "watchword.db") as database:
        table = next(
            name
            for (name,) in database.execute("select name from sqlite_master where type = 'table'")
            if "schema" in name or "migration" in name
        )
        columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
        row = list(database.execute(f"select * from {table} order by 1 desc limit 1").fetchone())
        row[columns.index("version")] = 9999
        database.execute(f"insert into {table} values ({','.join('?' * len(row))})", row)
    database.close()
    refused = watchword("keys", "list")
    assert refused.code == 1
    assert "newer" in refused.err
