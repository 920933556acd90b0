"""Whose word is taken for a client's certificate: the connection's own, or a trusted proxy's, and nobody else's."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

import pytest
from watchword.clock import EpochSeconds
from watchword.jose.certificate import certificate_der
from watchword_server.keys.development_certificates import DevelopmentAuthority
from watchword_server.web.client_certificate import CONNECTION_CERTIFICATE, ClientCertificate, client_certificate
from watchword_server.web.problem import ProblemError

PROXIES = [ip_network("10.0.0.0/8")]
PROXY = ("10.0.0.1", 1)
STRANGER = ("192.0.2.7", 1)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("tls")
    issued = DevelopmentAuthority(folder, now=EpochSeconds(1_800_000_000)).issue_client("billing")
    first, end, _ = issued.certificate.read_text().partition("-----END CERTIFICATE-----\n")
    return first + end


@pytest.fixture
def seen(call, plain):
    async def ask(headers=(), *, client=PROXY, header="Client-Cert", own=None):
        async def app(scope, receive, send):
            if own is not None:
                scope[CONNECTION_CERTIFICATE] = own
            await ClientCertificate(plain, header=header, trusted=PROXIES)(scope, receive, send)

        return (await call(app, headers=list(headers), client=client)).scope

    return ask


async def test_a_trusted_proxy_is_believed_in_each_form_proxies_write(seen, pem):
    percent = quote(pem)
    base64 = ":" + "".join(pem.splitlines()[1:-1]) + ":"
    found = [client_certificate(await seen([("client-cert", text)])) for text in (percent, base64)]
    assert {one.subject for one in found} == {"CN=billing"}
    assert found[0] == found[1]
    assert found[0].dns == ("billing",)


@pytest.mark.rfc("8705 §6.5")
@pytest.mark.rfc("9700 §4.13")
async def test_a_stranger_who_sends_the_header_shows_no_certificate_and_nobody_sees_the_header(seen, pem):
    scope = await seen([("client-cert", quote(pem))], client=STRANGER)
    assert client_certificate(scope) is None
    assert scope["headers"] == []


async def test_a_peer_without_an_address_is_not_a_trusted_proxy(seen, pem):
    assert client_certificate(await seen([("client-cert", quote(pem))], client=None)) is None


async def test_a_header_of_another_name_is_no_certificate(seen, pem):
    assert client_certificate(await seen([("x-client-cert", quote(pem))])) is None


@pytest.mark.rfc("8705 §6.5")
async def test_a_header_a_client_smuggled_in_beside_the_proxys_is_refused(seen, pem):
    scope = await seen([("client-cert", quote(pem)), ("client-cert", quote(pem))])
    with pytest.raises(ProblemError) as refused:
        client_certificate(scope)
    assert refused.value.status == 400


async def test_where_a_proxy_ends_tls_its_own_certificate_is_not_its_clients(seen, pem):
    der = certificate_der(pem)
    assert client_certificate(await seen(own=der)) is None
    assert client_certificate(await seen(own=der, client=STRANGER)) is None


async def test_without_a_proxy_the_connections_own_certificate_counts_and_headers_do_not(seen, pem):
    assert client_certificate(await seen(own=certificate_der(pem), header=None)).subject == "CN=billing"
    assert client_certificate(await seen([("client-cert", quote(pem))], header=None)) is None


@pytest.mark.parametrize(
    "garbage", ["MIIB", "%", "a b c", "-----BEGIN CERTIFICATE-----", ":AAAA:", "\xff", "x" * 40_000]
)
async def test_what_is_no_certificate_is_refused_and_not_taken_for_none(seen, garbage):
    scope = await seen([("client-cert", garbage)])
    with pytest.raises(ProblemError) as refused:
        client_certificate(scope)
    assert refused.value.status == 400


async def test_a_proxy_that_saw_no_certificate_may_send_an_empty_header(seen):
    assert client_certificate(await seen([("client-cert", "")])) is None
