"""A whole server in this process, over each store, with a clock that the test moves."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from oauth_story import OAuth
from page_story import Person
from road import Road
from story import Server
from watchword.testing import FakeClock
from watchword_server.app import open_services
from watchword_server.endpoints.health import Health
from watchword_server.serving import http_app
from watchword_server.settings.load import load


@pytest.fixture(params=["sqlite", "postgres"])
async def server(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Server]:
    async with opened(request, tmp_path, {}) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def open_server(request: pytest.FixtureRequest, tmp_path):
    """``async with open_server(WATCHWORD_TOKENS__LEEWAY="300") as server``: one with settings of the test's own."""

    def opening(**environ: str) -> contextlib.AbstractAsyncContextManager[Server]:
        return opened(request, tmp_path, environ)

    return opening


@pytest.fixture
def environ() -> dict[str, str]:
    """The settings of the server behind `oauth`; a module that wants others has a fixture of this name."""
    return {}


@pytest.fixture
async def oauth(open_server, environ: dict[str, str]) -> AsyncIterator[OAuth]:
    async with open_server(**environ) as server, server.browser() as http:
        yield OAuth(server, http)


@pytest.fixture
async def ada(oauth: OAuth) -> Person:
    """Ada, registered, not signed in."""
    await oauth.account()
    oauth.http.cookies.clear()
    return Person(oauth.http)


@pytest.fixture
def road(server):
    """The way to the server, which the test can cut and slow; of modules whose ``server`` is a process."""
    road = Road(server.port)
    yield road
    road.close()


@contextlib.asynccontextmanager
async def opened(request: pytest.FixtureRequest, tmp_path, environ: dict[str, str]) -> AsyncIterator[Server]:
    settings_environ = {
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_HOME": str(tmp_path / "home"),
        "WATCHWORD_PASSWORDS__MEMORY_KIB": "8",
        "WATCHWORD_PASSWORDS__TIME_COST": "1",
        "WATCHWORD_FEED__TOKEN": "feed-token-of-the-tests",
        # Passwords are hashed at low priority, and a machine of tests is busy.
        "WATCHWORD_SERVER__REQUEST_TIMEOUT": "120",
        **environ,
    }
    if getattr(request, "param", "sqlite") == "postgres":
        settings_environ["WATCHWORD_STORE__URL"] = request.getfixturevalue("migrated_postgres_dsn")
    settings = load({}, settings_environ).settings
    clock = FakeClock()
    async with open_services(settings, clock=clock, migrate=True) as services:
        health = Health(services.store.ping, services.metrics, token=None, open_metrics=True)
        yield Server(services, clock, http_app(services, health))
