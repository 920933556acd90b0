"""Apache with Debian's mod_auth_openidc before an application: login, logout, and a logout that the server tells it of."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from process import free_port
from secure import ADA, Secure, Trust, passes
from story import PASSWORD

MODULES = Path("/usr/lib/apache2/modules")
APACHE = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin")
SECRET = "the secret of Apache, which is long enough"
PATIENCE = 30.0
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "alias", "headers", "mime", "ssl", "auth_openidc")
CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex posixsem
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:info
Listen 127.0.0.1:{port}
{modules}
{user}
TypesConfig /dev/null
SSLEngine on
SSLCertificateFile {certificate}
SSLCertificateKeyFile {key}

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret "{secret}"
OIDCRedirectURI https://localhost:{port}/private/back
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCCryptoPassphrase "of no use to anybody but this test"
OIDCCABundlePath {authority}
OIDCCacheType shm

DocumentRoot {folder}/site
<Directory {folder}/site>
    Require all granted
</Directory>
<Location /private>
    AuthType openid-connect
    Require valid-user
    Header set X-User "expr=%{{REMOTE_USER}}"
    Header set X-Subject "expr=%{{reqenv:OIDC_CLAIM_sub}}"
</Location>
"""

pytestmark = pytest.mark.skipif(
    APACHE is None or not (MODULES / "mod_auth_openidc.so").exists(),
    reason="mod_auth_openidc was NOT tried: apt-get install apache2-bin libapache2-mod-auth-openidc",
)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(start, port) -> Secure:
    client = {
        "client_id": "apache",
        "client_secret": SECRET,
        "redirect_uris": [f"https://localhost:{port}/private/back"],
        "post_logout_redirect_uris": [f"https://localhost:{port}/bye.html"],
        "backchannel_logout_uri": f"https://localhost:{port}/private/back?logout=backchannel",
        "backchannel_logout_session_required": True,  # it finds its sessions by sid alone
        "scope": "openid profile email",
    }
    running = start([client], WATCHWORD_TOKENS__ACCESS_LIFETIME="300")
    running.account = running.register()
    return running


@pytest.fixture(scope="module")
def apache(server: Secure, trust: Trust, port: int) -> Iterator[str]:
    """Its URL, once it answers."""
    # Started by root, it serves as nobody, who may look into no folder of pytest's.
    folder = Path(tempfile.mkdtemp(prefix="watchword-apache-"))
    folder.chmod(0o755)
    shutil.copy(trust.authority, folder / "ca.pem")
    for page in ("private/page.html", "bye.html"):
        file = folder / "site" / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"<title>{page}</title>")
    configuration = folder / "apache.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            issuer=server.url,
            secret=SECRET,
            authority=folder / "ca.pem",
            certificate=trust.server.certificate,
            key=trust.server.key,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED),
            user="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
        )
    )
    log = folder / "out.log"
    with log.open("wb") as told:
        process = subprocess.Popen([APACHE, "-f", str(configuration), "-DFOREGROUND"], stdout=told, stderr=told)
    url, deadline = f"https://localhost:{port}", time.monotonic() + PATIENCE
    errors = folder / "error.log"
    try:
        while True:
            try:
                if httpx.get(f"{url}/bye.html", verify=trust.context, timeout=30).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.05)
            assert process.poll() is None, log.read_text() + (errors.read_text() if errors.exists() else "")
            assert time.monotonic() < deadline, log.read_text() + errors.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


class Visitor:
    """One browser, before Apache and at the server."""

    def __init__(self, server: Secure, apache: str, http: httpx.AsyncClient) -> None:
        self.server, self.apache, self.http = server, apache, http
        self.person = server.person(http)

    async def page(self) -> httpx.Response:
        return await self.http.get(f"{self.apache}/private/page.html", headers={"Accept": "text/html"})

    async def logs_in(self) -> httpx.Response:
        """Through the pages, and back to the page that was asked for."""
        back = await passes(self.person, (await self.page()).headers["location"])
        answer = await self.http.get(back)
        assert answer.status_code == 302, answer.text
        assert urlsplit(answer.headers["location"]).path == "/private/page.html"
        return await self.page()


@pytest.fixture
async def visitor(server, apache):
    async with server.client() as http:
        yield Visitor(server, apache, http)


async def test_a_page_is_for_whoever_logged_in(visitor):
    answer = await visitor.logs_in()
    assert (answer.status_code, answer.headers["x-user"]) == (200, ADA)
    assert answer.headers["x-subject"] == visitor.server.account


async def test_a_logout_at_the_application_ends_both_sessions(visitor):
    assert (await visitor.logs_in()).status_code == 200
    to = await visitor.http.get(f"{visitor.apache}/private/back", params={"logout": f"{visitor.apache}/bye.html"})
    assert to.headers["location"].startswith(f"{visitor.server.url}/logout?")
    assert await passes(visitor.person, to.headers["location"]) == f"{visitor.apache}/bye.html"
    again = await visitor.page()
    assert again.status_code == 302
    await visitor.person.goes_to(again.headers["location"])
    assert visitor.person.sees("sign-in")


async def test_a_logout_anywhere_else_ends_the_session_at_the_application(visitor):
    """The server tells Apache over the back channel (OpenID Connect Back-Channel Logout 1.0)."""
    assert (await visitor.logs_in()).status_code == 200
    login = await visitor.http.post("/auth/login", json={"identifier": ADA, "password": PASSWORD})
    bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
    assert (await visitor.http.post("/auth/logout-all", headers=bearer)).status_code == 204
    deadline = time.monotonic() + PATIENCE
    while (await visitor.page()).status_code != 302:
        assert time.monotonic() < deadline, "Apache was not told"
        time.sleep(0.05)
