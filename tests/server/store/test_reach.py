"""What a cut-off would end, counted before it is made, on each engine."""

import pytest

MANY = 1000


@pytest.fixture
async def people(store, sample):
    """Ada on two clients, Bob of tenant t on one; each login a session."""
    await sample.register(store, "ada")
    await sample.register(store, "bob", tenant="t")
    await sample.login(store, "a1", "ada", client_id="web")
    await sample.login(store, "a2", "ada", client_id="app")
    await sample.login(store, "b1", "bob", client_id="web")
    return store


def counts(reach):
    return (reach.sessions, reach.accounts, reach.clients)


@pytest.mark.parametrize(
    ("axis", "value", "expected", "known"),
    [
        ("account", "ada", (2, 1, 2), True),
        ("account", "nobody", (0, 0, 0), False),
        ("session", "b1", (1, 1, 1), True),
        ("session", "x", (0, 0, 0), False),
        ("family", "f-a1", (1, 1, 1), True),
        ("client", "web", (2, 2, 1), None),
        ("client", "none", (0, 0, 0), None),
        ("tenant", "t", (1, 1, 1), None),
        ("everything", "", (3, 2, 2), None),
        ("key", "k1", (3, 2, 2), True),
        ("key", "k9", (0, 0, 0), False),
        ("token", "some-jti", (0, 0, 0), None),
        ("account", "ada' OR '1'='1", (0, 0, 0), False),
    ],
)
async def test_each_axis_counts_the_living_sessions_it_would_end(people, sample, axis, value, expected, known):
    await people.add_key(sample.key("k1"), unless_state=None, audit=sample.event())
    found = await people.reach(axis, value, limit=MANY)
    assert (counts(found), found.known, found.more, found.standing) == (expected, known, False, None)


async def test_what_is_dead_already_is_not_counted(people, sample, store_clock):
    await people.end_session("a1", account_id=None, reason="test", audit=sample.event())
    assert counts(await people.reach("account", "ada", limit=MANY)) == (1, 1, 1)
    await people.cut_off("client", "web", spares=None, ends_families=True, cause="test", audit=sample.event())
    assert counts(await people.reach("everything", "", limit=MANY)) == (1, 1, 1)
    store_clock.advance(86401)
    assert counts(await people.reach("everything", "", limit=MANY)) == (0, 0, 0)


async def test_a_cut_off_of_access_tokens_alone_leaves_the_sessions_to_be_counted_and_is_told(people, sample):
    cut = await people.cut_off("account", "ada", spares=None, ends_families=False, cause="x", audit=sample.event())
    found = await people.reach("account", "ada", limit=MANY)
    assert (counts(found), found.standing) == ((2, 1, 2), cut.position)
    assert (await people.reach("account", "bob", limit=MANY)).standing is None


async def test_no_more_sessions_are_looked_at_than_allowed_and_the_rest_is_admitted(people):
    found = await people.reach("everything", "", limit=2)
    assert found.more
    assert found.sessions >= 2
    assert not (await people.reach("everything", "", limit=3)).more


async def test_counting_changes_nothing(people):
    before = await people.head(), await people.figures()
    await people.reach("everything", "", limit=MANY)
    after = await people.head(), await people.figures()
    assert (before[0], before[1].rows) == (after[0], after[1].rows)


@pytest.mark.parametrize(("axis", "value"), [("account", ""), ("everything", "x"), ("client", "a\0b")])
async def test_a_value_that_is_none_of_the_axis_is_refused(store, axis, value):
    with pytest.raises(ValueError, match="value"):
        await store.reach(axis, value, limit=MANY)
