"""What is printed can neither steer a terminal nor be taken for another column."""

from __future__ import annotations

import pytest
from watchword_server.cli.output import clean, duration, emit_rows, moment


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]0;owned\x07",  # sets the window's title
        "\x1b[2J",  # clears the screen
        "a\rb",  # overwrites the line
        "a\nb",
        "a\tb",
        "\x9b31m",  # C1 control sequence introducer
        "\u202etxt.exe",  # right-to-left override
        "\u200b",
        "\u2028",
        "\ud800",
    ],
)
def test_characters_that_steer_a_terminal_are_made_visible(hostile: str) -> None:
    shown = clean(hostile)
    assert shown.isprintable()
    assert "\x1b" not in shown


def test_ordinary_text_of_any_script_is_left_alone() -> None:
    for text in ("Firefox on Linux", "żółw@example.test", "東京", "naïve — “quoted”"):
        assert clean(text) == text


def test_piped_rows_have_one_tab_between_cells_whatever_the_cells_hold(capsys: pytest.CaptureFixture[str]) -> None:
    emit_rows([{"a": "x\ty", "b": None, "c": ["p", "q"]}], {"a": "A", "b": "B", "c": "C"}, nothing="")
    assert capsys.readouterr().out == "x\\x09y\t-\tp, q\n"


def test_moments_are_told_in_utc() -> None:
    assert moment(0.9) == "1970-01-01 00:00:00Z"
    assert moment(None) is None


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200000, "2 d"), (-300, "-5 min")]
)
def test_durations_are_told_in_the_largest_unit_that_fits_twice(seconds: float, told: str) -> None:
    assert duration(seconds) == told
