"""A worker process that shares a feed: ``python shared_worker.py <issuer> <feed> <socket> <max_staleness>``.

Answers each line on its input with one of JSON: ``find <token>`` with why it is not accepted, ``state`` with how it fares.
"""

import json
import sys

from revoking import FEED_TOKEN, finding
from watchword import Revocations, SyncVerifier


def main() -> None:
    issuer, feed, path, bound = sys.argv[1:]
    settings = Revocations(
        url=feed, token=FEED_TOKEN, shared=path, max_staleness=float(bound), poll_interval=0.2, timeout=0.5
    )
    with SyncVerifier(issuer, issuer, leeway=0, revocations=settings) as verifier:
        for line in sys.stdin:
            what, _, raw = line.strip().partition(" ")
            if what == "find":
                found = finding(verifier, raw)
                told = None if found is None else found.__name__
            else:
                health = verifier.health()
                told = {
                    "ready": health.ready,
                    "mode": health.mode,
                    "leading": verifier._feed.questions.shared.leading,
                    "forged": health.forged_answers,
                    "error": health.revocations_error,
                }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
