"""Sign-ons, the sessions of clients in them, and what accounts allowed clients."""

import asyncio

import pytest
from watchword_server.store.authorization_records import NewSignOn, SignOn

DAY = 86400


async def test_a_sign_on_is_kept_and_found_by_its_secret_alone(store, sample, store_clock):
    await sample.register(store)
    now = store_clock.now()
    await sample.sign_on(store, acr="urn:x", amr=("pwd", "otp"))
    view = await store.sign_on(b"o1")
    assert view.sign_on == SignOn(
        id="o1",
        account_id="ada",
        rev=0,
        device="Firefox on Linux",
        place="Vienna",
        created_at=now,
        auth_time=now,
        amr=("pwd", "otp"),
        acr="urn:x",
        last_used_at=now,
        idle_expires_at=now + DAY,
        expires_at=now + 30 * DAY,
        ended_at=None,
    )
    assert (view.account.id, view.rev, view.read_at) == ("ada", 0, now)
    for wrong in (b"", b"o2", b"o1\0", b"O1"):
        assert await store.sign_on(wrong) is None
    with pytest.raises(ValueError, match="exists"):
        await sample.sign_on(store)
    with pytest.raises(ValueError, match="exists"):
        await sample.sign_on(store, "o2", digest=b"o1")


@pytest.mark.parametrize("cut", ["disable", "all", "tenant", "everything"])
async def test_a_cut_off_ends_sign_ons_and_none_read_before_it_is_recorded_after_it(store, sample, store_clock, cut):
    await sample.register(store, tenant="t1")
    await sample.sign_on(store)
    now = store_clock.now()
    if cut == "disable":
        await store.disable_account("ada", sample.event())
        assert await store.sign_on(b"o1") is None
        await store.enable_account("ada", sample.event())
    elif cut == "all":
        await store.end_all_sessions("ada", spares=None, reason="x", audit=sample.event())
    else:
        value = {"tenant": "t1", "everything": ""}[cut]
        await store.cut_off(cut, value, spares=None, ends_families=True, cause="x", audit=sample.event())
    assert await store.sign_on(b"o1") is None
    assert list(await store.list_sign_ons("ada")) == []
    late = NewSignOn(
        id="late", digest=b"late", account_id="ada", rev=0, device="", place="", auth_time=now, amr=(), acr=None,
        idle_expires_at=now + DAY, expires_at=now + DAY,
    )  # fmt: skip
    assert not await store.start_sign_on(late, sample.event("late"))
    assert list(await store.audit_entries(before=None, limit=9, account_id=None, event="late")) == []
    await sample.sign_on(store, "o2")
    assert (await store.sign_on(b"o2")).sign_on.id == "o2"


async def test_a_cut_off_of_access_tokens_alone_leaves_sign_ons(store, sample):
    await sample.register(store, roles=("r",))
    await sample.sign_on(store)
    await store.set_roles("ada", (), sample.event())
    await store.cut_off("client", "app", spares=None, ends_families=True, cause="x", audit=sample.event())
    assert (await store.sign_on(b"o1")).sign_on.id == "o1"


async def test_a_sign_on_runs_out_when_idle_and_in_any_case_and_use_puts_off_the_first(store, sample, store_clock):
    await sample.register(store)
    await sample.sign_on(store, expires_at=store_clock.now() + 2 * DAY)
    store_clock.advance(DAY - 1)
    now = store_clock.now()
    await store.use_sign_on("o1", place="Graz", idle_expires_at=now + 9 * DAY)
    seen = (await store.sign_on(b"o1")).sign_on
    assert (seen.place, seen.last_used_at, seen.idle_expires_at) == ("Graz", now, now + 9 * DAY)
    store_clock.advance(DAY + 1)
    assert await store.sign_on(b"o1") is None
    await sample.sign_on(store, "o2")
    store_clock.advance(DAY)
    await store.use_sign_on("o2", place="Graz", idle_expires_at=store_clock.now() + DAY)
    assert await store.sign_on(b"o2") is None
    await store.use_sign_on("nothing", place="", idle_expires_at=0)


async def test_a_fresh_login_changes_the_secret_and_when_it_was_authenticated(store, sample, store_clock):
    await sample.register(store)
    await sample.sign_on(store)
    store_clock.advance(60)
    now = store_clock.now()

    def renew(rev, digest=b"new"):
        return store.renew_sign_on(
            "o1", digest=digest, auth_time=now, amr=("pwd", "otp"), acr="urn:2", rev=rev, audit=sample.event("renewed")
        )

    assert await renew(0)
    assert await store.sign_on(b"o1") is None
    seen = (await store.sign_on(b"new")).sign_on
    assert (seen.auth_time, seen.amr, seen.acr, seen.last_used_at) == (now, ("pwd", "otp"), "urn:2", now)
    await store.end_all_sessions("ada", spares=None, reason="x", audit=sample.event())
    assert not await renew(0, b"newer")
    assert not await renew(1, b"newer")
    assert await store.sign_on(b"newer") is None
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="renewed")) == 1


async def test_ending_a_sign_on_ends_the_sessions_in_it_and_no_other(store, sample):
    await sample.register(store)
    for name in ("o1", "o2"):
        await sample.sign_on(store, name)
        for client in ("app", "web"):
            code = await sample.code(store, f"{name}-{client}", name, client_id=client)
            await sample.redeem(store, code, f"s-{name}-{client}")
    offline = await sample.code(store, "offline")
    await sample.redeem(store, offline, "s-offline", sign_on=None)
    await sample.login(store, "first", client_id="first-party")
    assert not await store.end_sign_on("o1", account_id="eve", reason="x", audit=sample.event())
    done = await asyncio.gather(
        *(store.end_sign_on("o1", account_id="ada", reason="logout", audit=sample.event("race.won")) for _ in range(8))
    )
    assert done.count(True) == 1
    assert not await store.end_sign_on("nothing", account_id=None, reason="x", audit=sample.event())
    assert await store.sign_on(b"o1") is None
    assert {one.sid for one in await store.list_sessions("ada")} == {"s-o2-app", "s-o2-web", "s-offline", "first"}
    entries = (await store.cut_offs_after(None, limit=9)).entries
    assert [(one.axis, one.value, one.cause) for one in entries] == [
        ("session", "s-o1-app", "logout"),
        ("session", "s-o1-web", "logout"),
    ]
    assert not await sample.advance(store, "f-o1-app")
    assert await sample.advance(store, "f-o2-app")
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="race.won")) == 1


async def test_living_sign_ons_are_listed_newest_first(store, sample, store_clock):
    await sample.register(store)
    await sample.register(store, "eve")
    for number in range(4):
        await sample.sign_on(store, f"o{number}")
        store_clock.advance(1)
    await sample.sign_on(store, "e1", "eve")
    await store.end_sign_on("o2", account_id=None, reason="x", audit=sample.event())
    assert [one.id for one in await store.list_sign_ons("ada")] == ["o3", "o1", "o0"]
    assert [one.id for one in await store.list_sign_ons("ada", limit=1)] == ["o3"]


async def test_sessions_of_clients_are_found_by_account_sign_on_and_client(store, sample, store_clock):
    await sample.register(store)
    await sample.register(store, "eve")
    await sample.login(store, "first", client_id="first-party")
    for account, name in (("ada", "o1"), ("ada", "o2"), ("eve", "o3")):
        await sample.sign_on(store, name, account)
        for client in ("app", "web"):
            await sample.redeem(
                store, await sample.code(store, f"{name}-{client}", name, client_id=client), f"{name}-{client}"
            )
            store_clock.advance(1)
    await store.end_session("o1-web", account_id=None, reason="x", audit=sample.event())

    async def found(**asked):
        return [one.session.sid for one in await store.client_sessions(**asked)]

    assert await found(account_id="ada") == ["o2-web", "o2-app", "o1-app"]
    assert await found(sign_on="o1") == ["o1-app"]
    assert await found(client_id="web") == ["o3-web", "o2-web"]
    assert await found(client_id="web", account_id="ada", sign_on="o2") == ["o2-web"]
    assert await found() == ["o3-web", "o3-app", "o2-web", "o2-app", "o1-app"]
    assert await found(limit=2) == ["o3-web", "o3-app"]
    assert await found(client_id="first-party") == []
    (one,) = await store.client_sessions(sign_on="o1")
    assert (one.sign_on, one.session.account_id, one.session.client_id) == ("o1", "ada", "app")


async def test_whom_a_cut_off_ends_is_told_page_by_page(store, sample):
    await sample.register(store, tenant="t1")
    await sample.register(store, "eve")
    await sample.sign_on(store)
    await sample.sign_on(store, "e1", "eve")
    for number in range(3):
        await sample.redeem(store, await sample.code(store, f"c{number}", client_id=f"app{number}"), f"s{number}")
    await sample.redeem(store, await sample.code(store, "ce", "e1", client_id="app0"), "se")
    await sample.login(store, "first", client_id="first-party")

    async def ended(axis, value, since, spares=None):
        found, after = [], None
        while page := await store.sessions_ended_by(axis, value, spares=spares, since=since, limit=1, after=after):
            found += [one.session.sid for one in page]
            after = page[-1].session.sid
        return found

    await store.end_session("s2", account_id=None, reason="logout", audit=sample.event())
    assert await ended("session", "s2", 1) == ["s2"]
    roles = await store.cut_off("account", "ada", spares=None, ends_families=False, cause="x", audit=sample.event())
    assert await ended("account", "ada", roles.position) == []
    all_ = await store.end_all_sessions("ada", spares="s1", reason="x", audit=sample.event())
    assert await ended("account", "ada", all_, "s1") == ["s0"]
    later = await sample.sign_on(store, "o2")
    await sample.redeem(store, await sample.code(store, "later", later, client_id="app0"), "s-later")
    assert await ended("account", "ada", all_, "s1") == ["s0"]
    for axis, value, expected in (
        ("client", "app0", ["s-later", "s0", "se"]),
        ("everything", "", ["s-later", "s0", "s1", "se"]),
    ):
        entry = await store.cut_off(axis, value, spares=None, ends_families=True, cause="x", audit=sample.event())
        assert await ended(axis, value, entry.position) == expected
    assert await ended("tenant", "t1", entry.position) == ["s-later", "s0", "s1"]
    assert await ended("key", "k1", entry.position) == []


async def test_what_is_allowed_grows_and_is_withdrawn_with_every_session_there(store, sample, store_clock):
    await sample.register(store)
    await sample.sign_on(store)
    first = store_clock.now()
    await store.authorize("ada", "app", scope=("a", "b"), resource=("https://r1",), details=b"1", audit=sample.event())
    store_clock.advance(5)
    await store.authorize("ada", "app", scope=("c", "a"), resource=("https://r2",), details=b"", audit=sample.event())
    await store.authorize("ada", "web", scope=("a",), resource=(), details=b"", audit=sample.event())
    seen = await store.authorization("ada", "app")
    assert (seen.scope, seen.resource, seen.details) == (("a", "b", "c"), ("https://r1", "https://r2"), b"")
    assert (seen.granted_at, seen.updated_at) == (first, first + 5)
    assert [one.client_id for one in await store.authorizations("ada")] == ["app", "web"]
    assert [one.client_id for one in await store.authorizations("ada", after="app", limit=1)] == ["web"]
    await sample.redeem(store, await sample.code(store, "c1"), "s1")
    await sample.redeem(store, await sample.code(store, "c2"), "s2", sign_on=None)
    await sample.redeem(store, await sample.code(store, "c3", client_id="web"), "s3")
    open_code = await sample.code(store, "c4")
    done = await asyncio.gather(
        *(store.withdraw_authorization("ada", "app", sample.event("race.won")) for _ in range(8))
    )
    assert done.count(True) == 1
    assert await store.authorization("ada", "app") is None
    assert [one.sid for one in await store.list_sessions("ada")] == ["s3"]
    assert await store.code(open_code) is None
    assert len((await store.cut_offs_after(None, limit=9)).entries) == 2
    with pytest.raises(ValueError, match="account"):
        await store.authorize("nobody", "app", scope=(), resource=(), details=b"", audit=sample.event())


async def test_scopes_allowed_at_once_are_all_kept(store, sample):
    await sample.register(store)
    await asyncio.gather(
        *(
            store.authorize("ada", "app", scope=(f"s{n}",), resource=(), details=b"", audit=sample.event())
            for n in range(12)
        )
    )
    assert set((await store.authorization("ada", "app")).scope) == {f"s{n}" for n in range(12)}


async def test_a_profile_is_kept_for_accounts_that_are_there(store, sample):
    await sample.register(store)
    assert await store.profile("ada") == b"{}"
    assert await store.set_profile("ada", b'{"name":"Ada"}', sample.event("profile.changed"))
    assert await store.set_profile("ada", b'{"name":"Ada L."}', sample.event("profile.changed"))
    assert await store.profile("ada") == b'{"name":"Ada L."}'
    assert not await store.set_profile("nobody", b"{}", sample.event("profile.changed"))
    assert await store.profile("nobody") == b"{}"
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="profile.changed")) == 2


async def test_sign_ons_cut_off_with_their_accounts_are_swept_some_at_a_time(store, sample, store_clock):
    for account in ("ada", "bob"):
        await sample.register(store, account)
        for number in range(7):
            await sample.sign_on(store, f"{account}{number}", account)
        await store.end_all_sessions(account, spares=f"{account}3", reason="x", audit=sample.event())
    assert (await store.sweep(limit=5, retention=60)).deleted["sign_ons"] == 0
    store_clock.advance(60)
    swept = []
    while (report := await store.sweep(limit=5, retention=60)).more:
        swept.append(report.deleted["sign_ons"])
    assert swept == [5, 5]
    assert report.deleted["sign_ons"] == 2
    assert [one.id for one in await store.list_sign_ons("ada")] == ["ada3"]
    assert (await store.sign_on(b"bob3")).sign_on.id == "bob3"
