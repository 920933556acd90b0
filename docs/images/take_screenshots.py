"""Takes the pictures that README and the guides show: `python docs/images/take_screenshots.py`.

Starts the demonstration as `make run` does, on its own state, plays a scene in Chromium by day and by night, and writes
playground-light.png and playground-dark.png beside this file; then an administrator revokes before five verifiers, for
revocations.png. Needs the ports 8000 and 8001, or WATCHWORD_PORT and
DEMO_PORT, and a Chromium on PATH.
"""

# ruff: noqa: INP001, T201, TID251 - a script by itself, which prints and reads the environment

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright
from watchword.verify.feed_settings import Revocations
from watchword.verify.verifier import SyncVerifier

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDTH, HEIGHT = 1280, 1080
LARGEST = 300_000
"""Bytes a picture may have."""
GENERATIONS = 5
ADMIN = ("admin@localhost", "lantern-quartz-hollow-29")


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit("the demonstration did not start; its words are above")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - an address of ours
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit(f"no answer from {url}")


def play(page: Page, url: str, email: str) -> None:
    """Ada registers, is refused what is not hers, refreshes a few times, and ends a lost phone."""
    page.goto(url)
    page.locator("#tab-register").click()
    page.locator("#register [name=email]").fill(email)
    page.locator("#register [name=password]").fill("mosaic-harbour-tundra-61")
    page.locator("#register [type=submit]").click()
    expect(page.locator("[data-sid]")).to_be_visible()
    for generation in range(1, GENERATIONS):
        page.wait_for_timeout(1_200)  # the window of rotation; a refresh within it would stay
        page.locator("#refresh").click()
        page.locator(f"#thread .bead.now[data-generation='{generation}']").wait_for()
    for path in ("/api/posts/popular", "/api/profile", "/api/reports"):
        page.locator(f"button[data-path='{path}']").click()
        page.wait_for_timeout(200)
    page.locator("#second-device").click()
    page.locator("#device-password [name=password]").fill("mosaic-harbour-tundra-61")
    page.locator("#device-password [name=password]").press("Enter")
    device = page.locator("[data-sid]", has_text="second device")
    expect(device).to_be_visible()
    device.get_by_role("button", name="End the session").click()
    expect(page.locator("#session-result")).to_contain_text("ms later")
    page.locator("button[data-path='/api/profile']").click()
    page.locator("h1").click()
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("#ring .number")).to_have_text("47", timeout=30_000)


def take(url: str) -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme=scheme,
                locale="en-GB",
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.set_default_timeout(60_000)
            play(page, url, f"ada@{scheme}.example.test")
            keep(page, f"playground-{scheme}.png")
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, locale="en-GB", reduced_motion="reduce")
        page.set_default_timeout(90_000)
        with following(url):
            revoke(page, url)
            keep(page, "revocations.png")
        browser.close()


def keep(page: Page, name: str) -> None:
    picture = HERE / name
    page.screenshot(path=picture)
    size = picture.stat().st_size
    print(f"{picture.name}: {size / 1000:.0f} KB")
    if size > LARGEST:
        sys.exit(f"{picture.name} is larger than {LARGEST // 1000} KB")


@contextlib.contextmanager
def following(url: str) -> Iterator[None]:
    """A few more verifiers, which renew their leases at various paces."""
    issuer = url.rstrip("/")
    bounds = {"billing": (20, True), "orders": (8, True), "search": (60, False), "video-gateway": (120, True)}
    with contextlib.ExitStack() as stack:
        for name, (bound, push) in bounds.items():
            followed = Revocations(name=name, max_staleness=bound, push=push)
            verifier = SyncVerifier(issuer=issuer, audience=issuer, revocations=followed)
            stack.enter_context(verifier)
        yield


def revoke(page: Page, url: str) -> None:
    """An administrator cuts off Ada, and some verifiers have confirmed it already."""
    page.goto(f"{url}admin/revocations")
    page.locator("#login [name=identifier]").fill(ADMIN[0])
    page.locator("#login [name=password]").fill(ADMIN[1])
    page.locator("#login [type=submit]").click()
    expect(page.locator(".verifiers li")).to_have_count(5)
    expect(page.locator(".verifiers li", has_text="stream")).to_have_count(4)
    for email, cause in (("ada@light.example.test", "lost laptop"), ("ada@dark.example.test", "left the company")):
        page.locator("#cut [name=value]").fill(email)
        page.locator("#cut [name=cause]").fill(cause)
        expect(page.locator("#preview strong")).to_contain_text("session")
        page.locator("#cut [type=submit]").click()
        page.locator("#confirm-yes").click()
        expect(page.locator("#log li").first).to_contain_text(cause)
    page.locator("#cut [name=value]").fill("admin@localhost")
    expect(page.locator("#preview")).to_contain_text("Your own login")
    expect(page.locator(".verifiers li[data-state=fresh]")).not_to_have_count(0)
    expect(page.locator(".verifiers li[data-state=stale]")).to_have_count(0)


def main() -> None:
    port = os.environ.get("WATCHWORD_PORT", "8000")
    url = f"http://localhost:{port}/"
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "WATCHWORD_HOME": home,
            "WATCHWORD_ROTATION__WINDOW": "1",
            "WATCHWORD_LOG__REQUESTS": "false",
            "WATCHWORD_ADMIN_EMAIL": ADMIN[0],
            "WATCHWORD_ADMIN_PASSWORD": ADMIN[1],
        }
        command = [sys.executable, str(ROOT / "examples/demonstration/run.py")]
        process = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: S603 - a command of ours
        try:
            wait_for(url, process)
            wait_for(f"http://localhost:{os.environ.get('DEMO_PORT', '8001')}/api/posts/popular", process)
            take(url)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


if __name__ == "__main__":
    main()
