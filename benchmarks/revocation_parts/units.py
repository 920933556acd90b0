"""What one cut-off, one event, one poll and one look cost: the numbers that large installations are reckoned from."""

import asyncio
import gzip
import itertools
import statistics
import time
import uuid

from watchword.clock import system_clock
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.verify.answer import read_page, read_pushed
from watchword.verify.revocation import RevocationView
from watchword_server.revocation import wire
from watchword_server.store.open import store_from_url
from watchword_server.store.records import AuditEvent, Cursor, CutOff, CutOffBatch, Origin

ISSUER = "https://login.example.com"
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
FIRST = 50_000_000
AUDIT = AuditEvent(event="benchmark.act", origin=Origin(actor="system"))


def batch(count, turn):
    """Entries as a busy log has them: sessions, each with its own end."""
    now = system_clock.now()
    start = FIRST + count * turn
    entries = tuple(
        CutOff(
            position=start + n + 1,
            axis="session",
            value=uuid.uuid4().hex[:22],
            spares=None,
            floor=0,
            at=now,
            expires_at=now + 660 - n % 60,
            cause="logout",
        )
        for n in range(count)
    )
    cursor = Cursor(epoch="0123456789abcdef" * 2, position=start + count, chain=uuid.uuid4().hex * 2)
    return CutOffBatch(entries=entries, cursor=cursor, more=False, snapshot=False, read_at=now)


def micros(work, times):
    """CPU microseconds of one call, the median of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return statistics.median(rounds)


def reading(key, keys):
    sign = Signer(key, typ=wire.SIGNED_TYPE).sign
    before = batch(1, 0).cursor
    for count in (1, 100, 1000):
        made = [wire.pushed_event(before, batch(count, turn), sign, issuer=ISSUER) for turn in range(1, 40)]
        raws = itertools.cycle([event.partition(b"data: ")[2].strip() for event in made])
        view = RevocationView(max_entries=100_000_000)
        one = batch(count, 41)
        signed = micros(lambda one=one: wire.pushed_event(before, one, sign, issuer=ISSUER), max(5, 500 // count))
        read = micros(
            lambda raws=raws, view=view: view.apply(read_pushed(next(raws), keys, issuer=ISSUER).entries),
            max(20, 1000 // count),
        )
        size = len(made[0])
        print(
            f"  event of {count:>4} cut-offs: {size:,} bytes ({size / count:.0f} each), made once a node {signed:.0f} us, "
            f"taken in by a verifier {read:.0f} us of CPU ({read / count:.2f} each)",
            flush=True,
        )
    page = wire.signed_page(batch(1000, 1), sign, issuer=ISSUER, nonce=NONCE, asked=None)
    packed, packing = len(gzip.compress(page, 4)), micros(lambda: gzip.compress(page, 4), 20)
    print(f"  page of 1,000 cut-offs: {len(page):,} bytes, {packed:,} compressed in {packing:.0f} us")
    empty = batch(0, 1)
    cursor = wire.write_cursor(empty.cursor)
    page = wire.signed_page(empty, sign, issuer=ISSUER, nonce=NONCE, asked=cursor)
    read = micros(lambda: read_page(page, keys, issuer=ISSUER, nonce=NONCE, cursor=cursor), 500)
    print(f"  renewal of a lease: {len(page)} bytes of body, read by a verifier in {read:.0f} us of CPU")


async def writing(url, count):
    """Durable cut-offs a second, by how many writers wait together."""
    store = store_from_url(url)
    await store.open(migrate=True)
    try:
        for writers in (1, 64, 512):
            turn = iter(range(count // 8 if writers == 1 else count))

            async def some(turn=turn):
                for _ in turn:
                    told = {"spares": None, "ends_families": False, "cause": "benchmark", "audit": AUDIT}
                    await store.cut_off("token", uuid.uuid4().hex, **told)

            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(some() for _ in range(writers)))
            done = count // 8 if writers == 1 else count
            took, spent = time.perf_counter() - began, time.process_time() - cpu
            print(
                f"    {writers:>3} writers: {done / took:,.0f}/s, {spent / done * 1e6:.0f} us of CPU each", flush=True
            )
    finally:
        await store.close()


def measure(urls, *, quick):
    key = Key.generate("ES256")
    reading(key, KeySet([key.public()]))
    for store, url in urls.items():
        print(f"  durable cut-offs written, {store}, one process:")
        asyncio.run(writing(url, 2_000 if quick else 20_000))
