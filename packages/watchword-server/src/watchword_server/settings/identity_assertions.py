"""Settings of assertions about people for authorization servers elsewhere (Identity Assertion JWT Authorization Grant).

Reads nothing and issues nothing by itself: without entries no client gets one. Taking the word of others is
trusted_issuers.py's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from watchword_server.settings.oauth import resource_identifier, scope_names
from watchword_server.settings.section import Section, setting
from watchword_server.settings.trusted_issuers import check_issuers
from watchword_server.settings.values import Texts, WholeSeconds

MAX_CLIENTS = 1_000


def _resources(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(resource_identifier(value) for value in values)


class AssertionClient(Section):
    """What one client may have said for it at one authorization server elsewhere."""

    id: str = setting(..., "Its `client_id` there.", min_length=1, max_length=2048)
    scopes: Annotated[Texts, AfterValidator(scope_names)] = setting(
        (), "Scopes there that it may ask for, and gets without asking for any."
    )
    resources: Annotated[Texts, AfterValidator(_resources)] = setting(
        (), "Resources there that it may ask for (RFC 8707); without asking it names none."
    )
    authorization_details: Texts = setting((), "Types of authorization details there that it may ask for (RFC 9396).")


class AssertionAudience(Section):
    """An authorization server elsewhere that takes this server's word about people."""

    clients: Annotated[dict[str, AssertionClient], Field(min_length=1, max_length=MAX_CLIENTS)] = setting(
        ...,
        "Clients that may ask for assertions to it, by `client_id` here: `{id, scopes, resources, authorization_details}`.",
    )
    roles: Texts = setting((), "Of whom it may be told: accounts with one of these roles; none: everybody.")
    lifetime: WholeSeconds = setting(300, "How long an assertion is good.", "seconds", ge=10, le=3600)
    relying_party: str | None = setting(
        None,
        "The `client_id` by which it is itself a client here, if its people sign in here: `sub` is then the one it knows.",
        min_length=1,
    )
    email: bool = setting(
        default=False, description="Whether it is told the account's confirmed email address, if there is one."
    )


def described_audiences(values: dict[str, AssertionAudience]) -> dict[str, AssertionAudience]:
    """Authorization servers by their issuer identifier, compared character by character. Raises ValueError."""
    check_issuers(values)
    return values
