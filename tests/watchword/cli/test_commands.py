"""The library's own commands: what they print, what they refuse, and that no secret leaves a file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from watchword.cli import main
from watchword.cli.sign_url import seconds
from watchword.jose import Key
from watchword.signedurl import SignedUrls, UrlRequest

ORIGIN = "https://media.example.com"


@pytest.fixture
def key(tmp_path, capsys):
    path = tmp_path / "key.json"
    assert main(["sign-url", "--make-key", "--key", str(path), "--kid", "k7"]) == 0
    assert "k7" in capsys.readouterr().err
    return path


def test_a_key_is_made_for_its_owner_alone_and_never_over_another(key, capsys):
    assert key.stat().st_mode & 0o777 == 0o600
    assert main(["sign-url", "--make-key", "--key", str(key)]) == 1
    said = capsys.readouterr()
    assert "exists" in said.err
    assert json.loads(key.read_text())["k"] not in said.err + said.out


def test_a_url_is_signed_and_verified(key, capsys):
    assert main(["sign-url", f"{ORIGIN}/a/b?x=1", "--key", str(key), "--expires", "15m"]) == 0
    url = capsys.readouterr().out.strip()
    urls = SignedUrls(Key.from_jwk(json.loads(key.read_text())), origin=ORIGIN)
    assert urls.verify(UrlRequest("GET", url.removeprefix(ORIGIN))).path == "/a/b"
    assert main(["sign-url", url, "--key", str(key), "--verify"]) == 0
    assert json.loads(capsys.readouterr().out)["kid"] == "k7"
    assert main(["sign-url", url + "&y=2", "--key", str(key), "--verify"]) == 1
    assert "query" in capsys.readouterr().err


def test_bindings_are_options(key, capsys):
    options = ["--prefix", "/a/", "--once", "--client", "192.0.2.0/24", "--in-query", "--free-query"]
    assert main(["sign-url", f"{ORIGIN}/a/b", "--key", str(key), *options]) == 0
    url = capsys.readouterr().out.strip()
    urls = SignedUrls(Key.from_jwk(json.loads(key.read_text())), origin=ORIGIN)
    caveats = urls.check(UrlRequest("GET", url.removeprefix(ORIGIN) + "&x=1", client="192.0.2.7")).caveats
    assert (caveats.prefix, caveats.once, caveats.query) == ("/a/", True, "none")


@pytest.mark.parametrize(
    "url", ["", "/a", "ftp://h/a", f"{ORIGIN}/a#b", f"{ORIGIN}/../b", "https://u@h/a", "https://[/a"]
)
def test_what_cannot_be_signed_is_told_in_one_line(key, url, capsys):
    assert main(["sign-url", url, "--key", str(key)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"keys": 7}', '{"keys": []}', "\x00", '{"kty": "oct", "k": "AA"}']
)
def test_a_file_that_holds_no_key_is_named_and_not_shown(tmp_path, content, capsys):
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert main(["sign-url", f"{ORIGIN}/a", "--key", str(path)]) == 1
    assert main(["sign-url", f"{ORIGIN}/a", "--key", str(tmp_path / "absent")]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)])
def test_times_have_units(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("wrong", [["--expires", "soon"], ["--algorithm", "none"], ["--unknown"]])
def test_called_wrongly_is_two(key, wrong):
    with pytest.raises(SystemExit) as ended:
        main(["sign-url", f"{ORIGIN}/a", "--key", str(key), *wrong])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--url-key", "KEY"],
        ["--url-key", "absent", "--origin", ORIGIN],
        ["--url-key", "KEY", "--origin", "https://h/"],
        ["--issuer", "https://i.test", "--client-id", "a"],
        ["--url-key", "KEY", "--origin", ORIGIN, "--inside-key", "KEY"],
        ["--url-key", "KEY", "--origin", ORIGIN, "--listen", "nowhere"],
    ],
)
def test_an_edge_that_cannot_be_says_why(key, wrong, capsys):
    given = [str(key) if word == "KEY" else word for word in wrong]
    assert main(["edge", *given]) == 1
    assert capsys.readouterr().err.startswith("watchword edge: ")


def test_the_edge_runs_until_it_is_asked_to_stop(key, tmp_path):
    command = [sys.executable, "-m", "watchword", "edge", "--listen", f"unix:{tmp_path}/e.sock"]
    command += ["--url-key", str(key), "--origin", ORIGIN, "--single-use", str(tmp_path / "spent.db")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert "answers at unix:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert not (tmp_path / "e.sock").exists()


def test_without_the_server_the_library_lists_its_own(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["watchword.cli.main"], "entry_points", lambda group: [])
    assert main([]) == 0
    assert "sign-url" in capsys.readouterr().out
    assert main(["serve"]) == 2
    assert "watchword-server" in capsys.readouterr().err


def test_other_commands_are_of_those_who_add_them(monkeypatch):
    class Other:
        def load(self):
            return lambda: 7

    monkeypatch.setattr(sys.modules["watchword.cli.main"], "entry_points", lambda group: [Other()])
    assert main(["serve"]) == 7
