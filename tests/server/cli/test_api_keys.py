"""`watchword api-keys`: a secret is printed once; whose key it is is said, and no more than the owner may have is given."""

from __future__ import annotations

from .conftest import Run


def test_a_key_is_made_listed_without_its_secret_and_revoked_once(stocked: Run) -> None:
    made = stocked(
        "api-keys", "add", "nightly", "--account", "ada@example.test", "--scope", "reports:read", "--expires-in", "30d",
        "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    secret, key_id = made.json["secret"], made.json["id"]
    assert secret.startswith("wk_")
    assert made.json["scope"] == ["reports:read"]
    for arguments in (("list",), ("list", "--json"), ("list", "--account", "ada@example.test")):
        shown = stocked("api-keys", *arguments)
        assert shown.code == 0, shown.err
        assert key_id in shown.out
        assert secret not in shown.out + shown.err
    assert stocked("api-keys", "list", "--account", "bob@example.test", "--json").json["keys"] == []
    assert stocked("api-keys", "revoke", secret).code == 1
    assert stocked("api-keys", "revoke", key_id).code == 0
    again = stocked("api-keys", "revoke", key_id)
    assert (again.code, "no living key" in again.err) == (1, True)


def test_a_client_has_keys_too(stocked: Run) -> None:
    assert stocked("clients", "add", "--id", "nightly", "--scope", "reports:read", "--role", "admin").code == 0
    made = stocked("api-keys", "add", "export", "--client", "nightly", "--scope", "reports:read")
    assert made.code == 0, made.err
    assert "wk_" in made.out
    [key] = stocked("api-keys", "list", "--client", "nightly", "--json").json["keys"]
    assert (key["account_id"], key["client_id"], key["name"]) == (None, "nightly", "export")


def test_what_may_not_be_is_refused_in_words(stocked: Run) -> None:
    for arguments, code, words in (
        (("x",), 2, "account or to a client"),
        (("x", "--account", "ada@example.test", "--client", "c"), 2, "account or to a client"),
        (("x", "--account", "nobody"), 1, "no account"),
        (("x", "--client", "nobody"), 1, "client"),
        (("x", "--account", "bob@example.test", "--scope", "reports:read"), 1, "scope"),
        (("x", "--account", "ada@example.test", "--expires-in", "20w5x"), 2, "--expires-in"),
        (("x", "--account", "ada@example.test", "--expires-in", "520w"), 1, "expires_in"),
    ):
        refused = stocked("api-keys", "add", *arguments)
        assert (refused.code, words in refused.err) == (code, True), (arguments, refused.err)
    assert stocked("api-keys", "list", "--json").json["keys"] == []
