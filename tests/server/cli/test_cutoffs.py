"""`watchword cutoffs add`: what it shows before it acts, what it refuses, and how it ends."""

from __future__ import annotations

import pytest

from .conftest import Run
from .test_sessions_keys_audit import Login, login  # noqa: F401 - a fixture


def cut_offs(run: Run) -> list[tuple[str, str]]:
    return [(entry["axis"], entry["cause"]) for entry in run("cutoffs", "list", "--json").json["cut_offs"]]


def test_it_shows_what_dies_and_asks_before_it_acts(stocked: Run, login: Login) -> None:  # noqa: F811
    login("bob@example.test")
    login("bob@example.test")
    refused = stocked("cutoffs", "add", "account", "bob@example.test", "--cause", "lost laptop", stdin="n\n")
    assert refused.code == 1
    assert "2 sessions of 1 account, 1 client" in refused.err
    assert cut_offs(stocked) == []
    done = stocked("cutoffs", "add", "account", "bob@example.test", "--cause", "lost laptop", stdin="y\n")
    assert done.code == 0
    assert "position 1: 2 sessions of 1 account" in done.out
    assert cut_offs(stocked) == [("account", "lost laptop")]
    assert stocked("sessions", "list", "--json").json["sessions"] == []


def test_access_tokens_alone_can_be_cut_off_and_sessions_live_on(stocked: Run, login: Login) -> None:  # noqa: F811
    login("bob@example.test")
    done = stocked("cutoffs", "add", "everything", "--tokens-only", "--yes", "--json")
    assert done.code == 0
    assert done.json["preview"] == {
        "sessions": 1,
        "accounts": 1,
        "clients": 1,
        "at_least": False,
        "known": None,
        "standing": None,
        "summary": "access tokens of 1 session of 1 account, 1 client; the sessions live on and can refresh",
    }
    assert done.json["cut_off"]["axis"] == "everything"
    assert len(stocked("sessions", "list", "--json").json["sessions"]) == 1


def test_a_value_that_looks_like_an_option_is_told_how_to_be_written(stocked: Run) -> None:
    assert "write -- before a value" in stocked("cutoffs", "add", "session", "-T_GjHmAmUsY27FqzlDshA", "--yes").err
    written = stocked("cutoffs", "add", "--yes", "session", "--", "-T_GjHmAmUsY27FqzlDshA")
    assert "no such option" not in written.err.lower()


def test_a_session_is_ended_and_a_key_distrusted_by_it(stocked: Run, login: Login) -> None:  # noqa: F811
    sid = login("bob@example.test").sid
    assert stocked("cutoffs", "add", "session", sid, "--yes").code == 0
    assert stocked("sessions", "list", "--json").json["sessions"] == []
    assert stocked("cutoffs", "add", "session", sid, "--yes").code == 0, "dead is dead"
    kid = next(
        key["kid"]
        for key in stocked("keys", "list", "--json").json["keys"]
        if key["purpose"] == "access_token" and key["state"] == "active"
    )
    assert stocked("cutoffs", "add", "key", kid, "--yes").code == 0
    states = {key["kid"]: key["state"] for key in stocked("keys", "list", "--json").json["keys"]}
    assert states[kid] == "distrusted"
    assert sorted(axis for axis, _ in cut_offs(stocked)) == ["key", "session"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("family", "x"), 2),
        (("account",), 2),
        (("everything", "x"), 2),
        (("session", "x", "--tokens-only"), 2),
        (("client", "web\x1b[2J"), 2),
        (("client", "web", "--cause", ""), 2),
        (("account", "nobody@example.test"), 1),
        (("session", "nobody"), 1),
        (("key", "nokey"), 1),
    ],
)
def test_what_is_no_cut_off_or_names_nothing_is_refused(stocked: Run, arguments: tuple[str, ...], code: int) -> None:
    refused = stocked("cutoffs", "add", *arguments, "--yes")
    assert refused.code == code
    assert refused.err.startswith("watchword: ")
    assert "\x1b" not in refused.err
    assert cut_offs(stocked) == []


def test_after_a_restore_a_new_epoch_cuts_off_everything_before_it(stocked: Run, login: Login) -> None:  # noqa: F811
    login("bob@example.test")
    refused = stocked("cutoffs", "begin-epoch", stdin="n\n")
    assert refused.code == 1
    assert len(stocked("sessions", "list", "--json").json["sessions"]) == 1
    first = stocked("cutoffs", "begin-epoch", "--yes", "--json").json
    second = stocked("cutoffs", "begin-epoch", "--yes", "--json").json
    assert first["epoch"] != second["epoch"]
    assert second["position"] > first["position"] > 1_000_000
    assert stocked("sessions", "list", "--json").json["sessions"] == []
    assert cut_offs(stocked)[-1][0] == "everything"
    login("bob@example.test")
    assert len(stocked("sessions", "list", "--json").json["sessions"]) == 1
    assert "log.epoch_begun" in {entry["event"] for entry in stocked("audit", "list", "--json").json["entries"]}
