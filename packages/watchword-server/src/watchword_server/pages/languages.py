"""Which language a page speaks: asked for by ``ui_locales`` or the browser's Accept-Language, among those there are.

Holds no text; the catalogues in locale/ do.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SOURCE_LANGUAGE: Final = "en"
"""The language that templates are written in."""
_LOCALE: Final = Path(__file__).parent / "locale"
_DOMAIN: Final = "pages"
_LONGEST: Final = 512
_MOST: Final = 16


def catalogues() -> Mapping[str, gettext.NullTranslations]:
    """Texts by language, read once."""
    found: dict[str, gettext.NullTranslations] = {SOURCE_LANGUAGE: gettext.NullTranslations()}
    for folder in sorted(path for path in _LOCALE.iterdir() if path.is_dir()):
        found[folder.name] = gettext.translation(_DOMAIN, _LOCALE, languages=[folder.name])
    return found


def choose(available: Mapping[str, object], default: str, ui_locales: str | None, accept_language: str | None) -> str:
    """The language for a page: the first of ``ui_locales`` (OpenID Connect Core §3.1.2.1) that there is, else the most
    wanted of Accept-Language (RFC 9110 §12.5.4), else the default. Never raises; what cannot be read asks for nothing.
    """
    wanted = (ui_locales or "")[:_LONGEST].split(" ")[:_MOST] + _by_weight((accept_language or "")[:_LONGEST])
    for tag in wanted:
        # RFC 4647 §3.4, lookup: de-AT is served by de.
        language = tag.strip().lower().split("-", 1)[0]
        if language in available:
            return language
    return default


def _by_weight(header: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in header.split(",")[:_MOST]:
        tag, _, parameter = part.partition(";")
        weight = 1.0
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                weight = float(value)
            except ValueError:
                continue
        if 0 < weight <= 1:
            weighed.append((-weight, tag))
    return [tag for _, tag in sorted(weighed, key=lambda item: item[0])]
