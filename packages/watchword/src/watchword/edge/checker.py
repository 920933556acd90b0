"""The answer to a proxy's question: pass, and in whose name, or the RFC's refusal.

Reads no socket (``server`` does). Rules are those of `Verifier` and `SignedUrls`; nothing is decided here.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, NamedTuple
from urllib.parse import quote

from watchword.adapters.bearer import Bearer, Refused
from watchword.adapters.signed_urls.gate import refused as refused_url
from watchword.adapters.signed_urls.gate import request_of
from watchword.edge.inside import InsideTokens
from watchword.edge.question import Question
from watchword.signedurl import SignedUrl, SignedUrls, UrlReason, UrlRejected, UrlRequest
from watchword.verify.access_token import AccessToken
from watchword.verify.errors import TokenRejected, VerifierUnavailable
from watchword.verify.verifier import Verifier

_log: Final = logging.getLogger("watchword")

TOKEN, URL, EITHER, INSIDE = "/token", "/url", "/either", "/inside"
HEALTH, KEYS = "/healthz", "/jwks.json"
CHECKS: Final = frozenset({TOKEN, URL, EITHER, INSIDE})
_SAFE: Final = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")
_SAFE_IN_LIST: Final = _SAFE.replace(",", "")


class Answer(NamedTuple):
    """A status, headers, and rarely a body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Checker:
    """Answers questions: `answer_now` if nothing need be waited for, else `answer`."""

    def __init__(
        self,
        verifier: Verifier | None = None,
        urls: SignedUrls | None = None,
        inside: InsideTokens | None = None,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
    ) -> None:
        """Without ``verifier`` tokens are refused, without ``urls`` signed URLs are, without ``inside`` there is none.

        Raises: ValueError for a checker of nothing, or a header that cannot be.
        """
        if verifier is None and urls is None:
            raise ValueError("a checker needs a verifier of tokens, or of URLs")
        self._verifier = verifier
        self._urls = urls
        self._inside = inside
        self._bearer = Bearer(realm, resource_metadata)

    def answer_now(self, question: Question) -> Answer | None:
        """The answer, or None if something must be waited for: keys, an introspection, a counter of uses."""
        if question.check in CHECKS:
            return self._check_now(question)
        if question.check == HEALTH:
            return Answer(200)
        if question.check == KEYS and self._inside is not None:
            return Answer(200, (("Content-Type", "application/jwk-set+json"),), self._inside.jwks)
        return Answer(404)

    async def answer(self, question: Question) -> Answer:
        """The answer, whatever must be waited for."""
        try:
            if self._urls is not None and self._by_url(question):
                return _passes(url=await self._verified_url(self._urls, _url_request(question)))
            return await self._by_token(question)
        except Refused as error:
            return _refusal(error)

    def _by_url(self, question: Question) -> bool:
        return question.check == URL or (question.check == EITHER and not question.authorization)

    def _check_now(self, question: Question) -> Answer | None:
        try:
            if self._by_url(question):
                if self._urls is None:
                    raise refused_url(UrlRejected(UrlReason.UNSIGNED))
                url = self._checked_url(self._urls, _url_request(question))
                return None if url.caveats.once else _passes(url=url)
            raw = self._bearer.credentials(question.authorization)
            if raw is None or self._verifier is None:
                raise self._bearer.missing()
            scopes, roles = question.asked.get("scope", ()), question.asked.get("role", ())
            return self._passed(question, self._verifier.verify_now(raw, scopes=scopes, roles=roles))
        except Refused as error:
            return _refusal(error)
        except VerifierUnavailable:
            return None
        except TokenRejected as error:
            # Newer keys may know it: that is for `answer` to find out.
            if self._verifier is not None and self._verifier.remedy(error) is not None:
                return None
            return _refusal(self._bearer.refused(error))

    async def _by_token(self, question: Question) -> Answer:
        raw = self._bearer.credentials(question.authorization)
        if raw is None or self._verifier is None:
            raise self._bearer.missing()
        scopes, roles = question.asked.get("scope", ()), question.asked.get("role", ())
        return self._passed(question, await self._bearer.authenticate(self._verifier, raw, scopes=scopes, roles=roles))

    def _passed(self, question: Question, token: AccessToken) -> Answer:
        if question.check != INSIDE:
            return _passes(token=token)
        if self._inside is None:
            return Answer(404)
        return Answer(200, (*_passes(token=token).headers, ("X-Watchword-Token", f"Bearer {self._inside.of(token)}")))

    def _checked_url(self, urls: SignedUrls, request: UrlRequest) -> SignedUrl:
        try:
            return urls.check(request)
        except VerifierUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was found good
            raise refused_url(error) from None

    async def _verified_url(self, urls: SignedUrls, request: UrlRequest) -> SignedUrl:
        for again in (True, False):
            try:
                # In a thread: what counts uses may write to a disk.
                return await asyncio.to_thread(urls.verify, request)
            except VerifierUnavailable as error:
                step = self._verifier.remedy(error) if self._verifier is not None and again else None
                if step is None:
                    raise refused_url(error) from None
                await asyncio.wait([asyncio.wrap_future(step)], timeout=2.0)
            except Exception as error:  # noqa: BLE001 - as above
                raise refused_url(error) from None
        raise refused_url(UrlRejected(UrlReason.UNREVOCABLE))


def _url_request(question: Question) -> UrlRequest:
    headers = {"content-length": question.content_length or ""}
    if question.content_type is not None:
        headers["content-type"] = question.content_type
    if question.host is not None:
        headers["host"] = question.host
    return request_of(question.method, question.target, headers, question.client)


def _passes(*, token: AccessToken | None = None, url: SignedUrl | None = None) -> Answer:
    """200, and headers that the proxy may hand on. A name it does not know is empty, so that nobody else's is handed on."""
    if token is not None:
        subject, session, path = token.sub, token.sid, ""
        # A comma within a role would make two of it.
        scope, roles = " ".join(sorted(token.scope)), ",".join(quote(role, safe=_SAFE_IN_LIST) for role in token.roles)
    else:
        assert url is not None  # noqa: S101 - one of the two is given
        subject, session, path, scope, roles = url.sub or "", url.sid, url.target, "", ""
    return Answer(
        200,
        (
            ("X-Watchword-Subject", quote(subject, safe=_SAFE)),
            ("X-Watchword-Session", quote(session or "", safe=_SAFE)),
            ("X-Watchword-Scope", scope),
            ("X-Watchword-Roles", roles),
            ("X-Watchword-Path", path),
        ),
    )


def _refusal(refused: Refused) -> Answer:
    return Answer(refused.status, tuple(refused.headers.items()))
