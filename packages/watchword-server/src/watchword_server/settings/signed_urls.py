"""Settings of signed URLs: what applications may bind to a session, and what this server signs for those without a key.

Reads nothing; tree.py has this section in its tree.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from watchword.signedurl.grammar import check_origin

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import Seconds, Texts


def one_spelling(values: tuple[str, ...]) -> tuple[str, ...]:
    """Origins in their one spelling. Raises ValueError."""
    for value in values:
        check_origin(value)
    return values


class SignedUrls(Section):
    """Signed URLs."""

    bound_lifetime: Seconds = setting(
        3600,
        "Longest life of a URL that is bound to a session or account, wherever it is signed: cut-offs are kept that long."
        " Verifiers ask for the same by `max_bound_lifetime`.",
        "seconds", gt=0, le=86_400,
    )  # fmt: skip
    origins: Annotated[Texts, AfterValidator(one_spelling)] = setting(
        (),
        "Origins this server signs URLs of, at `POST /signed-urls`. None: it does not, and has no key for them.",
        "URL",
    )
    max_lifetime: Seconds = setting(
        86_400, "Longest life of a URL that this server signs.", "seconds", gt=0, le=604_800
    )
