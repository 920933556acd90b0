"""A verifier in a process of its own, for flows that stop it: ``python verifier_process.py <issuer> <feed> [<bound>]``.

Reads tokens, one a line, up to an empty line; says ``accepted`` when it took each; verifies them over and over. Then a
line with one deadline a token, in seconds of the monotonic clock, is answered ``late`` when each was tried after its own. It
goes on until a further line, which is answered with counts: attempts before the deadline that were accepted, attempts after
it, and those among them that were accepted. ``bound``: `max_staleness`, 1 s unless given.
"""

import json
import sys
import threading
import time

from revoking import finding, following, settled, until


class Issuer:
    url = sys.argv[1]


def main() -> None:
    raws = list(iter(lambda: sys.stdin.readline().strip(), ""))
    attempts: list[tuple[float, int, bool]] = []
    done, went_round = threading.Event(), threading.Event()
    bound = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    with following(Issuer, url=sys.argv[2], max_staleness=bound, timeout=max(0.5, bound / 4)) as verifier:
        welcome = [settled(verifier, raw) is None for raw in raws]

        def verify() -> None:
            while not done.is_set():
                for number, raw in enumerate(raws):
                    # Before the attempt: being stopped in its middle is no fault of the verifier.
                    before = time.monotonic()
                    attempts.append((before, number, finding(verifier, raw) is None))
                went_round.set()
                time.sleep(bound / 1000 if bound < 5 else bound / 100)  # a hundred processes share the machine

        watching = threading.Thread(target=verify)
        watching.start()
        went_round.wait()
        print("accepted" if all(welcome) else "refused", flush=True)
        deadlines = json.loads(sys.stdin.readline())
        wanted = set(range(len(raws)))
        until(lambda: {number for at, number, _ in attempts[-len(raws) :] if at > deadlines[number]} == wanted)
        print("late", flush=True)
        sys.stdin.readline()
        done.set()
        watching.join()
    late = [accepted for at, number, accepted in attempts if at > deadlines[number]]
    early = [accepted for at, number, accepted in attempts if at <= deadlines[number]]
    print(json.dumps({"accepted": sum(early), "late": len(late), "accepted_late": sum(late)}), flush=True)


if __name__ == "__main__":
    main()
