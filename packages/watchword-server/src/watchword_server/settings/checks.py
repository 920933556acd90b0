"""Checks of the settings as a whole: what contradicts itself, and what production refuses by name.

Each check looks at valid values only; what a single value may be stands in tree.py.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from watchword_server.settings.problems import Problem
from watchword_server.settings.tree import Settings
from watchword_server.settings.values import is_loopback_host, origin_of

_Found = tuple[str, str, str, str]
"""Name, path, message, mend."""

_LEAST_ARGON2_WORK = 7168 * 5
"""KiB times passes of the least of OWASP's equivalent Argon2id parameters (7 MiB, t=5)."""


_FEED_SCOPE = "watchword:feed"
"""What endpoints/feed asks of an access token."""


def check(settings: Settings, sources: Mapping[str, str], secret_files: Mapping[str, Path]) -> list[Problem]:
    """All faults of these settings; empty when the server may start."""
    checks = list(_ALWAYS)
    checks += _DEVELOPMENT if settings.is_development else _PRODUCTION
    found = [fault for rule in checks for fault in rule(settings)]
    if not settings.is_development:
        found += list(_readable_files(settings, secret_files))
    return [Problem(name, path, sources.get(path, ""), message, mend) for name, path, message, mend in found]


def _is_http(settings: Settings) -> bool:
    return settings.issuer.startswith("http://")


def _contradictions(s: Settings) -> Iterator[_Found]:
    if (s.server.tls_cert is None) != (s.server.tls_key is None):
        yield (
            "tls-half",
            "server.tls_key",
            "certificate and key go together",
            "set both server.tls_cert and server.tls_key",
        )
    if s.server.tls_client_ca is not None and s.server.tls_cert is None:
        mend = "set server.tls_cert and server.tls_key, or let the proxy ask and set server.client_certificate_header"
        yield "client-ca-without-tls", "server.tls_client_ca", "is of use only where the server speaks https", mend
    if s.server.client_certificate_header is not None and not s.server.trusted_proxies:
        mend = "name the proxy's network in server.trusted_proxies"
        yield "certificate-header", "server.client_certificate_header", "is believed from trusted proxies only", mend
    yield from _mutual_tls_host(s)
    if s.feed.certificates and s.server.tls_client_ca is None and s.server.client_certificate_header is None:
        mend = "set server.tls_client_ca, or server.client_certificate_header to what the proxy hands on"
        yield "feed-certificates", "feed.certificates", "nobody is asked for a certificate", mend
    if s.feed.access_tokens and _FEED_SCOPE in _scopes_of_strangers(s):
        mend = (
            f"let a role bring {_FEED_SCOPE} and give it to your verifiers, or list self_registration.scopes without it"
        )
        yield "feed-for-strangers", "feed.access_tokens", "clients that register themselves could read the feed", mend
    if s.issuer in s.identity_assertions:
        mend = "name other servers only; here a client asks for a token itself"
        yield "assertion-to-itself", "identity_assertions", "names this very server", mend
    if s.sessions.idle > s.sessions.absolute:
        yield "idle-over-absolute", "sessions.idle", "is longer than sessions.absolute", "shorten it"
    if s.keys.announce_before >= s.keys.rotate_every:
        yield "announce-over-rotation", "keys.announce_before", "is not under keys.rotate_every", "shorten it"
    if s.keys.retire_after < s.tokens.access_lifetime + s.tokens.leeway:
        mend = "at least tokens.access_lifetime + tokens.leeway, or living tokens lose their key"
        yield "retire-too-soon", "keys.retire_after", "is shorter than tokens live", mend
    if s.passwords.hashing_memory_mib * 1024 < s.passwords.memory_kib:
        yield "hash-over-budget", "passwords.hashing_memory_mib", "is less than one hash takes", "raise it"
    if s.passwords.memory_kib < 8 * s.passwords.parallelism:
        yield "argon2-memory", "passwords.memory_kib", "is under 8 KiB a lane (RFC 9106 §3.1)", "raise it"
    for role in s.registration.roles:
        if role not in s.roles:
            yield (
                "unknown-role",
                "registration.roles",
                f"{role!r} is not among roles",
                f"add [roles.{role}] or leave it out",
            )


def _mutual_tls_host(s: Settings) -> Iterator[_Found]:
    """RFC 8705 §5: a host for clients with certificates is another than the browsers' one, and somebody asks there."""
    server = s.server
    if server.mtls_url is not None and server.tls_client_ca is None and server.client_certificate_header is None:
        mend = "set server.tls_client_ca, or server.client_certificate_header to what the proxy hands on"
        yield "mtls-host-without-certificates", "server.mtls_url", "nobody is asked for a certificate there", mend
    if server.mtls_url is not None and server.mtls_url == origin_of(s.issuer):
        mend = "name another host or port, or leave it out: certificates are then asked for at the issuer"
        yield "mtls-host-is-issuer", "server.mtls_url", "is where browsers go", mend
    if server.mtls_port is None:
        return
    if server.mtls_url is None or server.tls_client_ca is None:
        mend = "set server.mtls_url and server.tls_client_ca"
        yield "mtls-port-alone", "server.mtls_port", "clients must learn of the host, and be asked there", mend
    if server.client_certificate_header is not None:
        mend = "let the proxy have a host of its own for certificates, and leave out server.mtls_port"
        yield "mtls-port-behind-proxy", "server.mtls_port", "only the proxy's word on certificates is taken", mend
    if server.mtls_port == server.port:
        yield "mtls-port-taken", "server.mtls_port", "is server.port", "choose another port"


def _scopes_of_strangers(s: Settings) -> set[str]:
    """What clients that come by themselves may ask for."""
    own = s.self_registration
    if own.dynamic == "off" and not own.metadata_documents:
        return set()
    if own.scopes is not None:
        return set(own.scopes)
    brought = {scope for role in s.roles.values() for scope in role.scopes}
    return (set(s.scopes) | {scope for one in s.resources.values() for scope in one.scopes}) - brought


def _development_issuer(s: Settings) -> Iterator[_Found]:
    if _is_http(s) and s.secure_cookies:
        mend = "use https, or http://localhost:<port> on your own machine"
        yield "http-issuer", "issuer", "is http on a host other than localhost or a loopback address", mend


def _authorities(s: Settings) -> Iterator[_Found]:
    if s.outgoing.ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=s.outgoing.ca_file)
    except (OSError, ssl.SSLError):
        mend = "name a readable file of certificates in PEM"
        yield "no-authorities", "outgoing.ca_file", "holds no certificate that can be read", mend


def _transport(s: Settings) -> Iterator[_Found]:
    if _is_http(s):
        mend = "set an https issuer; on your own machine set WATCHWORD_ENVIRONMENT=development"
        yield "http-issuer", "issuer", "production speaks https only", mend
    if any(network.prefixlen == 0 for network in s.server.trusted_proxies):
        mend = "name the network of your own proxy"
        yield "trusts-everyone", "server.trusted_proxies", "anyone could forge a client address", mend
    behind_proxy = bool(s.server.trusted_proxies)
    if not is_loopback_host(s.server.host) and s.server.tls_cert is None and not behind_proxy:
        mend = "set server.tls_cert and server.tls_key, or name your TLS proxy in server.trusted_proxies"
        yield "clear-listener", "server.host", "listens in clear beyond this machine with no proxy before it", mend


def _storage(s: Settings) -> Iterator[_Found]:
    if s.store.url.startswith("sqlite:") and s.server.workers > 1:
        mend = "set server.workers to 1, or store.url to PostgreSQL"
        yield "sqlite-workers", "server.workers", "SQLite serves one worker on one host", mend


def _openness(s: Settings) -> Iterator[_Found]:
    if "*" in s.cors.origins:
        yield "cors-wildcard", "cors.origins", "every site could call with credentials", "name each origin"
    if any(origin.startswith("http://") for origin in s.cors.origins):
        yield "cors-http", "cors.origins", "an http origin can be forged on the way", "name https origins only"
    if s.playground.enabled:
        yield "playground-on", "playground.enabled", "the demonstration page is for development", "set it to false"
    if s.feed.token is None and not s.feed.access_tokens and not s.feed.certificates:
        mend = "set WATCHWORD_FEED__TOKEN_FILE to a file with a random token; verifiers present it"
        yield "feed-open", "feed.token", "reading the revocation feed needs a credential", mend
    if s.log.level == "debug":
        yield "debug-log", "log.level", "debug lines are for development", "set it to info"


def _outgoing(s: Settings) -> Iterator[_Found]:
    if any(value.endswith("/0") for value in s.outgoing.allow):
        mend = "name the networks or hosts of your own receivers"
        yield "asks-everyone", "outgoing.allow", "strangers could have the server ask any address", mend


def _denylist(s: Settings) -> Iterator[_Found]:
    if s.denylist.url is None:
        return
    parts = urlsplit(s.denylist.url.get_secret_value())
    if parts.scheme == "redis" and not parts.password and not is_loopback_host(parts.hostname or ""):
        mend = "use rediss://user:password@host, or a Valkey on this machine"
        yield "denylist-open", "denylist.url", "whoever reaches that Valkey could revoke, and undo it", mend


def _weak_secrets(s: Settings) -> Iterator[_Found]:
    for path, secret in (
        ("master_key", s.master_key),
        ("feed.token", s.feed.token),
        ("metrics.token", s.metrics.token),
    ):
        if secret is not None and len(set(secret.get_secret_value())) < 8:
            yield (
                "weak-secret",
                path,
                "has too few different characters to be random",
                "make it with: openssl rand -base64 33",
            )


def _weak_passwords(s: Settings) -> Iterator[_Found]:
    if s.passwords.memory_kib * s.passwords.time_cost < _LEAST_ARGON2_WORK or s.passwords.memory_kib < 7168:
        mend = "use the defaults: memory_kib=19456, time_cost=2"
        yield "weak-hashing", "passwords.memory_kib", "Argon2id is cheaper than OWASP's least", mend
    if s.passwords.min_length < 8:
        yield "short-passwords", "passwords.min_length", "is under 8 (NIST SP 800-63B)", "raise it"


def _readable_files(s: Settings, secret_files: Mapping[str, Path]) -> Iterator[_Found]:
    files = dict(secret_files)
    if s.server.tls_key is not None:
        files["server.tls_key"] = s.server.tls_key
    for path, file in files.items():
        try:
            state = file.stat()
        except OSError as refused:
            yield "unreadable-file", path, f"{file} cannot be read: {refused.strerror}", "name a readable file"
            continue
        # Orchestrators hand a secret to a process without privileges as root:<its group> 0440; there is no closer way.
        handed = stat.S_IRGRP if state.st_uid == 0 and os.geteuid() != 0 else 0
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~handed:
            yield "readable-file", path, f"{file} can be read or written by others", f"chmod 600 {file}"


_Rule = Callable[[Settings], Iterator[_Found]]
_ALWAYS: tuple[_Rule, ...] = (_contradictions, _authorities)
_DEVELOPMENT: tuple[_Rule, ...] = (_development_issuer,)
_PRODUCTION: tuple[_Rule, ...] = (_transport, _storage, _openness, _outgoing, _denylist, _weak_secrets, _weak_passwords)
