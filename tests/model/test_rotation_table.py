"""The table of refresh rotation, transcribed once more, against `decide` in every case."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from watchword_server.store.records import Account, Family, FamilyView
from watchword_server.tokens.refresh import (
    Advance,
    OddKind,
    OddRepeat,
    Presented,
    Reason,
    Refuse,
    Repeat,
    Rules,
    Stay,
    decide,
)

NOW = 1_000_000.0
G = 5
RULES = Rules()
ACCOUNT = Account(
    id="a",
    email="a@example.test",
    username=None,
    roles=(),
    permissions=(),
    tenant=None,
    email_verified=True,
    created_at=0.0,
    password_changed_at=0.0,
    disabled_at=None,
)


def view(*, account: Account = ACCOUNT, session_ended: bool = False, cut_off: int = 0, **changes: Any) -> FamilyView:
    row = {
        "id": "f",
        "sid": "s",
        "account_id": "a",
        "client_id": "c",
        "scope": (),
        "resource": (),
        "sender_key": None,
        "delivery": "cookie",
        "salt": b"",
        "key_id": "k",
        "rev": 10,
        "generation": G,
        "rotated_at": NOW - 10,
        "device_kind": "firefox/linux",
        "odd_count": 0,
        "odd_marked": False,
        "refresh_count": 0,
        "idle_expires_at": NOW + 1000,
        "expires_at": NOW + 2000,
        "revoked_at": None,
        "revoked_reason": None,
    }
    return FamilyView(
        family=Family(**(row | changes)),
        account=account,
        session_ended=session_ended,
        id_token_sid="s1",
        auth_time=0.0,
        amr=(),
        acr=None,
        cut_off=cut_off,
        rev=12,
        read_at=NOW,
    )


def presented(generation: int = G, **changes: Any) -> Presented:
    given = {"authentic": True, "client_id": "c", "device_kind": "firefox/linux"}
    return Presented(generation=generation, **(given | changes))


def transcribed(p: int, *, bound: bool, cookie: bool, same: bool, age: float, count: int, rules: Rules) -> str:
    """The rows of the table, in words, top to bottom. `count`: odd generations before this one."""
    within = age <= rules.window
    rows = [
        (p == G and not bound and cookie and same and within, "stay"),
        (p == G, "advance"),
        (p < G and bound, "repeat"),
        (p == G - 1 and same and within, "repeat"),
        (p == G - 1 and same and not within and count < rules.odd_limit_same, "odd repeat"),
        (p == G - 1 and not same and within and count < rules.odd_limit_other, "odd repeat"),
        (p == G - 1, "reuse"),
        (p < G - 1, "reuse"),
        (p > G, "restored"),
    ]
    return next(fate for holds, fate in rows if holds)


def named(fate: object) -> str:
    match fate:
        case Advance(generation=generation):
            assert generation == G + 1
            return "advance"
        case Stay(generation=generation, records_use=False):
            assert generation == G
            return "stay"
        case Repeat(generation=generation, odd=odd):
            assert generation == G
            return "repeat" if odd is None else "odd repeat"
        case Refuse(reason=reason):
            assert reason.ends_family
            return reason.value
    raise AssertionError(fate)


@pytest.mark.parametrize("rules", [RULES, Rules(odd_limit_same=0, odd_limit_other=0), Rules(window=300)])
def test_every_fate_is_as_the_table_says(rules: Rules) -> None:
    cases = itertools.product(
        range(G + 4),
        [False, True],
        [False, True],
        [False, True],
        [0, 29.9, 30, 30.1, 299, 301, 1e6],
        range(13),
        [False, True],
    )
    seen = set()
    for p, bound, cookie, same, age, count, marked in cases:
        state = view(
            sender_key="thumb" if bound else None,
            delivery="cookie" if cookie else "body",
            rotated_at=NOW - age,
            odd_count=count + marked,
            odd_marked=marked,
        )
        kind = "firefox/linux" if same else "chrome/windows"
        fate = decide(state, presented(p, device_kind=kind), "thumb" if bound else None, NOW, rules)
        expected = transcribed(p, bound=bound, cookie=cookie, same=same, age=age, count=count, rules=rules)
        assert named(fate) == expected, (p, bound, cookie, same, age, count, marked)
        seen.add(expected)
    assert seen >= {"stay", "advance", "repeat", "reuse", "restored"}


FAULTS: list[tuple[Reason, dict[str, Any], dict[str, Any], str | None]] = [
    (Reason.UNKNOWN, {}, {"authentic": False}, "thumb"),
    (Reason.WRONG_CLIENT, {}, {"client_id": "other"}, "thumb"),
    (Reason.PROOF_MISSING, {}, {}, None),
    (Reason.PROOF_WRONG, {}, {}, "another"),
    (Reason.REVOKED, {"revoked_at": NOW - 1, "revoked_reason": "logout"}, {}, "thumb"),
    (Reason.ACCOUNT_DISABLED, {"disabled": True}, {}, "thumb"),
    (Reason.SESSION_ENDED, {"session_ended": True}, {}, "thumb"),
    (Reason.CUT_OFF, {"cut_off": 11}, {}, "thumb"),
    (Reason.IDLE, {"idle_expires_at": NOW}, {}, "thumb"),
    (Reason.EXPIRED, {"expires_at": NOW}, {}, "thumb"),
]
ORDER = [reason for reason, *_ in FAULTS]


@pytest.mark.parametrize("generation", [0, G - 1, G, G + 1, 10**9])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_checked_first_is_told_and_nothing_of_it_ends_the_family(generation: int, count: int) -> None:
    for faults in itertools.combinations(FAULTS, count):
        if {Reason.PROOF_MISSING, Reason.PROOF_WRONG} <= {reason for reason, *_ in faults}:
            continue
        state: dict[str, Any] = {"sender_key": "thumb"}
        sent: dict[str, Any] = {}
        proof: str | None = "thumb"
        for _, of_state, of_request, of_proof in faults:
            state |= of_state
            sent |= of_request
            proof = of_proof if of_proof != "thumb" else proof
        if state.pop("disabled", False):
            state["account"] = disabled()
        fate = decide(view(**state), presented(generation, **sent), proof, NOW, RULES)
        first = min((reason for reason, *_ in faults), key=ORDER.index)
        assert fate == Refuse(reason=first)
        assert not first.ends_family


def disabled() -> Account:
    return Account(
        id="a",
        email="a@example.test",
        username=None,
        roles=(),
        permissions=(),
        tenant=None,
        email_verified=True,
        created_at=0.0,
        password_changed_at=0.0,
        disabled_at=NOW - 1,
    )


def test_only_reuse_and_restored_end_a_family() -> None:
    assert {reason for reason in Reason if reason.ends_family} == {Reason.REUSE, Reason.RESTORED}


@pytest.mark.parametrize(
    ("state", "dead"),
    [
        ({"cut_off": 10}, False),
        ({"idle_expires_at": NOW + 0.001}, False),
        ({"expires_at": NOW + 0.001}, False),
        ({"cut_off": 11}, True),
        ({"idle_expires_at": NOW}, True),
        ({"expires_at": NOW}, True),
    ],
)
def test_the_ends_are_exact(state: dict[str, Any], dead: bool) -> None:
    assert isinstance(decide(view(**state), presented(), None, NOW, RULES), Refuse) is dead


def test_a_bearer_family_does_not_mind_a_proof() -> None:
    assert isinstance(decide(view(), presented(), "thumb", NOW, RULES), Stay)


def test_an_odd_repeat_names_both_and_is_marked_once_a_generation() -> None:
    late = {"rotated_at": NOW - 31}
    first = decide(view(odd_count=3, **late), presented(G - 1), None, NOW, RULES)
    again = decide(view(odd_count=4, odd_marked=True, **late), presented(G - 1), None, NOW, RULES)
    expected = {
        "kind": OddKind.SAME_KIND_LATE,
        "rotated_by": "firefox/linux",
        "presented_by": "firefox/linux",
        "count": 3,
        "limit": 10,
    }
    assert first == Repeat(generation=G, odd=OddRepeat(marks=True, **expected))
    assert again == Repeat(generation=G, odd=OddRepeat(marks=False, **expected))


@pytest.mark.parametrize(
    ("p", "age", "fate"),
    [
        (0, 10, Stay(generation=0)),
        (G, 30, Stay(generation=G)),
        (G - 1, 31, Stay(generation=G - 1, records_use=True)),
        (G, 1e5, Stay(generation=G, records_use=True)),
        (G + 1, 10, Refuse(reason=Reason.RESTORED)),
    ],
)
def test_with_rotation_off_a_bound_family_stays_at_what_it_has(p: int, age: float, fate: object) -> None:
    state = view(sender_key="thumb", delivery="body", rotated_at=NOW - age)
    assert decide(state, presented(p), "thumb", NOW, Rules(rotate_bound=False)) == fate


def test_with_rotation_off_a_bearer_family_rotates_all_the_same() -> None:
    state = view(delivery="body", rotated_at=NOW - 100)
    assert decide(state, presented(), None, NOW, Rules(rotate_bound=False)) == Advance(generation=G + 1)


@pytest.mark.parametrize(
    ("changes", "forgiven"),
    [
        ({}, True),
        ({"p": G - 3}, False),
        ({"device_kind": "chrome/windows"}, False),
        ({"rotated_at": NOW - 30.1}, False),
        ({"delivery": "body"}, False),
        ({"odd_count": 10}, False),
        ({"odd_count": 10, "odd_marked": True}, True),
    ],
)
def test_an_overtaken_request_is_odd_only_where_that_is_allowed(changes: dict[str, Any], forgiven: bool) -> None:
    p, kind = changes.pop("p", G - 2), changes.pop("device_kind", "firefox/linux")
    state, sent = view(**changes), presented(p, device_kind=kind)
    assert decide(state, sent, None, NOW, RULES) == Refuse(reason=Reason.REUSE)
    fate = decide(state, sent, None, NOW, Rules(overtaken=True))
    if forgiven:
        assert isinstance(fate, Repeat)
        assert fate.odd is not None
        assert (fate.generation, fate.odd.kind) == (G, OddKind.OVERTAKEN)
    else:
        assert fate == Refuse(reason=Reason.REUSE)
