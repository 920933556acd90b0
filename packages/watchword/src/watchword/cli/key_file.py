"""Keys out of files: a JWK, or a JWK Set.

Makes one where it is asked to; never prints a secret.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from watchword.jose.errors import JoseError
from watchword.jose.key import Key

_MAX_BYTES: Final = 65_536


class KeyFileError(Exception):
    """A file of keys that cannot be used; the message names the file and never what is in it."""


def read_keys(path: Path) -> list[Key]:
    """The keys of a file. Raises: KeyFileError."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise KeyFileError(f"{path}: too large for a file of keys")
        held = json.loads(path.read_bytes())
        jwks = held["keys"] if isinstance(held, dict) and "keys" in held else [held]
        keys = [Key.from_jwk(jwk) for jwk in jwks]
    except OSError as error:
        raise KeyFileError(f"{path}: {os.strerror(error.errno or 0)}") from None
    except (JoseError, ValueError, TypeError):
        raise KeyFileError(f"{path}: no JWK and no JWK Set") from None
    if not keys:
        raise KeyFileError(f"{path}: a JWK Set without keys")
    return keys


def make_key(path: Path, algorithm: str, kid: str) -> Key:
    """A new key in a new file that only its owner reads. Raises: KeyFileError if the file is there already."""
    key = Key.generate(algorithm, kid=kid)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyFileError(f"{path}: {os.strerror(error.errno or 0)}") from None
    with os.fdopen(descriptor, "w") as file:
        json.dump(key.private_jwk(), file)
        file.write("\n")
    return key
