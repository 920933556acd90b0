"""A film by signed URL in a real browser: it plays, and the first segment after the session's end is refused, visibly."""

from __future__ import annotations

import re

from playwright.sync_api import expect

PATIENCE = 30_000


def test_end_the_session_and_the_next_segment_is_refused(visit):
    tab = visit().tab()
    tab.throw_away()
    tab.find("#watch").click()
    expect(tab.find("[data-segment='0']")).to_have_text("1 · 200", timeout=PATIENCE)
    # The third is asked for only once the film has played into its first.
    expect(tab.find("[data-segment='2']")).to_have_text("3 · 200", timeout=PATIENCE)
    assert tab.page.evaluate("document.getElementById('screen').currentTime") > 1
    tab.find("#logout").click()
    expect(tab.find("#video-result")).to_contain_text("The next segment was refused: 403", timeout=PATIENCE)
    expect(tab.find(".segments-of-film li:last-child .pill")).to_have_text(re.compile("· 403"), timeout=PATIENCE)
    assert tab.page.evaluate("document.getElementById('screen').paused")
    expect(tab.find("#watch")).to_be_disabled()
    tab.screenshot("film-refused")


def test_a_film_plays_to_its_end_and_no_signature_is_drawn(visit):
    tab = visit().tab()
    tab.throw_away()
    tab.find("#watch").click()
    expect(tab.find("#video-result")).to_have_text("Every segment was let through.", timeout=PATIENCE)
    expect(tab.find(".segments-of-film li")).to_have_count(6)
    drawn = tab.page.content()
    assert "ww=1.demo." not in drawn or not re.search(r"ww=1\.demo\.\d+\.[\w-]{20}", drawn)
