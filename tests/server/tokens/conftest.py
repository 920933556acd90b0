"""A server process's token services over a store, sessions opened at will, and refreshes by raw token."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from watchword_server.entropy import identifier, random_bytes
from watchword_server.keys.ring import KeyRing
from watchword_server.keys.schedule import KeySchedule
from watchword_server.keys.sealing import MasterKey, Sealer
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Families, Store
from watchword_server.store.records import AuditEvent, Delivery, Family, FamilyView, NewAccount, NewSession, Origin
from watchword_server.tokens import refresh_token
from watchword_server.tokens.claims import FIRST_PARTY, AccessClaims, ClaimSettings, RoleGrant
from watchword_server.tokens.issuer import AccessTokenIssuer
from watchword_server.tokens.refresh import Rules
from watchword_server.tokens.rotation import Refreshed, RefreshRequest, Refused, Rotation

HOUR = 3600.0
DAY = 24 * HOUR
IDLE = 7 * DAY
ABSOLUTE = 30 * DAY
ORIGIN = Origin(actor="anonymous", address="192.0.2.1")
FIREFOX, CHROME = "firefox/linux", "chrome/windows"
CLAIMS = ClaimSettings(
    issuer="https://login.example.test",
    audience="https://api.example.test",
    lifetime=600,
    roles={"admin": RoleGrant(scopes=("reports:read", "watchword:admin"), permissions=("users.list",))},
)


class TokenServer:
    """What one server process holds."""

    def __init__(self, store: Store, clock: Any, rules: Rules) -> None:
        self.store, self.clock, self.rules = store, clock, rules
        schedule = KeySchedule(rotate_every=90 * DAY, announce_before=DAY, retire_after=ABSOLUTE)
        self.ring = KeyRing(
            store=store,
            sealer=Sealer(MasterKey(bytes(range(32))), "production", random_bytes),
            clock=clock,
            random_bytes=random_bytes,
            algorithm="ES256",
            access_token=schedule,
            refresh_mac=schedule,
            feed=schedule,
        )
        self.issuer = AccessTokenIssuer(AccessClaims(CLAIMS), self.ring, random_bytes)
        self.rotation = self.rotation_over(store)

    def rotation_over(self, families: Families) -> Rotation:
        return Rotation(
            families=families,
            mac_keys=self.ring,
            issuer=self.issuer,
            rules=self.rules,
            idle=IDLE,
            random_bytes=random_bytes,
        )

    async def refresh(self, token: str, **changes: Any) -> Refreshed | Refused:
        return await self.rotation.refresh(request_of(token, **changes))


def request_of(token: str, **changes: Any) -> RefreshRequest:
    given = {"client_id": FIRST_PARTY, "device_kind": FIREFOX, "place": "192.0.2.1", "origin": ORIGIN}
    return RefreshRequest(token=token, **(given | changes))


class Opened:
    """A session with its family and its first refresh token."""

    def __init__(self, server: TokenServer, account_id: str, sid: str, family: str, token: str) -> None:
        self.server, self.account_id, self.sid, self.family, self.token = server, account_id, sid, family, token

    async def view(self) -> FamilyView:
        view = await self.server.store.family(self.family)
        assert view is not None
        return view

    async def row(self) -> Family:
        return (await self.view()).family

    async def token_of(self, generation: int) -> str:
        """Any generation's token, also one that was never handed out: what a thief of the MAC key could make."""
        row = await self.row()
        secret = self.server.ring.mac_secret(row.key_id)
        assert secret is not None
        return refresh_token.mint(secret, key_id=row.key_id, family_id=row.id, salt=row.salt, generation=generation)

    async def notices(self) -> list[str]:
        return [notice.kind for notice in await self.server.store.notices(self.account_id)]


class World:
    """Server processes over one store."""

    def __init__(self, store: Store, url: str, clock: Any) -> None:
        self.store, self.url, self.clock = store, url, clock
        self.loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._stores: list[Store] = []
        self.server: TokenServer

    async def start_server(self, rules: Rules | None = None, *, own_store: bool = False) -> TokenServer:
        store = self.store
        if own_store:
            store = store_from_url(self.url, clock=self.clock)
            await store.open(migrate=False)
            self._stores.append(store)
        server = TokenServer(store, self.clock, rules or Rules())
        await server.ring.start()
        return server

    async def open(
        self,
        server: TokenServer | None = None,
        *,
        delivery: Delivery = "cookie",
        sender_key: str | None = None,
        roles: tuple[str, ...] = (),
        client_id: str = FIRST_PARTY,
        scope: tuple[str, ...] = (),
        device_kind: str = FIREFOX,
    ) -> Opened:
        server = server or self.server
        number = next(self._numbers)
        account_id, sid, email = f"account{number}", identifier(), f"person{number}@example.test"
        new = NewAccount(
            id=account_id,
            email=email,
            email_key=email,
            username=None,
            username_key=None,
            password_hash="-",
            roles=roles,
        )
        await self.store.create_account(new, AuditEvent(event="account.created", origin=ORIGIN))
        view = await self.store.account(account_id)
        assert view is not None
        first = server.rotation.new_family(
            now=view.read_at,
            expires_at=view.read_at + ABSOLUTE,
            scope=scope,
            resource=(),
            sender_key=sender_key,
            delivery=delivery,
            device_kind=device_kind,
        )
        session = NewSession(
            sid=sid,
            account_id=account_id,
            client_id=client_id,
            rev=view.rev,
            device="Firefox on Linux",
            place="192.0.2.1",
            auth_time=view.read_at,
            amr=("pwd",),
            expires_at=view.read_at + ABSOLUTE,
            family=first.family,
        )
        assert await self.store.start_session(session, AuditEvent(event="session.started", origin=ORIGIN))
        return Opened(server, account_id, sid, first.family.id, first.refresh_token)

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


@pytest.fixture
async def world(store: Store, store_url: str, store_clock: Any) -> AsyncIterator[World]:
    world = World(store, store_url, store_clock)
    world.server = await world.start_server()
    yield world
    await world.close()
