"""`make run`: the authorization server and the demonstration API as two processes, started, watched and stopped together.

Holds no authentication: app.py beside it is the API, `watchword serve` the server. Standard library only.

Environment: WATCHWORD_PORT (8000), DEMO_PORT (8001), WATCHWORD_HOME (./.watchword), and whatever the server reads.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_TIMEOUT = 60.0
"""Seconds that both may take until they answer."""
STOP_TIMEOUT = 15.0
"""Seconds from SIGTERM to SIGKILL; longer than the server's own grace."""
COLOURS = {"server": "\033[36m", "api": "\033[35m"}


class PlanError(Exception):
    """Something the person at the keyboard can mend; its text says how."""


@dataclass(frozen=True)
class Plan:
    """What will be started, and with which environment."""

    server_port: int
    api_port: int
    home: Path
    environment: Mapping[str, str]
    admin_email: str
    new_password: str | None
    """The administrator's password, made here because this is the first start; else None."""

    @property
    def server_url(self) -> str:
        return f"http://localhost:{self.server_port}"

    @property
    def api_url(self) -> str:
        return f"http://localhost:{self.api_port}"


def port_of(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise PlanError(f"{name}={text!r} is not a port; give a number between 1 and 65535, such as {name}={default}")
    return int(text)


def is_taken(port: int) -> bool:
    """Whether something listens on that port of this machine, on either loopback address."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno in {98, 48, 13}:  # in use (Linux, macOS), not permitted
                return True
    return False


def free_port(above: int) -> int:
    return next((port for port in range(above, min(above + 200, 65536)) if not is_taken(port)), above)


def plan(given: Mapping[str, str]) -> Plan:
    """What to start, from the environment. Raises PlanError."""
    server_port = port_of(given, "WATCHWORD_PORT", 8000)
    api_port = port_of(given, "DEMO_PORT", 8001)
    if server_port == api_port:
        raise PlanError(f"WATCHWORD_PORT and DEMO_PORT are both {api_port}; give them different numbers")
    for name, port in (("WATCHWORD_PORT", server_port), ("DEMO_PORT", api_port)):
        if is_taken(port):
            raise PlanError(
                f"port {port} is taken: something listens there already (another `make run`?).\n"
                f"  Stop it, or choose another:  {name}={free_port(port + 10)} make run"
            )
    home = Path(given.get("WATCHWORD_HOME") or ".watchword").expanduser()
    issuer = given.get("WATCHWORD_ISSUER") or f"http://localhost:{server_port}"
    own_store = not given.get("WATCHWORD_STORE__URL") and not given.get("WATCHWORD_CONFIG")
    told = given.get("WATCHWORD_ADMIN_PASSWORD") or given.get("WATCHWORD_ADMIN_PASSWORD_FILE")
    first = own_store and not told and not (home / "watchword.db").exists()
    password = "-".join(secrets.token_hex(2) for _ in range(5)) if first else None
    environment = {
        **given,
        "PYTHONUNBUFFERED": "1",
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_HOME": str(home),
        "WATCHWORD_PORT": str(server_port),
        "WATCHWORD_ISSUER": issuer,
        "WATCHWORD_PLAYGROUND__DEMO_URL": f"http://localhost:{api_port}",
        "DEMO_PORT": str(api_port),
        "DEMO_ISSUER": issuer,
        "DEMO_AUDIENCE": given.get("WATCHWORD_AUDIENCE") or issuer,
        "DEMO_ALLOWED_ORIGINS": given.get("DEMO_ALLOWED_ORIGINS")
        or f"http://localhost:{server_port},http://127.0.0.1:{server_port}",
    }
    # The feed is open in development unless a token is set: an application of your own can follow it right away.
    if feed_token := given.get("WATCHWORD_FEED__TOKEN"):
        environment["DEMO_FEED_TOKEN"] = feed_token
    if password:
        environment["WATCHWORD_ADMIN_PASSWORD"] = password
    email = given.get("WATCHWORD_ADMIN_EMAIL") or "admin@localhost"
    return Plan(server_port, api_port, home, environment, email, password)


@dataclass
class Child:
    """One of the two processes, its output passed on line by line behind its name."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] = field(init=False)
    _reader: threading.Thread = field(init=False)

    def start(self, environment: Mapping[str, str]) -> None:
        # A session of its own: Ctrl-C reaches this supervisor alone, which stops the children in order.
        self.process = subprocess.Popen(  # noqa: S603 - a command of ours
            self.command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def _pass_on(self) -> None:
        colour = COLOURS[self.name] if sys.stdout.isatty() else ""
        mark = f"{colour}{self.name:>6} │{chr(27) + '[0m' if colour else ''} "
        assert self.process.stdout is not None  # noqa: S101 - it was opened as a pipe above
        for line in self.process.stdout:
            say(mark + line.decode(errors="replace").rstrip("\n"))

    def stop(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def drained(self) -> None:
        self._reader.join(timeout=2)


def say(text: str) -> None:
    """Print, unless whoever read our output has gone."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the rest of the process


def answers(port: int, path: str) -> bool:
    """Whether a GET of that path is answered 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def welcome(made: Plan, seconds: float) -> str:
    lines = [
        "",
        f"  Watchword is running ({seconds:.1f} s).",
        "",
        f"    playground   {made.server_url}/",
        f"    API          {made.api_url}/api/posts/popular",
    ]
    if made.new_password:
        lines += [
            f"    log in as    {made.admin_email}",
            f"    password     {made.new_password}   (shown this once)",
        ]
    else:
        lines += [f"    log in as    {made.admin_email}, with the password of the first start"]
    lines += [
        f"    state        {made.home}   (delete it to start afresh)",
        "",
        "  Ctrl-C stops both.",
        "",
    ]
    return "\n".join(lines)


class Supervisor:
    """Starts both, waits for the first of: a signal, a death. Then stops both."""

    def __init__(self, made: Plan) -> None:
        self._plan = made
        self._asked = threading.Event()
        self._signals = 0
        self.children = [
            Child("server", [sys.executable, "-m", "watchword_server.cli", "serve"]),
            Child("api", [sys.executable, str(HERE / "app.py")]),
        ]

    def run(self) -> int:
        """Returns 0 when asked to stop, 1 when one of them died or never answered."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)
        started = time.monotonic()
        running: list[Child] = []
        try:
            for child, port, path in zip(
                self.children,
                (self._plan.server_port, self._plan.api_port),
                ("/readyz", "/api/posts/popular"),
                strict=True,
            ):
                # The API reads the server's keys: it is started when those can be had.
                child.start(self._plan.environment)
                running.append(child)
                if not self._wait_for(port, path):
                    return self._outcome(f"no answer within {START_TIMEOUT:.0f} s from http://localhost:{port}{path}")
            say(welcome(self._plan, time.monotonic() - started))
            while not self._asked.wait(0.2) and not self._dead():
                pass
            return self._outcome("")
        finally:
            self._stop(running)

    def _ask(self, _number: int, _frame: object) -> None:
        self._signals += 1
        self._asked.set()

    def _dead(self) -> list[Child]:
        return [child for child in self.children if hasattr(child, "process") and child.process.poll() is not None]

    def _wait_for(self, port: int, path: str) -> bool:
        deadline = time.monotonic() + START_TIMEOUT
        while not answers(port, path):
            if self._asked.wait(0.05) or self._dead() or time.monotonic() > deadline:
                return False
        return True

    def _outcome(self, otherwise: str) -> int:
        if self._asked.is_set():
            return 0
        for child in self._dead():
            child.drained()
            say(f"\nThe {child.name} ended with code {child.process.returncode}; its last words are above.")
            return 1
        say(f"\n{otherwise}")
        return 1

    def _stop(self, running: list[Child]) -> None:
        seen = self._signals
        say("Stopping (once more to stop at once).")
        deadline = time.monotonic() + STOP_TIMEOUT
        # The API first: it would complain of a server that is gone.
        for child in reversed(running):
            child.stop(signal.SIGTERM)
            while child.process.poll() is None and time.monotonic() < deadline:
                # A second Ctrl-C means it: no more grace.
                if self._signals > max(seen, 1):
                    deadline = 0.0
                time.sleep(0.02)
        for child in running:
            child.kill()
            child.process.wait()
            child.drained()
        say("Stopped.")


def main() -> int:
    """Run until stopped. Returns the exit code."""
    try:
        made = plan(os.environ)
    except PlanError as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    return Supervisor(made).run()


if __name__ == "__main__":
    sys.exit(main())
