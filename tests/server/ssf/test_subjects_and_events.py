"""Subjects and what an entry of the log means: pure."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watchword_server.ssf.events import events_of
from watchword_server.ssf.names import CREDENTIAL_CHANGE, SESSION_REVOKED, TOKEN_CLAIMS_CHANGE
from watchword_server.ssf.subjects import SubjectError, account_names, name_of
from watchword_server.store.delivery_records import News
from watchword_server.store.records import Account

ISSUER = "https://issuer.example"
ADA = Account(
    id="ada",
    email="Ada@Example.test",
    username=None,
    roles=("user",),
    permissions=("p",),
    tenant="t1",
    email_verified=True,
    created_at=0.0,
    password_changed_at=0.0,
    disabled_at=None,
)
USER = {"format": "iss_sub", "iss": ISSUER, "sub": "ada"}


def news(axis="account", value="ada", cause="logout_all", **members) -> News:
    given = {"position": 1, "spares": None, "account_id": None, "at": 1_800_000_000.5, "ends_sessions": True}
    return News(axis=axis, value=value, cause=cause, **given | members)


def told(entry, account=ADA):
    return [(one.type, one.subject) for one in events_of(entry, account, issuer=ISSUER)]


def test_the_end_of_a_session_names_the_user_and_the_session():
    (event,) = events_of(news("session", "s1", "logout", account_id="ada"), ADA, issuer=ISSUER)
    assert event.type == SESSION_REVOKED
    assert event.subject == {"format": "complex", "user": USER, "session": {"format": "opaque", "id": "s1"}}
    assert event.members == {"event_timestamp": 1_800_000_000, "initiating_entity": "user"}
    assert name_of(USER) in event.about


def test_the_end_of_all_sessions_names_the_user():
    assert told(news()) == [(SESSION_REVOKED, USER)]
    assert told(news(cause="administrator"), None) == [(SESSION_REVOKED, USER)]


def test_a_new_password_is_a_changed_credential_and_the_end_of_sessions_also_when_one_is_spared():
    found = events_of(news(cause="password.changed", spares="s1"), ADA, issuer=ISSUER)
    assert [event.type for event in found] == [CREDENTIAL_CHANGE, SESSION_REVOKED]
    assert found[0].members["credential_type"] == "password"
    assert found[0].members["change_type"] == "update"


def test_roles_taken_away_change_claims_and_end_no_session():
    (event,) = events_of(news(cause="roles.taken", ends_sessions=False), ADA, issuer=ISSUER)
    assert event.type == TOKEN_CLAIMS_CHANGE
    assert event.members["claims"] == {"roles": ["user"], "permissions": ["p"]}
    assert event.members["initiating_entity"] == "admin"
    assert told(news(cause="roles.taken", ends_sessions=False), None) == []


def test_a_cut_off_of_access_tokens_alone_is_no_ones_end():
    assert told(news(cause="operator", ends_sessions=False)) == []


def test_a_tenant_is_named_as_such():
    (event,) = events_of(news("tenant", "t1", "operator"), None, issuer=ISSUER)
    assert event.subject == {"format": "complex", "tenant": {"format": "opaque", "id": "t1"}}
    assert event.members["initiating_entity"] == "policy"
    assert name_of(event.subject) in event.about
    assert name_of(event.subject) in account_names(ADA, "ada", issuer=ISSUER)


@pytest.mark.parametrize("axis", ["token", "family", "client", "key", "everything"])
def test_what_names_nobody_is_told_to_nobody(axis):
    assert told(news(axis, "x"), None) == []


def test_a_session_whose_account_is_unknown_is_told_to_nobody():
    assert told(news("session", "s1"), None) == []


def test_an_address_nobody_proved_is_no_name():
    import msgspec

    unproved = msgspec.structs.replace(ADA, email_verified=False)
    mine = name_of({"format": "email", "email": "ada@example.test"})
    assert mine in account_names(ADA, "ada", issuer=ISSUER)
    assert mine not in account_names(unproved, "ada", issuer=ISSUER)


def test_one_subject_has_one_name_however_it_is_given():
    email = name_of({"format": "email", "email": "ADA@example.TEST"})
    assert email == name_of({"format": "complex", "user": {"format": "email", "email": "ada@example.test"}})
    opaque = name_of({"format": "opaque", "id": "t1"})
    assert opaque != name_of({"format": "complex", "tenant": {"format": "opaque", "id": "t1"}})


def test_two_subjects_never_share_a_name():
    one = name_of({"format": "iss_sub", "iss": 'a","b', "sub": "c"})
    assert one != name_of({"format": "iss_sub", "iss": "a", "sub": 'b","c'})


@pytest.mark.parametrize(
    "subject",
    [
        *(None, [], "ada", 1, {}, {"format": 1}, {"format": "nope"}, {"format": "iss_sub", "iss": ISSUER}),
        *({"format": "iss_sub", "iss": ISSUER, "sub": 1}, {"format": "opaque", "id": "x", "more": 1}),
        *({"format": "email", "email": "nobody"}, {"format": "complex"}, {"format": "complex", "device": {}}),
        *({"format": "complex", "user": USER, "tenant": {}}, {"format": "complex", "user": {"format": "complex"}}),
        *({"format": "complex", "tenant": USER}, {"format": "opaque", "id": "x" * 1000}),
        {"format": "aliases", "identifiers": [USER]},
    ],
)
def test_what_is_no_subject_here_is_refused(subject):
    with pytest.raises(SubjectError):
        name_of(subject)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(["format", "iss", "sub", "id", "email", "user", "tenant"]), JSON))
def test_anything_is_a_name_or_refused(subject):
    with contextlib.suppress(SubjectError):
        assert name_of(subject).isascii()


@given(st.text(), st.sampled_from(["account", "session", "tenant", "token"]))
def test_no_entry_of_the_log_holds_it_up(value, axis):
    events_of(news(axis, value, account_id=value), None, issuer=ISSUER)
