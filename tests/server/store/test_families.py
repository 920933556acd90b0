import pytest


async def test_a_family_is_seen_with_everything_a_refresh_consults(store, sample, store_clock):
    await sample.register(store, roles=("staff",))
    now = store_clock.now()
    family_id = await sample.login(
        store,
        family={"resource": ("https://api.test",), "sender_key": "thumb", "delivery": "body", "salt": b"\0\xff" * 8},
    )
    view = await store.family(family_id)
    family = view.family
    assert (family.id, family.sid, family.account_id, family.client_id) == ("f-s1", "s1", "ada", "web")
    assert (family.scope, family.resource, family.sender_key) == (
        ("openid", "offline_access"),
        ("https://api.test",),
        "thumb",
    )
    assert (family.delivery, family.salt, family.key_id, family.rev) == ("body", b"\0\xff" * 8, "m1", 0)
    assert (family.generation, family.rotated_at, family.refresh_count) == (0, now, 0)
    assert (family.device_kind, family.odd_count, family.odd_marked) == ("firefox/linux", 0, False)
    assert (family.idle_expires_at, family.expires_at) == (now + 86400, now + 30 * 86400)
    assert (family.revoked_at, family.revoked_reason) == (None, None)
    assert (view.account.roles, view.session_ended, view.auth_time, view.amr) == (("staff",), False, now, ("pwd",))
    assert (view.cut_off, view.rev, view.read_at) == (0, 0, now)
    assert await store.families_of("s1") == [family]
    assert list(await store.families_of("s2")) == []
    assert await store.family("nothing") is None


async def test_an_advance_moves_one_generation_and_is_counted_in_the_row(store, sample, store_clock):
    await sample.register(store)
    family_id = await sample.login(store)
    store_clock.advance(100)
    now = store_clock.now()
    before = await store.figures()
    done = await store.advance_refresh(
        family_id, from_generation=0, device_kind="safari/ios", place="Graz", idle_expires_at=now + 500
    )
    assert done
    family = (await store.family(family_id)).family
    assert (family.generation, family.rotated_at, family.refresh_count) == (1, now, 1)
    assert (family.device_kind, family.idle_expires_at) == ("safari/ios", now + 500)
    session = (await store.session_view("s1", "ada")).session
    assert (session.place, session.last_used_at, session.refresh_count) == ("Graz", now, 1)
    assert session.idle_expires_at == now + 500
    assert (await store.figures()).rows == before.rows


@pytest.mark.parametrize("generation", [-1, 0, 2, 1 << 70, -(1 << 70)])
async def test_an_advance_from_any_other_generation_changes_nothing(store, sample, generation):
    await sample.register(store)
    family_id = await sample.login(store)
    assert await sample.advance(store, family_id, 0)
    before = await store.family(family_id)
    assert not await sample.advance(store, family_id, generation)
    assert await store.family(family_id) == before
    assert not await store.advance_refresh(
        "nothing", from_generation=0, device_kind="x", place="x", idle_expires_at=9e9
    )


async def test_the_odd_count_leaks_one_for_each_generation_without_an_odd_repeat(store, sample):
    await sample.register(store)
    family_id = await sample.login(store)

    async def odd():
        family = (await store.family(family_id)).family
        return family.odd_count, family.odd_marked

    for generation in range(3):
        assert await store.mark_odd(family_id, generation=generation, audit=sample.event("refresh.odd"), notice=None)
        assert await odd() == (generation + 1, True)
        assert await sample.advance(store, family_id, generation)
        assert await odd() == (generation + 1, False)
    for generation, left in ((3, 2), (4, 1), (5, 0), (6, 0)):
        assert await sample.advance(store, family_id, generation)
        assert await odd() == (left, False)


async def test_an_odd_repeat_is_noted_once_a_generation_with_its_line_and_notice(store, sample, store_clock):
    await sample.register(store)
    family_id = await sample.login(store)
    for expected in (True, False):
        done = await store.mark_odd(
            family_id, generation=0, audit=sample.event("refresh.odd"), notice=sample.notice("refresh.odd")
        )
        assert done is expected
    assert not await store.mark_odd(family_id, generation=1, audit=sample.event("refresh.odd"), notice=None)
    assert not await store.mark_odd("nothing", generation=0, audit=sample.event("refresh.odd"), notice=None)
    (notice,) = await store.notices("ada")
    assert (notice.kind, notice.at, notice.detail) == ("refresh.odd", store_clock.now(), {"device": "Firefox on Linux"})
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="refresh.odd")) == 1


async def test_a_revoked_family_takes_its_session_and_access_tokens_along_and_never_comes_back(
    store, sample, store_clock
):
    await sample.register(store)
    family_id = await sample.login(store)
    for expected in (True, False):
        done = await store.revoke_family(
            family_id, reason="reuse", audit=sample.event("refresh.reused"), notice=sample.notice()
        )
        assert done is expected
    view = await store.family(family_id)
    assert (view.session_ended, view.family.revoked_at, view.family.revoked_reason) == (
        True,
        store_clock.now(),
        "reuse",
    )
    assert not await sample.advance(store, family_id)
    assert not await store.mark_odd(family_id, generation=0, audit=sample.event(), notice=None)
    assert not await store.end_session("s1", account_id=None, reason="logout", audit=sample.event())
    (entry,) = (await store.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value, entry.cause) == ("session", "s1", "reuse")
    assert len(await store.notices("ada")) == 1
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="refresh.reused")) == 1
    assert not await store.revoke_family("nothing", reason="reuse", audit=sample.event(), notice=None)


async def test_a_family_already_ended_by_logout_is_not_revoked_again(store, sample):
    await sample.register(store)
    family_id = await sample.login(store)
    await store.end_session("s1", account_id="ada", reason="logout", audit=sample.event())
    assert not await store.revoke_family(family_id, reason="reuse", audit=sample.event(), notice=sample.notice())
    assert (await store.family(family_id)).family.revoked_reason == "logout"
    assert list(await store.notices("ada")) == []
