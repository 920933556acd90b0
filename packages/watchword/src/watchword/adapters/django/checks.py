"""What ``manage.py check`` says about ``settings.WATCHWORD`` and the middleware.

Changes nothing and fetches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured

from watchword.adapters.django.conf import gate, given, user_function
from watchword.adapters.django.middleware import NAME

_USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_settings(**_: Any) -> list[CheckMessage]:
    """E001: the settings cannot be used. E002: the middleware stands where Django's own undoes it."""
    found: list[CheckMessage] = []
    try:
        gate()
        user_function()
    except ImproperlyConfigured as error:
        found.append(Error(str(error), hint="See the settings that the documentation lists.", id="watchword.E001"))
    middleware = list(settings.MIDDLEWARE)
    if NAME in middleware and _USERS in middleware and middleware.index(NAME) < middleware.index(_USERS):
        hint = "Move BearerMiddleware below AuthenticationMiddleware."
        found.append(Error("AuthenticationMiddleware takes away the users of tokens.", hint=hint, id="watchword.E002"))
    return found


def check_deployment(**_: Any) -> list[CheckMessage]:
    """W001: keys come unprotected. W002: nothing is revoked. Run by ``manage.py check --deploy``."""
    return list(_deployment())


def _deployment() -> Iterator[CheckMessage]:
    try:
        found = given()
    except ImproperlyConfigured:
        return
    if str(found.get("ISSUER", "")).startswith("http://"):
        yield Warning(
            "The issuer's keys are fetched over http: anybody on the way can make tokens.", id="watchword.W001"
        )
    if "ISSUER" in found and found.get("REVOCATIONS") is None:
        hint = "Set REVOCATIONS, {} at the least."
        yield Warning("Revoked tokens are accepted until they expire.", hint=hint, id="watchword.W002")
