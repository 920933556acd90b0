import pytest
from watchword_server.store.records import Account


async def test_an_account_is_kept_as_it_was_given(store, sample, store_clock):
    created = await store.create_account(
        sample.account(
            username="Ada", username_key="ada", roles=("admin", "staff"), permissions=("read",), tenant="t1",
            email_verified=True,
        ),
        sample.event("account.created", account_id="ada"),
    )  # fmt: skip
    assert created == Account(
        id="ada",
        email="Ada@Example.test",
        username="Ada",
        roles=("admin", "staff"),
        permissions=("read",),
        tenant="t1",
        email_verified=True,
        created_at=store_clock.now(),
        password_changed_at=store_clock.now(),
        disabled_at=None,
    )
    view = await store.account("ada")
    assert (view.account, view.password_hash, view.rev, view.read_at) == (created, "hash of ada", 0, store_clock.now())
    assert [
        entry.event.event for entry in await store.audit_entries(before=None, limit=9, account_id="ada", event=None)
    ] == ["account.created"]


@pytest.mark.parametrize(
    ("members", "taken"),
    [
        ({"email_key": "ada@example.test"}, "email"),
        ({"username_key": "ada"}, "username"),
        ({"email_key": "ada@example.test", "username_key": "ada"}, "email"),
    ],
)
async def test_a_taken_name_is_told_and_nothing_is_written(store, sample, members, taken):
    await sample.register(store, username="Ada", username_key="ada")
    assert await store.create_account(sample.account("eve", **members), sample.event("account.created")) == taken
    assert await store.account("eve") is None
    assert (await store.figures()).rows["audit"] == 1


async def test_an_id_that_is_taken_is_refused_without_a_trace(store, sample):
    await sample.register(store)
    with pytest.raises(ValueError, match="exists"):
        await store.create_account(sample.account(email_key="other@example.test"), sample.event())
    assert await store.account_for_login(email_key="other@example.test", username_key=None) is None


async def test_accounts_without_a_username_do_not_collide(store, sample):
    await sample.register(store, "ada")
    await sample.register(store, "bob")
    assert await store.account_for_login(email_key=None, username_key=None) is None


async def test_login_finds_by_email_before_username(store, sample):
    await sample.register(store, "ada", username="shared", username_key="shared")
    await sample.register(store, "bob", email_key="bob@example.test")
    both = await store.account_for_login(email_key="bob@example.test", username_key="shared")
    assert both.account.id == "bob"
    assert (await store.account_for_login(email_key="nobody@example.test", username_key="shared")).account.id == "ada"
    assert (await store.account_for_login(email_key=None, username_key="shared")).account.id == "ada"
    assert await store.account_for_login(email_key="Bob@Example.test", username_key=None) is None
    assert await store.account("nobody") is None


async def test_accounts_are_listed_by_id_after_an_id_and_by_a_literal_part(store, sample):
    for name in ("ada", "bob", "cy%d", "d_n"):
        await sample.register(store, name, username=f"User {name}", username_key=f"user {name}")

    async def ids(**query):
        return [
            account.id for account in await store.list_accounts(**{"after": None, "limit": 10, "search": None} | query)
        ]

    assert await ids() == ["ada", "bob", "cy%d", "d_n"]
    assert await ids(after="ada", limit=2) == ["bob", "cy%d"]
    assert await ids(search="%") == ["cy%d"]
    assert await ids(search="_") == ["d_n"]
    assert await ids(search="BOB@") == ["bob"]
    assert await ids(search="User a") == ["ada"]
    assert await ids(search="\\") == []
    assert await ids(search="") == ["ada", "bob", "cy%d", "d_n"]
    assert await ids(limit=0) == []
    assert await ids(limit=-1) == []


async def test_a_hash_is_renewed_only_if_it_is_still_that_one_and_nothing_is_cut_off(store, sample):
    await sample.register(store)
    assert await store.rehash_password("ada", old_hash="hash of ada", new_hash="stronger")
    assert not await store.rehash_password("ada", old_hash="hash of ada", new_hash="again")
    assert not await store.rehash_password("nobody", old_hash="stronger", new_hash="again")
    view = await store.account("ada")
    assert (view.password_hash, view.rev) == ("stronger", 0)


async def test_a_changed_password_cuts_the_account_off_but_for_the_session_that_did_it(store, sample, store_clock):
    await sample.register(store)
    mine, other = await sample.login(store, "mine"), await sample.login(store, "other")
    store_clock.advance(60)
    assert await store.change_password(
        "ada", old_hash="hash of ada", new_hash="new", spares="mine", audit=sample.event("password.changed")
    )
    view = await store.account("ada")
    assert (view.password_hash, view.rev) == ("new", 1)
    assert view.account.password_changed_at == store_clock.now()
    spared, dead = await store.family(mine), await store.family(other)
    assert not spared.family.rev < spared.cut_off
    assert dead.family.rev < dead.cut_off == 1
    assert (await store.session_view("mine", "ada")).alive
    assert not (await store.session_view("other", "ada")).alive
    assert [session.sid for session in await store.list_sessions("ada")] == ["mine"]
    (entry,) = (await store.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value, entry.spares, entry.floor, entry.cause) == (
        *("account", "ada", "mine", 0),
        "password.changed",
    )


async def test_a_password_that_was_changed_meanwhile_is_not_changed_again(store, sample):
    await sample.register(store)
    for account_id, old in (("ada", "not it"), ("nobody", "hash of ada"), ("nobody", None)):
        assert not await store.change_password(
            account_id, old_hash=old, new_hash="x", spares=None, audit=sample.event()
        )
    assert (await store.head()).position == 0
    assert (await store.figures()).rows["audit"] == 1
    assert await store.change_password("ada", old_hash=None, new_hash="reset", spares=None, audit=sample.event())


async def test_a_role_taken_away_cuts_off_access_tokens_and_not_the_session(store, sample):
    await sample.register(store, roles=("admin", "staff"))
    family = await sample.login(store)
    after = await store.set_roles("ada", ("staff", "audit"), sample.event("roles.set"))
    assert after.roles == ("staff", "audit")
    view = await store.session_view("s1", "ada")
    assert (view.alive, view.token_cut_off, view.rev) == (True, 1, 1)
    assert (await store.family(family)).cut_off == 0
    assert await sample.advance(store, family)


async def test_a_role_given_or_kept_cuts_nothing_off(store, sample):
    await sample.register(store, roles=("staff",))
    assert (await store.set_roles("ada", ("admin", "staff"), sample.event("roles.set"))).roles == ("admin", "staff")
    assert (await store.set_roles("ada", ("admin", "staff"), sample.event("roles.set"))).roles == ("admin", "staff")
    assert await store.set_roles("nobody", ("admin",), sample.event("roles.set")) is None
    assert (await store.head()).position == 0
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="roles.set")) == 1


async def test_a_disabled_account_is_cut_off_and_stays_cut_off_when_enabled_again(store, sample, store_clock):
    await sample.register(store)
    family = await sample.login(store)
    assert await store.disable_account("ada", sample.event("account.disabled"))
    assert not await store.disable_account("ada", sample.event("account.disabled"))
    assert (await store.account("ada")).account.disabled_at == store_clock.now()
    assert not await sample.advance(store, family)
    assert not await store.start_session(sample.session(store_clock.now(), "s2", rev=1), sample.event())
    assert await store.enable_account("ada", sample.event("account.enabled"))
    assert not await store.enable_account("ada", sample.event("account.enabled"))
    assert not (await store.session_view("s1", "ada")).alive
    assert not await sample.advance(store, family)
    assert (await store.family(family)).cut_off == 1
    await sample.login(store, "s2")
    assert not await store.disable_account("nobody", sample.event())
    assert not await store.enable_account("nobody", sample.event())
