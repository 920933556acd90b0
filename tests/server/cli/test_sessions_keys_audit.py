"""`watchword sessions`, `keys`, `cutoffs`, `audit` and `tokens` over a store in which people have logged in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from watchword_server.app import Services, open_services
from watchword_server.settings.load import load
from watchword_server.store.records import Origin
from watchword_server.tokens.opening import Opened

from .conftest import Run

Login = Callable[..., Opened]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eFirefox\n\t"


def with_services(work: Callable[[Services], Any]) -> Any:
    settings = load({}, {name: value for name, value in os.environ.items() if name.startswith("WATCHWORD_")}).settings

    async def opened() -> Any:
        async with open_services(settings) as services:
            return await work(services)

    return asyncio.run(opened())


@pytest.fixture
def login(stocked: Run) -> Login:
    """Log somebody in as the server does."""

    def log_in(email: str = "bob@example.test", device: str = "Firefox on Linux") -> Opened:
        async def work(services: Services) -> Opened | None:
            view = await services.accounts.find(email)
            assert view is not None
            return await services.opener.open(
                view,
                delivery="body",
                device_kind="firefox/linux",
                device=device,
                place="192.0.2.1",
                origin=Origin(actor=f"account:{view.account.id}", address="192.0.2.1", user_agent=device),
            )

        opened = with_services(work)
        assert isinstance(opened, Opened)
        return opened

    return log_in


def test_living_sessions_are_listed_of_all_or_of_one_account(stocked: Run, login: Login) -> None:
    login("bob@example.test")
    login("bob@example.test")
    login("ada@example.test")
    assert len(stocked("sessions", "list", "--json").json["sessions"]) == 3
    ours = stocked("sessions", "list", "--account", "bob@example.test", "--json").json["sessions"]
    assert len(ours) == 2
    assert {session["device"] for session in ours} == {"Firefox on Linux"}
    assert len(stocked("sessions", "list").out.splitlines()) == 3


def test_all_sessions_are_listed_in_pages_without_loss_or_repetition(stocked: Run, login: Login) -> None:
    for _ in range(5):
        login()
    seen: list[str] = []
    after: tuple[str, ...] = ()
    while True:
        page = stocked("sessions", "list", "--limit", "2", *after, "--json").json
        seen += [session["sid"] for session in page["sessions"]]
        if page["next_after"] is None:
            break
        after = ("--after", page["next_after"])
    assert len(seen) == len(set(seen)) == 5


def test_a_device_name_cannot_steer_the_terminal_of_who_lists_it(stocked: Run, login: Login) -> None:
    login(device=HOSTILE)
    for shown in (stocked("sessions", "list"), stocked("audit", "list"), stocked("sessions", "list", "--json")):
        assert shown.code == 0
        assert not {"\x1b", "\x07", "\u202e"}.intersection(shown.out)
    assert len(stocked("sessions", "list").out.splitlines()) == 1


def test_an_ended_session_is_gone_and_ends_once(stocked: Run, login: Login) -> None:
    login()
    [session] = stocked("sessions", "list", "--json").json["sessions"]
    assert stocked("sessions", "end", session["sid"], "--json").json == {"sid": session["sid"], "ended": True}
    again = stocked("sessions", "end", session["sid"])
    assert again.code == 1
    assert "no living session" in again.err
    assert stocked("sessions", "list", "--json").json["sessions"] == []
    [cut_off] = stocked("cutoffs", "list", "--json").json["cut_offs"]
    assert (cut_off["axis"], cut_off["value"]) == ("session", session["sid"])


def test_all_sessions_of_an_account_end_by_one_cut_off(stocked: Run, login: Login) -> None:
    for _ in range(3):
        login()
    login("ada@example.test")
    assert stocked("sessions", "end-all", "bob@example.test", "--yes", "--json").code == 0
    assert len(stocked("sessions", "list", "--json").json["sessions"]) == 1
    assert len(stocked("cutoffs", "list", "--json").json["cut_offs"]) == 1


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_what_cannot_be_undone_is_asked_first_and_anything_but_yes_is_no(
    stocked: Run, login: Login, answer: str
) -> None:
    login()
    refused = stocked("sessions", "end-all", "bob@example.test", stdin=answer)
    assert refused.code == 1
    assert "nothing was done" in refused.err
    active = next(key for key in stocked("keys", "list", "--json").json["keys"] if key["state"] == "active")
    assert stocked("keys", "distrust", active["kid"], stdin=answer).code == 1
    assert len(stocked("sessions", "list", "--json").json["sessions"]) == 1
    assert not any(key["state"] == "distrusted" for key in stocked("keys", "list", "--json").json["keys"])


def signing_keys(watchword: Run) -> dict[str, str]:
    keys = watchword("keys", "list", "--json").json["keys"]
    return {key["state"]: key["kid"] for key in keys if key["purpose"] == "access_token"}


def test_keys_are_listed_without_anything_private(stocked: Run, login: Login) -> None:
    login()
    listed = stocked("keys", "list", "--json")
    assert set(signing_keys(stocked)) == {"active", "next"}
    assert all(
        set(key) == {"kid", "purpose", "algorithm", "state", "created_at", "activated_at", "retired_at"}
        for key in listed.json["keys"]
    )


def test_rotating_waits_until_verifiers_know_the_next_key_unless_told_otherwise(stocked: Run, login: Login) -> None:
    login()
    before = signing_keys(stocked)
    refused = stocked("keys", "rotate")
    assert refused.code == 1
    assert "--at-once" in refused.err
    assert signing_keys(stocked) == before
    assert stocked("keys", "rotate", "--at-once").code == 0
    after = signing_keys(stocked)
    assert (after["active"], after["retired"]) == (before["next"], before["active"])
    assert after["next"] not in before.values()


def test_a_distrusted_key_kills_what_it_signed(stocked: Run, login: Login) -> None:
    token = login().access_token
    assert stocked("tokens", "inspect", "--verify", "--json", stdin=token).json["verified"] is True
    active = signing_keys(stocked)["active"]
    assert stocked("keys", "distrust", active, "--yes").code == 0
    assert signing_keys(stocked)["distrusted"] == active
    assert stocked("tokens", "inspect", "--verify", stdin=token).code == 1
    assert stocked("keys", "distrust", active, "--yes").code == 1
    assert stocked("keys", "distrust", "no-such-key", "--yes").code == 1


def test_a_token_is_shown_loudly_unverified(stocked: Run, login: Login) -> None:
    opened = login()
    shown = stocked("tokens", "inspect", stdin=opened.access_token)
    assert shown.code == 0
    assert shown.out.startswith("UNVERIFIED")
    assert opened.access_token.rpartition(".")[2] not in shown.out
    told = stocked("tokens", "inspect", "--json", stdin=f"Bearer {opened.access_token}\n").json
    assert told["verified"] is False
    assert told["header"]["typ"] == "at+jwt"
    assert {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "rev", "sid"} <= set(told["claims"])


def test_an_argument_is_taken_with_a_warning(stocked: Run, login: Login) -> None:
    shown = stocked("tokens", "inspect", login().access_token)
    assert shown.code == 0
    assert "seen by every user" in shown.err


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (("sessions", "end-all", "bob@example.test", "--yes"), "cut off"),
        (("accounts", "disable", "bob@example.test"), "cut off"),
    ],
)
def test_verifying_tells_a_token_that_was_revoked(stocked: Run, login: Login, act: tuple[str, ...], fault: str) -> None:
    opened = login()
    for token in (opened.access_token, opened.refresh_token):
        good = stocked("tokens", "inspect", "--verify", "--json", stdin=token)
        assert (good.code, good.json["verified"], good.json["fault"]) == (0, True, None)
    assert stocked(*act).code == 0
    dead = stocked("tokens", "inspect", "--verify", "--json", stdin=opened.access_token)
    assert (dead.code, dead.json["verified"]) == (1, False)
    assert fault in dead.json["fault"]
    ended = stocked("tokens", "inspect", "--verify", "--json", stdin=opened.refresh_token)
    assert (ended.code, ended.json["verified"]) == (1, False)


def test_verifying_refuses_what_somebody_else_made(stocked: Run, login: Login) -> None:
    opened = login()
    head, payload, signature = opened.access_token.split(".")
    forged = f"{head}.{payload}.{'A' * len(signature)}"
    refused = stocked("tokens", "inspect", "--verify", stdin=forged)
    assert refused.code == 1
    assert refused.out.startswith("REFUSED")
    body, _, mac = opened.refresh_token.rpartition(".")
    refused = stocked("tokens", "inspect", "--verify", "--json", stdin=f"{body}.{'A' * len(mac)}")
    assert refused.json["fault"] == "this server did not make it"


def test_a_refresh_token_is_shown_without_its_mac(stocked: Run, login: Login) -> None:
    token = login().refresh_token
    shown = stocked("tokens", "inspect", stdin=token)
    assert shown.out.startswith("UNVERIFIED")
    assert token.rpartition(".")[2] not in shown.out


@pytest.mark.parametrize(
    "garbage", ["", "x", "a.b", "a.b.c", "wr_short", "\x00\xff", "é" * 10, "e30.e30.", "A" * 20000, "." * 5000]
)
def test_what_is_no_token_is_told_in_one_line(watchword: Run, garbage: str) -> None:
    refused = watchword("tokens", "inspect", stdin=garbage)
    assert refused.code == 1
    assert refused.err.startswith("watchword: that ")
    assert "unexpected" not in refused.err


def test_the_audit_log_is_listed_newest_first_in_pages(stocked: Run, login: Login) -> None:
    login()
    everything = stocked("audit", "list", "--json").json["entries"]
    ids = [entry["id"] for entry in everything]
    assert ids == sorted(ids, reverse=True)
    first = stocked("audit", "list", "--limit", "2", "--json").json
    rest = stocked("audit", "list", "--before", str(first["next_before"]), "--json").json
    assert [entry["id"] for entry in first["entries"] + rest["entries"]] == ids


def test_the_audit_log_is_filtered_by_account_and_event(stocked: Run, login: Login) -> None:
    login()
    found = stocked("audit", "list", "--account", "bob@example.test", "--event", "session.started", "--json").json[
        "entries"
    ]
    assert len(found) == 1
    assert found[0]["address"] == "192.0.2.1"
    assert stocked("audit", "list", "--event", "no.such.event", "--json").json["entries"] == []


def test_doctor_finds_a_well_installation(stocked: Run, login: Login) -> None:
    login()
    levels = {finding["name"]: finding["level"] for finding in stocked("doctor", "--json").json["findings"]}
    for name in ("store", "clock", "keys", "sealed keys", "administrator", "database file"):
        assert levels[name] == "ok", name


def test_another_master_key_is_told_by_doctor_and_by_every_command(
    stocked: Run, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    login()
    monkeypatch.setenv("WATCHWORD_MASTER_KEY", "another-master-key-of-at-least-32-bytes-0123456789")
    looked = stocked("doctor", "--json")
    assert looked.code == 1
    assert [f["name"] for f in looked.json["findings"] if f["level"] == "fail"] == ["sealed keys"]
    refused = stocked("keys", "list")
    assert refused.code == 1
    assert "master key" in refused.err
    assert "unexpected" not in refused.err


def test_keys_of_an_algorithm_that_is_not_offered_or_of_another_purpose_are_not_rotated(stocked: Run) -> None:
    for arguments in (("--algorithm", "HS256"), ("--purpose", "feed", "--algorithm", "ES256")):
        refused = stocked("keys", "rotate", *arguments)
        assert refused.code == 2
    assert stocked("keys", "rotate", "--algorithm", "ES256", "--at-once").code == 0
