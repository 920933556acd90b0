"""Signed JWTs that are no access tokens: assertions and request objects."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import Key, KeySet, RejectionReason
from watchword.jose.jws import Signer
from watchword.verify.jwt import MAX_JTI_LENGTH, JwtRejected, check_jwt, unverified_claims

NOW = 1_800_000_000
KEY = Key.generate("ES256", "k1")
CLAIMS = {"iss": "c1", "sub": "c1", "aud": "https://as.example", "exp": NOW + 60, "iat": NOW, "jti": "j1"}
R = RejectionReason


def sign(typ="client-authentication+jwt", key=KEY, **claims):
    members = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}
    return Signer(key, typ=typ).sign(json.dumps(members).encode())


def check(raw, **options):
    return check_jwt(
        raw,
        **{
            "keys": KeySet([KEY]),
            "algorithms": ["ES256"],
            "now": NOW,
            "typ": ["", "jwt", "client-authentication+jwt"],
            "issuer": "c1",
            "subject": "c1",
            "audience": ["https://as.example"],
            "required": ["exp", "jti", "iss", "sub", "aud"],
            "max_lifetime": 300,
            **options,
        },
    )


def reason(raw, **options):
    with pytest.raises(JwtRejected) as caught:
        check(raw, **options)
    return caught.value.reason


def test_a_good_assertion_gives_its_claims():
    good = check(sign())
    assert good.claims["jti"] == "j1"
    assert good.audiences == ("https://as.example",)
    assert good.key is KEY
    assert check(sign(typ=None)).header["alg"] == "ES256"
    assert check(sign(typ="application/JWT")).claims["sub"] == "c1"


@pytest.mark.rfc("7521 §5.2/1")
@pytest.mark.rfc("7523 §3/1")
@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "c2"}, R.ISSUER),
        ({"sub": "c2"}, R.SUBJECT),
        ({"aud": "https://other.example"}, R.AUDIENCE),
        ({"aud": "https://as.example/"}, R.AUDIENCE),
        ({"aud": []}, R.AUDIENCE),
        ({"exp": NOW - 10}, R.EXPIRED),
        ({"exp": NOW + 311}, R.LIFETIME),
        ({"nbf": NOW + 11}, R.NOT_YET_VALID),
        ({"iat": NOW + 11}, R.ISSUED_IN_FUTURE),
        ({"exp": ...}, R.MISSING_CLAIM),
        ({"jti": ...}, R.MISSING_CLAIM),
        ({"jti": None}, R.MISSING_CLAIM),
        ({"iss": ...}, R.MISSING_CLAIM),
        ({"exp": "later"}, R.BAD_CLAIM),
        ({"exp": True}, R.BAD_CLAIM),
        ({"jti": (MAX_JTI_LENGTH + 1) * "x"}, R.BAD_CLAIM),
        ({"aud": {"a": 1}}, R.BAD_CLAIM),
        ({"nbf": None}, R.BAD_CLAIM),
        ({"deep": [[[[[[[[1]]]]]]]]}, R.MALFORMED),
    ],
)
def test_each_claim_is_looked_at(claims, why):
    assert reason(sign(**claims)) is why


@pytest.mark.rfc("8725 §3.11")
@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt"])
def test_a_jwt_for_another_purpose_is_refused(typ):
    assert reason(sign(typ)) is R.WRONG_TYPE


def test_two_audiences_are_refused_where_only_one_may_be():
    both = sign(aud=["https://as.example", "https://evil.example"])
    assert check(both).audiences[0] == "https://as.example"
    assert reason(both, only_audience=True) is R.AUDIENCE


def test_another_key_or_algorithm_is_refused():
    assert reason(sign(key=Key.generate("ES256", "k1"))) is R.BAD_SIGNATURE
    assert reason(sign(key=Key.generate("ES256", "k2"))) is R.UNKNOWN_KEY
    assert reason(sign(), algorithms=["PS256"]) is R.ALGORITHM


def test_one_text_is_no_collection_of_names():
    for name in ("typ", "audience", "required"):
        with pytest.raises(TypeError):
            check(sign(), **{name: "aud"})


def test_unverified_claims_say_whom_to_ask():
    assert unverified_claims(sign(iss="c9"))["iss"] == "c9"


@given(st.text(max_size=100))
def test_whatever_comes_is_refused_in_one_way(raw):
    assert reason(raw) in set(R)
    with pytest.raises(JwtRejected):
        unverified_claims(raw)
