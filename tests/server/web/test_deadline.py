"""A deadline cancels what runs too long, and takes no cancellation of others for its own.

The limits of requests and bodies that use it are tested with them.
"""

import asyncio

import pytest
from watchword_server.web.deadline import Deadline


async def test_what_runs_too_long_ends_with_a_timeout() -> None:
    deadline = Deadline(0.01)
    with pytest.raises(TimeoutError), deadline:
        await asyncio.Event().wait()
    assert deadline.expired
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_ends_in_time_is_left_alone() -> None:
    deadline = Deadline(0.5)
    with deadline:
        await asyncio.sleep(0)
    await asyncio.sleep(0.6)
    assert not deadline.expired


async def test_an_error_leaves_the_block_as_it_is() -> None:
    with pytest.raises(KeyError), Deadline(10):
        raise KeyError("x")


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def work() -> None:
        with Deadline(10):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_beside_an_expiry_is_not_swallowed() -> None:
    async def work() -> None:
        with Deadline(0.01) as deadline:
            try:
                await asyncio.Event().wait()
            finally:
                assert deadline.expired
                task.cancel()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_that_expires_is_the_one_that_tells() -> None:
    outer, inner = Deadline(10), Deadline(0.01)
    with outer:
        with pytest.raises(TimeoutError), inner:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
    assert inner.expired
    assert not outer.expired


def test_outside_of_a_task_it_is_refused() -> None:
    with pytest.raises(RuntimeError), Deadline(1):
        pass


async def test_many_at_once_end_each_in_its_time_and_those_that_were_left_do_not() -> None:
    async def wait(seconds: float) -> bool:
        with Deadline(0.05):
            if seconds:
                await asyncio.sleep(seconds)
        return False

    async def waited(seconds: float) -> bool:
        try:
            return await wait(seconds)
        except TimeoutError:
            return True

    async with asyncio.timeout(60):
        assert await asyncio.gather(*(waited(seconds) for seconds in (600, 0, 600, 0))) == [True, False, True, False]
        # A later one is ended too, after the timer of the first ones has rung.
        assert await waited(600)
