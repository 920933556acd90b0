"""Pages: escaped, in a language that is complete, under a policy that cannot be broken out of."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.clients.entitlement import _WORDS
from watchword_server.pages.languages import SOURCE_LANGUAGE, catalogues, choose
from watchword_server.pages.rendering import (
    MAX_SHOWN,
    Pages,
    content_policy,
    frame_source,
    posting_back,
    shown_name,
)
from watchword_server.pages.words import SCOPES
from watchword_server.settings.pages import Pages as PageSettings
from watchword_server.settings.pages import theme_variables

ROOT = Path(__file__).resolve().parents[3]
LOCALE = ROOT / "packages/watchword-server/src/watchword_server/pages/locale"


@pytest.fixture(scope="module")
def catalogue_tool():
    spec = importlib.util.spec_from_file_location("catalogues", ROOT / ".ci/catalogues.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_language_has_every_text_of_templates_and_code(catalogue_tool):
    wanted = {message.id for message in catalogue_tool.texts() if message.id}
    assert len(wanted) > 50
    for path in LOCALE.glob("*/LC_MESSAGES/pages.po"):
        held = {message.id: message.string for message in read_po(io.BytesIO(path.read_bytes())) if message.id}
        assert held.keys() == wanted
        assert [text for text, translation in held.items() if not translation] == []
        for text, translation in held.items():
            assert sorted(_holes(text)) == sorted(_holes(translation)), text
            assert text.count("<") == translation.count("<"), text


def _holes(text: str) -> list[str]:
    return [part.partition(")s")[0] for part in text.split("%(")[1:]]


def test_the_compiled_catalogues_are_those_of_the_sources(catalogue_tool):
    for path in LOCALE.glob("*/LC_MESSAGES/pages.po"):
        catalog = read_po(io.BytesIO(path.read_bytes()), locale=path.parent.parent.name)
        assert path.with_suffix(".mo").read_bytes() == catalogue_tool.mo(catalog)


def test_the_words_of_the_standard_scopes_are_marked_for_translation():
    assert set(SCOPES) == set(_WORDS.values())
    german = catalogues()["de"]
    assert all(german.gettext(words) != words for words in SCOPES)


@pytest.mark.parametrize(
    ("ui_locales", "accepted", "language"),
    [
        (None, None, "en"),
        ("de", "en", "de"),
        ("fr de-CH", None, "de"),
        (None, "de;q=0.4, en;q=0.5", "en"),
        (None, "de;q=0, en;q=0.1", "en"),
        (None, "DE", "de"),
        (None, "*", "en"),
        (None, ";;;q==,,", "en"),
    ],
)
def test_the_first_wanted_language_that_there_is(ui_locales, accepted, language):
    assert choose(catalogues(), SOURCE_LANGUAGE, ui_locales, accepted) == language


@given(st.text(), st.text())
def test_any_wish_gives_a_language(ui_locales, accepted):
    assert choose(catalogues(), SOURCE_LANGUAGE, ui_locales, accepted) in {"en", "de"}


@given(st.text())
def test_a_name_is_shown_printable_and_short(name):
    shown = shown_name(name)
    assert len(shown) <= MAX_SHOWN
    assert shown.isprintable()
    assert shown == shown.strip()


def test_a_name_cannot_turn_the_line_around():
    assert shown_name("Bank\u202emoc.live\n\x00x\u2066y") == "Bank moc.live x y"


def test_whatever_is_shown_is_escaped_in_every_language():
    pages = Pages(PageSettings())
    for language in pages.languages:
        answer = pages.show(
            "login", language, again=False, identifier='"><b>', client="<i>&", problem_text="<u>", ticket='"',
            registration_open=True, logo='https://a.example/"><u>', policy_uri="https://a.example/'>\"<i>", tos_uri=None,
        )  # fmt: skip
        text = answer.body.decode()
        assert {"<b>", "<i>", "<u>"}.isdisjoint(text.split(">")[0::1])
        assert "&lt;i&gt;&amp;" in text
        assert f'lang="{language}"' in text


@pytest.mark.parametrize("source", ["'self'; script-src *", "https://a b", 'x"', "a,b", "\u00e9", "a\nb"])
def test_no_source_ends_its_directive(source):
    with pytest.raises(ValueError, match="source"):
        content_policy((source,))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "https://a;b", "//a", "https://a' b"])
def test_only_http_urls_are_framed(url):
    with pytest.raises(ValueError, match="framed"):
        frame_source(url)


def test_frames_are_exactly_those_and_each_origin_once():
    policy = content_policy(("'self'",), ("https://a.example/x?y=1", "https://a.example/z", "http://localhost:3/q"))
    assert "frame-src https://a.example http://localhost:3;" in policy
    assert "frame-src 'none'" in content_policy(("'self'",))


def test_the_one_image_of_elsewhere_is_named_by_its_origin():
    assert "img-src 'self' https://a.example;" in content_policy(("'self'",), image="https://a.example/logo.png?x;y")
    assert "img-src 'self';" in content_policy(("'self'",))
    with pytest.raises(ValueError, match="shown"):
        content_policy(("'self'",), image="javascript:alert(1)")


def test_the_way_back_is_named_by_scheme():
    assert posting_back("https://a.example/cb") == ("'self'", "https:")
    assert posting_back("http://127.0.0.1:5/cb") == ("'self'", "https:", "http:")
    assert posting_back("com.example.app:/cb") == ("'self'", "https:", "com.example.app:")


@pytest.mark.parametrize(
    "values",
    [
        {"brand": "red; } body { display: none"},
        {"brand": "url(https://evil.example)"},
        {"brand": "\\75rl(x)"},
        {"brand": "URL (x)"},
        {"brand": "</style>"},
        {"brand": "a/*"},
        {"brand": ""},
        {"--brand": "red"},
        {"brand: red; x": "red"},
    ],
)
def test_a_theme_is_variables_with_plain_values(values):
    with pytest.raises(ValueError, match="is not"):
        theme_variables(values)


def test_a_sound_theme_passes():
    values = {"brand": "#12303c", "accent": "light-dark(#d98a14, rgb(240 169 59 / 90%))", "round": "4px"}
    assert theme_variables(values) == values
