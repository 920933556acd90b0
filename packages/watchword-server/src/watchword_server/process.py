"""The server process: reads settings, opens the listening sockets, runs one or several workers, drains on SIGTERM.

Holds no command line: `watchword serve` hands its flags over in the environment and replaces itself by
`python -m watchword_server.process`, so that typer and rich cost a running server nothing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    import ssl

    from watchword_server.settings.server import Server as ServerSettings
    from watchword_server.settings.tree import Settings

RESTART_DELAY = 1.0
"""Seconds before a worker that died is started again."""
LISTEN_BACKLOG = 2048
STALLED_AFTER = 30.0
"""Seconds after which a client that takes nothing of its answer is dropped. A connection being closed would wait for it
for ever, and hold the answer in memory.
"""
NOT_STARTED = 1
"""Exit code of a server that could not start: another try would fail for the same reason."""
CIPHERS_OF_TLS_1_2 = "ECDHE+AESGCM"
"""Those that RFC 9325 §4.2 recommends, as FAPI 2.0 §5.2.2 wants them alone. TLS 1.3 has its own; nothing older is spoken."""


def listening_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bind and listen. With ``shared`` several workers bind the same port, and the kernel spreads connections.

    Raises:
        OSError: the address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sys.platform == "linux":
        # Inherited by every connection (RFC 5482; tcp(7)): also when the client keeps its window closed.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_AFTER * 1000))
    try:
        sock.bind((host, port))
        sock.listen(LISTEN_BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return sock


def listening_sockets(server: ServerSettings, *, shared: bool) -> list[socket.socket]:
    """Those of ``port`` and, where it is set, of ``mtls_port``. Raises OSError as ``listening_socket``, with all closed."""
    opened: list[socket.socket] = []
    try:
        opened.append(listening_socket(server.host, server.port, shared=shared))
        if server.mtls_port is not None:
            opened.append(listening_socket(server.host, server.mtls_port, shared=shared))
    except OSError:
        for sock in opened:
            sock.close()
        raise
    return opened


def run_worker(settings: Settings, sockets: list[socket.socket]) -> None:
    """Serve on those sockets until SIGTERM or SIGINT, then finish what was begun."""
    import asyncio  # noqa: PLC0415 - after the fork, so that the parent stays small
    import ssl  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    from watchword_server.serving import asgi_app  # noqa: PLC0415
    from watchword_server.web import logs  # noqa: PLC0415
    from watchword_server.web.http_protocol import GuardedHttpProtocol  # noqa: PLC0415

    logs.configure(settings.log.level, settings.log.format)
    server = settings.server
    app = asgi_app(settings)
    # With a port of its own for certificates nobody is asked on the other: browsers would show their people a question.
    asked_everywhere = server.tls_client_ca if server.mtls_port is None else None
    asking = None if server.mtls_port is None else client_asking_context(server)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=GuardedHttpProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=int(server.shutdown_grace),
        ssl_certfile=str(server.tls_cert) if server.tls_cert else None,
        ssl_keyfile=str(server.tls_key) if server.tls_key else None,
        ssl_ca_certs=str(asked_everywhere) if asked_everywhere else None,
        # Asked for, not demanded: browsers and most clients have none.
        ssl_cert_reqs=ssl.CERT_OPTIONAL if asked_everywhere else ssl.CERT_NONE,
        ssl_ciphers=CIPHERS_OF_TLS_1_2,
    )

    class Server(uvicorn.Server):
        """Drains on a signal and then ends by itself: uvicorn would raise the signal again, and exit by it."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            first, *others = sockets or []
            await super().startup(sockets=[first])
            for sock in others:
                loop = asyncio.get_running_loop()
                self.servers.append(
                    await loop.create_server(self._protocol, sock=sock, ssl=asking, backlog=LISTEN_BACKLOG)
                )
            # What is here now stays: the collector need not walk through all modules whenever requests have left enough.
            gc.collect()
            gc.freeze()
            gc.enable()

        def _protocol(self) -> asyncio.Protocol:
            return GuardedHttpProtocol(config=config, server_state=self.server_state, app_state=self.lifespan.state)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.drain()
            await super().shutdown(sockets)

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            kept = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in kept.items():
                    signal.signal(number, handler)

    runner = Server(config)
    try:
        runner.run(sockets=sockets)
    except SystemExit as ended:
        raise SystemExit(NOT_STARTED) from ended  # the only exit uvicorn makes; the reason is in the log
    if not runner.started:
        raise SystemExit(NOT_STARTED)


def client_asking_context(server: ServerSettings) -> ssl.SSLContext:
    """TLS as on the other port, and a certificate of the configured authorities asked for (RFC 8705 §2)."""
    import ssl  # noqa: PLC0415 - as in run_worker

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(CIPHERS_OF_TLS_1_2)
    context.load_cert_chain(str(server.tls_cert), str(server.tls_key))
    context.load_verify_locations(str(server.tls_client_ca))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


class Supervisor:
    """Keeps a number of forked workers alive, passes signals on, and ends when they have."""

    def __init__(self, count: int, work: Callable[[], None]) -> None:
        self._count = count
        self._work = work
        self._workers: set[int] = set()
        self._stopping = False
        # The writing end is held by this process alone: when it is gone, however it ended, every worker reads the end.
        self._alive, self._held = os.pipe()

    def run(self) -> int:
        """Returns the exit code: 0 when asked to stop and every worker drained."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        for _ in range(self._count):
            self._fork()
        failed = 0
        while self._workers:
            pid, status = os.wait()
            self._workers.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                failed = failed or (1 if code else 0)
                continue
            if code == NOT_STARTED:
                failed = NOT_STARTED
                self._stop(signal.SIGTERM, None)
                continue
            sys.stderr.write(f"watchword: a worker ended with code {code}; starting another\n")
            time.sleep(RESTART_DELAY)
            if not self._stopping:
                self._fork()
        return failed

    def _fork(self) -> None:
        pid = os.fork()
        if pid:
            self._workers.add(pid)
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self._held)
        threading.Thread(target=_end_with, args=(self._alive,), name="watchword-supervised", daemon=True).start()
        try:
            self._work()
        except SystemExit as exit_:
            os._exit(int(exit_.code or 0))
        except BaseException:  # noqa: BLE001 - the child must never return into the supervisor's loop
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)

    def _stop(self, _signal: int, _frame: object) -> None:
        self._stopping = True
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)


def _end_with(alive: int) -> None:
    """Drain when the supervisor is gone: a worker that nobody can stop would keep the port."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Run the server the environment describes. Returns the exit code."""
    from watchword_server.settings.load import load, process_environment  # noqa: PLC0415
    from watchword_server.settings.metrics_directory import share_metrics  # noqa: PLC0415
    from watchword_server.settings.problems import SettingsError  # noqa: PLC0415

    try:
        settings = load({}, process_environment()).settings
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    server = settings.server
    several = server.workers > 1
    try:
        sockets = listening_sockets(server, shared=several)
    except OSError as error:
        ports = f"port {server.port}" if server.mtls_port is None else f"ports {server.port} and {server.mtls_port}"
        sys.stderr.write(
            f"watchword: cannot listen on {server.host} {ports}: {error.strerror}.\n"
            "  Stop what listens there, or choose another port: --port N or WATCHWORD_PORT=N.\n"
        )
        return 1
    if not several:
        run_worker(settings, sockets)
        return 0

    def work() -> None:
        run_worker(settings, listening_sockets(server, shared=True))

    # They only proved that the ports are free: left open they would be given connections that nobody answers.
    for sock in sockets:
        sock.close()
    with tempfile.TemporaryDirectory(prefix="watchword-metrics-") as shared:
        share_metrics(shared)
        return Supervisor(server.workers, work).run()


if __name__ == "__main__":
    gc.disable()  # until a worker has started: nothing that is loaded now is garbage, and looking costs a tenth of the start
    sys.exit(main())
