"""The kinds of values settings are made of: durations, lists, addresses, URLs, and how text becomes one.

Holds no setting; tree.py does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

Network: TypeAlias = IPv4Network | IPv6Network
Algorithm: TypeAlias = Literal["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|[smhdw])", re.ASCII)
_CERTIFICATE_NAME = re.compile(
    r"dns:[A-Za-z0-9._-]{1,253}|uri:[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]{1,1024}|x5t#S256:[A-Za-z0-9_-]{43}", re.ASCII
)
_LONGEST = 100 * 365 * 86400.0


def seconds(value: object) -> object:
    """Seconds from a number or from text such as ``600``, ``10m``, ``1h30m``, ``7d``.

    Raises ValueError for anything else, for NaN, for a negative duration and for one over a hundred years.
    """
    if isinstance(value, str):
        value = _seconds_of_text(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or not 0 <= value <= _LONGEST:
            raise ValueError("a duration is between 0 and a hundred years")
        return int(value) if float(value).is_integer() else value
    raise ValueError("a duration is a number of seconds, or text such as 10m or 7d")


def _seconds_of_text(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text, re.ASCII):
        return float(text)
    total, end = 0.0, 0
    while part := _PART.match(text, end):
        total += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if end == 0 or end != len(text):
        raise ValueError("a duration is a number of seconds, or text such as 10m, 1h30m or 7d")
    return total


def _list(value: object) -> object:
    """A list from text: JSON when it starts with a bracket, else parted by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _table(value: object) -> object:
    return _json(value) if isinstance(value, str) else value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is not valid JSON") from None


def _networks(value: object) -> object:
    items = _list(value)
    if not isinstance(items, list | tuple):
        raise ValueError("is a list of networks such as 10.0.0.0/8")  # noqa: TRY004 - pydantic collects ValueError only
    networks: list[Network] = []
    for item in items:
        try:
            networks.append(item if isinstance(item, IPv4Network | IPv6Network) else ip_network(str(item)))
        except ValueError as refused:
            raise ValueError(f"{item!r} is not a network such as 10.0.0.0/8: {refused}") from None
    return tuple(networks)


_ALLOWED_HOST = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
"""A name whose last label begins with a letter: never a number that could be an address."""


def _outgoing_allowed(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            ip_network(value)
        except ValueError:
            if _ALLOWED_HOST.fullmatch(value) is None:
                raise ValueError(f"{value!r} is neither a network nor an exact host name in lower case") from None
    return values


def is_loopback_host(host: str) -> bool:
    """Whether this name or address always means the machine itself (RFC 6761 §6.3, RFC 8252 §7.3)."""
    host = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _issuer(value: str) -> str:
    """An issuer as RFC 8414 §2 has it: a URL without query or fragment, compared character by character."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("is an https URL such as https://login.example.com")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("has neither query nor fragment (RFC 8414 §2)")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds no user name or password")
    if value.endswith("/"):
        raise ValueError("does not end in a slash: verifiers compare it character by character")
    if not value.isascii() or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError("is plain ASCII without spaces")
    if parts.netloc != parts.netloc.lower() or (parts.scheme, port) in {("https", 443), ("http", 80)}:
        raise ValueError("has its host in lower case and leaves out the default port")
    return value


def origin(value: str) -> str:
    """A web origin ``scheme://host[:port]`` as browsers write it in ``Origin`` (RFC 6454 §6.2).

    ``*`` passes, so that the checks of production can name it. Raises ValueError for anything else.
    """
    if value == "*":
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(f"{value!r} is not an origin") from None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    if default is None or value != f"{parts.scheme}://{parts.netloc}" or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"{value!r} is not an origin such as https://app.example.com (no path, no final slash)")
    if parts.netloc != parts.netloc.lower() or port == default or "*" in value:
        raise ValueError(f"{value!r}: lower case, without the default port, without wildcards")
    return value


def origin_of(url: str) -> str:
    """The origin of a URL whose host is in lower case and which leaves out a default port, as an issuer is."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(origin(value) for value in values)


def _mtls_origin(value: str) -> str:
    if value == "*" or not origin(value).startswith("https://"):
        raise ValueError("is an https origin such as https://mtls.login.example.com")
    return value


def _store_url(value: str) -> str:
    if value.startswith("sqlite:///") and len(value) > len("sqlite:///") and "?" not in value:
        return value
    if value.startswith(("postgresql://", "postgres://")):
        return value
    raise ValueError("is sqlite:///path/to/file.db or postgresql://user@host/database")


_DENYLIST_OPTIONS = frozenset({"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
"""What an address may say after its question mark: nothing that could turn off the check of a certificate."""


def _denylist_url(value: SecretStr) -> SecretStr:
    form = "is redis://host:port/0, rediss://user:password@host:port/0 or unix:///path/to/socket"
    try:
        parts = urlsplit(value.get_secret_value())
        port = parts.port
        options = parse_qs(parts.query, strict_parsing=bool(parts.query), max_num_fields=8)
    except ValueError:
        raise ValueError(form) from None
    if parts.scheme in {"redis", "rediss"}:
        well = bool(parts.hostname) and re.fullmatch(r"/?|/[0-9]{1,4}", parts.path, re.ASCII) and port != 0
    else:
        well = parts.scheme == "unix" and not parts.hostname and len(parts.path) > 1
    if not well or parts.fragment:
        raise ValueError(form)
    if options.keys() - _DENYLIST_OPTIONS or not all(number.isdigit() for number in options.get("db", ())):
        raise ValueError("takes only the options db, ssl_ca_certs, ssl_certfile and ssl_keyfile")
    return value


def _path(value: Path) -> Path:
    return value.expanduser()


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _certificate_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _CERTIFICATE_NAME.fullmatch(name):
            raise ValueError("a certificate is named dns:<name>, uri:<uri> or x5t#S256:<43 characters of base64url>")
    return tuple(name.lower() if name.startswith("dns:") else name for name in names)


Seconds: TypeAlias = Annotated[float, BeforeValidator(seconds)]
WholeSeconds: TypeAlias = Annotated[int, BeforeValidator(seconds)]
Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_list)]
Networks: TypeAlias = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
CertificateNames: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_certificate_names)]
OutgoingAllowed: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_outgoing_allowed)]
Origins: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_origins)]
MtlsOrigin: TypeAlias = Annotated[str, AfterValidator(_mtls_origin)]
Issuer: TypeAlias = Annotated[str, AfterValidator(_issuer)]
StoreUrl: TypeAlias = Annotated[str, AfterValidator(_store_url)]
DenylistUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_denylist_url)]
FilePath: TypeAlias = Annotated[Path, AfterValidator(_path)]
Table = BeforeValidator(_table)
