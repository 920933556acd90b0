"""``settings.WATCHWORD``: which verifier Django, Django REST framework and Django Ninja ask, made once.

Looks at no request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from watchword.adapters.gate import Gate
from watchword.verify.feed_settings import Revocations
from watchword.verify.verifier import SyncVerifier

NAMES: Final = frozenset(
    {
        "VERIFIER",
        "ISSUER",
        "AUDIENCE",
        "REVOCATIONS",
        "REALM",
        "RESOURCE_METADATA",
        "MAX_STALENESS",
        "WHEN_STALE",
        "USER",
    }
)
"""``VERIFIER`` (a `SyncVerifier`, or where to import it from), or ``ISSUER`` and ``AUDIENCE``, and ``REVOCATIONS`` (a
dict of the arguments of `Revocations`); ``REALM``, ``RESOURCE_METADATA``, ``MAX_STALENESS`` and ``WHEN_STALE`` for all
views; ``USER``, a function from the token to ``request.user``, or where to import it from."""


def given() -> Mapping[str, Any]:
    """``settings.WATCHWORD``. Raises: ImproperlyConfigured for what is missing, unknown or contradicts itself."""
    found = getattr(settings, "WATCHWORD", None)
    if not isinstance(found, Mapping):
        raise ImproperlyConfigured("settings.WATCHWORD must be a dict, such as {'ISSUER': …, 'AUDIENCE': …}")
    unknown = sorted(map(str, found.keys() - NAMES))
    if unknown:
        raise ImproperlyConfigured(f"settings.WATCHWORD knows no {', '.join(unknown)}")
    if ("VERIFIER" in found) == bool(found.keys() & {"ISSUER", "AUDIENCE"}):
        raise ImproperlyConfigured("settings.WATCHWORD needs either VERIFIER, or ISSUER and AUDIENCE")
    return found


@lru_cache(maxsize=1)
def gate() -> Gate:
    """The gate of all views. Raises: ImproperlyConfigured."""
    found = given()
    try:
        return Gate(
            _verifier(found),
            realm=found.get("REALM"),
            resource_metadata=found.get("RESOURCE_METADATA"),
            max_staleness=found.get("MAX_STALENESS"),
            when_stale=found.get("WHEN_STALE"),
        )
    except (TypeError, ValueError, KeyError, ImportError) as error:
        raise ImproperlyConfigured(f"settings.WATCHWORD: {error}") from error


@lru_cache(maxsize=1)
def user_function() -> Callable[[Any], Any] | None:
    """``USER``. Raises: ImproperlyConfigured if it cannot be imported or called."""
    function = given().get("USER")
    try:
        function = import_string(function) if isinstance(function, str) else function
    except ImportError as error:
        raise ImproperlyConfigured(f"settings.WATCHWORD: USER: {error}") from error
    if function is not None and not callable(function):
        raise ImproperlyConfigured("settings.WATCHWORD: USER must be a function")
    return function


def _verifier(found: Mapping[str, Any]) -> Any:
    verifier = found.get("VERIFIER")
    if verifier is not None:
        return import_string(verifier) if isinstance(verifier, str) else verifier
    revocations = found.get("REVOCATIONS")
    if isinstance(revocations, Mapping):  # an empty one asks for all defaults
        revocations = Revocations(**revocations)
    return SyncVerifier(found["ISSUER"], found["AUDIENCE"], revocations=revocations)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "WATCHWORD":
        gate.cache_clear()
        user_function.cache_clear()


setting_changed.connect(_forget)
