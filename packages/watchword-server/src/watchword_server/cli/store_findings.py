"""What `watchword doctor` looks for in the store: reachable, writable, its clock, its keys, an administrator.

Changes nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from watchword.clock import Clock

from watchword_server.cli.findings import Finding
from watchword_server.cli.output import duration
from watchword_server.keys.installation import sealer_of
from watchword_server.keys.sealing import MasterKeyError, SealError
from watchword_server.settings.tree import Settings
from watchword_server.store.records import Account, SigningKey

if TYPE_CHECKING:
    from watchword_server.store.port import Store

MOST_SKEW = 2.0
"""Seconds by which the store's clock may differ from this machine's."""
ADMIN_SCOPE = "watchword:admin"
MOST_ACCOUNTS = 10_000
PAGE = 500


async def store_findings(store: Store, settings: Settings, clock: Clock) -> list[Finding]:
    """Everything that shows in an open store. Raises StoreUnavailable when it goes away meanwhile."""
    await store.ping()
    findings = [Finding("ok", "store", "reachable, writable, schema up to date")]
    asked = clock.now()
    batch = await store.cut_offs_after(None, limit=1)
    findings.append(_clock(batch.read_at, asked, clock.now()))
    keys = await store.keys()
    findings += _keys(keys, settings, batch.read_at)
    findings += _seals(keys, settings)
    findings.append(_administrator(await _administrators(store, settings)))
    return findings


def _clock(told: float, before: float, after: float) -> Finding:
    """The store's time was told between two readings of ours; only what lies outside them is a difference."""
    skew = max(before - told, told - after, 0.0)
    if skew > MOST_SKEW:
        mend = "set both by NTP; tokens carry the store's time and verifiers compare it with their own"
        return Finding("fail", "clock", f"the database's clock and this machine's differ by {skew:.1f} s", mend)
    return Finding("ok", "clock", "agrees with the store's")


def _keys(keys: Sequence[SigningKey], settings: Settings, now: float) -> list[Finding]:
    if not keys:
        return [Finding("ok", "keys", "none yet: they are made at the first start")]
    signing = [key for key in keys if key.purpose == "access_token" and key.algorithm == settings.tokens.algorithm]
    active = [key for key in signing if key.state == "active"]
    if not active:
        mend = "start the server, which makes one; then look again"
        return [Finding("fail", "keys", f"no active {settings.tokens.algorithm} key signs access tokens", mend)]
    age = now - (active[0].activated_at or active[0].created_at)
    findings = []
    if age > settings.keys.rotate_every + settings.keys.announce_before:
        mend = "keep a server running (it rotates by itself), or: watchword keys rotate"
        findings.append(Finding("warn", "keys", f"the active key is {duration(age)} old and overdue", mend))
    else:
        findings.append(Finding("ok", "keys", f"the active {active[0].algorithm} key is {duration(age)} old"))
    if not any(key.state == "next" for key in signing):
        mend = "start the server, which announces one"
        findings.append(Finding("warn", "next key", "none is announced: an emergency change would be abrupt", mend))
    return findings


def _seals(keys: Sequence[SigningKey], settings: Settings) -> list[Finding]:
    """Whether the master key opens what the store keeps."""
    try:
        sealer = sealer_of(settings)
        for key in keys:
            if key.state != "distrusted":
                sealer.open(key.sealed, purpose=key.purpose, name=key.kid)
    except MasterKeyError as unfit:
        return [Finding("fail", "sealed keys", str(unfit), "make one with: openssl rand -base64 33")]
    except SealError as shut:
        return [
            Finding("fail", "sealed keys", str(shut), "give the master key and environment the store was made with")
        ]
    return [Finding("ok", "sealed keys", "the master key opens them")] if keys else []


async def _administrators(store: Store, settings: Settings) -> list[Account]:
    roles = {name for name, role in settings.roles.items() if ADMIN_SCOPE in role.scopes}
    found: list[Account] = []
    after: str | None = None
    for _ in range(MOST_ACCOUNTS // PAGE):
        page = await store.list_accounts(after=after, limit=PAGE, search=None)
        found += [account for account in page if account.disabled_at is None and roles.intersection(account.roles)]
        if found or len(page) < PAGE:
            break
        after = page[-1].id
    return found


def _administrator(found: list[Account]) -> Finding:
    if found:
        return Finding("ok", "administrator", "there is one who may use the administration API")
    mend = "watchword accounts create EMAIL --role admin"
    return Finding("warn", "administrator", f"no enabled account has a role with the scope {ADMIN_SCOPE}", mend)
