"""Where settings come from: flags, environment, secret files, TOML, each turned into values by dotted path.

Neither merges layers nor validates values; load.py does.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchword_server.settings.problems import Problem
from watchword_server.settings.schema import CONFIG_VARIABLE, LEAVES, PREFIX, SECTIONS, Leaf

_LONGEST_FILE = 1 << 20
_VARIABLES = {variable: leaf for leaf in LEAVES.values() for variable in leaf.variables}
_FILE_VARIABLES = {f"{variable}_FILE": leaf for variable, leaf in _VARIABLES.items() if leaf.secret}


@dataclass
class Layer:
    """Values of one kind of source: value and source by dotted path, secret files read, faults met."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def put(self, path: str, value: Any, source: str) -> None:
        self.values[path] = value
        self.sources[path] = source

    def refuse(self, name: str, path: str, source: str, message: str, mend: str) -> None:
        self.problems.append(Problem(name, path, source, message, mend))

    def put_file(self, leaf: Leaf, file: Path, source: str) -> None:
        """Read a secret from a file; one final line break is not part of it."""
        file = file.expanduser()
        source = f"{source} = {file}"
        try:
            with file.open("rb") as opened:
                raw = opened.read(_LONGEST_FILE + 1)
            text = raw.decode("utf-8")
        except OSError as refused:
            self.refuse(
                "unreadable-file", leaf.path, source, f"cannot be read: {refused.strerror}", "name a readable file"
            )
            return
        except UnicodeDecodeError:
            self.refuse(
                "unreadable-file", leaf.path, source, "is not UTF-8 text", "store the secret as text, e.g. base64url"
            )
            return
        text = text.removesuffix("\n").removesuffix("\r")
        if not text or len(raw) > _LONGEST_FILE:
            self.refuse(
                "unreadable-file", leaf.path, source, "is empty or over 1 MiB", "put the secret alone in the file"
            )
            return
        self.put(leaf.path, text, source)
        self.files[leaf.path] = file


def _mend_unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else "remove it, or see docs/configuration.md for all settings"


def from_flags(flags: Mapping[str, Any]) -> Layer:
    """Flags by dotted path (``{"server.port": 9000}``, ``{"master_key_file": …}``); None means not given."""
    layer = Layer()
    for name, value in flags.items():
        source = "flag --" + name.replace(".", "-").replace("_", "-")
        leaf = LEAVES.get(name)
        secret = LEAVES.get(name.removesuffix("_file")) if name.endswith("_file") else None
        if value is None:
            continue
        if leaf is not None:
            layer.put(name, value, source)
        elif secret is not None and secret.secret:
            layer.put_file(secret, Path(value), source)
        else:
            layer.refuse("unknown-setting", name, source, "is not a setting", _mend_unknown(name, LEAVES))
    return layer


def from_environment(environ: Mapping[str, str]) -> tuple[Layer, Layer]:
    """Values of ``WATCHWORD_*`` variables, and those read from the files that ``WATCHWORD_*_FILE`` name.

    An empty variable counts as not set. A variable with the prefix that names no setting is refused.
    """
    direct, files = Layer(), Layer()
    known = (*_VARIABLES, *_FILE_VARIABLES, CONFIG_VARIABLE)
    for variable in sorted(name for name in environ if name.startswith(PREFIX) and environ[name]):
        value, source = environ[variable], f"environment {variable}"
        if variable == CONFIG_VARIABLE:
            continue
        if leaf := _VARIABLES.get(variable):
            if direct.values.get(leaf.path, value) != value:
                both = " and ".join(leaf.variables)
                direct.refuse("set-twice", leaf.path, source, f"{both} differ", "set one of them")
            direct.put(leaf.path, value, source)
        elif leaf := _FILE_VARIABLES.get(variable):
            files.put_file(leaf, Path(value), source)
        else:
            direct.refuse("unknown-setting", variable, source, "is not a setting", _mend_unknown(variable, known))
    return direct, files


def from_toml(file: Path) -> Layer:
    """Values of ``watchword.toml``. Relative paths in it are meant from its own folder."""
    layer, source = Layer(), f"file {file}"
    try:
        with file.open("rb") as opened:
            tree = tomllib.load(opened)
    except OSError as refused:
        layer.refuse(
            "unreadable-file", str(file), source, f"cannot be read: {refused.strerror}", "name a readable file"
        )
        return layer
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as refused:
        layer.refuse("invalid-toml", str(file), source, f"is not TOML: {refused}", "correct the file")
        return layer
    for name, value in tree.items():
        if name not in SECTIONS:
            _from_toml_entry(layer, name, value, file)
        elif isinstance(value, dict):
            for inner, item in value.items():
                _from_toml_entry(layer, f"{name}.{inner}", item, file)
        else:
            layer.refuse("not-a-section", name, source, "is a section, not a value", f"write [{name}] and its settings")
    return layer


def _from_toml_entry(layer: Layer, path: str, value: Any, file: Path) -> None:
    source = f"file {file}"
    leaf = LEAVES.get(path)
    secret = LEAVES.get(path.removesuffix("_file")) if path.endswith("_file") else None
    if leaf is not None:
        if leaf.is_path and isinstance(value, str):
            value = str(file.parent / Path(value).expanduser())
        layer.put(path, value, source)
    elif secret is not None and secret.secret and isinstance(value, str):
        layer.put_file(secret, file.parent / Path(value).expanduser(), f"{source}: {path}")
    else:
        names = (*LEAVES, *SECTIONS, *(f"{name}_file" for name, known in LEAVES.items() if known.secret))
        layer.refuse("unknown-setting", path, source, "is not a setting", _mend_unknown(path, names))
