"""Every way in which an access token can be wrong, one row each."""

import base64
import contextlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import Key, KeySet, Policy, RejectionReason, TokenRejected, check_access_token
from watchword.jose.jws import Signer
from watchword.oauth.names import ErrorCode
from watchword.verify.check import check_privileges

NOW = 1_800_000_000
KEY = Key.generate("ES256", "k1")
KEYS = KeySet([KEY])
POLICY = Policy("https://as.example", "api", leeway=5)
CLAIMS = {
    "iss": "https://as.example",
    "sub": "ada",
    "aud": "api",
    "exp": NOW + 600,
    "iat": NOW,
    "jti": "t1",
    "client_id": "first-party",
    "scope": "reports:read profile",
    "sid": "s1",
    "rev": 7,
    "roles": ["user"],
}
SIGNER = Signer(KEY, typ="at+jwt")
R = RejectionReason


def sign(payload, signer=SIGNER):
    return signer.sign(payload if isinstance(payload, bytes) else json.dumps(payload).encode())


def token(**claims):
    return sign({name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...})


def check(raw, *, now=NOW, keys=KEYS, policy=POLICY):
    return check_access_token(raw, keys, policy, now)


def reason(raw, **options):
    with pytest.raises(TokenRejected) as caught:
        check(raw, **options)
    return caught.value.reason


def encode(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_good_token_gives_what_was_signed():
    verified = check(
        token(tenant="acme", auth_time=NOW - 9, acr="mfa", amr=["pwd", "otp"], permissions=["p"], plan="x")
    )
    assert (verified.sub, verified.iss, verified.aud, verified.client_id) == (
        "ada",
        "https://as.example",
        ("api",),
        "first-party",
    )
    assert verified.scope == {"reports:read", "profile"}
    assert (verified.exp, verified.iat, verified.jti, verified.sid, verified.rev) == (NOW + 600, NOW, "t1", "s1", 7)
    assert (verified.roles, verified.permissions, verified.tenant) == (("user",), ("p",), "acme")
    assert (verified.auth_time, verified.acr, verified.amr, verified.kid) == (NOW - 9, "mfa", ("pwd", "otp"), "k1")
    assert verified.claims["plan"] == "x"


def test_of_what_a_token_was_made_only_the_difference_is_told():
    verified = check(
        token(
            tenant="acme",
            made_of=[
                {"jti": "t0"},
                {
                    "jti": "a0",
                    "sub": "agent",
                    "client_id": "web",
                    "sid": "",
                    "tenant": "",
                    "rev": 0,
                    "kid": "",
                    "x": [],
                },
                {"jti": "b0", "sid": "s0", "tenant": "other", "kid": "k0"},
            ],
        )
    )
    assert [(one.jti, one.sub, one.client_id, one.sid, one.tenant, one.kid, one.rev) for one in verified.made_of] == [
        ("t0", "ada", "first-party", "s1", "acme", "k1", 7),
        ("a0", "agent", "web", None, None, None, 0),
        ("b0", "ada", "first-party", "s0", "other", "k0", 7),
    ]
    assert check(token()).made_of == ()
    assert len(check(token(made_of=[{"jti": f"t{n}"} for n in range(16)])).made_of) == 16


@pytest.mark.parametrize(
    "made_of",
    [
        None, "t0", {"jti": "t0"}, ["t0"], [{}], [{"jti": ""}], [{"jti": 1}], [{"jti": "t0", "sub": ""}],
        [{"jti": "t0", "client_id": ""}], [{"jti": "t0", "sid": 5}], [{"jti": "t0", "rev": -1}], [{"jti": "t0", "rev": "1"}],
        [{"jti": f"t{n}"} for n in range(17)],
    ],
)  # fmt: skip
def test_attack_a_line_that_cannot_be_looked_up_is_not_taken_for_an_empty_one(made_of):
    assert reason(token(made_of=made_of)) is R.BAD_CLAIM


def test_a_verified_token_cannot_be_changed_not_even_through_its_claims():
    verified = check(token())
    with pytest.raises(AttributeError):
        verified.sub = "eve"
    verified.claims["roles"].append("admin")
    assert verified.claims["roles"] == ["user"]
    assert hash(verified) == hash(check(token()))


def test_its_representation_shows_no_claims_beyond_who_and_when():
    assert "reports" not in repr(check(token()))


@pytest.mark.rfc("6749 §7")
@pytest.mark.rfc("9068 §4/8")
@pytest.mark.rfc("7519 §4.1.4")
@pytest.mark.parametrize(
    ("exp", "good"),
    [
        (NOW + 1, True),
        (NOW, True),
        (NOW - 4, True),
        (NOW - 4.5, True),
        (NOW - 5, False),
        (NOW - 6, False),
        (NOW - 100_000, False),
        (0, False),
        (253_402_300_799, True),
    ],
)
def test_a_token_ends_at_the_very_second_of_exp_plus_leeway(exp, good):
    if good:
        assert check(token(exp=exp)).exp == exp
    else:
        assert reason(token(exp=exp)) is R.EXPIRED


@pytest.mark.rfc("9068 §4/8")
@pytest.mark.rfc("7519 §4.1.4")
def test_without_leeway_a_token_is_over_when_now_is_exp():
    strict = Policy("https://as.example", "api", leeway=0)
    assert check(token(), now=NOW + 599.999, policy=strict)
    assert reason(token(), now=NOW + 600, policy=strict) is R.EXPIRED


@pytest.mark.rfc("7519 §4.1.5")
@pytest.mark.parametrize(("nbf", "good"), [(NOW, True), (NOW + 5, True), (NOW + 6, False), (0, True)])
def test_a_token_begins_at_nbf_minus_leeway(nbf, good):
    if good:
        assert check(token(nbf=nbf)).nbf == nbf
    else:
        assert reason(token(nbf=nbf)) is R.NOT_YET_VALID


@pytest.mark.parametrize(("iat", "good"), [(NOW + 5, True), (NOW + 5.5, False), (NOW + 600, False), (0, True)])
def test_a_token_from_the_future_is_refused(iat, good):
    if good:
        assert check(token(iat=iat)).iat == iat
    else:
        assert reason(token(iat=iat)) is R.ISSUED_IN_FUTURE


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize(
    "value",
    ["1800000600", "", True, False, [], [1_800_000_600], {}, -1, -0.1, 253_402_300_800, 1e18, 2**63, "NaN", "Infinity"],
)
def test_a_time_that_is_no_sane_number_is_refused(name, value):
    assert reason(token(**{name: value})) is R.BAD_CLAIM


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 500, "-" + "9" * 500, "0x10", "1_0"])
def test_numbers_that_json_does_not_know_or_nobody_can_keep_are_refused(name, text):
    raw = json.dumps({**CLAIMS, name: "@"}).replace('"@"', text).encode()
    assert reason(sign(raw)) is R.MALFORMED


@pytest.mark.rfc("9701 §8.1")
@pytest.mark.rfc("9068 §2.2")
@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"])
def test_each_claim_the_rfc_requires_is_required(name):
    assert reason(token(**{name: ...})) is R.MISSING_CLAIM


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"])
def test_null_is_not_a_value_for_a_required_claim(name):
    assert reason(token(**{name: None})) is R.BAD_CLAIM


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "client_id"])
@pytest.mark.parametrize("value", ["", 1, True, [], ["ada"], {}])
def test_a_name_that_is_no_text_is_refused(name, value):
    assert reason(token(**{name: value})) is R.BAD_CLAIM


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scope", ["reports:read"]),
        ("scope", 1),
        ("scope", "a  b"),
        ("scope", 'a"b'),
        ("scope", "a\n"),
        ("sid", 1),
        ("sid", ""),
        ("sid", ["s1"]),
        ("rev", "7"),
        ("rev", 7.5),
        ("rev", -1),
        ("rev", True),
        ("roles", "admin"),
        ("roles", {"admin": True}),
        ("roles", [1]),
        ("roles", [["admin"]]),
        ("permissions", "all"),
        ("tenant", 1),
        ("tenant", ""),
        ("acr", 1),
        ("amr", "pwd"),
    ],
)
def test_an_optional_claim_of_the_wrong_type_rejects_the_token(name, value):
    assert reason(token(**{name: value})) is R.BAD_CLAIM


def test_a_token_without_scope_has_none():
    assert check(token(scope=...)).scope == frozenset()
    assert check(token(scope="")).scope == frozenset()


@pytest.mark.rfc("9068 §4/4")
@pytest.mark.parametrize(
    "issuer", ["https://as.example/", "https://AS.example", "http://as.example", "https://as.example.evil", "x"]
)
def test_the_issuer_is_compared_exactly(issuer):
    assert reason(token(iss=issuer)) is R.ISSUER


@pytest.mark.rfc("9068 §4/5")
@pytest.mark.rfc("9700 §2.3")
@pytest.mark.rfc("7519 §4.1.3")
@pytest.mark.parametrize(
    "audience",
    ["", "ap", "apis", "API", " api", "api ", "a", [], [""], ["apis", "ap"], ["billing"], "api,billing", "api billing"],
)
def test_another_audience_is_refused_substrings_and_empty_ones_too(audience):
    assert reason(token(aud=audience)) is R.AUDIENCE


@pytest.mark.parametrize("audience", [1, True, {}, {"api": 1}, ["api", 1], ["api", None], [["api"]]])
def test_an_audience_of_the_wrong_type_is_refused_though_ours_is_in_it(audience):
    assert reason(token(aud=audience)) is R.BAD_CLAIM


@pytest.mark.rfc("7519 §4.1.3")
def test_one_of_several_audiences_is_enough():
    assert check(token(aud=["billing", "api"])).aud == ("billing", "api")
    several = Policy("https://as.example", ["reports", "billing"])
    assert check(token(aud="billing"), policy=several)
    assert reason(token(aud="api"), policy=several) is R.AUDIENCE


@pytest.mark.rfc("9068 §4/2")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_type_says_access_token_in_whatever_case(typ):
    assert check(sign(CLAIMS, Signer(KEY, typ=typ)))


@pytest.mark.rfc("9068 §4/2")
@pytest.mark.rfc("9701 §8.1")
@pytest.mark.parametrize(
    "typ", [None, "JWT", "jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "application/jwt", "at+jwt ", "x/at+jwt", ""]
)
def test_a_token_of_another_kind_is_not_an_access_token(typ):
    assert reason(sign(CLAIMS, Signer(KEY, typ=typ))) is R.WRONG_TYPE


@pytest.mark.rfc("9068 §4/2")
def test_an_id_token_is_refused_even_if_its_claims_would_do():
    id_token = sign({**CLAIMS, "nonce": "n", "at_hash": "x"}, Signer(KEY, typ="JWT"))
    assert reason(id_token) is R.WRONG_TYPE


@pytest.mark.rfc("9449 §6/1")
@pytest.mark.rfc("9449 §7.2")
@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, "x", 1, []])
def test_a_bound_token_is_not_a_bearer_token(cnf):
    assert reason(token(cnf=cnf)) is R.BOUND


def test_claims_the_policy_requires_are_required():
    policy = Policy("https://as.example", "api", required_claims=["tenant", "plan"])
    assert check(token(tenant="acme", plan="x"), policy=policy)
    assert reason(token(tenant="acme"), policy=policy) is R.MISSING_CLAIM
    assert reason(token(tenant="acme", plan=None), policy=policy) is R.MISSING_CLAIM


@pytest.mark.rfc("8725 §2.1")
def test_hmac_with_the_public_key_as_secret_is_refused():
    signing_input = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'k1'})}.{encode(CLAIMS)}"
    for secret in (json.dumps(KEY.public_jwk()).encode(), KEY.public_jwk()["x"].encode(), b""):
        mac = hmac.digest(secret, signing_input.encode(), "sha256")
        forged = f"{signing_input}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert reason(forged) is R.ALGORITHM


@pytest.mark.rfc("9068 §2.1/1")
@pytest.mark.rfc("9068 §4/6")
@pytest.mark.rfc("8725 §3.2")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "ES256K", "HS256"])
def test_no_algorithm_and_unknown_ones_are_refused(alg):
    header = encode({"alg": alg, "typ": "at+jwt", "kid": "k1"})
    for signature in ("", "AAAA", token().rpartition(".")[2]):
        assert reason(f"{header}.{encode(CLAIMS)}.{signature}") in {R.ALGORITHM, R.MALFORMED}


@pytest.mark.rfc("7515 §4.1.11")
def test_an_extension_marked_critical_is_refused():
    first, rest = encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1", "crit": ["exp"], "exp": 1}), token().split(".")
    assert reason(".".join([first, *rest[1:]])) is R.CRITICAL_HEADER


@pytest.mark.rfc("9068 §4/7")
@pytest.mark.rfc("8725 §3.10")
def test_a_key_out_of_the_token_is_refused():
    evil = Key.generate("ES256")
    forged = sign(CLAIMS, Signer(evil, typ="at+jwt", header={"jwk": evil.public_jwk()}))
    assert reason(forged) is R.EMBEDDED_KEY


@pytest.mark.rfc("9068 §4/7")
def test_a_stranger_s_key_of_the_same_name_is_a_wrong_signature_and_of_another_name_an_unknown_key():
    assert reason(sign(CLAIMS, Signer(Key.generate("ES256", "k1"), typ="at+jwt"))) is R.BAD_SIGNATURE
    assert reason(sign(CLAIMS, Signer(Key.generate("ES256", "k2"), typ="at+jwt"))) is R.UNKNOWN_KEY


def test_a_claim_named_twice_rejects_the_token():
    raw = json.dumps(CLAIMS)[:-1].encode() + b',"sub":"eve"}'
    assert reason(sign(raw)) is R.MALFORMED


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b"{}x", b"[" * 50_000, b'{"a":' * 4000])
def test_a_payload_that_is_no_object_rejects_the_token(raw):
    assert reason(sign(raw), policy=Policy("https://as.example", "api", max_length=100_000)) in {
        R.MALFORMED,
        R.TOO_LONG,
    }


@pytest.mark.parametrize(
    "raw",
    ["", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", " ", "\x00", "ä.ö.ü", "\ud800", token() + "\n", " " + token()],
)
def test_text_that_is_no_token_is_rejected(raw):
    assert reason(raw) is R.MALFORMED


def test_a_token_of_a_megabyte_is_not_looked_at():
    assert reason("a" * 1_000_000) is R.TOO_LONG


@pytest.mark.rfc("6750 §5.2/1")
@pytest.mark.rfc("9068 §4/6")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_any_change_of_one_character_rejects_the_token(place):
    segments = token().split(".")
    for at in range(0, len(segments[place]), 7):
        segment = segments[place]
        other = "A" if segment[at] != "A" else "B"
        changed = [*segments]
        changed[place] = segment[:at] + other + segment[at + 1 :]
        reason(".".join(changed))


@given(st.text(max_size=100) | st.lists(st.text(alphabet="ABab01-_=", max_size=30), max_size=4).map(".".join))
def test_text_is_rejected_and_nothing_else_happens(raw):
    reason(raw)


@given(
    st.dictionaries(
        st.sampled_from([*CLAIMS, "nbf", "cnf", "auth_time", "amr", "tenant"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=6,
    )
)
def test_signed_claims_of_any_type_give_a_token_or_a_rejection(claims):
    with contextlib.suppress(TokenRejected):
        assert check(sign({**CLAIMS, **claims})).iss == "https://as.example"


def test_a_rejection_shows_nothing_of_the_token():
    with pytest.raises(TokenRejected) as caught:
        check(token(aud="somewhere-else"))
    assert "somewhere-else" not in f"{caught.value!r} {caught.value} {caught.value.description}"
    assert caught.value.__cause__ is None
    assert caught.value.error is ErrorCode.INVALID_TOKEN


@pytest.mark.parametrize("asked", [("read", ()), ((), "admin"), ("r", []), ("", ())])
def test_one_string_is_not_a_list_of_privileges(asked):
    verified = check(token(scope="r e a d", roles=["a", "d", "m", "i", "n"]))
    with pytest.raises(TypeError):
        check_privileges(verified, *asked)


def test_privileges_must_all_be_had():
    verified = check(token())
    check_privileges(verified, ["reports:read"], ["user"])
    with pytest.raises(TokenRejected) as caught:
        check_privileges(verified, ["reports:read", "reports:write"], [])
    assert (caught.value.reason, caught.value.scope) == (R.INSUFFICIENT_SCOPE, ("reports:read", "reports:write"))
    assert caught.value.error is ErrorCode.INSUFFICIENT_SCOPE
    with pytest.raises(TokenRejected) as caught:
        check_privileges(verified, [], ["user", "admin"])
    assert (caught.value.reason, caught.value.error) == (R.INSUFFICIENT_ROLE, ErrorCode.INSUFFICIENT_SCOPE)
