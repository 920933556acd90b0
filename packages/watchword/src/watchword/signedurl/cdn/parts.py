"""What the forms share: a URL checked and taken apart, and a parameter put behind the others.

Signs nothing.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_URL: Final = re.compile(r"https?://[!$-.0-9:;=?@A-Z_a-z~\[\]/%&'()*+,]+", re.ASCII)
_MAX_LENGTH: Final = 8192


def check_url(url: str, *forbidden: str) -> str:
    """Check a URL before it is signed for elsewhere. Returns: it.

    Raises: ValueError for what is not absolute, percent-encoded http or https without userinfo and fragment; for
    parameters that the form itself sets.
    """
    if len(url) > _MAX_LENGTH or _URL.fullmatch(url) is None or "@" in urlsplit(url).netloc:
        raise ValueError("a URL to be signed is absolute, of http or https, percent-encoded, without fragment")
    names = {parameter.partition("=")[0] for parameter in urlsplit(url).query.split("&")}
    if taken := names.intersection(forbidden):
        raise ValueError(f"the URL has a parameter {min(taken)} already")
    return url


def path_of(url: str) -> str:
    """The path, at least a slash."""
    return urlsplit(url).path or "/"


def with_parameters(url: str, parameters: str) -> str:
    """The URL with parameters behind its own."""
    return f"{url}{'&' if '?' in url else '?'}{parameters}"
