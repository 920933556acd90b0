"""The services of docs/how-to/denylist.md, as they stand there: Express with jose in Node, net/http with go-jose in Go.

Each runs beside a real server and a real Valkey, and is logged out under, robbed of its Valkey, and lied to.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from denylist import Impostor, KeyServer
from process import Process, free_port
from revoking import Account, until
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword_server.store.log import ABSOLUTE_AXES

PAGE = Path(__file__).parents[2] / "docs/how-to/denylist.md"
NPM = {"express": "5.1.0", "jose": "6.1.0", "redis": "6.3.1"}
OLDER_NPM = NPM | {"redis": "5.8.3"}
"""With a node-redis that takes a connection for a living one that died while it was greeted."""
GO = """module orders

go 1.24

require (
	github.com/go-jose/go-jose/v4 v4.1.3
	github.com/redis/go-redis/v9 v9.14.1
)
"""
SECRET = "a secret of these tests, long enough"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ROBOT = {
    "client_id": "robot",
    "client_secret": SECRET,
    "grant_types": ["client_credentials", EXCHANGE],
    "exchange": True,
}
BUILD_SECONDS = 300
STALENESS = 5
"""The least that `denylist.max_staleness` may be."""

pytestmark = pytest.mark.timeout(2 * BUILD_SECONDS)


def piece(language: str, name: str) -> str:
    """A file of the page."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(rf"```{language}\n(// {re.escape(name)}\n)?(.*?)```", text, re.DOTALL)
    [code] = [body for title, body in blocks if title]
    return code


def run_or_skip(command: list[str], folder: Path, what: str) -> None:
    """Fetch or build; a machine without a network skips, and says what was not tried."""
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what} of how-to/denylist.md was NOT tried: {command[0]} fetched nothing in time")
    if ran.returncode != 0 and re.search(
        r"ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|dial tcp|no such host", ran.stderr
    ):
        pytest.skip(f"{what} of how-to/denylist.md was NOT tried: its packages cannot be fetched here")
    assert ran.returncode == 0, ran.stderr


def express_service(folder: Path, packages: dict[str, str]) -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node is not installed: the Express service of how-to/denylist.md was NOT tried")
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": packages}))
    run_or_skip([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder, "The Express service")
    for name in ("denylist.mjs", "valkey.mjs", "server.mjs"):
        (folder / name).write_text(piece("js", name))
    return [node, str(folder / "server.mjs")]


@pytest.fixture(scope="module")
def node_service(tmp_path_factory) -> list[str]:
    return express_service(tmp_path_factory.mktemp("node"), NPM)


@pytest.fixture(scope="module")
def older_node_service(tmp_path_factory) -> list[str]:
    return express_service(tmp_path_factory.mktemp("older_node"), OLDER_NPM)


@pytest.fixture(scope="module")
def go_service(tmp_path_factory) -> list[str]:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed: the Go service of how-to/denylist.md was NOT tried")
    folder = tmp_path_factory.mktemp("go")
    (folder / "go.mod").write_text(GO)
    for name in ("denylist.go", "main.go"):
        (folder / name).write_text(piece("go", name))
    run_or_skip([go, "mod", "tidy"], folder, "The Go service")
    run_or_skip([go, "vet", "./..."], folder, "The Go service")
    run_or_skip([go, "build", "-o", "orders", "."], folder, "The Go service")
    return [str(folder / "orders")]


class World:
    """A server, its Valkey, and the page's service between which and a caller nobody stands."""

    def __init__(self, server: Process, valkey: KeyServer, port: int) -> None:
        self.server, self.valkey, self.port = server, valkey, port

    def ask(self, authorization: str | None) -> httpx.Response:
        headers = {} if authorization is None else {"Authorization": authorization}
        return httpx.get(f"http://127.0.0.1:{self.port}/orders", headers=headers, timeout=60)

    def status(self, raw: str) -> int:
        return self.ask(f"Bearer {raw}").status_code


@contextlib.contextmanager
def serving(command: list[str], server: Process, valkey: KeyServer, log: Path) -> Iterator[World]:
    port = free_port()
    environ = {"ISSUER": server.url, "AUDIENCE": server.url, "DENYLIST_URL": valkey.url, "PORT": str(port)}
    with log.open("ab") as told:
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=told, stderr=told)
    world = World(server, valkey, port)

    def listening() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            return world.ask(None).status_code == 401
        return False

    try:
        until(listening)
        yield world
        assert process.poll() is None, f"the service died: {log.read_text()}"
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture(params=["node", "go"])
async def world(request, tmp_path):
    command = request.getfixturevalue(f"{request.param}_service")
    valkey = KeyServer("valkey", tmp_path)
    await valkey.start()
    environ = {
        "WATCHWORD_DENYLIST__URL": valkey.url,
        "WATCHWORD_DENYLIST__MAX_STALENESS": str(STALENESS),
        "WATCHWORD_CLIENTS": json.dumps([ROBOT]),
    }
    server = Process(tmp_path / "home", **environ)
    try:
        with serving(command, server, valkey, tmp_path / "service.log") as world:
            yield world
    finally:
        server.kill()
        valkey.kill()


async def test_a_logout_is_refused_and_who_did_not_log_out_is_served(world):
    ada, ben = Account(world.server), Account(world.server)
    here, there, bens = ada.login(), ada.login(), ben.login()
    for raw in (here, there, bens):
        answer = world.ask(f"Bearer {raw}")
        assert (answer.status_code, answer.json()["orders"]) == (200, [])
    ada.logout(here)
    until(lambda: world.status(here) == 401)
    assert (world.status(there), world.status(bens)) == (200, 200)
    assert ada.client.post("/auth/logout-all", headers={"Authorization": f"Bearer {there}"}).status_code == 204
    until(lambda: world.status(there) == 401)
    assert (world.status(ada.login()), world.status(bens)) == (200, 200), "a later login and a stranger live on"
    assert 'error="invalid_token"' in world.ask(f"Bearer {there}").headers["www-authenticate"]


EVERY = ["node", pytest.param("older_node", marks=pytest.mark.soak), "go"]


@pytest.mark.parametrize("world", EVERY, indirect=True)
async def test_without_its_valkey_nobody_is_served_and_with_an_empty_one_the_dead_stay_dead(world):
    account = Account(world.server)
    dead, alive = account.login(), account.login()
    account.logout(dead)
    until(lambda: world.status(dead) == 401)
    world.valkey.kill()
    answers = [world.ask(f"Bearer {raw}") for raw in (dead, alive)]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "1"
    await world.valkey.start()
    verdicts = set()

    def told() -> bool:
        verdicts.add(world.status(dead))
        return world.status(alive) == 200

    # Server and service come back to it at paces of their own, which grow while it is away.
    until(told, 90)
    assert world.status(dead) == 401
    assert verdicts <= {401, 503}, "never let in while the keys were being filled"


@pytest.mark.parametrize("world", EVERY, indirect=True)
@pytest.mark.parametrize(("says", "hangs_up"), [(b"", True), (b"+OK\r\n", False)], ids=["hangs up", "falls silent"])
async def test_who_stood_in_its_valkeys_place_keeps_it_from_nothing(world, says, hangs_up):
    raw = Account(world.server).login()
    assert world.status(raw) == 200
    world.valkey.kill()
    with Impostor(world.valkey.port, says, hangs_up=hangs_up) as impostor:

        def tried_again() -> bool:
            assert world.status(raw) == 503
            return sum(b"redis-py" not in greeting for greeting in impostor.greetings) >= 2

        until(tried_again, 60)
        impostor.leave()
        await world.valkey.start()
        until(lambda: world.status(raw) == 200, 90)


async def test_when_the_server_is_gone_its_word_grows_old(world):
    raw = Account(world.server).login()
    assert world.status(raw) == 200
    world.server.kill()
    gone = served = time.monotonic()

    def refused() -> bool:
        nonlocal served
        began = time.monotonic()
        status = world.status(raw)
        served = began if status == 200 else served
        return status == 503

    until(refused, 60)
    assert served - gone < STALENESS + 1


async def test_what_a_token_was_exchanged_for_takes_it_along(world):
    def given(**form: str) -> str:
        answer = httpx.post(f"{world.server.url}/token", data=form, auth=("robot", SECRET), timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def exchanged(raw: str) -> str:
        access = "urn:ietf:params:oauth:token-type:access_token"
        return given(grant_type=EXCHANGE, subject_token=raw, subject_token_type=access)

    revoked, kept = (given(grant_type="client_credentials") for _ in range(2))
    made, again, others = exchanged(revoked), exchanged(exchanged(revoked)), exchanged(kept)
    assert [world.status(raw) for raw in (revoked, made, again, others)] == [200] * 4
    answer = httpx.post(f"{world.server.url}/revoke", data={"token": revoked}, auth=("robot", SECRET), timeout=30)
    assert answer.status_code == 200, answer.text
    until(lambda: world.status(revoked) == 401)
    assert [world.status(raw) for raw in (made, again, others)] == [401, 401, 200]


def altered(raw: str, **header: str) -> str:
    """The token with another header, its payload as it is and its signature kept."""
    head, payload, signature = raw.split(".")
    members = json.loads(base64.urlsafe_b64decode(head + "==")) | header
    head = base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}.{signature}"


def forged(raw: str, typ: str = "at+jwt") -> str:
    """The token's payload under the server's `kid`, signed by a stranger."""
    head, payload, _ = raw.split(".")
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    return Signer(Key.generate("ES256", kid), typ=typ).sign(base64.urlsafe_b64decode(payload + "=="))


async def test_what_is_no_token_of_this_server_is_refused_and_breaks_nothing(world):
    raw = Account(world.server).login()
    head, payload, signature = raw.split(".")
    id_like = altered(raw, typ="JWT")
    garbage = [
        "x", "..", f"{head}.{payload}.", f"{head}.{payload}", f"{head}..{signature}", "A" * 6000, f"{raw}.{signature}",
        altered(raw, alg="none"), altered(raw, alg="HS256"), id_like, forged(raw), forged(raw, "JWT"),
        altered(raw, kid="unknown"),
    ]  # fmt: skip
    assert [world.status(one) for one in garbage] == [401] * len(garbage)
    for authorization in (None, "", "Bearer", f"Basic {raw}", raw, f"Bearer  {raw} {raw}"):
        assert world.ask(authorization).status_code == 401
    assert world.status(raw) == 200


async def test_a_value_that_is_none_lets_nobody_in(world):
    raw = Account(world.server).login()
    claims = json.loads(base64.urlsafe_b64decode(raw.split(".")[1] + "=="))
    async with world.valkey.client() as client:
        await client.set(f"watchword:account:{claims['sub']}", "no position")
    assert "account" not in ABSOLUTE_AXES
    assert world.status(raw) == 503
