"""Settings of the server's own pages: what the service is called, what they look like, what language they speak.

Reads nothing; tree.py has this section in its tree.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import FilePath, Table

_NAME = re.compile(r"[a-z][a-z-]{0,31}", re.ASCII)
# Nothing that ends a declaration, opens a block, fetches anything or begins an escape.
_VALUE = re.compile(r"(?!.*(?:url|image|src|import)\b)[A-Za-z0-9 #%(),.'+/-]{1,200}", re.ASCII | re.IGNORECASE)


def theme_variables(values: dict[str, str]) -> dict[str, str]:
    """CSS variables and their values. Raises ValueError for whatever could be more than one declaration."""
    for name, value in values.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not the name of a variable such as brand")
        if _VALUE.fullmatch(value) is None:
            raise ValueError(f"the value of {name!r} is not one of CSS such as #12303c or light-dark(#12303c, #f4efe4)")
    return values


class Pages(Section):
    """The server's own pages: login, consent, logout."""

    name: str = setting("Watchword", "What people are told they sign in to.", min_length=1, max_length=60)
    language: Literal["en", "de"] = setting("en", "Language for whoever asks for none that there is.")
    theme: Annotated[dict[str, str], Table, AfterValidator(theme_variables)] = setting(
        {},
        'CSS variables to replace: `{"brand": "#12303c", "accent": "light-dark(#d98a14, #f0a93b)"}`; all stand at the '
        "head of `/pages/pages.css`.",
    )
    logos: Literal["none", "known", "all"] = setting(
        "known",
        "Whose logo (`logo_uri`) pages show: of no client, of those registered for this installation, or of those too that "
        "registered themselves. People's browsers fetch it from where the client keeps it.",
    )
    templates: FilePath | None = setting(
        None, "Folder of templates of your own; one that has the name of ours is shown in its stead.", "path"
    )
