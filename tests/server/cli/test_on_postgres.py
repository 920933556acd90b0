"""The same commands over PostgreSQL: made, looked after, examined; and what is told when it is away."""

from __future__ import annotations

import pytest

from .conftest import Run

PASSWORD = "correct horse battery\n"


@pytest.fixture
def over_postgres(watchword: Run, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WATCHWORD_STORE__URL", postgres_dsn)
    return watchword


def test_a_store_is_made_and_looked_after(over_postgres: Run) -> None:
    before = over_postgres("doctor", "--json")
    assert before.code == 1
    assert "watchword migrate" in next(f["mend"] for f in before.json["findings"] if f["level"] == "fail")
    assert over_postgres("migrate").code == 0
    made = over_postgres(
        "accounts", "create", "ada@example.test", "--role", "admin", "--password-stdin", "--json", stdin=PASSWORD
    )
    assert made.code == 0, made.err
    assert over_postgres("accounts", "disable", "ada@example.test", "--json").json["changed"] is True
    assert over_postgres("accounts", "enable", "ada@example.test", "--json").json["changed"] is True
    [cut_off] = over_postgres("cutoffs", "list", "--json").json["cut_offs"]
    assert (cut_off["axis"], cut_off["value"]) == ("account", made.json["account"]["id"])
    events = [entry["event"] for entry in over_postgres("audit", "list", "--json").json["entries"]]
    assert events[:3] == ["account.enabled", "account.disabled", "account.created"]
    levels = {finding["name"]: finding["level"] for finding in over_postgres("doctor", "--json").json["findings"]}
    assert {levels[name] for name in ("store", "clock", "keys", "sealed keys", "administrator")} == {"ok"}


@pytest.mark.parametrize("command", [("accounts", "list"), ("migrate",), ("keys", "list")], ids=" ".join)
def test_a_database_that_is_away_is_told_in_one_line_without_its_address(
    watchword: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WATCHWORD_STORE__URL", "postgresql://watchword:store-secret@127.0.0.1:1/watchword")
    refused = watchword(*command)
    assert refused.code == 1
    assert refused.err.startswith("watchword: the store cannot be used")
    assert "store-secret" not in refused.err
    assert "Traceback" not in refused.err
