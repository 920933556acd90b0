"""Fuzz the small languages strangers speak to the server: a value or the one error of its parser, and one spelling each."""

from __future__ import annotations

from mutation import main
from starlette.datastructures import Headers
from watchword_server.accounts.identifiers import login_keys, parse_email, parse_username
from watchword_server.revocation.cursor import CursorError, parse_cursor, write_cursor
from watchword_server.tokens import refresh_token
from watchword_server.web.body import decode_json, parse_form
from watchword_server.web.client_address import parse_address
from watchword_server.web.cookies import refresh_cookie
from watchword_server.web.device import device_kind, device_label
from watchword_server.web.problem import ProblemError
from watchword_server.web.redaction import redact_text

SECRET, SALT = b"k" * 32, b"s" * 16
TOKEN = refresh_token.mint(SECRET, key_id="mac", family_id="family", salt=SALT, generation=7)
COOKIE = refresh_cookie(secure=True)

SEEDS = [
    TOKEN.encode(),
    b"epoch.12.chain",
    b"a=1&b=%20&c=x+y",
    b'{"email":"ada@example.test","password":"p","username":null}',
    b"[2001:db8::1]:443",
    b"192.0.2.1, 198.51.100.2",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    b"__Secure-watchword-refresh=wr_a.b.0.c; other=1",
    "\uff41\uff44\uff41@EXAMPLE.test".encode(),
]
WORDS = [
    b".",
    b"%",
    b"%00",
    b"&",
    b"=",
    b";",
    b"wr_",
    b"0",
    b"-1",
    b"9" * 30,
    b"\x00",
    b"\r\n",
    b"::",
    b"[",
    b"@",
    b'"',
]
WORDS += ["\ufdfa".encode(), "\u202e".encode(), b"\xed\xa0\x80", b'{"a":' * 20]


def target(data: bytes) -> str:
    """The outcome is what the text turned out to be."""
    text = data.decode("utf-8", "surrogateescape")
    outcomes = [_refresh_token(text), _cursor(text), _body(data)]
    address = parse_address(text)
    outcomes.append("address" if address is not None else "")
    assert len(device_kind(text)) < 40
    assert device_label(text).isprintable()
    outcomes.append(_cookie(data))
    outcomes += [type(parsed).__name__ for parsed in (parse_email(text), parse_username(text))]
    login_keys(text)
    redact_text(text)
    return " ".join(outcome for outcome in outcomes if outcome)


def _refresh_token(text: str) -> str:
    token = refresh_token.parse(text)
    if token is None:
        return ""
    written = f"wr_{token.key_id}.{token.family_id}.{token.generation}.{token.unverified_mac}"
    assert written == text, "a second spelling of a refresh token was read"
    if token.is_authentic(SECRET, SALT):
        assert text == TOKEN, "a refresh token nobody made is authentic"
        return "authentic"
    return "refresh token"


def _cursor(text: str) -> str:
    try:
        cursor = parse_cursor(text)
    except CursorError:
        return ""
    assert write_cursor(cursor) == text, "a second spelling of a cursor was read"
    return "cursor"


def _body(data: bytes) -> str:
    found = []
    for name, parse in (("form", parse_form), ("json", decode_json)):
        try:
            parse(data)
        except ProblemError as refused:
            found.append("" if refused.status == 400 else _unexpected(refused))
        else:
            found.append(name)
    return " ".join(name for name in found if name)


def _cookie(data: bytes) -> str:
    try:
        value = COOKIE.read(Headers(raw=[(b"cookie", data)]))
    except ProblemError as refused:
        return "two cookies" if refused.status == 400 else _unexpected(refused)
    return "" if value is None else "cookie"


def _unexpected(refused: ProblemError) -> str:
    raise AssertionError(f"refused with {refused.status}")


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
