"""Signing URLs and verifying them: keys, time, cut-offs and single use around the canonical form.

Speaks to no web framework (``adapters`` do) and holds no grammar (``grammar``) and no rule of a caveat (``caveats``).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.jose import base64url
from watchword.jose.key import Key
from watchword.signedurl import caveats as rules
from watchword.signedurl import grammar
from watchword.signedurl.caveats import NO_CAVEATS, Caveats, Query, UrlRequest
from watchword.signedurl.errors import UrlReason, UrlRejected
from watchword.signedurl.keys import KeyRing, KeyTable, UrlKeys
from watchword.signedurl.single_use import AsyncSingleUse, SingleUse

MAX_LIFETIME_SECONDS: Final = 7 * 86_400.0
"""How long a URL may be good, unless said otherwise to signer and verifier alike."""
MAX_BOUND_LIFETIME_SECONDS: Final = 3600.0
"""How long one bound to a session or account may be good: no longer than the issuer keeps cut-offs."""
_SPENT_GRACE: Final = 300.0
_NAME_BYTES: Final = 16
_MAX_LEEWAY: Final = 300.0
_METHODS: Final = frozenset({"GET", "HEAD"})


class Session(Protocol):
    """In whose name a URL is signed: an `AccessToken` is one."""

    @property
    def sub(self) -> str: ...
    @property
    def sid(self) -> str | None: ...
    @property
    def rev(self) -> int | None: ...
    @property
    def client_id(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...


class SignedUrl(msgspec.Struct, frozen=True, gc=False):
    """A URL that was verified. To hold one means that the request may be served."""

    kid: str
    expires_at: int
    """Seconds since the epoch."""
    caveats: Caveats
    target: str
    """Path and query without the signature."""

    @property
    def path(self) -> str:
        """The path to serve, as the client sent it, without a signature that stood in it."""
        return self.target.partition("?")[0]

    @property
    def sub(self) -> str | None:
        """The account it is bound to."""
        return self.caveats.sub

    @property
    def sid(self) -> str | None:
        """The session it is bound to."""
        return self.caveats.sid

    @property
    def jti(self) -> str | None:
        """Its own name."""
        return self.caveats.jti

    @property
    def client_id(self) -> str | None:
        """The client in whose session it was signed."""
        return self.caveats.client_id

    @property
    def tenant(self) -> str | None:
        """The tenant of the account."""
        return self.caveats.tenant

    @property
    def rev(self) -> int | None:
        """The head of the revocation log when the session was looked at."""
        return self.caveats.rev


class CutOffs(Protocol):
    """Who knows what was revoked: a `Verifier`, whose view knows its age, or a `RevocationView`."""

    def kills(self, token: SignedUrl, /) -> str | None:
        """By which axis it is cut off, or None. Raises, whatever it likes, if that cannot be told just now."""
        ...


class SignedUrls:
    """Signs URLs of one origin, verifies them, or both, as its keys allow. Safe in threads; does no I/O by itself.

    ``urls = SignedUrls(key, origin="https://media.example.com")``, then ``urls.sign("/films/1.mp4", 600)`` on one
    machine and ``urls.verify(request)`` on another.
    """

    def __init__(
        self,
        keys: UrlKeys,
        *,
        origin: str,
        cut_offs: CutOffs | None = None,
        single_use: SingleUse | AsyncSingleUse | None = None,
        leeway: float = 0.0,
        max_lifetime: float = MAX_LIFETIME_SECONDS,
        max_bound_lifetime: float = MAX_BOUND_LIFETIME_SECONDS,
        clock: Clock = system_clock,
    ) -> None:
        """Make ready.

        ``keys``: the first private one signs, all verify. ``origin``: scheme, host and port that clients see; it is
        signed. ``cut_offs``: without it, URLs bound to a session or account are refused. ``single_use``: without it,
        URLs that are good once are. ``leeway`` (seconds) is granted on expiry and beginning. ``max_lifetime`` and
        ``max_bound_lifetime`` (seconds) bound what is signed and what is accepted.

        Raises: ValueError or TypeError for settings that cannot be.
        """
        self.origin: str = grammar.check_origin(origin)
        self._ring = KeyRing(keys)
        self._cut_offs = cut_offs
        self._single_use = single_use
        if not 0 <= leeway <= _MAX_LEEWAY or not 0 < max_bound_lifetime <= max_lifetime:
            raise ValueError("leeway or lifetimes are out of bounds")
        self._leeway = leeway
        self._max_lifetime = max_lifetime
        self._max_bound_lifetime = max_bound_lifetime
        self._clock = clock
        self._now = clock.now
        # The first lines of what a plain URL signs; put together once.
        self._plain = grammar.message("GET", self.origin, "").decode("ascii")

    def replace_keys(self, keys: Iterable[Key]) -> None:
        """Rotate: verify with these from now on, and sign with the first private one. Raises: ValueError."""
        self._ring.replace(keys)

    def sign(
        self,
        url: str,
        expires: float | timedelta | datetime,
        *,
        method: str | None = None,
        prefix: str | None = None,
        in_path: bool | None = None,
        query: Query = "all",
        session: Session | None = None,
        account: str | None = None,
        clients: Collection[str] = (),
        content_type: str | None = None,
        content_length: int | tuple[int, int] | None = None,
        not_before: datetime | None = None,
        once: bool = False,
        name: str | None = None,
    ) -> str:
        """Sign a URL: a path with query, or an absolute URL of this origin, percent-encoded as it will be sent.

        ``expires``: seconds from now, or an instant. ``method``: the only one, where it is not GET and HEAD.
        ``prefix``: all below this path is signed, not only ``url``, which must lie there; the signature then stands in
        the path, so that relative links carry it along, unless ``in_path=False``. ``query``: which parameters are
        bound: ``"all"``, ``"none"``, or names. ``session`` (an `AccessToken` will do) or ``account``: what it dies
        with. ``clients``: networks or addresses. ``content_type``, ``content_length`` (the greatest, or least and
        greatest): of an upload. ``not_before``: when it begins. ``once``: for one use. ``name``: its ``jti``, made if
        it needs one.

        Returns: the absolute URL, to be handled as a credential.
        Raises: ValueError for what cannot be signed as asked.
        """
        table = self._ring.table()
        if table.signing is None:
            raise ValueError("none of the keys can sign")
        now = self._now()
        ends = _instant(expires, now)
        if not now < ends <= now + self._max_lifetime:
            raise ValueError("expires must be in the future, and within max_lifetime")
        bound = session is not None or account is not None or once or name is not None
        if bound and ends - int(now) > self._max_bound_lifetime:
            raise ValueError("what is bound to a session, an account or a name must end within max_bound_lifetime")
        caveats = Caveats(
            method=method,
            prefix=None if prefix is None else grammar.check_prefix(prefix),
            query=query if isinstance(query, str) else tuple(query),
            sub=account if session is None else session.sub,
            sid=None if session is None else session.sid,
            rev=None if session is None else session.rev,
            client_id=None if session is None else session.client_id,
            tenant=None if session is None else session.tenant,
            jti=base64url.encode(os.urandom(_NAME_BYTES)) if once and name is None else name,
            once=once,
            iat=int(now) if bound else None,
            nbf=None if not_before is None else _instant(not_before, now),
            net=rules.networks(clients),
            type=None if content_type is None else rules.media_type(content_type),
            length=None if content_length is None else rules.lengths(content_length),
        )
        if session is not None and account is not None and session.sub != account:
            raise ValueError("account is another one than the session's")
        return self.origin + self._signed(table, grammar.target_of(url, self.origin), ends, caveats, in_path)

    def _signed(self, table: KeyTable, target: str, ends: int, caveats: Caveats, in_path: bool | None) -> str:  # noqa: FBT001 - as `sign` got it
        path, mark, text = target.partition("?")
        whole = text if mark and text else None
        claims = f"{grammar.VERSION}.{table.kid}.{ends}.{rules.encode(caveats)}"
        place = path
        if (prefix := caveats.prefix) is not None:
            grammar.check_below(prefix, path)
            place = prefix
        elif in_path:
            raise ValueError("only a prefix can carry its signature in the path")
        signed = grammar.signed_part(place, _bound_query(caveats.query, whole), claims)
        assert table.signing is not None  # noqa: S101 - said for the type checker; `sign` has looked
        signature = table.signing(grammar.message(caveats.method or "GET", self.origin, signed))
        if prefix is not None and in_path is not False:
            made = grammar.in_path(prefix, path[len(prefix) :], claims, signature)
            made = made if whole is None else f"{made}?{whole}"
        else:
            made = grammar.with_signature(path, whole, claims, signature)
        if len(made) > grammar.MAX_TARGET_LENGTH:
            raise ValueError("the signed URL is too long")
        return made

    def verify(self, request: UrlRequest) -> SignedUrl:
        """Verify the URL of a request; if it is good once, this is the time.

        Returns: the URL. Raises: UrlRejected; what ``cut_offs`` or ``single_use`` raise if they cannot tell; TypeError
        if ``single_use`` is to be awaited.
        """
        url = self.check(request)
        if url.caveats.once:
            spent = self._counter().spend(url.jti or "", url.expires_at + _SPENT_GRACE)
            if not isinstance(spent, bool):
                raise TypeError("this single_use is to be awaited: use verify_async")
            if not spent:
                raise UrlRejected(UrlReason.SPENT)
        return url

    async def verify_async(self, request: UrlRequest) -> SignedUrl:
        """As `verify`, with a ``single_use`` of either kind. A blocking one blocks the event loop for as long."""
        url = self.check(request)
        if url.caveats.once:
            spent = self._counter().spend(url.jti or "", url.expires_at + _SPENT_GRACE)
            if (spent if isinstance(spent, bool) else await spent) is not True:
                raise UrlRejected(UrlReason.SPENT)
        return url

    def check(self, request: UrlRequest) -> SignedUrl:
        """As `verify`, but for single use: what is good once stays so. For tests, and before a prompt to a person."""
        if request.host is not None and not grammar.same_host(self.origin, request.host):
            raise UrlRejected(UrlReason.HOST)
        target = request.target
        if len(target) <= grammar.MAX_TARGET_LENGTH and request.method in _METHODS:
            # A plain URL signs itself up to the last dot: nothing need be taken apart.
            head, _, signature = target.rpartition(".")
            parts = head.rpartition("ww=")[2].split(".")
            if len(parts) == 4 and not parts[3] and parts[0] == grammar.VERSION:
                check = self._ring.table().checks.get(parts[1])
                if check is not None and head.isascii() and check(signature, (self._plain + head).encode()):
                    ends = self._check_time(parts[2])
                    return SignedUrl(parts[1], ends, NO_CAVEATS, head[: -len(".".join(parts)) - 4])
        return self._check_bound(request)

    def _check_bound(self, request: UrlRequest) -> SignedUrl:
        """All forms, the long way; also to tell what is wrong with a plain one."""
        found = grammar.take_apart(request.target)
        claims = grammar.claims_of(found.claims)
        caveats = rules.decode(claims.caveats)
        check = self._ring.table().checks.get(claims.kid)
        if check is None:
            raise UrlRejected(UrlReason.UNKNOWN_KEY)
        if request.method != (caveats.method or "GET") and not (
            # What is good once is not spent on a look: HEAD is another method for it.
            caveats.method is None and request.method == "HEAD" and not caveats.once
        ):
            raise UrlRejected(UrlReason.METHOD)
        signed = grammar.signed_part(_place(found, caveats), _bound_query(caveats.query, found.query), found.claims)
        if found.trailing and caveats.query == "all":
            raise UrlRejected(UrlReason.QUERY)
        if not check(found.signature, grammar.message(caveats.method or "GET", self.origin, signed)):
            raise UrlRejected(UrlReason.BAD_SIGNATURE)
        ends = self._check_time(claims.expires, caveats.nbf)
        rules.check_lifetime(caveats, ends, self._max_bound_lifetime)
        rules.check_request(caveats, request)
        target = found.path if found.query is None else f"{found.path}?{found.query}"
        url = SignedUrl(claims.kid, ends, caveats, target)
        if caveats.bound:
            self._check_cut_offs(url)
        return url

    def _check_time(self, expires: str, begins: int | None = None) -> int:
        """Raises: UrlRejected ``malformed``, ``expired``, ``not_yet_valid`` or ``lifetime``. Returns: when it expires."""
        ends = grammar.expiry_of(expires)
        now = self._now()
        if now >= ends + self._leeway:
            raise UrlRejected(UrlReason.EXPIRED)
        if ends > now + self._max_lifetime + self._leeway:
            raise UrlRejected(UrlReason.LIFETIME)
        if begins is not None and now < begins - self._leeway:
            raise UrlRejected(UrlReason.NOT_YET_VALID)
        return ends

    def _check_cut_offs(self, url: SignedUrl) -> None:
        if self._cut_offs is None:
            if url.sub is None and url.sid is None:
                return
            raise UrlRejected(UrlReason.UNREVOCABLE)
        if self._cut_offs.kills(url) is not None:
            raise UrlRejected(UrlReason.REVOKED)

    def _counter(self) -> SingleUse | AsyncSingleUse:
        if self._single_use is None:
            raise UrlRejected(UrlReason.SPENT)
        return self._single_use


def _place(found: grammar.SignedTarget, caveats: Caveats) -> str:
    """The signed place. Raises: UrlRejected ``path``."""
    if caveats.prefix is None:
        if found.above is not None:
            raise UrlRejected(UrlReason.PATH)
        return found.path
    if found.above is not None and found.above != caveats.prefix:
        raise UrlRejected(UrlReason.PATH)
    grammar.check_below(caveats.prefix, found.path)
    return caveats.prefix


def _bound_query(bound: Query, query: str | None) -> str | None:
    """The bound part of a query. Raises: UrlRejected ``query``."""
    if bound == "all":
        return query
    if bound == "none":
        return None
    return grammar.listed(query, tuple(bound))


def _instant(given: float | timedelta | datetime, now: EpochSeconds) -> int:
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return int(given.timestamp())
    return int(now + (given.total_seconds() if isinstance(given, timedelta) else given))
