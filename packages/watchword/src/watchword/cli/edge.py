"""``watchword edge``: the checker behind a reverse proxy, as one process.

Holds no rule; ``watchword.edge`` answers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from watchword.cli.key_file import KeyFileError, read_keys
from watchword.cli.parser import CommandLine
from watchword.edge import Checker, InsideTokens, Told, serve
from watchword.jose.errors import JoseError
from watchword.signedurl import SignedUrls, SqliteSingleUse
from watchword.transport import TransportError
from watchword.verify.credentials import ClientSecret
from watchword.verify.feed_settings import Revocations
from watchword.verify.introspection import Introspection
from watchword.verify.url_keys import PublishedUrlKeys
from watchword.verify.verifier import Verifier

_MAX_SECRET = 4096


def main(arguments: Sequence[str]) -> int:
    """Run until asked to stop. Returns: the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="watchword edge: %(message)s")
    try:
        verifier = _verifier(given)
        with contextlib.ExitStack() as stack:
            published = given.url_keys_of and stack.enter_context(PublishedUrlKeys(given.url_keys_of))
            checker = Checker(verifier, _urls(given, verifier, published), _inside(given), realm=given.realm)
            asyncio.run(_run(checker, verifier, given))
    except (KeyFileError, JoseError, TransportError, OSError, ValueError) as error:
        print(f"watchword edge: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


async def _run(checker: Checker, verifier: Verifier | None, given: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        if verifier is not None:
            await stack.enter_async_context(verifier)
        where = await stack.enter_async_context(serve(checker, given.listen, Told(given.told)))
        print(f"watchword edge: answers at {where}", flush=True)  # noqa: T201 - a command
        await stop.wait()


def _verifier(given: argparse.Namespace) -> Verifier | None:
    if given.issuer is None:
        return None
    introspection = None
    if given.client_id is not None:
        if given.client_secret_file is None:
            raise ValueError("--client-id asks for --client-secret-file")
        introspection = Introspection(ClientSecret(given.client_id, _secret(given.client_secret_file)))
    token = None if given.feed_token_file is None else _secret(given.feed_token_file)
    return Verifier(
        given.issuer,
        given.audience or given.issuer,
        leeway=given.leeway,
        revocations=Revocations(token=token, max_staleness=given.max_staleness, name="edge"),
        introspection=introspection,
    )


def _urls(
    given: argparse.Namespace, verifier: Verifier | None, published: PublishedUrlKeys | None
) -> SignedUrls | None:
    if given.url_key is None and published is None:
        return None
    if given.url_key is not None and published is not None:
        raise ValueError("--url-key and --url-keys-of are two ways of one thing")
    if given.origin is None:
        raise ValueError("signed URLs ask for --origin")
    counter = None if given.single_use is None else SqliteSingleUse(given.single_use)
    return SignedUrls(
        published or read_keys(given.url_key),
        origin=given.origin,
        cut_offs=verifier,
        single_use=counter,
        leeway=given.leeway,
        max_bound_lifetime=given.max_bound_lifetime,
        playback_parameter=given.playback_parameter,
    )


def _inside(given: argparse.Namespace) -> InsideTokens | None:
    if given.inside_key is None:
        return None
    if given.inside_issuer is None or given.inside_audience is None:
        raise ValueError("--inside-key asks for --inside-issuer and --inside-audience")
    return InsideTokens(read_keys(given.inside_key)[0], issuer=given.inside_issuer, audience=given.inside_audience)


def _secret(path: Path) -> str:
    text = path.read_text(encoding="utf-8")[:_MAX_SECRET].strip()
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def _parser() -> CommandLine:
    parser = CommandLine(
        "watchword edge",
        description="Answer a reverse proxy: /token, /url, /either, /inside. See the how-to page on the edge.",
    )
    add = parser.add_argument
    add("--listen", default="127.0.0.1:9090", metavar="WHERE", help="host:port or unix:/path; default 127.0.0.1:9090")
    add("--told", choices=[told.value for told in Told], default="nginx", help="how the proxy tells of a request")
    add("--issuer", metavar="URL", help="whose tokens are taken, and whose cut-offs are honoured")
    add("--audience", metavar="NAME", help="what tokens must be for; default: the issuer")
    add("--feed-token-file", type=Path, metavar="FILE", help="opens the revocation feed")
    add("--max-staleness", type=float, default=120.0, metavar="SECONDS", help="how old the view of cut-offs may be")
    add("--leeway", type=float, default=10.0, metavar="SECONDS", help="granted on all times; default 10")
    add("--client-id", metavar="ID", help="as whom opaque tokens are asked about")
    add("--client-secret-file", type=Path, metavar="FILE", help="its secret")
    add("--realm", help="in challenges")
    add("--url-key", type=Path, metavar="FILE", help="a JWK or JWK Set that verifies signed URLs")
    add("--url-keys-of", metavar="URL", help="or: a server that signs URLs, whose published keys are followed")
    add("--origin", metavar="ORIGIN", help="what signed URLs begin with, as clients see it")
    add("--single-use", type=Path, metavar="FILE", help="SQLite file that counts uses")
    add("--max-bound-lifetime", type=float, default=3600.0, metavar="SECONDS", help="as signed_urls.bound_lifetime")
    add("--playback-parameter", metavar="NAME", help="accept a JWT in this parameter")
    add("--inside-key", type=Path, metavar="FILE", help="private JWK that signs inside tokens, for /inside")
    add("--inside-issuer", metavar="URL")
    add("--inside-audience", metavar="NAME")
    return parser
