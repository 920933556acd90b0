"""Codes, sign-ons, clients and what is good once: exactly one winner, and nothing that escapes a cut-off it races."""

import asyncio
from collections import Counter

import pytest
from watchword_server.store.authorization_records import NewSignOn, TokenFacts
from watchword_server.store.open import store_from_url

from tests.server.store.authorization_acts import ACTS, prepare
from tests.server.store.rivals import won_by_processes

ROUNDS = 12


@pytest.fixture
async def rivals(store, store_url, store_clock):
    """Two stores on one database, as two servers have them."""
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    yield store, other
    await other.close()


@pytest.mark.parametrize("act", ACTS)
async def test_one_of_many_at_once_wins(rivals, sample, act):
    await sample.register(rivals[0], "a0")
    await prepare(rivals[0], 0)
    lines = await rivals[0].audit_entries(before=None, limit=99, account_id=None, event="race.won")
    done = await asyncio.gather(*(ACTS[act](rivals[turn % 2], 0) for turn in range(32)))
    assert done.count(True) == 1
    assert done.count(False) == 31
    after = await rivals[0].audit_entries(before=None, limit=99, account_id=None, event="race.won")
    silent = {"consume_request", "first_use", "use_registration_token", "delete_opaque_token"}
    assert len(after) - len(lines) == (0 if act in silent else 1)


@pytest.mark.parametrize("act", ACTS)
async def test_one_of_three_processes_wins_each(store, store_url, sample, act):
    count = 20
    for number in range(count):
        await sample.register(store, f"a{number}", email_key=f"a{number}")
        await prepare(store, number)
    assert await won_by_processes(store_url, act, count) == Counter(dict.fromkeys(range(count), 1))


def cut(axis, value):
    return lambda store, sample, _sign_on: store.cut_off(
        axis, value, spares=None, ends_families=True, cause="race", audit=sample.event()
    )


CUTS = {
    "account": lambda store, sample, _sign_on: store.end_all_sessions(
        "ada", spares=None, reason="x", audit=sample.event()
    ),
    "disabled": lambda store, sample, _sign_on: store.disable_account("ada", sample.event()),
    "client": cut("client", "app"),
    "tenant": cut("tenant", "t1"),
    "everything": cut("everything", ""),
    "sign_on": lambda store, sample, sign_on: store.end_sign_on(
        sign_on, account_id=None, reason="x", audit=sample.event()
    ),
    "withdrawn": lambda store, sample, _sign_on: store.withdraw_authorization("ada", "app", sample.event()),
}


async def ready(store, sample, sign_on):
    """The account enabled and signed on, with the client allowed. Returns the sign-on."""
    await store.enable_account("ada", sample.event())
    await sample.sign_on(store, sign_on)
    await store.authorize("ada", "app", scope=("a",), resource=(), details=b"", audit=sample.event())
    return sign_on


@pytest.mark.parametrize("way", CUTS)
async def test_an_exchange_that_races_a_cut_off_is_refused_or_dead_and_so_is_its_token(
    rivals, sample, way, store_clock
):
    await sample.register(rivals[0], tenant="t1")
    for number in range(ROUNDS):
        sign_on = await ready(rivals[0], sample, f"o{number}")
        digest = await sample.code(rivals[0], f"c{number}", sign_on)
        view = await rivals[0].code(digest)
        assert view.alive
        new = sample.exchange(view, f"s{number}", family={"id": f"f{number}"})
        redeemed, _ = await asyncio.gather(
            rivals[number % 2].redeem_code(digest, session=new, audit=sample.event()),
            CUTS[way](rivals[(number + 1) % 2], sample, sign_on),
        )
        facts = TokenFacts(
            jti=f"j{number}", client_id="app", account_id="ada", sid=f"s{number}", tenant="t1", rev=view.rev
        )
        for store in rivals:
            assert not await store.is_alive(facts)
            assert list(await store.list_sessions("ada")) == []
        if redeemed:
            assert not await sample.advance(rivals[0], f"f{number}")
        elif way != "withdrawn":
            after = await rivals[0].code(digest)
            assert (after.used, after.alive) == (False, False)
        store_clock.advance(1)


@pytest.mark.parametrize("way", CUTS)
async def test_what_begins_after_a_cut_off_is_never_refused_by_it(rivals, sample, way, store_clock):
    """In the same moment, from a view read after it."""
    await sample.register(rivals[0], tenant="t1")
    for number in range(ROUNDS):
        sign_on = await ready(rivals[0], sample, f"before{number}")
        await CUTS[way](rivals[0], sample, sign_on)
        sign_on = await ready(rivals[1], sample, f"after{number}")
        sid = await sample.redeem(rivals[1], await sample.code(rivals[1], f"c{number}", sign_on), f"s{number}")
        view = await rivals[0].session_view(sid, "ada")
        assert view.alive
        facts = TokenFacts(jti=f"j{number}", client_id="app", account_id="ada", sid=sid, tenant="t1", rev=view.rev)
        assert await rivals[0].is_alive(facts)
        await rivals[0].end_session(sid, account_id=None, reason="x", audit=sample.event())
        store_clock.advance(1)


@pytest.mark.parametrize("way", ["account", "disabled", "tenant", "everything"])
async def test_a_sign_on_or_code_that_races_a_cut_off_is_refused_or_dead(rivals, sample, way, store_clock):
    await sample.register(rivals[0], tenant="t1")
    for number in range(ROUNDS):
        sign_on = await ready(rivals[0], sample, f"o{number}")
        view = await rivals[0].account("ada")
        now = view.read_at
        new = [
            NewSignOn(
                id=f"o{number}-{turn}", digest=f"o{number}-{turn}".encode(), account_id="ada", rev=view.rev, device="",
                place="", auth_time=now, amr=(), acr=None, idle_expires_at=now + 60, expires_at=now + 60,
            )
            for turn in range(4)
        ]  # fmt: skip

        async def code(number=number, sign_on=sign_on):
            try:
                return await sample.code(rivals[0], f"c{number}", sign_on)
            except AssertionError:
                return None

        digest, *_ = await asyncio.gather(
            code(),
            *(rivals[turn % 2].start_sign_on(new[turn], sample.event()) for turn in range(4)),
            CUTS[way](rivals[1], sample, sign_on),
        )
        assert list(await rivals[0].list_sign_ons("ada")) == []
        if digest is not None:
            assert not (await rivals[1].code(digest)).alive
        store_clock.advance(1)


async def test_a_replay_that_races_the_exchange_never_leaves_tokens_once_it_was_noticed(rivals, sample):
    await sample.register(rivals[0])
    await sample.sign_on(rivals[0])
    for number in range(ROUNDS):
        digest = await sample.code(rivals[0], f"c{number}")
        view = await rivals[0].code(digest)

        async def present(turn, view=view, digest=digest, number=number):
            """As the token endpoint does: exchange, and whoever loses to a used code reports the replay."""
            store = rivals[turn % 2]
            new = sample.exchange(view, f"s{number}-{turn}", family={"id": f"f{number}-{turn}"})
            if await store.redeem_code(digest, session=new, audit=sample.event()):
                return "redeemed"
            assert (await store.code(digest)).used
            return await store.replay_code(digest, audit=sample.event(), notice=None)

        outcomes = await asyncio.gather(*(present(turn) for turn in range(6)))
        assert outcomes.count("redeemed") == 1
        assert outcomes.count(True) == 1
        assert list(await rivals[0].list_sessions("ada")) == []


async def test_codes_of_one_client_exchanged_at_once_share_one_session(rivals, sample):
    await sample.register(rivals[0])
    await sample.sign_on(rivals[0])
    codes = [await sample.code(rivals[0], f"c{number}") for number in range(8)]

    async def exchange(number):
        """As the token endpoint does: read again while the code is good."""
        store = rivals[number % 2]
        while True:
            view = await store.code(codes[number])
            assert view.alive
            assert not view.used
            new = sample.exchange(view, f"s{number}", family={"id": f"f{number}"})
            if await store.redeem_code(codes[number], session=new, audit=sample.event()):
                return new.sid

    sids = set(await asyncio.gather(*(exchange(number) for number in range(8))))
    assert len(sids) == 1
    assert len(await rivals[0].families_of(sids.pop())) == 8
    assert len(await rivals[0].list_sessions("ada")) == 1


async def test_all_kinds_of_acts_at_once_finish(rivals, sample):
    """Locks are taken in one order: nothing waits in a circle."""
    for number in range(8):
        await sample.register(rivals[0], f"a{number}", tenant="t1")
        await prepare(rivals[0], number)

    def acts(number):
        store, account = rivals[number % 2], f"a{number % 8}"
        for act in ACTS.values():
            yield act(store, number % 8)
        yield store.end_all_sessions(account, spares=None, reason="x", audit=sample.event())
        yield store.end_sign_on(f"o{number % 8}", account_id=None, reason="x", audit=sample.event())
        yield store.cut_off("client", "app", spares=None, ends_families=True, cause="x", audit=sample.event())
        yield store.end_session(f"used-{number % 8}", account_id=None, reason="x", audit=sample.event())
        yield store.withdraw_authorization(account, "app", sample.event())
        yield store.sweep(limit=10, retention=0)

    await asyncio.gather(*(act for number in range(24) for act in acts(number)))
    entries = (await rivals[0].cut_offs_after(None, limit=1000)).entries
    assert len({(entry.axis, entry.value) for entry in entries}) == len(entries)
    assert (await rivals[1].head()).position == entries[-1].position
