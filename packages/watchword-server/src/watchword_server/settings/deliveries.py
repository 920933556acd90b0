"""Settings of what the server sends to others: outgoing requests, and deliveries with retries.

Reads nothing; tree.py has these sections in its tree.
"""

from __future__ import annotations

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import FilePath, OutgoingAllowed, Seconds, WholeSeconds


class Outbox(Section):
    """Deliveries to others: repeated with growing waits until they arrive, or are given up as dead letters."""

    concurrency: int = setting(32, "Deliveries a worker makes at once.", "deliveries", ge=1, le=1000)
    per_destination: int = setting(4, "Of these, at most so many to one destination.", "deliveries", ge=1, le=100)
    give_up_after: WholeSeconds = setting(
        3 * 86400, "A failure this long after the delivery was decided on is its last.", "seconds", ge=60
    )


class Outgoing(Section):
    """What the server itself asks of others: documents of clients, and deliveries. Public addresses over https only."""

    allow: OutgoingAllowed = setting(
        (), "Networks and exact host names that may be asked although they are not public.", "CIDR or host"
    )
    ca_file: FilePath | None = setting(None, "Certificate authorities in PEM to trust beside the system's.", "path")
    timeout: Seconds = setting(5, "A whole exchange, from the name to the last byte.", "seconds", gt=0, le=60)
    max_bytes: int = setting(262_144, "Longest body of an answer.", "bytes", ge=1024, le=16 << 20)
