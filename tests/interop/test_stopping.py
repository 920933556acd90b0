"""A server that speaks TLS itself stops when it is told to."""

import time

import httpx


def test_a_server_over_https_does_not_wait_for_clients_that_ask_nothing(start):
    """Clients that keep a connection open never say of their own that TLS is over on it."""
    server = start()
    with httpx.Client(verify=server.trust, timeout=30) as http:
        assert http.get(f"{server.url}/healthz").status_code == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 8, "the grace is for requests under way, and is 10 s"
