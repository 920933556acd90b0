"""All interleavings of exchanging codes, with and without offline access, with the end of their sign-on, on both stores.

What is shown, for every schedule: no ID token names a session that outlives the sign-on untold; no offline access ends with the
sign-on alone; all ID tokens of one client in one sign-on name one session; and what was refused left nothing behind.
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from watchword_server.store.authorization_records import TokenFacts

from .test_issue_and_cut_off import SteppedPostgres, SteppedSqlite, interleavings, play

EXCHANGE, END = 3, 2
"""Steps of each actor; an exchange that lost a race begins again."""


@dataclass
class World:
    name: str
    sample: object
    tick: int = 0
    redeemed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By code: the session of its tokens, and the one that its ID token names."""
    refused: dict[str, int] = field(default_factory=dict)
    """By code: when its exchange last read the store."""
    ended_at: int | None = None

    @property
    def sign_on(self) -> str:
        return f"o-{self.name}"


ENDS = {
    "sign_on": lambda s, w: s.end_sign_on(w.sign_on, account_id=w.name, reason="x", audit=w.sample.event()),
    "account": lambda s, w: s.end_all_sessions(w.name, spares=None, reason="x", audit=w.sample.event()),
    "withdrawn": lambda s, w: s.withdraw_authorization(w.name, "app", w.sample.event()),
}


async def exchange(store, world: World, code: str, *, offline: bool, names: bool = True) -> AsyncIterator[None]:
    """As the token endpoint does: read, decide, sign, redeem; a loser reads again while the code is good. Without ``names`` an
    ID token of offline access names the session of its own, as it was once.
    """
    digest = f"{world.name}-{code}".encode()
    while True:
        view = await store.code(digest)
        read_at = world.tick
        yield
        if view is None or not view.alive or view.used:
            world.refused[code] = read_at
            return
        inside = view.sid or f"in-{world.name}-{code}"
        members = {"family": {"id": f"f-{world.name}-{code}"}}
        own = f"off-{world.name}-{code}" if offline else inside
        if offline and names:
            members |= {"sign_on": None, "id_token_sid": inside}
        elif offline:
            members, inside = members | {"sign_on": None}, own
        new = world.sample.exchange(view, own, **members)
        await store.begin()
        redeemed = await store.redeem_code(digest, session=new, audit=world.sample.event())
        yield
        await store.commit()
        if redeemed:
            world.redeemed[code] = (new.sid, inside)
            return
        world.refused[code] = read_at


async def end(store, world: World, way: str) -> AsyncIterator[None]:
    await store.begin()
    assert await ENDS[way](store, world)
    yield
    await store.commit()
    world.ended_at = world.tick


async def judge(store, world: World, way: str, schedule) -> None:
    assert world.ended_at is not None
    assert len({inside for _, inside in world.redeemed.values()}) <= 1, schedule
    told = set()
    for news in await store.news(limit=500):
        ended = await store.sessions_ended_by(
            news.axis, news.value, spares=None, since=news.position, limit=99, after=None
        )
        told |= {one.id_token_sid or one.session.sid for one in ended if not one.told}
    for code, (own, inside) in world.redeemed.items():
        assert not await is_alive(store, world, inside), (schedule, code)
        assert inside in told, (schedule, code, told)
        goes_on = way == "sign_on" and own != inside
        assert await is_alive(store, world, own) is goes_on, (schedule, code)
        advanced = await store.advance_refresh(
            f"f-{world.name}-{code}", from_generation=0, device_kind="x", place="", idle_expires_at=9e9
        )
        assert advanced is goes_on, (schedule, code)
    for code in world.refused.keys() - world.redeemed.keys():
        assert await store.family(f"f-{world.name}-{code}") is None, (schedule, code)
        assert await store.session_view(f"off-{world.name}-{code}", world.name) is None, (schedule, code)
        assert world.refused[code] >= world.ended_at, (schedule, code, "refused though nothing had ended")


async def is_alive(store, world: World, sid: str) -> bool:
    facts = TokenFacts(jti="j", client_id="app", account_id=world.name, sid=sid, tenant=None, rev=1 << 40)
    return await store.is_alive(facts)


@pytest.fixture
async def stage(store, store_url, store_clock, sample):
    """Plays one schedule after another, each with an account and sign-on of its own."""
    kind = SteppedSqlite if store_url.startswith("sqlite") else SteppedPostgres
    stepped = [await kind.on(store_url, store_clock) for _ in range(3)]
    played = itertools.count()

    async def play_all(schedules, way: str, *offline: bool, **how: bool) -> int:
        count = 0
        for schedule in schedules:
            world = World(f"a{next(played)}", sample)
            await sample.register(store, world.name)
            await store.authorize(world.name, "app", scope=("a",), resource=(), details=b"", audit=sample.event())
            await sample.sign_on(store, world.sign_on, world.name)
            for number in range(len(offline)):
                await sample.code(store, f"{world.name}-c{number}", world.sign_on)
            actors = [
                exchange(stepped[number], world, f"c{number}", offline=one, **how) for number, one in enumerate(offline)
            ]
            actors.append(end(stepped[len(offline)], world, way))
            await play(schedule, actors, stepped, world)
            await judge(store, world, way, schedule)
            count += 1
            await store.settle_news([one.position for one in await store.news(limit=500)], [])
        return count

    yield play_all
    for one in stepped:
        await one.leave()


@pytest.mark.parametrize("way", ENDS)
@pytest.mark.parametrize("offline", [True, False])
async def test_an_exchange_and_an_end_in_every_order(stage, way, offline):
    assert await stage(interleavings(EXCHANGE, END), way, offline) == 10


@pytest.mark.parametrize("way", ENDS)
@pytest.mark.parametrize("offline", [(True, True), (True, False)])
async def test_two_exchanges_of_one_client_and_an_end_in_a_fortieth_of_all_orders(stage, way, offline):
    some = list(interleavings(EXCHANGE, EXCHANGE, END))[::40]
    assert await stage(some, way, *offline) == 14


async def test_this_model_sees_what_is_left_untold_when_the_id_token_names_another(stage):
    with pytest.raises(AssertionError):
        await stage(interleavings(EXCHANGE, END), "sign_on", True, names=False)


@pytest.mark.soak
@pytest.mark.parametrize("way", ENDS)
@pytest.mark.parametrize("offline", [(True, True), (True, False)])
async def test_two_exchanges_of_one_client_and_an_end_in_every_order(stage, way, offline):
    assert await stage(interleavings(EXCHANGE, EXCHANGE, END), way, *offline) == 560
