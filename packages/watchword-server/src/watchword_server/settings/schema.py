"""What the tree looks like from outside: dotted paths, environment names, which settings are secret, JSON Schema.

Holds no values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from watchword_server.settings.tree import Settings

PREFIX = "WATCHWORD_"
CONFIG_VARIABLE = "WATCHWORD_CONFIG"
ALIASES = {
    "server.host": "WATCHWORD_HOST",
    "server.port": "WATCHWORD_PORT",
    "admin.email": "WATCHWORD_ADMIN_EMAIL",
    "admin.password": "WATCHWORD_ADMIN_PASSWORD",
}
"""Short environment names beside the regular ``WATCHWORD_<SECTION>__<FIELD>``."""


_HOLDING_SECRETS = ("store.url", "clients")
"""Secret although their type does not say so."""


@dataclass(frozen=True)
class Leaf:
    """One setting: where it stands in the tree and what is known of it."""

    path: str
    field: FieldInfo
    secret: bool
    is_path: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that set it, the preferred one first."""
        regular = PREFIX + self.path.upper().replace(".", "__")
        alias = ALIASES.get(self.path)
        return (alias, regular) if alias else (regular,)

    @property
    def unit(self) -> str:
        """Its unit, or an empty text."""
        extra = self.field.json_schema_extra
        return str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else ""


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


def _walk(model: type[BaseModel], prefix: str) -> list[Leaf]:
    leaves: list[Leaf] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            leaves += _walk(annotation, f"{prefix}{name}.")
        else:
            path = prefix + name
            secret = _mentions(annotation, SecretStr) or path in _HOLDING_SECRETS
            leaves.append(Leaf(path, field, secret, _mentions(annotation, Path)))
    return leaves


LEAVES: dict[str, Leaf] = {leaf.path: leaf for leaf in _walk(Settings, "")}
"""All settings by dotted path, in the order of the tree."""

SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""The sections by name."""


def json_schema() -> dict[str, Any]:
    """JSON Schema of ``watchword.toml`` (for editors)."""
    return Settings.model_json_schema()
