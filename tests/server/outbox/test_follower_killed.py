"""kill -9 in the middle: every cut-off that was acknowledged is delivered, by whoever lives on."""

import subprocess
import sys
from pathlib import Path

from watchword_server.store.open import store_from_url

PROGRAM = Path(__file__).with_name("follower_process.py")


def started(url, name):
    return subprocess.Popen([sys.executable, str(PROGRAM), url, name], stdout=subprocess.PIPE, text=True)


def heard(process, lines):
    """Read until so many cut-offs were acknowledged."""
    told = []
    while sum(line.startswith("cut ") for line in told) < lines:
        line = process.stdout.readline()
        assert line, "the process ended by itself"
        told.append(line.strip())
    return told


async def test_no_acknowledged_cut_off_goes_undelivered_when_processes_are_killed(store_url):
    told = []
    for round_ in range(3):
        victims = [
            started(store_url, f"r{round_}{which}") for which in "ab"[: 1 if store_url.startswith("sqlite") else 2]
        ]
        try:
            for victim in victims:
                told += heard(victim, 60)
        finally:
            for victim in victims:
                victim.kill()
                rest, _ = victim.communicate()
                # A line may be cut in the middle by the kill.
                told += [line for line in rest.split("\n")[:-1] if line.startswith(("cut ", "got "))]
    acknowledged = {line[4:] for line in told if line.startswith("cut ")}
    delivered = {line[4:] for line in told if line.startswith("got ")}
    store = store_from_url(store_url)
    await store.open(migrate=False)
    waiting = {one.payload.decode() for one in await store.deliveries(dead=False, after=None, limit=10_000)}
    untranslated = {one.value for one in await store.news(limit=10_000)}
    await store.close()
    # What a worker had in hand when it was killed is still on record: its lease runs out, and it comes again.
    assert acknowledged - delivered - waiting - untranslated == set()
    assert len(acknowledged) >= 180


async def test_an_heir_delivers_what_the_killed_left(store_url):
    victim = started(store_url, "v")
    try:
        told = heard(victim, 40)
    finally:
        victim.kill()
        rest, _ = victim.communicate()
    told += rest.split("\n")[:-1]
    cut = {line[4:] for line in told if line.startswith("cut ")}
    got = {line[4:] for line in told if line.startswith("got ")}
    store = store_from_url(store_url)
    await store.open(migrate=False)
    leased = {one.payload.decode() for one in await store.deliveries(dead=False, after=None, limit=10_000) if one.lease}
    await store.close()
    heir = started(store_url, "heir")
    try:
        while not cut <= got | leased:
            line = heir.stdout.readline()
            assert line
            got.add(line.strip()[4:])
    finally:
        heir.kill()
        heir.communicate()
