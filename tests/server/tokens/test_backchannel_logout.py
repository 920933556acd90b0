"""Back-channel logout: whom a cut-off is told to, in which words, and what becomes of an answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from watchword.clock import EpochSeconds
from watchword.jose import jws
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.testing import FakeClock
from watchword_server.clients.answer_encryption import AnswerEncryption
from watchword_server.clients.metadata import Client, ClientMetadata
from watchword_server.outbox.courier import Delivered, Never, NotYet, Outcome
from watchword_server.store.authorization_records import ClientSession
from watchword_server.store.delivery_records import Delivery, NewDelivery, News
from watchword_server.store.records import Axis, Session
from watchword_server.tokens.backchannel_logout import (
    EVENT,
    KIND,
    LIFETIME,
    MOST_NOTICES,
    LogoutCourier,
    LogoutTranslator,
)
from watchword_server.tokens.id_token import IdTokens
from watchword_server.tokens.subjects import Subjects
from watchword_server.web.outgoing import Answer, OutgoingFailed, OutgoingRefused

ISSUER = "https://login.example"
URI = "https://app.example/backchannel"
SEALED = EncryptionKey.generate(kid="e")


def client(client_id: str, **metadata: Any) -> Client:
    base = {"backchannel_logout_uri": URI, "id_token_signed_response_alg": "ES256"}
    return Client(client_id=client_id, source="admin", metadata=ClientMetadata(**(base | metadata)))


CLIENTS = {
    one.client_id: one
    for one in (
        client("app"),
        client("strict", backchannel_logout_session_required=True),
        client("quiet", backchannel_logout_uri=None),
        client(
            "sealed", jwks={"keys": [SEALED.public_jwk()]}, id_token_encrypted_response_alg="ECDH-ES+A256KW",
            id_token_encrypted_response_enc="A256GCM",
        ),
        client(
            "pairwise", subject_type="pairwise", redirect_uris=("https://pair.example/cb",),
            backchannel_logout_session_required=True,
        ),
    )
}  # fmt: skip


class Known:
    """Where clients are found; a deleted one is not."""

    def __init__(self) -> None:
        self.clients = dict(CLIENTS)

    async def find(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)


def ended(sid: str, client_id: str = "app", account_id: str = "ada") -> ClientSession:
    zero = EpochSeconds(0)
    session = Session(
        sid=sid, account_id=account_id, client_id=client_id, rev=0, device="", place="", created_at=zero, auth_time=zero,
        amr=(), last_used_at=zero, refresh_count=0, idle_expires_at=zero, expires_at=zero, ended_at=zero, end_reason=None,
    )  # fmt: skip
    return ClientSession(session=session, sign_on=None)


class Ended:
    """The part of the store that knows whose sessions a cut-off ended; a page at a time."""

    def __init__(self, *sessions: ClientSession) -> None:
        self.sessions = sorted(sessions, key=lambda one: one.session.sid)
        self.asked: list[tuple[Any, ...]] = []

    async def sessions_ended_by(
        self, axis: str, value: str, *, spares: str | None, since: int, limit: int, after: str | None
    ) -> list[ClientSession]:
        self.asked.append((axis, value, spares, since))
        return [one for one in self.sessions if one.session.sid > (after or "")][:limit]


def news(axis: Axis = "session", value: str = "s1", *, spares: str | None = None, ends: bool = True) -> News:
    return News(
        position=7, axis=axis, value=value, spares=spares, cause="x", account_id="ada", at=EpochSeconds(5), ends_sessions=ends
    )  # fmt: skip


async def notices(store: Ended, one: News, clients: Known | None = None) -> list[tuple[str, dict[str, Any]]]:
    made = await LogoutTranslator(store, clients or Known()).translate(one)  # type: ignore[arg-type]
    assert {delivery.kind for delivery in made} <= {KIND}
    return [(delivery.destination, msgspec.json.decode(delivery.payload)) for delivery in made]


async def test_the_client_whose_session_ended_is_told_which() -> None:
    assert await notices(Ended(ended("s1")), news()) == [("app", {"account_id": "ada", "sid": "s1"})]


async def test_a_client_that_wants_no_notices_gets_none_and_one_that_is_gone_neither() -> None:
    clients = Known()
    del clients.clients["strict"]
    assert await notices(Ended(ended("s1", "quiet"), ended("s2", "strict")), news("account", "ada"), clients) == []


async def test_a_cut_off_of_access_tokens_alone_is_no_logout() -> None:
    store = Ended(ended("s1"))
    assert await notices(store, news("account", "ada", ends=False)) == []
    assert store.asked == []


@pytest.mark.rfc("openid-backchannel-logout §2.2/2")
async def test_when_all_sessions_of_an_account_end_each_is_named() -> None:
    told = await notices(Ended(*(ended(f"a{n}") for n in range(3))), news("account", "ada"))
    assert [payload["sid"] for _, payload in told] == ["a0", "a1", "a2"]


async def test_when_everything_ends_a_client_is_told_once_of_an_account_unless_it_needs_each() -> None:
    sessions = [ended(f"a{n}") for n in range(3)] + [ended(f"b{n}", "strict") for n in range(2)]
    assert await notices(Ended(*sessions), news("everything", "")) == [
        ("app", {"account_id": "ada"}),
        ("strict", {"account_id": "ada", "sid": "b0"}),
        ("strict", {"account_id": "ada", "sid": "b1"}),
    ]


async def test_where_a_session_is_spared_each_other_one_is_named() -> None:
    store = Ended(ended("a1"), ended("a2"))
    told = await notices(store, news("account", "ada", spares="kept"))
    assert [payload["sid"] for _, payload in told] == ["a1", "a2"]
    assert store.asked[0] == ("account", "ada", "kept", 7)


async def test_every_page_of_many_sessions_is_read_and_the_notices_of_one_cut_off_are_bounded() -> None:
    many = Ended(*(ended(f"{n:06}", "strict", f"account-{n}") for n in range(1234)))
    assert len(await notices(many, news("everything", ""))) == 1234
    flood = Ended(*(ended(f"{n:06}", "strict") for n in range(MOST_NOTICES + 600)))
    assert len(await notices(flood, news("everything", ""))) == MOST_NOTICES


async def test_asked_twice_it_means_the_same_deliveries() -> None:
    translator = LogoutTranslator(Ended(ended("s1"), ended("s2", "strict")), Known())  # type: ignore[arg-type]
    first, second = await translator.translate(news()), await translator.translate(news())
    assert [one.dedupe for one in first] == [one.dedupe for one in second]


class Receiver:
    """What the network answers."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.posts: list[tuple[str, str, str]] = []

    async def post(self, url: str, body: bytes, *, content_type: str, max_bytes: int | None = None) -> Answer:
        self.posts.append((url, body.decode(), content_type))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Documents:
    """What clients publish; nothing, where it cannot be fetched."""

    def __init__(self, *, reachable: bool) -> None:
        self.reachable = reachable

    async def document(self, client: Client) -> bytes | None:
        return msgspec.json.encode(client.metadata.jwks) if self.reachable else None


class Signers:
    """One key for every algorithm asked for."""

    def __init__(self) -> None:
        self.key = Key.generate("ES256", "k1")

    async def prepare(self, algorithm: str) -> None:
        assert algorithm == "ES256"

    def signer_for(self, algorithm: str, typ: str) -> Signer:
        return Signer(self.key, algorithm=algorithm, typ=typ)


SUBJECTS = Subjects(b"s" * 32)


async def carried(
    answer: Answer | Exception,
    one: NewDelivery,
    *,
    clients: Known | None = None,
    attempts: int = 1,
    reachable: bool = True,
) -> tuple[Outcome, Receiver, Signers, FakeClock]:
    receiver, signers, clock = Receiver(answer), Signers(), FakeClock()
    sealing = AnswerEncryption(Documents(reachable=reachable))
    tokens = IdTokens(signers=signers, subjects=SUBJECTS, issuer=ISSUER, lifetime=600, encryption=sealing)
    courier = LogoutCourier(clients or Known(), tokens, receiver, clock, issuer=ISSUER)
    delivery = Delivery(
        id=42, kind=one.kind, destination=one.destination, payload=one.payload, dedupe=one.dedupe,
        created_at=EpochSeconds(0), due_at=EpochSeconds(0), attempts=attempts, lease="x", state="waiting", last_error="",
    )  # fmt: skip
    return await courier.carry(delivery), receiver, signers, clock


async def made(session: ClientSession, one: News | None = None) -> NewDelivery:
    [delivery] = await LogoutTranslator(Ended(session), Known()).translate(one or news())  # type: ignore[arg-type]
    return delivery


def token_of(receiver: Receiver, signers: Signers) -> tuple[dict[str, Any], dict[str, Any]]:
    [(url, body, content_type)] = receiver.posts
    assert (url, content_type) == (URI, "application/x-www-form-urlencoded")
    [raw] = parse_qs(body, strict_parsing=True)["logout_token"]
    verified = jws.verify_parsed(jws.parse(raw), KeySet((signers.key.public(),)), algorithms=("ES256",))
    return dict(verified.header), msgspec.json.decode(verified.payload)


@pytest.mark.rfc("openid-backchannel-logout §2.4/1")
@pytest.mark.rfc("openid-backchannel-logout §2.4/2")
@pytest.mark.rfc("openid-backchannel-logout §2.4/3")
@pytest.mark.rfc("openid-backchannel-logout §2.5")
async def test_the_logout_token_says_who_which_session_and_that_it_is_a_logout_and_has_no_nonce() -> None:
    outcome, receiver, signers, clock = await carried(Answer(200, {}, b""), await made(ended("s1")))
    assert outcome == Delivered()
    header, claims = token_of(receiver, signers)
    assert header["typ"] == "logout+jwt"
    now = int(clock.now())
    assert claims == {
        "iss": ISSUER,
        "aud": "app",
        "iat": now,
        "exp": now + LIFETIME,
        "jti": "7.42",
        "sub": "ada",
        "sid": "s1",
        "events": {EVENT: {}},
    }


async def test_it_is_encrypted_where_id_tokens_are_with_the_issuer_in_its_header() -> None:
    _, receiver, signers, _ = await carried(Answer(200, {}, b""), await made(ended("s1", "sealed")))
    [raw] = parse_qs(receiver.posts[0][1], strict_parsing=True)["logout_token"]
    opened = Decrypter([SEALED]).decrypt(raw)
    assert (opened.header["iss"], opened.header["cty"]) == (ISSUER, "JWT")
    keys = KeySet((signers.key.public(),))
    verified = jws.verify(opened.plaintext.decode(), keys, algorithms=frozenset({"ES256"}))
    assert msgspec.json.decode(verified.payload)["aud"] == "sealed"


async def test_where_the_key_for_it_cannot_be_had_it_is_tried_later_and_never_sent_in_the_clear() -> None:
    outcome, receiver, _, _ = await carried(Answer(200, {}, b""), await made(ended("s1", "sealed")), reachable=False)
    assert isinstance(outcome, NotYet)
    assert receiver.posts == []


async def test_a_client_with_pairwise_subjects_does_not_learn_the_account() -> None:
    _, receiver, signers, _ = await carried(Answer(204, {}, b""), await made(ended("s1", "pairwise", "ada-lovelace")))
    _, claims = token_of(receiver, signers)
    assert claims["sub"] == SUBJECTS.of(CLIENTS["pairwise"], "ada-lovelace")
    assert "ada-lovelace" not in str(claims)


async def test_every_attempt_carries_the_same_identifier() -> None:
    delivery = await made(ended("s1"))
    seen = set()
    for attempt in (1, 2):
        _, receiver, signers, _ = await carried(Answer(503, {}, b""), delivery, attempts=attempt)
        seen.add(token_of(receiver, signers)[1]["jti"])
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {}, b""), Delivered()),
        (Answer(204, {}, b""), Delivered()),
        (Answer(400, {}, b'{"error":"invalid_request"}'), Never("400")),
        (Answer(404, {}, b""), Never("404")),
        (Answer(301, {"location": "http://127.0.0.1/"}, b""), NotYet("301")),
        (Answer(500, {}, b""), NotYet("500")),
        (Answer(429, {"retry-after": "30"}, b""), NotYet("429", 30.0)),
        (Answer(503, {"retry-after": "never; drop table"}, b""), NotYet("503")),
        (OutgoingFailed("https://app.example:443 timed out"), NotYet("https://app.example:443 timed out")),
        (OutgoingRefused("not an address that is asked"), Never("not an address that is asked")),
    ],
)
async def test_what_an_answer_means(answer: Answer | Exception, outcome: Outcome) -> None:
    assert (await carried(answer, await made(ended("s1"))))[0] == outcome


async def test_a_client_that_is_gone_or_wants_no_notices_any_more_is_not_asked() -> None:
    clients, delivery = Known(), await made(ended("s1"))
    clients.clients["app"] = client("app", backchannel_logout_uri=None)
    outcome, receiver, _, _ = await carried(Answer(200, {}, b""), delivery, clients=clients)
    assert (outcome, receiver.posts) == (Delivered(), [])
    del clients.clients["app"]
    outcome, receiver, _, _ = await carried(Answer(200, {}, b""), delivery, clients=clients)
    assert (outcome, receiver.posts) == (Delivered(), [])


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (ErrorCode.TEMPORARILY_UNAVAILABLE, NotYet("its host is away")),
        (ErrorCode.INVALID_CLIENT, Delivered()),
    ],
)
async def test_a_client_whose_document_is_out_of_reach_is_told_later_and_one_without_a_document_never(
    code: ErrorCode, outcome: Outcome
) -> None:
    class Away(Known):
        async def find(self, client_id: str) -> Client | None:
            raise OAuthError(code, "its host is away")

    delivery = await made(ended("s1", "https://agent.example/client.json"))
    assert delivery.destination == "https://agent.example/client.json"
    result, receiver, _, _ = await carried(Answer(200, {}, b""), delivery, clients=Away())
    assert result == outcome
    assert receiver.posts == []
