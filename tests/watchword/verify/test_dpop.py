"""DPoP proofs: every check of RFC 9449 §4.3, and every attack on them."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import ErrorCode, Key, OAuthError
from watchword.jose.jws import Signer
from watchword.verify.dpop import (
    DPOP_ALGORITHMS,
    MAX_JTI_LENGTH,
    access_token_hash,
    check_dpop_proof,
    single_proof,
)

NOW = 1_800_000_000
KEY = Key.generate("ES256")
URL = "https://rs.example/reports"
TOKEN = "some.access.token"


def proof(key=KEY, *, typ="dpop+jwt", header=None, **claims):
    members = {"jti": "p1", "htm": "GET", "htu": URL, "iat": NOW, **claims}
    signer = Signer(key, typ=typ, header={"jwk": key.public_jwk()} if header is None else header)
    return signer.sign(json.dumps({name: value for name, value in members.items() if value is not ...}).encode())


def forged(header, payload=None, key=KEY):
    """A proof whose header no decent signer would write, rightly signed all the same."""
    payload = {"jti": "p1", "htm": "GET", "htu": URL, "iat": NOW} if payload is None else payload
    first, second = (
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=")
        for part in (header, payload)
    )
    signature = base64.urlsafe_b64encode(key.signers["ES256"](first + b"." + second)).rstrip(b"=")
    return b".".join((first, second, signature)).decode()


def check(raw, **options):
    return check_dpop_proof(raw, **{"method": "GET", "url": URL, "now": NOW, **options})


def refused(raw, **options):
    with pytest.raises(OAuthError) as caught:
        check(raw, **options)
    return caught.value.code


@pytest.mark.rfc("9449 §4.3/11")
def test_a_good_proof_tells_its_key_and_when_it_may_be_forgotten():
    seen = check(proof(ath=access_token_hash(TOKEN)), access_token=TOKEN)
    assert (seen.jkt, seen.jti, seen.iat, seen.htm, seen.htu) == (KEY.thumbprint(), "p1", NOW, "GET", URL)
    assert seen.expires_at == NOW + 70
    assert seen.nonce is None
    assert refused(proof(), now=seen.expires_at) == "invalid_dpop_proof"


def test_the_example_of_the_rfc_is_accepted():
    raw = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
        "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
        "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRy"
        "ZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
        "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    seen = check(raw, url="https://resource.example.org/protectedresource", now=1562262620, access_token=token)
    assert seen.jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.mark.rfc("9449 §4.3/3")
@pytest.mark.rfc("9449 §4.3/8")
@pytest.mark.rfc("9449 §4.3/9")
@pytest.mark.parametrize(
    "claims",
    [
        {"jti": ...},
        {"htm": ...},
        {"htu": ...},
        {"iat": ...},
        {"jti": ""},
        {"jti": 1},
        {"jti": (MAX_JTI_LENGTH + 1) * "x"},
        {"iat": "now"},
        {"iat": True},
        {"iat": -1},
        {"iat": 1e20},
        {"htm": "POST"},
        {"htm": "get"},
        {"htm": None},
        {"htu": "https://rs.example/other"},
        {"htu": "http://rs.example/reports"},
        {"htu": "https://evil.example/reports"},
        {"htu": "https://rs.example:8443/reports"},
        {"htu": "https://rs.example@evil.example/reports"},
        {"htu": "/reports"},
        {"htu": ["https://rs.example/reports"]},
        {"iat": NOW - 71},
        {"iat": NOW + 11},
        {"exp": NOW - 10},
        {"nbf": NOW + 11},
        {"ath": 1},
        {"nonce": 513 * "n"},
    ],
)
def test_each_claim_must_be_there_and_right(claims):
    assert refused(proof(**claims)) == "invalid_dpop_proof"


@pytest.mark.rfc("9449 §4.3/9")
@pytest.mark.parametrize("htu", [URL + "?a=b", URL + "#f", "HTTPS://RS.example:443/%72eports"])
def test_query_and_fragment_are_ignored_and_spelling_does_not_matter(htu):
    assert check(proof(htu=htu), url=URL + "?page=2").htu == URL


@pytest.mark.rfc("9449 §11.5")
@pytest.mark.rfc("9449 §4.3/4")
@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt", "dpop", "application/jwt"])
def test_another_type_is_no_proof(typ):
    assert refused(proof(typ=typ)) == "invalid_dpop_proof"


def test_the_type_is_a_media_type():
    assert check(proof(typ="DPoP+JWT")).jti == "p1"


@pytest.mark.rfc("9449 §4.3/5")
@pytest.mark.parametrize("algorithm", sorted(DPOP_ALGORITHMS))
def test_every_asymmetric_algorithm_that_is_announced_is_accepted(algorithm):
    key = Key.generate(algorithm)
    assert check(proof(key)).jkt == key.thumbprint()


@pytest.mark.rfc("9449 §4.3/5")
def test_an_algorithm_outside_the_policy_is_refused():
    assert refused(proof(Key.generate("RS256")), algorithms=["ES256", "PS256"]) == "invalid_dpop_proof"


@pytest.mark.rfc("9449 §11.6")
@pytest.mark.rfc("9449 §4.3/5")
def test_a_symmetric_key_is_refused():
    secret = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
    for alg in ("HS256", "none"):
        header = {"typ": "dpop+jwt", "alg": alg, "jwk": {"kty": "oct", "k": secret}}
        assert refused(forged(header)) == "invalid_dpop_proof"
    with pytest.raises(ValueError, match="asymmetric"):
        check(proof(), algorithms=["HS256"])


@pytest.mark.rfc("9449 §4.3/7")
def test_a_private_key_in_the_header_is_refused():
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.private_jwk()}
    assert refused(forged(header)) == "invalid_dpop_proof"


@pytest.mark.rfc("9449 §4.3/6")
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"jwk": {}},
        {"jwk": KEY.public_jwk(), "jku": "https://evil.example/jwks"},
        {"jwk": KEY.public_jwk(), "x5c": ["AA"]},
        {"jwk": KEY.public_jwk(), "crit": ["exp"]},
        {"jwk": KEY.public_jwk(), "b64": False},
        {"jwk": Key.generate("ES256").public_jwk()},
        {"jwk": Key.generate("Ed25519").public_jwk()},
        {"jwk": KEY.public_jwk() | {"use": "enc"}},
        {"jwk": KEY.public_jwk() | {"y": KEY.public_jwk()["x"]}},
        {"jwk": [KEY.public_jwk()]},
    ],
)
def test_a_header_that_does_not_hold_its_own_sound_key_alone_is_refused(header):
    assert refused(forged({"typ": "dpop+jwt", "alg": "ES256", **header})) == "invalid_dpop_proof"


def test_duplicate_members_are_refused():
    payload = f'{{"jti":"a","htm":"GET","htu":"{URL}","iat":1,"iat":{NOW}}}'.encode()
    assert refused(forged({"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.public_jwk()}, payload)) == (
        "invalid_dpop_proof"
    )


@pytest.mark.rfc("9449 §4.3/2")
@pytest.mark.rfc("9449 §4.3/6")
def test_an_altered_proof_is_refused():
    first, second, third = proof().split(".")
    other = proof(jti="p2").split(".")[1]
    for raw in (f"{first}.{other}.{third}", f"{first}.{second}.", f"{first}.{second}", f"{first}.{second}.{third}."):
        assert refused(raw) == "invalid_dpop_proof"


@pytest.mark.rfc("9449 §4.3/12")
def test_the_proof_names_the_token_it_comes_with():
    good = proof(ath=access_token_hash(TOKEN))
    assert check(good, access_token=TOKEN).jti == "p1"
    assert refused(good, access_token="another") == "invalid_dpop_proof"
    assert refused(proof(), access_token=TOKEN) == "invalid_dpop_proof"
    assert refused(proof(ath=access_token_hash(TOKEN) + "="), access_token=TOKEN) == "invalid_dpop_proof"
    assert refused(proof(ath="\u00e9"), access_token=TOKEN) == "invalid_dpop_proof"


@pytest.mark.rfc("9449 §11.3")
@pytest.mark.rfc("9449 §4.3/10")
@pytest.mark.rfc("9449 §8/3")
def test_a_nonce_is_asked_for_by_name_and_only_of_proofs_that_are_right():
    good = {"one"}.__contains__
    assert check(proof(nonce="one"), nonce=good).nonce == "one"
    assert refused(proof(), nonce=good) is ErrorCode.USE_DPOP_NONCE
    assert refused(proof(nonce="two"), nonce=good) is ErrorCode.USE_DPOP_NONCE
    assert refused(proof(htm="POST"), nonce=good) is ErrorCode.INVALID_DPOP_PROOF


@pytest.mark.rfc("9449 §4.3/1")
@pytest.mark.rfc("9449 §4.3/2")
def test_there_is_one_header():
    assert single_proof([]) is None
    assert single_proof(["a"]) == "a"
    with pytest.raises(OAuthError) as caught:
        single_proof(["a", "a"])
    assert caught.value.code == "invalid_dpop_proof"
    assert refused(f"{proof()}, {proof(jti='p2')}") == "invalid_dpop_proof"


def test_used_proofs_are_known_by_key_and_jti():
    other = Key.generate("ES256")
    keys = {check(raw).replay_key for raw in (proof(), proof(jti="p2"), proof(other), proof(iat=NOW - 1))}
    assert len(keys) == 3
    assert all(len(key) < 64 for key in keys)


def test_a_bad_request_target_is_the_clients_fault_too():
    assert refused(proof(), url="https://rs.example\n/reports") == "invalid_dpop_proof"
    assert refused(proof(), url="") == "invalid_dpop_proof"


def test_a_huge_proof_is_refused_unread():
    assert refused(proof(pad=9000 * "x")) == "invalid_dpop_proof"
    assert refused(1_000_000 * "a") == "invalid_dpop_proof"


def test_errors_hold_no_part_of_the_proof():
    with pytest.raises(OAuthError) as caught:
        check(proof(htm="SECRET-METHOD"))
    assert "SECRET" not in str(caught.value)


@given(st.text(max_size=200) | st.binary(max_size=90).map(lambda raw: forged(raw, raw)))
def test_whatever_comes_is_a_proof_or_an_oauth_error(raw):
    assert refused(raw) == "invalid_dpop_proof"
