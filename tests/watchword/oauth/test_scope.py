"""The grammar of scopes (RFC 6749 §3.3)."""

import pytest
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import MAX_SCOPE_LENGTH, MAX_SCOPE_TOKENS, format_scope, is_scope_token, parse_scope


@pytest.mark.rfc("6749 §3.3/1")
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("reports:read", ("reports:read",)),
        ("openid profile", ("openid", "profile")),
        ("a b a", ("a", "b")),
        ("https://api.example/read !#[]~", ("https://api.example/read", "!#[]~")),
    ],
)
def test_a_list_of_scope_tokens_is_read_in_order_and_each_once(text, tokens):
    assert parse_scope(text) == tokens


@pytest.mark.rfc("6749 §3.3/1")
@pytest.mark.parametrize(
    "text",
    ["", " ", " a", "a ", "a  b", "a\tb", "a\nb", 'a"b', "a\\b", "ä", "a\u00a0b", "\x00", "a\x7f", "a\r\nSet-Cookie:x"],
)
def test_anything_outside_the_grammar_is_an_invalid_scope(text):
    with pytest.raises(OAuthError) as caught:
        parse_scope(text)
    assert caught.value.code is ErrorCode.INVALID_SCOPE


@pytest.mark.parametrize("text", ["a" * (MAX_SCOPE_LENGTH + 1), " ".join(["a"] * (MAX_SCOPE_TOKENS + 1))])
def test_too_much_of_it_is_refused(text):
    with pytest.raises(OAuthError):
        parse_scope(text)


def test_as_much_as_allowed_is_read():
    assert parse_scope("a" * MAX_SCOPE_LENGTH) == ("a" * MAX_SCOPE_LENGTH,)
    names = [f"s{number}" for number in range(MAX_SCOPE_TOKENS)]
    assert parse_scope(" ".join(names)) == tuple(names)


def test_a_scope_is_written_as_it_is_read():
    assert format_scope(["b", "a", "b"]) == "b a"
    assert format_scope([]) == ""


@pytest.mark.parametrize("token", ["", "a b", "a\n", 'a"'])
def test_a_token_that_would_become_two_is_never_written(token):
    assert not is_scope_token(token)
    with pytest.raises(ValueError, match="scope token"):
        format_scope(["fine", token])
