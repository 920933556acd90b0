"""Watching over tokens of open streams: ended by the view, by time, by staleness; paid for by cut-offs, not by streams."""

import asyncio
import gc
import threading
import weakref

import pytest
from watchword import Revocations, Verifier
from watchword.verify.watch import Ended, TokenEnded

SOON = 60


async def end_of(watch):
    async with asyncio.timeout(SOON):
        return await watch.wait()


def token_of(verifier, issuer, **claims):
    return verifier.verify_now(issuer.token(**claims))


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("token", "token-1"),
        ("session", "session-ada"),
        ("account", "ada"),
        ("client", "first-party"),
        ("tenant", "acme"),
        ("key", ...),
        ("everything", ""),
    ],
)
async def test_a_cut_off_on_any_axis_ends_the_watch_from_another_thread(issuer, axis, value):
    verifier = issuer.verifier()
    token, other = token_of(verifier, issuer, tenant="acme"), None
    with verifier.watch(token) as watch:
        other = token_of(verifier, issuer, sub="grace", tenant="other", client_id="else", sid="x")
        with verifier.watch(other) as beside:
            value = issuer.key.kid if value is ... else value
            threading.Thread(target=issuer.cut_off, args=(axis, value)).start()
            assert await end_of(watch) is Ended.REVOKED
            await asyncio.sleep(0)
            assert (beside.ended is None) is (axis not in {"key", "everything"})


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("token", "outer"),
        ("token", "agents-own"),
        ("session", "session-agent"),
        ("account", "agent"),
        ("client", "web"),
        ("tenant", "agency"),
        ("key", "key-of-before"),
    ],
)
async def test_attack_a_stream_on_an_exchanged_token_does_not_outlive_what_that_was_made_of(issuer, axis, value):
    verifier = issuer.verifier()
    agents = {"jti": "agents-own", "sub": "agent", "sid": "session-agent", "tenant": "agency", "kid": "key-of-before"}
    exchanged = token_of(verifier, issuer, made_of=[{"jti": "outer", "client_id": "web"}, agents])
    with verifier.watch(exchanged) as watch, verifier.watch(token_of(verifier, issuer, jti="else")) as beside:
        threading.Thread(target=issuer.cut_off, args=(axis, value)).start()
        assert await end_of(watch) is Ended.REVOKED
        assert beside.ended is None
    assert verifier.watch(exchanged).ended is Ended.REVOKED


async def test_what_was_cut_off_before_ends_at_once(issuer):
    verifier = issuer.verifier()
    token = token_of(verifier, issuer)
    issuer.cut_off("session", "session-ada")
    with verifier.watch(token) as watch:
        assert watch.ended is Ended.REVOKED
        with pytest.raises(TokenEnded):
            await watch.run(asyncio.sleep(SOON))


async def test_a_spared_session_and_later_tokens_are_watched_on(issuer):
    verifier = issuer.verifier()
    mine, other = token_of(verifier, issuer, sid="mine"), token_of(verifier, issuer, sid="other")
    with verifier.watch(mine) as spared, verifier.watch(other) as watch:
        issuer.cut_off("account", "ada", spares="mine")
        assert await end_of(watch) is Ended.REVOKED
        with verifier.watch(token_of(verifier, issuer, sid="new")) as later:
            issuer.cut_off("session", "other")
            await asyncio.sleep(0)
            assert (spared.ended, later.ended) == (None, None)


async def test_an_expired_token_ends_with_the_leeway(issuer, clock):
    verifier = issuer.verifier(leeway=10)
    with verifier.watch(token_of(verifier, issuer)) as watch:
        watches = watch._watches
        clock.advance(609)
        watches.look()
        assert watch.ended is None
        clock.advance(1)
        watches.look()
        assert await end_of(watch) is Ended.EXPIRED
    assert len(watches) == 0


async def test_time_is_looked_at_without_being_asked(issuer, clock):
    verifier = issuer.verifier(leeway=0)
    with verifier.watch(token_of(verifier, issuer)) as watch:
        clock.advance(599.99)
        watch._watches.look()  # the next look is planned for when it expires
        clock.advance(0.01)
        assert await end_of(watch) is Ended.EXPIRED


@pytest.fixture
async def followed(issuer, clock):
    verifier = Verifier(
        issuer.issuer,
        "api",
        transport=issuer.transport,
        clock=clock,
        revocations=Revocations(push=False, max_staleness=100),
    )
    await verifier.start()
    yield verifier
    await verifier.aclose()


async def test_a_view_too_old_ends_streams_by_their_own_bound_and_policy(followed, issuer, clock):
    token = token_of(followed, issuer)
    judged = []
    with (
        followed.watch(token) as plain,
        followed.watch(token, max_staleness=5) as strict,
        followed.watch(token, max_staleness=5, when_stale="accept") as content,
        followed.watch(token, max_staleness=5, when_stale=lambda *about: judged.append(about) or True) as judge,
        followed.watch(token, max_staleness=5, when_stale=lambda *_: 1 / 0) as faulty,
    ):
        issuer.transport.down = True
        clock.advance(5)
        plain._watches.look()
        assert (strict.ended, faulty.ended) == (Ended.STALE, Ended.STALE)
        assert (plain.ended, content.ended, judge.ended) == (None, None, None)
        assert judged[0][1] >= 5
        clock.advance(95)
        plain._watches.look()
        assert plain.ended is Ended.STALE


async def test_a_bound_of_a_stream_has_the_view_renewed_often_enough(followed, issuer):
    with followed.watch(token_of(followed, issuer), max_staleness=2):
        assert followed._feed._bound == 2


async def test_ten_thousand_streams_cost_a_cut_off_nothing_they_are_not_about(issuer):
    verifier = issuer.verifier()
    token = token_of(verifier, issuer)
    asked = []
    kills = issuer.view.kills
    watches = [verifier.watch(token_of(verifier, issuer, sub=f"u{n}", sid=f"s{n}")) for n in range(200)]
    watches += [verifier.watch(token) for _ in range(9800)]
    issuer.view.kills = lambda about: asked.append(about) or kills(about)
    issuer.cut_off("session", "s7")
    assert await end_of(watches[7]) is Ended.REVOKED
    assert len(asked) == 1
    assert len(issuer.view._listeners) == 1
    for watch in watches:
        watch.__exit__()
    assert issuer.view._listeners == ()
    assert not verifier._watched[asyncio.get_running_loop()]._named


async def test_leaving_ends_the_watch_and_its_timer(issuer):
    verifier = issuer.verifier()
    with verifier.watch(token_of(verifier, issuer)) as watch:
        watches = watch._watches
        assert watches._timer is not None
    assert (len(watches), watches._timer, watch.ended) == (0, None, None)
    assert (watches._due, watches._bounds, watches._named) == ({}, {}, {})


async def test_work_is_cancelled_and_its_own_errors_pass(issuer):
    verifier = issuer.verifier()
    with verifier.watch(token_of(verifier, issuer)) as watch:
        assert await watch.run(asyncio.sleep(0, "done")) == "done"

        async def fails():
            raise TimeoutError("its own")

        with pytest.raises(TimeoutError, match="its own"):
            await watch.run(fails())
        cancelled = asyncio.Event()

        async def works():
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        asyncio.get_running_loop().call_soon(issuer.cut_off, "account", "ada")
        with pytest.raises(TokenEnded) as caught:
            async with asyncio.timeout(SOON):
                await watch.run(works())
        assert caught.value.why is Ended.REVOKED
        assert cancelled.is_set()


async def test_work_that_lost_its_cancellation_is_cancelled_again(issuer, monkeypatch):
    monkeypatch.setattr("watchword.verify.watch._PATIENCE", 0.01)
    verifier, lost = issuer.verifier(), []

    async def goes_on():
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as cancelled:
                lost.append(cancelled)
        await asyncio.Event().wait()

    with verifier.watch(token_of(verifier, issuer)) as watch:
        asyncio.get_running_loop().call_soon(issuer.cut_off, "account", "ada")
        with pytest.raises(TokenEnded):
            async with asyncio.timeout(SOON):
                await watch.run(goes_on())
    assert len(lost) == 3
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0.05)  # in which it would be cancelled once more, if leaving did not put an end to that


async def test_cleaning_up_has_its_time(issuer):
    verifier, cleaned = issuer.verifier(), []

    async def works():
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(50):
                await asyncio.sleep(0)
            cleaned.append(True)

    with verifier.watch(token_of(verifier, issuer)) as watch:
        asyncio.get_running_loop().call_soon(issuer.cut_off, "account", "ada")
        with pytest.raises(TokenEnded):
            await watch.run(works())
    assert cleaned == [True]


async def test_what_waits_with_a_limit_ends_though_what_it_waits_for_comes_in_the_same_moment(issuer, monkeypatch):
    """`asyncio.wait_for` of Python 3.11 drops such a cancellation."""
    monkeypatch.setattr("watchword.verify.watch._PATIENCE", 0.01)
    verifier, news = issuer.verifier(), asyncio.Queue()

    async def follows():
        while True:
            await asyncio.wait_for(news.get(), SOON)

    with verifier.watch(token_of(verifier, issuer)) as watch:
        for ticks in range(6):

            def tell(left=ticks):
                if left:
                    asyncio.get_running_loop().call_soon(tell, left - 1)
                else:
                    news.put_nowait("what came")

            asyncio.get_running_loop().call_soon(tell)
        asyncio.get_running_loop().call_soon(issuer.cut_off, "account", "ada")
        with pytest.raises(TokenEnded):
            async with asyncio.timeout(SOON):
                await watch.run(follows())


async def test_errors_of_several_tasks_pass_though_one_of_them_is_the_end_of_the_token(issuer):
    verifier = issuer.verifier()

    async def fails(go, error):
        await go.wait()
        raise error

    async def several(watch, *errors):
        go = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for error in errors:
                tasks.create_task(fails(go, error))
            await asyncio.sleep(0)
            go.set()
            watch.end(Ended.REVOKED)

    over, own = TokenEnded(Ended.REVOKED), RuntimeError("its own")
    for errors, raised in (((over, over), TokenEnded), ((over, own), ExceptionGroup)):
        with verifier.watch(token_of(verifier, issuer)) as watch, pytest.raises(raised):
            await watch.run(several(watch, *errors))


async def test_a_cancellation_from_outside_stays_one(issuer):
    verifier = issuer.verifier()
    with verifier.watch(token_of(verifier, issuer)) as watch:
        waiting = asyncio.create_task(watch.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def test_a_loop_that_was_closed_is_not_called_any_more(issuer):
    verifier = issuer.verifier()

    async def leave_open():
        verifier.watch(token_of(verifier, issuer))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave_open())
    loop.close()
    issuer.cut_off("account", "ada")
    assert issuer.view._listeners == ()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
