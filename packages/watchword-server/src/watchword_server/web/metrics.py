"""What the server counts, in Prometheus' terms, and the exposition of it.

Holds no label with an unbounded set of values: never an account, address, client or path parameter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from watchword_server.settings.metrics_directory import shared_metrics_directory
from watchword_server.web.answering import answer_of

DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The server's own registry; one instance a process, handed to whoever counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.logins = Counter("watchword_logins", "Logins by outcome.", ["outcome"], registry=self.registry)
        self.registrations = Counter(
            "watchword_registrations", "Registrations by outcome.", ["outcome"], registry=self.registry
        )
        self.refreshes = Counter(
            "watchword_refreshes",
            "Presented refresh tokens by fate (advance, stay, repeat, odd_repeat, or the reason of a refusal).",
            ["fate"],
            registry=self.registry,
        )
        self.tokens = Counter(
            "watchword_tokens",
            "Token requests by outcome (granted, or the error).",
            ["outcome"],
            registry=self.registry,
        )
        self.verifications = Counter(
            "watchword_verifications",
            "Access tokens presented to this server by outcome (accepted, or the reason of the rejection).",
            ["outcome"],
            registry=self.registry,
        )
        self.revocations = Counter(
            "watchword_revocations", "Cut-offs written by this process, by cause.", ["cause"], registry=self.registry
        )
        self.api_keys = Counter(
            "watchword_api_keys",
            "API keys and personal access tokens by event (issued, revoked, used, refused).",
            ["event"],
            registry=self.registry,
        )
        self.feed_reads = Counter(
            "watchword_feed_reads",
            "Reads of the revocation feed, by kind (batch, snapshot).",
            ["kind"],
            registry=self.registry,
        )
        self.feed_readers = Gauge(
            "watchword_feed_readers",
            "Readers of the revocation feed held at this moment, by kind (poll, stream).",
            ["kind"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.feed_store_reads = Counter(
            "watchword_feed_store_reads", "Reads of the store for the revocation feed.", registry=self.registry
        )
        self.feed_pushes = Counter(
            "watchword_feed_pushes", "Events handed to readers of the feed's stream.", registry=self.registry
        )
        self.feed_resyncs = Counter(
            "watchword_feed_resyncs",
            "Readers of the feed's stream told to ask for a page, by reason (slow, lost).",
            ["reason"],
            registry=self.registry,
        )
        self.denylist_lag = Gauge(
            "watchword_denylist_lag",
            "Positions of the revocation log that are not in the denylist yet.",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.denylist_written = Gauge(
            "watchword_denylist_written_timestamp_seconds",
            "When this server last saw the denylist complete, in Unix time; 0 before the first time.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.denylist_entries = Counter(
            "watchword_denylist_entries", "Cut-offs written to the denylist.", registry=self.registry
        )
        self.denylist_refills = Counter(
            "watchword_denylist_refills",
            "Pages from the start of the log, written because the denylist was empty or of another log.",
            registry=self.registry,
        )
        self.denylist_failures = Counter(
            "watchword_denylist_failures", "Turns that could not write the denylist.", registry=self.registry
        )
        self.deliveries = Counter(
            "watchword_deliveries",
            "Attempts to deliver from the outbox, by kind and outcome (delivered, failed, dead).",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.outbox = Gauge(
            "watchword_outbox",
            "Deliveries on record by state (waiting, held for receivers that fetch, dead), as last counted.",
            ["state"],
            registry=self.registry,
            multiprocess_mode="max",
        )
        self.outbox_age = Gauge(
            "watchword_outbox_oldest_waiting_seconds",
            "Age of the oldest waiting delivery, as last counted.",
            registry=self.registry,
            multiprocess_mode="max",
        )
        self.log_followed = Counter(
            "watchword_log_followed",
            "Entries of the revocation log that this process turned into deliveries.",
            registry=self.registry,
        )
        self.hashing = Gauge(
            "watchword_hashing",
            "Passwords at this moment, by state (waiting in the queue, running), and refused by a full queue ever.",
            ["state"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.swept_rows = Counter(
            "watchword_swept_rows", "Dead rows deleted, by table.", ["table"], registry=self.registry
        )
        self.durations = Histogram(
            "watchword_request_duration_seconds",
            "Time from request to the end of the answer, by route and status class; without what is held on purpose.",
            ["route", "status"],
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )

    def watch_hashing(
        self, *, waiting: Callable[[], int], running: Callable[[], int], refused: Callable[[], int]
    ) -> None:
        """Read the password pool's state whenever metrics are read."""
        if shared_metrics_directory() is None:
            for state, read in (("waiting", waiting), ("running", running), ("refused", refused)):
                self.hashing.labels(state).set_function(read)

    def exposition(self) -> bytes:
        """The text format, version 0.0.4; the sum over all workers where several share a directory."""
        if shared_metrics_directory() is None:
            return generate_latest(self.registry)
        summed = CollectorRegistry()
        multiprocess.MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
        return generate_latest(summed)


_HELD = "watchword.held"


@contextmanager
def held_for(scope: Scope) -> Iterator[None]:
    """Within it the request is held on purpose: RequestDurations leaves that time out."""
    started = time.perf_counter()
    try:
        yield
    finally:
        scope[_HELD] = scope.get(_HELD, 0.0) + time.perf_counter() - started


class RequestDurations:
    """Plain ASGI middleware that times each request under the route's template, never under the raw path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._durations = metrics.durations
        self._children: dict[tuple[str, int], Callable[[float], None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        answer, send = answer_of(scope, send)
        try:
            await self._app(scope, receive, send)
        finally:
            self._observe(scope, answer.status or 500, time.perf_counter() - started - scope.get(_HELD, 0.0))

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        template = getattr(route, "path", None) or "unmatched"
        key = (template, status // 100)
        observe = self._children.get(key)
        if observe is None:
            observe = self._durations.labels(template, f"{status // 100}xx").observe
            self._children[key] = observe
        observe(seconds)


def exposition_response(metrics: Metrics) -> Response:
    """The answer of `/metrics`."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
