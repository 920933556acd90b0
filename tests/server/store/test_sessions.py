import pytest
from watchword_server.store.records import Session


async def test_a_login_is_kept_with_its_family(store, sample, store_clock):
    await sample.register(store)
    now = store_clock.now()
    await sample.login(store)
    view = await store.session_view("s1", "ada")
    assert view.session == Session(
        sid="s1",
        account_id="ada",
        client_id="web",
        rev=0,
        device="Firefox on Linux",
        place="Vienna",
        created_at=now,
        auth_time=now,
        amr=("pwd",),
        last_used_at=now,
        refresh_count=0,
        idle_expires_at=now + 86400,
        expires_at=now + 30 * 86400,
        ended_at=None,
        end_reason=None,
    )
    assert (view.account.id, view.alive, view.token_cut_off, view.rev, view.read_at) == ("ada", True, 0, 0, now)
    assert (await store.audit_entries(before=None, limit=1, account_id=None, event=None))[0].event.sid == "s1"


async def test_a_session_is_seen_only_with_its_own_account(store, sample):
    await sample.register(store)
    await sample.register(store, "eve")
    await sample.login(store)
    assert await store.session_view("s1", "eve") is None
    assert await store.session_view("s2", "ada") is None
    assert await store.session_view("", "ada") is None


@pytest.mark.parametrize("cut", ["disable", "change", "all", "client", "tenant", "everything"])
async def test_a_login_read_before_a_cut_off_is_not_recorded_after_it(store, sample, store_clock, cut):
    await sample.register(store, tenant="t1")
    before = (await store.account("ada")).rev
    if cut == "disable":
        await store.disable_account("ada", sample.event())
        await store.enable_account("ada", sample.event())
    elif cut == "change":
        await store.change_password("ada", old_hash=None, new_hash="n", spares=None, audit=sample.event())
    elif cut == "all":
        await store.end_all_sessions("ada", spares=None, reason="asked", audit=sample.event())
    else:
        value = {"client": "web", "tenant": "t1", "everything": ""}[cut]
        await store.cut_off(cut, value, spares=None, ends_families=True, cause="test", audit=sample.event())
    audit_lines = (await store.figures()).rows["audit"]
    assert not await store.start_session(sample.session(store_clock.now(), rev=before), sample.event())
    figures = await store.figures()
    assert (figures.rows["sessions"], figures.rows["families"], figures.rows["audit"]) == (0, 0, audit_lines)
    await sample.login(store)
    assert (await store.session_view("s1", "ada")).alive


async def test_a_login_of_an_unknown_account_is_not_recorded(store, sample, store_clock):
    assert not await store.start_session(sample.session(store_clock.now(), account_id="nobody"), sample.event())
    assert (await store.figures()).rows["audit"] == 0


async def test_an_id_that_exists_is_refused_and_the_session_there_is_untouched(store, sample, store_clock):
    await sample.register(store)
    await sample.login(store)
    for new in (
        sample.session(store_clock.now(), "s1", device="Other", family={"id": "f-other"}),
        sample.session(store_clock.now(), "s2", family={"id": "f-s1"}),
    ):
        with pytest.raises(ValueError, match="exists"):
            await store.start_session(new, sample.event())
    assert (await store.session_view("s1", "ada")).session.device == "Firefox on Linux"
    assert await store.session_view("s2", "ada") is None
    assert (await store.figures()).rows["sessions"] == 1


async def test_a_logout_ends_session_family_and_access_tokens_for_exactly_one_caller(store, sample, store_clock):
    await sample.register(store)
    family = await sample.login(store)
    store_clock.advance(5)
    assert await store.end_session("s1", account_id="ada", reason="logout", audit=sample.event("session.ended"))
    assert not await store.end_session("s1", account_id="ada", reason="logout", audit=sample.event("session.ended"))
    view = await store.session_view("s1", "ada")
    assert (view.alive, view.session.ended_at, view.session.end_reason) == (False, store_clock.now(), "logout")
    seen = await store.family(family)
    assert (seen.session_ended, seen.family.revoked_at, seen.family.revoked_reason) == (
        True,
        store_clock.now(),
        "logout",
    )
    assert not await sample.advance(store, family)
    (entry,) = (await store.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value, entry.cause) == ("session", "s1", "logout")
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="session.ended")) == 1


async def test_nothing_is_written_for_a_session_that_is_not_there_not_ones_own_or_dead(store, sample):
    await sample.register(store)
    await sample.register(store, "eve")
    await sample.login(store)
    await sample.login(store, "s2")
    await store.end_all_sessions("ada", spares="s1", reason="asked", audit=sample.event())
    before = await store.figures()
    assert not await store.end_session("s1", account_id="eve", reason="attack", audit=sample.event())
    assert not await store.end_session("nothing", account_id=None, reason="x", audit=sample.event())
    assert not await store.end_session("s2", account_id=None, reason="x", audit=sample.event())
    assert await store.figures() == before
    assert (await store.session_view("s1", "ada")).alive
    assert await store.end_session("s1", account_id=None, reason="terminated", audit=sample.event())


async def test_a_session_runs_out_when_idle_and_in_any_case(store, sample, store_clock):
    await sample.register(store)
    await sample.login(store, "idle")
    busy = await sample.login(store, "busy")
    store_clock.advance(86399)
    assert await sample.advance(store, busy)
    assert {session.sid for session in await store.list_sessions("ada")} == {"idle", "busy"}
    store_clock.advance(1)
    assert [session.sid for session in await store.list_sessions("ada")] == ["busy"]
    assert not (await store.session_view("idle", "ada")).alive
    assert not await sample.advance(store, "f-idle")
    assert await sample.advance(store, busy, 1, idle=40 * 86400)
    store_clock.advance(29 * 86400 - 1)
    assert (await store.session_view("busy", "ada")).alive
    store_clock.advance(1)
    assert (await store.family(busy)).session_ended
    assert not (await store.session_view("busy", "ada")).alive
    assert not await sample.advance(store, busy, 2)


async def test_a_session_that_ran_out_can_be_ended_while_a_token_of_it_may_live(store, sample, store_clock):
    await store.declare_lifetime("access_token", 600)
    await sample.register(store)
    await sample.login(store, "s1")
    await sample.login(store, "s2")
    store_clock.advance(86400 + 600)
    assert await store.end_session("s1", account_id="ada", reason="logout", audit=sample.event())
    store_clock.advance(60)
    assert not await store.end_session("s2", account_id="ada", reason="logout", audit=sample.event())
    assert [entry.value for entry in (await store.cut_offs_after(None, limit=9)).entries] == ["s1"]


async def test_all_sessions_end_by_one_entry_and_rows_are_left_alone(store, sample):
    await sample.register(store)
    families = [await sample.login(store, f"s{number}") for number in range(20)]
    position = await store.end_all_sessions("ada", spares="s7", reason="asked", audit=sample.event("sessions.ended"))
    assert position == (await store.head()).position == 1
    assert [session.sid for session in await store.list_sessions("ada")] == ["s7"]
    assert [await sample.advance(store, family) for family in families].count(True) == 1
    (entry,) = (await store.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value, entry.spares, entry.cause) == ("account", "ada", "s7", "asked")
    assert await store.end_all_sessions("ada", spares=None, reason="asked", audit=sample.event()) == 2
    assert await store.list_sessions("ada") == []


async def test_sessions_of_one_account_are_listed_newest_first_page_by_page(store, sample, store_clock):
    await sample.register(store)
    await sample.register(store, "bob")
    for number in range(5):
        await sample.login(store, f"s{number}")
        store_clock.advance(1)
    await sample.login(store, "b1", "bob")
    first = [session.sid for session in await store.list_sessions("ada", limit=2)]
    assert first == ["s4", "s3"]
    assert [session.sid for session in await store.list_sessions("ada", after="s3")] == ["s2", "s1", "s0"]
    assert [session.sid for session in await store.list_sessions(None, limit=3)] == ["b1", "s0", "s1"]
    assert [session.sid for session in await store.list_sessions(None, after="s1")] == ["s2", "s3", "s4"]
    assert list(await store.list_sessions("nobody")) == []


async def test_sessions_started_in_the_same_moment_are_listed_once_each(store, sample):
    await sample.register(store)
    for number in range(5):
        await sample.login(store, f"s{number}")
    seen, after = [], None
    while page := await store.list_sessions("ada", after=after, limit=2):
        seen += [session.sid for session in page]
        after = page[-1].sid
    assert sorted(seen) == ["s0", "s1", "s2", "s3", "s4"]


async def test_a_disabled_account_has_no_living_session(store, sample):
    await sample.register(store)
    await sample.login(store)
    await store.disable_account("ada", sample.event())
    assert await store.list_sessions(None) == []
    assert await store.list_sessions("ada") == []


async def test_a_view_with_a_token_cut_off_by_itself_is_not_alive(store, sample):
    await sample.register(store)
    await sample.login(store)
    await store.cut_off("token", "j1", spares=None, ends_families=False, cause="revoked", audit=sample.event())
    assert not (await store.session_view("s1", "ada", jti="j1")).alive
    assert (await store.session_view("s1", "ada", jti="j2")).alive
    assert (await store.session_view("s1", "ada")).alive


@pytest.mark.parametrize(
    ("axis", "value"), [("account", "ada"), ("client", "web"), ("tenant", "t1"), ("everything", "")]
)
@pytest.mark.parametrize("ends_families", [True, False])
async def test_a_view_shows_cut_offs_on_every_axis_that_compares_rev(store, sample, axis, value, ends_families):
    await sample.register(store, tenant="t1")
    family = await sample.login(store)
    await store.cut_off(axis, value, spares=None, ends_families=ends_families, cause="test", audit=sample.event())
    view = await store.session_view("s1", "ada")
    assert (view.token_cut_off, view.alive) == (1, not ends_families)
    assert (await store.family(family)).cut_off == (1 if ends_families else 0)
    assert await sample.advance(store, family) is not ends_families
    assert len(await store.list_sessions("ada")) == (0 if ends_families else 1)


@pytest.mark.parametrize(("axis", "value"), [("account", "eve"), ("client", "app"), ("tenant", "t2")])
async def test_a_cut_off_of_another_account_client_or_tenant_touches_nothing(store, sample, axis, value):
    await sample.register(store, tenant="t1")
    await sample.register(store, "bob")
    family, other = await sample.login(store), await sample.login(store, "b1", "bob")
    await store.cut_off(axis, value, spares=None, ends_families=True, cause="test", audit=sample.event())
    for sid, account_id in (("s1", "ada"), ("b1", "bob")):
        view = await store.session_view(sid, account_id)
        assert (view.token_cut_off, view.alive) == (0, True)
    assert await sample.advance(store, family)
    assert await sample.advance(store, other)
