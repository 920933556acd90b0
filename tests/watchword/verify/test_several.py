"""Several issuers: the name in the token chooses, exactly, and nothing else does."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import (
    ClientSecret,
    Introspection,
    RejectionReason,
    SeveralIssuers,
    SyncSeveralIssuers,
    SyncVerifier,
    TokenRejected,
)
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter, encrypt
from watchword.testing import FakeIssuer

R = RejectionReason
SECRET = ClientSecret("rs", "s")


@pytest.fixture
def issuers():
    return FakeIssuer("https://one.test"), FakeIssuer("https://two.test", audience="other")


def both(issuers, **options):
    return SyncSeveralIssuers([one.sync_verifier(**options) for one in issuers])


def why(verifier, raw):
    with pytest.raises(TokenRejected) as caught:
        verifier.verify(raw)
    return caught.value.reason


@pytest.mark.rfc("9068 §4/4")
def test_each_token_is_verified_by_the_keys_and_policy_of_its_issuer(issuers):
    one, two = issuers
    verifier = both(issuers)
    for issuer, other in ((one, two), (two, one)):
        raw = issuer.token()
        assert verifier.verify(raw).iss == verifier.verify(raw).iss == issuer.issuer
        assert why(verifier, issuer.token(aud=other.audience)) is R.AUDIENCE
        assert why(verifier, issuer.token(iss=other.issuer)) is R.UNKNOWN_KEY
        assert why(verifier, issuer.token(key=other.key)) is R.UNKNOWN_KEY


@pytest.mark.parametrize(
    "iss",
    ["https://one.test/", "https://ONE.test", "https://one.test.evil", "http://one.test", "", " https://one.test"],
)
def test_another_issuer_is_refused_before_anything_is_computed_or_fetched(issuers, iss):
    one, _ = issuers
    asked = [SyncVerifier(each.issuer, each.audience, transport=each.transport, clock=each.clock) for each in issuers]
    verifier = SyncSeveralIssuers(asked)
    assert why(verifier, one.token(iss=iss)) is R.ISSUER
    assert not one.transport.asked


def test_two_names_in_one_token_open_nothing(issuers):
    one, two = issuers
    claims = json.dumps({"iss": two.issuer, "sub": "eve"})[:-1] + f',"iss":"{one.issuer}"}}'
    head, _, signature = one.token().split(".")
    payload = base64.urlsafe_b64encode(claims.encode()).rstrip(b"=").decode()
    assert why(both(issuers), f"{head}.{payload}.{signature}") in {R.BAD_SIGNATURE, R.MALFORMED}


def test_opaque_tokens_go_to_the_issuer_whose_prefix_they_have_and_to_nobody_else(issuers):
    one, two = issuers
    verifier = SyncSeveralIssuers(
        [
            one.sync_verifier(introspection=Introspection(SECRET)),
            two.sync_verifier(introspection=Introspection(SECRET, prefix="xx_")),
        ]
    )
    assert verifier.verify(one.opaque_token()).iss == one.issuer
    assert why(verifier, "xx_abc") is R.INACTIVE
    assert why(verifier, "yy_abc") is R.MALFORMED
    assert not any("introspect" in request.url and b"xx_" in request.body for request in one.transport.asked)
    assert verifier.verify(one.api_key()).iss == one.issuer
    for prefixes in (("wo_", "wo_"), (("wo_", "wk_"), "wk_"), ("wo_", "wo_x"), ("", "wo_")):
        with pytest.raises(ValueError):
            SyncSeveralIssuers(
                [
                    each.sync_verifier(introspection=Introspection(SECRET, prefix=prefix))
                    for each, prefix in zip(issuers, prefixes, strict=True)
                ]
            )


def test_an_encrypted_token_says_whose_it_is_or_one_alone_can_read_it(issuers):
    one, two = issuers
    keys = EncryptionKey.generate(kid="a"), EncryptionKey.generate(kid="b")
    verifier = SyncSeveralIssuers(
        [each.sync_verifier(decrypter=Decrypter([key])) for each, key in zip(issuers, keys, strict=True)]
    )
    said = encrypt(two.token().encode(), keys[1], header={"iss": two.issuer})
    assert verifier.verify(said).iss == two.issuer
    assert why(verifier, encrypt(two.token().encode(), keys[1])) is R.ISSUER
    assert why(verifier, encrypt(one.token().encode(), keys[0], header={"iss": "https://x.test"})) is R.ISSUER
    alone = SyncSeveralIssuers([one.sync_verifier(decrypter=Decrypter([keys[0]])), two.sync_verifier()])
    assert alone.verify(one.encrypted_token(keys[0])).iss == one.issuer
    assert why(alone, "a.b.c.d.e") is R.MALFORMED
    assert why(alone, "a" * 5000 + ".b.c.d.e") is R.TOO_LONG


async def test_it_stands_where_a_verifier_may(issuers):
    one, two = issuers
    async with SeveralIssuers([one.verifier(), two.verifier()]) as verifier:
        raw = two.token()
        assert (await verifier.verify(raw)).iss == two.issuer
        token = verifier.verify_now(raw)
        with verifier.watch(token) as watch:
            assert watch.ended is None
        two.revoke(raw)
        with pytest.raises(TokenRejected):
            await verifier.verify(raw)
        assert set(verifier.health()) == {one.issuer, two.issuer}
        assert verifier.kills(token) == "token"
        verifier.keep_within(30)
    assert verifier.clock is one.clock


def test_a_cut_off_at_one_issuer_is_none_at_the_other(issuers):
    one, two = issuers
    with both(issuers) as verifier:
        mine, theirs = one.token(sid="same"), two.token(sid="same")
        one.cut_off("session", "same")
        assert why(verifier, mine) is R.REVOKED
        assert verifier.verify(theirs).sub == "ada"


def test_what_cannot_be_put_together_is_refused(issuers):
    one, _ = issuers
    for verifiers in ([], [one.sync_verifier(), one.sync_verifier()]):
        with pytest.raises(ValueError):
            SyncSeveralIssuers(verifiers)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_=-]{0,20}(\.[A-Za-z0-9_-]{0,20}){0,6}", fullmatch=True))
def test_whatever_comes_is_refused(raw):
    verifier = both((FakeIssuer("https://one.test"), FakeIssuer("https://two.test")))
    assert why(verifier, raw) in set(R)
