"""pytest fixtures for the tests of those who accept tokens; active wherever watchword is installed.

Imports nothing of watchword until a fixture is used, so that other test runs do not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from watchword.testing import FakeClock, FakeIssuer


@pytest.fixture
def watchword_clock() -> FakeClock:
    """A clock that stands still until ``advance`` is called."""
    from watchword.testing import FakeClock  # noqa: PLC0415 - see the head of this file

    return FakeClock()


@pytest.fixture
def watchword_issuer(watchword_clock: FakeClock) -> FakeIssuer:
    """An issuer in this process, on ``watchword_clock``: sign tokens, make verifiers, revoke."""
    from watchword.testing import FakeIssuer  # noqa: PLC0415 - see the head of this file

    return FakeIssuer(clock=watchword_clock)
