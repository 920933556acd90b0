"""The reference names what is served: every member of discovery, every grant, every error that is sent."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from story import ISSUER
from watchword.oauth.names import ErrorCode

ROOT = Path(__file__).parents[2]
PAGES = {page.name: page.read_text() for page in (ROOT / "docs/reference").glob("*.md")}
SOURCES = [file.read_text() for file in (ROOT / "packages/watchword-server/src").rglob("*.py")]
EVERYTHING = {
    "WATCHWORD_SERVER__CLIENT_CERTIFICATE_HEADER": "Client-Cert",
    "WATCHWORD_SERVER__TRUSTED_PROXIES": "127.0.0.0/8",
    "WATCHWORD_SERVER__MTLS_URL": "https://mtls.example.test",
    "WATCHWORD_TRUSTED_ISSUERS": json.dumps(
        {"https://idp.example.test": {"jwks": {"keys": []}, "clients": ["app"], "accounts": {"a": "b"}}}
    ),
    "WATCHWORD_IDENTITY_ASSERTIONS": json.dumps({"https://chat.example.test": {"clients": {"wiki": {"id": "w"}}}}),
    "WATCHWORD_AUTHORIZATION_DETAILS": '{"payment": {"words": "Pay"}}',
    "WATCHWORD_SELF_REGISTRATION__DYNAMIC": "open",
    "WATCHWORD_SIGNED_URLS__ORIGINS": "https://cdn.example.test",
    "WATCHWORD_GLOBAL_REVOCATION__ENABLED": "true",
    "WATCHWORD_STATUS_LISTS__ENABLED": "true",
    "WATCHWORD_SSF__ENABLED": "true",
}
"""Settings under which discovery is longest."""


@pytest.fixture
async def document(open_server):
    async with open_server(**EVERYTHING) as server, server.browser() as http:
        return (await http.get("/.well-known/openid-configuration")).json()


async def test_every_member_of_discovery_stands_in_its_page_and_no_endpoint_that_is_none(document):
    told = set(re.findall(r"`([a-z_]{4,})`", PAGES["discovery.md"]))
    assert set(document) <= told
    endpoints = {name for name in told if name.endswith(("_endpoint", "_uri"))}
    assert endpoints <= set(document)


async def test_every_endpoint_stands_in_the_reference_by_its_path(document):
    everywhere = "\n".join(PAGES.values())
    for name, value in document.items():
        if isinstance(value, str) and name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{ISSUER}/")
            assert re.search(rf"`(?:GET|POST) {re.escape(urlsplit(value).path)}\b", everywhere), name


async def test_every_grant_and_response_mode_stands_in_the_reference(document):
    for grant in document["grant_types_supported"]:
        assert grant in PAGES["oauth.md"], grant
    for mode in document["response_modes_supported"]:
        assert f"`{mode}`" in PAGES["authorization.md"], mode


@pytest.mark.parametrize(
    "code", [code for code in ErrorCode if any(f"ErrorCode.{code.name}" in one for one in SOURCES)]
)
def test_every_error_that_is_sent_stands_in_the_reference(code):
    assert any(f"`{code.value}`" in page for page in PAGES.values())
