import asyncio

import pytest
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.postgres_batch import LANES, LARGEST_BATCH, Batches


class Statements:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, calls: dict[str, int]) -> dict[str, int]:
        self.batches.append(calls)
        await self.gate.wait()
        if "broken" in calls:
            raise StoreUnavailable("broken")
        return {key: call * 10 for key, call in calls.items() if key != "absent"}


async def test_calls_of_one_turn_share_a_statement_and_each_has_its_own_answer():
    statements = Statements()
    batches = Batches(statements.run)
    answers = await asyncio.gather(*(batches.submit(str(n), n) for n in range(10)), batches.submit("absent", 1))
    assert answers == [*(n * 10 for n in range(10)), None]
    assert len(statements.batches) == 1


async def test_equal_keys_go_into_different_statements_in_the_order_they_came():
    statements = Statements()
    batches = Batches(statements.run)
    answers = await asyncio.gather(*(batches.submit("same", n) for n in range(3)), batches.submit("other", 7))
    assert answers == [0, 10, 20, 70]
    assert [sorted(batch.items()) for batch in statements.batches] == [
        [("other", 7), ("same", 0)],
        [("same", 1)],
        [("same", 2)],
    ]


async def test_what_comes_while_statements_are_under_way_gathers_for_the_next():
    statements = Statements()
    statements.gate.clear()
    batches = Batches(statements.run)
    calls = []
    for number in range(LANES + 5):
        calls.append(asyncio.ensure_future(batches.submit(str(number), number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [len(batch) for batch in statements.batches] == [1] * LANES
    statements.gate.set()
    await asyncio.gather(*calls)
    assert [len(batch) for batch in statements.batches] == [*([1] * LANES), 5]


async def test_a_statement_never_holds_more_than_its_share():
    statements = Statements()
    batches = Batches(statements.run)
    await asyncio.gather(*(batches.submit(str(n), n) for n in range(LARGEST_BATCH * 3 + 1)))
    assert sorted(map(len, statements.batches)) == [1, *([LARGEST_BATCH] * 3)]


async def test_a_statement_that_fails_fails_for_its_callers_alone():
    statements = Statements()
    batches = Batches(statements.run)
    first = await asyncio.gather(*(batches.submit(key, 1) for key in ("a", "broken", "b")), return_exceptions=True)
    assert [type(answer) for answer in first] == [StoreUnavailable] * 3
    assert await batches.submit("a", 2) == 20


async def test_a_cancelled_caller_takes_nobody_along():
    statements = Statements()
    statements.gate.clear()
    batches = Batches(statements.run)
    calls = [asyncio.ensure_future(batches.submit(str(n), n)) for n in range(4)]
    await asyncio.sleep(0)
    calls[0].cancel()
    await asyncio.sleep(0)
    calls[1].cancel()
    statements.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers[:2]] == [asyncio.CancelledError] * 2
    assert answers[2:] == [20, 30]


async def test_draining_waits_for_everything_submitted():
    statements = Statements()
    batches = Batches(statements.run)
    calls = [asyncio.ensure_future(batches.submit(str(n % 3), n)) for n in range(9)]
    await asyncio.sleep(0)
    await batches.drain()
    assert sum(map(len, statements.batches)) == 9
    done, waiting = await asyncio.wait(calls, timeout=0)
    assert (len(done), len(waiting)) == (9, 0)
    await batches.drain()


@pytest.mark.parametrize("rounds", [20])
async def test_two_servers_batching_the_same_families_never_wait_in_a_circle(
    migrated_postgres_dsn, store_clock, sample, rounds
):
    from watchword_server.store.postgres import PostgresStore

    stores = [PostgresStore(migrated_postgres_dsn, clock=store_clock) for _ in range(2)]
    for store in stores:
        await store.open(migrate=True)
    await sample.register(stores[0])
    families = [await sample.login(stores[0], f"s{number}") for number in range(32)]
    for generation in range(rounds):
        won = await asyncio.gather(
            *(
                store.advance_refresh(
                    family, from_generation=generation, device_kind="x", place="x", idle_expires_at=9e9
                )
                for store, order in zip(stores, (families, families[::-1]), strict=True)
                for family in order
            )
        )
        assert won.count(True) == len(families)
    for store in stores:
        await store.close()
