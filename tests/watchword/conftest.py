"""A clock that moves when told, and an issuer that lives by it."""

import pytest
from watchword.testing import FakeClock, FakeIssuer


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def issuer(clock):
    return FakeIssuer(clock=clock)
