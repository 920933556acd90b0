"""What workers that share a feed say to the one that serves them, and it to them; over Unix sockets.

Decides nothing.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Annotated, Final

import msgspec

LONGEST_ASKED: Final = 4096
"""Bytes of a question."""
HEADERS_TOLD: Final = ("content-type", "retry-after")

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=60)]


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker asks: with a nonce a question, without one the stream."""

    url: Annotated[str, msgspec.Meta(max_length=2048)]
    cursor: Annotated[str, msgspec.Meta(max_length=512)] | None
    timeout: _Seconds
    nonce: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    gather: _Seconds = 0.0


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """The head of an answer; ``size`` bytes follow, or a stream."""

    status: int = 0
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    nonces: str = ""
    size: int = 0
    error: str | None = None


encode: Final = msgspec.json.Encoder().encode
decode_asked: Final = msgspec.json.Decoder(Asked).decode
decode_told: Final = msgspec.json.Decoder(Told).decode


def peer_uid(sock: socket.socket) -> int | None:
    """The user at the other end of a Unix socket; None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid


def send(sock: socket.socket, head: Told, body: bytes = b"") -> None:
    """Send an answer. Raises: OSError."""
    sock.sendall(encode(head) + b"\n" + body)


def hang_up(sock: socket.socket) -> None:
    """End a connection whose other threads still know it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
