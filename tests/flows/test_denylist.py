"""From a logout to a refusal by a verifier that only asks a Valkey: over each store, and in JavaScript as the page has it."""

import asyncio
import itertools
import json
import re
import shutil
import signal
from pathlib import Path

import pytest
from denylist import KeyServer, Reader, Token, following, until
from story import bearer
from watchword.jose import jws
from watchword_server.app import denylist_writer
from watchword_server.serving import asgi_app
from watchword_server.settings.load import load
from watchword_server.store import open as opening
from watchword_server.store.denylist import DriverMissing

PAGE = Path(__file__).parents[2] / "docs/how-to/denylist.md"


@pytest.fixture
async def valkey(tmp_path):
    server = KeyServer("valkey", tmp_path)
    await server.start()
    yield server
    server.kill()


def asked_about(tokens: dict) -> Token:
    token = jws.parse(tokens["access_token"])
    claims = json.loads(token.payload)
    given = {name: claims.get(name) for name in Token._fields if name not in {"kid", "made_of"}}
    return Token(**given, kid=token.header["kid"], made_of=tuple(claims.get("made_of", ())))


async def test_what_ends_on_the_server_ends_at_a_verifier_in_any_language(open_server, valkey):
    async with (
        open_server(WATCHWORD_DENYLIST__URL=valkey.url) as server,
        server.browser() as browser,
        server.browser() as other,
        valkey.client() as client,
        following(denylist_writer(server.services)),
    ):
        reader = Reader(client)

        async def says(tokens: dict, verdict: str | None) -> None:
            async def said() -> bool:
                return await reader.verdict(asked_about(tokens)) == verdict

            await until(said)

        await server.register(browser)
        first, second = await server.login(browser), await server.login(other)
        await says(first, None)
        assert (await browser.post("/auth/logout", headers=bearer(first))).status_code == 204
        await says(first, "session")
        assert await reader.verdict(asked_about(second)) is None
        assert (await other.post("/auth/logout-all", headers=bearer(second))).status_code == 204
        await says(second, "account")
        assert await reader.verdict(asked_about(await server.login(browser))) is None


async def test_without_an_address_there_is_no_denylist(open_server):
    async with open_server() as server:
        assert denylist_writer(server.services) is None


async def lifespan(settings) -> list[dict]:
    """Start the whole server and stop it again. Returns: what it said."""
    told: list[dict] = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict:
        return next(asked)

    async def send(message: dict) -> None:
        told.append(message)

    await asgi_app(settings)({"type": "lifespan"}, receive, send)
    return told


def settings_in(home: Path, url: str):
    environ = {"WATCHWORD_ENVIRONMENT": "development", "WATCHWORD_HOME": str(home), "WATCHWORD_DENYLIST__URL": url}
    cheap = {"WATCHWORD_PASSWORDS__MEMORY_KIB": "8", "WATCHWORD_PASSWORDS__TIME_COST": "1"}
    return load({}, environ | cheap).settings


async def test_a_server_starts_and_stops_while_its_valkey_is_away(tmp_path):
    told = await lifespan(settings_in(tmp_path, "redis://127.0.0.1:1/0"))
    assert [message["type"] for message in told] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_server_stops_while_its_valkey_does_not_answer(tmp_path, valkey):
    valkey.process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(30):
        told = await lifespan(settings_in(tmp_path / "home", valkey.url))
    assert told[-1]["type"] == "lifespan.shutdown.complete"


async def test_a_missing_driver_is_told_with_its_mend_before_anything_is_served(tmp_path, monkeypatch):
    def missing(*_given, **_named):
        raise DriverMissing("pip install 'watchword-server[valkey]'")

    monkeypatch.setattr("watchword_server.app.denylist_from_url", missing)
    [failed] = await lifespan(settings_in(tmp_path, "redis://127.0.0.1:1/0"))
    assert failed["type"] == "lifespan.startup.failed"
    assert "watchword-server[valkey]" in failed["message"]


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "watchword_server.store.valkey", None)
    with pytest.raises(DriverMissing, match=r"watchword-server\[valkey\]"):
        opening.denylist_from_url("redis://127.0.0.1/0", place="p", heartbeat="h")


JUDGE = """
import { cutOff } from "./denylist.mjs";
let text = "";
for await (const part of process.stdin) text += part;
const verdicts = [];
for (const { keys, claims, kid } of JSON.parse(text)) {
  const mget = async (names) => names.map((name) => keys[name] ?? null);
  verdicts.push(await cutOff(mget, claims, kid).catch(() => "fault"));
}
console.log(JSON.stringify(verdicts));
"""


async def judged_by_node(folder: Path, cases: list[dict]) -> list[str | None]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript of how-to/denylist.md was NOT tried")
    [code] = re.findall(r"```js\n// denylist\.mjs\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / "denylist.mjs").write_text(code)
    (folder / "judge.mjs").write_text(JUDGE)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, str(folder / "judge.mjs"), stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(json.dumps(cases).encode())
    assert process.returncode == 0
    return json.loads(out)


class Kept:
    """As a Valkey would hold these keys."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys

    async def mget(self, names: list[str]) -> list[str | None]:
        return [self.keys.get(name) for name in names]


async def test_the_javascript_of_the_page_decides_as_the_reference_says(tmp_path):
    lasting = {"watchword:as_of": "9;1"}
    values = ["1", "0;0;", "5;0;", "5;3;s", "5;3;other", "5;6;s", "5;0;s;t"]
    keys = [{}, lasting]
    keys += [lasting | {f"watchword:{axis}:{axis}": "1"} for axis in ("token", "session", "key")]
    for axis, value in itertools.product(
        ("account:account", "client:client", "tenant:tenant", "everything"), values[1:]
    ):
        keys.append(lasting | {f"watchword:{axis}": value})
    tokens = [
        Token("token", sid, "account", "client", tenant, "key", rev)
        for sid, tenant, rev in itertools.product(("s", "session", "s;t", None), ("tenant", None), (None, 0, 2, 3, 5))
    ]
    exchanged = [
        {"jti": "made", **told}
        for told in (
            {}, {"jti": "token"}, {"client_id": "client"}, {"sub": "account"}, {"sub": "account", "sid": "s", "rev": 4},
            {"sub": "account", "sid": "", "rev": 4}, {"tenant": "tenant"}, {"tenant": ""}, {"kid": "key"}, {"sid": "session"},
            {"sub": "account", "rev": 9},
        )
    ]  # fmt: skip
    tokens += [
        Token("other", sid, "ada", "web", None, "k1", 5, made_of=line)
        for sid, line in itertools.product(
            ("s", None), [(one,) for one in exchanged] + [tuple(exchanged[:n]) for n in (2, 5, 8)]
        )
    ]
    cases, expected = [], []
    for kept, token in itertools.product(keys, tokens):
        claims = {name: value for name, value in token._asdict().items() if value not in (None, ()) and name != "kid"}
        cases.append({"keys": kept, "claims": claims, "kid": token.kid})
        expected.append(await Reader(Kept(kept)).verdict(token))
    assert await judged_by_node(tmp_path, cases) == expected
    assert {"stale", None, "token", "session", "key", "account", "client", "tenant", "everything"} == set(expected)


@pytest.mark.parametrize("value", ["", "5", "5;0", "x;0;", "-5;0;", "5;0x;s", "nan;0;", "5 ;0;s"])
async def test_the_javascript_of_the_page_lets_nobody_in_by_a_faulty_value(tmp_path, value):
    keys = {"watchword:as_of": "9;1", "watchword:account:a": value}
    case = {"keys": keys, "claims": {"sub": "a", "sid": "s", "rev": 9}, "kid": "k"}
    assert await judged_by_node(tmp_path, [case]) == ["fault"]
