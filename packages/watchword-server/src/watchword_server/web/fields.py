"""From decoded JSON to a msgspec Struct, with everything that is wrong with its fields said at once.

msgspec stops at the first fault; a person filling a form wants to see all of them.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec.structs import FieldInfo

from watchword_server.web.problem import FieldError, invalid

Shape = TypeVar("Shape", bound=msgspec.Struct)

_MOST_ERRORS = 32
_LONGEST_NAME = 64
_PATH = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
_known: dict[type[msgspec.Struct], dict[str, FieldInfo]] = {}


def convert(members: dict[str, Any], shape: type[Shape]) -> Shape:
    """The object as ``shape``. Unknown members are always refused, whatever the Struct says of them.

    Raises ProblemError 422 with one entry for every field at fault (at most 32).
    """
    fields = _known.get(shape)
    if fields is None:
        fields = _known[shape] = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    if fields.keys() >= members.keys():
        try:
            return msgspec.convert(members, shape)
        except msgspec.ValidationError:
            pass
    raise invalid(_faults(members, fields) or [FieldError("", "invalid", "is not acceptable")])


def _faults(members: dict[str, Any], fields: dict[str, FieldInfo]) -> list[FieldError]:
    faults: list[FieldError] = []
    for name, field in fields.items():
        if name not in members:
            if field.required:
                faults.append(FieldError(name, "missing", "is required"))
            continue
        try:
            msgspec.convert(members[name], field.type)
        except msgspec.ValidationError as refused:
            faults.append(_fault(name, str(refused)))
    unknown = (name for name in members if name not in fields)
    faults += [FieldError(_shown(name), "unknown", "is not a field of this call") for name in unknown]
    return faults[:_MOST_ERRORS]


def _fault(name: str, message: str) -> FieldError:
    """The message of msgspec, without its path (``$.a[0]``), which is joined to the field's name instead."""
    inner = ""
    if at := _PATH.search(message):
        message, inner = message[: at.start()], re.sub(r"\[(\d+|\.\.\.)\]", r".\1", at[1]).strip(".")
    return FieldError(f"{name}.{inner}" if inner else name, "invalid", message[:1].lower() + message[1:200])


def _shown(name: str) -> str:
    """A name chosen by the client, fit for an answer: short and printable."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:_LONGEST_NAME])
