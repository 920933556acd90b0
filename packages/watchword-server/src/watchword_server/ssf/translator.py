"""Entries of the revocation log as events for the streams that want them, and events about streams themselves.

Signs nothing: what waits in the outbox is claims, signed when they are sent, so that a key distrusted meanwhile signs none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
from watchword.clock import EpochSeconds

from watchword_server.ssf.events import Event, events_of
from watchword_server.ssf.names import POLL_KIND, PUSH_KIND, STREAM_UPDATED, VERIFICATION
from watchword_server.store.delivery_records import NewDelivery, News
from watchword_server.store.port import Accounts
from watchword_server.store.signal_port import Signals
from watchword_server.store.signal_records import Addressed, Stream

FULL: Final = "its receiver fetches or takes nothing, and too many events wait"

_encode = msgspec.json.Encoder().encode
_log = logging.getLogger("watchword_server")


class TranslatorStore(Accounts, Signals, Protocol):
    """What the translator asks of a store."""


def set_claims(stream: Stream, event: Event, *, issuer: str, jti: str, now: EpochSeconds) -> dict[str, Any]:
    """The claims of a security event token (RFC 8417 §2.2, SSF 1.0 §4.1)."""
    # No `exp` and no top-level `sub`, so that none is ever taken for another kind of token (SSF 1.0 §4.1).
    return {
        "iss": issuer,
        "aud": stream.receiver,
        "iat": int(now),
        "jti": jti,
        "sub_id": event.subject,
        "events": {event.type: event.members},
    }


def delivery_of(stream: Stream, event: Event, *, issuer: str, jti: str, now: EpochSeconds) -> NewDelivery:
    """An event on its way to one stream."""
    poll = stream.method == "poll"
    return NewDelivery(
        kind=POLL_KIND if poll else PUSH_KIND,
        destination=stream.id,
        payload=_encode(set_claims(stream, event, issuer=issuer, jti=jti, now=now)),
        dedupe=jti,
        held=poll,
    )


def verification(stream: Stream, state: str | None) -> Event:
    """That the stream works (SSF 1.0 §8.1.4)."""
    return Event(VERIFICATION, _of_stream(stream), {} if state is None else {"state": state}, ())


def stream_updated(stream: Stream) -> Event:
    """That the transmitter changed the stream's status (SSF 1.0 §8.1.5)."""
    reason = {"reason": stream.reason} if stream.reason else {}
    return Event(STREAM_UPDATED, _of_stream(stream), {"status": stream.status, **reason}, ())


class SignalTranslator:
    """The outbox's translator for SSF (`watchword_server.outbox.follower.Translator`)."""

    def __init__(
        self, store: TranslatorStore, *, issuer: str, by_default: bool, most_queued: int, identifier: Callable[[], str]
    ) -> None:
        """``by_default``: whether a stream is about everybody of whom it was not said otherwise. ``most_queued``: deliveries
        that may wait for one stream; with more it is disabled.
        """
        self._store = store
        self._issuer = issuer
        self._by_default = by_default
        self._most_queued = most_queued
        self._identifier = identifier

    async def translate(self, news: News) -> Sequence[NewDelivery]:
        """As `Translator.translate`. Disables streams whose receiver does not keep up; asked again it finds that done."""
        account_id = news.value if news.axis == "account" else news.account_id
        view = None if account_id is None else await self._store.account(account_id)
        found: list[NewDelivery] = []
        for event in events_of(news, None if view is None else view.account, issuer=self._issuer):
            for addressed in await self._store.streams_about(event.about, by_default=self._by_default):
                stream = addressed.stream
                if event.type not in stream.requested or not await self._has_room(addressed):
                    continue
                jti = self._identifier()
                found.append(delivery_of(stream, event, issuer=self._issuer, jti=jti, now=news.at))
        return found

    async def _has_room(self, addressed: Addressed) -> bool:
        if addressed.queued < self._most_queued:
            return True
        stream = addressed.stream
        disabled = msgspec.structs.replace(stream, status="disabled", reason=FULL)
        if await self._store.replace_stream(disabled):
            _log.warning(
                "stream of events disabled: too many wait", extra={"stream": stream.id, "receiver": stream.receiver}
            )
        return False


def _of_stream(stream: Stream) -> dict[str, Any]:
    return {"format": "opaque", "id": stream.id}
