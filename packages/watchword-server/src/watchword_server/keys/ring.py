"""The key ring: the signing keys, refresh MAC keys and feed keys of an installation, the same in every process.

Signs no token itself and decides no dates: schedule.py says what is due, sealing.py seals, the store settles races.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from watchword.clock import Clock
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer

from watchword_server.keys.jwks import JwksDocument, jwks_document
from watchword_server.keys.making import make_key
from watchword_server.keys.request_keys import PURPOSE as REQUEST_OBJECT
from watchword_server.keys.request_keys import RequestKeys
from watchword_server.keys.schedule import (
    Activate,
    Forget,
    KeySchedule,
    MakeActive,
    MakeNext,
    Step,
    due,
    in_use,
    of_purpose,
    published,
)
from watchword_server.keys.sealing import Sealer
from watchword_server.store.port import Keys, StoreUnavailable
from watchword_server.store.records import AuditEvent, KeyPurpose, KeyState, Origin, SigningKey

if TYPE_CHECKING:
    from watchword.jose.jwe import Decrypter

ALGORITHMS: Final = frozenset({"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "PS256", "PS384"})
"""What access tokens may be signed with: never an algorithm whose verifiers could sign too."""

_MAC_ALGORITHM: Final = "HS256"
_FEED_ALGORITHM: Final = "ES256"
_SIGNED_URL_ALGORITHM: Final = "Ed25519"
_LOOK_AGAIN_AFTER: Final = 1.0
_MOST_STEPS: Final = 16
_SYSTEM: Final = Origin(actor="system")


class KeyNotAnnounced(Exception):  # noqa: N818 - named as its outcome, like StoreUnavailable
    """The next key was announced too lately for every verifier to know it; `wait` seconds more."""

    def __init__(self, kid: str, wait: float) -> None:
        super().__init__(f"key {kid} is announced, but verifiers may not know it for another {wait:.0f} s")
        self.wait = wait


class KeyRing:
    """All keys that are not distrusted, opened and ready; `tend` keeps it true."""

    def __init__(
        self,
        *,
        store: Keys,
        sealer: Sealer,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        algorithm: str,
        access_token: KeySchedule,
        refresh_mac: KeySchedule,
        feed: KeySchedule,
        signed_url: KeySchedule | None = None,
        offered: Collection[str] = (),
        request_object: KeySchedule | None = None,
        encrypted_by: Collection[str] = (),
    ) -> None:
        """`algorithm` is that of access tokens; `offered` are those that clients may choose for other answers, for which a
        key is made when it is first asked for, and kept up from then on like the others; `access_token.retire_after` covers their longest life and the leeway,
        `refresh_mac.retire_after` the absolute end of a session. Feed keys sign the revocation feed and nothing else: they
        must stay good when those of access tokens are distrusted, which is what they announce. With `signed_url` there are
        keys that sign URLs, and nothing else either. With `request_object` there is a key for each algorithm in
        `encrypted_by`, to which clients encrypt their requests.

        Raises ValueError for an algorithm that is not in `ALGORITHMS`.
        """
        for name in (algorithm, *offered):
            if name not in ALGORITHMS:
                raise ValueError(f"tokens cannot be signed with {name!r}; one of {', '.join(sorted(ALGORITHMS))}")
        self._offered = frozenset(_key_algorithm(name) for name in offered) - {_key_algorithm(algorithm)}
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._random_bytes = random_bytes
        self._algorithms: dict[KeyPurpose, str] = {
            "access_token": algorithm,
            "refresh_mac": _MAC_ALGORITHM,
            "feed": _FEED_ALGORITHM,
        }
        self._schedules: dict[KeyPurpose, KeySchedule] = {
            "access_token": access_token,
            "refresh_mac": refresh_mac,
            "feed": feed,
        }
        if signed_url is not None:
            self._algorithms["signed_url"], self._schedules["signed_url"] = _SIGNED_URL_ALGORITHM, signed_url
        self._encrypted_by = tuple(encrypted_by) if request_object is not None else ()
        if request_object is not None:
            self._schedules[REQUEST_OBJECT] = request_object
        self._request_keys = RequestKeys((), self._open)
        self._rows: tuple[SigningKey, ...] = ()
        self._opened: dict[str, bytes] = {}
        self._signing_keys: dict[tuple[KeyPurpose, str], Key] = {}
        self._signers: dict[tuple[KeyPurpose, str, str], Signer] = {}
        self._mac_secrets: dict[str, bytes] = {}
        self._active_mac: str | None = None
        self._jwks = jwks_document(())
        self._feed_jwks = jwks_document(())
        self._signed_url_jwks = jwks_document(())
        self._key_set = KeySet(())
        self._reading = asyncio.Lock()
        self._making = asyncio.Lock()
        self._looked_at = float("-inf")

    async def start(self) -> None:
        """Load the ring, making what is missing. Of several processes that start at once one makes each key, and all
        end with the same.

        Raises SealError when keys of another environment or master key are found: nothing is made then.
        """
        await self.tend()

    async def tend(self) -> None:
        """See what other processes did, and take the steps that are due. To be called about once a second.

        Raises SealError when a key that is needed does not open; StoreUnavailable when the store is. What was held
        before stays in use, but for keys that were seen to be distrusted.
        """
        for _ in range(_MOST_STEPS):
            await self._reload()
            now = self._clock.now()
            taken = False
            for purpose, algorithm in self._kinds():
                step = due(of_purpose(self._rows, purpose, algorithm), self._schedules[purpose], now)
                if step is not None:
                    await self._take(step, purpose, algorithm)
                    taken = True
            if not taken:
                return

    async def look_again(self) -> None:
        """Read the ring again, unless it was read within the last second."""
        if self._clock.monotonic() - self._looked_at >= _LOOK_AGAIN_AFTER:
            await self._reload()

    def _kinds(self) -> list[tuple[KeyPurpose, str]]:
        """What is kept up: one key a purpose, and one for each other algorithm that some client has needed."""
        needed = {
            row.algorithm for row in self._rows if row.purpose == "access_token" and row.state in {"active", "next"}
        }
        extra: list[tuple[KeyPurpose, str]] = [("access_token", name) for name in sorted(needed & self._offered)]
        extra += [(REQUEST_OBJECT, name) for name in self._encrypted_by]
        return [*self._algorithms.items(), *extra]

    async def prepare(self, algorithm: str) -> None:
        """See to it that `signer_for` has a key for this algorithm: made now if nobody has needed one before.

        Raises ValueError for an algorithm that is not offered.
        """
        name = self._key_name(algorithm)
        if ("access_token", name) in self._signing_keys:
            return
        async with self._making:
            if ("access_token", name) not in self._signing_keys:
                # Nobody can hold a token by it yet, so nothing was to be announced; its successor will be, by `tend`.
                await self._add("access_token", "active", name)
                await self._reload()

    def signer_for(self, algorithm: str, typ: str) -> Signer:
        """The signer of the moment by that algorithm, for answers other than access tokens; `prepare` comes before.

        Raises ValueError for an algorithm that is not offered.
        """
        return self._signer("access_token", self._key_name(algorithm), typ, shown=algorithm)

    def _key_name(self, algorithm: str) -> str:
        name = _key_algorithm(algorithm)
        if name == _key_algorithm(self._algorithms["access_token"]):
            return self._algorithms["access_token"]
        if name not in self._offered:
            raise ValueError(f"{algorithm!r} is not offered here")
        return name

    async def rotate(
        self, purpose: KeyPurpose, origin: Origin, *, at_once: bool = False, algorithm: str | None = None
    ) -> str:
        """Activate the next key now, by command; of access tokens that of `algorithm`, None: the one they are signed with;
        of request objects always that of `algorithm`. Returns the `kid` that is active then.

        Raises KeyNotAnnounced when it was announced less than `announce_before` ago, unless `at_once`; ValueError for an
        algorithm that is not offered, or of another purpose.
        """
        await self.tend()
        chosen = self._chosen(purpose, algorithm)
        following = [key for key in of_purpose(self._rows, purpose, chosen) if key.state == "next"]
        if not following:
            raise StoreUnavailable("the key ring has no next key")
        wait = following[0].created_at + self._schedules[purpose].announce_before - self._clock.now()
        if wait > 0 and not at_once:
            raise KeyNotAnnounced(following[0].kid, wait)
        kid = following[0].kid
        await self._store.activate_key(kid, audit=_audit("key.activated", kid, purpose, origin))
        await self.tend()
        return kid

    def _chosen(self, purpose: KeyPurpose, algorithm: str | None) -> str:
        if purpose == REQUEST_OBJECT:
            if algorithm not in self._encrypted_by:
                raise ValueError(f"request objects are encrypted by one of: {', '.join(self._encrypted_by) or 'none'}")
            return algorithm
        if algorithm is not None and purpose != "access_token":
            raise ValueError("only keys of access tokens and request objects have several algorithms")
        return self._algorithms[purpose] if algorithm is None else self._key_name(algorithm)

    async def distrust(self, kid: str, origin: Origin) -> bool:
        """Emergency: the key is out of the JWK set at once, all it signed is cut off, and the next key is active.

        Returns False when there is no such key or it was distrusted before.
        """
        purpose = next((key.purpose for key in self._rows if key.kid == kid), None)
        done = await self._store.distrust_key(kid, audit=_audit("key.distrusted", kid, purpose, origin))
        await self.tend()
        return done

    def signer(self, typ: str) -> Signer:
        """The signer of the moment for tokens of that `typ`. Ask for it each time: keys rotate."""
        return self._signer("access_token", self._algorithms["access_token"], typ)

    def feed_signer(self, typ: str) -> Signer:
        """The signer of the moment for answers of the revocation feed; never a key that signs tokens."""
        return self._signer("feed", _FEED_ALGORITHM, typ)

    def _signer(self, purpose: KeyPurpose, algorithm: str, typ: str, *, shown: str | None = None) -> Signer:
        """``shown`` is the name to write in the header, where one key has two (EdDSA and Ed25519)."""
        name = shown or algorithm
        signer = self._signers.get((purpose, name, typ))
        if signer is None:
            key = self._signing_keys.get((purpose, algorithm))
            if key is None:
                raise StoreUnavailable("the key ring has no key to sign with")
            signer = self._signers[purpose, name, typ] = Signer(key, algorithm=name, typ=typ)
        return signer

    @property
    def jwks(self) -> JwksDocument:
        """The JWK set to publish: keys that sign, will sign, or have signed tokens that may be alive."""
        return self._jwks

    @property
    def feed_jwks(self) -> JwksDocument:
        """The JWK set of feed keys, apart from the other: no verifier may take one for a key of tokens."""
        return self._feed_jwks

    @property
    def signed_url_jwks(self) -> JwksDocument:
        """The JWK set that verifies the URLs signed here, apart from the others."""
        return self._signed_url_jwks

    def signed_url_key(self) -> Key:
        """The key of the moment for URLs. Ask for it each time: keys rotate."""
        key = self._signing_keys.get(("signed_url", _SIGNED_URL_ALGORITHM))
        if key is None:
            raise StoreUnavailable("the key ring has no key for URLs")
        return key

    def request_decrypter(self, algorithm: str, encoding: str) -> Decrypter:
        """As `RequestKeys.decrypter`. Ask for it each time: keys rotate."""
        return self._request_keys.decrypter(algorithm, encoding)

    @property
    def key_set(self) -> KeySet:
        """The same as keys, for this server's own verification."""
        return self._key_set

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """The rows as last read, for those who administer them; private parts sealed."""
        return self._rows

    @property
    def active_mac_key(self) -> str:
        """Id of the key that authenticates the refresh tokens of new families."""
        if self._active_mac is None:
            raise StoreUnavailable("the key ring has no key for refresh tokens")
        return self._active_mac

    def mac_secret(self, key_id: str) -> bytes | None:
        """The refresh MAC key of that id; None when it is unknown or distrusted."""
        return self._mac_secrets.get(key_id)

    async def _reload(self) -> None:
        # One reader at a time, or an older reading that ends later would bring a distrusted key back.
        async with self._reading:
            rows = tuple(await self._store.keys())
            self._looked_at = self._clock.monotonic()
            if rows != self._rows:
                self._hold(rows)

    def _hold(self, rows: tuple[SigningKey, ...]) -> None:
        """Take these rows for the truth. What is distrusted goes first, whatever fails to open afterwards."""
        trusted = {key.kid for key in rows if key.state != "distrusted"}
        self._opened = {kid: secret for kid, secret in self._opened.items() if kid in trusted}
        self._mac_secrets = {kid: secret for kid, secret in self._mac_secrets.items() if kid in trusted}
        self._signers = {}
        self._signing_keys = {kind: key for kind, key in self._signing_keys.items() if key.kid in trusted}
        signing = published(rows, "access_token")
        self._key_set = KeySet.from_json(jwks_document(signing).body)
        self._jwks = jwks_document(signing)
        self._request_keys = RequestKeys((), self._open)
        self._feed_jwks = jwks_document(published(rows, "feed"))
        self._signed_url_jwks = jwks_document(published(rows, "signed_url"))
        for algorithm in (self._algorithms["access_token"], *self._offered):
            self._hold_signing_key(rows, "access_token", algorithm)
        self._hold_signing_key(rows, "feed", _FEED_ALGORITHM)
        if "signed_url" in self._schedules:
            self._hold_signing_key(rows, "signed_url", _SIGNED_URL_ALGORITHM)
        self._hold_mac_keys(rows)
        self._request_keys = RequestKeys((row for row in rows if row.algorithm in self._encrypted_by), self._open)
        self._jwks = jwks_document([*signing, *self._request_keys.published])
        self._rows = rows

    def _hold_signing_key(self, rows: tuple[SigningKey, ...], purpose: KeyPurpose, algorithm: str) -> None:
        chosen = in_use(of_purpose(rows, purpose, algorithm))
        held = self._signing_keys.get((purpose, algorithm))
        if chosen is None:
            self._signing_keys.pop((purpose, algorithm), None)
        elif held is None or held.kid != chosen.kid:
            self._signing_keys[purpose, algorithm] = Key.from_jwk(json.loads(self._open(chosen)))

    def _hold_mac_keys(self, rows: tuple[SigningKey, ...]) -> None:
        mac_keys = [key for key in rows if key.purpose == "refresh_mac" and key.state != "distrusted"]
        self._mac_secrets = {key.kid: self._open(key) for key in mac_keys}
        chosen = in_use(of_purpose(mac_keys, "refresh_mac", _MAC_ALGORITHM))
        self._active_mac = None if chosen is None else chosen.kid

    def _open(self, key: SigningKey) -> bytes:
        secret = self._opened.get(key.kid)
        if secret is None:
            secret = self._opened[key.kid] = self._sealer.open(key.sealed, purpose=key.purpose, name=key.kid)
        return secret

    async def _take(self, step: Step, purpose: KeyPurpose, algorithm: str) -> None:
        """Do one step. Losing a race for it is as good: the next reading shows what the winner did."""
        match step:
            case MakeActive():
                await self._add(purpose, "active", algorithm)
            case MakeNext():
                await self._add(purpose, "next", algorithm)
            case Activate(kid=kid):
                await self._store.activate_key(kid, audit=_audit("key.activated", kid, purpose, _SYSTEM))
            case Forget(kid=kid):
                await self._store.forget_key(kid, audit=_audit("key.forgotten", kid, purpose, _SYSTEM))

    async def _add(self, purpose: KeyPurpose, state: KeyState, algorithm: str) -> None:
        kid, secret, public = await asyncio.to_thread(make_key, purpose, algorithm, self._random_bytes)
        now = self._clock.now()
        row = SigningKey(
            kid=kid,
            purpose=purpose,
            algorithm=algorithm,
            state=state,
            public_jwk=public,
            sealed=self._sealer.seal(secret, purpose=purpose, name=kid),
            created_at=now,
            activated_at=now if state == "active" else None,
            retired_at=None,
        )
        audit = _audit("key.added", kid, purpose, _SYSTEM)
        await self._store.add_key(row, unless_state=state, audit=audit)


def _key_algorithm(algorithm: str) -> str:
    """By what name a key is kept: EdDSA and Ed25519 are one algorithm (RFC 9864 §2.2)."""
    return "EdDSA" if algorithm == "Ed25519" else algorithm


def _audit(event: str, kid: str, purpose: KeyPurpose | None, origin: Origin) -> AuditEvent:
    return AuditEvent(event=event, origin=origin, detail={"kid": kid, "purpose": purpose or "unknown"})
