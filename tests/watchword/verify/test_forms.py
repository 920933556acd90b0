"""Encrypted access tokens at a verifier, beside signed and opaque ones."""

import pytest
from watchword import ClientSecret, Dpop, Introspection, RejectionReason, TokenRejected
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter, encrypt
from watchword.oauth.names import Scheme
from watchword.testing import FakeDpopKey, FakeIssuer
from watchword.verify.possession import Possession

KEY = EncryptionKey.generate()
R = RejectionReason
ASKING = Introspection(ClientSecret("rs", "secret"))


@pytest.fixture
def issuer():
    return FakeIssuer()


def why(verifier, raw, **wanted):
    with pytest.raises(TokenRejected) as caught:
        verifier.verify(raw, **wanted)
    return caught.value.reason


@pytest.mark.rfc("9068 §4/3")
@pytest.mark.rfc("7519 §7.2")
def test_each_form_is_accepted_by_a_verifier_that_takes_all(issuer):
    verifier = issuer.sync_verifier(decrypter=Decrypter([KEY]), introspection=ASKING)
    for raw in (issuer.token(), issuer.encrypted_token(KEY.public()), issuer.opaque_token()):
        assert verifier.verify(raw).sub == "ada"
        assert verifier.verify(raw).sub == "ada"


@pytest.mark.rfc("9068 §4/3")
def test_only_the_forms_named_are_accepted(issuer):
    tokens = {"jwt": issuer.token(), "jwe": issuer.encrypted_token(KEY.public()), "opaque": issuer.opaque_token()}
    for only in tokens:
        verifier = issuer.sync_verifier(decrypter=Decrypter([KEY]), introspection=ASKING, forms=[only])
        for form, raw in tokens.items():
            if form == only:
                assert verifier.verify(raw).sub == "ada"
            else:
                assert why(verifier, raw) is R.MALFORMED
    assert why(issuer.sync_verifier(), tokens["jwe"]) is R.MALFORMED
    for forms in (["jwe"], ["opaque"], [], ["JWT"], "jwt"):
        with pytest.raises(ValueError):
            issuer.sync_verifier(forms=forms)


@pytest.mark.rfc("7519 §5.2")
@pytest.mark.parametrize("cty", [None, "json", "JWE", "jwt2"])
def test_what_is_inside_must_be_said_to_be_a_token(issuer, cty):
    raw = encrypt(issuer.token().encode(), KEY, cty=cty)
    assert why(issuer.sync_verifier(decrypter=Decrypter([KEY])), raw) is R.WRONG_TYPE


def test_what_is_inside_must_be_signed_and_by_the_same_rules(issuer):
    verifier = issuer.sync_verifier(decrypter=Decrypter([KEY]))
    inside = issuer.encrypted_token(KEY.public())
    for plaintext, reason in (
        (b'{"sub":"eve","iss":"https://issuer.test"}', R.MALFORMED),
        (inside.encode(), R.MALFORMED),
        (b"\xff\xfe", R.MALFORMED),
        (b"", R.MALFORMED),
        (issuer.token(typ="JWT").encode(), R.WRONG_TYPE),
        (issuer.token(aud="billing").encode(), R.AUDIENCE),
        (issuer.token(exp=1).encode(), R.EXPIRED),
    ):
        assert why(verifier, encrypt(plaintext, KEY)) is reason


def test_an_altered_or_foreign_one_is_undecipherable(issuer):
    verifier = issuer.sync_verifier(decrypter=Decrypter([KEY]))
    raw = issuer.encrypted_token(KEY.public())
    head, wrapped, iv, text, tag = raw.split(".")
    assert why(verifier, ".".join([head, wrapped, iv, "A" + text[1:] if text[0] != "A" else "B" + text[1:], tag])) is (
        R.UNDECIPHERABLE
    )
    assert why(verifier, issuer.encrypted_token(EncryptionKey.generate())) is R.UNDECIPHERABLE


def test_cut_offs_reach_what_is_remembered(issuer):
    verifier = issuer.sync_verifier(decrypter=Decrypter([KEY]))
    raw = issuer.encrypted_token(KEY.public())
    verifier.verify(raw)
    issuer.cut_off("session", "session-ada")
    assert why(verifier, raw) is R.REVOKED


@pytest.mark.rfc("9449 §4.3/12")
def test_a_proof_names_the_token_as_it_was_sent(issuer):
    key = FakeDpopKey(clock=issuer.clock)
    verifier = issuer.sync_verifier(decrypter=Decrypter([KEY]), dpop=Dpop())
    inner = issuer.token(cnf={"jkt": key.jkt})
    raw = encrypt(inner.encode(), KEY)
    url = "https://rs.test/"
    for named, good in ((raw, True), (inner, False)):
        shown = Possession(Scheme.DPOP, (key.proof("GET", url, named),), "GET", url)
        if good:
            assert verifier.verify(raw, possession=shown).sub == "ada"
        else:
            assert why(verifier, raw, possession=shown) is R.DPOP_PROOF
