"""Offline access beside a sign-on: what the ID token names ends with the sign-on, what the tokens are of does not."""

import asyncio
import sqlite3

import asyncpg
import pytest
from watchword_server.store.authorization_records import TokenFacts
from watchword_server.store.open import store_from_url
from watchword_server.store.postgres_sessions import OPENING

DAY = 86400
ROUNDS = 12


@pytest.fixture
async def signed_on(store, sample):
    await sample.register(store, tenant="t1")
    await sample.sign_on(store)
    return store


@pytest.fixture
async def rivals(signed_on, store_url, store_clock):
    """Two stores on one database, as two servers have them."""
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    yield signed_on, other
    await other.close()


def offline(sample, view, name, **members):
    """What an exchange with offline access records: a session of its own, whose ID token names another."""
    given = {"sign_on": None, "id_token_sid": view.sid or f"in-{name}", "family": {"id": f"f-{name}"}}
    return sample.exchange(view, f"off-{name}", **given | members)


async def redeem(store, sample, name, sign_on="o1", **members):
    digest = await sample.code(store, name, sign_on)
    new = offline(sample, await store.code(digest), name, **members)
    assert await store.redeem_code(digest, session=new, audit=sample.event("code.redeemed"))
    return new


def facts(sid, rev=0):
    return TokenFacts(jti=f"j-{sid}", client_id="app", account_id="ada", sid=sid, tenant="t1", rev=rev)


async def told(store, axis, value, position):
    """Whom a cut-off would be told to, by the sid that their ID tokens name."""
    found = await store.sessions_ended_by(axis, value, spares=None, since=position, limit=99, after=None)
    return [one.id_token_sid or one.session.sid for one in found if not one.told]


async def test_an_exchange_with_offline_access_opens_what_its_id_token_names_in_the_sign_on(
    signed_on, sample, store_clock
):
    now = store_clock.now()
    await redeem(signed_on, sample, "c1")
    (inside,) = await signed_on.client_sessions(sign_on="o1")
    assert (inside.session.sid, inside.id_token_sid, inside.session.client_id) == ("in-c1", None, "app")
    assert (inside.session.expires_at, inside.session.idle_expires_at) == (now + 30 * DAY, now + 30 * DAY)
    assert (inside.session.auth_time, inside.session.amr) == (now, ("pwd",))
    assert list(await signed_on.families_of("in-c1")) == []
    (outside,) = [one for one in await signed_on.client_sessions(client_id="app") if one.sign_on is None]
    assert (outside.session.sid, outside.id_token_sid) == ("off-c1", "in-c1")
    view = await signed_on.family("f-c1")
    assert (view.family.sid, view.id_token_sid) == ("off-c1", "in-c1")
    assert (await signed_on.code(b"c1")).sid == "in-c1", "the client's next authorization there joins it"


async def test_a_session_that_names_itself_says_so(signed_on, sample):
    await sample.redeem(signed_on, await sample.code(signed_on, "c1"), "s1")
    await sample.redeem(signed_on, await sample.code(signed_on, "c2"), "s2", sign_on=None)
    assert (await signed_on.family("f-c1")).id_token_sid == "s1"
    assert (await signed_on.family("f-c2")).id_token_sid == "s2"
    assert [one.id_token_sid for one in await signed_on.client_sessions()] == [None, None]


async def test_with_and_without_offline_access_a_client_has_one_session_in_a_sign_on(signed_on, sample, store_clock):
    await sample.redeem(signed_on, await sample.code(signed_on, "c1"), "s1")
    store_clock.advance(1)
    first = await redeem(signed_on, sample, "c2")
    second = await redeem(signed_on, sample, "c3")
    assert (first.id_token_sid, second.id_token_sid) == ("s1", "s1")
    assert [one.session.sid for one in await signed_on.client_sessions(sign_on="o1")] == ["s1"]
    third = await sample.redeem(signed_on, await sample.code(signed_on, "c4"), "s4")
    assert third == "s1"
    assert {family.id for family in await signed_on.families_of("s1")} == {"f-c1", "f-c4"}


@pytest.mark.rfc("openid-backchannel-logout §2.7/1")
async def test_the_end_of_the_sign_on_ends_what_the_id_token_names_and_no_token(signed_on, sample):
    await redeem(signed_on, sample, "c1")
    assert await signed_on.end_sign_on("o1", account_id="ada", reason="logout", audit=sample.event())
    (news,) = await signed_on.news(limit=9)
    assert (news.axis, news.value, news.ends_sessions) == ("session", "in-c1", True)
    assert await told(signed_on, "session", "in-c1", news.position) == ["in-c1"]
    assert await signed_on.is_alive(facts("off-c1"))
    assert not await signed_on.is_alive(facts("in-c1"))
    assert await sample.advance(signed_on, "f-c1")
    assert (await signed_on.family("f-c1")).id_token_sid == "in-c1"


async def test_the_end_of_offline_access_ends_its_tokens_and_is_told_by_the_name_the_client_knows(signed_on, sample):
    await redeem(signed_on, sample, "c1")
    assert await signed_on.revoke_family("f-c1", reason="revoked", audit=sample.event(), notice=None)
    assert not await signed_on.is_alive(facts("off-c1"))
    (news,) = await signed_on.news(limit=9)
    assert await told(signed_on, "session", "off-c1", news.position) == ["in-c1"]
    assert (await signed_on.session_view("in-c1", "ada")).alive
    assert await signed_on.code(await sample.code(signed_on, "c2")), "the sign-on goes on"


async def test_what_a_client_was_told_of_by_the_end_of_the_sign_on_it_is_not_told_again(signed_on, sample):
    await redeem(signed_on, sample, "c1")
    await signed_on.end_sign_on("o1", account_id="ada", reason="logout", audit=sample.event())
    await signed_on.end_session("off-c1", account_id="ada", reason="ended", audit=sample.event())
    assert [one.value for one in await signed_on.news(limit=9)] == ["in-c1", "off-c1"]
    assert await told(signed_on, "session", "in-c1", 1) == ["in-c1"]
    assert await told(signed_on, "session", "off-c1", 2) == []


async def test_a_withdrawn_authorization_ends_both_and_is_told_once(signed_on, sample):
    await signed_on.authorize("ada", "app", scope=("a",), resource=(), details=b"", audit=sample.event())
    await redeem(signed_on, sample, "c1")
    assert await signed_on.withdraw_authorization("ada", "app", sample.event())
    assert list(await signed_on.client_sessions()) == []
    news = await signed_on.news(limit=9)
    assert sorted(one.value for one in news) == ["in-c1", "off-c1"]
    assert [name for one in news for name in await told(signed_on, "session", one.value, one.position)] == ["in-c1"]


@pytest.mark.parametrize(
    ("axis", "value"), [("account", "ada"), ("client", "app"), ("tenant", "t1"), ("everything", "")]
)
async def test_a_cut_off_of_all_ends_both_and_names_what_the_client_knows(signed_on, sample, axis, value):
    await redeem(signed_on, sample, "c1")
    entry = await signed_on.cut_off(axis, value, spares=None, ends_families=True, cause="x", audit=sample.event())
    for sid in ("off-c1", "in-c1"):
        assert not await signed_on.is_alive(facts(sid))
    assert not await sample.advance(signed_on, "f-c1")
    assert set(await told(signed_on, axis, value, entry.position)) == {"in-c1"}


async def test_offline_access_that_outlived_its_sign_on_is_still_told_by_that_name(signed_on, sample, store_clock):
    now = store_clock.now()
    await redeem(
        signed_on, sample, "c1", family={"id": "f-c1", "idle_expires_at": now + 90 * DAY, "expires_at": now + 90 * DAY},
        expires_at=now + 90 * DAY, idle_expires_at=None,
    )  # fmt: skip
    store_clock.advance(31 * DAY)
    assert (await signed_on.sweep(limit=99, retention=0)).deleted["sessions"] == 1
    assert await signed_on.session_view("in-c1", "ada") is None
    assert (await signed_on.family("f-c1")).id_token_sid == "in-c1"
    await signed_on.end_session("off-c1", account_id="ada", reason="ended", audit=sample.event())
    assert await told(signed_on, "session", "off-c1", 1) == ["in-c1"]


async def test_a_replayed_code_ends_what_it_gave_tokens_of(signed_on, sample):
    await redeem(signed_on, sample, "c1")
    assert await signed_on.replay_code(b"c1", audit=sample.event(), notice=None)
    assert not await signed_on.is_alive(facts("off-c1"))
    assert await told(signed_on, "session", "off-c1", 1) == ["in-c1"]


async def test_what_cannot_be_opened_leaves_nothing_of_both_and_the_code_good(signed_on, sample):
    await sample.redeem(signed_on, await sample.code(signed_on, "c1", client_id="web"), "s-web")
    await sample.redeem(signed_on, await sample.code(signed_on, "c2"), "s2", sign_on=None)
    digest = await sample.code(signed_on, "c3")
    view = await signed_on.code(digest)
    assert view.sid is None

    def tried(**members):
        given = {"sign_on": None, "id_token_sid": "in-c3", "family": {"id": "f-c3"}, "account_id": "ada"}
        new = sample.session(view.read_at, members.pop("sid", "off-c3"), client_id="app", **given | members)
        return signed_on.redeem_code(digest, session=new, audit=sample.event())

    assert not await tried(sid="s2"), "a session that is there is not made one of offline access"
    assert not await tried(id_token_sid="s-web"), "another client's"
    assert not await tried(id_token_sid="s2"), "of no sign-on"
    sids = {one.session.sid for one in await signed_on.client_sessions()}
    assert sids == {"s-web", "s2"}
    assert not (await signed_on.code(digest)).used
    assert await tried()
    with pytest.raises(ValueError, match="id_token_sid"):
        await tried(id_token_sid="x\0")


async def before_this_step(store_url):
    """Undo the step that this is about, as if the server of before had made the database."""
    name = "offline_sessions"
    if store_url.startswith("sqlite"):
        connection = sqlite3.connect(store_url.removeprefix("sqlite:///"))
        with connection:
            connection.execute("ALTER TABLE sessions DROP COLUMN id_token_sid")
            connection.execute("DELETE FROM schema_migrations WHERE name = ?", (name,))
        connection.close()
        return
    connection = await asyncpg.connect(store_url)
    types = "double precision, watchword_new_session, watchword_new_family, text[], bytea"
    await connection.execute("ALTER TABLE sessions DROP COLUMN id_token_sid")
    await connection.execute(f"DROP FUNCTION watchword_redeem_code({types}, text)")
    await connection.execute("DELETE FROM schema_migrations WHERE name = $1", name)
    await connection.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_sessions_recorded_before_go_on_and_name_themselves(request, tmp_path, sample, store_clock, engine):
    """Rows that an older server wrote: offline access whose ID tokens named its own session."""
    url = f"sqlite:///{tmp_path}/before.db" if engine == "sqlite" else request.getfixturevalue("postgres_dsn")
    store = store_from_url(url, clock=store_clock)
    await store.open(migrate=True)
    await sample.register(store)
    await sample.sign_on(store)
    await sample.redeem(store, await sample.code(store, "c1"), "s1", sign_on=None)
    await store.close()
    await before_this_step(url)
    store = store_from_url(url, clock=store_clock)
    await store.open(migrate=True)
    assert await store.end_sign_on("o1", account_id="ada", reason="logout", audit=sample.event())
    assert await sample.advance(store, "f-c1")
    assert (await store.family("f-c1")).id_token_sid == "s1"
    await store.end_session("s1", account_id="ada", reason="ended", audit=sample.event())
    assert await told(store, "session", "s1", 1) == ["s1"]
    await store.close()


async def test_a_server_of_before_that_is_being_replaced_exchanges_codes_still(
    migrated_postgres_dsn, sample, store_clock
):
    """On PostgreSQL, where the schema may be newer than one of the programs."""
    store = store_from_url(migrated_postgres_dsn, clock=store_clock)
    await store.open(migrate=True)
    await sample.register(store)
    await sample.sign_on(store)
    digest = await sample.code(store, "c1")
    new = sample.exchange(await store.code(digest), "s1", family={"id": "f-c1"})
    of_before = f"SELECT watchword_redeem_code($1, {OPENING}, $26)"
    assert await store._redeem(of_before, new, sample.event("code.redeemed"), digest)
    assert not await store._redeem(of_before, new, sample.event("code.redeemed"), digest)
    assert (await store.family("f-c1")).id_token_sid == "s1"
    await store.close()


@pytest.mark.parametrize("way", ["sign_on", "account", "client", "withdrawn"])
async def test_an_exchange_that_races_an_end_never_leaves_what_its_id_token_names_untold(
    rivals, sample, way, store_clock
):
    """Refused, or what it opened in the sign-on is dead and told of; after the end of the sign-on alone its tokens live."""
    await rivals[0].end_sign_on("o1", account_id=None, reason="x", audit=sample.event())
    for number in range(ROUNDS):
        sign_on, name = f"r{number}", f"c{number}"
        await rivals[0].enable_account("ada", sample.event())
        await rivals[0].authorize("ada", "app", scope=("a",), resource=(), details=b"", audit=sample.event())
        await sample.sign_on(rivals[0], sign_on)
        digest = await sample.code(rivals[0], name, sign_on)
        view = await rivals[0].code(digest)
        one, other = rivals[number % 2], rivals[(number + 1) % 2]
        acts = {
            "sign_on": lambda store, which=sign_on: store.end_sign_on(
                which, account_id=None, reason="x", audit=sample.event()
            ),
            "account": lambda store: store.end_all_sessions("ada", spares=None, reason="x", audit=sample.event()),
            "client": lambda store: store.cut_off(
                "client", "app", spares=None, ends_families=True, cause="x", audit=sample.event()
            ),
            "withdrawn": lambda store: store.withdraw_authorization("ada", "app", sample.event()),
        }
        session = offline(sample, view, name)
        redeemed, _ = await asyncio.gather(
            one.redeem_code(digest, session=session, audit=sample.event()), acts[way](other)
        )
        assert not await other.is_alive(facts(f"in-{name}", view.rev))
        assert await other.is_alive(facts(f"off-{name}", view.rev)) == (redeemed and way == "sign_on")
        if redeemed:
            heard = [
                sid
                for news in await other.news(limit=500)
                for sid in await told(other, news.axis, news.value, news.position)
            ]
            assert f"in-{name}" in heard
        store_clock.advance(1)


async def test_exchanges_of_one_client_at_once_share_what_their_id_tokens_name(rivals, sample):
    codes = [await sample.code(rivals[0], f"c{number}") for number in range(8)]

    async def exchange(number):
        """As the token endpoint does: read again while the code is good. Every other one without offline access."""
        store = rivals[number % 2]
        while True:
            view = await store.code(codes[number])
            assert view.alive
            assert not view.used
            new = offline(sample, view, f"c{number}")
            if number % 4 > 1:
                new = sample.exchange(view, f"in-c{number}", family={"id": f"f-c{number}"})
            if await store.redeem_code(codes[number], session=new, audit=sample.event()):
                return new.id_token_sid or new.sid

    named = set(await asyncio.gather(*(exchange(number) for number in range(8))))
    assert len(named) == 1
    assert [one.session.sid for one in await rivals[0].client_sessions(sign_on="o1")] == [*named]
    assert len(await rivals[0].client_sessions(client_id="app")) == 5
