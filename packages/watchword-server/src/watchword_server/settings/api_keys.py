"""Settings of API keys and personal access tokens.

Reads nothing; tree.py has this section in its tree.
"""

from __future__ import annotations

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import Seconds


class ApiKeys(Section):
    """API keys and personal access tokens."""

    max_lifetime: Seconds = setting(
        31_536_000,
        "Longest life of an API key or personal access token; none lives without end.",
        "seconds", gt=0, le=315_360_000,
    )  # fmt: skip
    default_lifetime: Seconds = setting(
        7_776_000, "Life of one for which nothing is said, within `max_lifetime`.", "seconds", gt=0
    )
    most: int = setting(50, "Keys that one account, or one client, may have at once.", ge=0, le=1000)
    login_within: Seconds = setting(
        3600,
        "How long ago a person may have logged in who makes a personal access token: a stolen access token must not be"
        " turned into one that lives for months. 0: at any time.",
        "seconds",
    )
