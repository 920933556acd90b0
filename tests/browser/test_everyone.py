"""For everyone: keyboards, phones, day and night, less motion, readable colours, and a server that is away."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

PATIENCE = 30_000

# The contrast of every text with what lies behind it (WCAG 2.2 §1.4.3); what is disabled is exempt.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const bad = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || !element.checkVisibility({visibilityProperty: true}) || element.closest(':disabled, .visually-hidden, .ghost')) continue;
    const svg = element instanceof SVGElement;
    const ink = over(parse(svg ? style.fill : style.color), behind(element));
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${element.tagName}.${element.getAttribute('class')}: ${element.textContent.trim().slice(0, 30)}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_by_day_and_by_night(visit, scheme):
    tab = visit(scheme=scheme).tab()
    assert tab.page.evaluate(CONTRAST) == []
    tab.screenshot(f"logged-out-{scheme}")
    tab.throw_away().call("/api/profile", 200).call("/api/reports", 403)
    tab.call("/api/profile", 401, sent_with="none")
    tab.find(".said").first.click()
    assert tab.page.evaluate(CONTRAST) == []
    tab.screenshot(f"logged-in-{scheme}")
    tab.find("#logout").click()
    tab.token_state("dead")
    assert tab.page.evaluate(CONTRAST) == []


def test_the_theme_follows_the_system_until_it_is_chosen(visit):
    tab = visit(scheme="dark").tab()
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = tab.page.evaluate(paper)
    tab.find("#theme").click()
    expect(tab.find("#theme-name")).to_have_text("Light")
    light = tab.page.evaluate(paper)
    assert light != dark
    tab.reload()
    expect(tab.find("#theme-name")).to_have_text("Light")
    assert tab.page.evaluate(paper) == light
    tab.find("#theme").click()
    assert tab.page.evaluate(paper) == dark
    tab.find("#theme").click()
    expect(tab.find("#theme-name")).to_have_text("System")


@pytest.mark.parametrize("width", [320, 360, 768, 1024])
def test_nothing_sticks_out_on_a_narrow_screen(visit, width):
    tab = visit(width=width, height=780, has_touch=True).tab()
    assert tab.overflows() == []
    tab.throw_away().call("/api/profile", 200).call("/api/reports", 403)
    tab.find("#second-device").click()
    expect(tab.find(".tag.device")).to_be_visible(timeout=PATIENCE)
    tab.find(".said").first.click()
    expect(tab.find("#inspector")).to_be_visible()
    assert tab.overflows() == []
    tab.screenshot(f"width-{width}")


def test_the_keyboard_alone_logs_in_calls_and_reads_an_answer(visit, running_server):
    tab = visit().tab()
    keyboard = tab.page.keyboard

    def tab_to(selector: str) -> None:
        for _ in range(40):
            if tab.page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            keyboard.press("Tab")
            assert tab.page.evaluate("document.activeElement.matches(':focus-visible')"), "the focus can be seen"
        pytest.fail(f"the Tab key does not reach {selector}")

    keyboard.press("Tab")
    expect(tab.find(".skip")).to_be_focused()
    keyboard.press("Enter")
    tab_to("#tab-login")
    keyboard.press("ArrowRight")
    expect(tab.find("#register")).to_be_visible()
    keyboard.press("ArrowLeft")
    tab_to("#login [name=identifier]")
    keyboard.type(running_server.admin[0])
    keyboard.press("Tab")
    keyboard.type(running_server.admin[1])
    keyboard.press("Enter")
    tab.logged_in()
    expect(tab.find("#live")).to_have_text("Logged in.")
    assert tab.page.evaluate("document.activeElement !== document.body"), "the focus is not lost with the form"

    tab_to("button[data-path='/api/reports']")
    keyboard.press("Enter")
    expect(tab.find("#live")).to_have_text("/api/reports answered 200.", timeout=PATIENCE)
    tab_to(".said")
    keyboard.press("Home")
    expect(tab.find(".said").first).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(tab.find("#inspector")).to_be_visible()
    keyboard.press("Escape")
    expect(tab.find("#inspector")).to_be_hidden()
    assert tab.page.evaluate("document.activeElement.matches('.said')"), "and the focus is back at the request"


def test_whoever_asks_for_less_motion_gets_none(visit):
    tab = visit(reduced_motion="reduce").tab().throw_away()
    moving = tab.page.evaluate("document.getAnimations().length")
    assert moving == 0


def test_every_control_has_a_name(visit):
    tab = visit().tab().throw_away()
    tree = tab.page.evaluate(
        """() => [...document.querySelectorAll('button, input, [role=button], a')]
             .filter((e) => e.checkVisibility() && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
             .map((e) => e.outerHTML)"""
    )
    assert tree == []


def test_an_api_that_is_away_is_named_with_the_mend(visit, running_server):
    tab = visit().tab()
    tab.page.route(f"{running_server.api_url}/**", lambda route: route.abort())
    tab.find("button[data-path='/api/posts/popular']").click()
    expect(tab.find("#call-answer")).to_contain_text("make run")
    expect(tab.find(".said")).to_contain_text("no answer")
    tab.find(".said").click()
    expect(tab.find("#inspector")).to_contain_text("The server is not running")
    tab.screenshot("api-away")
    assert all("net::ERR" in complaint for complaint in tab.complaints)
    tab.complaints.clear()


def test_a_server_that_is_away_does_not_end_the_session(visit):
    tab = visit().tab().throw_away()
    tab.page.route("**/auth/refresh", lambda route: route.abort())
    tab.find("#refresh").click()
    expect(tab.find(".said", has_text="no answer")).not_to_have_count(0)
    expect(tab.find("#signed-in")).to_be_visible()
    tab.page.unroute("**/auth/refresh")
    tab.find("#refresh").click()
    tab.token_state("live|late")
    assert all("net::ERR" in complaint for complaint in tab.complaints)
    tab.complaints.clear()


def test_the_diagram_can_be_cleared_and_counts_the_rest(visit):
    tab = visit().tab()
    tab.find("button[data-path='/api/posts/popular']").click()
    expect(tab.find(".said[data-tone=good]")).to_have_count(1)
    tab.find("#clear").click()
    expect(tab.find(".said")).to_have_count(0)
    expect(tab.find("#diagram-empty")).to_be_visible()
