"""Where the workers of one server put their counts, so that any of them can tell the sum.

prometheus-client takes the directory from the environment when it is first imported; so it has a room here.
"""

from __future__ import annotations

import os

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(directory: str) -> None:
    """Let this process and those it forks keep their counts there. To be called before the metrics are imported."""
    os.environ[_VARIABLE] = directory  # noqa: TID251 - the environment is settings' business


def shared_metrics_directory() -> str | None:
    """The directory, or None when this process counts for itself."""
    return os.environ.get(_VARIABLE)  # noqa: TID251 - the environment is settings' business
