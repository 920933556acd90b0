"""Settings of the listening process: where it listens, its TLS, whose word about a client it takes, its limits.

Reads nothing and opens nothing: process.py does.
"""

from __future__ import annotations

from typing import Literal

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import FilePath, MtlsOrigin, Networks, Seconds


class Server(Section):
    """The listening process."""

    host: str = setting("127.0.0.1", "Address to listen on.", min_length=1)
    port: int = setting(8000, "Port to listen on.", ge=0, le=65535)
    workers: int = setting(1, "Processes that share the port. Several need PostgreSQL.", "processes", ge=1, le=256)
    tls_cert: FilePath | None = setting(
        None, "Certificate chain in PEM; with it the server speaks https itself.", "path"
    )
    tls_key: FilePath | None = setting(None, "Private key of the certificate in PEM.", "path")
    tls_client_ca: FilePath | None = setting(
        None,
        "Authorities in PEM whose client certificates the server's own TLS accepts (RFC 8705); without it none is asked for.",
        "path",
    )
    client_certificate_header: str | None = setting(
        None,
        "Header in which the trusted proxy, and it alone, hands on the client's certificate: PEM, percent-encoded PEM, or "
        "base64 of DER (RFC 9440), such as `Client-Cert`. The proxy must replace what a client sends under that name.",
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$",
    )
    mtls_url: MtlsOrigin | None = setting(
        None,
        "Origin of a second host at which clients show their certificates, such as `https://mtls.login.example.com`: the "
        "endpoints there are told as `mtls_endpoint_aliases` (RFC 8705 §5), and browsers at the issuer are not asked.",
        "URL",
    )
    mtls_port: int | None = setting(
        None,
        "Port on which the server's own TLS asks for certificates; on `port` it then asks nobody. Needs `mtls_url`.",
        ge=1,
        le=65535,
    )
    trusted_proxies: Networks = setting(
        (), "Networks whose `Forwarded` and `X-Forwarded-*` headers are believed. All others are ignored.", "CIDR"
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = setting(
        "x-forwarded-for", "The one forwarding header that the trusted proxy writes itself; the other is ignored."
    )
    max_body_bytes: int = setting(65536, "Longest request body accepted; longer is answered 413.", "bytes", ge=1024)
    request_timeout: Seconds = setting(30, "A request not answered by then is given up (503).", "seconds", gt=0, le=600)
    body_timeout: Seconds = setting(10, "A body not received whole by then is answered 408.", "seconds", gt=0, le=600)
    shutdown_grace: Seconds = setting(
        10, "How long running requests may take to finish at shutdown.", "seconds", le=600
    )
