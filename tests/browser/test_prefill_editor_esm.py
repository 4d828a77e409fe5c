"""The page of the editor of an answer's start, in Chromium without a kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from ipywidgets import DOMWidget
from playwright.sync_api import Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.base.view import View
from msgflux_nb.widgets.prefill.prefill_editor import PrefillEditor

from .test_playground_esm import counting, dangerous
from .widget_page import Hear, WidgetPage, until

pytestmark = pytest.mark.browser

Open = Callable[..., WidgetPage]
FIELD = ".mf-opening"


def state_of(widget: View) -> dict[str, Any]:
    """Return the state of a widget that a page gets."""
    ours = type(widget).class_traits(sync=True).keys() - DOMWidget.class_traits(sync=True).keys()
    return {name: getattr(widget, name) for name in ours if not name.startswith("_")}


def seen(value: str = "", *, model: Any = "local/smollm2-135m", **more: Any) -> dict[str, Any]:
    """Return the state of a real editor."""
    with closing(PrefillEditor(model, value, **more)) as editor:
        return state_of(editor)


@pytest.fixture
def open_editor(page: Page) -> Iterator[Open]:
    """Open an editor; its code must not raise."""
    opened: list[WidgetPage] = []

    def open_(value: str = "", **more: Any) -> WidgetPage:
        opened.append(WidgetPage(page, PrefillEditor, seen(value, **more)))
        return opened[-1]

    yield open_
    assert opened[-1].errors() == []


def text(widget: WidgetPage) -> str:
    found: str = widget.page.evaluate("widgetExports.value()")
    return found


def test_the_start_is_shown_in_its_tint_and_its_treatment_in_a_line(open_editor: Open) -> None:
    widget = open_editor("Let's think step by step.")
    field = widget.page.get_by_role("textbox", name="the answer starts with")
    expect(field).to_have_value("Let's think step by step.")
    expect(widget.page.locator(".mf-prefill")).to_have_text("Let's think step by step.")
    expect(widget.page.get_by_role("status")).to_have_text("continues local/smollm2-135m goes on from here.")
    assert field.get_attribute("aria-describedby") == widget.page.get_by_role("status").get_attribute("id")


def test_the_tint_lies_behind_the_letters(open_editor: Open) -> None:
    widget = open_editor("word " * 60 + "end")  # several lines
    boxes = widget.page.evaluate(
        """() => [document.querySelector(".mf-opening"), document.querySelector(".mf-mirror")].map((node) => {
          const { x, y, width, height } = node.getBoundingClientRect();
          const style = getComputedStyle(node);
          const rest = [style.font, style.padding, style.borderWidth, style.letterSpacing, style.whiteSpace];
          return JSON.stringify([x, y, width, height, node.scrollHeight, ...rest]);
        })"""
    )
    assert boxes[0] == boxes[1]


def test_what_is_typed_is_there_at_once_and_reaches_the_kernel_after_a_pause(open_editor: Open) -> None:
    widget = open_editor()
    widget.page.locator(FIELD).press_sequentially("Well,")
    assert text(widget) == "Well,"
    assert widget.page.evaluate("model.saved.value") is None
    until(lambda: widget.page.evaluate("model.saved.value") == "Well,", what="the start")


def test_the_line_is_pale_until_the_kernel_has_answered(open_editor: Open) -> None:
    widget = open_editor()
    line = widget.page.get_by_role("status")
    widget.page.locator(FIELD).fill("So")
    expect(line).to_have_class(re.compile(r"\bmf-old\b"))
    widget.receive(outlook=seen("So")["outlook"])
    expect(line).not_to_have_class(re.compile(r"\bmf-old\b"))
    expect(line).to_contain_text("continues")


def test_a_start_set_by_a_cell_is_shown(open_editor: Open) -> None:
    widget = open_editor()
    widget.receive(value="from a cell")
    expect(widget.page.locator(FIELD)).to_have_value("from a cell")
    assert text(widget) == "from a cell"


def test_a_parent_may_read_and_set_it(open_editor: Open) -> None:
    widget = open_editor("a")
    widget.page.evaluate("widgetExports.set('b')")
    expect(widget.page.locator(FIELD)).to_have_value("b")
    assert widget.page.evaluate("[widgetExports.value(), model.saved.value]") == ["b", "b"]
    assert widget.page.evaluate("widgetExports.model.get('value') === model.get('value')")


def test_all_views_show_what_is_typed_in_one_and_one_may_leave(open_editor: Open) -> None:
    widget = open_editor()
    widget.page.evaluate("addView()")
    fields = widget.page.locator(FIELD)
    fields.nth(1).fill("both")
    expect(fields.nth(0)).to_have_value("both")
    widget.page.evaluate("leave[0]()")
    fields.nth(1).fill("one")
    expect(fields.nth(0)).to_have_value("both")


def test_a_preset_is_written_as_a_hand_would_write_it(open_editor: Open) -> None:
    widget = open_editor("old", presets={"verse": "Roses are red,\nviolets"})
    menu = widget.page.get_by_role("button", name="starts to choose from")
    menu.click()
    expect(widget.page.locator(".mf-menu .mf-role")).to_have_text(["yours", "usual"])
    widget.page.get_by_role("menuitem", name="verse").click()
    assert text(widget) == "Roses are red,\nviolets"
    assert widget.page.evaluate("model.saved.value") == "Roses are red,\nviolets"
    expect(menu).to_have_text("ready-made")
    widget.page.keyboard.press("Control+z")
    expect(widget.page.locator(FIELD)).to_have_value("old")


def test_one_click_clears_the_start(open_editor: Open) -> None:
    widget = open_editor("old")
    clear = widget.page.get_by_role("button", name="begin with nothing")
    clear.click()
    assert (text(widget), widget.page.evaluate("model.saved.value")) == ("", "")
    expect(clear).to_be_disabled()


def test_white_space_at_the_end_is_marked_and_can_be_removed(open_editor: Open) -> None:
    widget = open_editor("The answer is \t\n")
    marks = widget.page.locator(".mf-white > *")
    kinds = marks.evaluate_all("(all) => all.map((one) => one.className)")
    assert kinds == ["mf-space", "mf-tab", "mf-break"]
    expect(widget.page.locator(".mf-space-note")).to_contain_text("It ends with white space,")
    widget.page.get_by_role("button", name="remove it").click()
    assert text(widget) == "The answer is"
    expect(marks).to_have_count(0)


def test_white_space_within_is_not_marked(open_editor: Open) -> None:
    widget = open_editor("The answer is")
    expect(widget.page.locator(".mf-white > *")).to_have_count(0)
    expect(widget.page.locator(".mf-space-note")).to_be_hidden()


def test_a_warning_and_a_problem_are_alerts(open_editor: Open) -> None:
    widget = open_editor()
    alert = widget.page.get_by_role("alert")
    expect(alert).to_have_count(0)
    widget.receive(warning="The answer started over.")
    expect(alert).to_have_text("The answer started over.")
    widget.deliver({"type": "problem", "name": "KeyError", "message": "x"})
    expect(alert).to_have_text("KeyError: x")


@pytest.mark.parametrize(
    ("keys", "event"), [("Shift+Enter", "mf-run"), ("Control+Enter", "mf-run"), ("Escape", "mf-stop")]
)
def test_keys_are_told_to_a_parent_as_events(open_editor: Open, keys: str, event: str) -> None:
    widget = open_editor("x")
    widget.page.evaluate(
        """() => {
          window.told = [];
          const names = ["mf-run", "mf-stop", "keydown"];
          for (const name of names) document.addEventListener(name, (e) => told.push(e.type));
        }"""
    )
    widget.page.locator(FIELD).press("End")
    widget.page.locator(FIELD).press(keys)
    assert widget.page.evaluate("told") == [event]
    assert text(widget) == "x"


def test_enter_writes_another_line(open_editor: Open) -> None:
    widget = open_editor("x")
    widget.page.locator(FIELD).press("End")
    widget.page.locator(FIELD).press("Enter")
    assert text(widget) == "x\n"


def test_every_control_has_a_name(open_editor: Open) -> None:
    widget = open_editor("x ")
    nameless = widget.page.evaluate(
        """() => [...document.querySelectorAll("button, textarea, select")]
          .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []


def test_a_narrow_field_keeps_its_controls_inside(open_editor: Open) -> None:
    widget = open_editor("word " * 30, model=mf.Model.chat_completion("openai/gpt-4.1", api_key="k"))
    widget.page.set_viewport_size({"width": 340, "height": 600})
    assert widget.page.evaluate("document.documentElement.scrollWidth") <= 340


def test_dangerous_text_is_text_everywhere(page: Page, hear: Hear) -> None:
    dialogs: list[str] = []
    hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        bad = "\n".join(dangerous(port))
        outlook = {"kind": "rejected", "word": bad, "text": bad, "space": bad, "value": bad}
        state = {
            "value": bad,
            "warning": bad,
            "model_name": bad,
            "outlook": outlook,
            "presets": [[bad, bad, bad], [bad, "x", bad]],
        }
        widget = WidgetPage(page, PrefillEditor, state, url=f"http://127.0.0.1:{port}/page")
        widget.deliver({"type": "problem", "name": bad, "message": bad})
        page.get_by_role("button", name="starts to choose from").click()
        page.get_by_role("menuitem").nth(1).click()
        widget.settle()
        page.wait_for_timeout(300)  # time for whatever should not be asked for
        assert (paths, dialogs, widget.errors()) == ([], [], [])
    inside = (
        "document.querySelectorAll('.msgflux-live :is(script, style, img, a, [onerror], [data-commandlinker-command])')"
    )
    assert page.evaluate(f"{inside}.length") == 0
