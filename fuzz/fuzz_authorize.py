"""Fuzz authorization requests: a request or an OAuthError, an answer only to what was registered, a ticket only of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from mutation import main
from watchword.clock import system_clock
from watchword.oauth.errors import OAuthError
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.endpoints.authorize.answer import Answers
from watchword_server.endpoints.authorize.parameters import Destination, Parameters, destination, read_parameters
from watchword_server.endpoints.authorize.request import read_request
from watchword_server.pages.rendering import Pages
from watchword_server.settings.load import load
from watchword_server.web.ticket import Ticket, TicketRefused, Tickets

KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"
SETTINGS = load({}, {"WATCHWORD_ENVIRONMENT": "development", "WATCHWORD_MASTER_KEY": KEY}).settings
assert SETTINGS is not None
ENTITLEMENTS = Entitlements(SETTINGS)


async def _sign(claims: Mapping[str, Any], algorithm: str) -> str:
    return f"{algorithm}.{len(claims)}.x"


ANSWERS = Answers(
    SETTINGS.issuer, Pages(SETTINGS.pages), system_clock, sign=_sign, algorithms=SETTINGS.oauth.id_token_algorithms
)
TICKETS = Tickets(bytes(range(32)))
WEB = ("https://app.example.test/cb", "https://app.example.test/cb?x=1")
APP = ("http://127.0.0.1/cb", "com.example.app:/cb")
CLIENTS = (
    Client(client_id="web", source="admin", metadata=ClientMetadata(redirect_uris=WEB)),
    Client(
        client_id="app",
        source="dynamic",
        metadata=ClientMetadata(
            redirect_uris=APP,
            application_type="native",
            token_endpoint_auth_method="none",
        ),
        settings=ClientSettings(first_party=True),
    ),
)
GOOD = {
    "client_id": "web",
    "redirect_uri": WEB[0],
    "response_type": "code",
    "scope": "openid email",
    "state": "a state",
    "nonce": "n",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}
MORE = {
    "prompt": "login consent",
    "max_age": "60",
    "claims": '{"id_token": {"acr": {"essential": true, "values": ["a"]}}}',
    "acr_values": "a b",
    "response_mode": "form_post.jwt",
    "ui_locales": "de en",
}
SEALED = TICKETS.seal(Ticket(purpose="authorize", values=GOOD, began=1.0, expires_at=2.0), "mine")
SEEDS = [
    urlencode(GOOD).encode(),
    urlencode(GOOD | MORE).encode(),
    urlencode(GOOD | {"redirect_uri": "http://127.0.0.1:51004/cb", "response_mode": "fragment"}).encode(),
    urlencode(GOOD | {"redirect_uri": APP[1]}).encode(),
    SEALED.encode(),
]
WORDS = [b"&", b"=", b"%", b"%00", b"%0d%0a", b"@", b"#", b"?", b"//", b"\\", b"..", b":1", b"state=", b"prompt=none"]
WORDS += [b"&redirect_uri=", b"%E2%80%AE", b"&resource=https://a.example", b"{", b'"', b"9" * 20, b"\xff"]


def target(data: bytes) -> str:
    """The outcome is what became of it for each client."""
    outcomes = [_ticket(data.decode("latin-1"))]
    try:
        parameters = read_parameters(data)
    except OAuthError as error:
        return f"unread {error.code.value}"
    outcomes += [_asked(parameters, client) for client in CLIENTS]
    return " ".join(outcome for outcome in outcomes if outcome)


def _asked(parameters: Parameters, client: Client) -> str:
    try:
        where = destination(parameters, client)
    except OAuthError as error:
        return f"page {error.code.value}"
    uri = where.redirect_uri
    assert uri in client.metadata.redirect_uris or (
        client is CLIENTS[1] and uri.startswith("http://127.0.0.1:") and uri.endswith("/cb") and uri[17:-3].isdigit()
    ), "an answer would leave for an address that nobody registered"
    try:
        request = read_request(parameters, client, where, ENTITLEMENTS)
    except OAuthError as error:
        _sent(where, error)
        return f"told {error.code.value}"
    _sent(where, None)
    return f"request of {len(request.scope)}"


def _sent(where: Destination, error: OAuthError | None) -> None:
    making = ANSWERS.code(where, "wc_x", "en") if error is None else ANSWERS.refusal(where, error, "en")
    try:
        making.send(None)  # which waits for nothing
    except StopIteration as made:
        answer = made.value
    if answer.status_code == 303:
        location = answer.headers["location"]
        assert location.startswith(where.redirect_uri)
        assert location.isascii()
        assert location.isprintable()
        assert "iss=" in location or "response=" in location
    else:
        assert b"<script>" not in answer.body


def _ticket(text: str) -> str:
    try:
        TICKETS.open(text, "mine", purpose="authorize")
    except TicketRefused:
        return ""
    assert text == SEALED, "a ticket nobody made was taken"
    return "ticket"


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
