"""Certificates of clients, from TLS itself or from a trusted proxy, and from nobody else."""

import base64

import pytest
from watchword import Dpop, DpopNonces
from watchword.adapters.asgi import BearerMiddleware
from watchword.adapters.client_certificate import (
    ClientCertificates,
    TrustedProxies,
    WsgiClientCertificates,
    thumbprint_in,
    thumbprint_of,
)
from watchword.adapters.dpop_nonce import DpopNonceMiddleware
from watchword.adapters.wsgi import BearerMiddleware as WsgiBearerMiddleware
from watchword.jose.certificate import certificate_thumbprint
from watchword.testing import FakeDpopKey

from .stages.callers import AsgiCaller, WsgiCaller

DER = b"\x30\x03\x02\x01\x07"
TEXT = f":{base64.b64encode(DER).decode()}:"
THUMBPRINT = certificate_thumbprint(DER)


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


def wsgi_hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.fixture
def token(issuer):
    return issuer.token(cnf={"x5t#S256": THUMBPRINT})


@pytest.mark.rfc("8705 §3/1")
@pytest.mark.parametrize("trusted", [["127.0.0.1"], ["127.0.0.0/8", "10.0.0.1"]])
async def test_a_trusted_proxy_is_believed(issuer, token, trusted):
    guarded = BearerMiddleware(hello, issuer.verifier())
    service = AsgiCaller(ClientCertificates(guarded, trusted=trusted))
    threaded = WsgiCaller(
        WsgiClientCertificates(WsgiBearerMiddleware(wsgi_hello, issuer.sync_verifier()), trusted=trusted)
    )
    for caller in (service, threaded):
        good = await caller.ask("/", f"Bearer {token}", headers=[(b"client-cert", TEXT.encode())])
        assert good.status == 200
        for bad in ([], [b""], [b"x"], [b":AAAA:"], [TEXT.encode(), TEXT.encode()]):
            answer = await caller.ask("/", f"Bearer {token}", headers=[(b"client-cert", value) for value in bad])
            assert answer.status == 401


async def test_a_stranger_is_not(issuer, token):
    guarded = BearerMiddleware(hello, issuer.verifier())
    threaded = WsgiBearerMiddleware(wsgi_hello, issuer.sync_verifier())
    headers = [(b"client-cert", TEXT.encode())]
    for caller in (
        AsgiCaller(guarded),
        AsgiCaller(ClientCertificates(guarded, trusted=["192.0.2.1"])),
        WsgiCaller(threaded),
        WsgiCaller(WsgiClientCertificates(threaded, trusted=["192.0.2.1"])),
    ):
        assert (await caller.ask("/", f"Bearer {token}", headers=headers)).status == 401


async def test_the_header_of_a_stranger_does_not_reach_the_application():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)
        await hello(scope, receive, send)

    await AsgiCaller(ClientCertificates(app, trusted=["192.0.2.1"])).ask("/", headers=[(b"Client-Cert", b"x")])
    assert b"client-cert" not in {name.lower() for name, _ in seen[0]["headers"]}
    assert thumbprint_in(seen[0]) is None


@pytest.mark.rfc("8705 §3.1")
def test_the_servers_own_word_counts():
    scope = {"extensions": {"tls": {"client_cert_chain": [TEXT, "the authority's"], "client_cert_error": None}}}
    assert thumbprint_in(scope) == THUMBPRINT
    assert thumbprint_in({"extensions": {"tls": {"client_cert_chain": [TEXT], "client_cert_error": "expired"}}}) is None
    assert thumbprint_in({"extensions": {"tls": {"client_cert_chain": []}}}) is None
    assert thumbprint_in({}) is None
    assert thumbprint_of("nonsense") is None


def test_proxies_are_named():
    for wrong in ([], "127.0.0.1", ["proxy"], ["10.0.0.1/8"]):
        with pytest.raises(ValueError):
            TrustedProxies(wrong)
    assert None not in TrustedProxies(["127.0.0.1"])
    assert "" not in TrustedProxies(["0.0.0.0/0"])


@pytest.mark.rfc("9449 §8.2")
async def test_good_answers_bring_the_next_nonce(issuer):
    nonces = DpopNonces(bytes(32))
    verifier = issuer.verifier(dpop=Dpop(nonces=nonces))
    key = FakeDpopKey(clock=issuer.clock)
    token = issuer.token(cnf={"jkt": key.jkt})
    service = AsgiCaller(DpopNonceMiddleware(BearerMiddleware(hello, verifier), verifier))
    now = issuer.clock.now()
    proof = key.proof("GET", "http://api.test/", token, nonce=nonces.issue(now)).encode()
    answer = await service.ask("/", f"DPoP {token}", headers=[(b"dpop", proof)])
    assert (answer.status, answer.headers["dpop-nonce"]) == (200, nonces.issue(now))
    assert "dpop-nonce" not in (await service.ask("/", f"Bearer {issuer.token()}")).headers
    with pytest.raises(ValueError):
        DpopNonceMiddleware(hello, issuer.verifier())
