"""The real process: it survives being killed without losing what it acknowledged, drains on SIGTERM, shares a port."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest
from process import Process
from story import PASSWORD, bearer


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("migrated_postgres_dsn") if request.param == "postgres" else None


@pytest.fixture
def start(tmp_path):
    started = []

    def starting(store_url: str | None = None, **environ: str) -> Process:
        process = Process(tmp_path / f"home{len(started)}", store_url, **environ)
        started.append(process)
        return process

    yield starting
    for process in started:
        process.kill() if process.process.poll() is None else None


async def register(client: httpx.AsyncClient, email: str) -> bool:
    try:
        answer = await client.post("/auth/register", json={"email": email, "password": PASSWORD})
    except httpx.HTTPError:
        return False
    return answer.status_code == 201


async def login(client: httpx.AsyncClient, email: str) -> dict:
    body = {"identifier": email, "password": PASSWORD, "delivery": "body"}
    answer = await client.post("/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


class Life:
    """One client that logs in, refreshes as fast as it can, and remembers what was acknowledged."""

    def __init__(self, number: int) -> None:
        self.email = f"user{number}@example.test"
        self.acknowledged = 0
        self.registered: list[str] = []

    async def run(self, client: httpx.AsyncClient) -> None:
        self.tokens = await login(client, self.email)
        try:
            while True:
                answer = await client.post("/auth/refresh", json={"refresh_token": self.tokens["refresh_token"]})
                assert answer.status_code == 200, answer.text
                self.tokens = answer.json()
                self.acknowledged += 1
                if self.acknowledged % 10 == 0:
                    email = f"{self.acknowledged}.{self.email}"
                    if await register(client, email):
                        self.registered.append(email)
        except httpx.HTTPError:
            return


async def test_kill_9_under_load_loses_no_acknowledged_refresh_logout_or_registration(start, store_url):
    server = start(store_url)
    async with server.client() as client:
        lives = [Life(number) for number in range(6)]
        gone = []
        for life in lives:
            assert await register(client, life.email)
            session = await login(client, life.email)
            out = await client.post("/auth/logout", json={"refresh_token": session["refresh_token"]})
            assert out.status_code == 204
            gone.append(session)
        for _ in range(2):
            running = [asyncio.create_task(life.run(client)) for life in lives]
            target = [life.acknowledged + 25 for life in lives]
            while any(life.acknowledged < wanted for life, wanted in zip(lives, target, strict=True)):
                await asyncio.sleep(0.01)
                for task in running:
                    assert not task.done(), task.exception()
            server.kill()
            await asyncio.gather(*running)
            server.start()
            for life in lives:
                answer = await client.post("/auth/refresh", json={"refresh_token": life.tokens["refresh_token"]})
                assert answer.status_code == 200, answer.text
                for email in life.registered:
                    assert await login(client, email)
            for session in gone:
                assert (await client.get("/auth/me", headers=bearer(session))).status_code == 401
                body = {"refresh_token": session["refresh_token"]}
                assert (await client.post("/auth/refresh", json=body)).status_code == 401
        assert all(life.acknowledged >= 50 for life in lives)


async def test_on_sigterm_a_running_request_is_finished_and_the_exit_code_is_0(start):
    # On a busy machine a hash at low priority takes longer than the grace that the settings give by default.
    patient = {"WATCHWORD_SERVER__SHUTDOWN_GRACE": "600", "WATCHWORD_SERVER__REQUEST_TIMEOUT": "600"}
    server = start(WATCHWORD_PASSWORDS__MEMORY_KIB="65536", WATCHWORD_PASSWORDS__TIME_COST="4", **patient)
    async with server.client() as client:
        for number in range(100):  # until one is seen at work before it is done
            running = asyncio.create_task(register(client, f"slow{number}@example.test"))
            seen = False
            while not seen and not running.done():
                seen = b'watchword_hashing{state="running"} 1' in (await client.get("/metrics")).content
            if not running.done():
                break
        assert not running.done()
        server.process.send_signal(signal.SIGTERM)
        assert await running
    assert server.process.wait(30) == 0


async def test_two_workers_share_the_port_and_see_each_others_revocations(start, migrated_postgres_dsn):
    server = start(migrated_postgres_dsn, WATCHWORD_SERVER__WORKERS="2")
    async with server.client() as client:
        assert await register(client, "ada@example.test")
        for _ in range(5):
            tokens = await login(client, "ada@example.test")
            others = [httpx.AsyncClient(base_url=server.url, timeout=30) for _ in range(6)]
            assert {(await other.get("/auth/me", headers=bearer(tokens))).status_code for other in others} == {200}
            assert (await client.post("/auth/logout", headers=bearer(tokens))).status_code == 204
            assert {(await other.get("/auth/me", headers=bearer(tokens))).status_code for other in others} == {401}
            for other in others:
                await other.aclose()
    assert server.stop() == 0


def test_a_taken_port_is_named_with_the_mend(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environ = os.environ | {
            "WATCHWORD_ENVIRONMENT": "development",
            "WATCHWORD_HOME": str(tmp_path),
            "WATCHWORD_PORT": str(port),
        }
        ran = subprocess.run(
            [sys.executable, "-m", "watchword_server.process"], env=environ, capture_output=True, text=True, timeout=60
        )
    assert ran.returncode == 1
    assert f"port {port}" in ran.stderr
    assert "WATCHWORD_PORT" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_production_without_settings_does_not_start_and_names_every_mend(tmp_path):
    environ = {"PATH": os.environ["PATH"], "WATCHWORD_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "watchword_server.process"], env=environ, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 2
    for word in ("issuer", "master_key"):
        assert word in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_cannot_start_says_why_in_one_line(start, tmp_path, migrated_postgres_dsn, workers):
    server = start(migrated_postgres_dsn)
    server.stop()
    key = tmp_path / "another.key"
    key.write_text("q83vEjRWeJASNFZ4kBI0VniQq83vEjRWeJASNFZ4kBI0VniQ" * 1)
    key.chmod(0o600)
    environ = server.environ | {"WATCHWORD_MASTER_KEY_FILE": str(key), "WATCHWORD_SERVER__WORKERS": workers}
    ran = subprocess.run(
        [sys.executable, "-m", "watchword_server.process"], env=environ, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1, ran.stderr
    assert "master key" in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_workers_end_when_their_supervisor_is_killed(start, migrated_postgres_dsn):
    server = start(migrated_postgres_dsn, WATCHWORD_SERVER__WORKERS="2")
    workers = psutil.Process(server.process.pid).children()
    assert len(workers) == 2
    server.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
