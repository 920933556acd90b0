"""Device codes."""

import asyncio

import pytest
from watchword_server.store.authorization_records import NewDeviceCode


@pytest.fixture
def device(store_clock):
    def make(digest=b"d1", user_code="WDJB-MJHT", **members):
        given = {"client_id": "tv", "request": b"\0r", "interval": 5, "expires_at": store_clock.now() + 600}
        return NewDeviceCode(digest=digest, user_code=user_code, **given | members)

    return make


@pytest.fixture
async def signed_on(store, sample):
    await sample.register(store)
    await sample.sign_on(store)
    return store


def decide(store, sample, terms=b"T", rev=0, **members):
    given = {"user_code": "WDJB-MJHT", "sign_on": "o1"} | members
    return store.decide_device(given.pop("user_code"), terms=terms, rev=rev, audit=sample.event("decided"), **given)


def session_of(sample, view, sid="s1", **members):
    given = {"client_id": "tv", "rev": view.rev, "sign_on": None}
    return sample.session(view.read_at, sid, "ada", **given | members)


@pytest.mark.rfc("8628 §3.5/1")
@pytest.mark.rfc("8628 §3.4")
async def test_a_device_waits_is_approved_and_redeems_once(signed_on, sample, device, store_clock):
    assert await signed_on.add_device_code(device())
    seen = await signed_on.device_request("WDJB-MJHT")
    assert (seen.client_id, seen.request, seen.terms, seen.state) == ("tv", b"\0r", b"", "pending")
    assert (seen.too_soon, seen.interval, seen.expires_at) == (False, 5, store_clock.now() + 600)
    assert (seen.account, seen.sign_on, seen.alive) == (None, None, True)
    assert await signed_on.device_request("wdjb-mjht") is None
    waiting = await signed_on.poll_device(b"d1")
    assert (waiting.state, waiting.too_soon) == ("pending", False)
    assert not await signed_on.redeem_device(b"d1", session=session_of(sample, waiting), audit=sample.event())
    done = await asyncio.gather(*(decide(signed_on, sample) for _ in range(8)))
    assert done.count(True) == 1
    assert await signed_on.device_request("WDJB-MJHT") is None
    store_clock.advance(5)
    view = await signed_on.poll_device(b"d1")
    assert (view.state, view.terms, view.alive, view.too_soon) == ("approved", b"T", True, False)
    assert (view.account.id, view.sign_on.id) == ("ada", "o1")
    done = await asyncio.gather(
        *(
            signed_on.redeem_device(b"d1", session=session_of(sample, view, f"s{n}"), audit=sample.event("race.won"))
            for n in range(8)
        )
    )
    assert done.count(True) == 1
    assert (await signed_on.figures()).rows["sessions"] == 1
    assert (await signed_on.poll_device(b"d1")).state == "redeemed"
    assert await signed_on.poll_device(b"unknown") is None


async def test_a_denied_device_gets_nothing(signed_on, sample, device):
    await signed_on.add_device_code(device())
    assert await decide(signed_on, sample, terms=None)
    assert not await decide(signed_on, sample)
    view = await signed_on.poll_device(b"d1")
    assert (view.state, view.terms) == ("denied", b"")
    assert not await signed_on.redeem_device(b"d1", session=session_of(sample, view), audit=sample.event())


@pytest.mark.rfc("8628 §3.5/2")
async def test_who_polls_too_soon_has_to_wait_longer_from_then_on(store, device, store_clock):
    await store.add_device_code(device())
    polls = []
    for wait in (0, 4.9, 9.9, 15, 1):
        store_clock.advance(wait)
        view = await store.poll_device(b"d1")
        polls.append((view.too_soon, view.interval))
    assert polls == [(False, 5), (True, 10), (True, 15), (False, 15), (True, 20)]
    assert not (await store.device_request("WDJB-MJHT")).too_soon
    assert (await store.device_request("WDJB-MJHT")).interval == 20


async def test_a_user_code_belongs_to_one_living_device(signed_on, sample, device, store_clock):
    made = await asyncio.gather(*(signed_on.add_device_code(device(f"d{n}".encode())) for n in range(8)))
    assert made.count(True) == 1
    store_clock.advance(600)
    assert await signed_on.device_request("WDJB-MJHT") is None
    assert not await decide(signed_on, sample)
    assert await signed_on.add_device_code(device(b"later"))
    assert await decide(signed_on, sample)
    assert not await signed_on.add_device_code(device(b"later still"))
    view = await signed_on.poll_device(b"later")
    assert await signed_on.redeem_device(b"later", session=session_of(sample, view), audit=sample.event())
    assert await signed_on.add_device_code(device(b"last"))
    with pytest.raises(ValueError, match="exists"):
        await signed_on.add_device_code(device(b"last", "OTHER"))


@pytest.mark.parametrize("cut", ["disable", "all", "client", "sign_on", "withdrawn"])
async def test_what_was_cut_off_approves_nothing_and_redeems_nothing(signed_on, sample, device, cut):
    await signed_on.add_device_code(device())
    await signed_on.add_device_code(device(b"d2", "OTHER"))
    await signed_on.authorize("ada", "tv", scope=(), resource=(), details=b"", audit=sample.event())
    assert await decide(signed_on, sample)
    view = await signed_on.poll_device(b"d1")
    if cut == "disable":
        await signed_on.disable_account("ada", sample.event())
    elif cut == "all":
        await signed_on.end_all_sessions("ada", spares=None, reason="x", audit=sample.event())
    elif cut == "sign_on":
        await signed_on.end_sign_on("o1", account_id="ada", reason="x", audit=sample.event())
    elif cut == "withdrawn":
        await signed_on.withdraw_authorization("ada", "tv", sample.event())
    else:
        await signed_on.cut_off("client", "tv", spares=None, ends_families=True, cause="x", audit=sample.event())
    after = await signed_on.poll_device(b"d1")
    assert after is None if cut == "withdrawn" else not after.alive
    for rev in (0, 99):
        new = session_of(sample, view, rev=rev)
        assert not await signed_on.redeem_device(b"d1", session=new, audit=sample.event())
    if cut != "withdrawn":
        assert not await decide(signed_on, sample, user_code="OTHER")
    assert (await signed_on.figures()).rows["sessions"] == 0


@pytest.mark.rfc("8628 §3.5/4")
async def test_a_device_that_was_late_is_told_so_for_a_while(signed_on, sample, device, store_clock):
    await signed_on.add_device_code(device())
    await decide(signed_on, sample)
    store_clock.advance(600)
    view = await signed_on.poll_device(b"d1")
    assert view.expires_at == view.read_at
    assert not await signed_on.redeem_device(b"d1", session=session_of(sample, view), audit=sample.event())
    assert (await signed_on.sweep(limit=9, retention=0)).deleted["device_codes"] == 0
    store_clock.advance(600)
    assert (await signed_on.sweep(limit=9, retention=0)).deleted["device_codes"] == 1
