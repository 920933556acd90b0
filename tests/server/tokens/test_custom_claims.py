"""Claims by configuration."""

from __future__ import annotations

import pytest
from watchword_server.tokens.custom_claims import ClaimRefused, ClaimSource, custom_claims

SOURCE = ClaimSource(
    account_id="01a", tenant="acme", roles=("admin", "author"), permissions=(), sid="s1", client_id="first-party"
)


def filled(**configured: object) -> dict[str, object]:
    return {claim.name: claim.value(SOURCE) for claim in custom_claims(configured)}


def test_constants_and_templates_are_filled_in() -> None:
    assert filled(
        org="{account.tenant}", plan="gold", level=3, beta=False, urn="urn:x:{account.tenant}:{account.id}"
    ) == {
        "org": "acme",
        "plan": "gold",
        "level": 3,
        "beta": False,
        "urn": "urn:x:acme:01a",
    }


def test_a_template_that_is_one_list_gives_a_list_and_inside_a_text_a_text() -> None:
    assert filled(groups_of="{account.roles}", text="roles: {account.roles}") == {
        "groups_of": ("admin", "author"),
        "text": "roles: admin author",
    }


def test_a_claim_about_something_that_is_not_there_is_left_out() -> None:
    (claim,) = custom_claims({"org": "tenant {account.tenant}"})
    assert (
        claim.value(ClaimSource(account_id="a", tenant=None, roles=(), permissions=(), sid="s", client_id="c")) is None
    )


@pytest.mark.parametrize(
    "placeholder",
    [
        "account.email",
        "account.username",
        "account.password_hash",
        "account.name",
        "email",
        "",
        "account",
        "account.id ",
        *("settings.master_key", "account.__class__", "0", "account.id!r", "account.id:>9"),
    ],
)
def test_a_template_that_names_an_address_a_name_a_secret_or_anything_unknown_is_refused(placeholder: str) -> None:
    with pytest.raises(ClaimRefused, match="must not carry or which does not exist"):
        custom_claims({"x": "before {" + placeholder + "} after"})


@pytest.mark.parametrize("name", ["email", "Email", "name", "preferred_username", "password_hash", "phone_number"])
def test_a_claim_that_holds_an_address_a_name_or_a_secret_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ClaimRefused, match="personal data or a secret"):
        custom_claims({name: "x"})


@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "exp", "rev", "sid", "scope", "roles", "cnf", "SUB", "client_id"]
)
def test_a_claim_that_is_ours_to_say_is_refused(name: str) -> None:
    with pytest.raises(ClaimRefused, match="made by the server"):
        custom_claims({name: "x"})


@pytest.mark.parametrize(
    "template", ["{", "}", "{account.id", "account.id}", "{{account.id}}", "x" * 1025, None, 1.5, []]
)
def test_a_template_that_is_no_template_is_refused(template: object) -> None:
    with pytest.raises(ClaimRefused):
        custom_claims({"x": template})


@pytest.mark.parametrize("name", ["", "1x", "a b", "é", "a\n", "x" * 129])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ClaimRefused, match="no name for a claim"):
        custom_claims({name: "x"})


def test_too_many_claims_are_refused() -> None:
    with pytest.raises(ClaimRefused, match="at most"):
        custom_claims({f"c{number}": 1 for number in range(33)})
