"""How long a fetched document is fresh, as its HTTP answer says, within bounds of our own (RFC 9111 §4.2.1).

Pure: knows neither what was fetched nor when.
"""

from __future__ import annotations

import re
from typing import Final

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NOT_KEPT: Final = ("no-store", "no-cache")


def fresh_seconds(cache_control: str, *, least: float, usual: float, most: float) -> float:
    """Seconds for which it counts: ``max-age`` (§5.2.2.1), but at least and at most so many; ``usual`` where none is said.

    ``least`` holds, too, for what must not be kept: whoever publishes it is not to be asked without end.
    """
    said = cache_control.lower()
    if any(word in said for word in _NOT_KEPT):
        return least
    found = _MAX_AGE.search(cache_control)
    return usual if found is None else min(max(float(found[1]), least), most)
