"""An answer passes one place on its way out, in the order of the middlewares, and past nothing that stands between them."""

from typing import Any

from watchword_server.web.answering import Headers, answer_of

START = {"type": "http.response.start", "status": 201, "headers": [(b"a", b"1")]}


class Sent(list[dict[str, Any]]):
    """What reached the server."""

    async def __call__(self, message: dict[str, Any]) -> None:
        self.append(dict(message))


async def test_the_outermost_has_the_last_word_on_the_head() -> None:
    sent, scope = Sent(), {"type": "http"}
    outer, send = answer_of(scope, sent)
    outer.shape(lambda headers: headers.append((b"outer", b"1")))
    inner, send = answer_of(scope, send)
    inner.shape(lambda headers: headers.append((b"inner", b"1")))
    assert inner.status == 0
    await send(dict(START))
    await send({"type": "http.response.body", "body": b"x"})
    assert [name for name, _ in sent[0]["headers"]] == [b"a", b"inner", b"outer"]
    assert outer is inner
    assert outer.status == 201
    assert sent[1]["body"] == b"x"


async def test_who_wraps_what_is_sent_in_between_is_not_passed_by() -> None:
    sent, scope = Sent(), {"type": "http"}
    _, outer = answer_of(scope, sent)
    seen: list[str] = []

    async def between(message: dict[str, Any]) -> None:
        seen.append(message["type"])
        await outer(message)

    _, inner = answer_of(scope, between)
    await inner(dict(START))
    assert seen == ["http.response.start"]
    assert len(sent) == 1


async def test_headers_of_an_application_that_keeps_its_list_do_not_grow() -> None:
    kept: Headers = [(b"a", b"1")]
    for _ in range(2):
        sent = Sent()
        answer, send = answer_of({"type": "http"}, sent)
        answer.shape(lambda headers: headers.append((b"x", b"1")))
        await send({"type": "http.response.start", "status": 200, "headers": kept})
        assert len(sent[0]["headers"]) == 2
    assert len(kept) == 1
