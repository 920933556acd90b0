"""What the checker says, in whose name a request passes, and what it waits for."""

from __future__ import annotations

import asyncio
import socket

import pytest
from watchword import Verifier
from watchword.edge import Answer, Checker, InsideTokens, Told, serve
from watchword.edge.question import Question
from watchword.jose import Key, KeySet
from watchword.signedurl import MemorySingleUse, SignedUrls
from watchword.verify.check import check_access_token
from watchword.verify.credentials import ClientSecret
from watchword.verify.introspection import Introspection
from watchword.verify.policy import Policy
from watchword.verify.revocation import CutOff, RevocationView

ORIGIN = "https://media.example.com"


@pytest.fixture
def urls(clock, issuer):
    key = Key.generate("HS256", kid="k1")
    return SignedUrls(key, origin=ORIGIN, clock=clock, cut_offs=issuer.view, single_use=MemorySingleUse(clock=clock))


@pytest.fixture
def inside(clock):
    return InsideTokens(Key.generate("ES256"), issuer="https://edge.test", audience="inside", clock=clock)


@pytest.fixture
def checker(issuer, urls, inside):
    return Checker(issuer.verifier(), urls, inside)


def asking(check, *, target="/a", method="GET", token=None, host="media.example.com", **asked):
    authorization = () if token is None else (f"Bearer {token}",)
    return Question(check, asked, method, target, host, "192.0.2.7", authorization, None, None)


def told(answer: Answer, name: str) -> str:
    return dict(answer.headers)[name]


def test_a_good_token_passes_in_its_name(checker, issuer):
    answer = checker.answer_now(asking("/token", token=issuer.token("ada lovelace\u00e9", scope="b a", roles=["x"])))
    assert answer.status == 200
    assert told(answer, "X-Watchword-Subject") == "ada%20lovelace%C3%A9"
    assert told(answer, "X-Watchword-Scope") == "a b"
    assert told(answer, "X-Watchword-Roles") == "x"


def test_a_comma_in_a_role_does_not_make_another_role_of_it(checker, issuer):
    answer = checker.answer_now(asking("/token", token=issuer.token(roles=["guest,admin", "caf\u00e9"])))
    assert told(answer, "X-Watchword-Roles") == "guest%2Cadmin,caf%C3%A9"


@pytest.mark.parametrize(
    ("asked", "status"), [({"scope": ("a",)}, 200), ({"scope": ("a", "c")}, 403), ({"role": ("admin",)}, 403)]
)
def test_what_the_configuration_asks_for_is_asked_for(checker, issuer, asked, status):
    assert checker.answer_now(asking("/token", token=issuer.token(scope="a b"), **asked)).status == status


def test_without_a_token_comes_the_challenge_and_a_link_is_none(checker, urls):
    nobody = checker.answer_now(asking("/token", target=urls.sign("/a", 60)[len(ORIGIN) :]))
    assert (nobody.status, told(nobody, "WWW-Authenticate")) == (401, "Bearer")


def test_either_takes_a_link_where_there_is_no_token_and_never_both_ways(checker, issuer, urls):
    target = urls.sign("/a", 60)[len(ORIGIN) :]
    assert checker.answer_now(asking("/either", target=target)).status == 200
    assert checker.answer_now(asking("/either", token=issuer.token())).status == 200
    assert checker.answer_now(asking("/either", target=target, token="nonsense")).status == 401
    assert checker.answer_now(asking("/either")).status == 403


def test_a_link_passes_with_the_path_to_serve(checker, urls):
    target = urls.sign("/films/1/a.m4s", 60, prefix="/films/1/")[len(ORIGIN) :]
    answer = checker.answer_now(asking("/url", target=target))
    assert (answer.status, told(answer, "X-Watchword-Path")) == (200, "/films/1/a.m4s")
    # A link of nobody overwrites whatever name a client may have sent.
    assert told(answer, "X-Watchword-Subject") == ""


def test_cut_offs_are_honoured_for_both(checker, issuer, urls):
    raw = issuer.token("ada")
    link = urls.sign("/a", 60, session=issuer.verifier().verify_now(raw))[len(ORIGIN) :]
    assert checker.answer_now(asking("/token", token=raw)).status == 200
    assert checker.answer_now(asking("/url", target=link)).status == 200
    issuer.cut_off("session", "session-ada")
    assert checker.answer_now(asking("/token", token=raw)).status == 401
    assert checker.answer_now(asking("/url", target=link)).status == 403


async def test_keys_that_must_be_fetched_are_waited_for(issuer, urls, clock):
    async with Verifier(issuer.issuer, issuer.audience, transport=issuer.transport, clock=clock) as verifier:
        checker = Checker(verifier, urls)
        assert checker.answer_now(asking("/token", token=issuer.token())).status == 200
        issuer.rotate()
        clock.advance(20)
        question = asking("/token", token=issuer.token())
        assert checker.answer_now(question) is None
        assert (await checker.answer(question)).status == 200


async def test_one_use_is_waited_for_and_counted(checker, urls):
    question = asking("/url", target=urls.sign("/a", 60, once=True)[len(ORIGIN) :])
    assert checker.answer_now(question) is None
    assert [(await checker.answer(question)).status for _ in range(2)] == [200, 403]


def test_inside_tokens_live_no_longer_than_the_token_outside(checker, issuer, inside, clock):
    short = issuer.token("ada", exp=int(clock.now()) + 10, scope="a")
    answer = checker.answer_now(asking("/inside", token=short))
    raw = told(answer, "X-Watchword-Token").removeprefix("Bearer ")
    keys = KeySet.from_json(checker.answer_now(asking("/jwks.json")).body)
    token = check_access_token(raw, keys, Policy("https://edge.test", "inside"), clock.now())
    assert (token.exp, token.scope, token.sid) == (clock.now() + 10, {"a"}, "session-ada")


@pytest.mark.parametrize(
    ("axis", "value"),
    [("token", "outside"), ("token", "first"), ("client", "shop"), ("session", "agents"), ("account", "eve")],
)
def test_what_cuts_off_the_token_outside_cuts_off_the_one_inside(checker, issuer, inside, clock, axis, value):
    made_of = [{"jti": "first", "client_id": "shop"}, {"jti": "acting", "sub": "eve", "sid": "agents", "tenant": ""}]
    raw = issuer.token("ada", jti="outside", client_id="orders", made_of=made_of)
    told_inside = told(checker.answer_now(asking("/inside", token=raw)), "X-Watchword-Token").removeprefix("Bearer ")
    keys = KeySet.from_json(inside.jwks)
    token = check_access_token(told_inside, keys, Policy("https://edge.test", "inside"), clock.now())
    outside = issuer.verifier().verify_now(raw)
    assert [(one.jti, one.sub, one.client_id, one.sid, one.kid, one.rev) for one in token.made_of] == [
        (one.jti, one.sub, one.client_id, one.sid, one.kid, one.rev) for one in (outside, *outside.made_of)
    ]
    view = RevocationView(clock=clock)
    assert view.kills(token) is None
    view.apply([CutOff(99, axis, value, 60.0)])
    assert view.kills(token) == axis


@pytest.mark.parametrize("check", ["/", "/other", "/token/", "", "/inside/../token"])
def test_what_is_no_check_lets_nobody_pass(checker, check):
    assert checker.answer_now(asking(check)).status == 404


def test_what_it_cannot_judge_it_refuses(issuer, urls, inside):
    assert (
        Checker(issuer.verifier()).answer_now(asking("/url", target=urls.sign("/a", 60)[len(ORIGIN) :])).status == 403
    )
    assert Checker(urls=urls).answer_now(asking("/token", token=issuer.token())).status == 401
    assert Checker(issuer.verifier()).answer_now(asking("/inside", token=issuer.token())).status == 404
    with pytest.raises(ValueError, match="verifier"):
        Checker()
    with pytest.raises(ValueError, match="private key"):
        InsideTokens(Key.generate("HS256", kid="a"), issuer="https://e", audience="a")


class Proxy:
    """A connection to a checker, as a proxy holds one."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, text: str) -> None:
        self.writer.write(text.encode("latin-1"))
        await self.writer.drain()

    async def status(self) -> int:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)
        return int(head.split()[1])

    async def closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 60) == b""


@pytest.fixture
async def proxy(checker):
    async with serve(checker, "127.0.0.1:0", Told.NGINX) as where:
        reader, writer = await asyncio.open_connection(*where.rsplit(":", 1))
        yield Proxy(reader, writer)
        writer.close()


def head(urls, path="/a", **bindings):
    target = urls.sign(path, 60, **bindings)[len(ORIGIN) :]
    return f"GET /url HTTP/1.1\r\nX-Original-Method: GET\r\nX-Original-URI: {target}\r\n\r\n"


async def test_questions_on_one_connection_are_answered_in_their_order(proxy, urls):
    once = head(urls, once=True)
    await proxy.send(once + "GET /url HTTP/1.1\r\n\r\n" + head(urls) + once)
    assert [await proxy.status() for _ in range(4)] == [200, 403, 200, 403]


async def test_a_question_in_pieces_is_one(proxy, urls):
    for piece in head(urls).split("\r\n"):
        await proxy.send(piece if piece == "" else f"{piece}\r\n")
    await proxy.send("\r\n")
    assert await proxy.status() == 200


@pytest.mark.parametrize("nonsense", ["x" * 40_000, "GET\r\n\r\n", "\r\n\r\n", "\x00\r\n\r\n"])
async def test_nonsense_is_refused_and_the_connection_closed(proxy, nonsense):
    await proxy.send(nonsense)
    assert await proxy.status() in {400, 431}
    assert await proxy.closed()


async def test_a_body_is_not_taken_for_the_next_question(proxy, urls):
    smuggled = head(urls)
    await proxy.send(f"GET /url HTTP/1.1\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}")
    assert await proxy.status() == 403
    assert await proxy.closed()


async def test_a_socket_in_the_file_system_is_for_owner_and_group_and_taken_over_from_the_dead(checker, tmp_path):
    path = tmp_path / "edge.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    async with serve(checker, f"unix:{path}"):
        assert path.stat().st_mode & 0o777 == 0o770
        with pytest.raises(OSError, match="listens"):
            async with serve(checker, f"unix:{path}"):
                pass
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(OSError, match="no socket"):
        async with serve(checker, f"unix:{path}"):
            pass
    assert path.read_text() == "mine"


async def test_a_phantom_token_is_opaque_outside_and_a_jwt_inside(issuer, inside, clock):
    secret = Introspection(ClientSecret("edge", "secret"))
    async with issuer.verifier(introspection=secret) as verifier:
        checker = Checker(verifier, inside=inside)
        question = asking("/inside", token=issuer.opaque_token("grace", scope="reports:read"))
        # Nothing is known of it yet: the first question is waited for, the next are not.
        assert checker.answer_now(question) is None
        answer = await checker.answer(question)
        raw = told(answer, "X-Watchword-Token").removeprefix("Bearer ")
        token = check_access_token(
            raw, KeySet.from_json(inside.jwks), Policy("https://edge.test", "inside"), clock.now()
        )
        assert (token.sub, token.scope) == ("grace", {"reports:read"})
        assert checker.answer_now(question).status == 200
        issuer.cut_off("session", "session-grace")
        assert checker.answer_now(question).status == 401
