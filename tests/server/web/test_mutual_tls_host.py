"""Requests that say they are for the host of mutual TLS, and those that went astray."""

from __future__ import annotations

import pytest
from watchword_server.web.errors import ErrorBoundary
from watchword_server.web.mutual_tls_host import MutualTlsHost, mutual_tls_origin

URL = "https://mtls.example.test"


@pytest.fixture
def asked(call, plain):
    async def ask(*hosts, url=URL, port=None, path="/token"):
        seen = {}

        async def app(scope, receive, send):
            seen["origin"] = mutual_tls_origin(scope)
            await plain(scope, receive, send)

        guarded = ErrorBoundary(MutualTlsHost(app, url=url, port=port, paths={"/token"}))
        answer = await call(guarded, "POST", path, headers=[("host", host) for host in hosts])
        return answer.status, seen.get("origin")

    return ask


@pytest.mark.parametrize("host", ["mtls.example.test", "MTLS.example.TEST", "mtls.example.test:443"])
async def test_the_configured_host_is_known_however_it_is_written(asked, host):
    assert await asked(host) == (200, URL)


async def test_a_port_of_the_origin_is_part_of_the_host(asked):
    url = "https://mtls.example.test:8443"
    assert await asked("mtls.example.test:8443", url=url) == (200, url)
    for other in ("mtls.example.test", "mtls.example.test:443", "mtls.example.test:08443"):
        assert await asked(other, url=url) == (200, None)


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("login.example.test",),
        ("mtls.example.test.",),
        ("mtls.example.test:80",),
        ("mtls.example.test@evil.test",),
        ("evil.test, mtls.example.test",),
        ("x.mtls.example.test",),
        ("mtls.example.test", "login.example.test"),
        ("mtls.example.test", "mtls.example.test"),
    ],
)
async def test_any_other_host_is_the_issuers_and_none_is_believed_when_there_are_two(asked, hosts):
    assert await asked(*hosts) == (200, None)


async def test_only_endpoints_with_an_alias_are_there_and_what_watches_the_process(asked):
    for path in ("/authorize", "/", "/token/", "/token/x", "/auth/login", "/admin/api/accounts"):
        assert await asked("mtls.example.test", path=path) == (404, None)
    assert await asked("mtls.example.test", path="/readyz") == (200, None)
    assert await asked("login.example.test", path="/authorize") == (200, None)


async def test_with_a_port_of_its_own_host_and_port_belong_together(asked):
    here, elsewhere = 8000, 8443  # the tests' caller comes by 8000
    assert await asked("mtls.example.test", port=here) == (200, URL)
    assert await asked("mtls.example.test", port=elsewhere) == (421, None)
    assert await asked("login.example.test", port=here) == (421, None)
    assert await asked(port=here) == (421, None)
    assert await asked("login.example.test", port=elsewhere) == (200, None)
    assert await asked("10.0.0.7", port=here, path="/healthz") == (200, None)
