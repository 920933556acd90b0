"""A second host for clients with certificates (RFC 8705 §5): `mtls_endpoint_aliases`, and every endpoint they name."""

import json
import ssl
from urllib.parse import quote, urlsplit

import httpx
import pytest
from oauth_story import ISSUER, OAuth, Prover, refused, said
from process import Process, free_port
from watchword.clock import EpochSeconds, system_clock
from watchword.jose.certificate import certificate_der, certificate_thumbprint
from watchword.jose.jwk import Key
from watchword_server.keys.development_certificates import DevelopmentAuthority

MTLS = "https://mtls.example.test"
BOUND = {"tls_client_certificate_bound_access_tokens": True}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ENVIRON = {
    "WATCHWORD_SERVER__CLIENT_CERTIFICATE_HEADER": "Client-Cert",
    "WATCHWORD_SERVER__TRUSTED_PROXIES": "127.0.0.0/8",
    "WATCHWORD_SERVER__MTLS_URL": MTLS,
}
DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return DevelopmentAuthority(tmp_path_factory.mktemp("tls"), now=EpochSeconds(system_clock.now()))


@pytest.fixture(scope="module")
def billing(authority):
    return authority.issue_client("billing")


def pem(issued):
    first, end, _ = issued.certificate.read_text().partition("-----END CERTIFICATE-----\n")
    return first + end


def shown(issued):
    return {"Client-Cert": quote(pem(issued))}


def thumbprint(issued):
    return certificate_thumbprint(certificate_der(pem(issued)))


@pytest.fixture
async def oauth(open_server):
    async with open_server(**ENVIRON) as server, server.browser() as http:
        yield OAuth(server, http)


@pytest.fixture
async def at_alias(oauth):
    """The same server, called by its other name."""
    async with oauth.server.browser() as http:
        http.base_url = httpx.URL(MTLS)
        yield OAuth(oauth.server, http)


async def bound_app(oauth, **more):
    return await oauth.client(
        **{"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "billing", **BOUND} | more
    )


async def aliases(oauth):
    return (await oauth.http.get(DOCUMENTS[0])).json()["mtls_endpoint_aliases"]


@pytest.mark.rfc("8705 §5/1")
async def test_both_documents_tell_the_aliases_of_all_endpoints_that_take_certificates(oauth):
    first, second = [(await oauth.http.get(path)).json() for path in DOCUMENTS]
    assert first == second
    assert first["mtls_endpoint_aliases"] == {
        "token_endpoint": f"{MTLS}/token",
        "revocation_endpoint": f"{MTLS}/revoke",
        "introspection_endpoint": f"{MTLS}/introspect",
        "pushed_authorization_request_endpoint": f"{MTLS}/par",
        "device_authorization_endpoint": f"{MTLS}/device_authorization",
        "userinfo_endpoint": f"{MTLS}/userinfo",
        "watchword_revocations_uri": f"{MTLS}/revocations",
    }
    assert first["token_endpoint"] == f"{ISSUER}/token"
    assert first["issuer"] == ISSUER


async def test_without_the_setting_there_are_no_aliases(open_server):
    environ = {name: value for name, value in ENVIRON.items() if not name.endswith("MTLS_URL")}
    async with open_server(**environ) as server, server.browser() as http:
        assert "mtls_endpoint_aliases" not in (await http.get(DOCUMENTS[0])).json()


@pytest.mark.rfc("8705 §5/2")
async def test_a_client_with_a_certificate_finds_every_endpoint_at_its_alias(oauth, billing):
    account, certificate = await oauth.account(), shown(billing)
    app = await bound_app(oauth, grant_types=["authorization_code", "refresh_token", DEVICE])
    known = await aliases(oauth)

    async def send(name, **form):
        return await oauth.http.post(known[name], data={"client_id": "app", **form}, headers=certificate)

    code = await oauth.code(app, account, scope=("openid", "offline_access"))
    exchange = {"code": code, "redirect_uri": "https://app.example.test/callback", "code_verifier": "v" * 43}
    tokens = (await send("token_endpoint", grant_type="authorization_code", **exchange)).json()
    assert said(tokens["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}
    assert said(tokens["access_token"])["iss"] == said(tokens["id_token"])["iss"] == ISSUER
    headers = {"Authorization": f"Bearer {tokens['access_token']}", **certificate}
    assert (await oauth.http.get(known["userinfo_endpoint"], headers=headers)).json()["sub"] == account
    assert (await send("introspection_endpoint", token=tokens["access_token"])).json()["active"] is True
    pushed = await send(
        "pushed_authorization_request_endpoint",
        response_type="code",
        redirect_uri="https://app.example.test/callback",
        code_challenge="c" * 43,
        code_challenge_method="S256",
        scope="openid",
        nonce="n-1",
    )
    assert pushed.status_code == 201, pushed.text
    device = (await send("device_authorization_endpoint", scope="openid")).json()
    # People are sent to the host of browsers, whatever host the television spoke to.
    assert device["verification_uri"].startswith(f"{ISSUER}/")
    assert (await send("revocation_endpoint", token=tokens["refresh_token"])).status_code == 200
    assert (await send("introspection_endpoint", token=tokens["access_token"])).json() == {"active": False}
    feed = {"Authorization": "Bearer feed-token-of-the-tests"}
    assert (await oauth.http.get(known["watchword_revocations_uri"], headers=feed)).status_code == 200


async def test_nothing_that_browsers_use_is_at_the_host_of_mutual_tls(at_alias):
    for path in ("/authorize", "/jwks.json", "/account", "/auth/me", "/admin", "/logout", "/device", *DOCUMENTS):
        answer = await at_alias.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert (await at_alias.http.get("/readyz")).status_code == 200


async def test_assertions_may_be_made_out_to_the_alias_and_to_no_other_host(oauth, at_alias):
    robot = await oauth.machine(key=Key.generate("ES256", kid="k1"))

    async def asked(audience):
        form = oauth.assertion(robot, aud=audience)
        return await at_alias.http.post("/token", data={"grant_type": "client_credentials", **form})

    for good in (ISSUER, f"{ISSUER}/token", f"{MTLS}/token", f"{MTLS}/par"):
        assert (await asked(good)).status_code == 200, good
    for bad in (MTLS, f"{MTLS}/introspect", f"{MTLS}/token/", "https://mtls.example.test:443/token", f"{MTLS}x/token"):
        refused(await asked(bad), "invalid_client", 401)


async def test_proofs_of_possession_are_for_the_host_they_are_sent_to(oauth, at_alias):
    robot, prover = await oauth.machine(), Prover(oauth.server.clock)

    async def asked(where, target):
        return await where.token(robot, "client_credentials", headers=prover.headers(target))

    assert (await asked(at_alias, f"{MTLS}/token")).json()["token_type"] == "DPoP"
    assert (await asked(oauth, f"{ISSUER}/token")).json()["token_type"] == "DPoP"


@pytest.mark.rfc("9449 §4.3/9")
async def test_attack_a_proof_for_one_host_is_nothing_at_the_other(oauth, at_alias):
    robot, prover = await oauth.machine(), Prover(oauth.server.clock)
    for where, target in ((oauth, f"{MTLS}/token"), (at_alias, f"{ISSUER}/token"), (at_alias, f"{MTLS}/par")):
        refused(await where.token(robot, "client_credentials", headers=prover.headers(target)), "invalid_dpop_proof")


async def test_attack_a_proof_used_at_one_host_is_used_at_the_other_too(oauth, at_alias):
    robot, headers = await oauth.machine(), Prover(oauth.server.clock).headers(f"{MTLS}/token")
    assert (await at_alias.token(robot, "client_credentials", headers=headers)).status_code == 200
    refused(await at_alias.token(robot, "client_credentials", headers=headers), "invalid_dpop_proof")
    refused(await oauth.token(robot, "client_credentials", headers=headers), "invalid_dpop_proof")


async def test_attack_a_host_of_the_attackers_choice_appears_nowhere(oauth):
    robot, prover = await oauth.machine(), Prover(oauth.server.clock)
    there = {"Host": "evil.test"}
    proof = prover.headers("https://evil.test/token")
    refused(await oauth.token(robot, "client_credentials", headers=there | proof), "invalid_dpop_proof")
    told = (await oauth.http.get(DOCUMENTS[0], headers=there)).text
    assert "evil.test" not in told
    assert told == (await oauth.http.get(DOCUMENTS[0])).text


@pytest.mark.rfc("8705 §6.5")
async def test_attack_at_the_alias_too_a_certificate_counts_only_when_the_trusted_proxy_hands_it_on(oauth, billing):
    await oauth.machine("billing", token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="billing")
    form = {"grant_type": "client_credentials", "client_id": "billing"}
    async with oauth.server.browser(address="192.0.2.66") as stranger:
        answer = await stranger.post(f"{MTLS}/token", data=form, headers=shown(billing))
        refused(answer, "invalid_client", 401)
        forwarded = {"X-Forwarded-Host": "mtls.example.test", "X-Forwarded-For": "127.0.0.1", **shown(billing)}
        refused(await stranger.post(f"{ISSUER}/token", data=form, headers=forwarded), "invalid_client", 401)
    answer = await oauth.http.post(f"{MTLS}/token", data=form, headers=shown(billing))
    assert answer.status_code == 200, answer.text


class TwoPorts(Process):
    """A server process that asks for certificates on a second port alone."""

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def alias(self):
        return self.environ["WATCHWORD_SERVER__MTLS_URL"]


@pytest.fixture(params=["1", "2"], ids=["one-worker", "two-workers"])
def two_ports(request, tmp_path, authority, monkeypatch):
    served, port = authority.issue_server(["localhost", "127.0.0.1"]), free_port()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    client = {
        "client_id": "billing",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "billing",
        **BOUND,
    }
    server = TwoPorts(
        tmp_path / "home",
        WATCHWORD_SERVER__TLS_CERT=str(served.certificate),
        WATCHWORD_SERVER__TLS_KEY=str(served.key),
        WATCHWORD_SERVER__TLS_CLIENT_CA=str(authority.certificate),
        WATCHWORD_SERVER__MTLS_URL=f"https://localhost:{port}",
        WATCHWORD_SERVER__MTLS_PORT=str(port),
        WATCHWORD_CLIENTS=json.dumps([client]),
        WATCHWORD_SERVER__WORKERS=request.param,
    )
    yield server
    server.stop()


def trusting(authority, issued=None):
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    if issued is not None:
        trust.load_cert_chain(issued.certificate, issued.key)
    return trust


def asks_for_a_certificate(url, trust):
    """Whether the server sends a CertificateRequest in the handshake (RFC 8446 §4.3.2), which a browser shows people."""
    seen = []
    trust._msg_callback = lambda _conn, _direction, _version, kind, message, _data: seen.append((kind, message))
    with httpx.Client(verify=trust, timeout=30) as http:
        http.get(f"{url}/readyz")
    return any(getattr(message, "name", "") == "CERTIFICATE_REQUEST" for _, message in seen)


def test_on_a_port_of_its_own_certificates_are_asked_for_and_at_the_issuer_no_browser_is(
    two_ports, authority, billing, tmp_path
):
    assert asks_for_a_certificate(two_ports.alias, trusting(authority))
    assert not asks_for_a_certificate(two_ports.url, trusting(authority))
    form = {"grant_type": "client_credentials", "client_id": "billing"}
    with httpx.Client(verify=trusting(authority, billing), timeout=30) as http:
        answer = http.post(f"{two_ports.alias}/token", data=form)
        assert answer.status_code == 200, answer.text
        assert said(answer.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(billing)}
        assert http.post(f"{two_ports.url}/token", data=form).status_code == 401  # never asked, so never shown
        known = http.get(f"{two_ports.url}{DOCUMENTS[0]}").json()
        assert known["mtls_endpoint_aliases"]["token_endpoint"] == f"{two_ports.alias}/token"
        assert http.get(f"{two_ports.alias}{DOCUMENTS[0]}").status_code == 404
        for url, other in ((two_ports.alias, two_ports.url), (two_ports.url, two_ports.alias)):
            astray = http.post(f"{url}/token", data=form, headers={"Host": urlsplit(other).netloc})
            assert (astray.status_code, astray.json()["code"]) == (421, "misdirected_request")
    with httpx.Client(verify=trusting(authority), timeout=30) as http:
        assert http.post(f"{two_ports.alias}/token", data=form).status_code == 401
    other = DevelopmentAuthority(tmp_path / "other", now=EpochSeconds(system_clock.now()))
    with (
        pytest.raises((httpx.HTTPError, ssl.SSLError)),
        httpx.Client(verify=trusting(authority, other.issue_client("billing")), timeout=30) as http,
    ):
        http.post(f"{two_ports.alias}/token", data=form)
    assert two_ports.stop() == 0
