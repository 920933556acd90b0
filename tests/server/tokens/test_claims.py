"""What access tokens say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer, verify
from watchword_server.entropy import random_bytes
from watchword_server.store.records import Account, AccountView, Family, FamilyView
from watchword_server.tokens.claims import FIRST_PARTY, AccessClaims, AccessTerms, ClaimSettings, RoleGrant
from watchword_server.tokens.custom_claims import custom_claims
from watchword_server.tokens.issuer import AccessTokenIssuer

NOW = 1_900_000_000.75
SETTINGS = ClaimSettings(
    issuer="https://login.example.test",
    audience="https://api.example.test",
    lifetime=600,
    roles={
        "admin": RoleGrant(scopes=("reports:read", "watchword:admin"), permissions=("users.list",)),
        "author": RoleGrant(scopes=("posts:write",)),
    },
)


def account(**changes: Any) -> Account:
    given_ = {
        "id": "01a",
        "email": "ann@example.test",
        "username": "ann-of-the-forest",
        "roles": (),
        "permissions": (),
        "tenant": None,
        "email_verified": True,
        "created_at": 1.0,
        "password_changed_at": 1.0,
        "disabled_at": None,
    }
    return Account(**(given_ | changes))


def family_view(the_account: Account, **changes: Any) -> FamilyView:
    given_ = {
        "id": "f1",
        "sid": "s1",
        "account_id": the_account.id,
        "client_id": FIRST_PARTY,
        "scope": (),
        "resource": (),
        "sender_key": None,
        "delivery": "cookie",
        "salt": b"salt-of-the-family",
        "key_id": "k1",
        "rev": 3,
        "generation": 5,
        "rotated_at": NOW - 100,
        "device_kind": "firefox/linux",
        "odd_count": 0,
        "odd_marked": False,
        "refresh_count": 5,
        "idle_expires_at": NOW + 1000,
        "expires_at": NOW + 5000,
        "revoked_at": None,
        "revoked_reason": None,
    }
    return FamilyView(
        family=Family(**(given_ | changes)),
        account=the_account,
        session_ended=False,
        id_token_sid="s1",
        auth_time=NOW - 5000,
        amr=("pwd",),
        acr=None,
        cut_off=0,
        rev=9,
        read_at=NOW,
    )


def claims_of(view: FamilyView, settings: ClaimSettings = SETTINGS, **options: Any) -> dict[str, Any]:
    made = AccessClaims(settings)
    return made.claims(made.terms_of_refresh(view, **options), "jti1")


@pytest.mark.rfc("9068 §3/1")
@pytest.mark.rfc("9068 §2.2")
def test_a_refreshed_token_says_what_rfc_9068_asks_and_where_it_was_read() -> None:
    assert claims_of(family_view(account(roles=("admin",), tenant="acme"))) == {
        "iss": "https://login.example.test",
        "sub": "01a",
        "aud": "https://api.example.test",
        "exp": 1_900_000_600,
        "iat": 1_900_000_000,
        "jti": "jti1",
        "client_id": "first-party",
        "rev": 9,
        "scope": "reports:read watchword:admin",
        "sid": "s1",
        "auth_time": 1_899_995_000,
        "amr": ("pwd",),
        "roles": ("admin",),
        "permissions": ("users.list",),
        "tenant": "acme",
    }


def test_the_rev_is_the_head_of_the_log_in_the_snapshot_and_not_the_session_s() -> None:
    view = family_view(account())
    assert (view.family.rev, claims_of(view)["rev"]) == (3, view.rev)


def test_a_first_token_says_the_same_as_a_refreshed_one() -> None:
    who = account(roles=("author",), permissions=("drafts.read",))
    made = AccessClaims(SETTINGS)
    login = AccountView(account=who, password_hash="-", rev=9, read_at=NOW)
    first = made.terms_of_login(
        login, sid="s1", client_id=FIRST_PARTY, auth_time=NOW - 5000, amr=("pwd",), not_after=NOW + 5000
    )
    assert first == made.terms_of_refresh(family_view(who))


def test_no_token_outlives_its_session() -> None:
    claims = claims_of(family_view(account(), expires_at=NOW + 90))
    assert claims["exp"] == int(NOW + 90)


def test_a_token_at_the_last_moment_of_a_session_still_expires_after_it_was_issued() -> None:
    claims = claims_of(family_view(account(), expires_at=NOW + 0.1))
    assert claims["exp"] == claims["iat"] + 1


@pytest.mark.parametrize(
    ("roles", "scope"),
    [
        ((), "openid posts:read"),
        (("author",), "openid posts:read posts:write"),
        (("admin", "author"), "openid posts:read posts:write watchword:admin"),
    ],
)
def test_a_client_keeps_a_scope_that_a_role_brings_only_while_the_account_has_such_a_role(
    roles: tuple[str, ...], scope: str
) -> None:
    granted = ("openid", "posts:read", "posts:write", "watchword:admin")
    view = family_view(account(roles=roles), client_id="spa", scope=granted)
    assert claims_of(view)["scope"] == scope


def test_a_client_gets_no_scope_from_roles_that_it_was_not_granted() -> None:
    assert claims_of(family_view(account(roles=("admin",)), client_id="spa", scope=("openid",)))["scope"] == "openid"


@pytest.mark.rfc("6749 §6/3")
def test_a_narrowed_scope_is_a_part_of_what_was_granted() -> None:
    view = family_view(account(roles=("author",)), client_id="spa", scope=("openid", "posts:write"))
    assert claims_of(view, scope=("posts:write",))["scope"] == "posts:write"
    assert "scope" not in claims_of(view, scope=())


def test_a_role_without_a_grant_brings_nothing_and_an_empty_scope_is_not_said() -> None:
    claims = claims_of(family_view(account(roles=("nobody",))))
    assert claims["roles"] == ("nobody",)
    assert "scope" not in claims
    assert "permissions" not in claims


def test_a_resource_is_the_audience_and_a_key_is_confirmed() -> None:
    view = family_view(account(), resource=("https://files.example.test",), sender_key="thumb")
    claims = claims_of(view, confirmation={"jkt": "thumb"})
    assert claims["aud"] == "https://files.example.test"
    assert claims["cnf"] == {"jkt": "thumb"}


@pytest.mark.rfc("9470 §6.1")
def test_acr_is_said_where_a_person_logged_in() -> None:
    settings = ClaimSettings(issuer="https://i", audience="https://a", lifetime=60, roles={}, acr="urn:x:1")
    assert claims_of(family_view(account()), settings)["acr"] == "urn:x:1"
    robot = AccessTerms(sub="robot", client_id="robot", scope=("x",), rev=1, now=NOW)
    claims = AccessClaims(settings).claims(robot, "jti1")
    assert {"acr", "auth_time", "amr", "sid"}.isdisjoint(claims)


def test_custom_claims_are_added_and_never_replace_ours() -> None:
    settings = ClaimSettings(
        issuer="https://i",
        audience="https://a",
        lifetime=60,
        roles={},
        custom=custom_claims({"org": "{account.tenant}", "whose": "{account.id}", "plan": "gold"}),
    )
    claims = claims_of(family_view(account()), settings)
    assert "org" not in claims
    assert (claims["whose"], claims["plan"]) == ("01a", "gold")


@given(st.lists(st.sampled_from(["admin", "author", "x"]), unique=True), st.sampled_from([FIRST_PARTY, "spa"]))
def test_no_address_no_name_and_no_salt_is_ever_said(roles: list[str], client_id: str) -> None:
    said = json.dumps(claims_of(family_view(account(roles=tuple(roles)), client_id=client_id)))
    for private in ("ann@", "ann-of-the-forest", "salt-of-the-family", "firefox"):
        assert private not in said


class OneSigner:
    def __init__(self, key: Key) -> None:
        self.key = key

    def signer(self, typ: str) -> Signer:
        return Signer(self.key, typ=typ)


@pytest.mark.rfc("9068 §2.1/1")
@pytest.mark.rfc("9068 §2.1/3")
def test_an_issued_token_verifies_and_its_header_says_at_jwt_algorithm_and_key() -> None:
    key = Key.generate("ES256")
    made = AccessClaims(SETTINGS)
    issuer = AccessTokenIssuer(made, OneSigner(key), random_bytes)
    terms = made.terms_of_refresh(family_view(account(roles=("admin",))))
    one, two = issuer.issue(terms), issuer.issue(terms)
    verified = verify(one.text, key, algorithms={"ES256"})
    payload = json.loads(verified.payload)
    assert dict(verified.header) == {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    assert payload["jti"] == one.jti
    assert one.jti != two.jti
    assert len(one.jti) == 22
    assert payload["exp"] == one.expires_at == payload["iat"] + one.expires_in
    assert payload["roles"] == ["admin"]
    assert one.text not in repr(one)
