"""Signed answers of the feed: forged, replayed, reordered, of another, and simply broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import Key, KeySet
from watchword.jose.jws import Signer
from watchword.verify.answer import (
    FeedError,
    ForgedAnswer,
    UnknownFeedKey,
    parse_batch,
    read_page,
    read_pushed,
)

ISSUER = "https://issuer.test"
NONCE = "q7yQ0m8B2c3dE4fG5hI6jA"
KEY = Key.generate("ES256")
KEYS = KeySet([KEY.public()])
ENTRY = {"position": 7, "axis": "session", "value": "s1", "spares": None, "floor": 0, "expires_in": 612}


def page(**members):
    whole = {
        "iss": ISSUER,
        "nonce": NONCE,
        "from": "e.6.a",
        "cursor": "e.7.b",
        "entries": [ENTRY],
        "more": False,
        "snapshot": False,
        **members,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def signed(payload, *, key=KEY, typ="revocations+jwt", header=None):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Signer(key, typ=typ, header=header).sign(raw).encode()


def read(raw, **asked):
    return read_page(raw, KEYS, **{"issuer": ISSUER, "nonce": NONCE, "cursor": "e.6.a", **asked})


def test_the_answer_to_our_own_question_is_read():
    batch = read(signed(page()))
    assert (batch.cursor, batch.entries[0].value, batch.more) == ("e.7.b", "s1", False)
    assert read(signed(page(**{"from": None})), cursor=None).cursor == "e.7.b"


FORGED = {
    "plain JSON": json.dumps(page()).encode(),
    "nothing": b"",
    "bytes": bytes(range(256)),
    "no nonce": signed(page(nonce=...)),
    "null for a nonce": signed(page(nonce=None)),
    "an empty nonce": signed(page(nonce="")),
    "the nonce of another question": signed(page(nonce="another-question-of-ours")),
    "a nonce beyond ASCII": signed(page(nonce="ä" * 22)),
    "a nonce that only begins alike": signed(page(nonce=NONCE + "x")),
    "another issuer": signed(page(iss="https://evil.test")),
    "an issuer that differs in a slash": signed(page(iss=ISSUER + "/")),
    "the answer to a later cursor": signed(page(**{"from": "e.7.b"})),
    "the answer to no cursor": signed(page(**{"from": None})),
    "an access token's type": signed(page(), typ="at+jwt"),
    "no type": signed(page(), typ=None),
    "a type in capitals": signed(page(), typ="Revocations+JWT"),
    "a stranger's key": signed(page(), key=Key.generate("ES256")),
    "a stranger's key under our name": signed(page(), key=Key.generate("ES256", kid=KEY.kid)),
    "a key of its own": signed(page(), key=Key.generate("ES256"), header={"jwk": Key.generate("ES256").public_jwk()}),
    "a shared secret": signed(page(), key=Key.generate("HS256", kid=KEY.kid)),
    "cut short": signed(page())[:-3],
    "another payload under the signature": b".".join(
        [*signed(page()).split(b".")[:1], signed(page(entries=[])).split(b".")[1], signed(page()).split(b".")[2]]
    ),
}


@pytest.mark.parametrize("raw", FORGED.values(), ids=FORGED.keys())
def test_what_is_not_the_answer_to_our_question_is_told_apart(raw):
    with pytest.raises(ForgedAnswer) as caught:
        read(raw)
    assert NONCE not in str(caught.value)


def test_a_key_not_known_yet_is_told_apart_since_newer_keys_may_help():
    with pytest.raises(UnknownFeedKey):
        read(signed(page(), key=Key.generate("ES256")))


def test_a_key_that_also_signs_access_tokens_is_not_the_feed_s():
    with pytest.raises(ForgedAnswer, match="access tokens"):
        read(signed(page()), distrusted=frozenset({KEY.thumbprint()}))


BROKEN = {
    "no object": b"[]",
    "no issuer": {"nonce": NONCE},
    "no entries": page(entries=...),
    "an unknown axis": page(entries=[{**ENTRY, "axis": "planet"}]),
    "an entry of the wrong type among good ones": page(entries=[ENTRY, {**ENTRY, "position": "7"}]),
    "a cursor that splits a header": page(cursor="a\r\nb"),
    "nested without end": b"[" * 100_000,
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN.keys())
def test_a_signed_answer_that_cannot_be_read_whole_is_not_read_at_all(payload):
    with pytest.raises(FeedError):
        read(signed(payload))


def test_what_was_pushed_has_no_nonce_and_is_no_answer():
    pushed = signed({"iss": ISSUER, "from": "e.6.a", "cursor": "e.7.b", "entries": [ENTRY]})
    batch = read_pushed(pushed, KEYS, issuer=ISSUER)
    assert (batch.since, batch.cursor, len(batch.entries)) == ("e.6.a", "e.7.b", 1)
    with pytest.raises(ForgedAnswer):
        read(pushed)


@pytest.mark.parametrize(
    "raw",
    [
        signed({"iss": "https://evil.test", "from": "a", "cursor": "b", "entries": []}),
        signed({"iss": ISSUER, "from": "a", "cursor": "b", "entries": []}, typ="at+jwt"),
        signed({"iss": ISSUER, "from": "a", "cursor": "b", "entries": []}, key=Key.generate("ES256")),
        b"{}",
    ],
)
def test_a_forged_batch_is_not_merged(raw):
    with pytest.raises(ForgedAnswer):
        read_pushed(raw, KEYS, issuer=ISSUER)


@given(st.binary(max_size=300))
def test_bytes_give_a_feed_error_whatever_they_are(raw):
    for reading in (parse_batch, read, lambda one: read_pushed(one, KEYS, issuer=ISSUER)):
        with pytest.raises(FeedError):
            reading(raw)
