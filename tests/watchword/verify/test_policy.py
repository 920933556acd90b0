"""Settings of a resource server that cannot be, cannot be made."""

import dataclasses

import pytest
from watchword import Policy


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": ""},
        {"issuer": None},
        {"audience": ""},
        {"audience": ()},
        {"audience": ["api", ""]},
        {"audience": [None]},
        {"algorithms": ()},
        {"algorithms": "ES256"},
        {"algorithms": ["none"]},
        {"algorithms": ["es256"]},
        {"algorithms": ["ES256", "HS256"]},
        {"leeway": -1},
        {"leeway": 301},
        {"leeway": float("nan")},
        {"typ": ()},
        {"typ": "at+jwt"},
        {"required_claims": "sid"},
        {"max_length": 0},
    ],
)
def test_unsafe_settings_are_refused(options):
    with pytest.raises(ValueError):
        Policy(**{"issuer": "https://as.example", "audience": "api", **options})


def test_issuer_and_audience_have_no_default():
    with pytest.raises(TypeError):
        Policy("https://as.example")


def test_no_symmetric_algorithm_is_accepted_unless_asked_for():
    assert not any(name.startswith("HS") for name in Policy("https://as.example", "api").algorithms)
    assert Policy("https://as.example", "api", algorithms=["HS256"]).algorithms == {"HS256"}


def test_a_policy_does_not_change():
    policy = Policy("https://as.example", ["api", "reports"])
    assert policy.audiences == {"api", "reports"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.leeway = 300
