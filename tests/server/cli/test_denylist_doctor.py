"""What `watchword doctor` says about the denylist."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from denylist import KeyServer
from watchword_server.app import denylist_writer, open_services
from watchword_server.settings.load import load

from .conftest import CHEAP, Run


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[KeyServer]:
    server = KeyServer("valkey", tmp_path)
    asyncio.run(server.start())
    yield server
    server.kill()


def found(watchword: Run) -> dict[str, str]:
    looked = watchword("doctor", "--json").json["findings"]
    [finding] = [finding for finding in looked if finding["name"] == "denylist"]
    return finding


async def write(home: Path, url: str) -> None:
    """As a server that ran a moment ago."""
    environ = CHEAP | {"WATCHWORD_HOME": str(home), "WATCHWORD_DENYLIST__URL": url}
    async with open_services(load({}, environ).settings, migrate=True) as services:
        writer = denylist_writer(services)
        assert writer is not None
        await writer.catch_up()


def test_without_a_denylist_nothing_is_said_of_it(watchword: Run) -> None:
    names = {finding["name"] for finding in watchword("doctor", "--json").json["findings"]}
    assert "denylist" not in names


def test_a_denylist_tells_its_position_and_age(
    watchword: Run, home: Path, valkey: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHWORD_DENYLIST__URL", valkey.url)
    assert found(watchword)["level"] == "warn"
    asyncio.run(write(home, valkey.url))
    finding = found(watchword)
    assert finding["level"] == "ok"
    assert "position 0" in finding["message"]


def test_a_denylist_that_cannot_be_reached_is_bad_and_its_password_is_not_told(
    watchword: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHWORD_DENYLIST__URL", "redis://:s3cret-s3cret@127.0.0.1:1/0")
    looked = watchword("doctor")
    assert looked.code == 1
    assert "denylist" in looked.out
    assert "s3cret" not in looked.out + looked.err


def test_a_denylist_that_may_be_evicted_is_bad(
    watchword: Run, valkey: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def shrink() -> None:
        async with valkey.client() as client:
            await client.config_set("maxmemory", "1gb")
            await client.config_set("maxmemory-policy", "volatile-ttl")

    asyncio.run(shrink())
    monkeypatch.setenv("WATCHWORD_DENYLIST__URL", valkey.url)
    assert found(watchword)["level"] == "fail"
    assert "noeviction" in found(watchword)["message"]
