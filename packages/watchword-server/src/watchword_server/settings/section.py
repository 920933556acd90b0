"""What every section of the settings tree is made with: its base, and the form of one setting.

Holds no setting.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys refused, values never echoed in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


def setting(default: Any, description: str, unit: str | None = None, **limits: Any) -> Any:
    """A setting: its default (``...``: required), what it does, its unit."""
    extra: JsonDict | None = {"unit": unit} if unit else None
    return Field(default, description=description, json_schema_extra=extra, **limits)
