"""The whole story with real processes: log in, watch through nginx, end the session, and the next segment is refused."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location("nginx_example_of_story", ROOT / "examples/nginx/run.py")
EXAMPLE = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = EXAMPLE
SPEC.loader.exec_module(EXAMPLE)
pytestmark = pytest.mark.skipif(
    EXAMPLE.nginx_program() is None, reason="NO NGINX: the tests at the edge are skipped. apt-get install nginx-light"
)


def until(condition, seconds=200.0):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    raise AssertionError("it did not come about")


@pytest.fixture
def places(tmp_path):
    server, api, nginx = free_ports(3)
    key = tmp_path / "key.json"
    subprocess.run(
        [sys.executable, "-m", "watchword", "sign-url", "--make-key", "--key", str(key), "--kid", "shared"], check=True
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DEMO_"))},
        "WATCHWORD_HOME": str(tmp_path / "home"),
        "WATCHWORD_PORT": str(server),
        "DEMO_PORT": str(api),
        "DEMO_ISSUER": f"http://localhost:{server}",
        "DEMO_URL_KEY_FILE": str(key),
        "DEMO_MEDIA_ORIGIN": f"http://localhost:{nginx}",
        "NGINX_PORT": str(nginx),
        "WATCHWORD_PASSWORDS__MEMORY_KIB": "8",
        "WATCHWORD_PASSWORDS__TIME_COST": "1",
    }
    programs = ["examples/demonstration/run.py", "examples/nginx/run.py"]
    given = [
        environment | ({} if program.startswith("examples/nginx") else {"DEMO_ISSUER": ""}) for program in programs
    ]
    processes = [
        subprocess.Popen([sys.executable, str(ROOT / program)], env=env, start_new_session=True, cwd=tmp_path)
        for program, env in zip(programs, given, strict=True)
    ]
    try:
        yield tuple(f"http://localhost:{port}" for port in (server, api, nginx))
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def test_end_the_session_and_the_next_segment_is_refused(places):
    server, api, nginx = places
    with httpx.Client(timeout=60) as http:
        until(lambda: http.get(f"{server}/healthz").status_code == 200)
        until(lambda: http.get(f"{api}/api/posts/popular").status_code == 200)
        person = {"email": "ada@example.test", "password": "correct horse battery staple"}
        assert http.post(f"{server}/auth/register", json=person).status_code == 201
        login = {"identifier": person["email"], "password": person["password"]}
        token = {"Authorization": f"Bearer {http.post(f'{server}/auth/login', json=login).json()['access_token']}"}
        until(lambda: http.get(f"{api}/api/profile", headers=token).status_code == 200)
        url = http.get(f"{api}/api/videos/1?stream=true", headers=token).json()["url"]
        assert url.startswith(f"{nginx}/media/1/ww=1.shared.")
        until(lambda: http.get(url).status_code == 200)
        playlist = httpx.URL(url)
        segments = [line for line in http.get(url).text.splitlines() if line.endswith(".m4s")]
        for segment in segments[:3]:
            answer = http.get(playlist.join(segment))
            assert (answer.status_code, answer.headers["server"]) == (200, "nginx")
        assert http.post(f"{server}/auth/logout", headers=token).status_code == 204
        until(lambda: http.get(playlist.join(segments[3])).status_code == 403, seconds=60)
        assert http.get(url).status_code == 403
