"""Registering, logging in, changing passwords: what attackers try, and what they learn from it (nothing)."""

from __future__ import annotations

import asyncio

import pytest
from watchword_server.accounts.hasher import PasswordHasher
from watchword_server.accounts.service import (
    AccountRefused,
    AccountService,
    Authenticated,
    BadCredentials,
    Busy,
    PasswordChanged,
    Problems,
    Registration,
    Taken,
    Throttled,
)
from watchword_server.store.records import Account, NewFamily, NewSession, Origin

from .conftest import GOOD, HERE

WRONG = "plum-orbit-cactus-42"


async def events(store, **given) -> list[tuple[str, str | None, str | None]]:
    found = await store.audit_entries(
        before=None, limit=100, account_id=given.get("account_id"), event=given.get("event")
    )
    return [(entry.event.event, entry.event.reason, entry.event.account_id) for entry in found]


async def test_a_registered_account_has_the_default_role_and_no_password_in_sight(service, store, ada):
    assert isinstance(ada, Account)
    assert (ada.email, ada.username, ada.roles, ada.email_verified) == ("ada@example.test", "ada", ("user",), False)
    view = await store.account(ada.id)
    assert view.password_hash.startswith("$argon2id$")
    assert GOOD not in repr(view)
    assert await events(store) == [("account.registered", None, ada.id)]


async def test_all_fields_at_fault_are_told_at_once(service, store):
    refused = await service.register(Registration(email="nobody", password="password", username="a b"), HERE)
    assert isinstance(refused, Problems)
    assert [(error.field, error.code) for error in refused.errors] == [
        ("email", "invalid"), ("username", "invalid"), ("password", "too_weak"),
    ]  # fmt: skip
    assert "password1" not in repr(refused)
    assert await store.list_accounts(after=None, limit=10, search=None) == []


@pytest.mark.parametrize(
    "given",
    [
        {"email": "a\0@example.test"}, {"email": "\ud800@example.test"}, {"username": "a\0b"}, {"username": "\udfff\udfff"},
        {"password": "plum-orbit\0cactus"}, {"password": "plum-orbit-\ud800-cactus"}, {"password": "x" * 257}, {"password": ""},
        {"email": "a" * 100_000}, {"username": "b" * 100_000},
    ],
)  # fmt: skip
async def test_null_bytes_surrogates_and_giants_are_field_errors(service, given):
    registration = Registration(**({"email": "a@example.test", "password": GOOD} | given))
    assert isinstance(await service.register(registration, HERE), Problems)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "ADA@example.test"}, "email"),
        ({"email": "\N{FULLWIDTH LATIN SMALL LETTER A}da@example.test"}, "email"),
        ({"email": "other@example.test", "username": "ADA"}, "username"),
        ({"email": "other@example.test", "username": "\N{FULLWIDTH LATIN SMALL LETTER A}da"}, "username"),
    ],
)
async def test_a_name_taken_is_taken_in_every_spelling(service, ada, given, field):
    assert await service.register(Registration(password=GOOD, **given), HERE) == Taken(field)


async def test_of_many_who_register_one_address_at_once_one_gets_it(service):
    asked = [service.register(Registration(email="x@example.test", password=GOOD), HERE) for _ in range(8)]
    results = await asyncio.gather(*asked)
    assert sum(isinstance(result, Account) for result in results) == 1
    assert results.count(Taken("email")) == 7


@pytest.mark.parametrize("identifier", ["ada@example.test", "ADA@EXAMPLE.TEST", "ada", "Ada", " ada "])
async def test_the_right_password_logs_in_by_email_or_username(service, ada, identifier):
    outcome = await service.authenticate(identifier, GOOD, HERE)
    assert isinstance(outcome, Authenticated)
    assert outcome.view.account.id == ada.id


@pytest.mark.parametrize("password", [WRONG, "", GOOD + " ", GOOD.upper(), GOOD[:-1], "\0", "\ud800", "x" * 100_000])
async def test_any_other_password_does_not(service, ada, password):
    assert await service.authenticate("ada", password, HERE) == BadCredentials()


async def test_an_existing_an_unknown_a_disabled_and_a_malformed_name_cost_and_answer_the_same(
    service, store, engine, ada
):
    await service.register(Registration(email="off@example.test", password=GOOD), HERE)
    off = await service.find("off@example.test")
    assert await service.disable(off.account.id, HERE)
    costs = []
    for number, (name, password) in enumerate(
        [("ada", WRONG), ("ada@example.test", WRONG), ("nobody", WRONG), ("nobody@example.test", WRONG), ("off@example.test", GOOD),
         ("off@example.test", WRONG), ("not\0a name", WRONG), ("@", WRONG), ("ada", "\0"), ("nobody", "\0"), ("x" * 5000, WRONG)]
    ):  # fmt: skip
        engine.computed.clear()
        store.calls.clear()
        origin = Origin(actor="anonymous", address=f"198.51.100.{number}")
        assert await service.authenticate(name, password, origin) == BadCredentials()
        costs.append((tuple(engine.computed), tuple(store.calls)))
    assert len(set(costs)) == 1
    computed, calls = costs[0]
    assert computed == (("verify", "$argon2id$v=19$m=64,t=1,p=1"),)
    assert calls == ("failures", "account_for_login", "append_audit", "count_failure")


async def test_the_audit_log_knows_why_but_not_what_was_typed(service, store, ada):
    await service.authenticate("ada", WRONG, HERE)
    await service.authenticate("hunter2-typed-as-name", WRONG, HERE)
    await service.disable(ada.id, HERE)
    await service.authenticate("ada", GOOD, HERE)
    assert await events(store, event="login.failed") == [
        ("login.failed", "disabled", ada.id),
        ("login.failed", "unknown_account", None),
        ("login.failed", "wrong_password", ada.id),
    ]
    everything = repr(await store.audit_entries(before=None, limit=100, account_id=None, event=None))
    assert "hunter2" not in everything
    assert WRONG not in everything


async def test_too_many_failures_throttle_the_account_at_this_address_even_with_the_right_password(
    service, store, engine, clock, ada
):
    for _ in range(3):
        assert await service.authenticate("ada", WRONG, HERE) == BadCredentials()
    engine.computed.clear()
    assert await service.authenticate("ada", GOOD, HERE) == Throttled(60)
    assert await service.authenticate("ADA", WRONG, HERE) == Throttled(60)
    assert engine.computed == []
    assert (await events(store, event="login.throttled")) == [("login.throttled", None, ada.id)]
    clock.advance(20.5)
    assert await service.authenticate("ada", GOOD, HERE) == Throttled(40)
    clock.advance(40)
    assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)


async def test_a_name_nobody_has_is_throttled_just_the_same(service):
    outcomes = [await service.authenticate("nobody", WRONG, HERE) for _ in range(4)]
    assert outcomes == [BadCredentials()] * 3 + [Throttled(60)]


async def test_one_attacker_does_not_lock_the_owner_out_elsewhere(service, ada):
    attacker = Origin(actor="anonymous", address="203.0.113.66")
    for _ in range(5):
        await service.authenticate("ada", WRONG, attacker)
    assert isinstance(await service.authenticate("ada", GOOD, attacker), Throttled)
    assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)


async def test_many_attackers_together_do_not_get_more_than_the_total(service, engine, ada):
    engine.computed.clear()
    for number in range(40):
        await service.authenticate("ada", WRONG, Origin(actor="anonymous", address=f"203.0.113.{number}"))
    assert len(engine.computed) == 6


async def test_a_household_of_ipv6_is_one_address(service, engine):
    engine.computed.clear()
    for number in range(20):
        await service.authenticate("ada", WRONG, Origin(actor="anonymous", address=f"2001:db8::{number:x}"))
    assert len(engine.computed) == 3


async def test_trying_one_password_on_many_names_is_stopped_by_the_address(service, engine):
    engine.computed.clear()
    for number in range(30):
        await service.authenticate(f"name{number}", "Winter2026!", HERE)
    assert len(engine.computed) == 8


async def test_logging_in_to_ones_own_account_does_not_wipe_the_count_of_the_address(service, engine, ada):
    await service.register(Registration(email="mallory@example.test", password=GOOD), HERE)
    tried = 0
    for number in range(30):
        outcome = await service.authenticate(f"victim{number}", "Winter2026!", HERE)
        tried += outcome == BadCredentials()
        await service.authenticate("mallory@example.test", GOOD, HERE)
    assert tried == 8


async def test_successes_are_never_throttled(service, ada):
    for _ in range(20):
        assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)


async def test_two_slips_before_each_success_never_lock_anyone_out(service, clock, ada):
    for _ in range(3):
        assert await service.authenticate("ada", WRONG, HERE) == BadCredentials()
        assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)
        clock.advance(61)


async def test_the_window_doubles_each_time_the_limit_is_reached_again(service, clock, ada):
    waits = []
    for _ in range(4):
        for _ in range(3):
            assert await service.authenticate("ada", WRONG, HERE) == BadCredentials()
        throttled = await service.authenticate("ada", WRONG, HERE)
        assert isinstance(throttled, Throttled)
        waits.append(throttled.retry_after)
        clock.advance(throttled.retry_after + 1)
    assert waits == [60, 120, 240, 480]


async def test_guesses_sent_side_by_side_get_hardly_more_than_guesses_in_a_row(service, engine, hasher, ada):
    engine.computed.clear()
    outcomes = await asyncio.gather(*[service.authenticate("ada", f"{WRONG}{n}", HERE) for n in range(40)])
    assert len(engine.computed) <= 3 + hasher.threads + 1
    assert outcomes.count(BadCredentials()) == len(engine.computed)


async def test_the_counters_keep_no_name_and_no_address(service, store, throttle):
    subject = throttle.subject("ada@example.test", "192.0.2.1")
    everything = repr(subject)
    assert "ada" not in everything
    assert "192" not in everything
    assert subject != throttle.subject("ada@example.test", "192.0.2.2")
    assert subject != throttle.subject("bob@example.test", "192.0.2.1")
    assert subject == throttle.subject("ada@example.test", "192.0.2.1")


async def test_a_full_queue_tells_logins_and_registrations_to_come_back(store, throttle, settings, engine, clock, ada):
    rules = settings.passwords.model_copy(update={"queue_limit": 0, "hashing_memory_mib": 1, "memory_kib": 1024})
    hasher = PasswordHasher(rules, engine=engine)
    service = AccountService(store=store, hasher=hasher, throttle=throttle, settings=settings, clock=clock)
    async with hasher.slot(), hasher.slot():
        assert isinstance(await service.authenticate("ada", GOOD, HERE), Busy)
        assert isinstance(await service.register(Registration(email="b@example.test", password=GOOD), HERE), Busy)
    assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)
    hasher.close()


async def test_a_hash_of_other_parameters_is_renewed_at_login_and_cuts_nothing_off(
    store, throttle, settings, clock, ada
):
    stronger = settings.passwords.model_copy(update={"time_cost": 2})
    hasher = PasswordHasher(stronger)
    service = AccountService(store=store, hasher=hasher, throttle=throttle, settings=settings, clock=clock)
    before = await store.account(ada.id)
    assert "t=1" in before.password_hash
    assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)
    after = await store.account(ada.id)
    assert "t=2" in after.password_hash
    assert after.rev == before.rev
    assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)
    hasher.close()


async def session_of(service, store, clock, sid="sid-1"):
    view = (await service.authenticate("ada", GOOD, HERE)).view
    family = NewFamily(
        id=f"family-{sid}", scope=(), resource=(), sender_key=None, delivery="cookie", salt=b"s" * 16, key_id="k",
        device_kind="firefox/linux", idle_expires_at=clock.now() + 100, expires_at=clock.now() + 100,
    )  # fmt: skip
    new = NewSession(
        sid=sid, account_id=view.account.id, client_id="first-party", rev=view.rev, device="", place="", auth_time=clock.now(),
        amr=("pwd",), expires_at=clock.now() + 100, family=family,
    )  # fmt: skip
    from watchword_server.store.records import AuditEvent

    assert await store.start_session(new, AuditEvent(event="login.succeeded", origin=HERE))
    return await store.session_view(sid, view.account.id)


NEW = "velvet-anchor-93-moss"


async def change(service, view, current=GOOD, new=NEW, sid="sid-1"):
    return await service.change_password(view, current=current, new=new, sid=sid, origin=HERE)


async def test_a_changed_password_ends_every_session_but_the_one_that_changed_it(service, store, clock, ada):
    view = await session_of(service, store, clock)
    await session_of(service, store, clock, "sid-2")
    assert await change(service, view) == PasswordChanged()
    assert (await store.session_view("sid-1", ada.id)).alive
    assert not (await store.session_view("sid-2", ada.id)).alive
    assert await service.authenticate("ada", GOOD, HERE) == BadCredentials()
    assert isinstance(await service.authenticate("ada", NEW, HERE), Authenticated)
    assert ("password.changed", None, ada.id) in await events(store)


async def test_a_stolen_session_cannot_guess_the_password(service, store, clock, ada):
    view = await session_of(service, store, clock)
    outcomes = [await change(service, view, current=WRONG) for _ in range(4)]
    assert outcomes == [BadCredentials()] * 3 + [Throttled(60)]
    assert await change(service, view) == Throttled(60)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("password", "too_weak"),
        ("short", "too_short"),
        (GOOD, "unchanged"),
        ("plum\0orbit-cactus", "invalid"),
        ("ada@example.test", "too_weak"),
    ],
)
async def test_a_new_password_is_judged_as_at_registration(service, store, clock, ada, new, code):
    view = await session_of(service, store, clock)
    outcome = await change(service, view, new=new)
    assert isinstance(outcome, Problems)
    assert [(error.field, error.code) for error in outcome.errors] == [("new_password", code)]
    assert isinstance(await service.authenticate("ada", GOOD, HERE), Authenticated)


async def test_of_two_changes_at_once_one_wins_and_the_other_proved_a_password_that_is_gone(service, store, clock, ada):
    view = await session_of(service, store, clock)
    results = await asyncio.gather(change(service, view, new=NEW), change(service, view, new=NEW + "-two"))
    assert sorted(type(result).__name__ for result in results) == ["BadCredentials", "PasswordChanged"]


async def test_a_hash_renewed_meanwhile_does_not_spoil_a_change(service, store, clock, ada, monkeypatch):
    view = await session_of(service, store, clock)
    real, renewed = store._store.change_password, []

    async def late(account_id, **given):
        if not renewed:
            renewed.append(1)
            current = await store.account(account_id)
            fresh = service._hasher.engine.hash(GOOD.encode(), b"0123456789abcdef")
            assert await store.rehash_password(account_id, old_hash=current.password_hash, new_hash=fresh)
        return await real(account_id, **given)

    monkeypatch.setattr(store._store, "change_password", late)
    assert await change(service, view) == PasswordChanged()


async def test_the_first_administrator_is_made_once_with_a_password_shown_once(service, store):
    made = await service.ensure_administrator("admin@localhost", None)
    assert made is not None
    outcome = await service.authenticate("admin@localhost", made, HERE)
    assert isinstance(outcome, Authenticated)
    assert outcome.view.account.roles == ("user", "admin")
    assert await service.ensure_administrator("admin@localhost", None) is None
    assert await service.ensure_administrator("else@localhost", None) is None


async def test_an_administrator_with_a_given_password_is_made_beside_other_accounts_and_never_overwritten(service, ada):
    assert await service.ensure_administrator("root@example.test", "dev-password") is None
    assert isinstance(await service.authenticate("root@example.test", "dev-password", HERE), Authenticated)
    assert await service.ensure_administrator("root@example.test", "another-password") is None
    assert await service.authenticate("root@example.test", "another-password", HERE) == BadCredentials()
    assert await service.ensure_administrator("ada@example.test", "another-password") is None
    assert (await service.find("ada")).account.roles == ("user",)


async def test_processes_that_start_together_make_one_administrator(service, store):
    made = await asyncio.gather(*[service.ensure_administrator("admin@localhost", None) for _ in range(4)])
    assert sum(password is not None for password in made) == 1


async def test_production_refuses_a_weak_administrator_password(store, hasher, throttle, settings, clock):
    strict = settings.model_copy(update={"environment": "production"})
    service = AccountService(store=store, hasher=hasher, throttle=throttle, settings=strict, clock=clock)
    with pytest.raises(AccountRefused, match="too easy"):
        await service.ensure_administrator("admin@localhost", "password")


async def test_administrators_create_set_passwords_and_roles(service, store, ada):
    made = await service.create(email="b@example.test", username=None, password=GOOD, roles=["admin"], origin=HERE)
    assert made.roles == ("admin",)
    await service.set_password(ada.id, NEW, HERE)
    assert isinstance(await service.authenticate("ada", NEW, HERE), Authenticated)
    changed = await service.set_roles(ada.id, ["admin", "user", "admin"], HERE)
    assert changed.roles == ("admin", "user")
    assert await service.set_roles("nobody", ["user"], HERE) is None
    assert await service.disable(ada.id, HERE)
    assert not await service.disable(ada.id, HERE)
    assert await service.enable(ada.id, HERE)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "ada@example.test"}, "email"),
        ({"roles": ["emperor"]}, "roles"),
        ({"password": "password"}, "password"),
        ({"username": "ada"}, "username"),
    ],
)
async def test_what_an_administrator_may_not_create_is_told_by_field(service, ada, given, field):
    asked = {"email": "b@example.test", "username": None, "password": GOOD, "roles": ["user"], "origin": HERE} | given
    with pytest.raises(AccountRefused) as refused:
        await service.create(**asked)
    assert [error.field for error in refused.value.errors] == [field]
    assert GOOD not in str(refused.value)


async def test_acts_on_nobody_are_refused(service):
    with pytest.raises(AccountRefused, match="does not exist"):
        await service.set_password("nobody", GOOD, HERE)
    with pytest.raises(AccountRefused, match="emperor"):
        await service.set_roles("nobody", ["emperor"], HERE)
    assert not await service.disable("nobody", HERE)
    assert await service.find("\0") is None
