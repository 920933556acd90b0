"""Names that people could not tell apart, passwords that machines could not: refused or made one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.accounts.identifiers import Name, login_keys, parse_email, parse_username
from watchword_server.accounts.passwords import form_error, prepare, strength_error
from watchword_server.settings.tree import Passwords
from watchword_server.web.field_error import FieldError

RULES = Passwords()


@pytest.mark.parametrize(
    "text",
    [
        "a@example.test",
        "a@localhost",
        "admin@localhost",
        "a@example.com",
        "a.b+c@sub.example.org",
        "ü@exämple.de",
        "a@x.invalid",
        "o'hara@example.ie",
    ],
)
def test_an_address_needs_good_syntax_and_no_delivery(text):
    assert isinstance(parse_email(text), Name)


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "a", "a@", "@b", "a b@example.com", "a@b@example.com", '"a b"@example.com', "a@[192.0.2.1]", ".a@example.com", "a..b@example.com",
        "a@-example.com", "a@exa mple.com", "a@example..com", "a\0@example.com", "a@example.com\n", "a\u202e@example.com", "\ud800@example.com",
        "Ada <a@example.com>", "a@example.com,b@example.com", "a" * 65 + "@example.com", "a@" + "b" * 250 + ".com", "a\r\nBcc: b@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    assert isinstance(parse_email(text), FieldError)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada@exämple.de", "ada@xn--exmple-cua.de"),
        ("ada@EXÄMPLE.de", "ada@exämple.de"),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com", "ada@example.com"),
        ("stra\N{LATIN SMALL LETTER SHARP S}e@example.com", "STRASSE@example.com"),
        ("e\N{COMBINING ACUTE ACCENT}@example.com", "\N{LATIN SMALL LETTER E WITH ACUTE}@example.com"),
        ("\N{KELVIN SIGN}@example.com", "k@example.com"),
    ],
)
def test_two_spellings_of_an_address_are_one_account(one, other):
    first, second = parse_email(one), parse_email(other)
    assert isinstance(first, Name)
    assert isinstance(second, Name)
    assert first.key == second.key


def test_different_addresses_stay_different():
    keys = {
        login_keys(text)[0]
        for text in ("a@example.com", "a@example.org", "b@example.com", "a.b@example.com", "ab@example.com")
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    "text", ["ada", "Ada_L", "a-b", "a.b", "x1", "42nd", "Łukasz", "иван", "Ἀχιλλεύς", "田中さん", "김철수", "a" * 64]
)
def test_a_username_is_letters_and_digits_of_one_script(text):
    assert isinstance(parse_username(text), Name)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a" * 65, "a b", "a@b", "ada@example.com", "a/b", "a\\b", "a\0b", "a\nb", "a\N{ZERO WIDTH SPACE}b", "a\N{ZERO WIDTH JOINER}b",
        "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\N{SOFT HYPHEN}b", "a\N{NO-BREAK SPACE}b", "<b>x</b>", "-ab", "ab.", "a\ud800b", "a\N{GRINNING FACE}b",
        "\N{CYRILLIC SMALL LETTER A}dmin", "p\N{CYRILLIC SMALL LETTER A}ypal", "\N{GREEK SMALL LETTER OMICRON}liver", "1\N{ARABIC-INDIC DIGIT TWO}", "a" * 10**6,
        "\N{COMBINING ACUTE ACCENT}ab",
    ],
)  # fmt: skip
def test_a_username_that_could_pass_for_another_is_refused(text):
    assert isinstance(parse_username(text), FieldError)


def test_two_spellings_of_a_username_are_one():
    assert login_keys("ADA") == login_keys("ada") == login_keys("\N{FULLWIDTH LATIN SMALL LETTER A}da") == (None, "ada")


def test_an_identifier_is_an_address_or_a_username_never_both():
    assert login_keys("ada@example.test") == ("ada@example.test", None)
    assert login_keys("no@") == (None, None)
    assert login_keys("x" * 100) == (None, None)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_field_error(text):
    for parse in (parse_email, parse_username):
        found = parse(text)
        if isinstance(found, Name):
            again = parse(found.shown)
            assert isinstance(again, Name)
            assert again.key == found.key
            assert found.key.encode()


@pytest.mark.rfc("8265 §4.2")
def test_a_password_typed_on_another_keyboard_is_the_same_password():
    composed, decomposed = "caf\N{LATIN SMALL LETTER E WITH ACUTE}-au-lait", "cafe\N{COMBINING ACUTE ACCENT}-au-lait"
    assert prepare(composed, RULES) == prepare(decomposed, RULES) == composed.encode()
    assert prepare("a\N{NO-BREAK SPACE}b\N{IDEOGRAPHIC SPACE}c", RULES) == b"a b c"


@pytest.mark.rfc("8265 §4.2")
def test_case_width_and_ascii_spaces_of_a_password_are_kept():
    texts = ["Password", "password", " password", "password ", "\N{FULLWIDTH LATIN SMALL LETTER P}assword"]
    assert len({prepare(text, RULES) for text in texts}) == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\0bcdefgh",
        "abcdefg\n",
        "abcdefg\t",
        "\x7fabcdefgh",
        "\ud800abcdefgh",
        "\ue000abcdefgh",
        "a" * 257,
        "\N{GRINNING FACE}" * 257,
    ],
)
def test_what_can_be_nobodys_password_is_not_hashed(text):
    assert prepare(text, RULES) is None
    assert form_error(text, RULES) is not None


def test_length_counts_characters_and_bytes_apart():
    assert form_error("\N{GRINNING FACE}" * 8, RULES) is None
    assert form_error("\N{GRINNING FACE}" * 7, RULES) is not None
    assert form_error("\N{GRINNING FACE}" * 256, RULES) is None
    tight = Passwords(max_bytes=64)
    assert form_error("\N{GRINNING FACE}" * 16, tight) is None
    assert form_error("\N{GRINNING FACE}" * 17, tight) is not None


@pytest.mark.parametrize(
    "text", ["password", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "letmein1", "P@ssw0rd", "watchword1", "abcdefgh"]
)
def test_a_password_that_is_guessed_first_is_refused_with_a_reason(text):
    error = strength_error(text, RULES)
    assert error is not None
    assert error.code == "too_weak"
    assert "too easy to guess" in error.detail
    assert text == "password" or text not in error.detail


def test_ones_own_name_is_no_password():
    assert strength_error("Hephaistion-9", RULES) is None
    assert strength_error("Hephaistion9", RULES, known=["hephaistion@example.test", "x"]) is not None


@pytest.mark.parametrize(
    "text", ["correct horse battery staple", "plum-orbit-cactus-41", "J7$kq-2mZ!w", "Straßenbahn fährt rückwärts"]
)
def test_a_good_password_is_accepted(text):
    assert strength_error(text, RULES) is None


def test_a_password_made_of_disguised_letters_does_not_cost_seconds(monkeypatch):
    import zxcvbn.matching

    tried = []
    real = zxcvbn.matching.translate
    monkeypatch.setattr(zxcvbn.matching, "translate", lambda text, table: tried.append(1) or real(text, table))
    assert strength_error("4@8({[<369&#!1/|0$5+7%2" * 10, RULES) is None
    assert 0 < len(tried) < 200


def test_a_long_password_costs_no_more_than_a_short_one(monkeypatch):
    import zxcvbn

    seen = []
    real = zxcvbn.zxcvbn
    monkeypatch.setattr(zxcvbn, "zxcvbn", lambda text, **given: seen.append(len(text)) or real(text, **given))
    strength_error("plum-orbit-cactus-41 " * 12, RULES)
    assert seen == [40]


def test_no_strength_is_asked_for_when_the_settings_ask_for_none():
    assert strength_error("password", Passwords(min_score=0)) is None


@given(st.text(max_size=300))
def test_any_text_is_hashable_or_refused(text):
    prepared = prepare(text, RULES)
    assert prepared is None or 0 < len(prepared) <= RULES.max_bytes
    if prepared is not None:
        assert prepare(prepared.decode(), RULES) == prepared
