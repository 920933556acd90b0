import pytest
from watchword_server.store.text import (
    LONGEST_KEY,
    clean,
    integer,
    pack_detail,
    pack_list,
    require_storable,
    storable,
    unpack_list,
)

UNSTORABLE = ["\0", "a\0b", "\ud800", "x\udfff", "x" * (LONGEST_KEY + 1), "ü" * (LONGEST_KEY // 2 + 1)]
METACHARACTERS = [
    "' OR 1=1 --",
    "'; DROP TABLE accounts; --",
    '"',
    "\\",
    "%",
    "_",
    "$1",
    "?",
    ":x",
    "\N{PILE OF POO}",
    "e\u0301",
]


@pytest.mark.parametrize("text", UNSTORABLE)
def test_what_an_engine_cannot_keep_is_not_storable(text):
    assert not storable(text)
    assert not storable("fine", None, text)
    with pytest.raises(ValueError, match="email") as refusal:
        require_storable(email=text)
    assert text not in str(refusal.value)
    with pytest.raises(ValueError, match="roles"):
        pack_list("roles", ("fine", text))


@pytest.mark.parametrize("text", ["", "a", "ü" * (LONGEST_KEY // 2), "x" * LONGEST_KEY, *METACHARACTERS])
def test_what_it_can_keep_is(text):
    assert storable(text, None)
    assert unpack_list(pack_list("roles", (text,))) == (text,)


def test_a_list_without_end_is_refused():
    with pytest.raises(ValueError, match="many"):
        pack_list("scope", tuple("x" * 100 for _ in range(1000)))


def test_text_for_people_is_cleaned_and_cut_never_refused():
    assert clean("plain") == "plain"
    assert clean("a\0b") == "a\ufffdb"
    assert clean("a\ud800b\udc00") == "a\ufffdb\ufffd"
    assert clean("\N{PILE OF POO}" * 600) == "\N{PILE OF POO}" * 512
    assert pack_detail({}) == "{}"
    assert pack_detail({"\0": "\udc80"}) == '{"\ufffd":"\ufffd"}'


@pytest.mark.parametrize("number", [0, 1, -1, 1 << 62, 1 << 64, -(1 << 64)])
def test_an_integer_stays_within_64_bits(number):
    assert -(1 << 63) < integer(number) < 1 << 63


@pytest.mark.parametrize("text", UNSTORABLE)
async def test_what_cannot_be_kept_is_not_there(store, sample, text):
    assert await store.account(text) is None
    assert await store.account_for_login(email_key=text, username_key=text) is None
    assert list(await store.list_accounts(after=None, limit=9, search=text)) == []
    assert list(await store.list_accounts(after=text, limit=9, search=None)) == []
    assert await store.session_view(text, "ada") is None
    assert await store.session_view("s1", text) is None
    assert await store.session_view("s1", "ada", jti=text) is None
    assert list(await store.list_sessions(text)) == []
    assert await store.family(text) is None
    assert list(await store.families_of(text)) == []
    assert not await store.advance_refresh(text, from_generation=0, device_kind="x", place="x", idle_expires_at=9e9)
    assert not await store.mark_odd(text, generation=0, audit=sample.event(), notice=None)
    assert not await store.revoke_family(text, reason="x", audit=sample.event(), notice=None)
    assert not await store.end_session(text, account_id=None, reason="x", audit=sample.event())
    assert not await store.disable_account(text, sample.event())
    assert not await store.enable_account(text, sample.event())
    assert await store.set_roles(text, (), sample.event()) is None
    assert not await store.rehash_password(text, old_hash="x", new_hash="x")
    assert not await store.change_password(text, old_hash=None, new_hash="x", spares=None, audit=sample.event())
    assert not await store.activate_key(text, audit=sample.event())
    assert not await store.forget_key(text, audit=sample.event())
    assert not await store.distrust_key(text, audit=sample.event())
    assert list(await store.notices(text)) == []
    assert await store.read_notices(text, 1) == 0
    assert list(await store.audit_entries(before=None, limit=9, account_id=text, event=text)) == []


@pytest.mark.parametrize("text", UNSTORABLE)
async def test_what_cannot_be_kept_is_refused_cleanly_and_nothing_is_written(store, sample, store_clock, text):
    await sample.register(store)
    before = await store.figures()
    now = store_clock.now()
    for attempt in (
        store.create_account(sample.account(text), sample.event()),
        store.create_account(sample.account("eve", email=text), sample.event()),
        store.create_account(sample.account("eve", username_key=text), sample.event()),
        store.create_account(sample.account("eve", roles=(text,)), sample.event()),
        store.set_roles("ada", (text,), sample.event()),
        store.start_session(sample.session(now, text), sample.event()),
        store.start_session(sample.session(now, family={"id": text}), sample.event()),
        store.start_session(sample.session(now, family={"scope": (text,)}), sample.event()),
        store.cut_off("token", text, spares=None, ends_families=False, cause="x", audit=sample.event()),
        store.cut_off("account", "ada", spares=text, ends_families=False, cause="x", audit=sample.event()),
        store.end_all_sessions("ada", spares=text, reason="x", audit=sample.event()),
        store.change_password("ada", old_hash=None, new_hash=text, spares=None, audit=sample.event()),
        store.add_key(sample.key(text), unless_state=None, audit=sample.event()),
        store.declare_lifetime(text, 60),
    ):
        with pytest.raises(ValueError, match=r"holds U\+0000|too"):
            await attempt
    assert not await store.start_session(sample.session(now, account_id=text), sample.event())
    assert await store.figures() == before


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_metacharacters_are_text_like_any_other(store, sample, store_clock, text):
    await sample.register(store, text, email=text, email_key=text, username_key=text, roles=(text,), tenant=text)
    assert (await store.account_for_login(email_key=text, username_key=None)).account.id == text
    assert [account.id for account in await store.list_accounts(after=None, limit=9, search=text)] == [text]
    new = sample.session(
        *(store_clock.now(), text, text), client_id=text, device=text, place=text, family={"id": text, "scope": (text,)}
    )
    assert await store.start_session(new, sample.event(text, reason=text, detail={text: text}))
    view = await store.session_view(text, text)
    assert (view.alive, view.session.device, view.session.place, view.account.roles) == (True, text, text, (text,))
    assert (await store.family(text)).family.scope == (text,)
    assert (await store.audit_entries(before=None, limit=1, account_id=None, event=text))[0].event.detail == {
        text: text
    }
    assert await store.end_session(text, account_id=text, reason=text, audit=sample.event())
    for axis in ("token", "account", "client", "tenant"):
        await store.cut_off(axis, text, spares=text, ends_families=True, cause=text, audit=sample.event())
    assert len((await store.cut_offs_after(None, limit=9)).entries) == 5


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * 100_000])
async def test_a_device_or_place_for_people_is_cleaned_not_refused(store, sample, store_clock, text):
    await sample.register(store)
    new = sample.session(store_clock.now(), device=text, place=text, family={"device_kind": text})
    assert await store.start_session(new, sample.event())
    assert await store.advance_refresh(
        "f-s1", from_generation=0, device_kind=text, place=text, idle_expires_at=store_clock.now() + 60
    )
    assert await store.end_session("s1", account_id="ada", reason=text, audit=sample.event())
    session = (await store.session_view("s1", "ada")).session
    assert 0 < len(session.device) <= 512
    assert 0 < len(session.end_reason) <= 512
