"""oidc-client-ts in Chromium: an application without a server of its own, on another site than the authorization server."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, Page, expect, sync_playwright
from secure import ADA, Secure, Trust
from story import PASSWORD

pytestmark = pytest.mark.browser
PATIENCE = 60_000
"""Milliseconds until an expectation is given up."""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGE = """<!doctype html><title>app</title><p id="state">loading</p>
<script src="/oidc-client-ts.min.js"></script>
<script>
const manager = new oidc.UserManager({
  authority: "ISSUER", client_id: "spa", redirect_uri: location.origin + "/back",
  silent_redirect_uri: location.origin + "/silent", post_logout_redirect_uri: location.origin + "/bye",
  scope: "openid profile email", loadUserInfo: true, silentRequestTimeoutInSeconds: 8,
});
const tell = (text) => { document.getElementById("state").textContent = text };
(async () => {
  if (location.pathname === "/silent") return manager.signinSilentCallback();
  if (location.pathname === "/back") await manager.signinRedirectCallback();
  if (location.pathname === "/bye") { await manager.signoutRedirectCallback(); await manager.removeUser(); }
  const user = await manager.getUser();
  tell(user ? "signed in: " + user.profile.email : "signed out");
})().catch((fault) => tell("fault: " + fault));
</script>"""


class Site(ThreadingHTTPServer):
    """Serves the application: one page, and the library."""

    daemon_threads = True

    def __init__(self, trust: Trust) -> None:
        super().__init__(("127.0.0.1", 0), _Serving)
        self.socket = trust.serving.wrap_socket(self.socket, server_side=True)
        self.issuer, self.library = "", b""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Another site than localhost, as browsers see it: no cookie of the server's goes with its requests."""
        return f"https://127.0.0.1:{self.server_address[1]}"


class _Serving(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        script = urlsplit(self.path).path == "/oidc-client-ts.min.js"
        body = self.server.library if script else PAGE.replace("ISSUER", self.server.issuer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture(scope="module")
def site(trust, npm_packages) -> Iterator[Site]:
    serving = Site(trust)
    serving.library = (npm_packages / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js").read_bytes()
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def server(start, site) -> Secure:
    client = {
        "client_id": "spa",
        "client_name": "An app in the browser",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [f"{site.url}/back", f"{site.url}/silent"],
        "post_logout_redirect_uris": [f"{site.url}/bye"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email",
        "id_token_signed_response_alg": "ES256",
    }
    running = start([client], WATCHWORD_TOKENS__ACCESS_LIFETIME="300")
    running.account = running.register()
    site.issuer = running.url
    return running


@pytest.fixture(scope="module")
def browser(trust) -> Iterator[Browser]:
    """Chromium, which believes the certificate of these tests and no other that it does not know."""
    if CHROMIUM is None:
        pytest.skip("oidc-client-ts was NOT tried: install Chromium (apt-get install chromium)")
    certificate = x509.load_pem_x509_certificate(trust.server.certificate.read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    arguments = [f"--ignore-certificate-errors-spki-list={pin}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def app(browser, server, site) -> Iterator[Page]:
    """The application, after somebody signed in by it."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(site.url)
    expect(page.locator("#state")).to_have_text("signed out", timeout=PATIENCE)
    page.evaluate("void manager.signinRedirect()")
    page.fill("#identifier", ADA)
    page.fill("#password", PASSWORD)
    page.click("#sign-in")
    if page.locator("#allow").or_(page.locator("#state")).first.get_attribute("id") == "allow":
        page.click("#allow")
    expect(page.locator("#state")).to_have_text(f"signed in: {ADA}", timeout=PATIENCE)
    yield page
    context.close()


def tokens(app: Page) -> dict[str, str]:
    return app.evaluate("manager.getUser()")


def test_a_person_signs_in_and_the_token_is_renewed_in_silence(app, server):
    first = tokens(app)
    assert first["profile"]["sub"] == server.account
    assert first["profile"]["email"] == ADA, "from /userinfo, over origins"
    app.evaluate("manager.signinSilent()")
    second = tokens(app)
    assert second["access_token"] != first["access_token"]
    assert second["profile"]["sub"] == server.account
    assert urlsplit(app.url).path == "/back", "no page was left for it"


def test_without_a_refresh_token_a_frame_is_told_to_log_in(app):
    """Cookies of the server do not go into frames of other sites, so nobody is signed in there; the app is told so."""
    told = app.evaluate("""async () => {
      const user = await manager.getUser();
      delete user.refresh_token;
      await manager.storeUser(user);
      return manager.signinSilent().then(() => "signed in", (fault) => fault.error ?? String(fault));
    }""")
    assert told == "login_required"


def test_attack_clickjacking_a_page_of_the_server_shows_in_no_frame(app, server, site):
    request = app.evaluate("""async () => {
      const client = new oidc.OidcClient(manager.settings);
      return (await client.createSigninRequest({})).url;
    }""")
    app.evaluate("""(url) => {
      const frame = document.createElement("iframe");
      frame.id = "trap"; frame.src = url;
      return new Promise((resolve) => { frame.onload = resolve; document.body.append(frame); });
    }""", request)  # fmt: skip
    trap = app.frame_locator("#trap")
    assert trap.locator("#identifier").count() == 0
    assert trap.locator("#allow").count() == 0
    assert app.frames[-1].url.startswith("chrome-error:"), "by frame-ancestors; it would be the login page"


def test_tokens_are_revoked_from_the_browser(app, server):
    before = tokens(app)
    app.evaluate("manager.revokeTokens()")
    assert not tokens(app).get("refresh_token")
    told = app.evaluate(
        """async ([issuer, token]) => {
          const form = new URLSearchParams({grant_type: "refresh_token", client_id: "spa", refresh_token: token});
          return (await (await fetch(issuer + "/token", {method: "POST", body: form})).json()).error;
        }""",
        [server.url, before["refresh_token"]],
    )
    assert told == "invalid_grant"


def test_a_logout_leads_through_the_server_and_back(app, site):
    app.evaluate("void manager.signoutRedirect()")
    expect(app.locator("#state")).to_have_text("signed out", timeout=PATIENCE)
    assert urlsplit(app.url).path == "/bye"
    app.evaluate("void manager.signinRedirect()")
    expect(app.locator("#identifier")).to_be_visible(timeout=PATIENCE)
