"""Clients known by the URL of their metadata: what counts as one, what its document may say, how long it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.testing import FakeClock
from watchword_server.clients.metadata import ClientMetadata
from watchword_server.clients.metadata_document import (
    MAX_FETCHES,
    MAX_KNOWN,
    STALE_SECONDS,
    MetadataDocuments,
    is_document_url,
)
from watchword_server.web.outgoing.addresses import OutgoingRefused
from watchword_server.web.outgoing.answer import Answer, OutgoingFailed

URL = "https://app.example/oauth/client.json"
DOCUMENT = {"client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example/callback"]}


class Web:
    """What the network holds: an answer, or an exception, a URL."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer | Exception] = {}
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    def put(self, document: Any, url: str = URL, *, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        given = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.pages[url] = Answer(status, given, body)

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None) -> Answer:
        assert max_bytes is not None
        self.asked.append(url)
        if self.gate is not None:
            await self.gate.wait()
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        if len(page.body) > max_bytes:
            raise OutgoingFailed("https://app.example:443 failed: too long")
        return page


@pytest.fixture
def web() -> Web:
    found = Web()
    found.put(DOCUMENT)
    return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def judge(metadata: ClientMetadata) -> None:
    if not metadata.redirect_uris:
        raise OAuthError(ErrorCode.INVALID_REDIRECT_URI, "At least one redirect URI is needed.")


@pytest.fixture
def documents(web: Web, clock: FakeClock) -> MetadataDocuments:
    return MetadataDocuments(web, judge, clock)


async def refusal(documents: MetadataDocuments, url: str = URL) -> OAuthError:
    with pytest.raises(OAuthError) as refused:
        await documents.find(url)
    return refused.value


async def test_a_document_makes_a_public_client_of_its_url(documents: MetadataDocuments) -> None:
    client = await documents.find(URL)
    assert client is not None
    assert (client.client_id, client.source, client.name) == (URL, "metadata_document", "App")
    assert client.metadata.token_endpoint_auth_method == "none"
    assert client.settings.first_party is False


async def test_a_document_with_public_keys_may_authenticate_by_them(documents: MetadataDocuments, web: Web) -> None:
    web.put(DOCUMENT | {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}})
    client = await documents.find(URL)
    assert client is not None
    assert client.is_confidential


@pytest.mark.parametrize("client_id", ["abc", "", "first-party", "urn:x:y", "mailto:a@b.example"])
async def test_other_identifiers_are_none_of_its_business(
    documents: MetadataDocuments, web: Web, client_id: str
) -> None:
    assert await documents.find(client_id) is None
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example",
        "https://app.example/",
        "https://app.example/a#b",
        "https://app.example/a?b",
        "https://user@app.example/a",
        "https://user:pass@app.example/a",
        "https://app.example/a/../b",
        "https://app.example/./a",
        "https://app.example/%2e%2E/a",
        "https://app.example/%2e/a",
        "https://APP.example/a",
        "HTTPS://app.example/a",
        "ftp://app.example/a",
        "javascript://app.example/a",
        "https:///a",
        "https://app.example\\@evil.example/a",
        "https://app.example/a b",
        "https://app.example/a\n",
        "https://äpp.example/a",
        " https://app.example/a",
        "https://app.example/" + "a" * 1024,
    ],
)
async def test_a_url_that_could_be_read_in_two_ways_is_no_identifier(
    documents: MetadataDocuments, web: Web, url: str
) -> None:
    assert not is_document_url(url)
    assert await documents.find(url) is None
    assert web.asked == []


@pytest.mark.parametrize(
    "member",
    [
        {"client_id": "https://app.example/other.json"},
        {"client_id": URL + "/"},
        {"client_id": None},
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
        {"sector_identifier_uri": "https://victim.example/sector.json"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"redirect_uris": "https://app.example/callback"},
        {"redirect_uris": [1]},
        {"jwks": []},
    ],
)
async def test_what_a_public_document_may_not_say_is_refused_in_words_for_its_author(
    documents: MetadataDocuments, web: Web, member: dict[str, Any]
) -> None:
    web.put(DOCUMENT | member)
    error = await refusal(documents)
    assert error.code is ErrorCode.INVALID_CLIENT
    assert error.description.startswith("The client metadata document cannot be used: ")


async def test_a_document_that_no_client_may_register_is_refused(documents: MetadataDocuments, web: Web) -> None:
    web.put({"client_id": URL})
    assert (await refusal(documents)).code is ErrorCode.INVALID_REDIRECT_URI


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 307, 401, 404, 410])
async def test_only_200_is_accepted_and_no_redirect_followed(
    documents: MetadataDocuments, web: Web, status: int
) -> None:
    web.put(DOCUMENT, status=status, location="http://169.254.169.254/")
    assert (await refusal(documents)).code is ErrorCode.INVALID_CLIENT
    assert web.asked == [URL]


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/jsonp", "", "application/javascript"])
async def test_a_page_that_is_not_served_as_json_is_no_document(
    documents: MetadataDocuments, web: Web, kind: str
) -> None:
    web.put(DOCUMENT, content_type=kind)
    assert (await refusal(documents)).code is ErrorCode.INVALID_CLIENT


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/oauth+json", "Application/JSON"])
async def test_json_by_another_name_is_one(documents: MetadataDocuments, web: Web, kind: str) -> None:
    web.put(DOCUMENT, content_type=kind)
    assert await documents.find(URL) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"client_id": "' + URL.encode() + b'", "client_id": "' + URL.encode() + b'"}',
        b"\xff",
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
async def test_what_is_not_one_plain_object_is_refused(documents: MetadataDocuments, web: Web, body: bytes) -> None:
    web.put(body)
    assert (await refusal(documents)).code is ErrorCode.INVALID_CLIENT


async def test_a_document_that_is_too_long_counts_as_out_of_reach(documents: MetadataDocuments, web: Web) -> None:
    web.put(DOCUMENT | {"client_name": "x" * 20_000})
    assert (await refusal(documents)).code is ErrorCode.TEMPORARILY_UNAVAILABLE


async def test_a_url_into_the_intranet_is_refused_and_nothing_of_it_told(
    documents: MetadataDocuments, web: Web
) -> None:
    web.pages[URL] = OutgoingRefused("https://app.example:443 leads to an address that is not allowed")
    error = await refusal(documents)
    assert error.code is ErrorCode.INVALID_CLIENT
    assert "app.example" not in error.description


async def test_a_fresh_document_is_not_fetched_again(documents: MetadataDocuments, web: Web, clock: FakeClock) -> None:
    await documents.find(URL)
    clock.advance(299)
    await documents.find(URL)
    assert len(web.asked) == 1
    clock.advance(2)
    await documents.find(URL)
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=600", 600),
        ("public, max-age=999999999", 86_400),
        ("max-age=0", 30),
        ("no-store", 30),
        ("x-max-age=9", 300),
    ],
)
async def test_caching_is_as_the_document_says_within_bounds(
    documents: MetadataDocuments, web: Web, clock: FakeClock, cache_control: str, seconds: float
) -> None:
    web.put(DOCUMENT, cache_control=cache_control)
    await documents.find(URL)
    clock.advance(seconds - 0.5)
    await documents.find(URL)
    assert len(web.asked) == 1
    clock.advance(1)
    await documents.find(URL)
    assert len(web.asked) == 2


async def test_a_changed_document_counts_once_the_old_one_is_no_longer_fresh(
    documents: MetadataDocuments, web: Web, clock: FakeClock
) -> None:
    await documents.find(URL)
    web.put(DOCUMENT | {"redirect_uris": ["https://app.example/new"]})
    clock.advance(301)
    client = await documents.find(URL)
    assert client is not None
    assert client.metadata.redirect_uris == ("https://app.example/new",)


@pytest.mark.parametrize("fault", [OutgoingFailed("timed out"), 500, 503, 429])
async def test_an_outage_of_its_host_logs_nobody_out_for_a_day(
    documents: MetadataDocuments, web: Web, clock: FakeClock, fault: Exception | int
) -> None:
    known = await documents.find(URL)
    if isinstance(fault, int):
        web.put(DOCUMENT, status=fault)
    else:
        web.pages[URL] = fault
    clock.advance(301)
    assert await documents.find(URL) == known
    clock.advance(STALE_SECONDS)
    assert (await refusal(documents)).code is ErrorCode.TEMPORARILY_UNAVAILABLE


@pytest.mark.parametrize("status", [404, 410])
async def test_a_withdrawn_document_ends_the_client_at_once(
    documents: MetadataDocuments, web: Web, clock: FakeClock, status: int
) -> None:
    await documents.find(URL)
    web.put(DOCUMENT, status=status)
    clock.advance(301)
    assert (await refusal(documents)).code is ErrorCode.INVALID_CLIENT
    web.pages[URL] = OutgoingFailed("timed out")
    assert (await refusal(documents)).code is ErrorCode.TEMPORARILY_UNAVAILABLE


async def test_a_refusal_is_not_remembered(documents: MetadataDocuments, web: Web) -> None:
    web.put(DOCUMENT, status=404)
    await refusal(documents)
    web.put(DOCUMENT)
    assert await documents.find(URL) is not None


async def test_a_hundred_requests_of_one_client_fetch_its_document_once(documents: MetadataDocuments, web: Web) -> None:
    found = await asyncio.gather(*(documents.find(URL) for _ in range(100)))
    assert len(set(map(id, found))) == 1
    assert web.asked == [URL]


async def test_a_caller_that_goes_away_does_not_take_the_answer_from_the_others(
    documents: MetadataDocuments, web: Web
) -> None:
    web.gate = asyncio.Event()
    first = asyncio.create_task(documents.find(URL))
    second = asyncio.create_task(documents.find(URL))
    while not web.asked:
        await asyncio.sleep(0)
    first.cancel()
    web.gate.set()
    assert await second is not None


async def test_strangers_urls_do_not_occupy_the_server(documents: MetadataDocuments, web: Web) -> None:
    web.gate = asyncio.Event()
    urls = [f"https://app.example/{n}" for n in range(MAX_FETCHES)]
    for url in urls:
        web.put({"client_id": url, "redirect_uris": ["https://app.example/cb"]}, url)
    tasks = [asyncio.create_task(documents.find(url)) for url in urls]
    while len(web.asked) < MAX_FETCHES:
        await asyncio.sleep(0)
    assert (await refusal(documents)).code is ErrorCode.TEMPORARILY_UNAVAILABLE
    web.gate.set()
    assert all(await asyncio.gather(*tasks))
    assert await documents.find(URL) is not None


async def test_the_memory_of_clients_is_bounded_and_drops_the_one_used_longest_ago(
    documents: MetadataDocuments, web: Web
) -> None:
    await documents.find(URL)
    for n in range(MAX_KNOWN):
        if n == MAX_KNOWN // 2:
            await documents.find(URL)
        url = f"https://app.example/{n}"
        web.put({"client_id": url, "redirect_uris": ["https://app.example/cb"]}, url)
        await documents.find(url)
    before = len(web.asked)
    await documents.find(URL)
    assert len(web.asked) == before
    await documents.find("https://app.example/0")
    assert len(web.asked) == before + 1


@given(st.text(max_size=80).map(lambda text: "https://app.example/" + text))
def test_an_accepted_url_is_its_own_only_spelling(url: str) -> None:
    if is_document_url(url):
        assert url.isascii()
        assert url.isprintable()
        assert not set('#?\\ "<>^`{|}') & set(url)
