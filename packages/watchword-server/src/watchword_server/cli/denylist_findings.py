"""What `watchword doctor` looks for in the denylist: reachable, trusted to keep its keys, written lately.

Writes nothing there, and says nothing when the settings name none.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from watchword_server.cli.findings import Finding
from watchword_server.revocation.denylist import heartbeat_age, heartbeat_key, place_key, place_of
from watchword_server.settings.tree import Settings
from watchword_server.settings.values import is_loopback_host
from watchword_server.store.denylist import DenylistKeys, DenylistUnavailable, DriverMissing
from watchword_server.store.open import denylist_from_url

_NAME = "denylist"


async def denylist_findings(settings: Settings) -> list[Finding]:
    """Everything that shows in the denylist."""
    if settings.denylist.url is None:
        return []
    url, prefix = settings.denylist.url.get_secret_value(), settings.denylist.prefix
    try:
        keys = denylist_from_url(url, place=place_key(prefix), heartbeat=heartbeat_key(prefix))
    except DriverMissing as missing:
        return [Finding("fail", _NAME, str(missing), "pip install 'watchword-server[valkey]'")]
    try:
        return [await _state(keys), *_on_the_way(url)]
    except DenylistUnavailable as lost:
        return [Finding("fail", _NAME, str(lost), "see that it runs and denylist.url is right; how-to/denylist.md")]
    finally:
        await keys.close()


async def _state(keys: DenylistKeys) -> Finding:
    await keys.require_keeping()
    look = await keys.look()
    cursor = place_of(look)
    if cursor is None or look.as_of is None:
        return Finding("warn", _NAME, "reachable, and written by no server of late", "start the server")
    return Finding("ok", _NAME, f"at position {cursor.position}, vouched for {heartbeat_age(look):.1f} s ago")


def _on_the_way(url: str) -> list[Finding]:
    parts = urlsplit(url)
    if parts.scheme != "redis" or is_loopback_host(parts.hostname or ""):
        return []
    mend = "use rediss://: whoever can change what is on its way can undo revocations"
    return [Finding("warn", "denylist's way", "goes in clear to another host", mend)]
