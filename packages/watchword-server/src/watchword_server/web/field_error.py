"""What is wrong with one field of a request: a value, no web framework needed to say it.

How it is answered stands in problem.py.
"""

from __future__ import annotations

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field. ``field`` is dotted (``address.0.city``); ``code`` is stable, ``detail`` for people."""

    field: str
    code: str
    detail: str

    @property
    def pointer(self) -> str:
        """The field as a JSON Pointer in a URI fragment (RFC 6901 §6)."""
        parts = (part.replace("~", "~0").replace("/", "~1") for part in self.field.split("."))
        return "#/" + "/".join(parts)
