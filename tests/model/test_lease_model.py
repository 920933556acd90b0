"""The promise as a machine: log, node, network and verifier in time that is moved by hand.

The network delays, loses, replays, swaps and moves cursors; the wall clock jumps; batches are pushed late, out of order
or never. Whatever it does: no token is accepted later than the bound after its revocation was acknowledged, and none is
refused by a cut-off that it was issued after.
"""

import contextlib
import re

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from watchword import Revocations, RevocationViewStale, SyncVerifier, TokenRejected, TransportError
from watchword.jose.base64url import decode
from watchword.jose.jws import Signer
from watchword.testing import FakeClock, FakeIssuer
from watchword.verify.answer import TYP, FeedError
from watchword.verify.errors import RejectionReason

URL = "https://issuer.test/revocations"
BOUND = 30.0
STRICT = 5.0
SUBS = ["ada", "grace"]
LIFETIME = 3000

delays = st.sampled_from([0.0, 0.1, 1.0, 4.0, 5.5, 14.0, 29.0, 31.0])


class World(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.clock = FakeClock()
        self.issuer = FakeIssuer(clock=self.clock, lifetime=LIFETIME)
        self.plain = self.issuer.transport.answers[URL]
        self.verifier = SyncVerifier(
            self.issuer.issuer,
            "api",
            keys=self.issuer.keys,
            transport=self.issuer.transport,
            clock=self.clock,
            leeway=0,
            revocations=Revocations(keys=self.issuer.feed_keys, max_staleness=BOUND),
        )
        self.feed = self.verifier._feed
        self.feed.background.stop()  # polls are rules here
        self.tokens = []
        """(text, claims, number of cut-offs when it was issued)"""
        self.dead = {}
        """text -> true time of the acknowledgement that killed it"""
        self.answers = []
        self.pushed = []

    @initialize()
    def begin(self):
        self.issue("ada", seen=False)

    @rule(sub=st.sampled_from(SUBS), seen=st.booleans())
    def issue(self, sub, seen):
        number = len(self.tokens)
        sid = f"{sub}-{number % 3}"
        if any(entry.value == sid for entry, _ in self.issuer._cut_offs):
            sid = f"{sub}-new-{number}"  # nothing is issued any more in the name of a dead session
        raw = self.issuer.token(sub, jti=f"t{number}", sid=sid)
        self.tokens.append((raw, {"token": f"t{number}", "session": sid, "account": sub}))
        if seen:
            self.look(raw)

    @rule(which=st.integers(0, 100), axis=st.sampled_from(["token", "session", "account", "everything"]))
    def revoke(self, which, axis):
        _, claims = self.tokens[which % len(self.tokens)]
        value = claims.get(axis, "")
        before = f"fake.{len(self.issuer._cut_offs)}.0"
        entry = self.issuer.cut_off(axis, value)
        for raw, about in self.tokens:
            if axis == "everything" or about[axis] == value:
                self.dead.setdefault(raw, self.clock.monotonic())
        batch = {"iss": self.issuer.issuer, "from": before, "cursor": f"fake.{entry.position}.0", "entries": [entry]}
        self.pushed.append(Signer(self.issuer.feed_key, typ=TYP).sign(msgspec.json.encode(batch)).encode())

    @rule(there=delays, back=delays, lost=st.sampled_from(["no", "no", "no", "there", "back"]), meanwhile=st.booleans())
    def poll(self, there, back, lost, meanwhile):
        def network(request):
            self.clock.advance(there)
            if lost == "there":
                raise TransportError("lost")
            answer = self.plain(request)
            self.answers.append(answer)
            if meanwhile:
                self.revoke(len(self.answers), "session")
            self.clock.advance(back)
            if lost == "back":
                raise TransportError("lost")
            return answer

        self.issuer.transport.answers[URL] = network
        self.feed.step()

    @rule(which=st.integers(0, 100), wait=delays)
    def poll_replayed(self, which, wait):
        if not self.answers:
            return
        asked = f'"from":"{self.feed._cursor}"'.encode()
        like = [one for one in self.answers if asked in decode(one.body.split(b".")[1])]
        old = (like or self.answers)[which % len(like or self.answers)]
        self.issuer.transport.answers[URL] = lambda _: (self.clock.advance(wait), old)[1]
        self.feed.step()

    @rule()
    def poll_with_cursor_moved(self):
        ahead = len(self.issuer._cut_offs)

        def network(request):
            moved = re.sub(r"cursor=[^&]*&", "", request.url) + f"&cursor=fake.{ahead}.0"
            return self.plain(type(request)(moved, headers=request.headers))

        self.issuer.transport.answers[URL] = network
        self.feed.step()

    @rule(which=st.integers(0, 100))
    def push(self, which):
        if self.pushed:
            raw = self.pushed[which % len(self.pushed)]
            age = self.feed.freshness.age()
            self.feed.view.apply(self.feed.questions.read_pushed(raw).entries)
            assert self.feed.freshness.age() == age, "what is pushed renews nothing"

    @rule()
    def push_forged(self):
        if self.answers:
            count = len(self.feed.view)
            with contextlib.suppress(FeedError):
                self.feed.view.apply(self.feed.questions.read_pushed(b"e30." + self.answers[0].body).entries)
            assert len(self.feed.view) == count

    @rule(seconds=delays)
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3600, -40, 40, 3600]))
    def jump(self, seconds):
        self.clock.jump(seconds)

    @invariant()
    def nobody_is_let_in_too_late_and_nobody_kept_out_for_nothing(self):
        for raw, _ in self.tokens:
            self.look(raw)
            self.look(raw, max_staleness=STRICT)

    def look(self, raw, **asked):
        try:
            self.verifier.verify_now(raw, **asked)
        except TokenRejected as rejected:
            if rejected.reason is RejectionReason.REVOKED:
                assert raw in self.dead, "refused by a cut-off that it was issued after"
            return
        except RevocationViewStale:
            return
        if raw in self.dead:
            late = self.clock.monotonic() - self.dead[raw]
            assert late < asked.get("max_staleness", BOUND), f"accepted {late} s after its revocation was acknowledged"

    def teardown(self):
        self.verifier.close()


class TestTheBound(World.TestCase):
    settings = settings(max_examples=120, stateful_step_count=20, deadline=None)


@pytest.mark.soak
class TestTheBoundForLong(World.TestCase):
    settings = settings(max_examples=5000, stateful_step_count=60, deadline=None)
