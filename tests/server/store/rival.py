"""A process that races others for the same acts: opens the store, says so, waits for a line, tells which it won.

Not a test; tests start several of it. Arguments: the store's address, the act, how many subjects, a seed for the order.
"""

import asyncio
import json
import random
import sys

from authorization_acts import ACTS
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store
from watchword_server.store.records import AuditEvent, NewAccount, Origin

AUDIT = AuditEvent(event="race.won", origin=Origin(actor="system"))


def attempt(store: Store, act: str, number: int):
    if act in ACTS:
        return ACTS[act](store, number)
    if act == "end_session":
        return store.end_session(f"s{number}", account_id=None, reason="race", audit=AUDIT)
    if act == "advance_refresh":
        return store.advance_refresh(
            f"f-s{number}", from_generation=0, device_kind="x", place="x", idle_expires_at=9_000_000_000
        )
    if act == "mark_odd":
        return store.mark_odd(f"f-s{number}", generation=0, audit=AUDIT, notice=None)
    if act == "revoke_family":
        return store.revoke_family(f"f-s{number}", reason="race", audit=AUDIT, notice=None)
    if act == "disable_account":
        return store.disable_account(f"a{number}", AUDIT)
    if act == "change_password":
        return store.change_password(
            f"a{number}", old_hash=f"hash of a{number}", new_hash="n", spares=None, audit=AUDIT
        )
    if act == "activate_key":
        return store.activate_key(f"k{number}", audit=AUDIT)
    if act == "distrust_key":
        return store.distrust_key(f"k{number}", audit=AUDIT)
    return create(store, number)


async def create(store: Store, number: int) -> bool:
    new = NewAccount(
        id=f"{random.getrandbits(64):x}",
        email=f"n{number}",
        email_key=f"n{number}",
        username=None,
        username_key=None,
        password_hash="x",
        roles=(),
    )
    return await store.create_account(new, AUDIT) != "email"


async def main(url: str, act: str, count: int, seed: int) -> None:
    store = store_from_url(url)
    await store.open(migrate=True)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    order = list(range(count))
    random.Random(seed).shuffle(order)
    outcomes = await asyncio.gather(*(attempt(store, act, number) for number in order))
    await store.close()
    print(json.dumps([number for number, won in zip(order, outcomes, strict=True) if won]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
