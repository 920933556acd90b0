import asyncio

import pytest
from watchword_server.store.log import LEEWAY, UNDECLARED_LIFETIME
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.statements import TABLES

DAY = 86400


async def sweep_all(store, retention=0.0, limit=100):
    total: dict[str, int] = {}
    while True:
        report = await store.sweep(limit=limit, retention=retention)
        for table, count in report.deleted.items():
            total[table] = total.get(table, 0) + count
        if not report.more:
            return {table: count for table, count in total.items() if count}


async def test_a_dead_session_is_kept_for_the_retention_and_then_deleted_with_its_family(store, sample, store_clock):
    await sample.register(store)
    for sid in ("out", "idle", "alive"):
        await sample.login(store, sid)
    await store.end_session("out", account_id=None, reason="logout", audit=sample.event())
    assert await sweep_all(store, retention=60) == {}
    store_clock.advance(59)
    assert await sweep_all(store, retention=60) == {}
    store_clock.advance(1)
    assert await sweep_all(store, retention=60) == {"sessions": 1, "families": 1}
    assert await store.session_view("out", "ada") is None
    assert await store.family("f-out") is None
    assert await sample.advance(store, "f-alive", idle=2 * DAY)
    store_clock.advance(DAY)
    store_clock.advance(60)
    assert await sweep_all(store, retention=60) == {"sessions": 1, "families": 1}
    assert await store.session_view("idle", "ada") is None
    assert (await store.session_view("alive", "ada")).alive
    store_clock.advance(DAY + 120)
    assert (await sweep_all(store, retention=60))["sessions"] == 1
    assert (await store.figures()).rows["families"] == 0


async def test_a_session_in_use_is_put_off_again_and_again_and_never_deleted(store, sample, store_clock):
    await sample.register(store)
    family_id = await sample.login(store)
    for generation in range(5):
        store_clock.advance(DAY - 1)
        assert await sample.advance(store, family_id, generation)
        assert await sweep_all(store) == {}
    store_clock.advance(DAY)
    assert await sweep_all(store) == {"sessions": 1, "families": 1}


async def test_sessions_cut_off_with_their_account_are_swept_whatever_their_number(store, sample, store_clock):
    await sample.register(store)
    for number in range(25):
        await sample.login(store, f"s{number}")
    await store.end_all_sessions("ada", spares="s3", reason="asked", audit=sample.event())
    assert await sweep_all(store, retention=60, limit=10) == {}
    store_clock.advance(60)
    assert await sweep_all(store, retention=60, limit=10) == {"sessions": 24, "families": 24}
    assert [session.sid for session in await store.list_sessions("ada")] == ["s3"]
    assert not await store.start_session(sample.session(store_clock.now(), "late", rev=0), sample.event())


async def test_cut_offs_are_forgotten_when_nothing_is_left_to_kill(store, sample, store_clock):
    for number in range(5):
        await store.cut_off("token", f"j{number}", spares=None, ends_families=False, cause="x", audit=sample.event())
    store_clock.advance(UNDECLARED_LIFETIME + LEEWAY - 1)
    assert await sweep_all(store) == {}
    store_clock.advance(1)
    assert await sweep_all(store, limit=2) == {"revocations": 4}
    assert (await store.head()).position == 5


@pytest.mark.parametrize(("axis", "value"), [("client", "web"), ("tenant", "t1"), ("everything", "")])
async def test_a_cut_off_of_families_is_kept_while_one_is_older_and_no_late_login_slips_in_after(
    store, sample, store_clock, axis, value
):
    await sample.register(store, tenant="t1")
    family_id = await sample.login(store)
    await store.cut_off(axis, value, spares=None, ends_families=True, cause="x", audit=sample.event())
    store_clock.advance(UNDECLARED_LIFETIME + LEEWAY)
    assert await sweep_all(store, retention=3600 * 5) == {}
    assert (await store.family(family_id)).cut_off == 1
    store_clock.advance(DAY)
    assert (await sweep_all(store))["family_cutoffs"] == 1
    assert (await store.figures()).rows["family_cutoffs"] == 0
    assert not await store.start_session(sample.session(store_clock.now(), "late", rev=0), sample.event())
    assert await store.start_session(sample.session(store_clock.now(), "new", rev=1), sample.event())


async def test_windows_that_are_over_and_notices_that_were_read_are_swept(store, sample, store_clock):
    await sample.register(store)
    for number in range(4):
        family_id = await sample.login(store, f"s{number}")
        await store.revoke_family(family_id, reason="x", audit=sample.event(), notice=sample.notice())
    await store.read_notices("ada", (await store.notices("ada"))[1].id)
    await store.count_failure(["a", "b", "c"], window=60)
    store_clock.advance(30)
    await store.count_failure(["d"], window=60)
    store_clock.advance(30)
    swept = await sweep_all(store, retention=60, limit=2)
    assert (swept["failures"], swept["notices"]) == (3, 3)
    assert [failures.key for failures in await store.failures(["a", "d"])] == ["d"]
    assert len(await store.notices("ada")) == 1


async def test_one_sweep_deletes_about_as_many_rows_as_it_was_told(store, sample, store_clock):
    await sample.register(store)
    for number in range(12):
        await sample.login(store, f"s{number}")
        await store.end_session(f"s{number}", account_id=None, reason="x", audit=sample.event())
    report = await store.sweep(limit=5, retention=0)
    assert (report.deleted["sessions"], report.more) == (5, True)
    assert await sweep_all(store, limit=5) == {"sessions": 7, "families": 7}


async def test_rows_come_back_to_where_they_were_after_many_logins_and_logouts(store, sample, store_clock):
    """The bounded form of the soak: state follows the living, not the past."""
    await sample.register(store)
    await sample.login(store, "living")
    before = (await store.figures()).rows
    for round_ in range(4):
        for number in range(40):
            family_id = await sample.login(store, f"s{round_}-{number}")
            await sample.advance(store, family_id)
            assert await store.end_session(f"s{round_}-{number}", account_id="ada", reason="x", audit=sample.event())
        store_clock.advance(UNDECLARED_LIFETIME + LEEWAY)
        await sweep_all(store)
    after = (await store.figures()).rows
    assert after.pop("audit") == before.pop("audit") + 4 * 80
    assert after.pop("revocation_news") == before.pop("revocation_news") + 4 * 40  # nobody has followed the log
    assert after.pop("revocations") == before.pop("revocations") + 1
    assert after == before


async def test_figures_count_every_table(store, sample):
    await sample.register(store)
    await sample.login(store)
    figures = await store.figures()
    assert figures.rows == dict.fromkeys(TABLES, 0) | {"accounts": 1, "sessions": 1, "families": 1, "audit": 2}
    assert figures.bytes > 0


async def test_a_store_that_is_not_open_or_closed_is_unavailable_and_closing_twice_is_fine(store, sample):
    await store.ping()
    with pytest.raises(RuntimeError, match="open already"):
        await store.open(migrate=True)
    await store.close()
    await store.close()
    for attempt in (
        store.ping(),
        store.head(),
        store.account("ada"),
        store.list_accounts(after=None, limit=1, search=None),
        store.append_audit(sample.event()),
        store.advance_refresh("f", from_generation=0, device_kind="", place="", idle_expires_at=0),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    await store.open(migrate=False)
    await store.ping()


async def test_what_was_accepted_is_finished_before_closing(store, sample):
    acts = [asyncio.ensure_future(store.append_audit(sample.event())) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*acts) == [None] * 50
    await store.open(migrate=False)
    assert (await store.figures()).rows["audit"] == 50
