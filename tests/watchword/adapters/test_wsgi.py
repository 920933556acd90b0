"""Plain WSGI: what differs from ASGI."""

import io

import pytest
from watchword.adapters.wsgi import BearerMiddleware, presented_by, token_of

from .stages.callers import WsgiCaller


def show(environ, start_response):
    start_response("200 OK", [])
    return [b'{"sub": "%s"}' % token_of(environ).sub.encode()]


def test_a_verifier_for_asyncio_is_refused_with_the_mend(issuer):
    with pytest.raises(TypeError, match="use SyncVerifier"):
        BearerMiddleware(show, issuer.verifier())


async def test_a_refusal_of_head_has_no_body_and_the_same_headers(issuer):
    service = WsgiCaller(BearerMiddleware(show, issuer.sync_verifier()))
    answer = await service.ask("/", method="HEAD")
    assert (answer.status, answer.body, answer.challenge) == (401, b"", "Bearer")


async def test_an_inner_gate_asks_for_more_and_relies_on_no_other_s_verifier(issuer):
    verifier = issuer.sync_verifier()
    service = WsgiCaller(BearerMiddleware(BearerMiddleware(show, verifier, roles=["admin"]), verifier))
    assert (await service.ask("/", f"Bearer {issuer.token()}")).status == 403
    assert (await service.ask("/", f"Bearer {issuer.token(roles=['admin'])}")).json == {"sub": "ada"}
    inner = BearerMiddleware(show, issuer.sync_verifier(audience="billing"))
    service = WsgiCaller(BearerMiddleware(inner, verifier))
    assert (await service.ask("/", f"Bearer {issuer.token()}")).status == 401


async def test_a_header_cannot_pass_for_a_token_let_in_before(issuer):
    service = WsgiCaller(BearerMiddleware(show, issuer.sync_verifier()))
    for name in (b"watchword.token", b"watchword-token"):
        assert (await service.ask("/", headers=[(name, b"ada")])).status == 401


def test_the_url_of_a_request_is_the_one_the_client_sent():
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=d",
        "SERVER_NAME": "inner",
        "SERVER_PORT": "80",
        "HTTP_HOST": "api.test",
        "HTTP_DPOP": "x",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
    }
    assert presented_by(environ).url == "https://api.test/app/a%20b"
    assert presented_by({**environ, "RAW_URI": "/app/a%20b?c=d"}).url == "https://api.test/app/a%20b?c=d"
