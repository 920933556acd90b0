"""`make run`'s supervisor: refuses what cannot work, starts both, tells how to log in, stops both, notices a death."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from ports import free_ports

RUN = Path(__file__).resolve().parents[3] / "examples/demonstration/run.py"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demonstration_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    server, api = free_ports(2)
    return {"WATCHWORD_PORT": str(server), "DEMO_PORT": str(api), "WATCHWORD_HOME": str(tmp_path / "state")}


@pytest.mark.parametrize("text", ["0", "65536", "eight", "-1", "80 80", "٨٠٠٠"])
def test_a_port_that_is_none_is_named(run: ModuleType, given: dict[str, str], text: str) -> None:
    with pytest.raises(run.PlanError, match="WATCHWORD_PORT"):
        run.plan(given | {"WATCHWORD_PORT": text})


@pytest.mark.parametrize("name", ["WATCHWORD_PORT", "DEMO_PORT"])
def test_a_taken_port_is_named_with_another_to_take(run: ModuleType, given: dict[str, str], name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(run.PlanError, match=rf"port {port} is taken[^:]*:[\s\S]*{name}=\d+ make run"):
            run.plan(given | {name: str(port)})


def test_both_on_one_port_is_refused(run: ModuleType, given: dict[str, str]) -> None:
    with pytest.raises(run.PlanError, match="different"):
        run.plan(given | {"DEMO_PORT": given["WATCHWORD_PORT"]})


def test_the_api_is_told_the_servers_issuer_audience_and_feed_token(run: ModuleType, given: dict[str, str]) -> None:
    environment = run.plan(given | {"WATCHWORD_FEED__TOKEN": "feed-token-0123456789"}).environment
    assert environment["WATCHWORD_ENVIRONMENT"] == "development"
    assert (
        environment["DEMO_ISSUER"] == environment["WATCHWORD_ISSUER"] == f"http://localhost:{given['WATCHWORD_PORT']}"
    )
    assert environment["DEMO_AUDIENCE"] == environment["DEMO_ISSUER"]
    assert environment["DEMO_FEED_TOKEN"] == environment["WATCHWORD_FEED__TOKEN"] == "feed-token-0123456789"
    assert environment["WATCHWORD_PLAYGROUND__DEMO_URL"] == f"http://localhost:{given['DEMO_PORT']}"


def test_the_administrators_password_is_made_at_the_first_start_only(run: ModuleType, given: dict[str, str]) -> None:
    first = run.plan(given)
    assert first.new_password == first.environment["WATCHWORD_ADMIN_PASSWORD"]
    assert len(first.new_password) >= 20
    home = Path(given["WATCHWORD_HOME"])
    home.mkdir()
    (home / "watchword.db").touch()
    later = run.plan(given)
    assert later.new_password is None
    assert "WATCHWORD_ADMIN_PASSWORD" not in later.environment


@pytest.mark.parametrize(
    "told", [{"WATCHWORD_ADMIN_PASSWORD": "mine-and-long-enough"}, {"WATCHWORD_ADMIN_PASSWORD_FILE": "/run/secrets/pw"}]
)
def test_a_password_that_was_given_is_neither_replaced_nor_printed(
    run: ModuleType, given: dict[str, str], told: dict[str, str]
) -> None:
    made = run.plan(given | told)
    assert made.new_password is None
    assert "mine-and-long-enough" not in run.welcome(made, 0.1)


ANSWERS = """
    import http.server, os, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
        def log_message(self, *arguments): pass
    print("fake PORT_NAME listens", flush=True)
    http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT_NAME"])), Handler).serve_forever()
"""
DIES = "import sys; print('PORT_NAME has had enough'); sys.exit(7)"


@contextmanager
def supervised(given: dict[str, str], tmp_path: Path, server: str, api: str) -> Iterator[subprocess.Popen[str]]:
    """The supervisor in a process of its own, over two stand-ins."""
    commands = []
    for name, script in (("WATCHWORD_PORT", server), ("DEMO_PORT", api)):
        file = tmp_path / f"{name}.py"
        file.write_text(textwrap.dedent(script).replace("PORT_NAME", name))
        commands.append([sys.executable, str(file)])
    main = tmp_path / "main.py"
    main.write_text(
        textwrap.dedent(f"""
        import importlib.util, os, sys
        spec = importlib.util.spec_from_file_location("run", {str(RUN)!r})
        run = importlib.util.module_from_spec(spec); sys.modules["run"] = run; spec.loader.exec_module(run)
        supervisor = run.Supervisor(run.plan(os.environ))
        for child, command in zip(supervisor.children, {commands!r}):
            child.command = command
        sys.exit(supervisor.run())
        """)
    )
    process = subprocess.Popen(
        [sys.executable, str(main)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.environ["PATH"], **given},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stdout is not None
    guard = threading.Timer(300, process.kill)
    guard.start()
    seen = ""
    for line in process.stdout:
        seen += line
        if wanted in line:
            break
    guard.cancel()
    assert wanted in seen, seen
    return seen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_where_to_go_and_a_signal_stops_both(
    given: dict[str, str], tmp_path: Path, run: ModuleType, number: signal.Signals
) -> None:
    with supervised(given, tmp_path, ANSWERS, ANSWERS) as process:
        seen = read_until(process, "Ctrl-C stops both")
        assert "server │ fake WATCHWORD_PORT listens" in seen
        assert "api │ fake DEMO_PORT listens" in seen
        assert f"http://localhost:{given['WATCHWORD_PORT']}/" in seen
        assert "admin@localhost" in seen
        assert "password     " in seen
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert rest.endswith("Stopped.\n")
    assert not run.is_taken(int(given["WATCHWORD_PORT"]))
    assert not run.is_taken(int(given["DEMO_PORT"]))


@pytest.mark.parametrize(
    ("server", "api", "dead"), [(DIES, ANSWERS, "server"), (ANSWERS, DIES, "api")], ids=["server", "api"]
)
def test_when_one_dies_the_other_is_stopped_and_the_exit_code_says_so(
    given: dict[str, str], tmp_path: Path, run: ModuleType, server: str, api: str, dead: str
) -> None:
    with supervised(given, tmp_path, server, api) as process:
        seen, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert f"The {dead} ended with code 7" in seen
        assert "has had enough" in seen
    assert not run.is_taken(int(given["WATCHWORD_PORT"]))


def test_a_child_that_ignores_the_polite_signal_is_ended_by_a_second_request(
    given: dict[str, str], tmp_path: Path, run: ModuleType
) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + textwrap.dedent(ANSWERS)
    with supervised(given, tmp_path, ANSWERS, stubborn) as process:
        read_until(process, "Ctrl-C stops both")
        process.send_signal(signal.SIGINT)
        read_until(process, "Stopping")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert not run.is_taken(int(given["DEMO_PORT"]))
