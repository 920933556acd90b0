"""The server over HTTP: refresh, login, introspective calls and documents, on SQLite and PostgreSQL, durable.

The server is pinned to one core and the load to the other; the floor is a bare ASGI app in the same HTTP server that
parses a token, signs one and answers, so a ratio of 1 would mean that rotation, store and rules cost nothing.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import psutil

PARTS = pathlib.Path(__file__).parent / "http_parts"
PASSWORD = "correct horse battery staple"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Running:
    """A server process on a port of its own."""

    def __init__(self, command, port, environ):
        self.port = port
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            env=os.environ | environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, set(CORES if environ.get("UNPINNED") else [SERVER_CORE])),
        )
        self.cold_start = self._wait()

    def _wait(self):
        while time.perf_counter() - self.started < 60:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).read()
                return time.perf_counter() - self.started
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended with {self.process.returncode}")
            time.sleep(0.005)
        raise SystemExit("the server did not start")

    def family(self):
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu(self):
        return sum(sum(process.cpu_times()[:2]) for process in self.family())

    def memory_mib(self):
        return max(process.memory_info().rss for process in self.family()) / 2**20

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def watchword(home, store_url=None, **environ):
    port = free_port()
    settings = {
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_HOME": str(home),
        "WATCHWORD_PORT": str(port),
        "WATCHWORD_PLAYGROUND__ENABLED": "false",
        "WATCHWORD_TOKENS__ACCESS_LIFETIME": "600",
        "WATCHWORD_LOG__LEVEL": "warning",
        "WATCHWORD_ADMIN__PASSWORD": PASSWORD,
        **({"WATCHWORD_STORE__URL": store_url} if store_url else {}),
        **environ,
    }
    return Running([sys.executable, "-m", "watchword_server.process"], port, settings)


def post(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def start_load(server, kind, connections, seconds, **more):
    spec = {
        "host": "127.0.0.1",
        "port": server.port,
        "kind": kind,
        "connections": connections,
        "seconds": seconds,
        "core": LOAD_CORE,
        **more,
    }
    started = subprocess.Popen([sys.executable, PARTS / "load.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    started.stdin.write(json.dumps(spec).encode())
    started.stdin.close()
    return started


def storm(server, args):
    """How long a refresh takes while far more people log in than passwords can be hashed."""
    login = {"identifier": "admin@localhost", "password": PASSWORD, "delivery": "body"}
    held = tokens(server, 8)
    idle = load(server, "refresh", 8, args.seconds, tokens=held)
    held = tokens(server, 8)
    logins = start_load(
        server, "fixed", 64, args.seconds + 2, method="POST", path="/auth/login", body=login, statuses=[200, 503, 429]
    )
    time.sleep(1)
    busy = load(server, "refresh", 8, args.seconds, tokens=held)
    logins.wait(60)
    print(
        f"  refresh beside a storm of logins (64 connections): p99 {idle['p99_ms']:.1f} -> {busy['p99_ms']:.1f} ms"
        f" ({busy['p99_ms'] / idle['p99_ms']:.1f}x), p50 {idle['p50_ms']:.1f} -> {busy['p50_ms']:.1f} ms",
        flush=True,
    )


def load(server, kind, connections, seconds, **more):
    spec = {
        "host": "127.0.0.1",
        "port": server.port,
        "kind": kind,
        "connections": connections,
        "seconds": seconds,
        "core": LOAD_CORE,
        **more,
    }
    cpu = server.cpu()
    ran = subprocess.run(
        [sys.executable, PARTS / "load.py"], input=json.dumps(spec).encode(), capture_output=True, check=False
    )
    if ran.returncode:
        raise SystemExit(ran.stderr.decode()[-2000:])
    figures = json.loads(ran.stdout)
    figures["rate"] = figures["requests"] / figures["seconds"]
    figures["cpu_us"] = (server.cpu() - cpu) / figures["requests"] * 1e6
    figures["server_cpu"] = (server.cpu() - cpu) / figures["seconds"]
    return figures


def tokens(server, count):
    found = []
    for _ in range(count):
        body = {"identifier": "admin@localhost", "password": PASSWORD, "delivery": "body"}
        found.append(post(server.port, "/auth/login", body)["refresh_token"])
    return found


def show(name, runs, floor=None):
    median = lambda key: statistics.median(run[key] for run in runs)  # noqa: E731
    rates = [run["rate"] for run in runs]
    ratio = f"{median('cpu_us') / floor:6.2f}" if floor else "      "
    print(
        f"  {name:<38}{median('rate'):>9,.0f} /s  (±{(max(rates) - min(rates)) / 2:,.0f})"
        f"{median('cpu_us'):>8.0f} µs {ratio} {median('p50_ms'):>8.2f} {median('p99_ms'):>8.2f} ms"
        f"   server {median('server_cpu'):.0%}, load {median('client_cpu'):.0%}",
        flush=True,
    )
    return median("cpu_us")


def scenario(server, label, args, floor):
    rounds, seconds = args.rounds, args.seconds
    held = tokens(server, 16)
    runs = []
    for _ in range(rounds):
        runs.append(load(server, "refresh", 16, seconds, tokens=held))
        held = tokens(server, 16)
    show(f"refresh, {label}, 16 connections", runs, floor)
    one = [load(server, "refresh", 1, seconds, tokens=tokens(server, 1)) for _ in range(rounds)]
    show(f"refresh, {label}, 1 connection", one, floor)
    login = {"identifier": "admin@localhost", "password": PASSWORD, "delivery": "body"}
    show(
        f"login, {label}, 4 connections",
        [load(server, "fixed", 4, seconds, method="POST", path="/auth/login", body=login) for _ in range(rounds)],
    )
    access = post(server.port, "/auth/login", login)["access_token"]
    show(
        f"GET /auth/me, {label}",
        [
            load(
                server,
                "fixed",
                16,
                seconds,
                method="GET",
                path="/auth/me",
                headers={"Authorization": f"Bearer {access}"},
            )
            for _ in range(rounds)
        ],
        floor,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--sqlite-only", action="store_true")
    args = parser.parse_args()
    args.rounds, args.seconds = (1, 1.5) if args.quick else (3, 4)
    print(
        f"HTTP: server on core {SERVER_CORE}, load on core {LOAD_CORE}; medians of {args.rounds} rounds of {args.seconds} s"
    )
    print("  call                                      rate                   CPU/request  ratio   p50      p99")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        bare = Running(
            [sys.executable, PARTS / "floor.py"], int(os.environ.setdefault("FLOOR_PORT", str(free_port()))), {}
        )
        floor = show(
            "floor: parse, sign ES256, answer",
            [
                load(
                    bare,
                    "fixed",
                    16,
                    args.seconds,
                    method="POST",
                    path="/auth/refresh",
                    body={"refresh_token": "wr_" + "a" * 100},
                )
                for _ in range(args.rounds)
            ],
        )
        bare.stop()
        server = watchword(folder / "sqlite")
        server.stop()
        server = watchword(folder / "sqlite")
        print(
            f"  cold start with a migrated store: {server.cold_start:.2f} s; idle memory {server.memory_mib():.0f} MiB"
        )
        scenario(server, "SQLite FULL", args, floor)
        show(
            "GET /jwks.json",
            [load(server, "fixed", 16, args.seconds, method="GET", path="/jwks.json") for _ in range(args.rounds)],
            floor,
        )
        storm(server, args)
        print(f"  memory after the load: {server.memory_mib():.0f} MiB")
        server.stop()
        if not args.sqlite_only:
            sys.path.insert(0, str(PARTS))
            from postgres_for_benchmarks import postgres

            with postgres() as url:
                server = watchword(folder / "postgres", url)
                scenario(server, "PostgreSQL", args, floor)
                server.stop()


if __name__ == "__main__":
    main()
