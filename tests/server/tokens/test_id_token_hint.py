"""ID tokens as hints: of this server, however old, and nothing that merely looks like one."""

from __future__ import annotations

import msgspec
import pytest
from watchword.jose import base64url
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword_server.tokens.id_token_hint import MAX_HINT, IdTokenHint, read_hint

ISSUER = "https://login.example.test"
KEY = Key.generate("ES256")
KEYS = KeySet((KEY,))
CLAIMS = {"iss": ISSUER, "sub": "ada", "aud": "app", "sid": "s1", "exp": 1, "iat": 0}


def signed(claims: object = None, *, key: Key = KEY, typ: str = "JWT") -> str:
    return Signer(key, typ=typ).sign(msgspec.json.encode(CLAIMS if claims is None else claims))


def read(raw: str) -> IdTokenHint | None:
    return read_hint(raw, KEYS, algorithms=("ES256",), issuer=ISSUER)


@pytest.mark.rfc("8725 §3.11")
def test_an_id_token_of_this_server_is_read_however_long_it_has_expired():
    assert read(signed()) == IdTokenHint(sub="ada", client_id="app", sid="s1")
    assert read(signed(CLAIMS | {"sid": None})) == IdTokenHint(sub="ada", client_id="app", sid=None)


@pytest.mark.parametrize(
    "raw",
    [
        signed(typ="at+jwt"),
        signed(typ="logout+jwt"),
        signed(CLAIMS | {"iss": "https://evil.example"}),
        signed(CLAIMS | {"aud": ["app", "other"]}),
        signed(CLAIMS | {"sub": None}),
        signed({"iss": ISSUER}),
        signed([]),
        signed(key=Key.generate("ES256")),
        signed()[:-4] + "AAAA",
        signed() + "." + "A" * MAX_HINT,
        ".".join((base64url.encode(b'{"alg":"none"}'), base64url.encode(msgspec.json.encode(CLAIMS)), "")),
        "",
        "a.b.c",
        "\u00e9",
    ],
)
def test_whatever_is_none_is_none(raw):
    assert read(raw) is None
