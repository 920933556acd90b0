"""The receiver: an event token in, verified, and given to the application once.

Speaks no HTTP: push.py and polling.py bring the tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeAlias

from watchword.clock import Clock, system_clock
from watchword.jose.jwk import KeySet
from watchword.ssf.event import MAX_AGE, SecurityEvent, check_security_event
from watchword.transport import HttpTransport, Transport
from watchword.verify.errors import KeysUnavailable, RejectionReason
from watchword.verify.jwt import JwtRejected
from watchword.verify.keys import KeySource, RemoteKeys, key_source
from watchword.verify.policy import DEFAULT_ALGORITHMS

Handler: TypeAlias = Callable[[SecurityEvent], Awaitable[None] | None]

MAX_REMEMBERED: Final = 100_000
"""Events remembered at once, about 150 bytes each."""
_KEYS_TIMEOUT: Final = 10.0


class EventsUnavailable(Exception):  # noqa: N818 - a state of the receiver, as KeysUnavailable is one
    """An event cannot be taken now: the issuer's keys cannot be had, or too much is remembered. It is to be sent again."""


class EventReceiver:
    """Takes the events of one transmitter for one audience.

    ``handler`` is called once for each event, in the process that received it, and may be async. When it raises, the event
    counts as not received, and the transmitter sends it again; so it must bear to see one twice. Lives on one event loop.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Collection[str],
        handler: Handler,
        *,
        keys: KeySet | KeySource | None = None,
        transport: Transport | None = None,
        algorithms: Collection[str] = DEFAULT_ALGORITHMS,
        clock: Clock = system_clock,
        leeway: float = 60.0,
        max_age: float = MAX_AGE,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        """Make a receiver. Without ``keys`` they are found by the issuer's metadata, fetched and kept.

        Raises: TypeError for keys that are none.
        """
        self._issuer = issuer
        self._audience = (audience,) if isinstance(audience, str) else tuple(audience)
        self._handler = handler
        self._keys = (
            RemoteKeys(issuer, transport=transport or HttpTransport(), clock=clock, name="watchword-ssf-keys")
            if keys is None
            else key_source(keys)
        )
        self._algorithms = algorithms
        self._clock = clock
        self._leeway = leeway
        self._max_age = max_age
        self._max_remembered = max_remembered
        self._until: dict[bytes, float] = {}
        self._under_way: set[bytes] = set()

    async def receive(self, raw: str) -> SecurityEvent:
        """Verify an event and hand it on, unless it was handed on before.

        Returns: the event, in both cases.
        Raises: JwtRejected, which sending again would not mend; EventsUnavailable, and what the handler raises, which it may.
        """
        event = await self._verified(raw)
        name = hashlib.sha256(event.jti.encode("utf-8", "surrogatepass")).digest()[:16]
        if name in self._until:
            return event
        if name in self._under_way:
            raise EventsUnavailable("the same event is being handled")
        self._require_room()
        self._under_way.add(name)
        try:
            done = self._handler(event)
            if inspect.isawaitable(done):
                await done
            # Only now: an event whose handling failed must be handled when it comes again.
            self._until[name] = event.iat + self._max_age + self._leeway
        finally:
            self._under_way.discard(name)
        return event

    async def _verified(self, raw: str) -> SecurityEvent:
        try:
            return self._check(raw)
        except KeysUnavailable:
            pass
        except JwtRejected as rejected:
            if rejected.reason is not RejectionReason.UNKNOWN_KEY:
                raise
        refreshed = self._keys.refresh()
        if refreshed is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(refreshed)), _KEYS_TIMEOUT)
        try:
            return self._check(raw)
        except KeysUnavailable as error:
            raise EventsUnavailable("the transmitter's keys cannot be had") from error

    def _check(self, raw: str) -> SecurityEvent:
        return check_security_event(
            raw,
            self._keys.current(),
            issuer=self._issuer,
            audience=self._audience,
            now=self._clock.now(),
            algorithms=self._algorithms,
            leeway=self._leeway,
            max_age=self._max_age,
        )

    def _require_room(self) -> None:
        if len(self._until) < self._max_remembered:
            return
        now = self._clock.now()
        self._until = {name: until for name, until in self._until.items() if until > now}
        if len(self._until) >= self._max_remembered:
            # To forget one that may still come would be to take it twice.
            raise EventsUnavailable("too many events are remembered")
