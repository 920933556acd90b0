"""What the server asks of a store for streams of security events.

Holds no implementation. As in port.py every verb is one transaction, and "True for exactly one caller" holds in any race.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchword_server.store.signal_records import Addressed, Stream


class Signals(Protocol):
    """Streams and their subjects. A subject is a text that its owner made canonical."""

    async def create_stream(self, stream: Stream, *, most: int) -> bool:
        """Add it; False when its receiver has `most` streams already, also when several are added at once."""
        ...

    async def stream(self, stream_id: str) -> Stream | None: ...

    async def streams(self, receiver: str | None) -> Sequence[Stream]:
        """Those of a receiver, or all; by ascending id."""
        ...

    async def replace_stream(self, stream: Stream) -> bool:
        """Change everything but id, receiver and time of creation, and count the version on. True for exactly one of those
        who saw the version that is on record.
        """
        ...

    async def delete_stream(self, stream_id: str) -> bool:
        """Delete it with its subjects and all its deliveries. True for exactly one caller."""
        ...

    async def set_subject(self, stream_id: str, subject: str, *, included: bool, most: int) -> bool:
        """Note that events about a subject are wanted, or not. False when the stream has `most` notes, or is gone."""
        ...

    async def streams_about(self, subjects: Sequence[str], *, by_default: bool) -> Sequence[Addressed]:
        """The streams, disabled ones left out, that want events about somebody who goes by all these names: one of them is
        included; or none is noted at all and `by_default`.
        """
        ...
