"""Clients that authenticate by certificate, and tokens bound to one (RFC 8705): through a proxy, and by the server's own TLS."""

import json
import ssl
from urllib.parse import quote

import httpx
import pytest
from oauth_story import OAuth, Registered, refused, said
from process import Process
from watchword.clock import EpochSeconds, system_clock
from watchword.jose.certificate import certificate_der, certificate_thumbprint, read_certificate
from watchword_server.clients.metadata import ClientSettings
from watchword_server.keys.development_certificates import DevelopmentAuthority

BOUND = {"tls_client_certificate_bound_access_tokens": True}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return DevelopmentAuthority(tmp_path_factory.mktemp("tls"), now=EpochSeconds(system_clock.now()))


def pem(issued):
    first, end, _ = issued.certificate.read_text().partition("-----END CERTIFICATE-----\n")
    return first + end


def thumbprint(issued):
    return certificate_thumbprint(certificate_der(pem(issued)))


def shown(issued):
    return {"Client-Cert": quote(pem(issued))}


@pytest.fixture(scope="module")
def billing(authority):
    return authority.issue_client("billing")


@pytest.fixture(scope="module")
def stranger(authority):
    return authority.issue_client("stranger")


@pytest.fixture
async def oauth(open_server):
    environ = {
        "WATCHWORD_SERVER__CLIENT_CERTIFICATE_HEADER": "Client-Cert",
        "WATCHWORD_SERVER__TRUSTED_PROXIES": "127.0.0.0/8",
    }
    async with open_server(**environ) as server, server.browser() as http:
        yield OAuth(server, http)


async def machine(oauth, method="tls_client_auth", **metadata):
    if method == "tls_client_auth":
        metadata.setdefault("tls_client_auth_san_dns", "billing")
    return await oauth.machine("billing", token_endpoint_auth_method=method, **metadata)


async def asked(oauth, client, **headers):
    return await oauth.token(client, "client_credentials", headers=headers)


@pytest.mark.rfc("8705 §2/1")
@pytest.mark.rfc("8705 §2/2")
@pytest.mark.rfc("8705 §2.1")
async def test_a_client_is_known_by_the_subject_of_its_certificate(oauth, billing, stranger):
    client = await machine(oauth)
    assert (await asked(oauth, client, **shown(billing))).status_code == 200
    refused(await asked(oauth, client, **shown(stranger)), "invalid_client", 401)
    refused(await asked(oauth, client), "invalid_client", 401)


@pytest.mark.rfc("8705 §2.2")
async def test_a_client_is_known_by_the_key_of_its_self_signed_certificate(oauth, billing, stranger):
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    def jwk(issued):
        from watchword.jose import base64url

        numbers = x509.load_pem_x509_certificate(pem(issued).encode()).public_key()
        assert isinstance(numbers, ec.EllipticCurvePublicKey)
        point = numbers.public_numbers()
        x, y = (base64url.encode(value.to_bytes(32)) for value in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "c1"}

    client = await machine(oauth, "self_signed_tls_client_auth", jwks={"keys": [jwk(billing)]})
    assert (await asked(oauth, client, **shown(billing))).status_code == 200
    refused(await asked(oauth, client, **shown(stranger)), "invalid_client", 401)


@pytest.mark.rfc("8705 §2/2")
async def test_attack_client_impersonation_a_certificate_is_no_secret_and_a_secret_no_certificate(oauth, billing):
    by_secret = await oauth.machine("secretive")
    refused(
        await oauth.token(Registered("secretive", None), "client_credentials", headers=shown(billing)),
        "invalid_client",
        401,
    )
    assert (await asked(oauth, by_secret, **shown(billing))).status_code == 200
    await machine(oauth)
    refused(await oauth.token(Registered("billing", "guessed"), "client_credentials"), "invalid_client", 401)


@pytest.mark.rfc("8705 §3.1")
async def test_tokens_of_a_client_that_wants_it_are_bound_to_the_certificate_of_its_connection(oauth, billing):
    client = await machine(oauth, **BOUND)
    body = (await asked(oauth, client, **shown(billing))).json()
    assert body["token_type"] == "Bearer"
    assert said(body["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}


@pytest.mark.rfc("8705 §3/1")
@pytest.mark.rfc("8705 §3/2")
async def test_a_bound_token_is_nothing_without_its_certificate(oauth, billing, stranger):
    app = await oauth.client(token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="billing", **BOUND)
    account = await oauth.account()
    code = await oauth.code(app, account)
    answer = await oauth.exchange(app, code, headers=shown(billing))
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert (await oauth.userinfo(token, **shown(billing))).status_code == 200
    for headers in ({}, shown(stranger)):
        answer = await oauth.userinfo(token, **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


@pytest.mark.rfc("8705 §3.2")
async def test_introspection_names_the_certificate_a_token_is_bound_to(oauth, billing):
    client = await machine(oauth, **BOUND)
    token = (await asked(oauth, client, **shown(billing))).json()["access_token"]
    answer = await oauth.post("/introspect", client, token=token, headers=shown(billing))
    assert answer.json()["active"] is True
    assert answer.json()["cnf"] == {"x5t#S256": thumbprint(billing)}


@pytest.mark.rfc("8705 §4")
async def test_a_public_client_binds_its_refresh_tokens_to_the_certificate_too(oauth, billing, stranger):
    app = await oauth.client(token_endpoint_auth_method="none", **BOUND)
    code = await oauth.code(app, await oauth.account())
    tokens = (await oauth.exchange(app, code, headers=shown(billing))).json()
    stolen = await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"], headers=shown(stranger))
    assert stolen.status_code == 400
    again = await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"], headers=shown(billing))
    assert said(again.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}
    refused(await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"]), "invalid_request")


@pytest.mark.rfc("8705 §2/1")
async def test_what_is_no_certificate_is_refused_and_not_taken_for_none(oauth):
    client = await machine(oauth)
    refused(await asked(oauth, client, **{"Client-Cert": "garbage"}), "invalid_request")


@pytest.mark.rfc("8705 §3.3")
async def test_discovery_tells_of_it_only_where_certificates_reach_the_server(oauth, open_server):
    path = "/.well-known/oauth-authorization-server"
    told = (await oauth.http.get(path)).json()
    assert told["tls_client_certificate_bound_access_tokens"] is True
    assert "tls_client_auth" in told["token_endpoint_auth_methods_supported"]
    async with open_server() as plain, plain.browser() as http:
        told = (await http.get(path)).json()
        assert "tls_client_certificate_bound_access_tokens" not in told
        assert "tls_client_auth" not in told["token_endpoint_auth_methods_supported"]


class TlsProcess(Process):
    """A server process that ends TLS itself."""

    trust: ssl.SSLContext

    @property
    def url(self):
        return f"https://localhost:{self.port}"


@pytest.mark.rfc("8705 §2.1")
def test_the_servers_own_tls_asks_for_certificates_and_believes_those_of_its_authorities_alone(
    tmp_path, authority, billing, monkeypatch
):
    served = authority.issue_server(["localhost"])
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    clients = [
        {
            "client_id": "billing",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": read_certificate(certificate_der(pem(billing))).subject,
            **BOUND,
        }
    ]
    server = TlsProcess(
        tmp_path / "home",
        WATCHWORD_SERVER__TLS_CERT=str(served.certificate),
        WATCHWORD_SERVER__TLS_KEY=str(served.key),
        WATCHWORD_SERVER__TLS_CLIENT_CA=str(authority.certificate),
        WATCHWORD_CLIENTS=json.dumps(clients),
    )
    try:
        answer = ask(server, authority, billing)
        assert answer.status_code == 200, answer.text
        assert said(answer.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}
        assert ask(server, authority, None).status_code == 401
        forged = ask(server, authority, None, headers={"Client-Cert": quote(pem(billing))})
        assert forged.status_code == 401
        other = DevelopmentAuthority(tmp_path / "other", now=EpochSeconds(system_clock.now()))
        with pytest.raises((httpx.HTTPError, ssl.SSLError)):
            ask(server, authority, other.issue_client("billing"))
    finally:
        server.stop()


def ask(server, authority, issued, **more):
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    if issued is not None:
        trust.load_cert_chain(issued.certificate, issued.key)
    with httpx.Client(verify=trust, timeout=30) as http:
        return http.post(
            f"{server.url}/token", data={"grant_type": "client_credentials", "client_id": "billing"}, **more
        )


@pytest.mark.rfc("8705 §3/1")
async def test_attack_a_token_bound_to_a_certificate_is_not_exchanged_into_one_bound_to_another(
    oauth, billing, stranger
):
    exchange, access = (
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:token-type:access_token",
    )
    client = await oauth.machine(
        grant_types=["client_credentials", exchange], settings=ClientSettings(exchange=True), **BOUND
    )
    token = (await asked(oauth, client, **shown(billing))).json()["access_token"]
    given = {"subject_token": token, "subject_token_type": access}
    refused(await oauth.token(client, exchange, headers=shown(stranger), **given), "invalid_request")
    answer = await oauth.token(client, exchange, headers=shown(billing), **given)
    assert said(answer.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}


async def test_clients_of_fapi_2_may_bind_their_tokens_to_the_certificate_instead_of_a_key(oauth, billing):
    client = await machine(
        oauth, settings=ClientSettings(profile="fapi2"), id_token_signed_response_alg="ES256", **BOUND
    )
    answer = await asked(oauth, client, **shown(billing))
    assert answer.status_code == 200, answer.text
    assert said(answer.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}
