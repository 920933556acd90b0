"""Opaque access tokens, whether any token was cut off, and what is good once."""

import asyncio

import pytest
from watchword_server.store.authorization_records import NewOpaqueToken, TokenFacts
from watchword_server.store.open import store_from_url


@pytest.fixture
def token(store_clock):
    def make(digest=b"t1", **members):
        given = {"jti": "j1", "client_id": "app", "account_id": "ada", "sid": "s1", "tenant": "t1", "rev": 0}
        given |= {"claims": b'{"scope":"a"}', "expires_at": store_clock.now() + 300}
        return NewOpaqueToken(digest=digest, **given | members)

    return make


@pytest.fixture
async def people(store, sample):
    await sample.register(store, tenant="t1")
    await sample.login(store, client_id="app")
    await store.add_key(sample.key(), unless_state=None, audit=sample.event())
    return store


FACTS = {"jti": "j1", "client_id": "app", "account_id": "ada", "sid": "s1", "tenant": "t1", "rev": 0}


async def test_a_token_is_found_by_its_digest_until_it_expires(people, token, store_clock):
    await people.add_opaque_token(token())
    view = await people.opaque_token(b"t1")
    assert view.facts == TokenFacts(**FACTS)
    assert (view.claims, view.alive) == (b'{"scope":"a"}', True)
    assert (view.expires_at, view.read_at) == (store_clock.now() + 300, store_clock.now())
    for wrong in (b"", b"t2", b"T1", b"t1\0"):
        assert await people.opaque_token(wrong) is None
    with pytest.raises(ValueError, match="exists"):
        await people.add_opaque_token(token())
    store_clock.advance(300)
    assert not (await people.opaque_token(b"t1")).alive
    assert (await people.sweep(limit=9, retention=9)).deleted["opaque_tokens"] == 1
    assert await people.opaque_token(b"t1") is None


async def test_tokens_recorded_at_once_are_all_there(people, token):
    await asyncio.gather(*(people.add_opaque_token(token(f"t{n}".encode(), jti=f"j{n}")) for n in range(200)))
    assert (await people.figures()).rows["opaque_tokens"] == 200
    assert (await people.opaque_token(b"t199")).facts.jti == "j199"


async def test_of_tokens_recorded_at_once_with_one_text_one_is_kept_and_the_rest_are_told(people, token):
    done = await asyncio.gather(
        *(people.add_opaque_token(token(b"same" if n % 2 else f"t{n}".encode())) for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ValueError) for one in done) == 3
    assert (await people.figures()).rows["opaque_tokens"] == 5


@pytest.mark.rfc("7009 §2.1/2")
async def test_only_its_own_client_takes_a_token_back_and_once(people, token):
    await people.add_opaque_token(token())
    assert not await people.delete_opaque_token(b"t1", client_id="web")
    assert not await people.delete_opaque_token(b"t2", client_id="app")
    done = await asyncio.gather(*(people.delete_opaque_token(b"t1", client_id="app") for _ in range(8)))
    assert done.count(True) == 1
    assert await people.opaque_token(b"t1") is None


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("token", "j1"),
        ("session", "s1"),
        ("family", "f-s1"),
        ("account", "ada"),
        ("client", "app"),
        ("tenant", "t1"),
        ("everything", ""),
        ("key", "k1"),
    ],
)
@pytest.mark.parametrize("ends_families", [True, False])
async def test_a_cut_off_on_any_axis_kills_the_token(people, sample, token, axis, value, ends_families):
    facts = TokenFacts(**FACTS, kid="k1")
    await people.add_opaque_token(token())
    assert await people.is_alive(facts)
    await people.cut_off(axis, value, spares=None, ends_families=ends_families, cause="x", audit=sample.event())
    assert not await people.is_alive(facts)
    # An opaque token was signed by no key.
    assert (await people.opaque_token(b"t1")).alive is (axis == "key")
    later = {"rev": 1, "sid": None, "jti": "j2", "kid": "k2"}
    assert await people.is_alive(TokenFacts(**FACTS | later))


@pytest.mark.parametrize(
    ("axis", "value"),
    [("token", "j2"), ("session", "s2"), ("account", "eve"), ("client", "web"), ("tenant", "t2"), ("key", "k2")],
)
async def test_a_cut_off_of_another_token_touches_nothing(people, sample, token, axis, value):
    await people.add_opaque_token(token())
    await people.cut_off(axis, value, spares=None, ends_families=True, cause="x", audit=sample.event())
    assert await people.is_alive(TokenFacts(**FACTS, kid="k1"))
    assert (await people.opaque_token(b"t1")).alive


async def test_a_spared_session_keeps_its_tokens_from_before_and_only_until_a_cut_off_that_does_not_spare_it(
    people, sample, token
):
    await people.add_opaque_token(token())
    await people.end_all_sessions("ada", spares="s1", reason="x", audit=sample.event())
    assert (await people.opaque_token(b"t1")).alive
    assert not await people.is_alive(TokenFacts(**FACTS | {"sid": None}))
    await people.end_all_sessions("ada", spares=None, reason="x", audit=sample.event())
    assert not (await people.opaque_token(b"t1")).alive
    await people.end_all_sessions("ada", spares="s1", reason="x", audit=sample.event())
    assert not (await people.opaque_token(b"t1")).alive


async def test_a_token_dies_with_its_session_and_account_and_needs_them_on_record(people, sample, token, store_clock):
    await people.add_opaque_token(token())
    for strange in (
        {"sid": "nothing"},
        {"account_id": "nobody"},
        {"account_id": "nobody", "sid": None},
        {"account_id": None},
    ):
        assert not await people.is_alive(TokenFacts(**FACTS | strange))
    robot = TokenFacts(**FACTS | {"account_id": None, "sid": None, "tenant": None})
    assert await people.is_alive(robot)
    await people.disable_account("ada", sample.event())
    assert not (await people.opaque_token(b"t1")).alive
    await people.enable_account("ada", sample.event())
    await sample.login(people, "s2", client_id="app")
    fresh = TokenFacts(**FACTS | {"sid": "s2", "rev": 1})
    assert await people.is_alive(fresh)
    store_clock.advance(86400)
    assert not await people.is_alive(fresh)
    assert await people.is_alive(robot)
    assert not await people.is_alive(TokenFacts(**FACTS | {"jti": "a\0"}))


@pytest.mark.rfc("9449 §11.1")
async def test_a_proof_is_new_for_exactly_one_of_many(store, store_clock):
    now = store_clock.now()
    done = await asyncio.gather(
        *(store.first_use("dpop", f"p{n % 10}".encode(), expires_at=now + 60) for n in range(100))
    )
    assert done.count(True) == 10
    assert await store.first_use("assertion", b"p1", expires_at=now + 60)
    store_clock.advance(59)
    assert not await store.first_use("dpop", b"p1", expires_at=now + 120)
    store_clock.advance(1)
    done = await asyncio.gather(*(store.first_use("dpop", b"p1", expires_at=now + 120) for _ in range(10)))
    assert done.count(True) == 1
    assert not await store.first_use("dpop", b"p1", expires_at=now + 300)
    assert (await store.sweep(limit=99, retention=9)).deleted["replays"] == 10


@pytest.mark.parametrize("bad", [{"jti": "a\0"}, {"claims": bytes(1 << 21)}, {"digest": b""}, {"sid": "s" * 2000}])
async def test_what_cannot_be_kept_is_refused(store, token, bad):
    with pytest.raises(ValueError, match=r"."):
        await store.add_opaque_token(token(**bad))


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
async def test_what_is_good_once_is_not_waited_for_and_all_else_is(store_url):
    store = store_from_url(store_url, connections=1)
    await store.open(migrate=False)
    setting = "SELECT current_setting('synchronous_commit')"
    assert await store.first_use("dpop", b"p1", expires_at=9e9)
    assert await store._value(setting) == "on"
    await store.close()
