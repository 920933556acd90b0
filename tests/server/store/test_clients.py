"""Clients on record and initial access tokens."""

import asyncio

import pytest

LATER = 9e9


async def update(store, sample, seen, **members):
    given = {"metadata": b'{"a":1}', "secret_digests": (), "sealed_secret": None, "registration_digest": None}
    return await store.update_client("app", seen=seen, audit=sample.event("client.updated"), **given | members)


async def test_a_client_is_kept_as_it_was_given(store, sample, store_clock):
    new = sample.client(
        origin="dynamic",
        metadata=b'{"client_name":"\xc3\x84"}',
        secret_digests=(b"\0" * 32, b"\xff" * 32),
        sealed_secret=b"\0sealed",
        registration_digest=b"r" * 32,
        tenant="t1",
    )
    made = await store.create_client(new, sample.event("client.created", client_id="app"))
    now = store_clock.now()
    assert made == await store.client("app")
    assert (made.client_id, made.origin, made.metadata) == ("app", "dynamic", new.metadata)
    assert (made.secret_digests, made.sealed_secret) == (new.secret_digests, new.sealed_secret)
    assert (made.registration_digest, made.tenant) == (new.registration_digest, "t1")
    assert (made.created_at, made.updated_at, made.disabled_at) == (now, now, None)
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="client.created")) == 1
    for unknown in ("", "App", "app\0", "app "):
        assert await store.client(unknown) is None


@pytest.mark.rfc("7591 §3.2.1/4")
async def test_a_client_id_is_given_once(store, sample):
    made = await asyncio.gather(*(store.create_client(sample.client(), sample.event("race.won")) for _ in range(16)))
    assert sum(one is not None for one in made) == 1
    assert len(await store.audit_entries(before=None, limit=99, account_id=None, event="race.won")) == 1


async def test_clients_are_listed_by_client_id_page_by_page(store, sample):
    for name in ("b", "a", "c"):
        await store.create_client(sample.client(name), sample.event())
    assert [one.client_id for one in await store.list_clients(after=None, limit=2)] == ["a", "b"]
    assert [one.client_id for one in await store.list_clients(after="b", limit=2)] == ["c"]
    assert list(await store.list_clients(after="\0", limit=2)) == []


async def test_of_two_who_saw_the_same_client_one_changes_it(store, sample):
    made = await store.create_client(sample.client(), sample.event())
    changed = await asyncio.gather(*(update(store, sample, made.updated_at) for _ in range(8)))
    (done,) = [one for one in changed if one is not None]
    assert (done.metadata, done.secret_digests, done.created_at) == (b'{"a":1}', (), made.created_at)
    assert done.updated_at > made.updated_at
    again = await update(store, sample, done.updated_at)
    assert again.updated_at > done.updated_at
    assert await update(store, sample, done.updated_at) is None
    assert len(await store.audit_entries(before=None, limit=99, account_id=None, event="client.updated")) == 2


async def test_a_disabled_client_is_cut_off_with_its_sessions_and_stays_so(store, sample):
    await store.create_client(sample.client(), sample.event())
    await sample.register(store)
    family = await sample.login(store, client_id="app")
    done = await asyncio.gather(*(store.disable_client("app", sample.event("client.disabled")) for _ in range(8)))
    assert done.count(True) == 1
    (entry,) = (await store.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value, entry.cause) == ("client", "app", "client.disabled")
    assert not (await store.session_view("s1", "ada")).alive
    assert (await store.client("app")).disabled_at is not None
    assert await store.enable_client("app", sample.event())
    assert not await store.enable_client("app", sample.event())
    assert (await store.client("app")).disabled_at is None
    assert not await sample.advance(store, family)
    await sample.login(store, "s2", client_id="app")
    assert (await store.session_view("s2", "ada")).alive


async def test_a_deleted_client_takes_all_that_was_given_to_it_along(store, sample):
    await store.create_client(sample.client(), sample.event())
    await sample.register(store)
    await sample.sign_on(store)
    await store.authorize("ada", "app", scope=("a",), resource=(), details=b"", audit=sample.event())
    await store.authorize("ada", "web", scope=("a",), resource=(), details=b"", audit=sample.event())
    code = await sample.code(store)
    done = await asyncio.gather(*(store.delete_client("app", sample.event("client.deleted")) for _ in range(8)))
    assert done.count(True) == 1
    assert await store.client("app") is None
    assert [one.client_id for one in await store.authorizations("ada")] == ["web"]
    view = await store.code(code)
    assert not view.alive
    assert not await store.redeem_code(code, session=sample.exchange(view), audit=sample.event())
    for act in (store.disable_client, store.enable_client, store.delete_client):
        assert not await act("app", sample.event())
    # Whoever takes the name next begins anew.
    assert await store.create_client(sample.client(), sample.event()) is not None
    assert not (await store.code(code)).alive
    assert await store.authorization("ada", "app") is None


@pytest.mark.parametrize(
    "members",
    [{"client_id": "a\0"}, {"metadata": bytes(1 << 21)}, {"secret_digests": (b"",)}, {"secret_digests": (b"d",) * 17}],
)
async def test_what_cannot_be_kept_is_refused(store, sample, members):
    with pytest.raises(ValueError, match=r"."):
        await store.create_client(sample.client(**members), sample.event())


@pytest.mark.rfc("7591 §3/3")
async def test_an_initial_access_token_is_good_for_as_many_registrations_as_it_says(store, sample, store_clock):
    now = store_clock.now()
    await store.add_registration_token(b"t", uses=3, expires_at=now + 60, audit=sample.event())
    done = await asyncio.gather(*(store.use_registration_token(b"t") for _ in range(16)))
    assert done.count(True) == 3
    assert not await store.use_registration_token(b"unknown")
    await store.add_registration_token(b"u", uses=3, expires_at=now + 60, audit=sample.event())
    store_clock.advance(60)
    assert not await store.use_registration_token(b"u")
    with pytest.raises(ValueError, match="exists"):
        await store.add_registration_token(b"u", uses=1, expires_at=LATER, audit=sample.event())
