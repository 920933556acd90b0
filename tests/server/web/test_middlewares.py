"""CORS, security headers, limits, errors and the log line, and the order they stand in."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword_server.settings.load import load
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.cors import Cors
from watchword_server.web.errors import ErrorBoundary, handle, oauth_endpoint
from watchword_server.web.headers import SecurityHeaders, page_policy
from watchword_server.web.limits import Limits, RequestLimits
from watchword_server.web.problem import ProblemError
from watchword_server.web.stack import body_limits, protect

APP = "https://app.example.com"


async def test_credentials_are_granted_to_exactly_the_listed_origins(call, plain):
    app = Cors(plain, origins=[APP, "*"])
    granted = await call(app, headers=[("origin", APP)])
    assert granted.header("access-control-allow-origin") == APP
    assert granted.header("access-control-allow-credentials") == "true"
    for origin in (
        "https://evil.example",
        "null",
        "*",
        "https://app.example.com.evil",
        "http://app.example.com",
        APP.upper(),
    ):
        refused = await call(app, headers=[("origin", origin)])
        assert refused.header("access-control-allow-origin") is None
        assert refused.header("vary") == "Origin"


async def test_two_origins_are_granted_nothing(call, plain):
    answer = await call(Cors(plain, origins=[APP]), headers=[("origin", APP), ("origin", APP)])
    assert answer.header("access-control-allow-origin") is None


async def test_a_preflight_is_answered_without_reaching_the_routes(call):
    async def untouched(scope, receive, send):
        raise AssertionError("reached")

    app = Cors(untouched, origins=[APP])
    asking = [("access-control-request-method", "POST")]
    granted = await call(app, "OPTIONS", headers=[("origin", APP), *asking])
    assert granted.status == 204
    assert "authorization" in (granted.header("access-control-allow-headers") or "")
    refused = await call(app, "OPTIONS", headers=[("origin", "https://evil.example"), *asking])
    assert refused.header("access-control-allow-origin") is None
    assert refused.header("access-control-allow-methods") is None


async def test_public_documents_are_open_to_all_but_never_with_credentials(call, plain):
    app = Cors(plain, origins=[APP], public=["/.well-known/", "/token"])
    for path in ("/.well-known/openid-configuration", "/token"):
        answer = await call(app, path=path, headers=[("origin", "https://evil.example")])
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("access-control-allow-credentials") is None
    assert (await call(app, path="/tokens", headers=[("origin", "https://evil.example")])).header(
        "access-control-allow-origin"
    ) is None


async def test_every_answer_has_the_security_headers_unless_it_says_its_own(call, plain):
    answer = await call(SecurityHeaders(plain, https=True))
    assert answer.header("x-content-type-options") == "nosniff"
    assert "frame-ancestors 'none'" in (answer.header("content-security-policy") or "")
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("cache-control") == "no-store"
    assert (answer.header("strict-transport-security") or "").startswith("max-age=")
    assert (await call(SecurityHeaders(plain, https=False))).header("strict-transport-security") is None
    own = SecurityHeaders(PlainTextResponse("x", headers={"Cache-Control": "max-age=60"}), https=True)
    assert (await call(own)).header("cache-control") == "max-age=60"


def test_a_page_policy_cannot_be_broken_out_of():
    policy = page_policy(nonce="abc", connect=("https://api.example.com",))
    assert "script-src 'nonce-abc'" in policy
    assert "unsafe" not in policy
    for evil in ("https://a.example; script-src *", "a b", "'unsafe-inline'", "a\nb"):
        with pytest.raises(ValueError, match="content security policy"):
            page_policy(connect=(evil,))


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "status"),
    [
        ("TRACE", "/", "", [], 501),
        ("CONNECT", "/", "", [], 501),
        ("BREW", "/", "", [], 501),
        ("GET", "/" + "a" * 9000, "", [], 414),
        ("GET", "/", "a" * 9000, [], 414),
        ("GET", "/", "", [(f"x-{n}", "1") for n in range(65)], 431),
        ("GET", "/", "", [("x-big", "a" * 17_000)], 431),
        ("GET", "/", "", [("authorization", "Bearer a"), ("authorization", "Bearer b")], 400),
        ("GET", "/", "", [("host", "a"), ("host", "b")], 400),
        ("POST", "/", "", [("content-length", "1"), ("content-length", "2")], 400),
        ("POST", "/", "", [("dpop", "a"), ("dpop", "b")], 400),
        ("POST", "/", "", [("content-length", "65537")], 413),
        ("POST", "/", "", [("content-length", "9" * 5000)], 413),
    ],
)
async def test_what_is_over_a_limit_is_refused_before_the_routes(call, method, path, query, headers, status):
    async def untouched(scope, receive, send):
        raise AssertionError("reached")

    assert (await call(Limits(untouched), method, path, query=query, headers=headers)).status == status


async def test_an_answer_that_does_not_come_is_given_up(call):
    async def stuck(scope, receive, send):
        await asyncio.Event().wait()

    app = Limits(stuck, limits=RequestLimits(timeout=0.01))
    answer = await call(app)
    assert (answer.status, answer.json()["code"], answer.header("retry-after")) == (503, "request_timeout", "1")


async def test_a_body_of_unknown_length_is_cut_off_even_for_a_reader_that_does_not_count(call):
    read = 0

    async def greedy(scope, receive, send):
        nonlocal read
        while True:
            message = await receive()
            read += len(message["body"])

    async def endless():
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    app = Limits(ErrorBoundary(greedy), limits=RequestLimits(max_body_bytes=5000))
    answer = await call(app, "POST", headers=[("transfer-encoding", "chunked")], receive=endless)
    assert (answer.status, read) == (413, 5000)


async def test_untimed_paths_may_take_their_time(call):
    release = asyncio.Event()

    async def long_poll(scope, receive, send):
        await release.wait()
        await PlainTextResponse("late")(scope, receive, send)

    app = Limits(long_poll, limits=RequestLimits(timeout=0.001), untimed=["/revocations"])
    waiting = asyncio.create_task(call(app, path="/revocations"))
    timed = await call(app, path="/other")
    assert timed.status == 503
    release.set()
    assert (await waiting).body == b"late"


async def test_a_timeout_of_the_routes_own_is_not_taken_for_the_deadline(call):
    async def failing(scope, receive, send):
        raise TimeoutError("their own")

    with pytest.raises(TimeoutError, match="their own"):
        await call(Limits(failing))


def raising(error):
    async def app(scope, receive, send):
        raise error

    return app


SECRET = "hunter2-in-the-message"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProblemError(409, "email_taken", "taken"), 409, "email_taken"),
        (StoreUnavailable(SECRET), 503, "store_unavailable"),
        (ValueError(SECRET), 500, "server_error"),
        (RecursionError(), 500, "server_error"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method_not_allowed"),
        (HTTPException(418), 418, "refused"),
    ],
)
async def test_each_exception_has_one_answer_and_none_leaks_its_text(call, error, status, code):
    answer = await call(ErrorBoundary(raising(error)))
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.header("content-type") == "application/problem+json"
    assert SECRET.encode() not in answer.body


@pytest.mark.rfc("6749 §5.2/1")
async def test_an_oauth_error_is_answered_in_the_words_of_oauth_without_its_detail(call):
    error = OAuthError(ErrorCode.INVALID_CLIENT, "Unknown client", detail=SECRET)
    answer = await call(ErrorBoundary(raising(error)))
    assert (answer.status, answer.json()) == (401, {"error": "invalid_client", "error_description": "Unknown client"})
    assert answer.header("cache-control") == "no-store"
    assert answer.header("www-authenticate")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProblemError(400, "duplicate_parameter", "twice"), 400, "invalid_request"),
        (ProblemError(413, "body_too_large", "big"), 400, "invalid_request"),
        (StoreUnavailable(SECRET), 503, "temporarily_unavailable"),
        (ProblemError(503, "busy", "busy"), 503, "temporarily_unavailable"),
        (KeyError(SECRET), 500, "server_error"),
        (OAuthError(ErrorCode.INVALID_GRANT, "no"), 400, "invalid_grant"),
    ],
)
async def test_endpoints_of_oauth_answer_everything_in_the_words_of_oauth(call, error, status, code):
    async def endpoint(request: Request):
        raise error

    async def app(scope, receive, send):
        await (await oauth_endpoint(endpoint)(Request(scope, receive)))(scope, receive, send)

    answer = await call(app)
    assert (answer.status, answer.json()["error"]) == (status, code)
    assert SECRET.encode() not in answer.body


async def test_a_client_that_went_away_gets_no_answer_and_is_no_error(caplog):
    sent = []

    async def send(message):
        sent.append(message)

    await ErrorBoundary(raising(ClientDisconnect()))({"type": "http"}, None, send)
    assert sent == []
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


async def test_half_an_answer_is_not_followed_by_another():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("midway")

    sent = []

    async def send(message):
        sent.append(message)

    with pytest.raises(ValueError, match="midway"):
        await ErrorBoundary(half)({"type": "http"}, None, send)
    assert len(sent) == 1


@pytest.fixture
def settings(tmp_path):
    flags = {
        "environment": "development",
        "home": tmp_path,
        "cors.origins": [APP],
        "server.trusted_proxies": "10.0.0.0/8",
    }
    return load(flags, {}).settings


async def test_the_whole_stack_answers_refusals_with_headers_cors_and_a_correlation_id(call, settings, caplog):
    caplog.set_level(logging.INFO)
    app = protect(Router([]), settings)
    answer = await call(
        app,
        path="/nothing",
        query="token=wr_secret",
        headers=[("origin", APP), ("x-forwarded-for", "203.0.113.9")],
        client=("10.0.0.1", 1),
    )
    assert answer.status == 404
    assert answer.header("access-control-allow-origin") == APP
    assert answer.header("x-content-type-options") == "nosniff"
    line = next(record for record in caplog.records if record.name == "watchword_server.requests")
    assert (line.path, line.status, line.address) == ("/nothing", 404, "203.0.113.9")
    assert "wr_secret" not in json.dumps(vars(line), default=str)
    reference = answer.header("x-request-id")
    assert reference
    refused = await call(app, "TRACE")
    assert refused.status == 501
    assert refused.json()["correlation_id"] == refused.header("x-request-id") != reference
    assert refused.header("x-content-type-options") == "nosniff"


async def test_a_full_starlette_application_answers_its_own_404_as_a_problem(call, settings):
    async def fails(request: Request):
        raise ProblemError(409, "taken", "taken")

    inner = Starlette(routes=[Route("/fails", fails)], exception_handlers={HTTPException: handle, ProblemError: handle})
    app = protect(inner, settings)
    assert (await call(app, path="/nothing")).json()["code"] == "not_found"
    assert (await call(app, path="/fails")).json()["code"] == "taken"


async def test_healthy_checks_leave_no_line(call, settings, caplog):
    caplog.set_level(logging.INFO)
    app = protect(Router([Route("/healthz", lambda _request: PlainTextResponse("ok"))]), settings)
    await call(app, path="/healthz")
    assert not [record for record in caplog.records if record.name == "watchword_server.requests"]
    # One that fails is what somebody will look for.
    await call(app, path="/readyz")
    assert [record.path for record in caplog.records if record.name == "watchword_server.requests"] == ["/readyz"]


def test_body_limits_are_those_configured(settings):
    assert body_limits(settings).max_bytes == settings.server.max_body_bytes
