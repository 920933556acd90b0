"""Guesses at the codes of devices: counted by address and in all, and the codes asked for in the name of public clients."""

import asyncio

import pytest
from watchword_server.settings.tree import Throttle
from watchword_server.tokens.device_throttle import DeviceThrottle

HERE, THERE = "192.0.2.7", "198.51.100.9"


@pytest.fixture
def throttle(store, store_clock):
    settings = Throttle(device_failures=3, device_failures_total=5, device_requests=4, window=900)
    return DeviceThrottle(store, settings, secret=bytes(32), clock=store_clock)


async def test_an_address_that_guessed_too_often_waits_and_others_do_not(throttle, store_clock):
    for _ in range(3):
        assert await throttle.wait(HERE) is None
        await throttle.wrong(HERE)
    assert await throttle.wait(HERE) == 900
    assert await throttle.wait(THERE) is None
    store_clock.advance(899.5)
    assert await throttle.wait(HERE) == 1
    store_clock.advance(1)
    assert await throttle.wait(HERE) is None


async def test_guesses_from_many_addresses_stop_everybody(throttle):
    for n in range(5):
        assert await throttle.wait(f"192.0.{n}.1") is None
        await throttle.wrong(f"192.0.{n}.1")
    assert await throttle.wait(THERE) == 900


async def test_of_many_that_ask_for_codes_at_once_no_more_than_allowed_get_one(throttle, store_clock):
    answers = await asyncio.gather(*(throttle.admits(HERE) for _ in range(12)))
    assert sum(answers) == 4
    assert await throttle.admits(THERE)
    store_clock.advance(901)
    assert await throttle.admits(HERE)


async def test_the_neighbours_of_an_ipv6_address_are_one_address(throttle):
    for n in range(3):
        await throttle.wrong(f"2001:db8::{n}")
    assert await throttle.wait("2001:db8::ffff") is not None


async def test_the_store_is_told_no_address(throttle, store):
    await throttle.wrong(HERE)
    assert HERE not in str(await store.failures(("device:all",)))
    assert throttle._key("guess", HERE) != throttle._key("asking", HERE)
    assert HERE not in throttle._key("guess", HERE)
