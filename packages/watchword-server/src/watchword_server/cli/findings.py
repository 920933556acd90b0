"""What `watchword doctor` looks for in the settings and on disk: plain functions from settings to findings.

Opens neither store nor network; store_findings.py looks there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from watchword_server.settings.load import Loaded
from watchword_server.settings.values import is_loopback_host

Level = Literal["ok", "warn", "fail"]

LONGEST_COMFORTABLE = 15 * 60
"""Seconds an access token may live before doctor remarks on it."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: what was looked at, how it stands, and the mend unless all is well."""

    level: Level
    name: str
    message: str
    mend: str | None = None


def settings_findings(loaded: Loaded) -> list[Finding]:
    """Everything that shows without opening the store."""
    checks = (_environment, _issuer, _master_key, _proxies, _cookies, _feed, _lifetimes, _home, _database_file)
    return [finding for check in checks for finding in check(loaded)]


def _environment(loaded: Loaded) -> Iterator[Finding]:
    if loaded.settings.is_development:
        mend = "set WATCHWORD_ENVIRONMENT=production (and what it then asks for) before anyone else can reach it"
        yield Finding("warn", "environment", "development: relaxed defaults, for your own machine only", mend)
    else:
        yield Finding("ok", "environment", "production")


def _issuer(loaded: Loaded) -> Iterator[Finding]:
    issuer = loaded.settings.issuer
    if issuer.startswith("https://"):
        yield Finding("ok", "issuer", f"{issuer} (https)")
    else:
        yield Finding("warn", "issuer", f"{issuer} is http: good on this machine only", "set an https issuer")


def _master_key(loaded: Loaded) -> Iterator[Finding]:
    source = loaded.sources["master_key"]
    if source.startswith("environment"):
        mend = "use WATCHWORD_MASTER_KEY_FILE: an environment is inherited by child processes and shown by debuggers"
        yield Finding("warn", "master key", "stands in the environment", mend)
    elif source.startswith("file "):
        mend = "use master_key_file, and keep the configuration file free of secrets"
        yield Finding("warn", "master key", "stands in the configuration file", mend)
    else:
        yield Finding("ok", "master key", source)
    if (file := loaded.secret_files.get("master_key")) is not None:
        yield from _private(file, "master key file")


def _proxies(loaded: Loaded) -> Iterator[Finding]:
    server = loaded.settings.server
    if server.trusted_proxies:
        networks = ", ".join(str(network) for network in server.trusted_proxies)
        yield Finding("ok", "proxies", f"forwarding headers are believed from {networks}")
    elif server.tls_cert is not None or loaded.settings.is_development:
        yield Finding("ok", "proxies", "none: forwarding headers are ignored")
    else:
        where = "this machine" if is_loopback_host(server.host) else "somewhere"
        mend = "name the proxy's network in server.trusted_proxies, such as 127.0.0.1/32"
        message = (
            f"a TLS proxy on {where} stands before it but is not trusted: every client would seem to have its address"
        )
        yield Finding("warn", "proxies", message, mend)


def _cookies(loaded: Loaded) -> Iterator[Finding]:
    if loaded.settings.secure_cookies:
        yield Finding("ok", "cookies", "__Secure- prefix, Secure, HttpOnly, SameSite=Strict")
    else:
        message = "without Secure and prefix, because the issuer is http on a loopback host"
        yield Finding("warn", "cookies", message, "an https issuer brings both")


def _feed(loaded: Loaded) -> Iterator[Finding]:
    feed = loaded.settings.feed
    others = [
        name
        for name, allowed in (("access tokens", feed.access_tokens), ("certificates", feed.certificates))
        if allowed
    ]
    if feed.token is None and others:
        yield Finding("ok", "feed token", f"none; read with {' and '.join(others)}")
    elif feed.token is None:
        message = "anyone who reaches the server may read who is logged out"
        yield Finding("warn", "feed token", message, "set WATCHWORD_FEED__TOKEN_FILE; verifiers present it")
    else:
        yield Finding("ok", "feed token", loaded.sources["feed.token"])


def _lifetimes(loaded: Loaded) -> Iterator[Finding]:
    lifetime = loaded.settings.tokens.access_lifetime
    if lifetime > LONGEST_COMFORTABLE:
        mend = "set tokens.access_lifetime to 5m to 15m; refreshing is silent"
        yield Finding("warn", "lifetimes", f"access tokens live {lifetime} s", mend)
    else:
        yield Finding("ok", "lifetimes", f"access tokens live {lifetime} s")


def _home(loaded: Loaded) -> Iterator[Finding]:
    home = loaded.settings.home
    if not home.exists():
        yield Finding("ok", "home", f"{home} will be made at the first start")
        return
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "fail", "home", f"{home} cannot be written by this user", f"chown it to the server's user: {home}"
        )
        return
    yield from _private(home, "home")


def _database_file(loaded: Loaded) -> Iterator[Finding]:
    url = loaded.settings.store.url
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        if file.exists():
            yield from _private(file, "database file")


def _private(path: Path, name: str) -> Iterator[Finding]:
    """Whether others of this machine can read or write it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        closed = "700" if path.is_dir() else "600"
        yield Finding(
            "warn", name, f"{path} is open to other users of this machine ({mode:o})", f"chmod {closed} {path}"
        )
    else:
        yield Finding("ok", name, f"{path} is private ({mode:o})")
