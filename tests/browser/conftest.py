"""A real server, a real API and a real Chromium for the tests of this folder.

Both processes are started as `make run` starts them, on free ports, with lifetimes short enough to watch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from client_site import ClientSite
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright
from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
LIFETIME = 6
"""Seconds an access token lives in these tests."""
WINDOW = 1
"""Seconds of the rotation window."""
PATIENCE = 30_000
"""Milliseconds until an expectation is given up; nothing waits for it to pass."""
ADMIN = ("admin@localhost", "lantern-quartz-hollow-29")
NO_CHROMIUM = "NO CHROMIUM: the browser tests are skipped. Install one (apt-get install chromium) and run them again."
expect.set_options(timeout=PATIENCE)
# Chromium reports every answer of 400 and more as an error; refusals are what these tests provoke.
REFUSAL = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for found in map(shutil.which, names) if found), None)


def pytest_terminal_summary(terminalreporter) -> None:
    if chromium() is None:
        terminalreporter.write_line(f"*** {NO_CHROMIUM} ***", red=True, bold=True)


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Running:
    """Two processes that answer."""

    url: str
    api_url: str
    admin: tuple[str, str]


def wait_until_answering(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args} ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"no answer from {url}:\n{log.read_text()}")


@pytest.fixture(scope="session")
def client_site() -> Iterator[ClientSite]:
    """An application of somebody else, which sends people to the server's pages."""
    with ClientSite() as site:
        yield site


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory, client_site: ClientSite) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("watchword")
    port, api_port = free_port(), free_port()
    url, api_url = f"http://localhost:{port}", f"http://localhost:{api_port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DEMO_"))},
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_HOME": str(home),
        "WATCHWORD_PORT": str(port),
        "WATCHWORD_ISSUER": url,
        "WATCHWORD_TOKENS__ACCESS_LIFETIME": str(LIFETIME),
        "WATCHWORD_ROTATION__WINDOW": str(WINDOW),
        "WATCHWORD_PLAYGROUND__DEMO_URL": api_url,
        "WATCHWORD_FEED__TOKEN": "feed-token-of-the-browser-tests-0123456789",
        "WATCHWORD_CLIENTS": json.dumps(client_site.clients),
        "WATCHWORD_ADMIN_EMAIL": ADMIN[0],
        "WATCHWORD_ADMIN_PASSWORD": ADMIN[1],
        "DEMO_PORT": str(api_port),
        "DEMO_ISSUER": url,
        "DEMO_AUDIENCE": url,
        "DEMO_FEED_TOKEN": "feed-token-of-the-browser-tests-0123456789",
        "DEMO_ALLOWED_ORIGINS": url,
    }
    commands = (
        ("server", [sys.executable, "-m", "watchword_server.cli", "serve"], f"{url}/readyz"),
        ("api", [sys.executable, str(ROOT / "examples/demonstration/app.py")], f"{api_url}/api/posts/popular"),
    )
    processes = []
    try:
        for name, command, probe in commands:
            log = home / f"{name}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
            processes.append(process)
            wait_until_answering(process, probe, log)
        yield Running(url, api_url, ADMIN)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# One a file: as long as it lives, Playwright keeps an event loop running, in which no asynchronous test could run.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip(NO_CHROMIUM)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@dataclass
class Tab:
    """One tab of the playground, and what people do in it."""

    page: Page
    screenshots: Path
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.add_init_script(
            "window.violations = []; document.addEventListener('securitypolicyviolation',"
            " (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));"
        )

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not REFUSAL.search(message.text):
            self.complaints.append(f"{message.type}: {message.text}")

    def load(self, url: str) -> Tab:
        self.page.goto(url)
        return self.ready()

    def reload(self) -> Tab:
        self.page.reload()
        return self.ready()

    def ready(self) -> Tab:
        expect(self.page.locator("html[data-ready=yes]")).to_be_attached(timeout=PATIENCE)
        return self

    def find(self, selector: str, *, has_text: str | None = None) -> Locator:
        return self.page.locator(selector, has_text=has_text)

    def throw_away(self) -> Tab:
        """Make a throw-away account and wait until its first calls are done."""
        self.find("#throwaway").click()
        return self.logged_in()

    def log_in(self, identifier: str, password: str) -> Tab:
        self.find("#login [name=identifier]").fill(identifier)
        self.find("#login [name=password]").fill(password)
        self.find("#login [type=submit]").click()
        return self.logged_in()

    def logged_in(self) -> Tab:
        expect(self.find("#signed-in")).to_be_visible(timeout=PATIENCE)
        expect(self.find("#who-email")).not_to_have_text("…", timeout=PATIENCE)
        expect(self.find("#thread .bead.now")).to_be_visible(timeout=PATIENCE)
        expect(self.find(".sessions .tag").first).to_be_visible(timeout=PATIENCE)
        return self

    def token_state(self, state: str) -> Tab:
        expect(self.find("#token")).to_have_attribute("data-state", re.compile(state), timeout=PATIENCE)
        return self

    def claim(self, name: str) -> str:
        return self.find(f".part-payload dd:has([data-claim={name}])").evaluate("node => node.firstChild.textContent")

    def raw_token(self) -> str:
        return self.find("#raw").inner_text()

    def call(self, path: str, status: int, *, sent_with: str = "mine") -> Tab:
        self.find(f"[name=with][value={sent_with}]").check()
        button = self.find(f"button[data-path='{path}']")
        button.click()
        expect(button).not_to_have_attribute("aria-busy", "true", timeout=PATIENCE)
        expect(button.locator(".outcome")).to_have_text(str(status), timeout=PATIENCE)
        return self

    def overflows(self) -> list[str]:
        """What sticks out of the page at its right, if anything."""
        return self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
                 [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
                   .map((e) => `${e.tagName}#${e.id}.${e.className}`)"""
        )

    def screenshot(self, name: str) -> None:
        self.page.screenshot(path=self.screenshots / f"{name}.png", full_page=True)

    def checked(self) -> None:
        """Nothing was complained of: no exception, no console error, no violation of the policy."""
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == []


@dataclass
class Visitor:
    """A browser profile of its own; its tabs share cookies."""

    context: BrowserContext
    url: str
    screenshots: Path
    tabs: list[Tab] = field(default_factory=list)

    def tab(self) -> Tab:
        tab = Tab(self.context.new_page(), self.screenshots)
        tab.watch()
        self.tabs.append(tab)
        return tab.load(self.url)


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def visit(browser: Browser, running_server: Running, screenshots: Path) -> Iterator[Callable[..., Visitor]]:
    """visit(width=..., scheme="light" | "dark", ...) gives a fresh visitor; all tabs are checked for complaints."""
    visitors: list[Visitor] = []

    def visit(*, width: int = 1280, height: int = 900, scheme: str = "light", **options: object) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB", **options
        )
        context.set_default_timeout(PATIENCE)
        visitors.append(Visitor(context, f"{running_server.url}/", screenshots))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        for tab in visitor.tabs:
            if not tab.page.is_closed():
                tab.checked()
        visitor.context.close()
