"""Loading: layers merged, values validated, production checked, all problems told at once.

Knows no single setting except the few that loading itself needs: home, environment and master key.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from watchword_server import entropy
from watchword_server.settings.checks import check
from watchword_server.settings.gather import Layer, from_environment, from_flags, from_toml
from watchword_server.settings.problems import Problem, SettingsError
from watchword_server.settings.schema import CONFIG_VARIABLE, LEAVES
from watchword_server.settings.tree import MASTER_KEY_LENGTH, Settings, derived_defaults, with_derived

CONFIG_NAME = "watchword.toml"
MASTER_KEY_NAME = "master.key"

_MENDS = {
    "issuer": "set WATCHWORD_ISSUER=https://login.example.com, or WATCHWORD_ENVIRONMENT=development on your own machine",
    "audience": "set WATCHWORD_AUDIENCE, or WATCHWORD_ISSUER, which it follows",
    "master_key": f"set WATCHWORD_MASTER_KEY_FILE to a file (0600) with at least {MASTER_KEY_LENGTH} random characters, "
    "made for instance by: openssl rand -base64 33",
}


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each dotted path where its value came from."""

    settings: Settings
    sources: Mapping[str, str]
    secret_files: Mapping[str, Path] = field(default_factory=dict)


def process_environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ  # noqa: TID251 - the one place where the environment enters


def load(flags: Mapping[str, Any], environ: Mapping[str, str], toml_path: Path | None = None) -> Loaded:
    """Read all settings: flags > environment > ``*_FILE`` secrets > TOML > defaults.

    ``flags`` by dotted path (``{"server.port": 9000}``). Without ``toml_path`` the file is ``WATCHWORD_CONFIG``, or
    ``watchword.toml`` in the home directory if there is one. In development a master key is made in the home directory
    (``master.key``, 0600) when none is given.

    Raises SettingsError with all problems. Does not log, and never puts a secret in a message.
    """
    given = from_flags(flags)
    direct, files = from_environment(environ)
    toml = _toml(given, direct, environ, toml_path)
    merged = _merge([toml, files, direct, given])
    made = _development_key(merged)
    settings, faults = _validate(merged)
    faults = [*merged.problems, *faults]
    if settings is not None:
        faults += check(settings, merged.sources, merged.files)
    if settings is None or faults:
        raise SettingsError(faults)
    if made is not None:
        settings = _keep_development_key(settings, made)
    return Loaded(settings, merged.sources, merged.files)


def _toml(given: Layer, direct: Layer, environ: Mapping[str, str], path: Path | None) -> Layer:
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE]).expanduser()
    if path is not None:
        return from_toml(path)
    home = given.values.get("home") or direct.values.get("home") or LEAVES["home"].field.default
    path = Path(home).expanduser() / CONFIG_NAME
    return from_toml(path) if path.exists() else Layer()


def _merge(layers: list[Layer]) -> Layer:
    merged = Layer(sources=dict.fromkeys(LEAVES, "default"))
    for layer in layers:
        merged.values |= layer.values
        merged.sources |= layer.sources
        merged.problems += layer.problems
        for path in layer.values:
            merged.files.pop(path, None)
        merged.files |= layer.files
    for path in derived_defaults(_nest(merged.values)):
        if merged.sources[path] == "default":
            merged.sources[path] = "default, derived"
    return merged


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    return tree


def _validate(merged: Layer) -> tuple[Settings | None, list[Problem]]:
    try:
        return Settings.model_validate(with_derived(_nest(merged.values))), []
    except ValidationError as refused:
        return None, [
            _problem(error, merged.sources) for error in refused.errors(include_input=False, include_url=False)
        ]


def _problem(error: Any, sources: Mapping[str, str]) -> Problem:
    parts = [str(part) for part in error["loc"]]
    path = next((".".join(parts[:n]) for n in (2, 1) if ".".join(parts[:n]) in LEAVES), ".".join(parts) or "settings")
    missing = error["type"] == "missing"
    text = "is not set" if missing else error["msg"].removeprefix("Value error, ")
    if error["type"] == "too_short" and path in LEAVES and LEAVES[path].secret:
        text = f"has fewer than {error['ctx']['min_length']} characters"
    described = LEAVES[path].field.description if path in LEAVES else ""
    mend = _MENDS.get(path) or f"correct it: {described or 'see docs/configuration.md'}"
    where = f"{path}: {'.'.join(parts)}: " if (inner := ".".join(parts)) != path and inner else ""
    source = "" if missing else sources.get(path, "")
    return Problem("missing" if missing else "invalid", path, source, f"{where}{text}", mend)


def _development_key(merged: Layer) -> str | None:
    """In development without a master key: that of the home directory, or a new one (returned, not yet written)."""
    if merged.values.get("environment") != "development" or "master_key" in merged.values:
        return None
    file = Path(merged.values.get("home", LEAVES["home"].field.default)).expanduser() / MASTER_KEY_NAME
    if file.exists():
        kept = Layer()
        kept.put_file(LEAVES["master_key"], file, "made in development")
        merged.values |= kept.values
        merged.sources |= kept.sources
        merged.files |= kept.files
        merged.problems += kept.problems
        return None
    made = entropy.prefixed("wmk")
    merged.put("master_key", made, f"made in development = {file}")
    merged.files["master_key"] = file
    return made


def _keep_development_key(settings: Settings, made: str) -> Settings:
    """Write the new key, 0600, whole or not at all. When another process was first, its key is the one."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = settings.home / MASTER_KEY_NAME
    draft = settings.home / f".{MASTER_KEY_NAME}.{entropy.identifier()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(made + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(draft)
    finally:
        draft.unlink()
    layer = Layer()
    layer.put_file(LEAVES["master_key"], file, "made in development")
    if layer.problems:
        raise SettingsError(layer.problems)
    return Settings.model_validate(settings.model_dump() | {"master_key": layer.values["master_key"]})
