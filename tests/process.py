"""A real server process, to be killed, stopped and started again by the flows."""

import os
import pathlib
import ssl
import subprocess
import sys
import time

import httpx
from ports import free_port
from story import FIREFOX


class Process:
    """A server process in development mode with cheap password hashes."""

    trust: ssl.SSLContext | bool = True
    """What its certificate is checked by, if it has one."""

    def __init__(self, home: pathlib.Path, store_url: str | None = None, **environ: str) -> None:
        self.port = free_port()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")},
            "WATCHWORD_ENVIRONMENT": "development",
            "WATCHWORD_HOME": str(home),
            "WATCHWORD_PORT": str(self.port),
            "WATCHWORD_ISSUER": f"http://localhost:{self.port}",
            "WATCHWORD_PASSWORDS__MEMORY_KIB": "8",
            "WATCHWORD_PASSWORDS__TIME_COST": "1",
            "WATCHWORD_FEED__TOKEN": "feed-token-of-the-tests",
            **({"WATCHWORD_STORE__URL": store_url} if store_url else {}),
            **environ,
        }
        self.log = home.with_suffix(".log")
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watchword_server.process"], env=self.environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz", verify=self.trust).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self.log.read_text()}")

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"User-Agent": FIREFOX}, timeout=60, verify=self.trust)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(120)
