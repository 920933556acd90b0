"""Acts of authorization that one of many wins: what each needs, and how it is tried.

Not a test; test_authorization_races.py and the rival processes it starts use it.
"""

from watchword_server.store.authorization_records import NewClient, NewCode, NewDeviceCode, NewOpaqueToken, NewSignOn
from watchword_server.store.port import Store
from watchword_server.store.records import AuditEvent, NewFamily, NewSession, Origin

AUDIT = AuditEvent(event="race.won", origin=Origin(actor="system"))
LATER = 9e9


def session(name: str, **members) -> NewSession:
    family = NewFamily(
        id=f"f-{name}", scope=(), resource=(), sender_key=None, delivery="body", salt=b"", key_id="k", device_kind="x",
        idle_expires_at=LATER, expires_at=LATER,
    )  # fmt: skip
    given = {"client_id": "app", "rev": 0, "device": "", "place": "", "auth_time": 0.0, "amr": (), "expires_at": LATER}
    return NewSession(**given | {"sid": f"s-{name}", "account_id": f"a{name}", "family": family} | members)


async def prepare(store: Store, number: int) -> None:
    """All that is raced for under one number; the account is there already."""
    name = str(number)
    key = name.encode()
    account, sign_on = f"a{name}", f"o{name}"
    await store.create_client(NewClient(client_id=f"c{name}", origin="admin", metadata=b"{}"), AUDIT)
    rev = (await store.head()).position
    for one in (sign_on, f"{sign_on}-end"):
        new = NewSignOn(
            id=one, digest=one.encode(), account_id=account, rev=rev, device="", place="", auth_time=0, amr=(), acr=None,
            idle_expires_at=LATER, expires_at=LATER,
        )  # fmt: skip
        assert await store.start_sign_on(new, AUDIT)
    for digest in (key, b"used" + key):
        assert await store.add_code(
            NewCode(
                digest=digest,
                client_id="app",
                account_id=account,
                sign_on=sign_on,
                rev=rev,
                terms=b"",
                expires_at=LATER,
            )
        )
    assert await store.redeem_code(
        b"used" + key, session=session(name, sid=f"used-{name}", rev=rev, family=None), audit=AUDIT
    )
    for user_code in (f"d{name}", f"e{name}"):
        device = NewDeviceCode(
            digest=user_code.encode(), user_code=user_code, client_id="tv", request=b"", interval=5, expires_at=LATER
        )
        assert await store.add_device_code(device)
    assert await store.decide_device(f"e{name}", terms=b"", sign_on=sign_on, rev=rev, audit=AUDIT)
    await store.push_request(key, client_id="app", request=b"", expires_at=LATER)
    await store.authorize(account, "web", scope=(), resource=(), details=b"", audit=AUDIT)
    await store.add_registration_token(key, uses=1, expires_at=LATER, audit=AUDIT)
    token = NewOpaqueToken(
        digest=key,
        jti=name,
        client_id="app",
        account_id=None,
        sid=None,
        tenant=None,
        rev=rev,
        claims=b"",
        expires_at=LATER,
    )
    await store.add_opaque_token(token)


async def redeem_code(store: Store, number: int) -> bool:
    view = await store.code(str(number).encode())
    assert view is not None
    new = session(str(number), sid=view.sid or f"s-{number}", rev=view.rev, sign_on=None)
    return await store.redeem_code(str(number).encode(), session=new, audit=AUDIT)


async def redeem_device(store: Store, number: int) -> bool:
    view = await store.poll_device(f"e{number}".encode())
    assert view is not None
    new = session(f"tv-{number}", account_id=f"a{number}", client_id="tv", rev=view.rev)
    return await store.redeem_device(f"e{number}".encode(), session=new, audit=AUDIT)


ACTS = {
    "redeem_code": redeem_code,
    "redeem_device": redeem_device,
    "replay_code": lambda store, n: store.replay_code(f"used{n}".encode(), audit=AUDIT, notice=None),
    "consume_request": lambda store, n: store.consume_request(str(n).encode()),
    "decide_device": lambda store, n: store.decide_device(
        f"d{n}", terms=b"", sign_on=f"o{n}", rev=1 << 40, audit=AUDIT
    ),
    "first_use": lambda store, n: store.first_use("dpop", str(n).encode(), expires_at=LATER),
    "use_registration_token": lambda store, n: store.use_registration_token(str(n).encode()),
    "end_sign_on": lambda store, n: store.end_sign_on(f"o{n}-end", account_id=f"a{n}", reason="x", audit=AUDIT),
    "withdraw_authorization": lambda store, n: store.withdraw_authorization(f"a{n}", "web", AUDIT),
    "delete_opaque_token": lambda store, n: store.delete_opaque_token(str(n).encode(), client_id="app"),
    "disable_client": lambda store, n: store.disable_client(f"c{n}", AUDIT),
    "delete_client": lambda store, n: store.delete_client(f"c{n}", AUDIT),
}
"""Each is true for exactly one caller."""
