from dataclasses import dataclass

import pytest
from watchword_server.store.log import LEEWAY, SESSION_QUOTA, UNDECLARED_LIFETIME, link
from watchword_server.store.records import Cursor, CutOff


async def cut(store, sample, axis, value, *, spares=None, ends_families=True, cause="test", **audit):
    return await store.cut_off(
        axis, value, spares=spares, ends_families=ends_families, cause=cause, audit=sample.event("cut.off", **audit)
    )


async def entries(store):
    return (await store.cut_offs_after(None, limit=1000)).entries


def kills(entry: CutOff, sid: str, rev: int) -> bool:
    """The rule of the records, for the axes that compare rev."""
    return rev < entry.position and not (sid == entry.spares and rev >= entry.floor)


async def test_a_fresh_log_is_empty_with_a_random_epoch(store):
    head = await store.head()
    assert (head.position, head.chain, len(head.epoch)) == (0, "0" * 64, 32)
    batch = await store.cut_offs_after(None, limit=10)
    assert (batch.entries, batch.cursor, batch.more, batch.snapshot) == ((), head, False, True)
    again = await store.cut_offs_after(head, limit=10)
    assert (again.entries, again.cursor, again.more, again.snapshot) == ((), head, False, False)


async def test_a_cursor_at_the_start_of_the_log_is_known_for_good(store, sample):
    start = await store.head()
    await cut(store, sample, "token", "a")
    await cut(store, sample, "token", "b")
    batch = await store.cut_offs_after(start, limit=9)
    assert ([entry.value for entry in batch.entries], batch.snapshot) == (["a", "b"], False)


async def test_an_entry_lives_as_long_as_the_longest_lived_token_and_leeway(store, sample, store_clock):
    now = store_clock.now()
    assert (await cut(store, sample, "token", "a")).expires_at == now + UNDECLARED_LIFETIME + LEEWAY
    assert await store.declare_lifetime("access_token", 600) == 600
    assert await store.declare_lifetime("access_token", 300) == 600
    assert await store.declare_lifetime("signed_url", 900) == 900
    entry = await cut(store, sample, "token", "b", cause="revoked")
    assert (entry.at, entry.expires_at, entry.cause) == (now, now + 900 + LEEWAY, "revoked")
    store_clock.advance(900 + LEEWAY - 1)
    assert [entry.value for entry in await entries(store)] == ["a", "b"]
    store_clock.advance(1)
    assert [entry.value for entry in await entries(store)] == ["a"]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e300])
async def test_a_lifetime_that_is_no_number_of_seconds_is_refused(store, seconds):
    with pytest.raises(ValueError, match="lifetime"):
        await store.declare_lifetime("access_token", seconds)


@pytest.mark.parametrize(("axis", "value"), [("account", ""), ("everything", "x"), ("token", "")])
async def test_a_value_that_is_none_of_its_axis_is_refused(store, sample, axis, value):
    with pytest.raises(ValueError, match="axis"):
        await cut(store, sample, axis, value)
    assert (await store.head()).position == 0


async def test_the_chain_is_that_of_the_rule_on_both_engines(store, sample, store_clock):
    first = await cut(store, sample, "token", "jti-1")
    store_clock.advance(0.125)
    second = await cut(store, sample, "account", "zoë", spares="s1", cause="x")
    chain = bytes(32)
    for entry in (first, second):
        chain = link(
            *(chain, entry.position, entry.axis, entry.value, entry.spares, entry.floor, entry.at, entry.expires_at)
        )
    assert (await store.head()).chain == chain.hex()


async def test_one_entry_an_axis_and_value_is_alive(store, sample):
    for _ in range(3):
        await cut(store, sample, "account", "ada")
        await cut(store, sample, "client", "ada")
    assert [(entry.position, entry.axis) for entry in await entries(store)] == [(5, "account"), (6, "client")]
    assert (await store.head()).position == 6


@pytest.mark.parametrize("axis", ["token", "session", "family", "key"])
async def test_what_is_dead_is_dead_and_needs_no_second_entry(store, sample, store_clock, axis):
    first = await cut(store, sample, axis, "x")
    store_clock.advance(10)
    assert await cut(store, sample, axis, "x", cause="again") == first
    assert (await store.head()).position == 1
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="cut.off")) == 1
    store_clock.advance(UNDECLARED_LIFETIME + LEEWAY)
    assert (await cut(store, sample, axis, "x")).position == 2


@dataclass
class History:
    """Cut-offs as (spares, ...) in order, with the floor the last one must have."""

    spares: tuple[str | None, ...]
    floor: int


@pytest.mark.parametrize(
    ("spares", "floor"),
    [
        ((None,), 0),
        (("a",), 0),
        (("a", "a"), 0),
        ((None, "a"), 1),
        (("b", "a"), 1),
        (("a", "b", "a"), 2),
        ((None, "a", "a"), 1),
        ((None, "a", "b", "b"), 2),
        (("a", "a", "b", "a", "a"), 3),
        ((None, None, "a", "a", "a"), 2),
    ],
)
@pytest.mark.parametrize("axis", ["account", "client", "tenant", "everything"])
async def test_the_floor_is_the_last_earlier_cut_off_that_did_not_spare(store, sample, axis, spares, floor):
    value = {"account": "ada", "client": "web", "tenant": "t1", "everything": ""}[axis]
    for spared in spares:
        entry = await cut(store, sample, axis, value, spares=spared)
    assert entry.floor == floor


@pytest.mark.parametrize("axis", ["account", "client", "everything"])
async def test_one_entry_kills_what_all_cut_offs_before_it_would_have_killed_one_by_one(store, sample, axis):
    """Exhaustive over four cut-offs sparing a, b or nobody, some for access tokens only."""
    value = {"account": "ada", "client": "web", "everything": ""}[axis]
    await sample.register(store)
    for number, (sid, start) in enumerate((s, r) for s in "abc" for r in range(2)):
        await sample.login(store, f"{sid}{start}{number}")
    written: list[tuple[int, str | None, bool]] = []
    base = 0
    for code in range(3**4):
        for step in range(4):
            spares = (None, "a", "b")[code // 3**step % 3]
            ends_families = (code + step) % 4 != 0
            entry = await cut(store, sample, axis, value, spares=spares, ends_families=ends_families)
            written.append((entry.position, spares, ends_families))
        (alive,) = await entries(store)
        for sid in ("a", "b", "c"):
            for rev in range(base, entry.position + 1):
                one_by_one = any(rev < position and spared != sid for position, spared, _ in written)
                assert kills(alive, sid, rev) is one_by_one, (code, sid, rev)
        base = max(0, entry.position - 8)


@pytest.mark.parametrize("axis", ["account", "tenant", "everything"])
async def test_families_die_by_the_cut_offs_that_end_families_and_by_no_others(store, sample, axis):
    value = {"account": "ada", "tenant": "t1", "everything": ""}[axis]
    await sample.register(store, tenant="t1")
    families = {sid: await sample.login(store, sid) for sid in ("a", "b")}

    async def dead(sid):
        view = await store.family(families[sid])
        return view.family.rev < view.cut_off

    await cut(store, sample, axis, value, ends_families=False)
    await cut(store, sample, axis, value, spares="a")
    assert (await dead("a"), await dead("b")) == (False, True)
    await cut(store, sample, axis, value, spares=None, ends_families=False)
    await cut(store, sample, axis, value, spares="a")
    assert not await dead("a")
    await cut(store, sample, axis, value, spares="b")
    assert await dead("a")
    await cut(store, sample, axis, value, spares="a")
    assert await dead("a")


async def test_a_session_cut_off_directly_is_ended_with_its_family(store, sample):
    await sample.register(store)
    for axis, value, sid in (("session", "s1", "s1"), ("family", "f-s2", "s2")):
        family_id = await sample.login(store, sid)
        await cut(store, sample, axis, value)
        assert not (await store.session_view(sid, "ada")).alive
        assert not await sample.advance(store, family_id)
    assert [(entry.axis, entry.value) for entry in await entries(store)] == [
        *(("session", "s1"), ("session", "s2"), ("family", "f-s2"))
    ]
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="cut.off")) == 2


async def test_a_key_cut_off_directly_is_distrusted(store, sample):
    await store.add_key(sample.key(), unless_state=None, audit=sample.event())
    await cut(store, sample, "key", "k1")
    assert [key.state for key in await store.keys()] == ["distrusted"]


async def test_logins_and_logouts_in_a_loop_cannot_flood_the_log(store, sample, store_clock):
    await sample.register(store)
    await sample.register(store, "bob")
    other = await sample.login(store, "living")
    await sample.login(store, "bobs", "bob")
    await store.end_session("bobs", account_id="bob", reason="logout", audit=sample.event())
    for number in range(SESSION_QUOTA):
        await sample.login(store, f"s{number}")
        assert await store.end_session(f"s{number}", account_id="ada", reason="logout", audit=sample.event())
    assert len(await entries(store)) == SESSION_QUOTA + 1
    await sample.login(store, "last")
    assert await store.end_session("last", account_id="ada", reason="logout", audit=sample.event())
    bobs, ours = await entries(store)
    assert (bobs.axis, bobs.value) == ("session", "bobs")
    assert (ours.axis, ours.value, ours.spares) == ("account", "ada", None)
    assert not (await store.session_view("last", "ada")).alive
    view = await store.session_view("living", "ada")
    assert (view.alive, view.token_cut_off) == (True, ours.position)
    assert await sample.advance(store, other)
    assert (await store.account("ada")).rev == ours.position
    store_clock.advance(1)
    for number in range(SESSION_QUOTA):
        await sample.login(store, f"t{number}")
        assert await store.end_session(f"t{number}", account_id="ada", reason="logout", audit=sample.event())
    assert len(await entries(store)) == SESSION_QUOTA + 2


async def test_pages_follow_one_another_and_end_at_the_head(store, sample):
    for number in range(7):
        await cut(store, sample, "token", f"j{number}")
    cursor, seen, pages = None, [], 0
    while True:
        batch = await store.cut_offs_after(cursor, limit=3)
        assert batch.snapshot is (cursor is None)
        seen += [entry.value for entry in batch.entries]
        cursor, pages = batch.cursor, pages + 1
        if not batch.more:
            break
    assert (seen, pages, cursor) == ([f"j{number}" for number in range(7)], 3, await store.head())
    await cut(store, sample, "token", "j7")
    batch = await store.cut_offs_after(cursor, limit=3)
    assert ([entry.value for entry in batch.entries], batch.more, batch.snapshot) == (["j7"], False, False)
    assert (await store.cut_offs_after(None, limit=8)).more is False
    assert len((await store.cut_offs_after(None, limit=0)).entries) == 1


async def test_a_cursor_on_an_entry_that_was_replaced_is_still_known(store, sample):
    await cut(store, sample, "account", "ada")
    cursor = await store.head()
    await cut(store, sample, "account", "ada")
    await cut(store, sample, "token", "j")
    batch = await store.cut_offs_after(cursor, limit=9)
    assert ([entry.position for entry in batch.entries], batch.snapshot) == ([2, 3], False)


async def test_a_cursor_that_is_not_of_this_log_gets_everything_as_a_snapshot(store, sample, store_clock):
    for number in range(3):
        await cut(store, sample, "token", f"j{number}")
    head = await store.head()
    for cursor in (
        Cursor(epoch="0" * 32, position=head.position, chain=head.chain),
        Cursor(epoch=head.epoch, position=head.position + 1, chain=head.chain),
        Cursor(epoch=head.epoch, position=head.position, chain="0" * 64),
        Cursor(epoch=head.epoch, position=head.position - 1, chain=head.chain),
        Cursor(epoch=head.epoch, position=-1, chain=head.chain),
        Cursor(epoch=head.epoch, position=1 << 200, chain=head.chain),
        Cursor(epoch="", position=0, chain=""),
        Cursor(epoch="\0", position=0, chain="\udc80"),
        Cursor(epoch="'; DROP TABLE revocations; --", position=1, chain="x" * 100_000),
    ):
        batch = await store.cut_offs_after(cursor, limit=9)
        assert (len(batch.entries), batch.snapshot, batch.cursor) == (3, True, head)
    assert batch.read_at == store_clock.now()


async def test_a_cursor_whose_entry_was_swept_gets_a_snapshot_and_the_heads_is_never_swept(store, sample, store_clock):
    await cut(store, sample, "token", "old")
    cursor = await store.head()
    await cut(store, sample, "token", "head")
    head = await store.head()
    store_clock.advance(UNDECLARED_LIFETIME + LEEWAY)
    report = await store.sweep(limit=100, retention=0)
    assert report.deleted["revocations"] == 1
    assert (await store.cut_offs_after(cursor, limit=9)).snapshot
    await cut(store, sample, "token", "new")
    batch = await store.cut_offs_after(head, limit=9)
    assert ([entry.value for entry in batch.entries], batch.snapshot) == (["new"], False)


async def test_after_a_restore_nothing_from_before_it_lives_not_even_what_the_backup_never_saw(store, sample):
    await sample.register(store)
    family_id = await sample.login(store)
    await cut(store, sample, "token", "j")
    before = await store.head()
    lost = before.position + 1000  # a token issued after the backup was made
    head = await store.begin_epoch(sample.event("store.restored"))
    assert head == await store.head()
    assert head.epoch != before.epoch
    assert head.position > lost
    batch = await store.cut_offs_after(before, limit=9)
    assert (batch.snapshot, batch.cursor) == (True, head)
    entry = batch.entries[-1]
    assert (entry.axis, kills(entry, "s1", lost), kills(entry, "new", head.position)) == ("everything", True, False)
    assert not (await store.session_view("s1", "ada")).alive
    assert not await sample.advance(store, family_id)
    assert (await store.account("ada")).rev == head.position
    await sample.login(store, "s2")
    assert (await store.session_view("s2", "ada")).alive
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="store.restored")) == 1
    assert (await store.begin_epoch(sample.event())).epoch != head.epoch
