"""Authorization codes and pushed requests: good once."""

import asyncio

import pytest

DAY = 86400


@pytest.fixture
async def signed_on(store, sample):
    await sample.register(store, tenant="t1")
    await sample.sign_on(store)
    return store


async def test_a_code_is_seen_with_all_that_its_exchange_decides_on(signed_on, sample, store_clock):
    now = store_clock.now()
    digest = await sample.code(signed_on, terms=b"\0terms")
    view = await signed_on.code(digest)
    assert (view.client_id, view.terms, view.expires_at) == ("app", b"\0terms", now + 60)
    assert (view.used, view.alive, view.sid) == (False, True, None)
    assert (view.account.id, view.sign_on.id, view.sign_on.auth_time) == ("ada", "o1", now)
    assert (view.rev, view.read_at) == (0, now)
    for wrong in (b"", b"c1\0", b"C1"):
        assert await signed_on.code(wrong) is None
    with pytest.raises(ValueError, match="exists"):
        await sample.code(signed_on)


async def test_an_exchange_opens_the_session_with_its_family(signed_on, sample, store_clock):
    now = store_clock.now()
    digest = await sample.code(signed_on)
    view = await signed_on.code(digest)
    new = sample.exchange(
        view, acr="urn:x", family={"terms": b"T", "resource": ("https://r",), "expires_at": now + DAY}
    )
    assert await signed_on.redeem_code(digest, session=new, audit=sample.event("code.redeemed"))
    seen = await signed_on.session_view("s1", "ada")
    assert (seen.alive, seen.session.client_id, seen.session.idle_expires_at) == (True, "app", now + DAY)
    family = await signed_on.family("f-s1")
    assert (family.family.terms, family.family.resource) == (b"T", ("https://r",))
    assert (family.acr, family.auth_time, family.amr) == ("urn:x", now, ("pwd",))
    (listed,) = await signed_on.client_sessions(sign_on="o1")
    assert (listed.session.sid, listed.sign_on) == ("s1", "o1")
    after = await signed_on.code(digest)
    assert (after.used, after.sid) == (True, "s1")
    assert len(await signed_on.audit_entries(before=None, limit=9, account_id=None, event="code.redeemed")) == 1


async def test_a_session_without_refresh_tokens_lives_until_its_own_idle_end(signed_on, sample, store_clock):
    digest = await sample.code(signed_on)
    view = await signed_on.code(digest)
    new = sample.exchange(view, family=None)
    assert await signed_on.redeem_code(digest, session=new, audit=sample.event())
    seen = await signed_on.session_view("s1", "ada")
    assert (seen.alive, seen.session.refresh_count, seen.session.place) == (True, 0, "Vienna")
    assert seen.session.idle_expires_at == store_clock.now() + 600
    assert list(await signed_on.families_of("s1")) == []
    assert [one.sid for one in await signed_on.list_sessions("ada")] == ["s1"]
    store_clock.advance(600)
    assert not (await signed_on.session_view("s1", "ada")).alive
    assert list(await signed_on.list_sessions("ada")) == []
    assert await signed_on.end_session("s1", account_id="ada", reason="logout", audit=sample.event())


async def test_a_second_authorization_of_a_client_in_a_sign_on_joins_its_session(signed_on, sample, store_clock):
    start = store_clock.now()
    await sample.redeem(signed_on, await sample.code(signed_on, "c1"), "s1", idle_expires_at=None)
    store_clock.advance(100)
    assert await sample.advance(signed_on, "f-c1")
    await signed_on.renew_sign_on(
        "o1", digest=b"o1", auth_time=start + 50, amr=("otp",), acr="urn:2", rev=0, audit=sample.event()
    )
    digest = await sample.code(signed_on, "c2")
    view = await signed_on.code(digest)
    assert view.sid == "s1"
    store_clock.advance(1)
    new = sample.exchange(
        view, place="Graz", family={"id": "f-c2", "idle_expires_at": start + 5 * DAY, "expires_at": start + 9 * DAY}
    )
    assert await signed_on.redeem_code(digest, session=new, audit=sample.event())
    (listed,) = await signed_on.list_sessions("ada")
    assert (listed.sid, listed.created_at, listed.auth_time, listed.amr) == ("s1", start, start + 50, ("otp",))
    assert (listed.place, listed.last_used_at, listed.refresh_count) == ("Graz", start + 101, 0)
    assert listed.idle_expires_at == start + 5 * DAY
    assert [family.id for family in await signed_on.families_of("s1")] == ["f-c2", "f-c1"]
    first, second = await signed_on.family("f-c1"), await signed_on.family("f-c2")
    assert (first.auth_time, first.amr, first.acr) == (start, ("pwd",), None)
    assert (second.auth_time, second.amr, second.acr) == (start + 50, ("otp",), "urn:2")
    store_clock.advance(1)
    assert await sample.advance(signed_on, "f-c1", 1)
    (listed,) = await signed_on.list_sessions("ada")
    assert (listed.last_used_at, listed.refresh_count) == (start + 102, 2)
    assert (await signed_on.reach("account", "ada", limit=99)).sessions == 1
    assert (await signed_on.session_view("s1", "ada")).session == listed
    store_clock.advance(2 * DAY)
    assert not await sample.advance(signed_on, "f-c1", 2)
    assert await sample.advance(signed_on, "f-c2")
    assert await signed_on.end_session("s1", account_id="ada", reason="logout", audit=sample.event())
    assert {family.revoked_reason for family in await signed_on.families_of("s1")} == {"logout"}
    assert len((await signed_on.cut_offs_after(None, limit=9)).entries) == 1


async def test_a_session_of_several_families_is_kept_while_one_lives_and_swept_with_all(signed_on, sample, store_clock):
    now = store_clock.now()
    await sample.redeem(signed_on, await sample.code(signed_on, "c1"), "s1", idle_expires_at=None)
    await sample.redeem(
        signed_on, await sample.code(signed_on, "c2"), "s1", family={"id": "f-c2", "idle_expires_at": now + 3 * DAY}
    )
    store_clock.advance(2 * DAY)
    report = await signed_on.sweep(limit=99, retention=0)
    assert (report.deleted["sessions"], report.deleted["sign_ons"]) == (0, 1)
    assert (await signed_on.session_view("s1", "ada")).alive
    store_clock.advance(DAY)
    report = await signed_on.sweep(limit=99, retention=0)
    assert (report.deleted["sessions"], report.deleted["families"]) == (1, 2)
    assert (await signed_on.figures()).rows["families"] == 0


async def test_a_sid_that_died_or_is_another_clients_is_not_joined_and_the_code_stays_good(signed_on, sample):
    await sample.redeem(signed_on, await sample.code(signed_on, "c1"), "s1")
    await sample.redeem(signed_on, await sample.code(signed_on, "c2", client_id="web"), "s-web")
    digest = await sample.code(signed_on, "c3")
    view = await signed_on.code(digest)
    assert view.sid == "s1"

    def redeem(sid, **members):
        given = {"account_id": "ada", "client_id": "app", "sign_on": "o1", "family": {"id": "f-c3"}}
        new = sample.session(view.read_at, sid, **given | members)
        return signed_on.redeem_code(digest, session=new, audit=sample.event())

    for another in ("s-web", "s-second"):
        assert not await redeem(another)
    await signed_on.end_session("s1", account_id=None, reason="x", audit=sample.event())
    assert not await redeem("s1")
    again = await signed_on.code(digest)
    assert (again.used, again.alive, again.sid) == (False, True, None)
    for strange in ({"account_id": "eve"}, {"client_id": "web"}, {"sign_on": "o2"}):
        assert not await redeem("s2", **strange)
    assert await redeem("s2")
    assert not (await signed_on.session_view("s1", "ada")).alive


@pytest.mark.rfc("6749 §4.1.2/1")
@pytest.mark.rfc("6749 §4.1.2/2")
async def test_a_code_is_good_once_and_until_it_runs_out(signed_on, sample, store_clock):
    used, late = await sample.code(signed_on, "c1"), await sample.code(signed_on, "c2")
    view = await signed_on.code(used)
    done = await asyncio.gather(
        *(
            signed_on.redeem_code(
                used, session=sample.exchange(view, f"s{n}", family={"id": f"f{n}"}), audit=sample.event("race.won")
            )
            for n in range(16)
        )
    )
    assert done.count(True) == 1
    figures = (await signed_on.figures()).rows
    assert (figures["sessions"], figures["families"]) == (1, 1)
    assert len(await signed_on.audit_entries(before=None, limit=99, account_id=None, event="race.won")) == 1
    store_clock.advance(60)
    assert not await signed_on.redeem_code(late, session=sample.exchange(view, "s-late"), audit=sample.event())
    assert not (await signed_on.code(late)).used


@pytest.mark.rfc("6749 §4.1.2/2")
async def test_a_replayed_code_ends_what_it_gave_once(signed_on, sample):
    digest = await sample.code(signed_on)

    def replay():
        return signed_on.replay_code(digest, audit=sample.event("code.replayed"), notice=sample.notice("code.replayed"))

    assert not await replay()
    assert not await signed_on.replay_code(b"unknown", audit=sample.event(), notice=None)
    await sample.redeem(signed_on, digest)
    done = await asyncio.gather(*(replay() for _ in range(8)))
    assert done.count(True) == 1
    assert not (await signed_on.session_view("s1", "ada")).alive
    assert not await sample.advance(signed_on, "f-c1")
    (entry,) = (await signed_on.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value, entry.cause) == ("session", "s1", "code.replayed")
    assert len(await signed_on.notices("ada")) == 1
    assert len(await signed_on.audit_entries(before=None, limit=9, account_id=None, event="code.replayed")) == 1


@pytest.mark.parametrize("cut", ["disable", "all", "client", "tenant", "everything", "sign_on"])
async def test_what_was_cut_off_since_gets_no_code_and_no_exchange(signed_on, sample, cut):
    digest = await sample.code(signed_on)
    view = await signed_on.code(digest)
    if cut == "disable":
        await signed_on.disable_account("ada", sample.event())
    elif cut == "all":
        await signed_on.end_all_sessions("ada", spares=None, reason="x", audit=sample.event())
    elif cut == "sign_on":
        await signed_on.end_sign_on("o1", account_id="ada", reason="x", audit=sample.event())
    else:
        value = {"client": "app", "tenant": "t1", "everything": ""}[cut]
        await signed_on.cut_off(cut, value, spares=None, ends_families=True, cause="x", audit=sample.event())
    assert not (await signed_on.code(digest)).alive
    for rev in (0, 99):
        new = sample.exchange(view, rev=rev)
        assert not await signed_on.redeem_code(digest, session=new, audit=sample.event())
    if cut != "client":  # which leaves the sign-on
        with pytest.raises(AssertionError):
            await sample.code(signed_on, "late")
    assert (await signed_on.figures()).rows["sessions"] == 0


async def test_a_code_read_before_a_cut_off_of_its_client_is_not_recorded_after_it(signed_on, sample, store_clock):
    cut = await signed_on.cut_off("client", "app", spares=None, ends_families=True, cause="x", audit=sample.event())
    with pytest.raises(AssertionError):
        await sample.code(signed_on, rev=cut.position - 1)
    assert (await signed_on.figures()).rows["codes"] == 0
    await sample.code(signed_on)


async def test_a_forgotten_cut_off_refuses_older_codes_and_is_not_forgotten_before_older_sign_ons(
    signed_on, sample, store_clock
):
    await signed_on.cut_off("tenant", "t1", spares=None, ends_families=True, cause="x", audit=sample.event())
    store_clock.advance(DAY)
    await signed_on.sweep(limit=99, retention=3 * DAY)
    assert (await signed_on.figures()).rows["family_cutoffs"] == 1
    assert await signed_on.sign_on(b"o1") is None
    store_clock.advance(40 * DAY)
    await signed_on.sweep(limit=99, retention=0)
    await signed_on.sweep(limit=99, retention=0)
    rows = (await signed_on.figures()).rows
    assert (rows["sign_ons"], rows["family_cutoffs"]) == (0, 0)
    await sample.sign_on(signed_on, "o2")
    with pytest.raises(AssertionError):
        await sample.code(signed_on, "late", "o2", rev=0)
    await sample.code(signed_on, "new", "o2")


async def test_codes_are_kept_while_a_token_they_gave_may_live(signed_on, sample, store_clock):
    await signed_on.declare_lifetime("access_token", 600)
    digest = await sample.code(signed_on)
    await sample.redeem(signed_on, digest)
    store_clock.advance(659)
    assert (await signed_on.sweep(limit=99, retention=0)).deleted["codes"] == 0
    assert await signed_on.replay_code(digest, audit=sample.event(), notice=None)
    store_clock.advance(1)
    assert (await signed_on.sweep(limit=99, retention=0)).deleted["codes"] == 1


@pytest.mark.rfc("9126 §7.3")
async def test_a_pushed_request_is_used_once_and_until_it_runs_out(store, store_clock):
    now = store_clock.now()
    await store.push_request(b"r", client_id="app", request=b"\0what", expires_at=now + 60)
    seen = await store.pushed_request(b"r")
    assert (seen.client_id, seen.request, seen.expires_at) == ("app", b"\0what", now + 60)
    assert (seen.used, seen.read_at) == (False, now)
    assert (await asyncio.gather(*(store.consume_request(b"r") for _ in range(16)))).count(True) == 1
    assert (await store.pushed_request(b"r")).used
    assert not await store.consume_request(b"unknown")
    await store.push_request(b"late", client_id="app", request=b"", expires_at=now + 60)
    with pytest.raises(ValueError, match="exists"):
        await store.push_request(b"late", client_id="app", request=b"", expires_at=now + 60)
    store_clock.advance(60)
    assert await store.pushed_request(b"r") is None
    assert not await store.consume_request(b"late")
    assert (await store.sweep(limit=99, retention=9)).deleted["pushed_requests"] == 2
