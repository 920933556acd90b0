"""What every adapter of signed URLs does with a request: read it, ask, and answer 403 or 503.

Knows no framework: adapters say what a request holds, and write the answer that `Refused` holds.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from watchword.adapters.bearer import Refused
from watchword.signedurl import SignedUrl, SignedUrls, UrlReason, UrlRejected, UrlRequest
from watchword.verify.errors import VerifierUnavailable

_log: Final = logging.getLogger("watchword")

KEY: Final = "watchword.signed_url"
"""Where a request holds the URL it was let in by."""
_RETRY_AFTER: Final = "5"
_HEADERS: Final = {"Cache-Control": "no-store"}
# What no client encodes and no server decodes into something else: a decoded path of these is the path as it was sent,
# or stands for it in every respect.
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,=:@-]*)+")
# A segment that is left out, or by which Windows finds a folder of another name: "media. ", "media::$…", "MEDIA~1".
_OTHER_NAME: Final = re.compile(r"^$|[. ]$|:\$|~[0-9]")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def request_of(method: str, target: str, headers: Mapping[str, str], client: str | None) -> UrlRequest:
    """A request as it is held against a URL; names of ``headers`` in lower case, doubled ones joined by a comma."""
    # RFC 9112 §6.3: Transfer-Encoding overrides the Content-Length, which then says nothing of what will come.
    length = "" if "transfer-encoding" in headers else headers.get("content-length", "")
    return UrlRequest(
        method,
        target,
        headers.get("host"),
        client,
        headers.get("content-type"),
        int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else None,
    )


def sent_target(raw: str | None, path: str, query: str) -> str:
    """The target as the client sent it, by what a server tells.

    ``raw`` is the target undecoded, with or without query, where the server tells; else ``path`` is decoded already and
    will do if nothing in it can have been encoded.

    Raises: Refused, 403.
    """
    if raw is not None:
        if not raw.startswith("/"):
            # The absolute form, meant for proxies, which a server must accept (RFC 9112 §3.2.2).
            raw = _ABSOLUTE.sub("", raw, count=1)
        return raw
    if _PLAIN.fullmatch(path) is None:
        raise refused(UrlRejected(UrlReason.MALFORMED))
    return f"{path}?{query}" if query else path


def lies_elsewhere(path: str, under: str) -> bool:
    """Whether a decoded path is certainly not of those that are guarded, however whoever serves it may read it.

    What an application or file system might normalise into a guarded path (``//media``, ``/x/../media``, ``/MEDIA``,
    ``/media./``) is not elsewhere.
    """
    if not path.startswith("/") or not path.isprintable() or set(path) & set("\\%;\ufffd"):
        return False
    # As file systems that mind neither case nor spelling compare names: the long s is an s to them.
    read = _folded(path)
    if read.startswith(_folded(under)) or set(read) & set("\\%;"):
        return False
    *above, last = read[1:].split("/")
    return last not in {".", ".."} and not any(map(_OTHER_NAME.search, above))


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFKC", path).casefold()


def admit(urls: SignedUrls, request: UrlRequest) -> SignedUrl:
    """Verify, where requests come in threads. Raises: Refused."""
    try:
        return urls.verify(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was found good
        raise refused(error) from None


async def admit_async(urls: SignedUrls, request: UrlRequest) -> SignedUrl:
    """Verify, on an event loop. Raises: Refused."""
    try:
        return await urls.verify_async(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was found good
        raise refused(error) from None


def refused(error: Exception) -> Refused:
    """What to answer: 403 for a URL that is not good, 503 where that cannot be told. Neither says more than it must."""
    if isinstance(error, UrlRejected):
        _log.debug("signed URL refused: %s", error.reason.value)
        gone = error.reason in {UrlReason.EXPIRED, UrlReason.SPENT, UrlReason.REVOKED}
        return Refused(403, "the link is no longer valid" if gone else "the link is not valid", dict(_HEADERS))
    if not isinstance(error, VerifierUnavailable):
        _log.error("a signed URL could not be judged: %s", type(error).__name__)  # its text may hold the URL
    after = str(getattr(error, "retry_after", _RETRY_AFTER))
    return Refused(503, "links cannot be verified just now", {**_HEADERS, "Retry-After": after})


def url_in(kept: object) -> SignedUrl:
    """The URL a request was let in by. Raises: LookupError if there is none."""
    if isinstance(kept, SignedUrl):
        return kept
    raise LookupError("no signed URL: the request came past its gate")
