"""A process full of verifiers that follow a feed, told by lines of JSON what to do. Started by world.py.

Times are those of CLOCK_MONOTONIC, which all processes of a machine share. An attempt is dated before it begins, so that
one that begins in time and is late by the scheduler's doing counts as in time: the promise is about that instant.
"""

import json
import logging
import ssl
import sys
import threading
import time

from watchword import Revocations, RevocationViewStale, SyncVerifier, TokenRejected, system_clock
from watchword.transport import HttpTransport
from watchword.verify.errors import RejectionReason

ACCEPTED, REVOKED, STALE, OTHER = range(4)


class JumpingClock:
    """The system's clock, whose wall part can be set forward and back."""

    offset = 0.0

    def now(self) -> float:
        return system_clock.now() + self.offset

    monotonic = staticmethod(system_clock.monotonic)


def outcome(verifier: SyncVerifier, raw: str) -> int:
    try:
        verifier.verify_now(raw)
    except RevocationViewStale:
        return STALE
    except TokenRejected as rejected:
        return REVOKED if rejected.reason is RejectionReason.REVOKED else OTHER
    return ACCEPTED


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


def race(verifiers: list[SyncVerifier], raw: str, pause: float) -> None:
    """Verify with each in turn until each has refused: tight, but leaving room for the threads that listen."""
    if any(outcome(verifier, raw) != ACCEPTED for verifier in verifiers):
        raise SystemExit("a good token was refused")
    say(accepted=True)
    left = dict(enumerate(verifiers))
    last, refused, tries = [0.0] * len(verifiers), [0.0] * len(verifiers), 0
    while left:
        for number, verifier in list(left.items()):
            found = outcome(verifier, raw)
            now = time.monotonic()
            tries += 1
            if found == ACCEPTED:
                last[number] = now
            else:
                refused[number] = now
                del left[number]
        time.sleep(pause)
    say(last=last, refused=refused, tries=tries)


class Watching(threading.Thread):
    """Verifies some tokens over and over, and remembers each attempt."""

    def __init__(self, verifiers: list[SyncVerifier], raws: list[str]) -> None:
        super().__init__(daemon=True)
        self.verifiers, self.raws = verifiers, raws
        self.attempts: list[tuple[float, int, int]] = []
        self.done = False
        self.first_round = threading.Event()

    def run(self) -> None:
        while not self.done:
            for verifier in self.verifiers:
                for number, raw in enumerate(self.raws):
                    before = time.monotonic()
                    self.attempts.append((before, number, outcome(verifier, raw)))
            self.first_round.set()
            time.sleep(0.0005)

    def report(self, deadlines: list[float]) -> dict[str, int]:
        self.done = True
        self.join()
        late = [found for at, number, found in self.attempts if at > deadlines[number]]
        names = ("accepted", "revoked", "stale", "other")
        early = sum(found == ACCEPTED for at, number, found in self.attempts if at <= deadlines[number])
        return {"attempts": len(late), "before": early} | {name: late.count(n) for n, name in enumerate(names)}


def main() -> None:
    given = json.loads(sys.stdin.readline())
    logging.disable()  # a feed that fails is what is wanted here
    tls = ssl.create_default_context(cafile=given["ca"])
    clock = JumpingClock()
    verifiers = [
        SyncVerifier(
            given["issuer"],
            given["issuer"],
            leeway=0,
            clock=clock,
            transport=HttpTransport(tls=tls),
            revocations=Revocations(token=given["token"], **given["follow"]),
        )
        for _ in range(given["count"])
    ]
    for verifier in verifiers:
        verifier.start()
    wanted = "push" if given["follow"].get("push", True) else "poll"
    until = time.monotonic() + 60
    while not all(verifier.health().ready and verifier.health().mode == wanted for verifier in verifiers):
        if time.monotonic() > until:
            raise SystemExit(f"not followed: {[verifier.health() for verifier in verifiers]}")
        time.sleep(0.01)
    say(ready=True)
    watching: Watching | None = None
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "race":
            race(verifiers, order["raw"], order["pause"])
        elif order["do"] == "watch":
            watching = Watching(verifiers, order["raws"])
            watching.start()
            watching.first_round.wait()
            say(watching=True)
        elif order["do"] == "jump":
            clock.offset += order["seconds"]
            say(jumped=True)
        elif order["do"] == "report" and watching is not None:
            say(**watching.report(order["deadlines"]))


if __name__ == "__main__":
    main()
