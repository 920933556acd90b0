"""The OAuth endpoints over HTTP: client credentials, refresh and introspection, against node oidc-provider in the same run.

One server process on one core, the load on the other, every answer checked; rounds of the two servers alternate. Ours keeps
everything durably in SQLite (synchronous FULL), the peer in the memory of its process. A JWT is signed by ES256.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import urllib.request
from urllib.parse import urlencode

from over_http import CORES, LOAD_CORE, PARTS, SERVER_CORE, Running, free_port, load, watchword

PEER = "oidc-provider@9"
SECRET = "wcs_" + "k" * 43
CALLBACK = "https://app.example.test/callback"
CONNECTIONS = 16
ACCOUNT = "admin@localhost"


def basic(client_id):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{SECRET}".encode()).decode()}


def clients(form):
    """The clients of the configuration, with access tokens of that form."""
    common = {"client_secret": SECRET, "access_token_format": form, "id_token_signed_response_alg": "ES256"}
    return json.dumps(
        [
            {"client_id": "robot", "grant_types": ["client_credentials"], "scope": "read", **common},
            {"client_id": "app", "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK],
             "scope": "read offline_access", **common},
        ]
    )  # fmt: skip


async def codes(environ, count):
    """Codes as the authorization endpoint would have issued them after consent."""
    from watchword_server import entropy
    from watchword_server.app import open_services
    from watchword_server.settings.load import load as load_settings
    from watchword_server.store.authorization_records import NewCode, NewSignOn
    from watchword_server.store.records import AuditEvent, Origin
    from watchword_server.tokens.terms import AuthorizationTerms

    made = []
    async with open_services(load_settings({}, environ).settings) as services:
        view = await services.accounts.find(ACCOUNT)
        event = AuditEvent(event="sign_on.started", origin=Origin(actor="benchmark"))
        for _ in range(count):
            name, code = entropy.identifier(), entropy.prefixed("wc")
            digest = hashlib.sha256(name.encode()).digest()
            ends = view.read_at + 86_400
            sign_on = NewSignOn(
                id=name, digest=digest, account_id=view.account.id, rev=view.rev, device="", place="",
                auth_time=view.read_at, amr=("pwd",), acr=None, idle_expires_at=ends, expires_at=ends,
            )  # fmt: skip
            assert await services.store.start_sign_on(sign_on, event)
            new = NewCode(
                digest=hashlib.sha256(code.encode()).digest(), client_id="app", account_id=view.account.id, sign_on=name,
                rev=view.rev, terms=AuthorizationTerms(scope=("read", "offline_access")).encode(), expires_at=ends,
            )  # fmt: skip
            assert await services.store.add_code(new)
            made.append(code)
    return made


def posted(server, path, client_id, **form):
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", urlencode(form).encode(), basic(client_id)
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Ours:
    """A server of ours and the refresh tokens that it gave out."""

    token, introspect = "/token", "/introspect"

    def __init__(self, folder, form):
        home = folder / f"ours-{form}"
        environ = {"WATCHWORD_CLIENTS": clients(form), "WATCHWORD_SCOPES": '{"read": "Read"}'}
        watchword(home, **environ).stop()
        settings = {"WATCHWORD_ENVIRONMENT": "development", "WATCHWORD_HOME": str(home), **environ}
        self.codes = asyncio.run(codes(settings, 6 * CONNECTIONS))
        self.server = watchword(home, **environ)

    def refresh_tokens(self):
        batch, self.codes = self.codes[:CONNECTIONS], self.codes[CONNECTIONS:]
        return [
            posted(self.server, self.token, "app", grant_type="authorization_code", code=code)["refresh_token"]
            for code in batch
        ]


class Peer:
    """node oidc-provider, its adapter in memory."""

    token, introspect = "/token", "/token/introspection"

    def __init__(self, modules, form):
        port = free_port()
        script = [shutil.which("node"), PARTS / "oidc_provider.mjs", str(port), form, str(6 * CONNECTIONS), modules]
        self.server = Running(script, port, {"NODE_ENV": "production"})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            self.tokens = json.load(answer)

    def refresh_tokens(self):
        batch, self.tokens = self.tokens[:CONNECTIONS], self.tokens[CONNECTIONS:]
        return batch


def installed(folder):
    """Where the peer's modules are and of what version; None without npm or network."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None, "node and npm are not here"
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", folder, PEER],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return None, "npm could not install it"
    package = json.loads((folder / "node_modules/oidc-provider/package.json").read_text())
    node = subprocess.run(
        [shutil.which("node"), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return folder / "node_modules", f"oidc-provider {package['version']} on Node {node}"


def asked(side, what):
    """The load of one call: the same question again and again, or a chain of refreshes."""
    if what == "refresh":
        return "refresh_form", {"path": side.token, "headers": basic("app"), "tokens": side.refresh_tokens()}
    form = {"grant_type": "client_credentials", "scope": "read"}
    if what == "client_credentials":
        return "form", {
            "path": side.token,
            "form": urlencode(form),
            "headers": basic("robot"),
            "wanted": "access_token",
        }
    token = posted(side.server, side.token, "robot", **form)["access_token"]
    wanted = '"active":true'
    return "form", {
        "path": side.introspect,
        "form": urlencode({"token": token}),
        "headers": basic("robot"),
        "wanted": wanted,
    }


def measured(side, what, seconds, rate=None):
    kind, spec = asked(side, what)
    return load(side.server, kind, CONNECTIONS, seconds, rate=rate, **spec)


def compare(sides, what, label, args):
    """Rounds by turns; then both at half of what each can do."""
    rounds = {name: [] for name in sides}
    for _ in range(args.rounds):
        for name, side in sides.items():
            rounds[name].append(measured(side, what, args.seconds))
    rates, cpu = {}, {}
    for name, runs in rounds.items():
        rates[name] = statistics.median(run["requests"] / run["seconds"] for run in runs)
        cpu[name] = statistics.median(run["cpu_us"] for run in runs)
        half = measured(sides[name], what, args.seconds, rate=rates[name] / 2)
        ratio = " " * 28
        if name != "ours":
            ratio = f"ours: {rates['ours'] / rates[name]:5.2f}x, by CPU {cpu[name] / cpu['ours']:5.2f}x"
        print(
            f"  {label:<30} {name:<14} {rates[name]:7.0f}/s {cpu[name]:6.0f} µs CPU  {ratio}"
            f"  p99 at half load {half['p99_ms']:6.2f} ms",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one short round")
    args = parser.parse_args()
    args.rounds, args.seconds = (1, 1.5) if args.quick else (3, 4)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        modules, peer = installed(folder / "peer")
        print(
            f"OAuth over HTTP: server on core {SERVER_CORE}, load on core {LOAD_CORE} of {len(CORES)}; the peer: {peer}"
        )
        for form in ("jwt", "opaque"):
            with contextlib.ExitStack() as stack:
                table(folder, form, modules, args, stack)


def table(folder, form, modules, args, stack):
    """All calls with access tokens of one form."""
    sides = {}
    for label, make in (("ours", Ours), ("oidc-provider", Peer)):
        if make is Ours or modules is not None:
            sides[label] = make(folder if make is Ours else folder / "peer", form)
            stack.callback(sides[label].server.stop)
    compare(sides, "client_credentials", f"client_credentials, {form}", args)
    compare(sides, "refresh", f"refresh with rotation, {form}", args)
    if form == "jwt":
        # oidc-provider keeps no record of its JWTs and does not introspect them.
        compare({"ours": sides["ours"]}, "introspection", "introspection, jwt", args)
    else:
        compare(sides, "introspection", "introspection, opaque", args)
    for label, side in sides.items():
        print(f"  memory after the load               {label:<14} {side.server.memory_mib():7.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
