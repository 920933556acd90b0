"""`watchword config` tells values and sources, and never a secret."""

from __future__ import annotations

import json

import pytest
from watchword_server.settings.schema import LEAVES

from .conftest import Run

SECRETS = {
    "WATCHWORD_MASTER_KEY": "bWFzdGVyLWtleS1vZi1hdC1sZWFzdC0zMi1ieXRlcy1sb25nLTEyMzQ1",
    "WATCHWORD_FEED__TOKEN": "feed-secret-0123456789",
    "WATCHWORD_METRICS__TOKEN": "metrics-secret-0123456789",
    "WATCHWORD_ADMIN_PASSWORD": "admin-secret-0123456789",
}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_shown_in_any_form(watchword: Run, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WATCHWORD_STORE__URL", "postgresql://watchword:store-secret@localhost/watchword")
    shown = watchword("config", "show", *form)
    assert shown.code == 0
    for secret in (*SECRETS.values(), "store-secret"):
        assert secret not in shown.out + shown.err
    assert shown.out.count("not shown") == 5


def test_every_setting_is_shown_with_its_source(watchword: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_PORT", "8765")
    settings = watchword("config", "show", "--json").json["settings"]
    assert set(settings) == set(LEAVES)
    assert settings["server.port"] == {"value": 8765, "source": "environment WATCHWORD_PORT"}
    assert settings["sessions.idle"]["source"] == "default"


def test_sound_settings_check_well(watchword: Run) -> None:
    assert watchword("config", "check").code == 0
    assert watchword("config", "check", "--json").json == {"ok": True, "problems": []}


def test_a_bad_setting_fails_the_check_by_name_with_its_mend(watchword: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_SERVER__PROT", "9")
    checked = watchword("config", "check", "--json")
    assert checked.code == 1
    assert checked.json["ok"] is False
    [problem] = checked.json["problems"]
    assert set(problem) == {"name", "setting", "source", "message", "mend"}
    assert problem["setting"] == "WATCHWORD_SERVER__PROT"
    assert "WATCHWORD_SERVER__PORT" in problem["mend"]
    assert watchword("config", "check").code == 1


def test_the_schema_is_json_schema(watchword: Run) -> None:
    schema = json.loads(watchword("config", "schema").out)
    assert schema["type"] == "object"
    assert "issuer" in schema["properties"]


def test_a_configuration_file_is_read_where_the_option_says(
    watchword: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("conf") / "other.toml"
    file.write_text("[tokens]\naccess_lifetime = '5m'\n")
    shown = watchword("--config", str(file), "config", "show", "--json").json["settings"]
    assert shown["tokens.access_lifetime"] == {"value": 300, "source": f"file {file}"}


def test_a_missing_configuration_file_is_told(watchword: Run) -> None:
    refused = watchword("--config", "/nowhere/watchword.toml", "config", "show")
    assert refused.code == 2
    assert "/nowhere/watchword.toml" in refused.err
