"""Clients whose identifier is the URL of their metadata (draft-ietf-oauth-client-id-metadata-document-02).

Fetches by the guarded road alone and judges what such a document may not say; what any client may register is judged by
the rule it is given (registration.py).
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from watchword.clock import Clock
from watchword.jose import strict_json
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ClientAuthentication, ErrorCode
from watchword.verify.max_age import fresh_seconds

from watchword_server.clients.metadata import Client, ClientMetadata
from watchword_server.web.outgoing import Answer, Getting, OutgoingFailed, OutgoingRefused

MAX_DOCUMENT_BYTES: Final = 10_240
"""§6.6 recommends at most 5 kB; a set of public keys takes some more."""
MAX_URL: Final = 1024
MAX_KNOWN: Final = 2000
"""Clients remembered; the one used longest ago goes first."""
MAX_FETCHES: Final = 16
"""Documents fetched at a time; more are told to come back, so that strangers' URLs do not occupy the server."""
FRESH_SECONDS: Final = (30.0, 300.0, 86_400.0)
"""How long a document counts: at least, when it does not say, at most (RFC 9111 §4.2.1)."""
STALE_SECONDS: Final = 86_400.0
"""How long a known client lives on while its document cannot be reached: an outage of its host logs nobody out."""

# §3: https, a path, neither fragment nor user; segments "." and ".." would make one client of two URLs. A query is
# discouraged (SHOULD NOT) and refused here: it would make endless clients of one document.
_URL: Final = re.compile(r"https?://[a-z0-9.:\[\]-]{1,253}/[A-Za-z0-9/._~!$&'()*+,;=:@%-]{1,900}", re.ASCII)
_JSON: Final = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
# §4.1: there is no way to agree on a secret.
_NEVER: Final = {
    "client_secret": "everybody could read it",
    "client_secret_expires_at": "there is no secret",
    "sector_identifier_uri": "the sector of such a client is the host of its redirect URIs",
}
_AUTHENTICATION: Final = frozenset({ClientAuthentication.NONE, ClientAuthentication.PRIVATE_KEY_JWT})


Judge = Callable[[ClientMetadata], None]
"""Raises OAuthError for what no client may register."""


@dataclass(slots=True)
class _Known:
    client: Client
    fresh_until: float
    usable_until: float


def is_document_url(client_id: str) -> bool:
    """Whether an identifier has the form of a metadata document's URL (§3). Does not look whether there is one."""
    if len(client_id) > MAX_URL or _URL.fullmatch(client_id) is None:
        return False
    parts = urlsplit(client_id)
    segments = parts.path.lower().replace("%2e", ".").split("/")
    return bool(parts.hostname) and parts.username is None and not {".", ".."} & set(segments)


class MetadataDocuments:
    """Finds clients by their documents, each fetched at most once at a time and kept as its HTTP caching allows."""

    def __init__(self, outgoing: Getting, judge: Judge, clock: Clock) -> None:
        self._outgoing = outgoing
        self._judge = judge
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[Client]] = {}

    async def find(self, client_id: str) -> Client | None:
        """The client of that URL; None for an identifier of another form.

        Raises: OAuthError ``invalid_client`` when there is no such document or it may not be used, in words for its
        author; ``temporarily_unavailable`` when it cannot be reached now and is not known from before.
        """
        if not is_document_url(client_id):
            return None
        now = self._clock.monotonic()
        known = self._known.get(client_id)
        if known is not None and now < known.fresh_until:
            self._known.move_to_end(client_id)
            return known.client
        try:
            return await self._fetch_once(client_id)
        except OAuthError as error:
            if error.code is ErrorCode.TEMPORARILY_UNAVAILABLE and known is not None and now < known.usable_until:
                return known.client
            # §6.5: neither errors nor what was refused may be remembered; and what is known no longer holds.
            if error.code is not ErrorCode.TEMPORARILY_UNAVAILABLE:
                self._known.pop(client_id, None)
            raise

    async def _fetch_once(self, client_id: str) -> Client:
        task = self._fetching.get(client_id)
        if task is None:
            if len(self._fetching) >= MAX_FETCHES:
                raise _unavailable("too many client metadata documents are being fetched")
            task = asyncio.create_task(self._fetch(client_id))
            self._fetching[client_id] = task
            task.add_done_callback(lambda _: self._fetching.pop(client_id, None))
        # Shielded: one caller that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _fetch(self, client_id: str) -> Client:
        try:
            answer = await self._outgoing.get(
                client_id, headers={"Accept": "application/json"}, max_bytes=MAX_DOCUMENT_BYTES
            )
        except OutgoingRefused as error:
            raise _refused("its URL leads where this server does not ask", str(error)) from error
        except OutgoingFailed as error:
            raise _unavailable(str(error)) from error
        if answer.status >= 500 or answer.status == 429:
            raise _unavailable(f"status {answer.status}")
        client = self._read(client_id, answer)
        least, usual, most = FRESH_SECONDS
        fresh = fresh_seconds(answer.headers.get("cache-control", ""), least=least, usual=usual, most=most)
        now = self._clock.monotonic()
        self._known[client_id] = _Known(client, now + fresh, now + fresh + STALE_SECONDS)
        self._known.move_to_end(client_id)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return client

    def _read(self, client_id: str, answer: Answer) -> Client:
        # §4: 200 alone, no redirect followed.
        if answer.status != 200:
            raise _refused(f"it answered with status {answer.status} instead of 200")
        if _JSON.fullmatch(answer.headers.get("content-type", "")) is None:
            raise _refused("its content type is not application/json")
        try:
            document = strict_json.decode_object(answer.body, max_depth=8, max_bytes=MAX_DOCUMENT_BYTES)
        except JoseError as error:
            raise _refused("it is not one JSON object with each member once", str(error)) from error
        metadata = _metadata(client_id, document)
        self._judge(metadata)
        return Client(client_id=client_id, source="metadata_document", metadata=metadata)


def _metadata(client_id: str, document: dict[str, Any]) -> ClientMetadata:
    # §4.1: compared as strings (RFC 3986 §6.2.1), so that nobody speaks for another's URL.
    if document.get("client_id") != client_id:
        raise _refused("its client_id is not its own URL")
    for name, why in _NEVER.items():
        if name in document:
            raise _refused(f"it must not hold {name}: {why}")
    try:
        metadata = msgspec.convert({"token_endpoint_auth_method": "none"} | document, ClientMetadata)
    except msgspec.ValidationError as error:
        raise _refused(f"a member has the wrong form: {error}") from error
    if metadata.token_endpoint_auth_method not in _AUTHENTICATION:
        raise _refused("token_endpoint_auth_method must be none or private_key_jwt")
    return metadata


def _refused(why: str, detail: str | None = None) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_CLIENT, f"The client metadata document cannot be used: {why}.", detail=detail)


def _unavailable(detail: str) -> OAuthError:
    return OAuthError(
        ErrorCode.TEMPORARILY_UNAVAILABLE, "The client metadata document cannot be reached now.", detail=detail
    )
