"""What all pages have in common: menus by keys, errors shown in the view, a lost kernel, *present*, sizes."""

from __future__ import annotations

from typing import Any

import pytest
from ipywidgets import DOMWidget
from playwright.sync_api import Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.base.view import View, page_style
from msgflux_nb.widgets.prefill.prefill_editor import PrefillEditor

from .widget_page import WidgetPage, use_modules

pytestmark = pytest.mark.browser

KIT = """() => {
  const el = document.createElement("div");
  document.body.append(el);
  rootOf(el, "kit", "kit");
  window.picked = [];
  window.off = false;
  const pick = (name) => () => picked.push(name);
  const choice = pickButton("model", () => [
    { heading: "model" },
    { label: "one", checked: true, pick: pick("one") },
    { label: "two", checked: false, detail: "free", pick: pick("two") },
    { label: "never", disabled: true, pick: pick("never") },
    "-",
    { label: "three …", icon: "plus", key: "⌃3", pick: pick("three") },
  ]);
  choice.set("one", "with");
  const state = stateWord({ role: "status" });
  state.set("look", "waits for you", "clock");
  el.append(choice.node, state.node, presentButton(el), document.createElement("input"));
}"""


@pytest.fixture
def kit(page: Page) -> Page:
    """The controls in an empty page, without a view."""
    page.route("http://widget.test/", lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
    page.goto("http://widget.test/")
    page.add_style_tag(content=page_style("base/present"))
    use_modules(page, "base/dom", "base/controls", "base/present")
    page.evaluate(KIT)
    return page


def test_a_menu_is_used_with_keys_alone(kit: Page) -> None:
    opener = kit.get_by_role("button", name="model: one")
    opener.focus()
    kit.keyboard.press("ArrowDown")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(kit.get_by_role("menuitemradio", name="one")).to_be_focused()
    kit.keyboard.press("ArrowDown")
    kit.keyboard.press("ArrowDown")  # past what cannot be picked now
    expect(kit.get_by_role("menuitem", name="three")).to_be_focused()
    kit.keyboard.press("t")
    expect(kit.get_by_role("menuitemradio", name="two")).to_be_focused()
    kit.keyboard.press("Enter")
    assert kit.evaluate("picked") == ["two"]
    expect(kit.get_by_role("menu")).to_have_count(0)
    expect(opener).to_be_focused()
    kit.keyboard.press("Enter")
    kit.keyboard.press("Escape")
    expect(kit.get_by_role("menu")).to_have_count(0)
    expect(opener).to_be_focused()
    assert kit.evaluate("picked") == ["two"]


def test_a_menu_closes_where_somebody_presses_elsewhere(kit: Page) -> None:
    kit.get_by_role("button", name="model: one").click()
    expect(kit.get_by_role("menu", name="model")).to_be_visible()
    kit.mouse.click(900, 700)
    expect(kit.get_by_role("menu")).to_have_count(0)


def test_a_view_is_presented_by_its_button_and_by_a_key(kit: Page) -> None:
    height = "document.querySelector('.kit .mf-pick').offsetHeight"
    before = kit.evaluate(height)
    kit.get_by_role("button", name="present").click()
    kit.wait_for_function("document.fullscreenElement?.matches('.kit')")
    assert kit.evaluate(height) == pytest.approx(1.6 * before, abs=1)
    kit.keyboard.press("f")
    kit.wait_for_function("!document.fullscreenElement")
    assert kit.evaluate(height) == before
    kit.locator("input").press("f")
    assert kit.locator("input").input_value() == "f"
    assert kit.evaluate("document.fullscreenElement") is None


def test_a_view_that_may_not_fill_the_screen_fills_the_page(kit: Page) -> None:
    kit.evaluate("() => { Element.prototype.requestFullscreen = () => Promise.reject(new Error('not here')); }")
    kit.get_by_role("button", name="present").click()
    box = kit.locator(".kit").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 1000, "height": 800}
    kit.keyboard.press("Escape")
    assert kit.locator(".kit").bounding_box() != box


def opened(page: Page, kind: type[View] = PrefillEditor) -> WidgetPage:
    """An editor in an empty page."""
    widget = kind(mf.Model.chat_completion("scripted/one", base_url="http://127.0.0.1:9/v1"))
    own = kind.class_traits(sync=True).keys() - DOMWidget.class_traits(sync=True).keys()
    state: dict[str, Any] = {k: v for k, v in widget.get_state().items() if k in own and not k.startswith("_")}
    return WidgetPage(page, kind, state)


def test_an_error_of_the_page_is_shown_in_its_view_with_what_to_do(page: Page) -> None:
    widget = opened(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("() => { model.get = () => { throw new TypeError('no <b>such</b> thing'); }; }")
    page.evaluate("for (const name of model.handlers.keys()) if (name.startsWith('change:')) model.trigger(name)")
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)  # once, however often it is thrown
    expect(alert).to_contain_text("TypeError: no <b>such</b> thing")
    expect(alert).to_contain_text("Run this cell again")
    expect(page.locator(".msgflux-prefill textarea")).to_be_visible()  # the drawn content stays
    alert.get_by_role("button", name="copy the details").click()
    expect(alert).to_contain_text("copied")
    alert.get_by_role("button", name="close").click()
    expect(alert).to_have_count(0)
    assert widget.errors() == []


def test_a_view_that_cannot_be_drawn_shows_the_error(page: Page) -> None:
    widget = opened(page)
    page.evaluate("() => { model.get = () => { throw new Error('nothing can be read'); }; }")
    page.evaluate("addView()")
    expect(page.get_by_role("alert")).to_contain_text("nothing can be read")
    assert widget.errors() == []


def test_a_view_says_that_its_kernel_is_gone_and_keeps_what_it_shows(page: Page) -> None:
    widget = opened(page)
    field = page.locator(".msgflux-prefill textarea")
    field.fill("Well, ")
    page.evaluate("model.trigger('comm_live_update')")
    expect(page.get_by_role("alert")).to_contain_text("run this cell again")
    expect(field).to_have_value("Well, ")
    widget.deliver({"type": "anything"})  # it speaks again: only the line was cut
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_page_says_that_no_kernel_received_a_click(page: Page) -> None:
    widget = opened(page)
    page.evaluate("() => { model.save_changes = model.send = () => { throw new Error('Cannot send'); }; }")
    page.locator(".msgflux-prefill textarea").fill("Well, ")
    page.locator(".msgflux-prefill textarea").blur()
    expect(page.get_by_role("alert")).to_contain_text("The kernel was restarted")
    assert widget.errors() == []


def test_states_have_the_colours_of_vs_code_where_there_is_no_jupyter(page: Page) -> None:
    WidgetPage(page, PrefillEditor, {})
    page.add_style_tag(content=":root { --vscode-charts-red: rgb(1, 2, 3); --vscode-charts-green: rgb(4, 5, 6); }")
    script = """(names) => names.map((name) => {
      const one = document.querySelector(".mf").appendChild(document.createElement("i"));
      one.style.color = `var(${name})`;
      return getComputedStyle(one).color;
    })"""
    assert page.evaluate(script, ["--mf-bad", "--mf-good"]) == ["rgb(1, 2, 3)", "rgb(4, 5, 6)"]
    page.add_style_tag(content=":root { --jp-error-color1: rgb(7, 8, 9); }")
    assert page.evaluate(script, ["--mf-bad"]) == ["rgb(7, 8, 9)"]


def test_text_grows_with_the_scale(page: Page) -> None:
    widget = opened(page)
    size = "getComputedStyle(document.querySelector('.msgflux-prefill')).fontSize"
    assert page.evaluate(size) == "13px"
    widget.receive(look={"scale": 2, "density": 1})
    assert page.evaluate(size) == "26px"
