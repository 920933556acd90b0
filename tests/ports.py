"""Ports of loopback for servers that must be told theirs: nobody else gets them for as long as this test process lives.

Servers that may choose take port 0, and need none of this.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import tempfile
from pathlib import Path

_FIRST = 20_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_taken: set[int] = set()
_locks: list[int] = []


def free_port() -> int:
    """A port that is free, and stays so until its server has started, even on a slow machine, or starts again.

    One that the system chose (port 0) and was let go of again is anybody's: of whoever connects or listens meanwhile.
    This one is below those the system chooses from, and locked against other test processes.
    """
    end = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768
    count = end - _FIRST
    begin = secrets.randbelow(count)
    for step in range(count):
        port = _FIRST + (begin + step) % count
        if port not in _taken and _is_locked(port) and _is_free(port):
            _taken.add(port)
            return port
    raise AssertionError("no port is free")


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


def _is_locked(port: int) -> bool:
    """Whether nobody else has it. A lock of POSIX ends with the process that took it, and is no child's."""
    if not _locks:
        file = Path(tempfile.gettempdir()) / f"watchword-test-ports-{os.getuid()}"
        _locks.append(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    try:
        fcntl.lockf(_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            probe = socket.socket(family)
        except OSError:  # no such family here
            continue
        with contextlib.closing(probe):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                    return False
    return True
