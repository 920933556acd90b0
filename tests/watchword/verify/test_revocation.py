"""The view of cut-offs: what it kills, in whatever order it was told, and what it forgets."""

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.testing import FakeClock
from watchword.verify.revocation import CutOff, RevocationView, _UpTo, merge


def cut(axis, value="", position=10, *, spares=None, floor=0, expires_in=600.0):
    return CutOff(position, axis, value, expires_in, spares, floor)


def bearer(**claims):
    defaults = {"jti": "t1", "sid": "s1", "sub": "ada", "client_id": "app", "tenant": "acme", "kid": "k1", "rev": 5}
    return SimpleNamespace(**{**defaults, **claims})


def view_of(*entries, **options):
    view = RevocationView(clock=options.pop("clock", FakeClock()), **options)
    view.apply(entries)
    return view


def test_an_empty_view_kills_nothing():
    assert view_of().kills(bearer()) is None


@pytest.mark.parametrize(("axis", "value"), [("token", "t1"), ("session", "s1"), ("key", "k1")])
@pytest.mark.parametrize("rev", [None, 0, 5, 10**6])
def test_token_session_and_key_are_cut_off_absolutely(axis, value, rev):
    view = view_of(cut(axis, value))
    assert view.kills(bearer(rev=rev)) == axis
    assert view.kills(bearer(jti="t2", sid="s2", kid="k2")) is None


@pytest.mark.parametrize(
    ("axis", "value"), [("account", "ada"), ("client", "app"), ("tenant", "acme"), ("everything", "")]
)
@pytest.mark.parametrize(("rev", "dead"), [(None, True), (0, True), (9, True), (10, False), (11, False)])
def test_the_others_are_cut_off_up_to_a_position(axis, value, rev, dead):
    view = view_of(cut(axis, value, 10))
    assert view.kills(bearer(rev=rev)) == (axis if dead else None)
    if axis != "everything":
        assert view.kills(bearer(rev=rev, sub="bob", client_id="cli", tenant="other")) is None


@pytest.mark.parametrize(
    ("axis", "value"),
    [("token", "t0"), ("session", "s0"), ("key", "k0"), ("account", "eve"), ("client", "web"), ("tenant", "other")],
)
@pytest.mark.parametrize("place", [0, 1, 7])
def test_a_token_dies_with_each_that_it_was_made_of(axis, value, place):
    made_of = [bearer(jti=f"a{n}", rev=5) for n in range(8)]
    made_of[place] = bearer(jti="t0", sid="s0", kid="k0", sub="eve", client_id="web", tenant="other", rev=5)
    token = bearer(made_of=tuple(made_of))
    assert view_of(cut(axis, value, 6)).kills(token) == axis
    assert view_of(cut(axis, value, 6)).kills(bearer(made_of=tuple(made_of[:place]))) is None
    if axis in {"account", "client", "tenant"}:
        assert view_of(cut(axis, value, 5)).kills(token) is None, "of before it was issued"


def test_the_session_that_a_cut_off_spares_is_that_of_the_ancestor():
    """An agent's password change spares the session it was made from, and no other of the agent's."""
    view = view_of(cut("account", "agent", 10, spares="a1"))
    assert view.kills(bearer(made_of=(bearer(sub="agent", sid="a1", rev=5),))) is None
    assert view.kills(bearer(made_of=(bearer(sub="agent", sid="a2", rev=5),))) == "account"
    # Nor does what the account of the token itself spares count for another's.
    view = view_of(cut("account", "ada", 10, spares="s1"))
    assert view.kills(bearer(made_of=(bearer(sub="agent", sid="a1"),))) is None


def test_a_view_of_one_tenant_knows_nothing_of_what_another_tenants_token_gave():
    view = view_of()
    view.confine("acme")
    assert view.kills(bearer(made_of=(bearer(jti="t0"),))) is None
    assert view.kills(bearer(made_of=(bearer(jti="t0", tenant="other"),))) == "tenant"
    assert view.kills(bearer(made_of=(bearer(jti="t0", tenant=None),))) == "tenant"


_NAMES = st.sampled_from(["a", "b", "c"])
_BEARERS = st.builds(
    bearer, jti=_NAMES, sid=st.none() | _NAMES, sub=_NAMES, client_id=_NAMES, tenant=st.none() | _NAMES, kid=_NAMES,
    rev=st.none() | st.integers(0, 12),
)  # fmt: skip
_CUTS = st.builds(
    cut, st.sampled_from(["token", "session", "key", "account", "client", "tenant", "everything"]), _NAMES,
    st.integers(1, 12), spares=st.none() | _NAMES, floor=st.integers(0, 12),
)  # fmt: skip


@given(token=_BEARERS, made_of=st.lists(_BEARERS, max_size=8), cuts=st.lists(_CUTS, max_size=4))
def test_a_token_is_dead_exactly_when_it_or_one_that_it_was_made_of_is(token, made_of, cuts):
    view = view_of(*(one if one.axis != "everything" else cut("everything", "", one.position) for one in cuts))
    alone = [view.kills(one) is not None for one in (token, *made_of)]
    token.made_of = tuple(made_of)
    assert (view.kills(token) is not None) is any(alone)


@pytest.mark.parametrize(
    ("sid", "rev", "dead"),
    [("s1", 4, True), ("s1", 5, False), ("s1", 9, False), ("s2", 9, True), (None, 9, True), ("s1", None, True)],
)
def test_a_spared_session_lives_unless_an_earlier_cut_off_killed_it(sid, rev, dead):
    view = view_of(cut("account", "ada", 10, spares="s1", floor=5))
    assert (view.kills(bearer(sid=sid, rev=rev)) == "account") is dead


def test_no_session_spared_is_not_the_session_of_tokens_without_one():
    view = view_of(cut("account", "ada", 10, spares=None))
    assert view.kills(bearer(sid=None, rev=9)) == "account"


def test_a_token_without_claims_an_axis_needs_is_not_killed_by_it():
    view = view_of(cut("session", "s1"), cut("tenant", "acme"))
    assert view.kills(bearer(sid=None, tenant=None)) is None


def test_families_are_kept_for_those_who_know_theirs():
    view = view_of(cut("family", "f1"))
    assert view.kills_family("f1")
    assert not view.kills_family("f2")


def reference(entries, token):
    """The rule as it is written, entry by entry."""
    for entry in entries:
        spared = entry.spares is not None and token.sid == entry.spares and token.rev >= entry.floor
        if token.rev < entry.position and not spared:
            return True
    return False


positions = st.integers(0, 8)
up_to = st.builds(
    lambda position, floor, spares: cut("account", "ada", position, spares=spares, floor=min(floor, position)),
    positions,
    positions,
    st.sampled_from([None, "s1", "s2"]),
)


@given(st.lists(up_to, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merged_cut_offs_kill_exactly_what_each_kills_in_whatever_order_and_however_often(entries, random):
    shuffled = [*entries, *random.choices(entries, k=2)]
    random.shuffle(shuffled)
    view = view_of(*shuffled)
    for sid, rev in itertools.product([None, "s1", "s2", "s3"], range(10)):
        token = bearer(sid=sid, rev=rev)
        assert (view.kills(token) is not None) == reference(entries, token)


def test_two_entries_merge_into_what_either_kills():
    for one, other in itertools.product(
        [_UpTo(p, s, f) for p in range(5) for f in range(p + 1) for s in (None, "a", "b")], repeat=2
    ):
        both = merge(one, other)
        assert merge(other, one).position == both.position
        for sid, rev in itertools.product([None, "a", "b"], range(6)):
            token = bearer(sid=sid, rev=rev)
            either = any(
                rev < e.position and not (e.spares is not None and sid == e.spares and rev >= e.floor)
                for e in (one, other)
            )
            dead = rev < both.position and not (both.spares is not None and sid == both.spares and rev >= both.floor)
            assert dead == either, (one, other, token)


def test_the_version_grows_with_every_change_that_could_kill_and_only_then():
    view = view_of()
    versions = [view.version]
    for entries in ([cut("session", "a")], [cut("account", "ada", 3)], [cut("account", "ada", 4)]):
        view.apply(entries)
        versions.append(view.version)
    assert versions == sorted(set(versions))
    view.apply([cut("session", "a"), cut("account", "ada", 4), cut("account", "ada", 1)])
    view.apply([])
    view.prune()
    assert view.version == versions[-1]


def test_an_entry_is_kept_until_its_time_and_the_grace_are_over():
    clock = FakeClock()
    view = view_of(cut("session", "s1", expires_in=600), cut("account", "bob", expires_in=60), clock=clock, grace=60)
    clock.advance(120)
    view.prune()
    assert view.kills(bearer()) == "session"
    clock.advance(539)
    assert view.prune() <= 1
    assert view.kills(bearer()) == "session"
    clock.advance(60)
    view.prune()
    assert view.kills(bearer()) is None
    assert len(view) == 0


def test_a_jump_of_the_wall_clock_forgets_nothing():
    clock = FakeClock()
    view = view_of(cut("session", "s1"), clock=clock)
    clock.jump(10**6)
    assert view.prune() == 0
    assert view.kills(bearer()) == "session"


def test_an_entry_told_again_with_a_later_end_is_kept_until_then_and_never_shortened():
    clock = FakeClock()
    view = view_of(cut("account", "ada", expires_in=100), clock=clock, grace=0)
    view.apply([cut("account", "ada", expires_in=1000)])
    view.apply([cut("account", "ada", expires_in=10)])
    clock.advance(500)
    assert view.prune() == 0
    assert view.kills(bearer()) == "account"
    clock.advance(520)
    assert view.prune() == 1


def test_a_full_view_evicts_nothing_says_so_and_takes_up_again_after_pruning():
    clock = FakeClock()
    view = view_of(cut("session", "a", expires_in=10), cut("session", "b"), clock=clock, max_entries=2, grace=0)
    before = view.version
    assert not view.apply([cut("session", "c")])
    assert view.full
    assert view.version > before, "whoever relied on the view must look again"
    assert view.kills(bearer(sid="a")) == view.kills(bearer(sid="b")) == "session"
    clock.advance(32)
    view.prune()
    assert view.apply([cut("session", "c")])
    assert not view.full
    assert view.kills(bearer(sid="c")) == "session"


def test_a_full_view_still_takes_what_needs_no_room():
    view = view_of(cut("account", "ada", 3), max_entries=1)
    assert view.apply([cut("account", "ada", 9)])
    assert view.kills(bearer(rev=8)) == "account"
    assert view.apply([cut("everything", "", 20)])
    assert view.kills(bearer(sub="bob")) == "everything"


def test_a_million_different_cut_offs_of_one_value_take_the_room_of_one():
    view = view_of(max_entries=1)
    for position in range(1000):
        assert view.apply([cut("account", "ada", position)])
    assert len(view) == 1
