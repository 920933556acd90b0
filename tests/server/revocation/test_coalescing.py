"""Reads shared by those who wait together, and never by one who came after they had begun."""

import asyncio
import itertools
import random

import pytest
from watchword_server.revocation.coalescing import Coalesced
from watchword_server.store.port import StoreUnavailable


class Reads:
    """Reads that end when told; each answers with its number."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gates: list[asyncio.Event] = []
        self.under_way = 0
        self.most_under_way = 0

    async def read(self, key: str) -> int:
        number = len(self.begun)
        self.begun.append(key)
        self.gates.append(asyncio.Event())
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await self.gates[number].wait()
        finally:
            self.under_way -= 1
        return number


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def reads() -> Reads:
    return Reads()


async def test_who_waits_together_shares_one_read_and_who_comes_later_gets_the_next(reads):
    shared = Coalesced(reads.read)
    first = [asyncio.create_task(shared.ask("log")) for _ in range(50)]
    await turns()
    assert reads.begun == ["log"]
    later = [asyncio.create_task(shared.ask("log")) for _ in range(50)]
    await turns()
    assert reads.begun == ["log"]
    reads.gates[0].set()
    assert set(await asyncio.gather(*first)) == {0}
    await turns()
    assert reads.begun == ["log", "log"]
    assert not any(task.done() for task in later)
    reads.gates[1].set()
    assert set(await asyncio.gather(*later)) == {1}


@pytest.mark.parametrize("seed", range(8))
async def test_no_answer_ever_comes_from_a_read_begun_before_its_question(seed):
    chance = random.Random(seed)
    tick = 0
    most = 0

    async def read(_key: int) -> int:
        nonlocal tick, most
        tick += 1
        most += 1
        assert most == 1
        begun = tick
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        most -= 1
        if chance.random() < 0.1:
            raise StoreUnavailable("by chance")
        return begun

    shared = Coalesced(read)

    async def ask() -> None:
        nonlocal tick
        for _ in range(50):
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            tick += 1
            asked = tick
            try:
                assert await shared.ask(0) > asked
            except StoreUnavailable:
                continue

    await asyncio.gather(*(ask() for _ in range(40)))


async def test_keys_are_read_apart_and_only_so_many_at_once(reads):
    shared = Coalesced(reads.read, at_once=2)
    asked = [asyncio.create_task(shared.ask(key)) for key in "aabbcc"]
    await turns()
    assert reads.begun == ["a", "b"]
    reads.gates[0].set()
    await turns()
    assert reads.begun == ["a", "b", "c"]
    for gate in reads.gates:
        gate.set()
    assert await asyncio.gather(*asked) == [0, 0, 1, 1, 2, 2]
    assert reads.most_under_way == 2


async def test_who_asks_for_a_key_that_waits_for_its_place_shares_its_read(reads):
    shared = Coalesced(reads.read, at_once=1)
    asked = [asyncio.create_task(shared.ask(key)) for key in "ab"]
    await turns()
    asked.append(asyncio.create_task(shared.ask("b")))
    await turns()
    reads.gates[0].set()
    await turns()
    reads.gates[1].set()
    assert await asyncio.gather(*asked) == [0, 1, 1]


async def test_a_failure_belongs_to_those_who_shared_the_read_and_to_no_other():
    outcomes = iter([StoreUnavailable("away"), 7])

    async def read(_key: str) -> int:
        await asyncio.sleep(0)
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    shared = Coalesced(read)
    first = [asyncio.create_task(shared.ask("log")) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(shared.ask("log"))
    told = await asyncio.gather(*first, return_exceptions=True)
    assert [type(error) for error in told] == [StoreUnavailable] * 3
    assert await second == 7


async def test_who_gives_up_takes_nothing_from_the_others(reads):
    shared = Coalesced(reads.read)
    quitter, patient = (asyncio.create_task(shared.ask("log")) for _ in range(2))
    await turns()
    quitter.cancel()
    await turns()
    reads.gates[0].set()
    assert await patient == 0
    assert quitter.cancelled()


async def test_a_read_for_which_nobody_waits_any_more_does_not_begin(reads):
    shared = Coalesced(reads.read)
    first = asyncio.create_task(shared.ask("log"))
    await turns()
    second = asyncio.create_task(shared.ask("log"))
    await turns()
    second.cancel()
    reads.gates[0].set()
    await first
    await turns()
    assert reads.begun == ["log"]


async def test_those_who_come_one_by_one_gather_for_a_while_and_after_a_rest_nobody_waits(reads):
    shared = Coalesced(reads.read, apart=30)
    first = asyncio.create_task(shared.ask("log"))
    await turns()
    assert reads.begun == ["log"], "at once"
    reads.gates[0].set()
    assert await first == 0
    gathering = []
    for _ in range(5):
        gathering.append(asyncio.create_task(shared.ask("log")))
        await turns()
    assert reads.begun == ["log"]
    shared.hurry()
    await turns()
    assert reads.begun == ["log", "log"]
    reads.gates[1].set()
    assert set(await asyncio.gather(*gathering)) == {1}


async def test_the_number_of_reads_is_bounded_by_time_whatever_is_asked():
    begun: list[float] = []
    loop = asyncio.get_running_loop()

    async def read(_key: str) -> None:
        begun.append(loop.time())

    shared = Coalesced(read, apart=0.01)
    for _ in range(20):
        await shared.ask("log")
    assert all(later - earlier >= 0.009 for earlier, later in itertools.pairwise(begun))


async def test_news_while_a_read_is_under_way_spares_the_next_one_its_pause(reads):
    shared = Coalesced(reads.read, apart=30)
    first = asyncio.create_task(shared.ask("log"))
    await turns()
    shared.hurry()
    second = asyncio.create_task(shared.ask("log"))
    reads.gates[0].set()
    await first
    await turns()
    assert reads.begun == ["log", "log"]
    reads.gates[1].set()
    await second


async def test_at_the_end_all_who_wait_are_told_and_nothing_is_left_running(reads):
    shared = Coalesced(reads.read)
    asked = [asyncio.create_task(shared.ask("log")) for _ in range(2)]
    await turns()
    asked.append(asyncio.create_task(shared.ask("log")))
    await turns()
    await shared.close()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in told] == [StoreUnavailable] * 3
    assert len(asyncio.all_tasks()) == 1
