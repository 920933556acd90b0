"""``watchword sign-url``: sign a URL with a key from a file, verify one, or make a key.

Holds no rule of signed URLs; ``watchword.signedurl`` does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from watchword.cli.key_file import KeyFileError, make_key, read_keys
from watchword.cli.parser import CommandLine
from watchword.signedurl import Bindings, MemorySingleUse, SignedUrls, UrlRejected, UrlRequest

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns: the exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.make_key:
            key = make_key(given.key, given.algorithm, given.kid)
            print(f"{given.key}: a new {given.algorithm} key, {key.kid}", file=sys.stderr)  # noqa: T201 - a command
            return 0
        parts = urlsplit(given.url or "")
        urls = SignedUrls(read_keys(given.key), origin=f"{parts.scheme}://{parts.netloc}", single_use=MemorySingleUse())
        return _verify(urls, given) if given.verify else _sign(urls, given)
    except (KeyFileError, ValueError, UrlRejected) as error:
        print(f"watchword sign-url: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1


def seconds(text: str) -> int:
    """A time such as ``90``, ``15m``, ``24h`` or ``7d``, in seconds."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90, 15m, 24h, 7d")
    return int(found[1]) * _UNITS[found[2]]


def _sign(urls: SignedUrls, given: argparse.Namespace) -> int:
    bindings: Bindings = {
        "method": given.method,
        "prefix": given.prefix,
        "query": tuple(given.bind) if given.bind else ("none" if given.free_query else "all"),
        "account": given.account,
        "clients": given.client,
        "content_type": given.content_type,
        "content_length": given.content_length,
        "once": given.once,
        "name": given.name,
    }
    url = urls.sign(given.url, given.expires, in_path=False if given.in_query else None, **bindings)
    print(json.dumps({"url": url}) if given.json else url)  # noqa: T201 - a command
    return 0


def _verify(urls: SignedUrls, given: argparse.Namespace) -> int:
    url = urls.check(UrlRequest(given.method or "GET", given.url[len(urls.origin) :]))
    told = {"path": url.path, "kid": url.kid, "expires_at": url.expires_at, "sub": url.sub, "jti": url.jti}
    print(json.dumps({name: value for name, value in told.items() if value is not None}))  # noqa: T201 - a command
    return 0


def _parser() -> CommandLine:
    parser = CommandLine("watchword sign-url", description="Sign a URL with a key from a file.")
    parser.add_argument("url", nargs="?", help="absolute and percent-encoded, as it will be sent")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="a JWK, or a JWK Set whose first key signs"
    )
    parser.add_argument("--expires", type=seconds, default=3600, metavar="TIME", help="90, 15m, 24h or 7d; default 1h")
    parser.add_argument("--method", help="the only method, where it is not GET and HEAD")
    parser.add_argument("--prefix", metavar="PATH/", help="sign all below this path")
    parser.add_argument(
        "--in-query", action="store_true", help="with --prefix: the signature in the query, not the path"
    )
    parser.add_argument("--bind", action="append", metavar="NAME", help="bind these parameters only; may be repeated")
    parser.add_argument("--free-query", action="store_true", help="bind no parameter")
    parser.add_argument("--account", metavar="SUB", help="an account with whose cut-offs it dies")
    parser.add_argument("--client", action="append", default=[], metavar="NETWORK", help="may be repeated")
    parser.add_argument("--content-type", metavar="TYPE", help="of an upload")
    parser.add_argument("--content-length", type=int, metavar="BYTES", help="the greatest of an upload")
    parser.add_argument("--once", action="store_true", help="for one use")
    parser.add_argument("--name", metavar="JTI", help="a name to be cut off by")
    parser.add_argument("--verify", action="store_true", help="verify the URL instead, without cut-offs and uses")
    parser.add_argument("--json", action="store_true", help="print JSON; what is verified is JSON in any case")
    parser.add_argument("--make-key", action="store_true", help="make a new key in the file instead")
    parser.add_argument("--algorithm", choices=("HS256", "Ed25519"), default="HS256", help="of the new key")
    parser.add_argument("--kid", default="k1", help="name of the new key; default k1")
    return parser
