"""Refresh rotation as a state machine: any requests in any order, through two server processes, against a model.

Whatever a network may do is in here: a token may come never, twice, late, or long after its answer was lost, since any
generation ever issued may be presented at any time.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens.rotation import Refreshed, Refused

WINDOW, LIMIT_SAME, LIMIT_OTHER, IDLE = 30.0, 10, 1, 7 * 86_400.0
KINDS = ("firefox/linux", "chrome/windows", "safari/ios")
AUDIT = AuditEvent(event="test.done", origin=Origin(actor="cli"))


@dataclass(frozen=True)
class Model:
    """What the design says of one family; nothing is shared with the code under test."""

    rotated_at: float
    idle_end: float
    end: float
    kind: str
    cookie: bool
    bound: bool
    g: int = 0
    uses: int = 0
    odd: int = 0
    marked: bool = False
    dead: str | None = None

    def answer(self, p: int, kind: str, client: str, proof: str | None, now: float) -> tuple[str, int | None, Model]:
        """Fate, generation handed out, and what becomes of the family."""
        if client != "first-party":
            return "wrong_client", None, self
        if self.bound and proof != "thumb":
            return ("proof_missing" if proof is None else "proof_wrong"), None, self
        if self.dead is not None:
            return self.dead, None, self
        if now >= self.idle_end:
            return "idle", None, self
        within, same = now - self.rotated_at <= WINDOW, kind == self.kind
        counted = self.odd - self.marked
        if p > self.g:
            return "restored", None, replace(self, dead="revoked")
        if p == self.g:
            if self.cookie and not self.bound and same and within:
                return "stay", self.g, self
            return "advance", self.g + 1, self._advanced(kind, now)
        if self.bound or (p == self.g - 1 and same and within):
            return "repeat", self.g, self
        forgiven = p == self.g - 1 and (
            (same and counted < LIMIT_SAME) or (not same and within and counted < LIMIT_OTHER)
        )
        if forgiven:
            return "repeat", self.g, replace(self, marked=True, odd=self.odd + (not self.marked))
        return "reuse", None, replace(self, dead="revoked")

    def _advanced(self, kind: str, now: float) -> Model:
        left = self.odd if self.marked or self.odd == 0 else self.odd - 1
        return replace(
            self,
            g=self.g + 1,
            uses=self.uses + 1,
            rotated_at=now,
            idle_end=min(now + IDLE, self.end),
            kind=kind,
            odd=left,
            marked=False,
        )


def told(outcome: Refreshed | Refused) -> tuple[str, int | None]:
    if isinstance(outcome, Refused):
        return outcome.reason.value, None
    return outcome.fate, int(outcome.refresh_token.split(".")[2])


class Rotating(RuleBasedStateMachine):
    """One family at a time; `world` and `servers` are set by the test."""

    world: Any
    servers: tuple[Any, Any]

    @initialize(cookie=st.booleans(), bound=st.booleans(), kind=st.sampled_from(KINDS))
    def login(self, cookie: bool, bound: bool, kind: str) -> None:
        delivery = "cookie" if cookie else "body"
        sender = "thumb" if bound else None
        self.session = self.do(self.world.open(delivery=delivery, sender_key=sender, device_kind=kind))
        now = self.world.clock.now()
        row = self.do(self.session.row())
        self.model = Model(now, row.idle_expires_at, row.expires_at, kind, cookie, bound)
        self.tokens = [self.session.token]

    def do(self, coroutine: Any) -> Any:
        return self.world.loop.run_until_complete(coroutine)

    async def token(self, generation: int) -> str:
        while len(self.tokens) <= generation:
            self.tokens.append(await self.session.token_of(len(self.tokens)))
        return self.tokens[generation]

    def generation(self, back: int) -> int:
        return max(self.model.g - back, 0)

    @rule(
        back=st.sampled_from([0, 0, 0, 1, 1, 2, 3, -1]),
        kind=st.sampled_from([*KINDS, None, None, None]),
        client=st.sampled_from(["first-party"] * 9 + ["other"]),
        proof=st.sampled_from(["thumb"] * 8 + [None, "another"]),
        server=st.integers(0, 1),
    )
    def present(self, back: int, kind: str | None, client: str, proof: str | None, server: int) -> None:
        p = self.generation(back)
        kind = kind or self.model.kind
        expected, handed_out, after = self.model.answer(p, kind, client, proof, self.world.clock.now())
        outcome = self.do(self.refresh(server, p, kind, client, proof))
        assert told(outcome) == (expected, handed_out)
        if handed_out is not None:
            assert outcome.refresh_token == self.do(self.token(handed_out))
            assert outcome.access_token.count(".") == 2
        self.model = after

    async def refresh(self, server: int, p: int, kind: str, client: str, proof: str | None) -> Any:
        token = await self.token(p)
        return await self.servers[server].refresh(token, device_kind=kind, client_id=client, proof=proof)

    @rule(
        requests=st.lists(
            st.tuples(st.sampled_from([0, 0, 1, 2]), st.sampled_from(KINDS), st.integers(0, 1)), min_size=2, max_size=3
        )
    )
    def present_together(self, requests: list[tuple[int, str, int]]) -> None:
        """Several at once: the outcomes are those of some order of them."""
        sent = [(self.generation(back), kind, server) for back, kind, server in requests]

        async def all_of_them() -> list[Any]:
            for p, _, _ in sent:
                await self.token(p)
            return await asyncio.gather(*(self.refresh(at, p, kind, "first-party", "thumb") for p, kind, at in sent))

        outcomes = [told(one) for one in self.do(all_of_them())]
        row = self.do(self.session.row())
        for order in itertools.permutations(range(len(sent))):
            model, fits = self.model, True
            for index in order:
                p, kind, _ = sent[index]
                fate, handed_out, model = model.answer(p, kind, "first-party", "thumb", self.world.clock.now())
                fits = fits and outcomes[index] == (fate, handed_out)
            if fits and agrees(row, model):
                self.model = model
                return
        raise AssertionError(f"{sent} gave {outcomes}, which no order of them explains")

    @rule(
        seconds=st.sampled_from([0.5, 29.0, 30.0, 31.0, 600.0, 86_400.0, 3 * 86_400.0]),
    )
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(forged=st.sampled_from(["mac", "generation", "family", "key", "text"]), back=st.integers(-2, 2))
    def forge(self, forged: str, back: int) -> None:
        p = self.generation(back)
        token = self.do(self.token(p))
        key, family, generation, mac = token.removeprefix("wr_").split(".")
        match forged:
            case "mac":
                token = f"wr_{key}.{family}.{generation}.{'A' * 42 + 'E'}"
            case "generation":
                token = f"wr_{key}.{family}.{p + 1}.{mac}"
            case "family":
                token = f"wr_{key}.{family[::-1]}.{generation}.{mac}"
            case "key":
                token = f"wr_{key[::-1]}.{family}.{generation}.{mac}"
            case _:
                token = token[:-1]
        outcome = self.do(self.servers[0].refresh(token, proof="thumb"))
        assert told(outcome)[0] in {"unknown", "malformed"}

    @rule(deed=st.sampled_from(["end_session", "logout_all", "disable", "nothing", "nothing", "nothing"]))
    def revoke(self, deed: str) -> None:
        store, session, now = self.world.store, self.session, self.world.clock.now()
        if self.model.dead is not None or now >= self.model.idle_end:
            return
        match deed:
            case "end_session":
                self.do(store.end_session(session.sid, account_id=None, reason="logout", audit=AUDIT))
                self.model = replace(self.model, dead="revoked")
            case "logout_all":
                self.do(store.end_all_sessions(session.account_id, spares=None, reason="logout", audit=AUDIT))
                self.model = replace(self.model, dead="cut_off")
            case "disable":
                self.do(store.disable_account(session.account_id, AUDIT))
                self.model = replace(self.model, dead="account_disabled")

    @invariant()
    def the_row_is_as_the_model_says(self) -> None:
        if hasattr(self, "model"):
            assert agrees(self.do(self.session.row()), self.model)


def agrees(row: Any, model: Model) -> bool:
    return (
        row.generation,
        row.refresh_count,
        row.rotated_at,
        row.device_kind,
        row.odd_count,
        row.odd_marked,
        row.idle_expires_at,
        row.revoked_at is not None,
    ) == (
        model.g,
        model.uses,
        model.rotated_at,
        model.kind,
        model.odd,
        model.marked,
        model.idle_end,
        model.dead == "revoked",
    )


def run_machine(world: Any, *, examples: int, steps: int) -> None:
    elsewhere = world.loop.run_until_complete(world.start_server(own_store=True))
    machine = type("Rotating", (Rotating,), {"world": world, "servers": (world.server, elsewhere)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_fate_is_the_model_s_whatever_comes_in_whatever_order(world: Any) -> None:
    run_machine(world, examples=40, steps=30)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_fate_is_the_model_s_for_long(world: Any) -> None:
    run_machine(world, examples=1500, steps=60)
