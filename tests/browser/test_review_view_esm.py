"""The page of a review in Chromium without a kernel: fields and quotes that highlight each other, and keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest
from playwright.sync_api import Page, expect

import msgflux_nb as mf
from tests.tables.scripted_model import Scripted

from .widget_page import WidgetPage

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
TEXT = f"Ada Lovelace lives in Ghent,\nand was born in 1815. {HOSTILE}"


class Person(msgspec.Struct):
    name: str
    town: str
    mood: Literal["good", "bad"]
    born: int


@pytest.fixture
def opened(page: Page) -> Iterator[WidgetPage]:
    model = Scripted(lambda text: Person("Ada Lovelace", "Ghent", "good", 1815))
    result = mf.extract([TEXT], Person, model=model, store=False, progress=False)
    view = mf.ReviewView(result)
    widget = WidgetPage(page, mf.ReviewView, {"row": view.row, "status": view.status})
    page.locator(".msgflux-review").focus()
    yield widget
    assert widget.errors() == []
    assert page.locator("img").count() == 0


def sent(opened: WidgetPage, kind: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "buffers"} for one in opened.sent(kind)]


def test_a_field_that_is_pointed_at_lights_its_quote_and_a_quote_its_field(opened: WidgetPage) -> None:
    page = opened.page
    quotes, fields = page.locator(".mf-quote"), page.locator(".mf-field")
    expect(quotes).to_have_count(3)
    expect(page.locator(".mf-read")).to_have_attribute("dir", "auto")  # a text may run from right to left
    fields.nth(1).hover()
    expect(quotes.filter(has_text="Ghent")).to_have_class("mf-quote mf-on")
    quotes.filter(has_text="1815").hover()
    expect(fields.nth(3)).to_have_class("mf-field mf-pointed")
    expect(quotes.filter(has_text="1815")).to_have_class("mf-quote mf-on")


def test_digits_open_a_field_choose_of_a_literal_and_take_selected_words(opened: WidgetPage) -> None:
    keyboard = opened.page.keyboard
    keyboard.press("3")
    expect(opened.page.get_by_role("radio")).to_have_count(2)
    keyboard.press("2")
    assert sent(opened, "set") == [{"type": "set", "position": 0, "field": "mood", "text": "bad"}]
    keyboard.press("t")
    for key in ("ArrowDown", "ArrowRight", "Shift+ArrowRight"):
        keyboard.press(key)
    picked = opened.page.evaluate("() => getSelection().toString()")
    assert picked == "was born"
    keyboard.press("1")
    assert sent(opened, "set")[1] == {"type": "set", "position": 0, "field": "name", "text": "was born"}


@pytest.mark.parametrize("end", ["Escape", "1"])
def test_words_can_be_picked_again_after_others(opened: WidgetPage, end: str) -> None:
    for key in ("t", "ArrowDown", "Shift+ArrowRight", end, "t"):
        opened.page.keyboard.press(key)
    picked = opened.page.evaluate("() => getSelection().toString()")
    opened.page.keyboard.press("Shift+ArrowRight")
    assert opened.page.evaluate("() => getSelection().toString()").startswith(f"{picked} ")
    assert " " not in picked


def test_choices_say_how_often_the_answers_hold_them(opened: WidgetPage) -> None:
    opened.page.keyboard.press("3")
    expect(opened.page.get_by_role("radio")).to_have_text(["1good100 % of all", "2bad0 % of all"])
    expect(opened.page.locator(".mf-choices .mf-sure").first).to_have_attribute("title", "in 100 % of the answers")


@pytest.mark.parametrize("width", [960, 680, 460])
def test_how_sure_a_field_is_has_room_for_its_bar_at_any_width(page: Page, opened: WidgetPage, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    row = page.evaluate("model.get('row')")
    opened.receive(row={**row, "fields": [{**field, "confidence": 0.5} for field in row["fields"]]})
    opened.settle()
    bars = page.locator(".mf-field .mf-sure > .mf-meter")
    assert min(bars.evaluate_all("(all) => all.map((bar) => bar.getBoundingClientRect().width)")) > 15


def test_a_field_is_edited_and_the_letters_in_it_are_no_commands(opened: WidgetPage) -> None:
    keyboard = opened.page.keyboard
    keyboard.press("2")
    keyboard.press("e")
    keyboard.type("nuxpe")
    keyboard.press("Enter")
    assert sent(opened, "set") == [{"type": "set", "position": 0, "field": "town", "text": "nuxpe"}]
    assert [sent(opened, kind) for kind in ("accept", "undo", "unusable", "go")] == [[], [], [], []]
    keyboard.press("Enter")
    assert sent(opened, "accept") == [{"type": "accept", "position": 0}]


def test_commands_are_letters(opened: WidgetPage) -> None:
    for key in "npux":
        opened.page.keyboard.press(key)
    assert [one["by"] for one in sent(opened, "go")] == [1, -1]
    assert len(sent(opened, "undo")) == len(sent(opened, "unusable")) == 1


def test_without_a_kernel_a_review_can_only_be_read(opened: WidgetPage) -> None:
    page = opened.page
    page.locator(".msgflux-review").evaluate("(el) => el.dispatchEvent(new CustomEvent('mf-gone'))")
    expect(page.get_by_role("button", name="Accept")).to_be_disabled()
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    assert sent(opened, "accept") == []
    expect(page.locator(".mf-field input")).to_have_count(0)
    expect(page.locator(".mf-reading")).to_contain_text(HOSTILE)
