"""What lies between a verifier and its feed: a TCP proxy that can be cut, made a black hole, slow, lossy or curt."""

import contextlib
import random
import socket
import threading


class Road:
    """Carries bytes to a port of this machine, as well as it is told to."""

    def __init__(self, port: int, seed: int = 1) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.delay = 0.0
        """Seconds by which every byte of the server comes late."""
        self.open = threading.Event()
        """While it is not set, bytes come in and go nowhere."""
        self.open.set()
        self.refusing = False
        self.loss = 0.0
        """The part of connections that are dropped at once, and of pieces at which theirs is dropped."""
        self.answers_end_after: int | None = None
        """Bytes of the server after which a connection is dropped, in the middle of whatever it tells."""
        self.dropped = 0
        self._chance = random.Random(seed)
        self._ends: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing or self._lost():
                here.close()
                continue
            try:
                there = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                here.close()
                continue
            self._ends |= {here, there}
            threading.Thread(target=self._carry, args=(here, there, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(there, here, True), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        told = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if back and self.delay:
                    threading.Event().wait(self.delay)
                self.open.wait()
                if self._lost():
                    break
                told += len(data)
                if back and self.answers_end_after is not None and told > self.answers_end_after:
                    self.dropped += 1
                    sink.sendall(data[: len(data) - (told - self.answers_end_after)])
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.discard(source)
        source.close()

    def _lost(self) -> bool:
        lost = self._chance.random() < self.loss
        self.dropped += lost
        return lost

    def cut(self) -> None:
        """Break what is open, and refuse what is new."""
        self.refusing = True
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.refusing = False

    def close(self) -> None:
        self.open.set()
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else its thread waits on, at a number that is another's soon
        self._listener.close()
