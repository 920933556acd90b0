"""`watchword outbox`: what it shows, what it does, and that it never shows what was to be delivered."""

from __future__ import annotations

import asyncio

import pytest
from watchword_server.store.delivery_records import NewDelivery
from watchword_server.store.open import store_from_url

from .conftest import Run


@pytest.fixture
def dead(stocked: Run, home):
    """Three dead letters and one delivery that waits."""

    async def work():
        store = store_from_url(f"sqlite:///{home}/watchword.db")
        await store.open(migrate=False)
        letters = [
            NewDelivery(kind="mail", destination=f"ada\x1b[31m{n}", payload=b"very secret", dedupe=str(n))
            for n in range(3)
        ]
        await store.enqueue(letters)
        for one in await store.lease_deliveries("w", seconds=60, limit=9, per_destination=9):
            await store.give_up(one.id, "w", error="410 gone")
        await store.enqueue([NewDelivery(kind="mail", destination="bob", payload=b"x", dedupe="w")])
        await store.close()

    asyncio.run(work())
    return stocked


def test_dead_letters_are_listed_without_their_content_and_without_steering_the_terminal(dead):
    shown = dead("outbox", "list")
    assert shown.code == 0
    assert shown.out.count("410 gone") == 3
    assert "\x1b" not in shown.out
    assert "secret" not in shown.out
    found = dead("outbox", "list", "--json").json
    assert [one["state"] for one in found["deliveries"]] == ["dead"] * 3
    assert (found["waiting"], found["dead"]) == (1, 3)
    waiting = dead("outbox", "list", "--waiting", "--json").json["deliveries"]
    assert [one["destination"] for one in waiting] == ["bob"]
    page = dead("outbox", "list", "--limit", "2", "--json").json["deliveries"]
    rest = dead("outbox", "list", "--after", str(page[-1]["id"]), "--json").json["deliveries"]
    assert len(page + rest) == 3


def test_a_dead_letter_is_retried_once_and_all_are_at_a_word(dead):
    first = dead("outbox", "list", "--json").json["deliveries"][0]["id"]
    assert dead("outbox", "retry", str(first)).out == "1 to be delivered again\n"
    again = dead("outbox", "retry", str(first))
    assert again.code == 1
    assert "there is no dead letter" in again.err
    assert dead("outbox", "retry").code == 2
    assert dead("outbox", "retry", "1", "--all").code == 2
    assert dead("outbox", "retry", "--all").out == "2 to be delivered again\n"
    assert dead("outbox", "list", "--json").json["dead"] == 0
    events = [entry["event"] for entry in dead("audit", "list", "--json").json["entries"]]
    assert events.count("outbox.retried") == 3


def test_a_dead_letter_is_dropped_after_a_question(dead):
    first = str(dead("outbox", "list", "--json").json["deliveries"][0]["id"])
    assert dead("outbox", "drop", first, stdin="n\n").code == 1
    assert dead("outbox", "drop", first, stdin="y\n").code == 0
    assert dead("outbox", "drop", first, "--yes").code == 1
    assert dead("outbox", "list", "--json").json["dead"] == 2
