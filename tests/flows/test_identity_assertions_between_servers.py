"""Two servers really started: one knows the people and asserts, the other takes its word, and a resource believes that one."""

import base64
import hashlib
import json

import httpx
import httpx2
import pytest
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from page_story import Person
from process import Process
from story import PASSWORD
from watchword import Verifier
from watchword.adapters.asgi import BearerMiddleware, token_of
from watchword.verify.errors import TokenRejected

API = "https://api.chat.example.test/mcp"
ADA = "ada@example.test"
CALLBACK = "https://wiki.example.test/callback"
VERIFIER = "v" * 43
SECRET_HERE, SECRET_THERE = "secret of the wiki at its company " * 2, "secret of the wiki at the chat " * 2
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"


class Servers:
    """The company's server, where Ada signs in, and the chat's, which has an account of hers."""

    def __init__(self, home) -> None:
        self.started: list[Process] = []
        self.company = self._start(home / "company")
        self.chat = self._start(home / "chat", WATCHWORD_SCOPES='{"chat.read": "Read", "chat.write": "Write"}')

    def _start(self, home, **environ) -> Process:
        process = Process(home, **environ)
        self.started.append(process)
        return process

    def link(self) -> None:
        """Tell each of the other, as their administrators would."""
        ids = [self._register(server) for server in self.started]
        audience = {"clients": {"wiki": {"id": "wiki-at-chat", "scopes": ["chat.read"], "resources": [API]}}}
        grants = ["authorization_code", "refresh_token", EXCHANGE]
        wiki = {"client_id": "wiki", "client_secret": SECRET_HERE, "redirect_uris": [CALLBACK], "grant_types": grants}
        self._set(
            self.company,
            IDENTITY_ASSERTIONS={self.chat.url: audience},
            CLIENTS=[wiki | {"first_party": True, "id_token_signed_response_alg": "ES256"}],
        )
        trusted = {"jwks_uri": f"{self.company.url}/jwks.json", "clients": ["wiki-at-chat"]}
        there = {"client_id": "wiki-at-chat", "client_secret": SECRET_THERE, "grant_types": [JWT_BEARER]}
        self.ada_there = ids[1]
        self._set(
            self.chat,
            TRUSTED_ISSUERS={self.company.url: trusted | {"accounts": {ids[0]: ids[1]}}},
            RESOURCES={API: {}},
            CLIENTS=[there | {"redirect_uris": [], "scope": "chat.read chat.write"}],
        )

    def _register(self, server: Process) -> str:
        given = {"email": ADA, "password": PASSWORD}
        answer = httpx.post(f"{server.url}/auth/register", json=given, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer.json()["account"]["id"]

    def _set(self, server: Process, **settings) -> None:
        server.stop()
        server.environ |= {f"WATCHWORD_{name}": json.dumps(value) for name, value in settings.items()}
        server.start()

    async def signs_in(self, http: httpx.AsyncClient) -> dict:
        """Ada at the company's pages, for the wiki. Returns its tokens."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        person = Person(http, self.company.url)
        asked = {
            "client_id": "wiki", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        await (await person.goes_to("/authorize", **asked)).logs_in()
        given = {
            "grant_type": "authorization_code", "code": person.told["code"], "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }  # fmt: skip
        answer = await http.post("/token", data=given, auth=("wiki", SECRET_HERE))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def asserted(self, http: httpx.AsyncClient, id_token: str) -> httpx.Response:
        given = {
            "grant_type": EXCHANGE, "requested_token_type": ID_JAG, "audience": self.chat.url, "resource": API,
            "scope": "chat.read", "subject_token": id_token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        }  # fmt: skip
        return await http.post("/token", data=given, auth=("wiki", SECRET_HERE))

    async def presented(self, assertion: str, **more: str) -> httpx.Response:
        async with self.chat.client() as http:
            given = {"grant_type": JWT_BEARER, "assertion": assertion, **more}
            return await http.post("/token", data=given, auth=("wiki-at-chat", SECRET_THERE))

    def verifier(self, server: Process) -> Verifier:
        return Verifier(server.url, API)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    both = Servers(tmp_path_factory.mktemp("servers"))
    try:
        both.link()
        yield both
    finally:
        for process in both.started:
            process.stop()


async def test_one_servers_word_becomes_the_others_token_and_a_resource_believes_it(servers):
    async with servers.company.client() as http:
        here = (await http.get("/.well-known/openid-configuration")).json()
        assert here["identity_chaining_requested_token_types_supported"] == [ID_JAG]
        tokens = await servers.signs_in(http)
        answer = await servers.asserted(http, tokens["id_token"])
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert (made["issued_token_type"], made["token_type"], made["scope"]) == (ID_JAG, "N_A", "chat.read")
        given = await servers.presented(made["access_token"])
        assert given.status_code == 200, given.text
        async with servers.verifier(servers.chat) as verifier:
            token = await verifier.verify(given.json()["access_token"])
            assert (token.sub, token.client_id, token.scope) == (servers.ada_there, "wiki-at-chat", {"chat.read"})
            # The assertion itself opens nothing at a resource, whosever keys it trusts.
            with pytest.raises(TokenRejected):
                await verifier.verify(made["access_token"])
        async with servers.verifier(servers.company) as verifier:
            with pytest.raises(TokenRejected):
                await verifier.verify(made["access_token"])
        again = await servers.presented(made["access_token"])
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


class Memory:
    """Where the SDK keeps its tokens."""

    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("this client is known beforehand")


async def test_the_mcp_sdks_client_comes_in_by_the_company_with_no_page(servers):
    """Enterprise-managed authorization of MCP: the SDK does all but ask the company, which is one request."""

    async def from_the_company(audience: str, resource: str) -> str:
        assert (audience, resource) == (servers.chat.url, API)
        return (await servers.asserted(http, tokens["id_token"])).json()["access_token"]

    async def resource(scope, _receive, send):
        body = token_of(scope).sub.encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with servers.company.client() as http, servers.verifier(servers.chat) as verifier:
        tokens = await servers.signs_in(http)
        provider = IdentityAssertionOAuthProvider(
            API, Memory(), "wiki-at-chat", SECRET_THERE, servers.chat.url, from_the_company, "chat.read",
            token_endpoint_auth_method="client_secret_basic",
        )  # fmt: skip
        protected = httpx2.ASGITransport(app=BearerMiddleware(resource, verifier, scopes=["chat.read"]))
        async with httpx2.AsyncClient(auth=provider, mounts={API: protected}) as agent:
            for _ in range(2):
                answer = await agent.get(API)
                assert (answer.status_code, answer.text) == (200, servers.ada_there)


async def test_attack_what_was_not_made_for_the_other_server_is_not_taken_by_it(servers):
    async with servers.company.client() as http:
        tokens = await servers.signs_in(http)
        for token in (tokens["id_token"], tokens["access_token"]):
            given = await servers.presented(token)
            assert (given.status_code, given.json()["error"]) == (400, "invalid_grant")
        made = (await servers.asserted(http, tokens["id_token"])).json()["access_token"]
        more = await servers.presented(made, scope="chat.write")
        assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    async with servers.chat.client() as http:
        there = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert there["authorization_grant_profiles_supported"] == ["urn:ietf:params:oauth:grant-profile:id-jag"]
        assert JWT_BEARER in there["grant_types_supported"]
        assert servers.company.url not in json.dumps(there)


async def test_after_she_signs_out_the_company_asserts_nothing_more(servers):
    async with servers.company.client() as http:
        tokens = await servers.signs_in(http)
        person = Person(http, servers.company.url)
        await person.goes_to("/logout", id_token_hint=tokens["id_token"])
        answer = await servers.asserted(http, tokens["id_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
