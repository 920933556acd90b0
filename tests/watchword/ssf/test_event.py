"""What is a security event, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose.jwk import Key, KeySet
from watchword.ssf import SESSION_REVOKED, check_security_event
from watchword.testing import FakeClock
from watchword.verify.errors import RejectionReason
from watchword.verify.jwt import JwtRejected

from .conftest import AUDIENCE, ISSUER, USER, Transmitter


def check(transmitter, raw, **members):
    given_ = {"issuer": ISSUER, "audience": [AUDIENCE], "now": transmitter.clock.now()}
    return check_security_event(raw, transmitter.keys, **given_ | members)


def test_an_event_is_read_whole(transmitter):
    event = check(transmitter, transmitter.event(jti="x"))
    assert (event.iss, event.aud, event.jti, dict(event.subject)) == (ISSUER, (AUDIENCE,), "x", USER)
    assert event.events.keys() == {SESSION_REVOKED}
    assert event.happened_at(SESSION_REVOKED) == int(transmitter.clock.now())


@pytest.mark.rfc("8417 §2.3")
@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt", "logout+jwt", "application/json"])
def test_a_token_of_another_type_is_no_event(transmitter, typ):
    with pytest.raises(JwtRejected) as rejected:
        check(transmitter, transmitter.event(typ=typ))
    assert rejected.value.reason is RejectionReason.WRONG_TYPE


@pytest.mark.rfc("8417 §2.2")
@pytest.mark.parametrize("name", ["iss", "aud", "iat", "jti", "events"])
def test_an_event_that_lacks_a_claim_is_refused(transmitter, name):
    with pytest.raises(JwtRejected):
        check(transmitter, transmitter.event(**{name: None}))


@pytest.mark.parametrize(
    "members",
    [
        *({"iss": "https://other.example"}, {"aud": "https://other.example"}, {"aud": []}, {"aud": AUDIENCE + "/"}),
        *({"exp": 9_999_999_999}, {"sub": "ada"}, {"events": {}}, {"events": []}, {"events": {"x": 1}}),
        *({"events": {str(n): {} for n in range(17)}}, {"sub_id": "ada"}, {"sub_id": [1]}, {"iat": "now"}),
        *({"iat": 9_999_999_999}, {"iat": 0}, {"jti": ""}, {"jti": "x" * 300}, {"iat": True}),
    ],
)
def test_a_claim_that_is_wrong_is_refused(transmitter, members):
    with pytest.raises(JwtRejected):
        check(transmitter, transmitter.event(**members))


def test_an_event_by_a_key_of_nobody_is_refused(transmitter):
    with pytest.raises(JwtRejected) as rejected:
        check(transmitter, transmitter.event(key=Key.generate("ES256")))
    assert rejected.value.reason in {RejectionReason.UNKNOWN_KEY, RejectionReason.BAD_SIGNATURE}


def test_an_event_is_too_old_after_a_day(transmitter):
    raw = transmitter.event()
    transmitter.clock.advance(86_399)
    check(transmitter, raw)
    transmitter.clock.advance(2)
    with pytest.raises(JwtRejected):
        check(transmitter, raw)


@given(st.text() | st.from_regex(r"\A[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\Z"))
def test_text_is_an_event_or_refused(raw):
    clock = FakeClock()
    with pytest.raises(JwtRejected):
        check_security_event(raw, KeySet(()), issuer=ISSUER, audience=[AUDIENCE], now=clock.now())


def test_a_time_of_an_event_that_is_none_is_that_of_the_token(transmitter: Transmitter):
    for wrong in ("x", None, True, -1, {}):
        event = check(transmitter, transmitter.event(events={SESSION_REVOKED: {"event_timestamp": wrong}}))
        assert event.happened_at(SESSION_REVOKED) == event.iat
