"""How a verifier fares, as text for a scraper (OpenMetrics 1.0); needs no metrics library.

Serves nothing: put the text behind an endpoint of yours that strangers cannot read.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

from watchword.verify.health import Health

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_MODES: Final = ("push", "long-poll", "poll")


class HealthyVerifier(Protocol):
    """What is asked of a verifier here; `watchword.Verifier` and `watchword.SyncVerifier` are such."""

    def health(self) -> Health: ...


def health_metrics(verifier: HealthyVerifier, *, prefix: str = "watchword_verifier") -> str:
    """The verifier's `Health` as OpenMetrics text. Does no I/O; names no token, account or session."""
    health = verifier.health()
    lines: list[str] = []

    def gauge(name: str, value: float | None, text: str, unit: str = "") -> None:
        if value is not None:
            name = f"{prefix}_{name}"
            lines.append(f"# TYPE {name} gauge")
            if unit:
                lines.append(f"# UNIT {name} {unit}")
            lines.extend((f"# HELP {name} {text}", f"{name} {_number(value)}"))

    def counter(name: str, value: int, text: str) -> None:
        name = f"{prefix}_{name}"
        lines.extend((f"# TYPE {name} counter", f"# HELP {name} {text}", f"{name}_total {value}"))

    gauge("ready", health.ready, "Whether a good token would be accepted now.")
    gauge("keys", health.keys, "Keys of the issuer at hand.")
    gauge("keys_age_seconds", health.keys_age, "Since the keys were fetched.", "seconds")
    gauge("revocations", health.revocations, "Live cut-offs in the view.")
    gauge("revocations_bytes", health.revocations_bytes, "Memory the view takes, roughly.", "bytes")
    gauge("revocations_full", health.revocations_full, "Whether the view is full, and not relied upon.")
    gauge("revocations_age_seconds", health.revocations_age, "Age of the view.", "seconds")
    gauge("lease_left_seconds", health.lease_left, "Until the view is too old to be relied upon.", "seconds")
    gauge("failing", bool(health.revocations_error or health.keys_error), "Whether the last question failed.")
    counter("renewals", health.renewals, "Answers that renewed the lease.")
    counter("pushed_batches", health.pushed_batches, "Batches of cut-offs that were pushed.")
    counter("forged_answers", health.forged_answers, "Answers that were not the feed's, or to another question.")
    counter("stale_refused", health.refused_while_stale, "Tokens refused because the view was stale.")
    counter("stale_accepted", health.accepted_while_stale, "Tokens accepted although the view was stale.")
    counter("introspected", health.introspected, "Tokens to be introspected because the view was stale.")
    if health.mode is not None:
        lines.extend((f"# TYPE {prefix}_mode stateset", f"# HELP {prefix}_mode How cut-offs come."))
        lines += [f'{prefix}_mode{{{prefix}_mode="{mode}"}} {int(mode == health.mode)}' for mode in _MODES]
    return "\n".join([*lines, "# EOF", ""])


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else f"{float(value):.6g}"
