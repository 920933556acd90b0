"""What is made of the master key that the settings of an installation hold: its sealer, and a key for each other use.

Keeps nothing; how keys are derived and values sealed stands in sealing.py.
"""

from __future__ import annotations

from watchword_server import entropy
from watchword_server.keys.sealing import MasterKey, Sealer
from watchword_server.settings.tree import Settings


def sealer_of(settings: Settings) -> Sealer:
    """What seals secrets at rest. Raises MasterKeyError."""
    return Sealer(_master(settings), settings.environment, entropy.random_bytes)


def derived_key(settings: Settings, use: str) -> bytes:
    """The key for one use, a short word in lower case. Raises MasterKeyError."""
    return _master(settings).derive(use, settings.environment)


def _master(settings: Settings) -> MasterKey:
    return MasterKey.parse(settings.master_key.get_secret_value())
