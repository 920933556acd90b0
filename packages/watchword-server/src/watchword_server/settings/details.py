"""Settings of authorization details (RFC 9396): the types that clients may ask for.

Reads nothing; tree.py has the section in its tree, and clients/details.py judges by it.
"""

from __future__ import annotations

import re
from typing import Final, Self

from pydantic import model_validator

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import Texts

_TYPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")


class DetailType(Section):
    """A type of authorization details."""

    words: str = setting(..., "What people are asked on the consent page: `Pay a bill`.", min_length=1, max_length=200)
    members: Texts | None = setting(
        None, "Members it may have beside `type`, `locations` and `actions`; none: whichever a client sends."
    )
    actions: Texts | None = setting(
        None, "Actions it may name, and of which it has to name one; none: whichever, or none at all."
    )
    locations: Texts | None = setting(
        None,
        "Resources it may name in `locations`, and of which it has to name one; none: any of `resources`, or none at all.",
    )
    without_person: bool = setting(
        default=False,
        description="Whether a client may have it in a token of its own (client credentials), which nobody is asked about.",
    )
    ask_always: bool = setting(
        default=False,
        description="Whether people are asked each time, whatever they allowed before, whoever the client is: a payment.",
    )

    @model_validator(mode="after")
    def _asked_or_not(self) -> Self:
        if self.ask_always and self.without_person:
            raise ValueError("ask_always and without_person contradict each other")
        return self


def described_types(values: dict[str, DetailType]) -> dict[str, DetailType]:
    """Types by name. Raises ValueError."""
    for name in values:
        if _TYPE.fullmatch(name) is None:
            raise ValueError(f"{name[:40]!r} is not a type: printable ASCII without blanks, at most 256 characters")
    return values
