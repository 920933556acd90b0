"""What an exchanged token was made of: told in few bytes, read again as it was, and never more than a call looks up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.verify.check import check_access_token
from watchword.verify.policy import Policy
from watchword.verify.revocation import CutOff, RevocationView
from watchword_server.tokens.lineage import CLAIM, MAX_ANCESTORS, Ancestor, ancestors, line, together, told

NOW = 1_800_000_000
KEY = Key.generate("ES256", "k1")
POLICY = Policy("https://as.example", "api")

_NAMES = st.sampled_from(["a", "b", "ada", "web", "orders", "k1", "k2"])
_ANCESTORS = st.builds(
    Ancestor, jti=st.uuids().map(str), sub=_NAMES, client_id=_NAMES, sid=st.none() | _NAMES, tenant=st.none() | _NAMES,
    rev=st.integers(0, 20), kid=st.none() | _NAMES,
)  # fmt: skip
_LINES = st.lists(_ANCESTORS, max_size=MAX_ANCESTORS, unique_by=lambda one: one.jti).map(tuple)


def claims_of(own: Ancestor) -> dict[str, Any]:
    given_ = {name: getattr(own, name) for name in ("jti", "sub", "client_id", "sid", "tenant", "rev")}
    return {name: value for name, value in given_.items() if value is not None}


@given(own=_ANCESTORS, known=_LINES)
def test_what_is_told_is_read_again_as_it_was(own: Ancestor, known: tuple[Ancestor, ...]) -> None:
    claims = claims_of(own)
    claims[CLAIM] = told(known, claims, own.kid)
    decoded = msgspec.json.decode(msgspec.json.encode(claims))
    assert ancestors(decoded, own.facts) == known
    assert line(decoded, own.facts) == (own, *known)


@given(own=_ANCESTORS, known=_LINES, axis=st.sampled_from(["token", "session", "key", "account", "client", "tenant"]),
       value=_NAMES, position=st.integers(1, 20))  # fmt: skip
def test_verifiers_read_the_same_as_the_server(
    own: Ancestor, known: tuple[Ancestor, ...], axis: str, value: str, position: int
) -> None:
    claims = claims_of(own) | {"iss": "https://as.example", "aud": "api", "iat": NOW, "exp": NOW + 60}
    claims[CLAIM] = told(known, claims, KEY.kid)
    raw = Signer(KEY, typ="at+jwt").sign(msgspec.json.encode(claims))
    read = check_access_token(raw, KeySet([KEY]), POLICY, NOW).made_of
    assert [(one.jti, one.sub, one.client_id, one.sid, one.tenant, one.rev, one.kid) for one in read] == [
        (one.jti, one.sub, one.client_id, one.sid, one.tenant, one.rev, one.kid) for one in known
    ]
    view = RevocationView()
    view.apply([CutOff(position, axis, value, 60.0)])  # type: ignore[arg-type]
    assert [view.kills(one) for one in read] == [view.kills(one) for one in known]


def test_a_token_of_another_clients_costs_few_bytes() -> None:
    one = Ancestor(jti="j" * 22, sub="ada", client_id="web", sid="s1", tenant=None, rev=7, kid="k1")
    claims = {"sub": "ada", "client_id": "orders", "sid": "s1", "rev": 7}
    assert told((one,), claims, "k1") == [{"jti": "j" * 22, "client_id": "web"}]
    assert told((one,), claims, None)[0]["kid"] == "k1", "where nobody sees by which key this one is signed"


def test_each_is_named_once_and_no_more_than_a_call_looks_up() -> None:
    many = tuple(
        Ancestor(jti=f"t{n}", sub="ada", client_id="web", sid="s1", tenant=None, rev=0, kid=None)
        for n in range(MAX_ANCESTORS)
    )
    assert together(many, many[:3]) == many
    another = Ancestor(jti="more", sub="ada", client_id="web", sid="s1", tenant=None, rev=0, kid=None)
    with pytest.raises(ValueError, match="too many"):
        together(many, (another,))


def test_attack_a_forged_token_does_not_hide_behind_a_good_one_of_the_same_jti() -> None:
    forged = Ancestor(jti="t1", sub="ada", client_id="web", sid="s1", tenant=None, rev=9, kid="stolen")
    good = Ancestor(jti="t1", sub="robot", client_id="robot", sid=None, tenant=None, rev=9, kid="k1")
    assert together((forged,), (good,)) == (forged, good)
    assert together((good,), (forged, good)) == (good, forged)


def test_a_token_that_was_not_exchanged_was_made_of_nothing() -> None:
    own = Ancestor(jti="t1", sub="ada", client_id="web", sid="s1", tenant=None, rev=0, kid=None)
    assert ancestors(claims_of(own), own.facts) == ()
    assert line(claims_of(own), own.facts) == (own,)
    robot = Ancestor(jti="t2", sub="robot", client_id="robot", sid=None, tenant=None, rev=0, kid=None)
    assert robot.facts.account_id is None, "a client is no account"
