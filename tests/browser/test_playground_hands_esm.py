"""Accessibility of the playground: keys only, names, contrast, zoom, right-to-left texts, narrow views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from . import test_tool_call_view_esm as calls
from .axe import serious
from .play_page import PlayPage, batch, end, ending, more, start
from .test_playground_panels_esm import TOKENS

pytestmark = pytest.mark.browser

MODELS = {"offered": ["local/one", "scripted/two"], "chosen": ["local/one", ""]}
CALL = {
    "name": "get_forecast",
    "arguments": '{"city": "Utrecht"}',
    "rows": [{"field": "city", "value": "Utrecht", "type": "str"}],
}
THEMES = {
    "light": {"layout-color0": "#fff", "ui-font-color0": "#000", "brand-color1": "#1976d2", "success-color1": "#388e3c"}
    | {"warn-color1": "#f57c00", "error-color1": "#d32f2f"},
    "dark": {"layout-color0": "#111", "ui-font-color0": "#fff", "brand-color1": "#2196f3", "success-color1": "#4caf50"}
    | {"warn-color1": "#ff9800", "error-color1": "#f44336"},
}


def get_forecast(city: str) -> str:
    """Get the forecast of a city."""
    return "dry"


def empty(page: Page) -> PlayPage:
    return PlayPage(page, **MODELS)


def answered(page: Page) -> PlayPage:
    play = PlayPage(page, **MODELS)
    play.add(
        "Why is the sea salty?",
        {"role": "assistant", "content": "Because **rivers** carry salt.\n\n| a | b |\n|---|---|\n| 1 | 2 |"},
    )
    play.receive(ends=[ending(3, status=["31 in · 318 out", "free", "1.62 s", "stop"])])
    play.settle()
    return play


def waiting(page: Page) -> PlayPage:
    play = PlayPage(page, tool_names=["get_forecast"], call_options={"temperature": 0.7}, **MODELS)
    play.add("Shall I cycle?")
    pieces = calls.pieces(0, "c", "get_forecast", CALL["arguments"])
    told = calls.told(*pieces, tools=[get_forecast])
    asked = calls.card(phase="asked", marks=[(60, "asked")])
    asked["final"] |= {"name": "get_forecast"}
    last = {"run": told[-1]["run"], "seq": max(one.get("seq", 0) for one in told) + 1}
    play.deliver_in("calls", *told, {"type": "batch", **last, "lanes": {"0": asked}})
    play.deliver(
        start(), batch(1, "Let me look."), {"type": "phase", "side": 0, "number": 1, "phase": "approval", "call": CALL}
    )
    play.settle()
    return play


def compared(page: Page) -> PlayPage:
    play = PlayPage(page, **{**MODELS, "chosen": ["local/one", "scripted/two"]})
    play.add("Why?")
    two: dict[str, Any] = {"side": 1, "number": 2, "model": "scripted/two"}
    figures = {"tokens": "24 in · 82 out", "price": "free", "out": 82, "cost": 0, "first": 0.3, "seconds": 4.1}
    play.deliver(start(), start(**two), batch(1, "One answer."), batch(1, "Another answer.", number=2, side=1))
    play.deliver(end(1, figures=figures), end(1, figures=figures, **two), {"type": "settled", "side": None})
    play.receive(running=False)
    play.settle()
    return play


def tokens(page: Page) -> PlayPage:
    play = answered(page)
    play.view.get_by_role("tab", name="Tokens").click()
    play.receive(ends=[ending(3, number=2, tokens=True)])
    play.settle()
    play.deliver({"type": "tokens", "side": 0, "number": 2, "rows": TOKENS})
    play.settle()
    return play


def failed(page: Page) -> PlayPage:
    play = PlayPage(page, **MODELS)
    play.add("Hi")
    play.deliver(start(), batch(1, "half"), end(1, "failed", error=["ServerError", "the server gave up"]))
    play.receive(running=False)
    play.settle()
    return play


STATES: dict[str, Callable[[Page], PlayPage]] = {
    one.__name__: one for one in (empty, answered, waiting, compared, tokens, failed)
}


def dressed(page: Page, theme: str) -> None:
    """Give the page the variables of a theme of JupyterLab."""
    page.emulate_media(reduced_motion="reduce")  # colours are at their new value at once
    told = ";".join(f"--jp-{name}:{value}" for name, value in THEMES[theme].items())
    page.add_style_tag(content=f":root{{{told};color-scheme:{theme}}}body{{background:var(--jp-layout-color0)}}")
    page.evaluate(
        "(light) => document.documentElement.setAttribute('data-jp-theme-light', light)", str(theme == "light").lower()
    )


# Keys only


def tab_to(play: PlayPage, target: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if target.count() and target.first.evaluate("(node) => node === document.activeElement"):
            return
        play.page.keyboard.press("Tab")
    focus = play.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    raise AssertionError(f"{target} was not reached by Tab; the focus is on {focus}")


def test_the_whole_of_the_playground_without_a_mouse(page: Page) -> None:
    play = PlayPage(page, parts={"picker": {"offered": [["Person", "given"]]}}, **MODELS)
    view, press = play.view, page.keyboard.press

    # Whom to ask, and what the answer is read as.
    tab_to(play, view.get_by_role("button", name="model: local/one"))
    press("Enter")
    press("ArrowDown")
    press("Enter")
    assert [(one["side"], one["name"]) for one in play.sent("pick")] == [(0, "scripted/two")]
    tab_to(play, view.get_by_role("button", name="answer as"))
    press("Enter")
    press("p")
    press("Enter")
    expect(view.get_by_role("button", name="answer as: Person")).to_be_visible()

    # A start of the answer, a message, something to add.
    message = view.get_by_role("textbox", name="message", exact=True)
    tab_to(play, view.get_by_role("button", name="start the answer", exact=True))
    press("Enter")
    expect(view.get_by_role("textbox", name="the answer starts with")).to_be_focused()
    page.keyboard.type("{")
    press("Shift+Enter")
    assert play.sent("run")[-1]["prefill"] == "{"
    play.deliver({"type": "problem", "name": "RuntimeError", "message": "no"})
    press("Escape")
    message.focus()
    page.keyboard.type("Who?")
    tab_to(play, view.get_by_role("button", name="add a picture"))
    press("Enter")
    press("End")
    press("Enter")
    expect(view.get_by_role("textbox", name="text")).to_be_focused()
    message.focus()
    press("Shift+Enter")
    assert play.sent("run")[-1]["draft"]["text"] == "Who?"

    # An answer is stopped; a call is approved, edited and rejected.
    play.deliver(start(), batch(1, "x"))
    press("Escape")
    assert len(play.sent("stop")) == 1
    play.deliver(end(1, "stopped"))
    play.receive(running=False)
    for number, (keys, verdict) in enumerate(
        [(["a"], "approve"), (["e", "Shift+Enter"], "edit"), (["r", "n", "o", "Enter"], "reject")], 2
    ):
        play.deliver(
            start(number=number), {"type": "phase", "side": 0, "number": number, "phase": "approval", "call": CALL}
        )
        tab_to(play, view.get_by_role("button", name="Approve"))
        for key in keys:
            press(key)
        assert play.sent("decide")[-1]["verdict"] == verdict
        play.deliver({"type": "phase", "side": 0, "number": number, "phase": "tools"})
        play.settle()
        expect(message).to_be_focused()  # not the page
        play.deliver(end(0, number=number))
        play.receive(running=False)
    assert play.sent("decide")[-1]["reason"] == "no"

    # Turns: walked through, edited, doubled by a menu; the panel's tabs; the code.
    play.add("One", {"role": "assistant", "content": "Two"})
    tab_to(play, view.locator(".mf-turns > .mf-turn").last)
    press("ArrowUp")
    press("Enter")
    expect(view.locator(".mf-editor")).to_be_visible()
    press("Escape")
    expect(view.locator(".mf-turns > .mf-turn").first).to_be_focused()
    press("Delete")
    assert play.sent_in("builder", "delete")
    tab_to(play, view.get_by_role("tab", selected=True))
    expect(view.get_by_role("tab", name="Tools")).to_be_focused()  # in front since a call has waited
    press("ArrowLeft")
    expect(view.get_by_role("tab", name="Structure")).to_be_focused()
    press("ArrowRight")
    expect(view.get_by_role("tab", name="Tools")).to_be_focused()
    tab_to(play, view.get_by_role("button", name="copy as code"))
    press("Enter")
    assert play.sent("code")
    press("?")
    expect(view.locator(".mf-menu")).to_contain_text("approve, edit, reject a call")
    press("Escape")
    assert play.errors() == []


def test_one_of_two_answers_is_chosen_by_its_number(page: Page) -> None:
    play = compared(page)
    play.kernel.builder.history.add({"role": "assistant", "content": "One answer."})
    play.kernel.builder.history.replace(1, {"role": "assistant", "content": "Another answer."})
    play.kernel.builder.changed()
    play.show_turns()
    play.settle()
    expect(play.view.locator(".mf-answers.mf-two > .mf-turn")).to_have_count(2)
    play.view.get_by_role("button", name="copy as code").focus()
    page.keyboard.press("1")
    [asked] = play.sent_in("builder", "choose")
    assert asked["sibling"] == 0
    play.settle()
    expect(play.view.locator(".mf-answers.mf-two")).to_have_count(0)


# Screen readers


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(page: Page, state: str) -> None:
    play = STATES[state](page)
    dressed(page, "light")
    assert serious(page, ".msgflux-playground") == []
    if state == "answered":
        play.view.get_by_role("button", name="model: ").click()
        assert serious(page, ".msgflux-playground") == []
        page.keyboard.press("Escape")
        more(play.view, "Hide the panel")
        assert serious(page, ".msgflux-playground") == []


# Contrast and sizes
# The least contrast of any text with what lies behind it: the sRGB of both, layers of colour laid over each other.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector(".msgflux-playground"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (parent.closest("[disabled], .mf-sr, .mf-hidden, option")) continue;
    const ground = behind(parent);
    const [one, two] = [light(over(rgba(getComputedStyle(parent).color), ground)), light(ground)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${node.data.trim().slice(0, 40)} (${parent.className})`);
  }
  return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark", "high contrast"])
@pytest.mark.parametrize("state", STATES)
def test_every_text_has_enough_contrast(page: Page, state: str, theme: str) -> None:
    if theme == "high contrast":
        page.emulate_media(forced_colors="active")
    STATES[state](page)
    dressed(page, "light" if theme == "high contrast" else theme)
    assert page.evaluate(CONTRAST) == []


OVERFLOWING = """() => [...document.querySelectorAll(".mf-top > *, .mf-controls > *, .mf-starters > *, .mf-bottom > *")]
  .filter((node) => node.checkVisibility() && node.offsetWidth)
  .filter((node) => {
    const own = node.getBoundingClientRect();
    const view = document.querySelector(".msgflux-playground").getBoundingClientRect();
    return own.right > view.right + 1 || own.left < view.left - 1;
  })
  .map((node) => node.className)"""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("width", "scale"), [(1024, 1), (700, 1), (480, 1), (1000, 2)])
def test_nothing_is_cut_where_there_is_little_room(page: Page, state: str, width: int, scale: float) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    play = STATES[state](page)
    play.receive(look={"scale": scale, "density": 1})
    play.settle()
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize(("width", "count"), [(480, 4), (790, 3), (860, 3), (960, 4)])
def test_the_buttons_of_a_call_that_waits_stand_in_one_row(page: Page, width: int, count: int) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    STATES["waiting"](page).settle()
    buttons = page.locator(".mf-waiting > footer:not([hidden]) > button:visible")
    tops = buttons.evaluate_all("all => all.map((one) => Math.round(one.getBoundingClientRect().top))")
    assert (len(tops), len(set(tops))) == (count, 1)


@pytest.mark.parametrize("width", [1000, 700, 480])
def test_the_expanded_tokens_show_the_chosen_one_and_the_temperature_at_any_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    play = tokens(page)
    rows = [[f" word{at}", -1, [[f" word{at}", -1], *([f" {other}", -2] for other in "abcd")]] for at in range(60)]
    play.receive(ends=[ending(3, number=3, tokens=True)])
    play.settle()
    play.deliver({"type": "tokens", "side": 0, "number": 3, "rows": rows})
    play.view.get_by_role("button", name="expand").click()
    play.view.locator(".mf-token").nth(50).press("Home")
    play.page.keyboard.press("End")
    play.settle()
    words, chosen = (play.view.locator(f".mf-token{one}").last for one in ("", "[aria-current]"))
    assert words.text_content() == chosen.text_content() == "word59"
    expect(chosen).to_be_in_viewport(ratio=1)
    expect(play.view.get_by_text("2 · nearly anything")).to_be_in_viewport(ratio=1)


def test_the_form_of_a_struct_stands_below_the_fields_in_the_panel_of_a_wide_page(page: Page) -> None:
    page.set_viewport_size({"width": 1400, "height": 800})
    play = PlayPage(page)
    play.view.get_by_role("button", name="answer as: text").click()
    play.view.get_by_role("menuitem", name="Build one by form").click()
    expect(play.view.get_by_role("textbox", name="name of the Struct")).to_be_visible()
    columns = "(node) => getComputedStyle(node).gridTemplateColumns.split(' ').length"
    assert play.view.locator(".msgflux-picker .mf-panes").evaluate(columns) == 1


def test_the_composer_leaves_the_room_to_the_conversation(page: Page) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    play = answered(page)
    heights = [
        play.view.locator(name).first.evaluate("(node) => node.offsetHeight")
        for name in (".mf-talking", ".mf-composer", ".mf-panes")
    ]
    talk, composer, panes = heights
    assert composer <= 0.2 * (panes + 76)
    assert talk >= 350


def test_on_a_page_from_right_to_left_a_view_stays_as_its_english_words_run(page: Page) -> None:
    play = PlayPage(page, **MODELS)
    page.evaluate("document.documentElement.dir = 'rtl'")
    play.add("Why?", {"role": "assistant", "content": "שלום"})
    direction = "(all) => all.map((node) => getComputedStyle(node).direction)"
    assert set(play.view.locator(".mf-top, .mf-bottom, .mf-btn, .mf-role").evaluate_all(direction)) == {"ltr"}
    assert play.view.locator(".msgflux-markdown > *").evaluate_all(direction) == ["rtl"]


def test_right_to_left_texts_are_laid_out_from_the_right(page: Page) -> None:
    play = PlayPage(page, **MODELS)
    play.add("מה שלומך?", {"role": "assistant", "content": "הכול בסדר, תודה."})
    play.view.get_by_role("textbox", name="message", exact=True).fill("שלום")
    play.deliver(start(), batch(1, "שלום"))
    play.settle()
    direction = "(all) => all.map((node) => getComputedStyle(node).direction)"
    texts = play.view.locator(".mf-text, .msgflux-markdown > *, .mf-tail:visible, .mf-composer > .mf-prompt")
    assert set(texts.evaluate_all(direction)) == {"rtl"}
    play.add({"role": "assistant", "content": "שלום\n\nHello\n\n- עולם"})
    blocks = play.view.locator(".mf-turn", has_text="Hello").locator(".msgflux-markdown > *")
    assert blocks.evaluate_all(direction) == ["rtl", "ltr", "rtl"]
    play.view.get_by_role("textbox", name="message", exact=True).fill("Hello")
    assert play.view.locator(".mf-composer > .mf-prompt").evaluate("(node) => node.dir") == "ltr"


@pytest.mark.parametrize("width", [640, 800, 900])
def test_run_is_not_cut_next_to_the_tabs(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 620})
    play = PlayPage(page)
    play.open_panel()
    field = play.view.locator(".mf-composer > .mf-prompt")
    field.fill("Hello")
    expect(play.view.get_by_role("button", name="Add only")).to_be_visible()
    run = play.view.locator(".mf-run.mf-primary").bounding_box()
    composer = play.view.locator(".mf-composer").bounding_box()
    assert run is not None
    assert composer is not None
    assert run["x"] + run["width"] <= composer["x"] + composer["width"]


def test_the_pieces_of_a_call_come_to_the_front_while_it_waits(page: Page) -> None:
    expect(waiting(page).view.get_by_role("tab", name="Tools")).to_have_attribute("aria-selected", "true")


def test_the_foot_of_a_narrow_view_is_one_line(page: Page) -> None:
    page.set_viewport_size({"width": 480, "height": 768})
    play = answered(page)
    status = ["48 in · 21 out", "< $0.0001", "first word after 0.26 s", "1.19 s", "json_schema"]
    play.receive(ends=[ending(3, number=2, status=status)])
    play.settle()
    figures = page.locator(".mf-bottom .mf-figs > span:visible")
    expect(figures).to_have_text(["48 in · 21 out", "< $0.0001", "1.19 s"])
    assert page.locator(".msgflux-playground > .mf-bottom").evaluate("(foot) => foot.offsetHeight") < 40


def test_the_figures_of_two_answers_have_equal_columns(page: Page) -> None:
    page.set_viewport_size({"width": 884, "height": 768})
    compared(page)
    widths = page.locator(".mf-side-figures .mf-meter").evaluate_all("all => all.map((one) => one.offsetWidth)")
    assert len(widths) == 8
    assert max(widths) - min(widths) <= 1
