"""API keys and personal access tokens: found by digest, dead by every cut-off that reaches them, and for good."""

import asyncio

import pytest
from watchword_server.store.api_key_records import NewApiKey
from watchword_server.store.authorization_records import TokenFacts
from watchword_server.store.open import store_from_url

YEAR = 365 * 86_400


@pytest.fixture
def new_key(store_clock):
    def make(key_id="k1", /, **members):
        given = {"account_id": "ada", "client_id": "first-party", "tenant": None, "scope": ("a", "b"), "rev": 0}
        given |= {"audience": (), "name": "laptop", "expires_at": store_clock.now() + YEAR}
        return NewApiKey(**{"id": key_id, "digest": f"digest of {key_id}".encode()} | given | members)

    return make


@pytest.fixture
async def people(store, sample):
    await sample.register(store, tenant="t1")
    return store


@pytest.fixture
def add(people, sample, new_key):
    async def adding(key_id="k1", /, *, most=10, **members):
        return await people.add_api_key(
            new_key(key_id, **members), most=most, audit=sample.event(event="api_key.added")
        )

    return adding


async def alive(store, name="k1"):
    view = await store.api_key(f"digest of {name}".encode())
    return view is not None and view.alive


async def test_a_key_is_found_by_its_digest_with_its_account_until_it_expires(people, add, store_clock):
    assert await add(audience=("https://api.example.test",)) == "added"
    view = await people.api_key(b"digest of k1")
    assert (view.alive, view.account.id, view.account.tenant, view.rev) == (True, "ada", "t1", 0)
    assert (view.key.id, view.key.name, view.key.scope, view.key.last_used_at) == ("k1", "laptop", ("a", "b"), None)
    assert view.key.audience == ("https://api.example.test",)
    assert (view.key.created_at, view.read_at) == (store_clock.now(), store_clock.now())
    for wrong in (b"", b"k1", b"digest of k", b"digest of k1\0", b"DIGEST OF K1"):
        assert await people.api_key(wrong) is None
    store_clock.advance(YEAR)
    assert not await alive(people)
    assert await people.api_keys(account_id="ada") == []


async def test_a_key_of_a_client_has_no_account(people, add):
    assert await add(account_id=None, client_id="robot", tenant="t1") == "added"
    view = await people.api_key(b"digest of k1")
    assert (view.alive, view.account, view.key.client_id, view.key.tenant) == (True, None, "robot", "t1")


async def test_two_keys_of_one_secret_or_id_there_are_not(people, add):
    await add()
    with pytest.raises(ValueError, match="exists"):
        await add()
    with pytest.raises(ValueError, match="digest"):
        await add("k2", digest=b"")
    with pytest.raises(ValueError, match="name"):
        await add("k3", name="a\0b")


async def test_keys_are_listed_by_owner_and_in_pages(people, add):
    for name in ("k1", "k2", "k3"):
        await add(name)
    await add("c1", account_id=None, client_id="robot")
    assert [key.id for key in await people.api_keys(account_id="ada")] == ["k1", "k2", "k3"]
    assert [key.id for key in await people.api_keys(account_id="ada", after="k1", limit=1)] == ["k2"]
    assert [key.id for key in await people.api_keys(client_id="robot")] == ["c1"]
    assert [key.id for key in await people.api_keys()] == ["c1", "k1", "k2", "k3"]
    for strange in ("nobody", "a\0"):
        assert list(await people.api_keys(account_id=strange)) == []


async def test_of_racing_callers_no_more_keys_are_made_than_may_live(add):
    done = await asyncio.gather(*(add(f"k{n}", most=3) for n in range(12)))
    assert (done.count("added"), done.count("too_many")) == (3, 9)
    assert await add("c1", account_id=None, client_id="robot", most=3) == "added"


async def test_a_dead_key_makes_room(people, add, sample):
    assert await add(most=1) == "added"
    assert await add("k2", most=1) == "too_many"
    assert await people.revoke_api_key("k1", account_id="ada", audit=sample.event())
    assert await add("k2", most=1, rev=1) == "added"


async def test_who_makes_and_revokes_without_end_is_stopped_until_the_dead_are_swept(people, add, sample, store_clock):
    for n in range(10):
        assert await add(f"k{n}", most=1, rev=10**6) == "added"
        assert await people.revoke_api_key(f"k{n}", account_id="ada", audit=sample.event())
    assert await add("more", most=1, rev=10**6) == "too_many"
    store_clock.advance(100)
    await people.sweep(limit=99, retention=100)
    assert await add("more", most=1, rev=10**6) == "added"


async def test_a_key_is_revoked_by_exactly_one_and_only_by_its_own_account(people, add, sample):
    await add()
    assert not await people.revoke_api_key("k1", account_id="eve", audit=sample.event())
    assert not await people.revoke_api_key("nothing", account_id=None, audit=sample.event())
    assert not await people.revoke_api_key("a\0", account_id=None, audit=sample.event())
    assert await alive(people)
    done = await asyncio.gather(
        *(people.revoke_api_key("k1", account_id="ada", audit=sample.event(event="api_key.revoked")) for _ in range(8))
    )
    assert done.count(True) == 1
    assert not await alive(people)
    [line] = await people.audit_entries(before=None, limit=9, account_id="ada", event="api_key.revoked")
    assert (line.event.account_id, line.event.client_id) == ("ada", "first-party")
    told = TokenFacts(jti="k1", client_id="first-party", account_id="ada", sid=None, tenant="t1", rev=9)
    assert not await people.is_alive(told), "verifiers are told by its jti"


@pytest.mark.parametrize(
    ("axis", "value"), [("account", "ada"), ("client", "first-party"), ("tenant", "t1"), ("everything", "")]
)
async def test_a_cut_off_that_ends_families_ends_keys_and_for_longer_than_it_is_kept(
    people, add, sample, store_clock, axis, value
):
    await add()
    # One that ends access tokens alone does not: what is told of the key from now on is newer than that cut-off.
    await people.cut_off(axis, value, spares=None, ends_families=False, cause="x", audit=sample.event())
    assert await alive(people)
    assert (await people.api_key(b"digest of k1")).rev == 1
    await people.cut_off(axis, value, spares="k1", ends_families=True, cause="x", audit=sample.event())
    assert not await alive(people), "nobody spares a key"
    for _ in range(3):
        store_clock.advance(30 * 86_400)
        await people.sweep(limit=100, retention=60)
    assert not await alive(people)
    assert await add("k2") == "refused", "decided before the cut-off"
    assert await add("k3", rev=2) == "added"


async def test_a_cut_off_of_its_jti_ends_a_key_for_longer_than_it_is_kept(people, add, sample, store_clock):
    await add()
    await add("k2")
    await people.cut_off("token", "k1", spares=None, ends_families=False, cause="x", audit=sample.event())
    store_clock.advance(40 * 86_400)
    await people.sweep(limit=100, retention=60 * 86_400)
    assert not await alive(people)
    assert await alive(people, "k2")
    assert not await people.revoke_api_key("k1", account_id=None, audit=sample.event())


async def test_a_cut_off_of_another_touches_no_key(people, add, sample):
    await add()
    for axis, value in (("token", "k2"), ("account", "eve"), ("client", "web"), ("tenant", "t2"), ("session", "k1")):
        await people.cut_off(axis, value, spares=None, ends_families=True, cause="x", audit=sample.event())
    assert await alive(people)


async def test_keys_die_with_their_account_and_do_not_rise_with_it(people, add, sample):
    await add()
    await add("c1", account_id=None, client_id="robot")
    await people.disable_account("ada", sample.event())
    assert not await alive(people)
    assert await add("k2", rev=9) == "refused"
    await people.enable_account("ada", sample.event())
    assert not await alive(people)
    assert await alive(people, "c1")
    assert await add("k3", account_id="nobody") == "refused"


async def test_last_use_is_written_once_in_a_while_whoever_races(people, add, store_clock):
    await add()
    done = await asyncio.gather(*(people.use_api_key("k1", every=60) for _ in range(8)))
    assert done.count(True) == 1
    first = store_clock.now()
    store_clock.advance(59)
    assert not await people.use_api_key("k1", every=60)
    assert (await people.api_key(b"digest of k1")).key.last_used_at == first
    store_clock.advance(1)
    assert await people.use_api_key("k1", every=60)
    assert (await people.api_key(b"digest of k1")).key.last_used_at == first + 60
    assert not await people.use_api_key("k2", every=60)


async def test_a_race_of_revoking_and_cutting_off_ends_the_key_without_a_deadlock(people, add, sample):
    for n in range(10):
        await add(f"k{n}", rev=10**6)
        await asyncio.gather(
            people.revoke_api_key(f"k{n}", account_id=None, audit=sample.event()),
            people.cut_off("token", f"k{n}", spares=None, ends_families=False, cause="x", audit=sample.event()),
            people.use_api_key(f"k{n}", every=0),
        )
        assert not await alive(people, f"k{n}")


async def test_dead_keys_are_swept_after_a_while(people, add, sample, store_clock):
    await add()
    await add("k2")
    await people.revoke_api_key("k1", account_id=None, audit=sample.event())
    assert (await people.sweep(limit=9, retention=100)).deleted["api_keys"] == 0
    store_clock.advance(100)
    assert (await people.sweep(limit=9, retention=100)).deleted["api_keys"] == 1
    assert await people.api_key(b"digest of k1") is None
    assert await alive(people, "k2")


async def test_a_key_survives_the_end_of_the_process_that_made_it(store_url, sample, new_key, store_clock):
    for first in (True, False):
        store = store_from_url(store_url, clock=store_clock)
        await store.open(migrate=True)
        if first:
            await sample.register(store)
            assert await store.add_api_key(new_key(), most=9, audit=sample.event()) == "added"
        assert await alive(store)
        await store.close()
