import sqlite3

import asyncpg
import pytest
from watchword_server.store.open import store_from_url
from watchword_server.store.records import AuditEvent, Origin


async def test_a_line_is_kept_as_it_was_given(store, store_clock):
    event = AuditEvent(
        event="login.failed",
        origin=Origin(actor="anonymous", address="2001:db8::7", user_agent="Mozilla/5.0"),
        account_id="ada",
        sid="s1",
        client_id="web",
        reason="password",
        detail={"attempt": "3", "ünï": "cödé"},
    )
    await store.append_audit(event)
    (entry,) = await store.audit_entries(before=None, limit=9, account_id=None, event=None)
    assert (entry.id, entry.at, entry.event) == (1, store_clock.now(), event)


async def test_lines_are_read_newest_first_page_by_page_and_by_account_and_event(store, sample):
    for number in range(6):
        await store.append_audit(sample.event(f"event.{number % 2}", account_id="ada" if number < 3 else "bob"))

    async def ids(**query):
        given = {"before": None, "limit": 10, "account_id": None, "event": None}
        return [entry.id for entry in await store.audit_entries(**given | query)]

    assert await ids() == [6, 5, 4, 3, 2, 1]
    assert await ids(limit=2) == [6, 5]
    assert await ids(before=5, limit=2) == [4, 3]
    assert await ids(account_id="ada") == [3, 2, 1]
    assert await ids(event="event.0") == [5, 3, 1]
    assert await ids(account_id="bob", event="event.1", before=6) == [4]
    assert await ids(before=1 << 100) == [6, 5, 4, 3, 2, 1]
    assert await ids(before=-(1 << 100)) == []
    assert await ids(account_id="nobody") == []


async def test_no_act_fails_by_what_strangers_put_into_its_line(store):
    nasty = "\0\ud800\udfff'; DROP TABLE audit; --" + "x" * 100_000
    await store.append_audit(
        AuditEvent(
            event="login.failed",
            origin=Origin(actor="anonymous", address=nasty, user_agent=nasty),
            account_id=nasty,
            reason=nasty,
            detail={nasty: nasty} | {str(number): "x" for number in range(100)},
        )
    )
    (entry,) = await store.audit_entries(before=None, limit=9, account_id=None, event=None)
    assert entry.event.origin.user_agent.startswith("\ufffd\U000103ff'; DROP TABLE audit; --xxx")
    assert len(entry.event.origin.user_agent) <= 512
    assert len(entry.event.detail) == 32


async def test_notices_are_seen_until_read(store, sample, store_clock):
    await sample.register(store)
    for kind in ("one", "two"):
        family_id = await sample.login(store, kind)
        await store.revoke_family(family_id, reason="reuse", audit=sample.event(), notice=sample.notice(kind))
    notices = await store.notices("ada")
    assert [(notice.kind, notice.account_id, notice.at) for notice in notices] == [
        ("two", "ada", store_clock.now()),
        ("one", "ada", store_clock.now()),
    ]
    assert await store.read_notices("ada", notices[1].id) == 1
    assert await store.read_notices("ada", notices[1].id) == 0
    assert await store.read_notices("eve", notices[0].id) == 0
    assert [notice.kind for notice in await store.notices("ada")] == ["two"]
    assert await store.read_notices("ada", 1 << 100) == 1
    assert list(await store.notices("ada")) == []


async def test_the_audit_log_on_sqlite_refuses_to_be_changed_until_the_operator_drops_its_guard(tmp_path, sample):
    store = store_from_url(f"sqlite:///{tmp_path}/w.db")
    await store.open(migrate=True)
    await store.append_audit(sample.event())
    connection = sqlite3.connect(tmp_path / "w.db")
    for statement in ("UPDATE audit SET event = 'x'", "DELETE FROM audit", "REPLACE INTO audit SELECT * FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
        connection.rollback()
    connection.execute("DROP TRIGGER audit_keeps_all")
    assert connection.execute("DELETE FROM audit").rowcount == 1
    connection.close()
    await store.close()


async def test_the_audit_log_on_postgres_refuses_to_be_changed_until_the_operator_drops_its_guard(postgres_dsn, sample):
    store = store_from_url(postgres_dsn)
    await store.open(migrate=True)
    await store.append_audit(sample.event())
    connection = await asyncpg.connect(postgres_dsn)
    for statement in ("UPDATE audit SET event = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(statement)
    await connection.execute("DROP TRIGGER audit_keeps_lines ON audit")
    assert await connection.execute("DELETE FROM audit") == "DELETE 1"
    await connection.close()
    await store.close()
