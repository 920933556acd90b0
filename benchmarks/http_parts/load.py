"""A load generator for keep-alive HTTP/1.1 that costs little more than the sockets: one connection, one request in flight.

Runs in its own process, pinned to its own core, so that the server is the bottleneck; every answer is checked.
"""

import asyncio
import json
import os
import sys
import time

import uvloop


class Connection(asyncio.Protocol):
    """Sends what `make` gives, hands whole answers to `take`, until told to stop."""

    def __init__(self, make, take, stop_at, interval=0.0):
        """With `interval`, in seconds, requests are due at that pace whatever the answers take, and waits are counted."""
        self.make, self.take, self.stop_at, self.interval = make, take, stop_at, interval
        self.buffer = b""
        self.done = asyncio.get_running_loop().create_future()
        self.latencies = []

    def connection_made(self, transport):
        self.transport = transport
        self.due = time.perf_counter()
        self.send()

    def send(self):
        self.sent_at = self.due if self.interval else time.perf_counter()
        self.transport.write(self.make())

    def send_when_due(self):
        self.due += self.interval
        wait = self.due - time.perf_counter()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self.send)
        else:
            self.send()

    def data_received(self, data):
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        length = 0 if at < 0 else int(head[at + 15 : (head + b"\r\n").find(b"\r\n", at)])
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        now = time.perf_counter()
        self.latencies.append(now - self.sent_at)
        status = int(head[9:12])
        try:
            self.take(status, head, rest[:length])
        except BaseException as error:
            self.done.set_exception(error)
            self.transport.close()
            return
        if now >= self.stop_at:
            self.transport.close()
            self.done.set_result(None)
        elif self.interval:
            self.send_when_due()
        else:
            self.send()

    def connection_lost(self, exc):
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


FORM = "application/x-www-form-urlencoded"


def request_bytes(method, path, host, body=b"", headers=None, content_type="application/json"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "User-Agent: bench Firefox/140.0 (X11; Linux)"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    elif method == "POST":
        lines.append("Content-Length: 0")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Fixed:
    """The same request again and again."""

    def __init__(self, host, spec):
        body = json.dumps(spec["body"]).encode() if spec.get("body") else b""
        self.request = request_bytes(spec["method"], spec["path"], host, body, spec.get("headers"))
        self.statuses = set(spec.get("statuses", [200]))

    def make(self):
        return self.request

    def take(self, status, head, body):
        if status not in self.statuses:
            raise AssertionError(f"{status}: {body[:200]!r}")


class Refreshing:
    """A native client that refreshes as fast as it is answered; each answer brings the next token."""

    def __init__(self, host, spec, token):
        self.host, self.token = host, token

    def make(self):
        return request_bytes("POST", "/auth/refresh", self.host, b'{"refresh_token":"%s"}' % self.token)

    def take(self, status, head, body):
        if status != 200:
            raise AssertionError(f"{status}: {body[:200]!r}")
        at = body.index(b'"refresh_token":"') + 17
        token = body[at : body.index(b'"', at)]
        if token == self.token:
            raise AssertionError("the token was not rotated")
        self.token = token


class Form(Fixed):
    """The same form again and again, as clients of OAuth send it; the answer holds `wanted`."""

    def __init__(self, host, spec):
        self.request = request_bytes("POST", spec["path"], host, spec["form"].encode(), spec.get("headers"), FORM)
        self.statuses, self.wanted = {200}, spec["wanted"].encode()

    def take(self, status, head, body):
        super().take(status, head, body)
        if self.wanted not in body:
            raise AssertionError(f"{body[:200]!r} lacks {self.wanted!r}")


class RefreshingForm(Refreshing):
    """A client of OAuth that refreshes as fast as it is answered."""

    def __init__(self, host, spec, token):
        super().__init__(host, spec, token)
        self.path, self.headers = spec["path"], spec["headers"]

    def make(self):
        form = b"grant_type=refresh_token&refresh_token=%s" % self.token
        return request_bytes("POST", self.path, self.host, form, self.headers, FORM)


async def run(spec):
    host, port = spec["host"], spec["port"]
    loop = asyncio.get_running_loop()
    stop_at = time.perf_counter() + spec["seconds"]
    connections = []
    interval = spec["connections"] / spec["rate"] if spec.get("rate") else 0.0
    for number in range(spec["connections"]):
        if spec["kind"] == "refresh":
            talker = Refreshing(f"{host}:{port}", spec, spec["tokens"][number].encode())
        elif spec["kind"] == "refresh_form":
            talker = RefreshingForm(f"{host}:{port}", spec, spec["tokens"][number].encode())
        elif spec["kind"] == "form":
            talker = Form(f"{host}:{port}", spec)
        else:
            talker = Fixed(f"{host}:{port}", spec)
        _, protocol = await loop.create_connection(
            lambda t=talker: Connection(t.make, t.take, stop_at, interval), host, port
        )
        connections.append(protocol)
    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(connection.done for connection in connections))
    elapsed = time.perf_counter() - started
    latencies = sorted(value for connection in connections for value in connection.latencies)
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "client_cpu": (time.process_time() - cpu) / elapsed,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    spec = json.loads(sys.stdin.read())
    if spec.get("core") is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {spec["core"]})
    print(json.dumps(uvloop.run(run(spec))))
