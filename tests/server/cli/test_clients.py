"""`watchword clients`: put on record, shown without secrets, renewed, disabled, deleted."""

from __future__ import annotations

import json
from pathlib import Path

from watchword.jose.jwk import Key

from .conftest import Run

URI = "https://app.example.test/callback"


def test_a_web_client_gets_a_secret_that_is_shown_once(stocked: Run) -> None:
    made = stocked("clients", "add", "--id", "web", "--name", "My app", "--redirect-uri", URI, "--json")
    assert made.code == 0, made.err
    secret = made.json["client_secret"]
    assert secret.startswith("wcs_")
    assert made.json["client"]["metadata"]["grant_types"] == ["authorization_code", "refresh_token"]
    for command in (("list",), ("show", "web"), ("list", "--json"), ("show", "web", "--json")):
        shown = stocked("clients", *command)
        assert shown.code == 0, shown.err
        assert "web" in shown.out
        assert secret not in shown.out + shown.err
    assert stocked("clients", "show", "web", "--json").json["client"]["secrets"] == 1


def test_a_machine_needs_no_redirect_uri_and_a_resource_server_is_told_so(stocked: Run) -> None:
    made = stocked("clients", "add", "--id", "api", "--introspects", "--audience", "https://api.example.test", "--json")
    client = made.json["client"]
    assert client["metadata"]["grant_types"] == ["client_credentials"]
    assert client["settings"] == {"may_introspect": True, "audiences": ["https://api.example.test"]}


def test_a_client_with_keys_has_no_secret(stocked: Run, tmp_path: Path) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [Key.generate("ES256").public_jwk()]}))
    made = stocked("clients", "add", "--auth", "private_key_jwt", "--jwks", str(jwks), "--json")
    assert made.code == 0, made.err
    assert made.json["client_secret"] is None
    refused = stocked("clients", "rotate-secret", made.json["client"]["client_id"])
    assert refused.code == 1
    assert "without a secret" in refused.err


def test_the_profile_of_fapi_2_is_one_word_and_holds_what_it_asks(stocked: Run, tmp_path: Path) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [Key.generate("ES256").public_jwk()]}))
    common = ("clients", "add", "--fapi2", "--redirect-uri", "https://bank.example.test/callback", "--json")
    made = stocked(*common, "--id", "bank", "--auth", "private_key_jwt", "--jwks", str(jwks))
    assert made.code == 0, made.err
    assert made.json["client"]["settings"] == {"profile": "fapi2"}
    assert made.json["client"]["metadata"]["id_token_signed_response_alg"] == "ES256"
    weak = stocked(*common, "--id", "weak")
    assert weak.code == 1
    assert "token_endpoint_auth_method" in weak.err


def test_metadata_comes_from_standard_input_too(stocked: Run) -> None:
    given = {
        "redirect_uris": ["com.example.app:/cb"],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
    }
    made = stocked("clients", "add", "--id", "phone", "--metadata", "-", "--json", stdin=json.dumps(given))
    assert made.code == 0, made.err
    assert made.json["client"]["metadata"]["application_type"] == "native"
    assert made.json["client_secret"] is None


def test_what_may_not_be_registered_is_told_in_words(stocked: Run) -> None:
    for arguments, words in (
        (("--redirect-uri", "http://app.example.test/cb"), "redirect_uris"),
        (("--grant", "password"), "grant_types"),
        (("--id", "first-party"), "client_id"),
    ):
        refused = stocked("clients", "add", *arguments)
        assert refused.code == 1
        assert words in refused.err
    assert stocked("clients", "add", "--metadata", "/nowhere.json").code == 1
    assert stocked("clients", "add", "--metadata", "-", stdin="[]").code == 2


def test_the_same_name_twice_is_refused(stocked: Run) -> None:
    assert stocked("clients", "add", "--id", "a").code == 0
    again = stocked("clients", "add", "--id", "a")
    assert (again.code, "another client" in again.err) == (1, True)


def test_a_secret_is_renewed_with_or_without_overlap(stocked: Run) -> None:
    first = stocked("clients", "add", "--id", "a", "--json").json["client_secret"]
    second = stocked("clients", "rotate-secret", "a", "--json").json
    assert second["client_secret"] not in {None, first}
    assert second["client"]["secrets"] == 2
    assert stocked("clients", "rotate-secret", "a", "--at-once", "--json").json["client"]["secrets"] == 1
    assert stocked("clients", "rotate-secret", "nobody").code == 1


def test_a_client_is_disabled_enabled_and_deleted(stocked: Run) -> None:
    stocked("clients", "add", "--id", "a")
    assert stocked("clients", "disable", "a", "--json").json == {"client_id": "a", "state": "disabled", "changed": True}
    assert stocked("clients", "disable", "a", "--json").json["changed"] is False
    assert stocked("clients", "show", "a", "--json").json["client"]["disabled_at"] is not None
    assert stocked("clients", "enable", "a", "--json").json["changed"] is True
    assert stocked("clients", "delete", "a").code == 0
    assert stocked("clients", "delete", "a").code == 1
    assert stocked("clients", "show", "a").code == 1
    events = [entry["event"] for entry in stocked("audit", "list", "--json").json["entries"]]
    assert {"client.created", "client.disabled", "client.enabled", "client.deleted"} <= set(events)


def test_a_name_out_of_a_strangers_pen_cannot_steer_the_terminal(stocked: Run) -> None:
    refused = stocked("clients", "add", "--name", "\x1b[31mred")
    assert refused.code == 1
    assert "\x1b" not in refused.err + refused.out


def test_an_initial_access_token_is_printed_once(stocked: Run) -> None:
    made = stocked("clients", "registration-token", "--uses", "2", "--days", "1", "--json").json
    assert made["token"].startswith("wci_")
    assert made["uses"] == 2
    entries = stocked("audit", "list", "--json")
    assert "registration_token.created" in entries.out
    assert made["token"] not in entries.out
