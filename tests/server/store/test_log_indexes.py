"""A long log costs no act more than a short one: SQLite finds a cut-off by its index. Steps are counted, not time."""

import sqlite3
import time

import pytest
from watchword_server.store.open import store_from_url
from watchword_server.store.reach import reach_statement
from watchword_server.store.sqlite_log import Told, write_cut_off
from watchword_server.store.sqlite_sessions import _VIEW

LONG = 3000


@pytest.fixture
async def connection(tmp_path):
    store = store_from_url(f"sqlite:///{tmp_path}/w.db")
    await store.open(migrate=True)
    await store.close()
    connection = sqlite3.connect(tmp_path / "w.db", isolation_level=None)
    connection.execute("BEGIN")
    yield connection
    connection.close()


def write(connection, value, axis="token"):
    return write_cut_off(connection, time.time(), 60.0, Told(axis, value, "test"))


def view(connection, jti):
    connection.execute(_VIEW, (time.time(), "s1", "ada", jti)).fetchall()


def reach(connection, value):
    sql = reach_statement("token", greatest="max", now="?1", value="?2", axis_value="?3", limit="?4")
    connection.execute(sql, (time.time(), value, "token", 100)).fetchall()


def people(connection):
    """An account with a session, to be looked at."""
    connection.execute("PRAGMA foreign_keys = OFF")
    for table, given in (
        ("accounts", {"id": "ada", "email": "ada", "email_key": "ada"}),
        ("sessions", {"sid": "s1", "account_id": "ada"}),
        ("families", {"id": "f1", "sid": "s1"}),
    ):
        columns = connection.execute(f"SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info('{table}')")
        filling = {"TEXT": "", "REAL": 4e9, "INTEGER": 0, "BLOB": b""}
        row = {
            name: given.get(name, filling[kind])
            for name, kind, required, default in columns.fetchall()
            if name in given or (required and default is None)
        }
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def steps(connection, act):
    """How often SQLite's machine reports while it acts: once in 20 of its steps."""
    count = 0

    def report():
        nonlocal count
        count += 1

    connection.set_progress_handler(report, 20)
    try:
        act()
    finally:
        connection.set_progress_handler(None, 0)
    return count


@pytest.mark.parametrize("act", [write, view, reach])
def test_a_long_log_costs_no_more_steps_than_a_short_one(connection, act):
    people(connection)
    for number in range(10):
        write(connection, f"first{number}")
    short = steps(connection, lambda: act(connection, "one"))
    for number in range(LONG):
        write(connection, f"t{number}")
    assert steps(connection, lambda: act(connection, "other")) <= short + 5
