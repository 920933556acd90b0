"""The walk of a refresh, over a store of each engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from watchword.jose.jws import verify
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens.refresh import OddKind, Reason, Rules
from watchword_server.tokens.rotation import Refreshed, Refused

FIREFOX, CHROME = "firefox/linux", "chrome/windows"
DAY = 86_400.0
AUDIT = AuditEvent(event="test.done", origin=Origin(actor="cli"))


def granted(outcome: Refreshed | Refused) -> Refreshed:
    assert isinstance(outcome, Refreshed), outcome
    return outcome


def refused(outcome: Refreshed | Refused) -> Reason:
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


async def test_a_refresh_gives_a_verifiable_access_token_and_the_successor(world: Any) -> None:
    session = await world.open(roles=("admin",))
    world.clock.advance(600)
    outcome = granted(await world.server.refresh(session.token))
    assert outcome.fate == "advance"
    assert outcome.sets_cookie
    assert outcome.refresh_token == await session.token_of(1)
    assert outcome.expires_in == 600
    assert outcome.scope == ("reports:read", "watchword:admin")
    assert verify(outcome.access_token, world.server.ring.key_set, algorithms={"ES256"})
    row = await session.row()
    assert (row.generation, row.rotated_at, row.refresh_count) == (1, world.clock.now(), 1)
    assert row.idle_expires_at == world.clock.now() + 7 * DAY


async def test_the_idle_end_never_passes_the_absolute_end(world: Any) -> None:
    session = await world.open()
    for _ in range(5):
        world.clock.advance(5 * DAY)
        session.token = granted(await world.server.refresh(session.token)).refresh_token
    row = await session.row()
    assert row.idle_expires_at == row.expires_at
    world.clock.advance(5 * DAY)
    assert refused(await world.server.refresh(session.token)) in {Reason.IDLE, Reason.SESSION_ENDED}


async def test_staying_hands_out_the_same_token_and_no_cookie(world: Any) -> None:
    session = await world.open()
    outcome = granted(await world.server.refresh(session.token))
    assert (outcome.fate, outcome.refresh_token, outcome.sets_cookie) == ("stay", session.token, False)
    assert (await session.row()).refresh_count == 0


async def test_a_repeat_hands_out_the_newest_token_and_writes_nothing(world: Any) -> None:
    session = await world.open()
    world.clock.advance(600)
    first = granted(await world.server.refresh(session.token))
    row = await session.row()
    again = granted(await world.server.refresh(session.token))
    assert (again.fate, again.refresh_token, again.sets_cookie) == ("repeat", first.refresh_token, True)
    assert await session.row() == row


async def test_an_odd_repeat_tells_the_account_and_the_audit_log_once(world: Any) -> None:
    session = await world.open()
    world.clock.advance(600)
    first = granted(await world.server.refresh(session.token))
    world.clock.advance(600)
    for _ in range(3):
        again = granted(await world.server.refresh(session.token))
        assert again.odd is not None
        assert again.odd.kind is OddKind.SAME_KIND_LATE
        assert again.refresh_token == first.refresh_token
    assert await session.notices() == ["refresh.repeated"]
    (line,) = await world.store.audit_entries(
        before=None, limit=10, account_id=session.account_id, event="refresh.repeated"
    )
    assert line.event.reason == "same_kind_late"
    assert line.event.detail["presented_by"] == FIREFOX
    assert line.event.detail["rotated_by"] == FIREFOX


async def test_reuse_ends_family_session_and_access_tokens_before_it_is_told_and_warns_the_account(world: Any) -> None:
    session = await world.open()
    tokens = [session.token]
    for _ in range(2):
        world.clock.advance(600)
        tokens.append(granted(await world.server.refresh(tokens[-1])).refresh_token)
    head = (await world.store.head()).position
    outcome = await world.server.refresh(tokens[0], device_kind=CHROME, place="198.51.100.7")
    assert refused(outcome) is Reason.REUSE
    (cut_off,) = (await world.store.cut_offs_after(None, limit=10)).entries
    assert (cut_off.axis, cut_off.value) == ("session", session.sid)
    assert cut_off.position > head
    view = await session.view()
    assert view.session_ended
    assert view.family.revoked_reason == "reuse"
    assert await session.notices() == ["refresh.reused"]
    (line,) = await world.store.audit_entries(
        before=None, limit=10, account_id=session.account_id, event="refresh.reused"
    )
    assert (line.event.detail["presented_by"], line.event.detail["rotated_by"]) == (CHROME, FIREFOX)
    assert line.event.detail["presented_generation"] == "0"
    assert line.event.sid == session.sid
    for token in tokens:
        assert refused(await world.server.refresh(token)) is Reason.REVOKED


async def test_a_revoked_family_never_comes_back_whatever_the_time(world: Any) -> None:
    session = await world.open()
    await world.store.end_session(session.sid, account_id=None, reason="logout", audit=AUDIT)
    for _ in range(3):
        assert refused(await world.server.refresh(session.token)) is Reason.REVOKED
        world.clock.advance(10 * DAY)


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (
            lambda store, one: store.end_all_sessions(one.account_id, spares=None, reason="x", audit=AUDIT),
            Reason.CUT_OFF,
        ),
        (lambda store, one: store.disable_account(one.account_id, AUDIT), Reason.ACCOUNT_DISABLED),
        (
            lambda store, one: store.cut_off(
                "client", "first-party", spares=None, ends_families=True, cause="x", audit=AUDIT
            ),
            Reason.CUT_OFF,
        ),
        (
            lambda store, one: store.cut_off("everything", "", spares=None, ends_families=True, cause="x", audit=AUDIT),
            Reason.CUT_OFF,
        ),
        (
            lambda store, one: store.change_password(
                one.account_id, old_hash="-", new_hash="+", spares=None, audit=AUDIT
            ),
            Reason.CUT_OFF,
        ),
    ],
)
async def test_a_refresh_consults_every_axis_of_revocation(world: Any, deed: Any, reason: Reason) -> None:
    session = await world.open()
    world.clock.advance(600)
    token = granted(await world.server.refresh(session.token)).refresh_token
    await deed(world.store, session)
    row = await session.row()
    for one in (token, session.token):
        assert refused(await world.server.refresh(one)) is reason
    assert await session.row() == row


async def test_taking_a_role_away_shows_in_the_next_token_and_ends_no_session(world: Any) -> None:
    session = await world.open(roles=("admin",))
    await world.store.set_roles(session.account_id, (), AUDIT)
    world.clock.advance(600)
    assert granted(await world.server.refresh(session.token)).scope == ()


async def test_a_spared_session_refreshes_on(world: Any) -> None:
    session = await world.open()
    await world.store.end_all_sessions(session.account_id, spares=session.sid, reason="x", audit=AUDIT)
    world.clock.advance(600)
    granted(await world.server.refresh(session.token))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"client_id": "other"}, Reason.WRONG_CLIENT), ({"client_id": ""}, Reason.WRONG_CLIENT)],
)
async def test_what_fails_before_the_generation_changes_nothing(world: Any, changes: Any, reason: Reason) -> None:
    session = await world.open()
    world.clock.advance(600)
    token = granted(await world.server.refresh(session.token)).refresh_token
    world.clock.advance(600)
    row, head = await session.row(), await world.store.head()
    for generation in (0, 1, 7):
        assert refused(await world.server.refresh(await session.token_of(generation), **changes)) is reason
    assert await session.row() == row
    assert await world.store.head() == head
    assert await session.notices() == []
    granted(await world.server.refresh(token))


async def test_a_forged_mac_an_unknown_family_and_an_unknown_key_are_not_told_apart_and_change_nothing(
    world: Any,
) -> None:
    session, other = await world.open(), await world.open()
    row = await session.row()
    body, _, mac = session.token.rpartition(".")
    key_id, family_id, _ = body.removeprefix("wr_").split(".")
    forgeries = [
        body + "." + other.token.rpartition(".")[2],
        body[:-1] + "7." + mac,
        session.token.replace(family_id, other.family),
        session.token.replace(family_id, "nobody"),
        session.token.replace(key_id, "nokey"),
    ]
    for forged in forgeries:
        assert refused(await world.server.refresh(forged)) is Reason.UNKNOWN
    for text in ("", "wr_", "x" * 100_000, session.token + "\n"):
        assert refused(await world.server.refresh(text)) is Reason.MALFORMED
    assert await session.row() == row


async def test_a_generation_from_after_the_backup_ends_the_family(world: Any) -> None:
    session = await world.open()
    assert refused(await world.server.refresh(await session.token_of(3))) is Reason.RESTORED
    assert await session.notices() == ["refresh.restored"]
    assert refused(await world.server.refresh(session.token)) is Reason.REVOKED


async def test_a_key_rotated_leaves_the_tokens_of_living_families_good(world: Any) -> None:
    session = await world.open()
    await world.server.ring.rotate("refresh_mac", Origin(actor="cli"), at_once=True)
    world.clock.advance(600)
    outcome = granted(await world.server.refresh(session.token))
    assert outcome.refresh_token.split(".")[0] == session.token.split(".")[0]
    assert (await world.open()).token.split(".")[0] != session.token.split(".")[0]


async def test_a_distrusted_key_s_tokens_are_refused_everywhere(world: Any) -> None:
    session = await world.open()
    elsewhere = await world.start_server(own_store=True)
    await world.server.ring.distrust(world.server.ring.active_mac_key, Origin(actor="cli"))
    await elsewhere.ring.tend()
    for server in (world.server, elsewhere):
        assert refused(await server.refresh(session.token)) is Reason.UNKNOWN


async def test_a_token_by_a_key_that_another_process_just_made_is_good_here(world: Any) -> None:
    elsewhere = await world.start_server(own_store=True)
    for _ in range(2):
        await elsewhere.ring.rotate("refresh_mac", Origin(actor="cli"), at_once=True)
    session = await world.open(elsewhere)
    assert world.server.ring.mac_secret(session.token[3:].split(".")[0]) is None
    world.clock.advance(600)
    granted(await world.server.refresh(session.token))


@pytest.mark.rfc("6749 §6/3")
async def test_a_scope_beyond_what_was_granted_is_refused_and_the_token_stays_good(world: Any) -> None:
    session = await world.open(client_id="spa", scope=("openid", "posts:read"))
    world.clock.advance(600)
    row = await session.row()
    asked = ("openid", "posts:write")
    outcome = await world.server.refresh(session.token, client_id="spa", scope=asked)
    assert refused(outcome) is Reason.SCOPE_EXCEEDED
    assert outcome.reason.leaves_token_good
    assert await session.row() == row
    assert granted(await world.server.refresh(session.token, client_id="spa", scope=("openid",))).scope == ("openid",)


async def test_reuse_is_seen_whatever_scope_is_asked_for(world: Any) -> None:
    session = await world.open()
    assert refused(await world.server.refresh(await session.token_of(9), scope=("x",))) is Reason.RESTORED


async def test_with_rotation_off_a_bound_family_keeps_its_token_and_moves_its_idle_end(world: Any) -> None:
    session = await world.open(sender_key="thumb", delivery="body")
    fapi = Rules(rotate_bound=False)
    for _ in range(8):
        world.clock.advance(2 * DAY)
        outcome = granted(await world.server.refresh(session.token, proof="thumb", rules=fapi))
        assert (outcome.fate, outcome.refresh_token) == ("stay", session.token)
    assert (await session.row()).idle_expires_at == world.clock.now() + 7 * DAY


@pytest.mark.parametrize("own_store", [False, True])
async def test_of_many_tabs_at_once_one_advances_and_all_get_the_same_successor(world: Any, own_store: bool) -> None:
    session = await world.open()
    elsewhere = await world.start_server(own_store=own_store)
    world.clock.advance(600)
    outcomes = await asyncio.gather(
        *((world.server, elsewhere)[number % 2].refresh(session.token) for number in range(16))
    )
    assert [granted(one).fate for one in outcomes].count("advance") == 1
    assert {granted(one).refresh_token for one in outcomes} == {await session.token_of(1)}
    assert (await session.row()).refresh_count == 1


async def test_of_many_reuses_at_once_one_ends_the_family_and_all_are_refused(world: Any) -> None:
    session = await world.open()
    old = session.token
    for _ in range(2):
        world.clock.advance(600)
        session.token = granted(await world.server.refresh(session.token)).refresh_token
    outcomes = await asyncio.gather(*(world.server.refresh(old) for _ in range(8)))
    reasons = [refused(one) for one in outcomes]
    assert reasons.count(Reason.REUSE) == 1
    assert set(reasons) == {Reason.REUSE, Reason.REVOKED}
    assert await session.notices() == ["refresh.reused"]


async def test_a_refresh_that_loses_every_race_is_told_to_come_again_and_not_refused(world: Any) -> None:
    session = await world.open()
    world.clock.advance(600)

    class Contended:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        async def advance_refresh(self, *_: Any, **__: Any) -> bool:
            return False

    world.server.rotation = world.server.rotation_over(Contended())
    with pytest.raises(StoreUnavailable):
        await world.server.refresh(session.token)


async def test_a_signer_that_fails_leaves_the_family_where_it_was(world: Any) -> None:
    session = await world.open()
    world.clock.advance(600)
    row = await session.row()

    class NoSigner:
        def signer(self, typ: str) -> Any:
            raise StoreUnavailable(typ)

    world.server.issuer._signers = NoSigner()
    with pytest.raises(StoreUnavailable):
        await world.server.refresh(session.token)
    assert await session.row() == row


async def test_a_token_issued_from_a_state_before_a_cut_off_has_a_lower_rev(world: Any) -> None:
    session = await world.open()
    outcome = granted(await world.server.refresh(session.token))
    position = await world.store.end_all_sessions(session.account_id, spares=None, reason="x", audit=AUDIT)
    assert outcome.view.rev < position


async def test_nothing_that_is_printed_shows_a_token(world: Any) -> None:
    session = await world.open()
    outcome = granted(await world.server.refresh(session.token))
    shown = f"{outcome!r} {outcome}"
    assert outcome.access_token not in shown
    assert outcome.refresh_token not in shown


async def test_state_follows_families_and_not_refreshes(world: Any) -> None:
    session = await world.open()
    before = (await world.store.figures()).rows
    for _ in range(100):
        world.clock.advance(600)
        session.token = granted(await world.server.refresh(session.token)).refresh_token
    assert (await world.store.figures()).rows == before


async def test_any_authentic_token_tells_its_family_for_logging_out_and_a_forged_one_tells_nothing(world: Any) -> None:
    session, other = await world.open(), await world.open()
    row = await session.row()
    for generation in (0, 3):
        owner = await world.server.rotation.owner(await session.token_of(generation))
        assert owner == row
    forged = session.token.rpartition(".")[0] + "." + other.token.rpartition(".")[2]
    for text in (forged, "", session.token + "\n", session.token.replace(session.family, "nobody")):
        assert await world.server.rotation.owner(text) is None
    assert await session.row() == row


async def test_after_logins_refreshes_and_logouts_the_rows_are_back_where_they_were(world: Any) -> None:
    async def rows() -> dict[str, int]:
        counted = (await world.store.figures()).rows
        return {table: counted[table] for table in ("sessions", "families", "revocations")}

    await world.store.declare_lifetime("access_token", 600)
    for round_ in range(2):
        for _ in range(10):
            session = await world.open()
            world.clock.advance(31)
            granted(await world.server.refresh(session.token))
            await world.store.end_session(session.sid, account_id=None, reason="logout", audit=AUDIT)
        world.clock.advance(60 * DAY)
        while (await world.store.sweep(limit=100, retention=DAY)).more:
            pass
        if round_ == 0:
            first = await rows()
    assert await rows() == first
    assert (first["sessions"], first["families"]) == (0, 0)
