"""Where settings come from, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import contextlib
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.settings.document import PATH, document
from watchword_server.settings.load import Loaded, load
from watchword_server.settings.problems import SettingsError
from watchword_server.settings.schema import LEAVES, json_schema
from watchword_server.settings.tree import Settings
from watchword_server.settings.values import is_loopback_host, seconds

KEY = "k3y-0123456789-abcdefghijklmnop-SECRET"
TOKEN = "feed-token-0123456789-SECRET"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def development(home: Path, flags=None, environ=None, toml=None) -> Loaded:
    return load({"environment": "development", "home": home, **(flags or {})}, environ or {}, toml)


def production(home: Path, flags=None, environ=None) -> Loaded:
    safe = {"issuer": "https://login.example.com", "home": home, "master_key": KEY, "feed.token": TOKEN}
    return load({**safe, **(flags or {})}, environ or {})


def names(refused) -> set[str]:
    return {problem.name for problem in refused.value.problems}


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_flags_win_over_environment_over_files_over_toml_over_defaults(home, tmp_path):
    toml = write(
        tmp_path / "w.toml",
        '[server]\nport = 1\nworkers = 1\nhost = "127.0.0.3"\n[feed]\ntoken = "toml-toml-toml-toml"\n',
    )
    token = write(tmp_path / "token", "file-file-file-file\n")
    environ = {"WATCHWORD_SERVER__HOST": "127.0.0.2", "WATCHWORD_PORT": "2", "WATCHWORD_FEED__TOKEN_FILE": str(token)}
    loaded = development(home, {"server.port": 3}, environ, toml)
    server = loaded.settings.server
    assert (server.port, server.host, server.workers, server.shutdown_grace) == (3, "127.0.0.2", 1, 10)
    assert loaded.settings.feed.token is not None
    assert loaded.settings.feed.token.get_secret_value() == "file-file-file-file"
    assert loaded.sources["server.port"] == "flag --server-port"
    assert loaded.sources["server.host"] == "environment WATCHWORD_SERVER__HOST"
    assert loaded.sources["feed.token"] == f"environment WATCHWORD_FEED__TOKEN_FILE = {token}"
    assert loaded.sources["server.workers"] == f"file {toml}"
    assert loaded.sources["server.shutdown_grace"] == "default"
    assert loaded.sources["store.url"] == "default, derived"
    assert set(loaded.sources) == set(LEAVES)
    direct = development(home, {}, {**environ, "WATCHWORD_FEED__TOKEN": "direct-direct-direct"}, toml)
    assert direct.settings.feed.token is not None
    assert direct.settings.feed.token.get_secret_value() == "direct-direct-direct"


def test_the_file_in_the_home_directory_is_found_and_watchword_config_names_another(home, tmp_path):
    write(home / "watchword.toml", "[server]\nport = 11\n")
    other = write(tmp_path / "other.toml", "[server]\nport = 12\n")
    assert development(home).settings.server.port == 11
    assert development(home, environ={"WATCHWORD_CONFIG": str(other)}).settings.server.port == 12


def test_a_configuration_file_that_is_named_but_missing_or_broken_is_a_problem(home, tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        development(home, environ={"WATCHWORD_CONFIG": str(tmp_path / "none.toml")})
    with pytest.raises(SettingsError, match="is not TOML"):
        development(home, toml=write(tmp_path / "bad.toml", "[server\n"))


def test_paths_in_the_file_are_meant_from_its_own_folder(home, tmp_path):
    toml = write(
        tmp_path / "etc" / "w.toml",
        'master_key_file = "secrets/key"\n[server]\ntls_key = "tls.key"\ntls_cert = "tls.crt"\n',
    )
    write(tmp_path / "etc" / "secrets" / "key", KEY)
    loaded = development(home, toml=toml)
    assert loaded.settings.master_key.get_secret_value() == KEY
    assert loaded.settings.server.tls_key == tmp_path / "etc" / "tls.key"
    assert not (home / "master.key").exists()


def test_all_problems_are_told_at_once_with_source_and_mend(home):
    environ = {
        "WATCHWORD_ISUER": "https://x.example",
        "WATCHWORD_TOKENS__LEEWAY": "10x",
        "WATCHWORD_SERVER__PORT": "70000",
        "WATCHWORD_MASTER_KEY": "too-short-SECRET",
    }
    with pytest.raises(SettingsError) as refused:
        load({"home": home, "server.wrokers": 2}, environ)
    found = {problem.path: problem for problem in refused.value.problems}
    assert set(found) >= {"WATCHWORD_ISUER", "tokens.leeway", "server.port", "master_key", "issuer", "server.wrokers"}
    assert found["WATCHWORD_ISUER"].mend == "did you mean WATCHWORD_ISSUER?"
    assert found["server.wrokers"].mend == "did you mean server.workers?"
    assert found["server.port"].source == "environment WATCHWORD_SERVER__PORT"
    assert all(problem.mend for problem in refused.value.problems)
    assert "SECRET" not in str(refused.value)
    assert "SECRET" not in repr(refused.value)


def test_unknown_keys_and_misplaced_sections_of_the_file_are_refused(home, tmp_path):
    toml = write(tmp_path / "w.toml", 'issur = "x"\nserver = 5\n[tokens]\naccess_life = 3\n[tokns]\nleeway = 1\n')
    with pytest.raises(SettingsError) as refused:
        development(home, toml=toml)
    assert {problem.path for problem in refused.value.problems} == {"issur", "server", "tokens.access_life", "tokns"}


def test_an_empty_variable_counts_as_not_set(home):
    assert development(home, environ={"WATCHWORD_ADMIN_PASSWORD": ""}).settings.admin.password is None


def test_a_setting_given_differently_by_both_its_names_is_refused(home):
    with pytest.raises(SettingsError, match="WATCHWORD_PORT and WATCHWORD_SERVER__PORT differ"):
        development(home, environ={"WATCHWORD_PORT": "1", "WATCHWORD_SERVER__PORT": "2"})


def test_no_secret_is_shown_by_printing_settings(home):
    loaded = production(home, {"admin.password": "pw-SECRET-1", "store.url": "postgresql://u:pw-SECRET@db/w"})
    for shown in (
        repr(loaded),
        str(loaded.settings),
        loaded.settings.model_dump_json(exclude={"store"}),
        str(loaded.sources),
    ):
        assert "SECRET" not in shown


@pytest.mark.parametrize("content", ["", "\n", b"\xff\xfe"])
def test_an_empty_or_binary_secret_file_is_refused(home, tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as refused:
        load({"issuer": "https://a.example", "home": home}, {"WATCHWORD_MASTER_KEY_FILE": str(file)})
    assert "unreadable-file" in names(refused)


def test_development_makes_a_master_key_only_its_owner_can_read_and_keeps_it(home):
    first = development(home).settings
    kept = home / "master.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert development(home).settings.master_key == first.master_key
    assert [path.name for path in home.iterdir()] == ["master.key"]


def test_processes_that_start_together_agree_on_one_master_key(home):
    keys: list[str] = []
    start = threading.Barrier(8)

    def run() -> None:
        start.wait()
        keys.append(development(home).settings.master_key.get_secret_value())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_refused_settings_leave_nothing_behind(home):
    with pytest.raises(SettingsError):
        development(home, {"server.port": -1})
    assert not home.exists()


def test_development_has_its_own_defaults(home):
    settings = development(home, {"server.port": 8123}).settings
    assert settings.issuer == settings.audience == "http://localhost:8123"
    assert settings.tokens.access_lifetime == 60
    assert settings.playground.enabled
    assert settings.store.url == f"sqlite:///{home}/watchword.db"
    assert settings.roles["admin"].scopes == ("reports:read", "watchword:admin")
    assert not settings.secure_cookies


def test_production_has_safe_defaults(home):
    settings = production(home).settings
    assert settings.tokens.access_lifetime == 600
    assert not settings.playground.enabled
    assert settings.secure_cookies


@pytest.mark.rfc("7592 §2/2")
@pytest.mark.rfc("6750 §5.2/2")
@pytest.mark.rfc("7009 §2/2")
@pytest.mark.rfc("7591 §3/1")
@pytest.mark.rfc("7662 §2")
@pytest.mark.rfc("9126 §2/1")
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("http-issuer", {"issuer": "http://login.example.com"}),
        ("http-issuer", {"issuer": "http://localhost:8000"}),
        ("missing", {"master_key": None}),
        ("weak-secret", {"master_key": "a" * 40}),
        ("weak-secret", {"feed.token": "abababababababababab"}),
        ("sqlite-workers", {"server.workers": 2}),
        ("cors-wildcard", {"cors.origins": "*"}),
        ("cors-http", {"cors.origins": "http://app.example.com"}),
        ("playground-on", {"playground.enabled": "true"}),
        ("feed-open", {"feed.token": None}),
        ("feed-certificates", {"feed.certificates": "dns:verifier.internal"}),
        ("feed-for-strangers", {"feed.access_tokens": "true", "scopes": {"watchword:feed": "Read the feed"}}),
        (
            "feed-for-strangers",
            {"feed.access_tokens": "true", "resources": {"https://x.example": {"scopes": ["watchword:feed"]}}},
        ),
        ("feed-for-strangers", {"feed.access_tokens": "true", "self_registration.scopes": "read,watchword:feed"}),
        ("denylist-open", {"denylist.url": "redis://valkey.internal:6379/0"}),
        ("denylist-open", {"denylist.url": "redis://user@10.0.0.7"}),
        ("trusts-everyone", {"server.trusted_proxies": "0.0.0.0/0"}),
        ("trusts-everyone", {"server.trusted_proxies": "::/0"}),
        ("clear-listener", {"server.host": "0.0.0.0"}),
        ("weak-hashing", {"passwords.memory_kib": 64}),
        ("short-passwords", {"passwords.min_length": 4}),
        ("debug-log", {"log.level": "debug"}),
    ],
)
def test_production_refuses_what_is_insecure_by_name(home, name, flags):
    with pytest.raises(SettingsError) as refused:
        production(home, flags)
    assert names(refused) == {name}


def test_production_accepts_a_listener_behind_a_named_proxy_or_with_tls(home, tmp_path):
    production(home, {"server.host": "0.0.0.0", "server.trusted_proxies": "10.0.0.0/8"})
    files = {"server.tls_cert": write(tmp_path / "c", "c"), "server.tls_key": write(tmp_path / "k", "k")}
    production(home, {"server.host": "0.0.0.0", **files})
    production(home, {"server.workers": 2, "store.url": "postgresql://u@db/w"})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602])
def test_production_refuses_key_files_that_others_can_read_or_write(home, tmp_path, mode):
    key = write(tmp_path / "key", KEY, mode)
    tls = {"server.tls_key": key, "server.tls_cert": key}
    with pytest.raises(SettingsError) as refused:
        production(home, {"master_key": None, "master_key_file": key, **tls})
    assert [problem.path for problem in refused.value.problems] == ["master_key", "server.tls_key"]
    assert names(refused) == {"readable-file"}
    key.chmod(0o600)
    production(home, {"master_key": None, "master_key_file": key, **tls})


@pytest.mark.parametrize("issuer", ["http://login.example.com", "http://10.0.0.5:8000", "http://localhost.example.com"])
def test_development_speaks_http_on_this_machine_only(home, issuer):
    with pytest.raises(SettingsError) as refused:
        development(home, {"issuer": issuer})
    assert names(refused) == {"http-issuer"}


@pytest.mark.parametrize(
    "issuer", ["http://localhost", "http://127.0.0.1:9", "http://[::1]:9", "https://login.example.com"]
)
def test_development_accepts_loopback_and_https(home, issuer):
    assert development(home, {"issuer": issuer}).settings.issuer == issuer


@pytest.mark.rfc("8414 §2/1")
@pytest.mark.rfc("openid-discovery §3/2")
@pytest.mark.parametrize(
    "issuer",
    [
        "login.example.com", "https://", "ftp://x.example", "https://x.example/", "https://x.example?", "https://x.example#a",
        "https://u:p@x.example", "https://X.example", "https://x.example:443", "https://x.example:99999", "https://x.example/a b", "https://ü.example",
    ],
)  # fmt: skip
def test_an_issuer_that_verifiers_could_compare_wrongly_is_refused(home, issuer):
    with pytest.raises(SettingsError) as refused:
        production(home, {"issuer": issuer})
    assert {problem.path for problem in refused.value.problems} == {"issuer"}


@pytest.mark.parametrize(
    "origin",
    [
        "app.example.com",
        "https://app.example.com/",
        "https://*.example.com",
        "null",
        "https://a.example:443",
        "https://A.example",
    ],
)
def test_an_origin_that_no_browser_writes_is_refused(home, origin):
    with pytest.raises(SettingsError) as refused:
        production(home, {"cors.origins": [origin]})
    assert {problem.path for problem in refused.value.problems} == {"cors.origins"}


MTLS = "https://mtls.example.com"
PROXY = {"server.client_certificate_header": "Client-Cert", "server.trusted_proxies": "10.0.0.0/8"}
OWN_TLS = {"server.tls_cert": "/tmp/x", "server.tls_key": "/tmp/x", "server.tls_client_ca": "/tmp/x"}


def test_a_host_for_certificates_is_taken_with_a_proxy_or_with_a_port_of_its_own(home):
    assert development(home, PROXY | {"server.mtls_url": MTLS}).settings.server.mtls_url == MTLS
    port = OWN_TLS | {"server.mtls_url": f"{MTLS}:8443", "server.mtls_port": "8443"}
    assert development(home, port).settings.server.mtls_port == 8443


@pytest.mark.parametrize(
    "url",
    [
        "http://mtls.example.com",
        "https://mtls.example.com/",
        "https://mtls.example.com/a",
        "https://mtls.example.com?a",
        "https://mtls.example.com#a",
        "https://a@mtls.example.com",
        "https://MTLS.example.com",
        "https://mtls.example.com:443",
        "https://mtls.example.com:99999",
        "https://*.example.com",
        "https://",
        "mtls.example.com",
        "*",
    ],
)
def test_a_host_for_certificates_is_an_https_origin_and_nothing_more(home, url):
    with pytest.raises(SettingsError) as refused:
        development(home, PROXY | {"server.mtls_url": url})
    assert [problem.path for problem in refused.value.problems] == ["server.mtls_url"]


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"sessions.idle": "31d"}, "idle-over-absolute"),
        ({"keys.announce_before": "90d"}, "announce-over-rotation"),
        ({"keys.retire_after": "30", "tokens.access_lifetime": "1h"}, "retire-too-soon"),
        ({"passwords.hashing_memory_mib": 1}, "hash-over-budget"),
        ({"registration.roles": "user,ghost"}, "unknown-role"),
        ({"server.tls_cert": "/tmp/x"}, "tls-half"),
        ({"server.mtls_url": MTLS}, "mtls-host-without-certificates"),
        (
            PROXY | {"server.mtls_url": "https://login.example.com", "issuer": "https://login.example.com/a"},
            "mtls-host-is-issuer",
        ),
        (PROXY | OWN_TLS | {"server.mtls_url": MTLS, "server.mtls_port": 8443}, "mtls-port-behind-proxy"),
        (OWN_TLS | {"server.mtls_port": 8443}, "mtls-port-alone"),
        (OWN_TLS | {"server.mtls_url": MTLS, "server.mtls_port": 8000}, "mtls-port-taken"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(home, flags, name):
    with pytest.raises(SettingsError) as refused:
        development(home, flags)
    assert names(refused) == {name}


def test_lists_and_tables_can_be_given_in_the_environment(home):
    environ = {
        "WATCHWORD_SERVER__TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
        "WATCHWORD_ROLES": '{"user": {}, "editor": {"scopes": ["posts:write"], "permissions": "a,b"}}',
        "WATCHWORD_TOKENS__CUSTOM_CLAIMS": '{"tenant_name": "{account.tenant}"}',
        "WATCHWORD_CORS__ORIGINS": '["https://a.example"]',
    }
    settings = development(home, environ=environ).settings
    assert [str(network) for network in settings.server.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.roles["editor"].permissions == ("a", "b")
    assert settings.tokens.custom_claims == {"tenant_name": "{account.tenant}"}
    assert settings.cors.origins == ("https://a.example",)
    with pytest.raises(SettingsError) as refused:
        development(home, environ={"WATCHWORD_ROLES": "{oops"})
    assert {problem.path for problem in refused.value.problems} == {"roles"}


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("600", 600),
        ("10m", 600),
        ("1h30m", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        ("250ms", 0.25),
        (0, 0),
        (1.5, 1.5),
        ("0.5", 0.5),
    ],
)
def test_durations_are_seconds_or_text(given_text, expected):
    assert seconds(given_text) == expected


@pytest.mark.parametrize(
    "wrong",
    ["", "m", "10x", "10 m", "-5", "1e9", "١٠m", float("nan"), float("inf"), -1, True, None, [], "9" * 13, 10**12],
)
def test_what_is_no_duration_is_refused(wrong):
    with pytest.raises(ValueError, match="duration"):
        seconds(wrong)


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert seconds(text) >= 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"])
def test_loopback_hosts_are_known(host):
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host", ["localhost.example.com", "notlocalhost", "10.0.0.1", "0.0.0.0", "127.0.0.1.example.com", "", "::2"]
)
def test_other_hosts_are_not_loopback(host):
    assert not is_loopback_host(host)


def test_settings_cannot_be_changed_after_loading(home):
    settings = development(home).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]


def test_a_tree_can_be_built_without_the_loader_for_tests(home):
    built = Settings.model_validate(
        {"environment": "development", "home": home, "master_key": KEY, "tokens": {"leeway": 0}}
    )
    assert built.tokens.access_lifetime == 60
    assert built.tokens.leeway == 0


def test_every_setting_says_what_it_does():
    assert [path for path, leaf in LEAVES.items() if not leaf.field.description] == []


def test_the_schema_can_be_given_to_an_editor():
    assert json_schema()["properties"]["issuer"]["description"]


def test_the_documentation_is_up_to_date():
    page = Path(__file__).parents[3] / PATH
    assert page.read_text(encoding="utf-8") == document(), "run: python -m watchword_server.settings.document"


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://:s3cret@valkey.internal",
        "rediss://u:s3cret@valkey.internal:6380/3?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/valkey.sock?db=2",
    ],
)
def test_addresses_of_a_denylist_are_taken_and_never_shown(home, url):
    loaded = production(home, {"denylist.url": url})
    assert loaded.settings.denylist.url.get_secret_value() == url
    assert url not in f"{loaded.settings!r}{loaded.settings.model_dump_json()}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://valkey/s3cret",
        "redis://",
        "redis://u:s3cret@host:0/",
        "redis://u:s3cret@host:x/",
        "redis://u:s3cret@host/zero",
        "redis://u:s3cret@host/0#x",
        "rediss://u:s3cret@host/0?ssl_cert_reqs=none",
        "rediss://u:s3cret@host/0?ssl_check_hostname=false",
        "redis://host/0?password=s3cret",
        "redis://u:s3cret@host/0?db=x",
        "unix://",
        "unix://s3cret",
    ],
)
def test_other_addresses_of_a_denylist_are_refused_without_telling_the_password(home, url):
    with pytest.raises(SettingsError) as refused:
        production(home, {"denylist.url": url})
    assert [problem.path for problem in refused.value.problems] == ["denylist.url"]
    assert "s3cret" not in str(refused.value)


def test_the_feed_may_be_read_with_other_credentials_than_its_own_token(home):
    production(home, {"feed.token": None, "feed.access_tokens": "true"})
    verifier = {"roles": {"user": {}, "verifier": {"scopes": ["watchword:feed"]}}}
    production(home, {"feed.access_tokens": "true", **verifier})
    behind = {"server.trusted_proxies": "10.0.0.0/8", "server.client_certificate_header": "Client-Cert"}
    production(home, {"feed.token": None, "feed.certificates": "dns:Verifier.Internal", **behind})


@pytest.mark.parametrize(
    "name", ["verifier.internal", "dns:", "dns:*.internal", "uri:no-scheme", "x5t#S256:short", "cn:verifier", "dns:a b"]
)
def test_a_certificate_is_named_by_its_kind_and_exactly(home, name):
    behind = {"server.trusted_proxies": "10.0.0.0/8", "server.client_certificate_header": "Client-Cert"}
    with pytest.raises(SettingsError, match=r"feed\.certificates"):
        production(home, {"feed.certificates": name, **behind})


def test_what_people_are_asked_for_each_time_is_nothing_a_client_has_by_itself(home):
    kind = {"words": "Pay", "ask_always": True, "without_person": True}
    with pytest.raises(SettingsError) as refused:
        development(home, {"authorization_details": {"payment": kind}})
    assert "contradict" in refused.value.problems[0].message


@pytest.mark.parametrize("prefix", ["", "a b", "a*", "x" * 65, "line\n"])
def test_a_prefix_that_is_no_plain_name_is_refused(home, prefix):
    with pytest.raises(SettingsError, match=r"denylist\.prefix"):
        production(home, {"denylist.prefix": prefix})
