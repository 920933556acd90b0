"""Clients that register themselves: who may, what they are told, and that nobody looks after another's registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from watchword.clock import EpochSeconds
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword_server.clients.administration import ClientAdministration
from watchword_server.clients.dynamic import DynamicRegistration, Mode, Registered, digest_of
from watchword_server.clients.metadata import ClientSettings
from watchword_server.clients.registration import RegistrationRules
from watchword_server.store.authorization_records import NewClient, StoredClient
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.web.outgoing import Answer, OutgoingFailed, OutgoingRefused

RULES = RegistrationRules(
    grant_types=("authorization_code", "refresh_token", "client_credentials"),
    auth_methods=("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
    algorithms=("RS256", "ES256"),
)
MEMBERS: dict[str, Any] = {"redirect_uris": ["https://app.example/callback"], "client_name": "App"}
INITIAL = "wci_" + "i" * 43
STRANGER = Origin(actor="anonymous", address="192.0.2.7")


class Records:
    """The part of the store that keeps clients, one event after another."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredClient] = {}
        self.uses: dict[bytes, int] = {}
        self.audit: list[str] = []
        self._time = 1_800_000_000.0

    def _now(self) -> EpochSeconds:
        self._time += 1
        return EpochSeconds(self._time)

    async def create_client(self, new: NewClient, audit: AuditEvent) -> StoredClient | None:
        if new.client_id in self.rows:
            return None
        self.audit.append(audit.event)
        now = self._now()
        self.rows[new.client_id] = StoredClient(
            **msgspec.structs.asdict(new), created_at=now, updated_at=now, disabled_at=None
        )
        return self.rows[new.client_id]

    async def client(self, client_id: str) -> StoredClient | None:
        return self.rows.get(client_id)

    async def update_client(
        self, client_id: str, *, seen: EpochSeconds, audit: AuditEvent, **changed: Any
    ) -> StoredClient | None:
        row = self.rows.get(client_id)
        if row is None or row.updated_at != seen:
            return None
        self.audit.append(audit.event)
        self.rows[client_id] = msgspec.structs.replace(row, **changed, updated_at=self._now())
        return self.rows[client_id]

    async def delete_client(self, client_id: str, audit: AuditEvent) -> bool:
        self.audit.append(audit.event)
        return self.rows.pop(client_id, None) is not None

    async def use_registration_token(self, digest: bytes) -> bool:
        if self.uses.get(digest, 0) < 1:
            return False
        self.uses[digest] -= 1
        return True


@dataclass
class Setting:
    """A registration and everything it stands on."""

    records: Records = field(default_factory=Records)
    pages: dict[str, Answer | Exception] = field(default_factory=dict)
    waits: int | None = None

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None) -> Answer:
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        return page

    async def admit(self, address: str | None) -> int | None:
        return self.waits

    def registration(self, mode: Mode, settings: ClientSettings | None = None) -> DynamicRegistration:
        administration = ClientAdministration(self.records, RULES, lambda _, secret: b"sealed:" + secret)  # type: ignore[arg-type]
        return DynamicRegistration(
            administration,
            self.records,  # type: ignore[arg-type]
            mode=mode,
            scopes=("openid", "profile", "notes:read"),
            settings=settings or ClientSettings(),
            outgoing=self,
            admit=self.admit,
            key=b"k" * 32,
        )

    async def register(self, mode: Mode = "open", token: str | None = None, **members: Any) -> Registered:
        return await self.registration(mode).register(
            MEMBERS | members, initial_token=token, address="192.0.2.7", origin=STRANGER
        )


@pytest.fixture
def setting() -> Setting:
    found = Setting()
    found.records.uses[digest_of(INITIAL)] = 1
    return found


@pytest.mark.rfc("7591 §3.2.1/1")
async def test_an_open_server_registers_a_stranger_and_tells_it_its_secret_once(setting: Setting) -> None:
    made = await setting.register()
    assert made.secret is not None
    assert made.secret.startswith("wcs_")
    assert made.registration_token.startswith("wcr_")
    row = setting.records.rows[made.client.client_id]
    assert row.origin == "dynamic"
    assert row.registration_digest == digest_of(made.registration_token)
    kept = repr(row).encode() + row.metadata
    assert made.secret.encode() not in kept
    assert made.registration_token.encode() not in kept
    assert made.secret not in repr(made)
    assert made.registration_token not in repr(made)


async def test_an_app_that_registers_itself_gets_a_secret_of_its_own(setting: Setting) -> None:
    made = await setting.register(application_type="native")
    assert made.secret is not None
    assert made.client.metadata.is_confidential


async def test_a_public_client_gets_no_secret(setting: Setting) -> None:
    made = await setting.register(token_endpoint_auth_method="none", application_type="native")
    assert made.secret is None
    assert setting.records.rows[made.client.client_id].secret_digests == ()


@pytest.mark.rfc("7591 §3/3")
@pytest.mark.parametrize("token", [None, "", "wci_other", INITIAL + "x"])
async def test_where_an_initial_access_token_is_needed_nobody_registers_without_a_good_one(
    setting: Setting, token: str | None
) -> None:
    with pytest.raises(OAuthError) as refused:
        await setting.register("token", token)
    assert refused.value.code is ErrorCode.INVALID_TOKEN
    assert setting.records.rows == {}


async def test_an_initial_access_token_is_good_for_so_many_uses_and_a_refused_request_costs_none(
    setting: Setting,
) -> None:
    with pytest.raises(OAuthError):
        await setting.register("token", INITIAL, redirect_uris=["https://app.example/#fragment"])
    assert await setting.register("token", INITIAL)
    with pytest.raises(OAuthError):
        await setting.register("token", INITIAL)
    assert len(setting.records.rows) == 1


async def test_an_open_server_that_is_flooded_from_one_address_tells_it_to_come_back(setting: Setting) -> None:
    setting.waits = 60
    with pytest.raises(OAuthError) as refused:
        await setting.register()
    assert refused.value.code is ErrorCode.TEMPORARILY_UNAVAILABLE
    assert setting.records.rows == {}
    assert await setting.register(token=INITIAL), "whoever was given a token is not slowed by strangers"


@pytest.mark.rfc("7591 §2/4")
async def test_a_client_may_have_no_more_scopes_than_are_open_to_those_who_register_themselves(
    setting: Setting,
) -> None:
    made = await setting.register(scope="openid watchword:admin notes:read")
    assert made.client.metadata.scope == "openid notes:read"


@pytest.mark.rfc("7591 §2/3")
async def test_it_cannot_decide_what_only_the_installation_decides(setting: Setting) -> None:
    made = await setting.register(
        first_party=True, settings={"first_party": True}, may_introspect=True, roles=["admin"]
    )
    assert made.client.settings == ClientSettings()
    assert made.client.source == "dynamic"


@pytest.mark.rfc("7591 §5")
async def test_the_installation_decides_for_all_of_them(setting: Setting) -> None:
    registration = setting.registration("open", ClientSettings(pkce_exempt=True))
    made = await registration.register(MEMBERS, initial_token=None, address=None, origin=STRANGER)
    assert made.client.settings.pkce_exempt
    public = MEMBERS | {"token_endpoint_auth_method": "none"}
    made = await registration.register(public, initial_token=None, address=None, origin=STRANGER)
    assert not made.client.settings.pkce_exempt, "RFC 9700 §2.1.1: public clients use PKCE whatever was decided"


@pytest.mark.rfc("6749 §3.1.2.2")
@pytest.mark.rfc("7591 §2/1")
@pytest.mark.rfc("openid-core §2/5")
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"redirect_uris": []}, ErrorCode.INVALID_REDIRECT_URI),
        ({"redirect_uris": ["javascript:alert(1)"]}, ErrorCode.INVALID_REDIRECT_URI),
        ({"redirect_uris": ["https://*.example/"]}, ErrorCode.INVALID_REDIRECT_URI),
        ({"redirect_uris": "https://app.example/"}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"grant_types": ["password"]}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"grant_types": ["implicit"]}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"response_types": ["token"]}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"token_endpoint_auth_method": "tls_client_auth"}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"id_token_signed_response_alg": "none"}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"scope": 'a"b'}, ErrorCode.INVALID_CLIENT_METADATA),
        ({"client_name": "x" * 40_000}, ErrorCode.INVALID_CLIENT_METADATA),
    ],
)
@pytest.mark.rfc("7591 §3.2.2")
async def test_metadata_that_nobody_may_register_is_refused_by_name(
    setting: Setting, members: dict[str, Any], code: ErrorCode
) -> None:
    with pytest.raises(OAuthError) as refused:
        await setting.register(**members)
    assert refused.value.code is code
    assert setting.records.rows == {}


SECTOR: dict[str, Any] = {"subject_type": "pairwise", "sector_identifier_uri": "https://app.example/sector.json"}


@pytest.mark.rfc("openid-core §8.1/2")
async def test_a_sector_that_lists_the_clients_redirect_uris_is_believed(setting: Setting) -> None:
    listed = msgspec.json.encode(["https://other.example/cb", *MEMBERS["redirect_uris"]])
    setting.pages[SECTOR["sector_identifier_uri"]] = Answer(200, {}, listed)
    assert (await setting.register(**SECTOR)).client.metadata.sector_identifier_uri


@pytest.mark.rfc("openid-core §8.1/2")
@pytest.mark.parametrize(
    "page",
    [
        Answer(200, {}, b'["https://other.example/cb"]'),
        Answer(200, {}, b'{"https://app.example/callback": 1}'),
        Answer(200, {}, b"["),
        Answer(404, {}, b'["https://app.example/callback"]'),
        Answer(302, {"location": "http://127.0.0.1/"}, b""),
        OutgoingFailed("timed out"),
        OutgoingRefused("leads to an address that is not allowed"),
    ],
)
async def test_a_client_that_its_sector_does_not_know_is_refused(setting: Setting, page: Answer | Exception) -> None:
    setting.pages[SECTOR["sector_identifier_uri"]] = page
    with pytest.raises(OAuthError) as refused:
        await setting.register(**SECTOR)
    assert refused.value.code is ErrorCode.INVALID_CLIENT_METADATA
    assert setting.records.rows == {}


@pytest.mark.rfc("7592 §2/1")
@pytest.mark.rfc("7592 §2.1/2")
async def test_a_client_reads_its_registration_with_its_own_token_alone(setting: Setting) -> None:
    made, other = await setting.register(), await setting.register()
    registration = setting.registration("open")
    shown = await registration.show(made.client.client_id, made.registration_token)
    assert (shown.client.client_id, shown.secret, shown.registration_token) == (
        made.client.client_id,
        None,
        made.registration_token,
    )
    for token in (other.registration_token, None, "", made.secret, made.registration_token + "x", INITIAL):
        with pytest.raises(OAuthError) as refused:
            await registration.show(made.client.client_id, token)
        assert refused.value.code is ErrorCode.INVALID_TOKEN
    with pytest.raises(OAuthError):
        await registration.show("unknown", made.registration_token)


async def test_a_client_that_an_administrator_made_has_no_registration_to_look_after(setting: Setting) -> None:
    made = await setting.register()
    row = setting.records.rows[made.client.client_id]
    setting.records.rows[row.client_id] = msgspec.structs.replace(row, origin="admin", registration_digest=None)
    with pytest.raises(OAuthError):
        await setting.registration("open").show(row.client_id, made.registration_token)


async def test_a_disabled_client_cannot_look_after_itself(setting: Setting) -> None:
    made = await setting.register()
    row = setting.records.rows[made.client.client_id]
    setting.records.rows[row.client_id] = msgspec.structs.replace(row, disabled_at=EpochSeconds(1))
    with pytest.raises(OAuthError):
        await setting.registration("open").show(row.client_id, made.registration_token)


@pytest.mark.rfc("7592 §2.2/1")
async def test_a_change_replaces_all_that_was_said_and_what_is_left_out_returns_to_its_default(
    setting: Setting,
) -> None:
    made = await setting.register(tos_uri="https://app.example/tos")
    changed = await setting.registration("open").change(
        made.client.client_id,
        made.registration_token,
        {
            "client_id": made.client.client_id,
            "client_secret": made.secret,
            "redirect_uris": ["https://app.example/new"],
        },
        STRANGER,
    )
    assert changed.client.metadata.redirect_uris == ("https://app.example/new",)
    assert changed.client.metadata.tos_uri is None
    assert changed.secret is None
    assert setting.records.rows[made.client.client_id].secret_digests != ()


@pytest.mark.rfc("7592 §2.2/2")
@pytest.mark.rfc("7592 §2.2/3")
@pytest.mark.rfc("7592 §2.2/4")
@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": None},
        {"client_id": "another"},
        {"client_secret": "not it"},
        {"client_secret": 7},
        {"registration_access_token": "x"},
        {"registration_client_uri": "https://x.example"},
        {"client_id_issued_at": 1},
        {"client_secret_expires_at": 0},
        {"redirect_uris": ["http://evil.example/"]},
    ],
)
async def test_a_change_that_says_what_is_not_the_clients_to_say_is_refused(
    setting: Setting, wrong: dict[str, Any]
) -> None:
    made = await setting.register()
    before = setting.records.rows[made.client.client_id]
    with pytest.raises(OAuthError) as refused:
        await setting.registration("open").change(
            made.client.client_id,
            made.registration_token,
            MEMBERS | {"client_id": made.client.client_id} | wrong,
            STRANGER,
        )
    assert refused.value.code in {ErrorCode.INVALID_CLIENT_METADATA, ErrorCode.INVALID_REDIRECT_URI}
    assert setting.records.rows[made.client.client_id] == before


async def test_a_change_keeps_what_the_installation_decided(setting: Setting) -> None:
    registration = setting.registration("open", ClientSettings(pkce_exempt=True))
    made = await registration.register(MEMBERS, initial_token=None, address=None, origin=STRANGER)
    changed = await setting.registration("open").change(
        made.client.client_id, made.registration_token, MEMBERS | {"client_id": made.client.client_id}, STRANGER
    )
    assert changed.client.settings.pkce_exempt
    public = MEMBERS | {"client_id": made.client.client_id, "token_endpoint_auth_method": "none"}
    changed = await setting.registration("open").change(
        made.client.client_id, made.registration_token, public, STRANGER
    )
    assert not changed.client.settings.pkce_exempt, "a client that authenticates no more uses PKCE"


@pytest.mark.rfc("7592 §2.3")
async def test_a_client_deletes_itself_and_nobody_else(setting: Setting) -> None:
    made, other = await setting.register(), await setting.register()
    registration = setting.registration("off")
    with pytest.raises(OAuthError):
        await registration.delete(other.client.client_id, made.registration_token, STRANGER)
    await registration.delete(made.client.client_id, made.registration_token, STRANGER)
    assert set(setting.records.rows) == {other.client.client_id}
    with pytest.raises(OAuthError):
        await registration.show(made.client.client_id, made.registration_token)
