"""The settings tree: every setting of the server, with its unit, its default and what it does.

Reads nothing and decides nothing about safety: load.py gathers the values, checks.py refuses insecure ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from watchword_server.settings.api_keys import ApiKeys
from watchword_server.settings.deliveries import GlobalRevocation, Outbox, Outgoing, Ssf, StatusLists
from watchword_server.settings.details import DetailType, described_types
from watchword_server.settings.identity_assertions import AssertionAudience, described_audiences
from watchword_server.settings.oauth import OAuth, Resource, SelfRegistration, described_resources, described_scopes
from watchword_server.settings.pages import Pages
from watchword_server.settings.section import Section
from watchword_server.settings.section import setting as _of
from watchword_server.settings.server import Server
from watchword_server.settings.signed_urls import SignedUrls
from watchword_server.settings.trusted_issuers import TrustedIssuer, described_issuers
from watchword_server.settings.values import (
    Algorithm,
    CertificateNames,
    DenylistUrl,
    FilePath,
    Issuer,
    Origins,
    Seconds,
    StoreUrl,
    Table,
    Texts,
    WholeSeconds,
    as_mapping,
    is_loopback_host,
)

Environment = Literal["production", "development"]

MASTER_KEY_LENGTH = 32
"""Fewest characters of a master key: 43 base64url characters are 256 bits, 32 hexadecimal ones 128."""


class StoreSettings(Section):
    """The database."""

    url: StoreUrl = _of(..., "`sqlite:///path/to/file.db` or `postgresql://user@host/database`.", repr=False)
    migrate_on_start: bool = _of(default=True, description="Bring the schema up to date at start, under a lock.")
    pool_size: int = _of(10, "Connections to PostgreSQL a worker.", "connections", ge=1, le=1000)


class Tokens(Section):
    """Access tokens (RFC 9068)."""

    access_lifetime: WholeSeconds = _of(
        600, "Lifetime of an access token; 5 to 15 minutes suit.", "seconds", ge=1, le=7200
    )
    algorithm: Algorithm = _of("ES256", "Signature algorithm of access tokens.")
    leeway: WholeSeconds = _of(5, "Tolerated difference of clocks between server and verifiers.", "seconds", le=300)
    custom_claims: Annotated[dict[str, Any], Table] = _of(
        {}, "Claims to add: a fixed value, or a text with `{account.tenant}`, `{account.username}`, `{account.id}`."
    )
    acr: str | None = _of(None, "Authentication context class put in `acr` after a login with password.")


class Sessions(Section):
    """When a login ends."""

    idle: WholeSeconds = _of(7 * 86400, "A session not refreshed for so long is over.", "seconds", ge=1)
    absolute: WholeSeconds = _of(30 * 86400, "A session is over so long after its login, used or not.", "seconds", ge=1)


class Rotation(Section):
    """Refresh-token rotation."""

    window: Seconds = _of(
        30, "Within it a repeated or parallel refresh of one device is taken as honest.", "seconds", le=600
    )
    odd_limit_same: int = _of(
        10, "Odd repeats in a row allowed from the same kind of device; 0 is strict.", ge=0, le=1000
    )
    odd_limit_other: int = _of(
        1, "Odd repeats in a row allowed from another kind of device; 0 is strict.", ge=0, le=1000
    )
    overtaken: bool = _of(
        default=False,
        description="Take a cookie two generations behind, from the same kind of device within the window, for a request "
        "that another tab overtook: no honest browser is refused then, and a thief in step is found later.",
    )
    retention: WholeSeconds = _of(7 * 86400, "How long dead sessions are kept to explain refusals.", "seconds")


class Registration(Section):
    """Who may make an account."""

    open: bool = _of(default=True, description="Whether anyone may register; else administrators make accounts.")
    roles: Texts = _of(("user",), "Roles of a new account.")


class Passwords(Section):
    """What passwords are accepted, and how they are hashed (Argon2id, RFC 9106)."""

    min_length: int = _of(8, "Fewest characters.", "characters", ge=1, le=64)
    max_length: int = _of(256, "Most characters.", "characters", ge=64, le=4096)
    max_bytes: int = _of(1024, "Most bytes in UTF-8.", "bytes", ge=64, le=16384)
    min_score: int = _of(2, "Least zxcvbn score: 0 any, 2 somewhat, 3 safely, 4 very hard to guess.", ge=0, le=4)
    memory_kib: int = _of(19456, "Argon2id memory a hash.", "KiB", ge=8, le=1 << 21)
    time_cost: int = _of(2, "Argon2id passes.", ge=1, le=100)
    parallelism: int = _of(1, "Argon2id lanes.", ge=1, le=16)
    hashing_memory_mib: int = _of(128, "Memory that hashes under way may take together, a worker.", "MiB", ge=1)
    queue_limit: int = _of(64, "Logins that may wait for a hash; more are told to come back (503).", "logins", ge=0)
    queue_timeout: Seconds = _of(
        5, "Longest expected wait for a hash; beyond it the login is told to come back.", "seconds"
    )


class Throttle(Section):
    """Failed logins tolerated, and registrations. Successful logins are never throttled."""

    account_failures: int = _of(
        10, "Failures an account from one client address (IPv6: /64) within the window.", "failures", ge=1
    )
    account_failures_total: int = _of(
        100,
        "Failures an account from everywhere within the window; from where it was logged in to lately they do not matter.",
        "failures",
        ge=1,
    )
    address_failures: int = _of(
        100, "Failures a client address (IPv6: /64), whatever the account, within the window.", "failures", ge=1
    )
    registrations: int = _of(
        200, "Registrations a client address (IPv6: /64) may try within the window.", "registrations", ge=1
    )
    device_failures: int = _of(
        20, "Wrong codes of devices a client address (IPv6: /64) within the window.", "failures", ge=1
    )
    device_failures_total: int = _of(
        1000, "Wrong codes of devices from everywhere within the window (RFC 8628 §5.1).", "failures", ge=1
    )
    device_requests: int = _of(
        200,
        "Codes that devices of public clients may ask for from one client address (IPv6: /64) within the window; ten times "
        "as many authorization requests may be pushed.",
        "requests",
        ge=1,
    )
    window: WholeSeconds = _of(
        900,
        "The window. It doubles, up to a day, each time an account reaches its limit again.",
        "seconds",
        ge=1,
        le=7 * 86400,
    )


class Keys(Section):
    """Rotation of signing keys: next, active, retired."""

    rotate_every: WholeSeconds = _of(90 * 86400, "Age at which the active signing key is replaced.", "seconds", ge=60)
    announce_before: WholeSeconds = _of(86400, "How long the next key is published before it signs.", "seconds", ge=0)
    retire_after: WholeSeconds = _of(86400, "How long a replaced key stays published.", "seconds", ge=0)


class Role(Section):
    """What a role grants."""

    scopes: Texts = _of((), "Scopes of first-party tokens of accounts with this role.")
    permissions: Texts = _of((), "Put in the `permissions` claim.")


class Cors(Section):
    """Browser applications on other origins of the same site."""

    origins: Origins = _of((), "Exact origins that may call with credentials, such as `https://app.example.com`.")


class Feed(Section):
    """The revocation feed for verifiers."""

    token: SecretStr | None = _of(None, "Bearer credential that reads `/revocations`.", min_length=16)
    access_tokens: bool = _of(
        default=False,
        description="Whether access tokens of this server with the scope `watchword:feed`, which a client gets for itself "
        "(client credentials), read `/revocations`. One with a `tenant` is shown what concerns that tenant.",
    )
    certificates: CertificateNames = _of(
        (),
        "Client certificates (mTLS) that read `/revocations`: `dns:<name>` or `uri:<uri>` of the alternative names, or "
        "`x5t#S256:<thumbprint>`.",
    )
    max_readers: int = _of(
        10_000,
        "Verifiers that one worker holds at a time, by long poll or stream; more are told to come back (503). Each needs "
        "a file descriptor.",
        "readers",
        ge=1,
        le=1_000_000,
    )
    keep_alive: Seconds = _of(15, "A stream without news says so often that it lives.", "seconds", ge=1, le=300)


class Denylist(Section):
    """A copy of the revocations in Redis or Valkey, for verifiers in any language."""

    url: DenylistUrl | None = _of(
        None, "`rediss://user:password@host:6379/0`, `redis://…` or `unix:///path/to/socket`; without it there is none."
    )
    prefix: str = _of("watchword:", "Begins the name of every key.", pattern=r"^[A-Za-z0-9_.:{}-]{1,64}$")
    max_staleness: Seconds = _of(
        30, "Readers find no `as_of` key when no server could vouch for the keys for so long.", "seconds", ge=5, le=3600
    )


class Metrics(Section):
    """Prometheus metrics."""

    token: SecretStr | None = _of(
        None, "Bearer credential that reading `/metrics` needs; without it there are none.", min_length=16
    )


class Log(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = _of("info", "Least severity written.")
    format: Literal["json", "console"] = _of("json", "One JSON object a line, or text for people.")
    requests: bool = _of(default=True, description="Whether every request gets a line (never with its query).")


class Playground(Section):
    """The demonstration page."""

    enabled: bool = _of(default=False, description="Whether the page is served. Refused in production.")
    demo_url: str = _of("http://localhost:8001", "Where the page finds the demonstration API.")


class Admin(Section):
    """The administrator made at the first start."""

    email: str = _of("admin@localhost", "Email address of the first administrator.")
    password: SecretStr | None = _of(None, "Its password; without it one is made and printed once.")


class Settings(Section):
    """Every setting of the server."""

    issuer: Issuer = _of(..., "Public URL of this server, the `iss` of its tokens (RFC 8414 §2).", "URL")
    environment: Environment = _of("production", "`production`, or `development` with its relaxed defaults.")
    home: FilePath = _of(Path(".watchword"), "Directory of all state; may be deleted to start afresh.", "path")
    audience: str = _of(..., "`aud` of first-party access tokens.", min_length=1)
    master_key: SecretStr = _of(
        ..., f"Secret of at least {MASTER_KEY_LENGTH} characters from which stored keys are encrypted.",
        min_length=MASTER_KEY_LENGTH,
    )  # fmt: skip
    server: Server = Field(default_factory=Server)
    store: StoreSettings
    tokens: Tokens = Field(default_factory=Tokens)
    sessions: Sessions = Field(default_factory=Sessions)
    rotation: Rotation = Field(default_factory=Rotation)
    registration: Registration = Field(default_factory=Registration)
    passwords: Passwords = Field(default_factory=Passwords)
    throttle: Throttle = Field(default_factory=Throttle)
    keys: Keys = Field(default_factory=Keys)
    roles: Annotated[dict[str, Role], Table] = _of(
        {"user": Role(), "admin": Role(scopes=("watchword:admin",))},
        "Roles and what they grant: `{role: {scopes: [...], permissions: [...]}}`.",
    )
    oauth: OAuth = Field(default_factory=OAuth)
    self_registration: SelfRegistration = Field(default_factory=SelfRegistration)
    scopes: Annotated[dict[str, str], Table, AfterValidator(described_scopes)] = _of(
        {},
        'Scopes of your own, with the words by which people are asked for them: `{"reports:read": "Read your reports"}`.',
    )
    resources: Annotated[dict[str, Resource], Table, AfterValidator(described_resources)] = _of(
        {},
        'Resource servers by identifier (RFC 8707): `{"https://api.example.com": {name, scopes, format, lifetime}}`.',
    )
    authorization_details: Annotated[dict[str, DetailType], Table, AfterValidator(described_types)] = _of(
        {},
        "Types of authorization details (RFC 9396) that clients may ask for: "
        "`{payment: {words, members, actions, locations, without_person, ask_always}}`.",
    )
    clients: Annotated[tuple[dict[str, Any], ...], Table] = _of(
        (), "Clients that are not on record in the store, by the names of RFC 7591; see how-to/clients.", repr=False
    )
    trusted_issuers: Annotated[dict[str, TrustedIssuer], Table, AfterValidator(described_issuers)] = _of(
        {},
        "Issuers elsewhere by their `iss`, whose assertions about people give tokens (RFC 7523, ID-JAG): "
        '`{"https://idp.example.com": {profile, jwks_uri, jwks, clients, accounts, lifetime}}`.',
    )
    identity_assertions: Annotated[dict[str, AssertionAudience], Table, AfterValidator(described_audiences)] = _of(
        {},
        "Authorization servers elsewhere by their issuer, for which clients here may get assertions about people (ID-JAG): "
        '`{"https://chat.example.com": {clients: {"wiki": {id, scopes, resources, authorization_details}}, roles, lifetime, '
        "relying_party, email}}`.",
    )
    cors: Cors = Field(default_factory=Cors)
    feed: Feed = Field(default_factory=Feed)
    denylist: Denylist = Field(default_factory=Denylist)
    signed_urls: SignedUrls = Field(default_factory=SignedUrls)
    api_keys: ApiKeys = Field(default_factory=ApiKeys)
    outbox: Outbox = Field(default_factory=Outbox)
    global_revocation: GlobalRevocation = Field(default_factory=GlobalRevocation)
    status_lists: StatusLists = Field(default_factory=StatusLists)
    ssf: Ssf = Field(default_factory=Ssf)
    outgoing: Outgoing = Field(default_factory=Outgoing)
    metrics: Metrics = Field(default_factory=Metrics)
    log: Log = Field(default_factory=Log)
    pages: Pages = Field(default_factory=Pages)
    playground: Playground = Field(default_factory=Playground)
    admin: Admin = Field(default_factory=Admin)

    @property
    def is_development(self) -> bool:
        """Whether the relaxed defaults of development are in force."""
        return self.environment == "development"

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies carry prefix and ``Secure``: always, unless the issuer is http on a loopback host."""
        parts = urlsplit(self.issuer)
        return parts.scheme == "https" or not is_loopback_host(parts.hostname or "")

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Any) -> Any:
        return with_derived(given) if isinstance(given, Mapping) else given


def derived_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that follow from other settings, by dotted path: ``{"store.url": "sqlite:///.watchword/…"}``.

    Does not say whether they are needed; ``with_derived`` and the loader fill only gaps.
    """
    home = given.get("home", ".watchword")
    derived: dict[str, Any] = {"store.url": f"sqlite:///{home}/watchword.db"}
    issuer = given.get("issuer")
    if given.get("environment") == "development":
        port = as_mapping(given.get("server")).get("port", 8000)
        issuer = issuer or f"http://localhost:{port}"
        derived |= {
            "issuer": issuer,
            "tokens.access_lifetime": 60,
            "playground.enabled": True,
            "log.format": "console",
            "outgoing.allow": ["127.0.0.0/8", "::1/128"],
            "roles": {"user": {}, "admin": {"scopes": ["reports:read", "watchword:admin"]}},
        }
    if issuer:
        derived["audience"] = issuer
    return derived


def with_derived(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values with derived defaults in their gaps. Sections given as models are left as they are."""
    filled = dict(given)
    for path, value in derived_defaults(given).items():
        section, _, name = path.rpartition(".")
        if not section:
            filled.setdefault(name, value)
        elif isinstance(held := filled.get(section, {}), Mapping):
            filled[section] = {name: value} | dict(held)
    return filled
