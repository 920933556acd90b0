"""Signing URLs and verifying them: keys, time, cut-offs and single use around the canonical form.

Speaks to no web framework (``adapters`` do) and holds no grammar (``grammar``) and no rule of a caveat (``caveats``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol, Unpack

import msgspec

from watchword.clock import Clock, system_clock
from watchword.jose.key import Key
from watchword.signedurl import caveats as rules
from watchword.signedurl import grammar, playback
from watchword.signedurl.binding import Bindings, caveats_of, instant
from watchword.signedurl.caveats import NO_CAVEATS, Caveats, UrlRequest
from watchword.signedurl.errors import UrlReason, UrlRejected
from watchword.signedurl.keys import KeyRing, KeyTable, UrlKeys
from watchword.signedurl.single_use import AsyncSingleUse, SingleUse

MAX_LIFETIME_SECONDS: Final = 7 * 86_400.0
"""How long a URL may be good, unless said otherwise to signer and verifier alike."""
MAX_BOUND_LIFETIME_SECONDS: Final = 3600.0
"""How long one bound to a session or account may be good: no longer than the issuer keeps cut-offs."""
_SPENT_GRACE: Final = 300.0
_MAX_LEEWAY: Final = 300.0
_METHODS: Final = frozenset({"GET", "HEAD"})


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
        playback_parameter: str | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """Make ready.

        ``keys``: the first private one signs, all verify. ``origin``: scheme, host and port that clients see; it is
        signed. ``cut_offs``: without it, URLs bound to a session or account are refused. ``single_use``: without it,
        URLs that are good once are. ``leeway`` (seconds) is granted on expiry and beginning. ``max_lifetime`` and
        ``max_bound_lifetime`` (seconds) bound what is signed and what is accepted. ``playback_parameter``: accept a
        JWT in this query parameter, too, and sign with it by `sign_playback`.

        Raises: ValueError or TypeError for settings that cannot be.
        """
        self.origin: str = grammar.check_origin(origin)
        self._ring = KeyRing(keys)
        self._cut_offs = cut_offs
        self._single_use = single_use
        if not 0 <= leeway <= _MAX_LEEWAY or not 0 < max_bound_lifetime <= max_lifetime:
            raise ValueError("leeway or lifetimes are out of bounds")
        if playback_parameter is not None and (
            playback.PARAMETER.fullmatch(playback_parameter) is None or playback_parameter == grammar.PARAMETER
        ):
            raise ValueError("playback_parameter must be a plain name, and not the one of signatures")
        self._playback = playback_parameter
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
        in_path: bool | None = None,
        **bindings: Unpack[Bindings],
    ) -> str:
        """Sign a URL: a path with query, or an absolute URL of this origin, percent-encoded as it will be sent.

        ``expires``: seconds from now, or an instant. ``bindings``: see `Bindings`. With a ``prefix`` the signature
        stands in the path, so that relative links carry it along, unless ``in_path=False``.

        Returns: the absolute URL, to be handled as a credential.
        Raises: ValueError for what cannot be signed as asked.
        """
        table, ends, caveats = self._prepared(expires, bindings)
        return self.origin + self._signed(table, grammar.target_of(url, self.origin), ends, caveats, in_path)

    def sign_playback(self, url: str, expires: float | timedelta | datetime, **bindings: Unpack[Bindings]) -> str:
        """As `sign`, with a JWT in the parameter that ``playback_parameter`` names. Raises: ValueError."""
        if self._playback is None:
            raise ValueError("playback_parameter names no parameter")
        table, ends, caveats = self._prepared(expires, bindings)
        path, mark, text = grammar.target_of(url, self.origin).partition("?")
        if caveats.prefix is not None:
            grammar.check_below(caveats.prefix, path)
        whole = text if mark and text else None
        assert table.jwt is not None  # noqa: S101 - said for the type checker; `_prepared` has looked
        token = table.jwt.sign(playback.payload(caveats, self.origin, ends, path, whole))
        made = f"{path}?{self._playback}={token}" if whole is None else f"{path}?{whole}&{self._playback}={token}"
        if len(made) > grammar.MAX_TARGET_LENGTH:
            raise ValueError("the signed URL is too long")
        playback.find(made, self._playback)  # refuses a URL that has such a parameter already
        return self.origin + made

    def _prepared(self, expires: float | timedelta | datetime, bindings: Bindings) -> tuple[KeyTable, int, Caveats]:
        """What to sign with, until when, and what is bound. Raises: ValueError."""
        table = self._ring.table()
        if table.signing is None:
            raise ValueError("none of the keys can sign")
        now = self._now()
        ends = instant(expires, now)
        if not now < ends <= now + self._max_lifetime:
            raise ValueError("expires must be in the future, and within max_lifetime")
        caveats = caveats_of(now, bindings)
        if caveats.bound and ends - int(now) > self._max_bound_lifetime:
            raise ValueError("what is bound to a session, an account or a name must end within max_bound_lifetime")
        return table, ends, caveats

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
        signed = grammar.signed_part(place, playback.bound_query(caveats, whole), claims)
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
                    self._check_time(ends := grammar.expiry_of(parts[2]))
                    return SignedUrl(parts[1], ends, NO_CAVEATS, head[: -len(".".join(parts)) - 4])
        return self._check_bound(request)

    def _check_bound(self, request: UrlRequest) -> SignedUrl:
        """All forms, the long way; also to tell what is wrong with a plain one."""
        if self._playback is not None and f"{self._playback}=" in request.target:
            return self._check_playback(request, self._playback)
        found = grammar.take_apart(request.target)
        claims = grammar.claims_of(found.claims)
        caveats = rules.decode(claims.caveats)
        check = self._ring.table().checks.get(claims.kid)
        if check is None:
            self._ring.look_again()
            raise UrlRejected(UrlReason.UNKNOWN_KEY)
        _check_method(caveats, request.method)
        signed = grammar.signed_part(_place(found, caveats), playback.bound_query(caveats, found.query), found.claims)
        if found.trailing and caveats.query == "all":
            raise UrlRejected(UrlReason.QUERY)
        if not check(found.signature, grammar.message(caveats.method or "GET", self.origin, signed)):
            raise UrlRejected(UrlReason.BAD_SIGNATURE)
        target = found.path if found.query is None else f"{found.path}?{found.query}"
        return self._good(SignedUrl(claims.kid, grammar.expiry_of(claims.expires), caveats, target), request)

    def _check_playback(self, request: UrlRequest, parameter: str) -> SignedUrl:
        kid, claims, target = playback.verify(request, parameter, self.origin, self._ring.table().keys)
        _check_method(claims, request.method)
        return self._good(SignedUrl(kid, claims.exp, claims, target), request)

    def _good(self, url: SignedUrl, request: UrlRequest) -> SignedUrl:
        """What follows a good signature. Raises: UrlRejected, or what ``cut_offs`` raises."""
        caveats = url.caveats
        self._check_time(url.expires_at, caveats.nbf)
        rules.check_lifetime(caveats, url.expires_at, self._max_bound_lifetime)
        rules.check_request(caveats, request)
        if caveats.bound:
            self._check_cut_offs(url)
        return url

    def _check_time(self, ends: int, begins: int | None = None) -> None:
        """Raises: UrlRejected ``expired``, ``not_yet_valid`` or ``lifetime``."""
        now = self._now()
        if now >= ends + self._leeway:
            raise UrlRejected(UrlReason.EXPIRED)
        if ends > now + self._max_lifetime + self._leeway:
            raise UrlRejected(UrlReason.LIFETIME)
        if begins is not None and now < begins - self._leeway:
            raise UrlRejected(UrlReason.NOT_YET_VALID)

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


def _check_method(caveats: Caveats, method: str) -> None:
    """Raises: UrlRejected ``method``. What is good once is not spent on a look: HEAD is another method for it."""
    asked = "GET" if method == "HEAD" and caveats.method is None and not caveats.once else method
    if asked != (caveats.method or "GET"):
        raise UrlRejected(UrlReason.METHOD)


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
