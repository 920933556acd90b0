"""Cut-offs in a real Redis or Valkey: every axis, merging, expiry, and what happens to it meanwhile."""

import asyncio
import itertools
import random

import pytest
from denylist import PREFIX, KeyServer, Reader, Token, following, until
from road import Road
from watchword.verify.revocation import CutOff as FeedCutOff
from watchword.verify.revocation import RevocationView
from watchword_server.revocation import denylist_writer as writer_module
from watchword_server.revocation.denylist import (
    entry_of,
    heartbeat_age,
    heartbeat_key,
    key_of,
    place_key,
    place_of,
    value_of,
)
from watchword_server.revocation.denylist_writer import DenylistWriter
from watchword_server.store import valkey
from watchword_server.store.denylist import DenylistUnavailable, Entry, Look, Outcome, Page
from watchword_server.store.open import denylist_from_url
from watchword_server.store.records import CutOff
from watchword_server.web.metrics import Metrics

PLACE, HEARTBEAT = place_key(PREFIX), heartbeat_key(PREFIX)
MINUTE = 60_000


@pytest.fixture
def store_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/watchword.db"


@pytest.fixture(params=["valkey", "redis-6.2"])
async def server(request, tmp_path):
    server = KeyServer(request.param, tmp_path)
    await server.start()
    yield server
    server.kill()


class World:
    def __init__(self, server, store, sample, clock) -> None:
        self.server, self.store, self.sample, self.clock = server, store, sample, clock
        self.client = server.client()
        self.reader = Reader(self.client)
        self.metrics = Metrics()
        self.keys = self.make_keys()
        self.writer = self.make_writer()
        self._made = [self.keys]

    def make_keys(self, url: str | None = None):
        return denylist_from_url(url or self.server.url, place=PLACE, heartbeat=HEARTBEAT)

    def make_writer(self, keys=None, log=None, metrics=None, max_staleness=30.0) -> DenylistWriter:
        return DenylistWriter(
            log or self.store,
            keys or self.keys,
            metrics or self.metrics,
            prefix=PREFIX,
            max_staleness=max_staleness,
            clock=self.clock,
        )

    async def cut(self, axis, value, *, spares=None) -> CutOff:
        return await self.store.cut_off(
            axis, value, spares=spares, ends_families=False, cause="test", audit=self.sample.event()
        )

    def counted(self, name: str, metrics=None) -> float:
        return (metrics or self.metrics).registry.get_sample_value(f"watchword_denylist_{name}")

    async def page(self, *entries: Entry, **members) -> Outcome:
        """Write entries at the place that is there, as one writer alone would."""
        look = await self.keys.look()
        given = {
            "expected": look.cursor,
            "cursor": "e.1.c",
            "entries": entries,
            "read_at": look.now,
            "asked": look.now,
            "head": 1,
            "stays": MINUTE,
        }
        return await self.keys.apply(Page(**given | members))

    async def is_refused(self, **claims) -> str | None:
        return await self.reader.verdict(Token(**claims))


@pytest.fixture
async def world(server, store, sample, store_clock):
    world = World(server, store, sample, store_clock)
    yield world
    await world.keys.close()
    await world.client.aclose()


def a_cut_off(axis, value, position=7, *, spares=None, floor=0) -> CutOff:
    return CutOff(
        position=position, axis=axis, value=value, spares=spares, floor=floor, at=0.0, expires_at=60.0, cause="test"
    )


# The format.


@pytest.mark.parametrize("axis", ["token", "session", "family", "key"])
def test_an_absolute_cut_off_is_a_key_that_says_1(axis):
    entry = entry_of(PREFIX, a_cut_off(axis, "abc"), 10.0)
    assert entry == Entry(f"watchword:{axis}:abc", "1", 50_000)


@pytest.mark.parametrize("axis", ["account", "client", "tenant"])
def test_a_cut_off_up_to_a_position_says_position_floor_and_whom_it_spares(axis):
    assert value_of(a_cut_off(axis, "abc", spares="s1", floor=3)) == "7;3;s1"
    assert value_of(a_cut_off(axis, "abc")) == "7;0;"
    assert key_of(PREFIX, axis, "abc") == f"watchword:{axis}:abc"


def test_everything_is_one_key():
    assert key_of(PREFIX, "everything", "") == "watchword:everything"


def test_no_two_cut_offs_share_a_key_nor_one_with_the_writers_keys():
    values = ["x", "", "session:x", "token:x", "watchword:token:x", "as_of", "cursor", "everything", ":", "x\n", "x;y"]
    axes = ["token", "session", "family", "key", "account", "client", "tenant"]
    keys = [key_of(PREFIX, axis, value) for axis, value in itertools.product(axes, values)]
    keys += [key_of(PREFIX, "everything", ""), PLACE, HEARTBEAT]
    assert len(set(keys)) == len(keys)


def test_a_cut_off_is_held_for_a_moment_at_least():
    assert entry_of(PREFIX, a_cut_off("token", "a"), 60.0).hold == 1
    assert entry_of(PREFIX, a_cut_off("token", "a"), 59.99999).hold == 1


@pytest.mark.parametrize("text", ["", "7", "7;", ";7", "x;1", "1;x", None])
def test_a_heartbeat_that_says_nothing_vouches_for_nothing(text):
    assert heartbeat_age(Look(1000, "", text)) == float("inf")


@pytest.mark.parametrize("text", ["", "nonsense", "e.1", "e.-1.c", "e.1.c.d"])
def test_a_place_that_says_nothing_is_the_start_of_the_log(text):
    assert place_of(Look(0, text, None)) is None


# Every axis, through a reader that knows only the documented format.


@pytest.mark.parametrize(
    ("axis", "claim"),
    [
        ("token", "jti"),
        ("session", "sid"),
        ("key", "kid"),
        ("account", "sub"),
        ("client", "client_id"),
        ("tenant", "tenant"),
    ],
)
async def test_a_cut_off_refuses_whom_it_names_and_nobody_else(world, axis, claim):
    await world.cut(axis, "dead")
    await world.writer.catch_up()
    assert await world.is_refused(**{claim: "dead"}) == axis
    assert await world.is_refused(**{claim: "alive"}) is None
    assert await world.is_refused(**{claim: None}) is None


async def test_a_cut_off_of_everything_refuses_what_was_issued_before_it(world):
    entry = await world.cut("everything", "")
    await world.writer.catch_up()
    assert await world.is_refused(rev=entry.position - 1) == "everything"
    assert await world.is_refused(rev=None) == "everything"
    assert await world.is_refused(rev=entry.position) is None


async def test_the_spared_session_lives_unless_it_was_cut_off_before(world):
    first = await world.cut("account", "ada")
    second = await world.cut("account", "ada", spares="s1")
    await world.writer.catch_up()
    assert await world.is_refused(sid="s2", rev=first.position) == "account"
    assert await world.is_refused(sid="s1", rev=first.position) is None
    assert await world.is_refused(sid="s1", rev=first.position - 1) == "account"
    assert await world.is_refused(sid="s2", rev=second.position) is None


async def test_nobody_spared_is_not_a_session_without_a_name(world):
    await world.cut("account", "ada")
    await world.writer.catch_up()
    assert await world.is_refused(sid="") == "account"
    assert await world.is_refused(sid=None) == "account"


@pytest.mark.parametrize("spares", ["a;b", "9;9;x", "line\nbreak", "ünïcode", ";"])
async def test_whatever_a_spared_session_is_called_only_it_is_spared(world, spares):
    await world.cut("account", "ada", spares=spares)
    await world.cut("account", "ada", spares=spares)
    await world.writer.catch_up()
    assert await world.is_refused(sid=spares) is None
    assert await world.is_refused(sid=spares[:1]) == ("account" if spares != ";" else None)
    assert await world.is_refused(sid="other") == "account"


@pytest.mark.parametrize("seed", range(4))
async def test_in_any_order_and_any_pages_the_keys_say_what_the_feed_says(world, seed):
    chance = random.Random(seed)
    axes = ["token", "session", "key", "account", "client", "tenant", "everything"]
    entries = []
    for position in range(1, 61):
        axis = chance.choice(axes)
        value = "" if axis == "everything" else chance.choice("abc")
        spares, floor = chance.choice([None, "a", "b"]), chance.randrange(position)
        entries.append(a_cut_off(axis, value, position, spares=spares, floor=floor))
    chance.shuffle(entries)
    view = RevocationView()
    for size in itertools.cycle([1, 7, 2]):
        page, entries = entries[:size], entries[size:]
        if not page:
            break
        again = chance.sample(page, len(page))
        assert await world.page(*(entry_of(PREFIX, entry, 0.0) for entry in [*page, *again])) is Outcome.APPLIED
        view.apply(FeedCutOff(e.position, e.axis, e.value, 60.0, e.spares, e.floor) for e in page)
    for _ in range(300):
        claims = [chance.choice(["a", "b", "c", "d", None]) for _ in range(6)]
        token = Token(*claims, rev=chance.randrange(62))
        assert await world.reader.verdict(token) == view.kills(token), token
        line = [token, *(Token(*(chance.choice("abcd") for _ in range(6)), rev=chance.randrange(62)) for _ in range(3))]
        told = [{name: value for name, value in one._asdict().items() if name != "made_of"} for one in line[1:]]
        exchanged = token._replace(made_of=tuple(told))
        axes = [view.kills(one) for one in line]
        assert await world.reader.verdict(exchanged) == next((axis for axis in axes if axis is not None), None)


# Holding and forgetting.


async def test_a_key_is_held_until_its_cut_off_may_be_forgotten(world):
    entry = await world.cut("token", "a")
    await world.writer.catch_up()
    left = await world.client.pttl(f"{PREFIX}token:a")
    whole = (entry.expires_at - entry.at) * 1000
    assert whole - MINUTE < left <= whole


async def test_a_key_goes_when_its_time_is_over(world):
    await world.page(Entry(f"{PREFIX}token:a", "1", 20), Entry(f"{PREFIX}token:b", "1", MINUTE))

    async def gone() -> bool:
        return await world.is_refused(jti="a") is None

    await until(gone)
    assert await world.is_refused(jti="b") == "token"


async def test_no_writer_shortens_the_life_of_a_key(world):
    await world.page(Entry(f"{PREFIX}token:a", "1", 50 * MINUTE))
    await world.page(Entry(f"{PREFIX}token:a", "1", 1))
    assert await world.client.pttl(f"{PREFIX}token:a") > 49 * MINUTE


async def test_what_is_written_twice_stays_as_it_is(world):
    for _ in range(2):
        await world.page(Entry(f"{PREFIX}account:ada", "9;4;s1", MINUTE), cursor="e.2.c")
        assert await world.client.get(f"{PREFIX}account:ada") == "9;4;s1"


async def test_an_account_is_never_taken_backwards(world):
    key = f"{PREFIX}account:ada"
    for value, then in [("9;0;", "9;0;"), ("7;0;s1", "9;0;"), ("10;0;s1", "10;9;s1"), ("8;8;s1", "10;9;s1")]:
        await world.page(Entry(key, value, MINUTE))
        assert await world.client.get(key) == then


# Several writers.


class Late:
    """A writer's keys, with a gate that lets one page through at a time, or all of them."""

    def __init__(self, keys) -> None:
        self._keys = keys
        self._gate = asyncio.Semaphore(0)
        self.at_gate = asyncio.Event()
        self.outcomes = []

    def open(self, pages: int = 100) -> None:
        self.at_gate.clear()
        for _ in range(pages):
            self._gate.release()

    def __getattr__(self, name):
        return getattr(self._keys, name)

    async def apply(self, page):
        self.at_gate.set()
        await self._gate.acquire()
        self.outcomes.append(await self._keys.apply(page))
        return self.outcomes[-1]


async def test_a_writer_that_comes_late_does_nothing_and_looks_again(world):
    await world.cut("account", "ada", spares="s1")
    late = Late(world.keys)
    other = asyncio.create_task(world.make_writer(late).catch_up())
    await late.at_gate.wait()
    second = await world.cut("account", "ada")
    await world.writer.catch_up()
    late.open()
    await other
    assert late.outcomes == [Outcome.MOVED, Outcome.APPLIED]
    assert await world.is_refused(sid="s1", rev=second.position - 1) == "account"


async def test_racing_writers_lose_nothing_and_take_nothing_back(world):
    seen = []
    watched = asyncio.Event()

    async def watch() -> None:
        while not watched.is_set():  # never cancelled: the driver may lose that
            value = await world.client.get(f"{PREFIX}account:ada")
            seen.append(0 if value is None else int(value.split(";")[0]))
            await asyncio.sleep(0)

    sets = [world.make_keys() for _ in range(4)]
    watching = asyncio.create_task(watch())
    tasks = [asyncio.create_task(world.make_writer(keys).run()) for keys in sets]
    for number in range(40):
        await world.cut("token", f"t{number}")
        last = await world.cut("account", "ada", spares="s1" if number % 2 else None)

    async def whole() -> bool:
        return place_of(await world.keys.look()) == await world.store.head()

    await until(whole)
    watched.set()
    await watching
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert seen == sorted(seen)
    assert [await world.is_refused(jti=f"t{number}") for number in range(40)] == ["token"] * 40
    assert await world.is_refused(rev=last.position - 1) == "account"
    assert world.counted("entries_total") >= 41
    assert world.counted("failures_total") == 0


async def test_a_writer_rests_when_another_was_there_a_moment_ago(world):
    await world.writer.catch_up()
    before = await world.client.get(HEARTBEAT)
    other = Metrics()
    await world.make_writer(metrics=other).catch_up(unless_beaten=True)
    assert await world.client.get(HEARTBEAT) == before
    assert world.counted("lag", other) == 0
    assert world.counted("written_timestamp_seconds", other) == world.clock.now()


# Restarts, losses, copies.


async def test_a_restarted_server_goes_on_where_it_was(world):
    await world.cut("token", "a")
    await world.writer.catch_up()
    await world.cut("token", "b")
    after = Metrics()
    await world.make_writer(metrics=after).catch_up()
    assert (world.counted("entries_total", after), world.counted("refills_total", after)) == (1, 0)
    assert [await world.is_refused(jti=value) for value in "ab"] == ["token", "token"]


async def test_pages_are_written_to_the_end(world, monkeypatch):
    monkeypatch.setattr(writer_module, "PAGE", 3)
    for number in range(10):
        await world.cut("token", f"t{number}")
    await world.writer.catch_up()
    assert [await world.is_refused(jti=f"t{number}") for number in range(10)] == ["token"] * 10
    assert (world.counted("entries_total"), world.counted("lag")) == (10, 0)


async def test_before_the_last_page_nobody_vouches_for_the_keys(world, monkeypatch):
    monkeypatch.setattr(writer_module, "PAGE", 1)
    await world.cut("token", "a")
    await world.cut("token", "b")
    late = Late(world.keys)
    filling = asyncio.create_task(world.make_writer(late).catch_up())
    await late.at_gate.wait()
    late.open(1)
    await late.at_gate.wait()
    assert (late.outcomes, await world.is_refused()) == ([Outcome.APPLIED], "stale")
    late.open()
    await filling
    assert await world.is_refused() is None


@pytest.mark.parametrize("emptied", ["FLUSHALL", "DEL"])
async def test_an_emptied_valkey_is_filled_again(world, emptied):
    await world.cut("token", "a")
    await world.writer.catch_up()
    await (world.client.flushall() if emptied == "FLUSHALL" else world.client.delete(PLACE, f"{PREFIX}token:a"))
    await world.writer.catch_up()
    assert await world.is_refused(jti="a") == "token"
    assert world.counted("refills_total") == 2


async def test_a_valkey_emptied_while_a_page_is_on_its_way_is_filled_whole(world):
    await world.cut("token", "a")
    await world.writer.catch_up()
    await world.cut("token", "b")
    late = Late(world.keys)
    writing = asyncio.create_task(world.make_writer(late).catch_up())
    await late.at_gate.wait()
    await world.client.flushall()
    late.open()
    await writing
    assert late.outcomes == [Outcome.MOVED, Outcome.APPLIED]
    assert [await world.is_refused(jti=value) for value in "ab"] == ["token", "token"]


async def test_killed_in_the_middle_and_started_empty_it_is_filled_and_nobody_else_notices(world):
    async with following(world.writer):
        for number in range(60):
            await world.cut("token", f"t{number}")
            if number == 30:
                world.server.kill()
        await until(lambda: failed(world))
        assert world.counted("lag") > 0
        await world.server.start()

        async def refilled() -> bool:
            return [await world.is_refused(jti=f"t{number}") for number in range(60)] == ["token"] * 60

        await until(refilled)
        assert world.counted("lag") == 0
        assert await world.is_refused() is None


async def failed(world) -> bool:
    return world.counted("failures_total") > 0


async def test_an_older_copy_is_brought_up_from_its_own_place(world):
    await world.cut("token", "a")
    await world.writer.catch_up()
    await world.client.save()
    await world.cut("token", "b")
    await world.writer.catch_up()
    world.server.kill()
    await world.server.start("--dbfilename", "dump.rdb")
    assert await world.is_refused(jti="b") is None
    await world.writer.catch_up()
    assert [await world.is_refused(jti=value) for value in "ab"] == ["token", "token"]
    assert world.counted("refills_total") == 1


async def test_a_log_that_was_swept_under_the_place_is_told_from_its_start(world):
    await world.store.declare_lifetime("access_token", 1)
    await world.cut("token", "a")
    await world.writer.catch_up()
    await world.cut("token", "b")
    world.clock.advance(50)
    await world.cut("token", "c")
    world.clock.advance(50)
    await world.store.sweep(limit=100, retention=0)
    await world.client.delete(f"{PREFIX}token:c")
    await world.client.hdel(PLACE, "skew")  # the clock of this store has leapt, and that is not what is tried here
    await world.writer.catch_up()
    assert await world.is_refused(jti="c") == "token"
    assert world.counted("refills_total") == 2


@pytest.mark.parametrize("place", ["nonsense", f"{'0' * 32}.1.{'0' * 64}", "x" * 5000])
async def test_a_place_of_no_log_is_replaced(world, place):
    await world.cut("token", "a")
    await world.client.hset(PLACE, "at", place)
    await world.writer.catch_up()
    assert await world.is_refused(jti="a") == "token"
    assert place_of(await world.keys.look()) == await world.store.head()


async def test_a_new_epoch_is_followed_and_what_was_dead_stays_so(world):
    await world.cut("token", "a")
    await world.cut("account", "ada")
    await world.writer.catch_up()
    head = await world.store.begin_epoch(world.sample.event())
    await world.writer.catch_up()
    assert await world.is_refused(jti="a", rev=head.position) == "token"
    assert await world.is_refused(sub="eve", rev=head.position - 1) == "everything"
    assert await world.is_refused(sub="eve", rev=head.position) is None


async def test_after_a_leap_of_the_clock_all_keys_are_written_again(world):
    await world.cut("token", "a")
    await world.writer.catch_up()
    await world.client.delete(f"{PREFIX}token:a")  # as a leap forward would have it
    await world.writer.catch_up()
    assert await world.is_refused(jti="a") is None
    world.clock.advance(30)
    await world.writer.catch_up()
    assert await world.is_refused(jti="a") == "token"


async def test_while_keys_may_be_missing_after_a_leap_nobody_vouches_for_them(world):
    await world.writer.catch_up()
    look = await world.keys.look()
    assert await world.page(read_at=look.now) is Outcome.CLOCK
    assert await world.is_refused() == "stale"
    assert (await world.keys.look()).cursor == ""


# The heartbeat.


async def test_the_heartbeat_says_up_to_where_and_when(world):
    entry = await world.cut("token", "a")
    before = (await world.keys.look()).now
    await world.writer.catch_up()
    position, asked = (await world.client.get(HEARTBEAT)).split(";")
    assert int(position) == entry.position
    assert before <= int(asked) <= (await world.keys.look()).now
    assert 0 < await world.client.pttl(HEARTBEAT) <= 30_000


async def test_a_heartbeat_is_dated_from_before_the_log_was_read(world):
    late = Late(world.keys)
    writing = asyncio.create_task(world.make_writer(late).catch_up())
    await late.at_gate.wait()
    asked = (await world.keys.look()).now
    late.open()
    await writing
    assert int((await world.client.get(HEARTBEAT)).split(";")[1]) <= asked


async def test_a_heartbeat_that_was_long_on_its_way_vouches_for_nothing(world):
    look = await world.keys.look()
    assert await world.page(asked=look.now - MINUTE, stays=MINUTE) is Outcome.APPLIED
    assert await world.is_refused() == "stale"


async def test_a_heartbeat_from_the_future_vouches_for_nothing(world):
    look = await world.keys.look()
    await world.page(asked=look.now + MINUTE)
    assert await world.is_refused() == "stale"


async def test_an_older_heartbeat_does_not_replace_a_newer_one(world):
    look = await world.keys.look()
    await world.page(asked=look.now, head=5)
    await world.page(asked=look.now - 1000, head=4)
    assert await world.client.get(HEARTBEAT) == f"5;{look.now}"


async def test_when_no_writer_comes_by_the_keys_are_called_stale(world):
    await world.page(stays=30)

    async def stale() -> bool:
        return await world.is_refused() == "stale"

    await until(stale)


@pytest.mark.parametrize("how", ["cut", "black hole"])
async def test_in_a_partition_from_the_valkey_its_word_grows_old_and_afterwards_it_is_whole(world, monkeypatch, how):
    monkeypatch.setattr(valkey, "ANSWER_TIMEOUT", 0.3)
    road = Road(world.server.port)
    keys = world.make_keys(f"redis://127.0.0.1:{road.port}/0")
    metrics = Metrics()
    try:
        async with following(world.make_writer(keys, metrics=metrics, max_staleness=1.0)):

            async def says(verdict: str | None, **claims) -> None:
                async def said() -> bool:
                    return await world.is_refused(**claims) == verdict

                await until(said)

            await says(None)
            if how == "cut":
                road.cut()
            else:
                road.open.clear()
            await world.cut("token", "a")
            assert await world.store.head() == (await world.store.cut_offs_after(None, limit=1)).cursor
            await says("stale", jti="a")
            await says("stale", jti="other")
            assert world.counted("failures_total", metrics) > 0
            road.mend()
            road.open.set()
            await says("token", jti="a")
            await says(None, jti="other")
    finally:
        road.close()


async def test_heartbeats_go_on_when_nothing_happens(world, monkeypatch):
    monkeypatch.setattr(writer_module, "BEAT", 0.02)
    async with following(world.writer):
        await until(lambda: beat(world))
        first = await world.client.get(HEARTBEAT)

        async def another() -> bool:
            return await world.client.get(HEARTBEAT) != first

        await until(another)


async def beat(world) -> bool:
    return await world.client.get(HEARTBEAT) is not None


async def test_news_are_written_without_waiting_for_the_beat(world, monkeypatch):
    monkeypatch.setattr(writer_module, "BEAT", 3600.0)
    async with following(world.writer):
        await until(lambda: beat(world))
        for value in "abc":
            await world.cut("token", value)

            async def refused(jti=value) -> bool:
                return await world.is_refused(jti=jti) == "token"

            await until(refused)


# What is not to be trusted.


async def test_a_valkey_that_may_evict_keys_is_not_written_and_said_so(world):
    await world.client.config_set("maxmemory", "1gb")
    await world.client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(DenylistUnavailable, match="noeviction"):
        await world.keys.require_keeping()
    async with following(world.writer):
        await until(lambda: failed(world))
        assert await world.is_refused() == "stale"
        await world.client.config_set("maxmemory-policy", "noeviction")
        await until(lambda: beat(world))


async def test_a_full_valkey_takes_nothing_and_nobody_vouches_for_it(world):
    await world.cut("token", "a")
    await world.client.config_set("maxmemory", "1")
    with pytest.raises(DenylistUnavailable):
        await world.writer.catch_up()
    assert await world.is_refused(jti="a") == "stale"


async def test_a_key_that_is_something_else_stops_the_heartbeat_not_the_server(world):
    await world.cut("token", "a")
    await world.client.rpush(f"{PREFIX}token:a", "x")
    async with following(world.writer) as work:
        await until(lambda: failed(world))
        assert not work.done()
        assert (await world.cut("token", "b")).position == 2
        await world.client.delete(f"{PREFIX}token:a")
        await until(lambda: beat(world))
    assert await world.is_refused(jti="a") == "token"


async def test_no_failure_tells_the_password(world):
    await world.client.config_set("requirepass", "another-s3cret")
    for url in (world.server.url.replace("//", "//:my-s3cret@"), "redis://:my-s3cret@127.0.0.1:1/0"):
        keys = world.make_keys(url)
        with pytest.raises(DenylistUnavailable) as refused:
            await keys.look()
        assert "s3cret" not in f"{refused.value}{refused.value.__cause__}"
        await keys.close()


@pytest.mark.parametrize("fault", [None, OSError("gone")])
async def test_a_cancellation_that_the_driver_loses_stops_the_writer_all_the_same(fault):
    begun = asyncio.Event()

    async def answer():
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if fault is not None:
                raise fault from None

    task = asyncio.create_task(valkey._answered(answer()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
