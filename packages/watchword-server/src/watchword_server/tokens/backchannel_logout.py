"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0): clients are told, server to server, which session ended.

Follows the log of cut-offs, so that no way of ending a session can forget it; the outbox keeps and repeats what it makes.
Ends nothing itself, and signs only when it sends: a key distrusted meanwhile signs no notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec
from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.directory import ClientSource
from watchword_server.clients.metadata import Client
from watchword_server.clients.metadata_document import is_document_url
from watchword_server.outbox.courier import Delivered, Never, NotYet, Outcome
from watchword_server.store.authorization_port import SignOns
from watchword_server.store.authorization_records import ClientSession
from watchword_server.store.delivery_records import Delivery, NewDelivery, News
from watchword_server.store.records import Session
from watchword_server.tokens.id_token import IdTokens
from watchword_server.web.outgoing import Answer, OutgoingFailed, OutgoingRefused, Posting

KIND: Final = "backchannel_logout"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
TYP: Final = "logout+jwt"
LIFETIME: Final = 120
"""Seconds that a logout token is good for (§2.4: short, two minutes at most preferably)."""
MOST_NOTICES: Final = 5_000
"""Notices of one cut-off: of more sessions than that, the rest is told by account alone, or not at all."""
_PAGE: Final = 500
_MAX_ANSWER: Final = 16_384
_FORM: Final = "application/x-www-form-urlencoded"
_LATER: Final = frozenset({408, 425, 429})


class Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """What waits in the outbox: whose session ended, and which; None: all of that account at that client."""

    account_id: str
    sid: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Ended).decode


class LogoutTranslator:
    """The outbox's translator (`watchword_server.outbox.follower.Translator`)."""

    def __init__(self, store: SignOns, clients: ClientSource) -> None:
        self._store = store
        self._clients = clients

    async def translate(self, news: News) -> Sequence[NewDelivery]:
        """A notice for each client that wants one and had a session that this cut-off ended."""
        if not news.ends_sessions:
            return ()
        # Of the few sessions of one account each is named, which every client understands; where whole installations end,
        # all of an account at a client end together.
        together = news.axis in {"tenant", "everything", "client"} and news.spares is None
        found: dict[tuple[str, str], NewDelivery] = {}
        after: str | None = None
        wants: dict[str, Client | None] = {}
        while len(found) < MOST_NOTICES:
            page = await self._store.sessions_ended_by(
                news.axis, news.value, spares=news.spares, since=news.position, limit=_PAGE, after=after
            )
            for one in page:
                delivery = await self._delivery(news, one, wants, together=together)
                if delivery is not None:
                    found.setdefault((delivery.destination, delivery.dedupe), delivery)
            if len(page) < _PAGE:
                break
            after = page[-1].session.sid
        return list(found.values())[:MOST_NOTICES]

    async def _delivery(
        self, news: News, ended: ClientSession, wants: dict[str, Client | None], *, together: bool
    ) -> NewDelivery | None:
        session, sid = ended.session, ended.id_token_sid or ended.session.sid
        if ended.told:
            return None
        if is_document_url(session.client_id):
            # Its document may have to be fetched: the courier does, since the log waits for no stranger's host.
            return _notice(news, session, named=sid)
        if session.client_id not in wants:
            wants[session.client_id] = await self._clients.find(session.client_id)
        client = wants[session.client_id]
        if client is None or client.metadata.backchannel_logout_uri is None:
            return None
        # §2.4: without sid all sessions of the subject at the client are meant; who registered that it needs one gets it.
        named = None if together and not client.metadata.backchannel_logout_session_required else sid
        return _notice(news, session, named=named)


def _notice(news: News, session: Session, *, named: str | None) -> NewDelivery:
    return NewDelivery(
        kind=KIND,
        destination=session.client_id,
        payload=_encode(Ended(session.account_id, named)),
        dedupe=f"{news.position}:{named or session.account_id}",
    )


class LogoutCourier:
    """Carries deliveries of this kind."""

    def __init__(
        self, clients: ClientSource, id_tokens: IdTokens, outgoing: Posting, clock: Clock, *, issuer: str
    ) -> None:
        self._clients = clients
        self._id_tokens = id_tokens
        self._outgoing = outgoing
        self._clock = clock
        self._issuer = issuer

    async def carry(self, delivery: Delivery) -> Outcome:
        """As `Courier.carry`."""
        try:
            client = await self._clients.find(delivery.destination)
        except OAuthError as refused:
            if refused.code is ErrorCode.TEMPORARILY_UNAVAILABLE:
                return NotYet(refused.description)
            # Its document is gone, or may not be used: nobody is there to be told.
            return Delivered()
        uri = None if client is None else client.metadata.backchannel_logout_uri
        if client is None or uri is None:
            return Delivered()
        try:
            token = await self._token(client, _decode(delivery.payload), delivery)
        except OAuthError as unavailable:
            return NotYet(unavailable.description)
        try:
            answer = await self._outgoing.post(
                uri, urlencode({"logout_token": token}).encode(), content_type=_FORM, max_bytes=_MAX_ANSWER
            )
        except OutgoingRefused as refused:
            return Never(str(refused))
        except OutgoingFailed as failed:
            return NotYet(str(failed))
        return outcome_of(answer)

    async def _token(self, client: Client, ended: Ended, delivery: Delivery) -> str:
        """The logout token (§2.4). It never has a nonce, so that none passes for an ID token."""
        now = int(self._clock.now())
        claims = {
            "iss": self._issuer,
            "aud": client.client_id,
            "iat": now,
            "exp": now + LIFETIME,
            # The same for every attempt: a client that has seen it may answer that it is done. Not with the account, whom
            # a client with pairwise subjects must not learn.
            "jti": f"{delivery.dedupe.partition(':')[0]}.{delivery.id}",
            "sub": self._id_tokens.subjects.of(client, ended.account_id),
            "events": {EVENT: {}},
        }
        if ended.sid is not None:
            claims["sid"] = ended.sid
        algorithm = client.metadata.id_token_signed_response_alg
        signed = await self._id_tokens.sign(claims, algorithm=algorithm, typ=TYP)
        # §2.6: where encryption of ID tokens was agreed on, the RP SHOULD reject a logout token that is not encrypted;
        # §2.4: one that is SHOULD replicate the iss in its header.
        return await self._id_tokens.sealed(client, signed, header={"iss": self._issuer})


def outcome_of(answer: Answer) -> Outcome:
    """What a client's answer means (§2.8): 200 or 204 is done; 400 says that this token will never be taken."""
    if answer.status in {200, 202, 204}:
        return Delivered()
    if 400 <= answer.status < 500 and answer.status not in _LATER:
        return Never(str(answer.status))
    return NotYet(str(answer.status), answer.retry_after)
