"""What a signed URL costs: to sign, to verify, and at an nginx that asks about each request.

Run ``python benchmarks/signed_urls.py`` (or with ``--quick``). Contestants take turns in short rounds; figures are
medians of CPU time. Peers sign the same path with an expiry: itsdangerous' URLSafeTimedSerializer, Django's
TimestampSigner. At nginx CPU time of all processes that serve is counted, and every answer is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import importlib.util
import itertools
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import django.conf
import psutil
from django.core.signing import TimestampSigner
from itsdangerous import URLSafeTimedSerializer
from watchword.clock import system_clock
from watchword.edge import Checker, Told
from watchword.edge.checker import CHECKS
from watchword.edge.question import read
from watchword.jose import Key
from watchword.signedurl import SignedUrls, UrlRequest
from watchword.verify.revocation import CutOff, RevocationView

ROOT = Path(__file__).resolve().parent.parent
ORIGIN = "https://media.example.com"
SECRET = bytes(range(32))
COUNT = 200
TARGET = 350_000
Work = Callable[[], object]


class Session:
    sub, sid, rev, client_id, tenant = "01JD0Z5V8W6Q3N4R7T2Y9X", "pQ8dJ2nV5xG7sL1c", 41, "first-party", None


def works() -> tuple[dict[str, Work], dict[str, Work]]:
    """Ways to verify and to sign."""
    paths = [f"/films/{number}/movie.mp4?quality=high" for number in range(COUNT)]
    view = RevocationView()
    view.apply(CutOff(n, "session", f"s{n}", 3600.0) for n in range(100_000))
    verify: dict[str, Work] = {}
    sign: dict[str, Work] = {}
    raw_key = Key.from_secret(SECRET, "HS256", kid="k1")
    raw_sign = raw_key.signers["HS256"]
    message = b"watchword-url-1\nGET\n" + ORIGIN.encode() + b"\n" + paths[0].encode() + b"&ww=1.k1.1800000000."
    verify["raw HMAC-SHA256"] = sign["raw HMAC-SHA256"] = lambda: raw_sign(message)
    for name, key, plain, bindings in [
        ("plain", raw_key, paths, {}),
        ("prefix", raw_key, paths, {"prefix": "/films/"}),
        ("prefix + session, 10^5 cut-offs", raw_key, paths, {"prefix": "/films/", "session": Session}),
        ("plain, Ed25519", Key.generate("Ed25519", kid="e1"), paths, {}),
    ]:
        urls = SignedUrls(key, origin=ORIGIN, cut_offs=view)
        asked = itertools.cycle([UrlRequest("GET", urls.sign(path, 3600, **bindings)[len(ORIGIN) :]) for path in plain])
        verify[name] = lambda urls=urls, asked=asked: urls.verify(next(asked))
        turn = itertools.cycle(plain)
        sign[name] = lambda urls=urls, turn=turn, bindings=bindings: urls.sign(next(turn), 3600, **bindings)
    here = SignedUrls(raw_key, origin=ORIGIN)
    heads = itertools.cycle(
        [
            f"GET /url HTTP/1.1\r\nHost: edge\r\nX-Original-Method: GET\r\nX-Original-Host: media.example.com\r\n"
            f"X-Real-IP: 192.0.2.7\r\nX-Original-URI: {here.sign(path, 3600)[len(ORIGIN) :]}".encode()
            for path in paths
        ]
    )
    checker = Checker(urls=here)
    verify["plain, by the edge's checker"] = lambda: checker.answer_now(read(next(heads), Told.NGINX, CHECKS))
    raw_ed = Key.generate("Ed25519", kid="e1")
    signature = raw_ed.signers["Ed25519"](message)
    verify["raw Ed25519"] = lambda: raw_ed.verifiers["Ed25519"](signature, message)
    sign["raw Ed25519"] = lambda: raw_ed.signers["Ed25519"](message)

    serializer = URLSafeTimedSerializer(SECRET.hex(), signer_kwargs={"digest_method": hashlib.sha256})
    theirs = itertools.cycle([serializer.dumps(path) for path in paths])
    verify["itsdangerous"] = lambda: serializer.loads(next(theirs), max_age=3600)
    turn_i = itertools.cycle(paths)
    sign["itsdangerous"] = lambda: serializer.dumps(next(turn_i))
    if not django.conf.settings.configured:
        django.conf.settings.configure(SECRET_KEY=SECRET.hex())
    signer = TimestampSigner(key=SECRET.hex(), algorithm="sha256")
    signed = itertools.cycle([signer.sign(path) for path in paths])
    verify["Django"] = lambda: signer.unsign(next(signed), max_age=3600)
    turn_d = itertools.cycle(paths)
    sign["Django"] = lambda: signer.sign(next(turn_d))
    return verify, sign


def by_turns(works: dict[str, Work], *, rounds: int, seconds: float) -> dict[str, float]:
    """Operations a second of CPU time, each contestant's median."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times = 64
            while True:
                started = time.process_time()
                for _ in range(times):
                    work()
                spent = time.process_time() - started
                if spent >= seconds:
                    break
                times *= 4
            rates[name].append(times / spent)
    return {name: statistics.median(found) for name, found in rates.items()}


def table(title: str, rates: dict[str, float]) -> None:
    print(f"\n{title:34} {'per second':>12} {'µs':>8} {'of raw':>8} {'x Django':>9}")
    for name, rate in rates.items():
        raw = rates["raw Ed25519" if "Ed25519" in name else "raw HMAC-SHA256"]
        print(f"{name:34} {rate:12,.0f} {1e6 / rate:8.2f} {rate / raw:8.2f} {rate / rates['Django']:9.2f}")


# --- At nginx ----------------------------------------------------------------------------------------------------------


def example() -> object:
    spec = importlib.util.spec_from_file_location("nginx_example", ROOT / "examples/nginx/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(nginx: object, folder: Path) -> Iterator[tuple[int, SignedUrls, list[psutil.Process]]]:
    """nginx and the checker, each a process. Gives: the port, a signer, and the processes that serve."""
    port, key = free_port(), Key.generate("HS256", kid="k1")
    origin = f"http://localhost:{port}"
    key_file, sock, conf = folder / "key.json", folder / "edge.sock", folder / "nginx.conf"
    key_file.write_text(json.dumps(key.private_jwk()))
    conf.write_text(
        nginx.configuration(state=folder, port=port, api_port=9, edge=sock, origin=origin, key=key.private_jwk())
    )
    edge = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "watchword",
            "edge",
            "--listen",
            f"unix:{sock}",
            "--url-key",
            str(key_file),
            "--origin",
            origin,
        ],
        stdout=subprocess.PIPE,
    )
    edge.stdout.readline()
    program = nginx.nginx_program()
    front = subprocess.Popen(nginx.command(program, folder, conf))
    try:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.02)
        workers = psutil.Process(front.pid).children()
        yield port, SignedUrls(key, origin=origin), [*workers, psutil.Process(edge.pid)]
    finally:
        for process in (front, edge):
            process.terminate()
            process.wait(10)


async def load(port: int, targets: list[str], requests: int, connections: int) -> list[float]:
    """So many requests over kept connections, each answer checked. Returns: seconds each took."""
    left = itertools.count()
    took: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (number := next(left)) < requests:
            target = targets[number % len(targets)]
            started = time.perf_counter()
            writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{target}: {head[:60]!r}")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return took


def at_nginx(*, requests: int, rounds: int) -> None:
    nginx = example()
    if nginx.nginx_program() is None:
        print("\nNO NGINX: what auth_request costs was not measured (apt-get install nginx-light)")
        return
    with tempfile.TemporaryDirectory() as name, serving(nginx, Path(name)) as (port, urls, processes):
        expires = int(system_clock.now()) + 3600
        path = "/secure_link/1/0.m4s"
        digest = hashlib.md5(f"{expires}{path} for-measuring-only".encode(), usedforsecurity=False).digest()
        md5 = urlsafe_b64encode(digest).decode().rstrip("=")
        here = f"http://localhost:{port}"
        ways = {
            "nginx alone": ["/open/1/0.m4s"],
            "secure_link (MD5, in nginx)": [f"{path}?md5={md5}&expires={expires}"],
            "auth_request, plain link": [urls.sign("/media/1/0.m4s", 3600 - n)[len(here) :] for n in range(50)],
            "auth_request, signed prefix": [urls.sign("/media/1/0.m4s", 3600, prefix="/media/1/")[len(here) :]],
        }
        if (nginx.MODULES / "ngx_http_js_module.so").exists():
            ways["njs, signed prefix"] = [urls.sign("/njs/media/1/0.m4s", 3600, prefix="/njs/media/1/")[len(here) :]]
        found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, targets in ways.items():
                before = [sum(process.cpu_times()[:2]) for process in processes]
                took = asyncio.run(load(port, targets, requests, 1))
                after = [sum(process.cpu_times()[:2]) for process in processes]
                spent = [1e6 * (end - begin) / requests for begin, end in zip(before, after, strict=True)]
                found[way].append((1e6 * statistics.median(took), sum(spent[:-1]), spent[-1]))
    print(f"\n{'at nginx, one connection':34} {'median µs':>12} {'nginx CPU':>10} {'edge CPU':>10} {'added':>8}")
    alone = statistics.median(took for took, _, _ in found["nginx alone"])
    for way, figures in found.items():
        took, front, edge = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{way:34} {took:12.0f} {front:10.0f} {edge:10.0f} {took - alone:8.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    verify, sign = works()
    rounds, seconds = (3, 0.03) if quick else (9, 0.15)
    verified = by_turns(verify, rounds=rounds, seconds=seconds)
    table("verify", verified)
    print(f"\nplain form: {verified['plain']:,.0f}/s; target {TARGET:,}/s")
    table("sign", by_turns(sign, rounds=rounds, seconds=seconds))
    at_nginx(requests=1000 if quick else 5000, rounds=3 if quick else 5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
