"""Signing on over each store: begun, renewed, used, ended, and never with a secret that was there before."""

from __future__ import annotations

import itertools

import pytest
from watchword_server.sessions.sign_on import MAX_SECRET, USE_NOTED_EVERY, SignOnService, digest_of
from watchword_server.store.records import Origin

ORIGIN = Origin(actor="test")


@pytest.fixture
def sign_ons(store) -> SignOnService:
    numbers = itertools.count()
    return SignOnService(
        store,
        idle=3600,
        absolute=86_400,
        acr="urn:password",
        identifier=lambda: f"so-{next(numbers)}",
        secret=lambda: f"ws_{next(numbers)}",
    )


@pytest.fixture
async def ada(store, sample):
    await sample.register(store)
    return lambda: store.account("ada")


async def log_in(sign_ons, view, current=None):
    return await sign_ons.log_in(view, current, device="Firefox on Linux", place="Vienna", origin=ORIGIN)


async def test_a_login_begins_a_sign_on_that_its_secret_alone_finds(sign_ons, ada):
    started = await log_in(sign_ons, await ada())
    view = await sign_ons.find(started.secret)
    assert view.account.id == "ada"
    assert (view.sign_on.amr, view.sign_on.acr, view.sign_on.device) == (("pwd",), "urn:password", "Firefox on Linux")
    assert started.expires_in == 86_400
    assert started.secret not in repr(started)
    for wrong in (None, "", "ws_none", started.secret + "x", "x" * (MAX_SECRET + 1), view.sign_on.id):
        assert await sign_ons.find(wrong) is None


async def test_the_same_account_is_renewed_with_a_new_secret_and_the_old_one_is_dead(sign_ons, ada, store_clock):
    first = await log_in(sign_ons, await ada())
    current = await sign_ons.find(first.secret)
    store_clock.advance(600)
    again = await log_in(sign_ons, await ada(), current)
    assert await sign_ons.find(first.secret) is None
    renewed = await sign_ons.find(again.secret)
    assert renewed.sign_on.id == current.sign_on.id
    assert renewed.sign_on.auth_time == current.sign_on.auth_time + 600
    assert again.expires_in == 86_400 - 600


async def test_another_account_begins_its_own_and_leaves_the_first_alone(sign_ons, ada, store, sample):
    first = await log_in(sign_ons, await ada())
    await sample.register(store, "eve")
    current = await sign_ons.find(first.secret)
    hers = await log_in(sign_ons, await store.account("eve"), current)
    assert (await sign_ons.find(hers.secret)).account.id == "eve"
    assert (await sign_ons.find(first.secret)).account.id == "ada"


async def test_one_that_was_ended_meanwhile_is_begun_anew(sign_ons, ada):
    first = await log_in(sign_ons, await ada())
    current = await sign_ons.find(first.secret)
    assert await sign_ons.end(current.sign_on.id, account_id="ada", reason="logout", origin=ORIGIN)
    assert not await sign_ons.end(current.sign_on.id, account_id="ada", reason="logout", origin=ORIGIN)
    again = await log_in(sign_ons, await ada(), current)
    assert (await sign_ons.find(again.secret)).sign_on.id != current.sign_on.id


async def test_an_account_cut_off_since_the_password_was_checked_is_not_signed_on(sign_ons, ada, store, sample):
    view = await ada()
    first = await log_in(sign_ons, view)
    current = await sign_ons.find(first.secret)
    await store.end_all_sessions("ada", spares=None, reason="logout_all", audit=sample.event())
    assert await log_in(sign_ons, view) is None
    assert await log_in(sign_ons, view, current) is None
    assert await sign_ons.find(first.secret) is None


async def test_use_is_noted_once_a_minute_and_keeps_it_from_idling_out(sign_ons, ada, store, store_clock):
    started = await log_in(sign_ons, await ada())
    noted = []
    use, store.use_sign_on = store.use_sign_on, lambda *a, **k: noted.append(k) or use(*a, **k)
    for seconds in (0, USE_NOTED_EVERY - 1, 1, 30, 31):
        store_clock.advance(seconds)
        await sign_ons.note_use(await sign_ons.find(started.secret), place="Graz")
    assert len(noted) == 2
    for _ in range(3):
        store_clock.advance(3000)
        view = await sign_ons.find(started.secret)
        assert view is not None
        await sign_ons.note_use(view, place="Graz")
    assert view.sign_on.place == "Graz"
    store_clock.advance(3601)
    assert await sign_ons.find(started.secret) is None


async def test_no_use_keeps_it_beyond_its_absolute_end(sign_ons, ada, store_clock):
    started = await log_in(sign_ons, await ada())
    for _ in range(28):
        store_clock.advance(3000)
        await sign_ons.note_use(await sign_ons.find(started.secret), place="Graz")
    view = await sign_ons.find(started.secret)
    assert view.sign_on.idle_expires_at <= view.sign_on.expires_at
    store_clock.advance(2400)
    assert await sign_ons.find(started.secret) is None


def test_the_store_keeps_a_digest_alone():
    assert digest_of("ws_secret") != b"ws_secret"
    assert len(digest_of("ws_secret")) == 32
