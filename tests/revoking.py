"""Somebody who logs in and out at a real server, and a verifier that follows it: for flows about revocation."""

import contextlib
import itertools
import time

import httpx
from story import PASSWORD
from watchword import Revocations, RevocationViewStale, SyncVerifier, TokenRejected

SOON = 60
"""Seconds after which a test gives up; none waits so long unless something is wrong."""
FEED_TOKEN = "feed-token-of-the-tests"
numbers = itertools.count()


@contextlib.contextmanager
def following(server, **settings):
    """A verifier of the server's tokens, its view a second old at most."""
    settings = {"token": FEED_TOKEN, "max_staleness": 1.0, "poll_interval": 0.1, "timeout": 0.5, **settings}
    with SyncVerifier(server.url, server.url, leeway=0, revocations=Revocations(**settings)) as verifier:
        until(lambda: verifier.health().ready)
        yield verifier


def until(happened, patience=SOON):
    """Look until it holds."""
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


class Account:
    """Somebody who logs in and out."""

    def __init__(self, server):
        self.client = httpx.Client(base_url=server.url, timeout=SOON)
        self.email = f"user{next(numbers)}@example.test"
        answer = self.client.post("/auth/register", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text

    def login(self):
        body = {"identifier": self.email, "password": PASSWORD, "delivery": "body"}
        answer = self.client.post("/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def logout(self, raw):
        """Returns: the monotonic time at which the revocation was acknowledged."""
        answer = self.client.post("/auth/logout", headers={"Authorization": f"Bearer {raw}"})
        assert answer.status_code == 204, answer.text
        return time.monotonic()


def finding(verifier, raw, **asked):
    """Why the token is not accepted now: the kind of the error, or None."""
    try:
        verifier.verify_now(raw, **asked)
    except (TokenRejected, RevocationViewStale) as error:
        return type(error)
    return None


def settled(verifier, raw):
    """What is found as soon as the view is no older than its bound, which on a busy machine it may be for a moment."""
    found = []

    def certain():
        found.append(finding(verifier, raw))
        return found[-1] is not RevocationViewStale

    until(certain)
    return found[-1]


def accepted_last(verifier, raw):
    """Verify until it is refused for good. Returns: the monotonic time before the last acceptance began."""
    last = 0.0
    while True:
        before = time.monotonic()
        found = finding(verifier, raw)
        if found is TokenRejected:
            return last
        if found is None:
            last = before
        time.sleep(0.001)
