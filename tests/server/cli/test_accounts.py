"""`watchword accounts`: made, found, changed; passwords never in arguments nor in what is printed."""

from __future__ import annotations

import pytest

from .conftest import Run

PASSWORD = "correct horse battery"


def test_a_created_account_is_listed_and_shown(stocked: Run) -> None:
    listed = stocked("accounts", "list", "--json").json
    assert [account["email"] for account in listed["accounts"]] == ["ada@example.test", "bob@example.test"]
    assert listed["next_after"] is None
    for who in ("ada@example.test", "ADA@example.test", listed["accounts"][0]["id"]):
        account = stocked("accounts", "show", who, "--json").json["account"]
        assert account["email"] == "ada@example.test"
        assert account["roles"] == ["admin"]


def test_an_account_is_found_by_username_too(stocked: Run) -> None:
    made = stocked(
        "accounts",
        "create",
        "cyd@example.test",
        "--username",
        "cyd",
        "--password-stdin",
        "--json",
        stdin=PASSWORD + "\n",
    )
    assert made.code == 0, made.err
    assert made.json["account"]["roles"] == ["user"]
    assert stocked("accounts", "show", "cyd", "--json").json["account"]["id"] == made.json["account"]["id"]


def test_accounts_are_listed_in_pages(stocked: Run) -> None:
    first = stocked("accounts", "list", "--limit", "1", "--json").json
    second = stocked("accounts", "list", "--limit", "1", "--after", first["next_after"], "--json").json
    assert [page["accounts"][0]["email"] for page in (first, second)] == ["ada@example.test", "bob@example.test"]


def test_a_search_finds_a_part_literally(stocked: Run) -> None:
    assert len(stocked("accounts", "list", "--search", "bob", "--json").json["accounts"]) == 1
    assert stocked("accounts", "list", "--search", "%", "--json").json["accounts"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "ada@example.test", "--password-stdin"),
        ("create", "no address", "--password-stdin"),
        ("create", "new@example.test", "--role", "emperor", "--password-stdin"),
    ],
)
def test_an_account_that_cannot_be_is_refused_in_one_line(stocked: Run, arguments: tuple[str, ...]) -> None:
    refused = stocked("accounts", *arguments, stdin=PASSWORD + "\n")
    assert refused.code == 1
    assert refused.err.startswith("watchword: ")
    assert "Traceback" not in refused.err
    assert "unexpected" not in refused.err
    assert len(stocked("accounts", "list", "--json").json["accounts"]) == 2


def test_a_weak_password_is_refused_and_not_repeated(stocked: Run) -> None:
    refused = stocked("accounts", "create", "new@example.test", "--password-stdin", stdin="password\n")
    assert refused.code == 1
    assert "unexpected" not in refused.err
    assert "password" in refused.err.lower()
    assert len(stocked("accounts", "list", "--json").json["accounts"]) == 2


def test_the_password_is_no_argument(stocked: Run) -> None:
    for command in ("create", "set-password"):
        assert stocked("accounts", command, "new@example.test", "--password", PASSWORD).code == 2
        assert stocked("accounts", command, "new@example.test", PASSWORD).code == 2


@pytest.mark.parametrize("command", ["create", "set-password"])
def test_without_a_terminal_the_password_has_to_come_by_standard_input(stocked: Run, command: str) -> None:
    refused = stocked("accounts", command, "bob@example.test", stdin=PASSWORD)
    assert refused.code == 2
    assert "--password-stdin" in refused.err


@pytest.mark.parametrize(("stdin", "fault"), [("", "no password"), ("\n", "no password"), (b"\xff\xfe\n", "UTF-8")])
def test_an_unusable_password_on_standard_input_is_told(stocked: Run, stdin: str | bytes, fault: str) -> None:
    refused = stocked("accounts", "set-password", "bob@example.test", "--password-stdin", stdin=stdin)
    assert refused.code == 1
    assert fault in refused.err


def test_a_password_is_printed_only_when_it_was_made_here(stocked: Run) -> None:
    made = stocked("accounts", "create", "new@example.test", "--generate", "--json")
    assert made.code == 0, made.err
    assert len(made.json["password"]) >= 20
    given = stocked("accounts", "create", "two@example.test", "--password-stdin", "--json", stdin=PASSWORD + "\n")
    assert PASSWORD not in given.out + given.err
    assert "password" not in given.json
    assert stocked("accounts", "create", "x@example.test", "--generate", "--password-stdin", stdin="x").code == 2


def test_a_changed_password_cuts_the_account_off(stocked: Run) -> None:
    changed = stocked(
        "accounts", "set-password", "bob@example.test", "--password-stdin", "--json", stdin="another horse battery\n"
    )
    assert changed.code == 0, changed.err
    assert changed.json["changed"] is True
    [cut_off] = stocked("cutoffs", "list", "--json").json["cut_offs"]
    assert (cut_off["axis"], cut_off["value"]) == ("account", changed.json["account"])


def test_disabling_and_enabling_say_whether_anything_changed(stocked: Run) -> None:
    assert stocked("accounts", "disable", "bob@example.test", "--json").json["changed"] is True
    assert stocked("accounts", "disable", "bob@example.test", "--json").json["changed"] is False
    assert stocked("accounts", "show", "bob@example.test", "--json").json["account"]["disabled_at"] is not None
    assert stocked("accounts", "enable", "bob@example.test", "--json").json["changed"] is True
    assert stocked("accounts", "enable", "bob@example.test", "--json").json["changed"] is False
    assert "is disabled" in stocked("accounts", "disable", "bob@example.test").out


def test_roles_are_set_as_a_whole_and_only_roles_there_are(stocked: Run) -> None:
    assert stocked("accounts", "roles", "bob@example.test", "admin", "user", "--json").json["roles"] == [
        "admin",
        "user",
    ]
    refused = stocked("accounts", "roles", "bob@example.test", "emperor")
    assert refused.code == 1
    assert "there are: admin, user" in refused.err
    assert stocked("accounts", "roles", "bob@example.test").code == 2
    assert stocked("accounts", "roles", "bob@example.test", "user", "--none").code == 2
    assert stocked("accounts", "roles", "bob@example.test", "--none", "--json").json["roles"] == []


@pytest.mark.parametrize(
    "arguments", [("show",), ("disable",), ("enable",), ("roles", "user"), ("set-password", "--generate")], ids=" ".join
)
def test_an_unknown_account_is_told_with_the_way_to_find_it(stocked: Run, arguments: tuple[str, ...]) -> None:
    command, *more = arguments
    refused = stocked("accounts", command, "nobody@example.test", *more)
    assert refused.code == 1
    assert "nobody@example.test" in refused.err
    assert "accounts list --search" in refused.err


def test_every_act_is_in_the_audit_log_as_of_the_command_line(stocked: Run) -> None:
    stocked("accounts", "disable", "bob@example.test")
    entries = stocked("audit", "list", "--account", "bob@example.test", "--json").json["entries"]
    assert len(entries) >= 2
    assert {entry["actor"] for entry in entries} == {"cli"}


def test_into_a_pipe_accounts_are_printed_one_a_line(stocked: Run) -> None:
    lines = stocked("accounts", "list").out.splitlines()
    assert len(lines) == 2
    assert lines[0].split("\t")[1:5] == ["ada@example.test", "-", "admin", "enabled"]


def test_a_process_reads_the_password_from_its_standard_input(process: Run) -> None:
    assert process("migrate").code == 0
    made = process("accounts", "create", "ada@example.test", "--password-stdin", "--json", stdin=PASSWORD + "\n")
    assert made.code == 0, made.err
    assert process("accounts", "list").out.count("ada@example.test") == 1


def test_what_an_account_tells_of_its_person_is_replaced_and_shown(stocked: Run) -> None:
    assert stocked("accounts", "profile", "bob@example.test", "--json").json == {"profile": {}}
    told = '{"name": "Bob", "phone_number": "+43 1 2", "phone_number_verified": true}'
    kept = stocked("accounts", "profile", "bob@example.test", "--replace", "-", "--json", stdin=told)
    assert kept.code == 0, kept.err
    assert kept.json["profile"]["phone_number_verified"] is True
    assert "Bob" in stocked("accounts", "profile", "bob@example.test").out
    for wrong in ('{"password": "x"}', "[]", "{", '{"name": 1}'):
        assert stocked("accounts", "profile", "bob@example.test", "--replace", "-", stdin=wrong).code != 0
