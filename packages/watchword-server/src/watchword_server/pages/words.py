"""Texts that pages show but no template holds, marked for the catalogues.

Extraction finds them by the name N_; translating happens where they are shown.
"""

from __future__ import annotations


def N_(text: str) -> str:  # noqa: N802 - the name that tools for catalogues look for
    """The text itself."""
    return text


SCOPES = (
    N_("Know who you are here"),
    N_("See your name and profile"),
    N_("See your email address"),
    N_("See your postal address"),
    N_("See your phone number"),
    N_("Keep access while you are away"),
)
"""The words of the standard scopes, as clients/entitlement.py has them."""
