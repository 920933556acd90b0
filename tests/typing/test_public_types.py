"""The types users see: complete, and right in the places people will write."""

import json
import os
import subprocess
import sys
from pathlib import Path

USES = """
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Security
from typing_extensions import assert_type
from watchword import AccessToken, Health, Revocations, SyncVerifier, TokenRejected, Verifier, Transport, HttpTransport
from watchword import RejectionReason, KeySet, Clock, system_clock
from watchword.adapters.fastapi import BearerAuth
from watchword.adapters.starlette import BearerBackend
from watchword.testing import FakeClock, FakeIssuer

transport: Transport = HttpTransport()
clock: Clock = FakeClock()
clock = system_clock
verifier = Verifier("https://as.example", "api", revocations=Revocations(token="x"), transport=transport)
auth = BearerAuth(verifier)
backend = BearerBackend(verifier, realm="api")


async def asynchronous(raw: str) -> None:
    assert_type(await verifier.verify(raw, scopes=["a"]), AccessToken)
    assert_type(verifier.verify_now(raw), AccessToken)
    async with verifier as entered:
        assert_type(entered, Verifier)
        assert_type(await entered.start(), Health)


def synchronous(raw: str) -> str | None:
    with SyncVerifier("https://as.example", ["api", "reports"]) as sync:
        try:
            token = sync.verify(raw)
        except TokenRejected as error:
            assert_type(error.reason, RejectionReason)
            return None
    assert_type(token.scope, frozenset[str])
    assert_type(token.aud, tuple[str, ...])
    return token.tenant


app = FastAPI()


@app.get("/")
def route(
    token: Annotated[AccessToken, Security(auth, scopes=["a"])],
    maybe: Annotated[AccessToken | None, Security(auth.optional)],
    admin: Annotated[AccessToken, Depends(auth.roles("admin"))],
) -> str:
    return token.sub


def endpoint(request: object, count: int = 1) -> str:
    return ""


assert_type(backend.require(scopes=["a"])(endpoint)(object(), count=2), str)
issuer = FakeIssuer(clock=FakeClock())
assert_type(issuer.token("ada", roles=["admin"], plan="x"), str)
assert_type(issuer.verifier(), Verifier)
"""

MISUSES = [
    'Verifier("https://as.example")',
    'Verifier("https://as.example", "api", leeway="10")',
    'Verifier("https://as.example", "api", revocations="https://as.example/revocations")',
    'Revocations(when_stale="ignore")',
    'Verifier("https://as.example", "api").verify_now(b"raw")',
    "AccessToken()",
]


def mypy(path, source):
    path.write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", str(path.parent / "cache")]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, check=False, cwd=path.parent)


def test_everyday_uses_are_typed(tmp_path):
    checked = mypy(tmp_path / "uses.py", USES)
    assert checked.returncode == 0, checked.stdout


def test_misuses_are_caught_before_they_run(tmp_path):
    imports = "from watchword import AccessToken, Revocations, Verifier\n"
    checked = mypy(tmp_path / "misuses.py", imports + "\n".join(MISUSES) + "\n")
    lines = {int(line.split(":")[1]) for line in checked.stdout.splitlines() if ": error:" in line}
    assert lines == set(range(2, 2 + len(MISUSES))), checked.stdout


def test_every_public_name_has_a_known_type():
    scripts = str(Path(sys.executable).parent)
    checked = subprocess.run(
        [f"{scripts}/basedpyright", "--verifytypes", "watchword", "--ignoreexternal", "--outputjson"],
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(checked.stdout)["typeCompleteness"]
    assert report["exportedSymbolCounts"]["withKnownType"] > 500
    assert report["exportedSymbolCounts"]["withUnknownType"] == 0
    assert report["completenessScore"] > 0.98
