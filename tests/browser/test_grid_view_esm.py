"""The page of a grid in Chromium without a kernel: drawn fast, and moved in, opened, rated and hidden by keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.grid.grid_view import Open
from tests.tables.scripted_model import Scripted

from .widget_page import WidgetPage

pytestmark = pytest.mark.browser

# The shortest of a few times, since other tests use the machine too.
_TIMED = """async (board) => {
  let least = Infinity;
  for (let turn = 0; turn < 6; turn += 1) {
    const began = performance.now();
    model.receive({ board: { ...board } });
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    least = Math.min(least, performance.now() - began);
  }
  return least;
}"""
HOSTILE = "<img src=x onerror=alert(1)>"


def grid(inputs: int = 3) -> pd.DataFrame:
    prompts = {f"p{number}": f"Prompt {number}: {{text}}" for number in range(6)}
    models = [Scripted(lambda text: f"{HOSTILE} {text[:8]}"), Scripted(lambda text: f"said {text[:8]}")]
    texts = [f"input {number}" for number in range(inputs)]
    return mf.grid(prompts, texts, models=models, score=lambda answer: "said" in answer, store=False, progress=False)


@pytest.fixture
def opened(page: Page) -> Iterator[WidgetPage]:
    view = mf.GridView(grid())
    widget = WidgetPage(page, mf.GridView, {"board": view.board, "opened": view.opened})
    yield widget
    assert widget.errors() == []
    assert page.locator("img").count() == 0


def test_only_whole_rows_are_seen_above_the_open_answer(page: Page) -> None:
    view = mf.GridView(grid(40))
    WidgetPage(page, mf.GridView, {"board": view.board, "opened": view.opened})
    rest = """() => {
      const wrap = document.querySelector(".mf-wrap"), row = wrap.querySelector("tbody tr").offsetHeight;
      const room = wrap.clientHeight - wrap.querySelector("thead").offsetHeight;
      return [room / row, wrap.scrollHeight > wrap.clientHeight];
    }"""
    page.wait_for_function(f"() => Number.isInteger(({rest})()[0])")
    rows, scrolls = page.evaluate(rest)
    assert rows >= 3
    assert scrolls
    expect(page.locator("thead b").first).to_have_text("p0")
    expect(page.locator("thead .mf-edge span").first).to_have_text("Prompt 0:")  # without the place of the input


def test_the_open_answer_stays_in_sight_when_the_view_becomes_narrow(page: Page) -> None:
    view = mf.GridView(grid())
    view._on_open(Open(row=0, column=9), [])
    WidgetPage(page, mf.GridView, {"board": view.board, "opened": view.opened})
    page.locator("body").evaluate("(body) => (body.style.width = '480px')")
    sees = """() => {
      const cell = document.querySelector("[aria-current]").getBoundingClientRect();
      const room = document.querySelector(".mf-wrap").getBoundingClientRect();
      return cell.left >= room.left + 200 && cell.right <= room.right;
    }"""
    page.wait_for_function(sees)


def test_keys_do_not_wait_for_a_slow_kernel(page: Page) -> None:
    view = mf.GridView(grid())
    widget = WidgetPage(page, mf.GridView, {"board": view.board, "opened": view.opened})
    page.locator(".msgflux-grid").focus()
    current = page.locator('.mf-cell[aria-current="true"]')
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    widget.receive(opened={**view.opened, "row": 1, "column": 0})  # the answer to the first key
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert [one["row"] for one in widget.sent("rate")] == [2]
    assert (widget.sent("open")[-1]["row"], widget.sent("open")[-1]["column"]) == (2, 1)
    for column in (0, 1):
        widget.receive(opened={**view.opened, "row": 2, "column": column})
    expect(current).to_have_attribute("data-place", "2 1")
    widget.receive(opened={**view.opened, "row": 0, "column": 1})  # by itself, as a filter does
    expect(current).to_have_attribute("data-place", "0 1")


def test_six_hundred_answers_are_drawn_at_once(page: Page) -> None:
    view = mf.GridView(grid(50))
    WidgetPage(page, mf.GridView, {"board": {**view.board, "rows": []}, "opened": view.opened})
    took: float = page.evaluate(_TIMED, view.board)
    print(f"drawn in {took:.0f} ms")
    assert page.locator(".mf-cell").count() == 600
    assert took < 5_000  # what draws all answers again for each of them takes longer


def test_arrows_move_and_keys_rate_and_hide(opened: WidgetPage) -> None:
    page = opened.page
    page.locator(".msgflux-grid").focus()
    expect(page.locator(".mf-input-text")).to_have_attribute("dir", "auto")  # a text may run from right to left
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert [(one["row"], one["column"]) for one in opened.sent("open")] == [(0, 1), (0, 2), (1, 2), (1, 1)]
    expect(page.locator('.mf-cell[aria-current="true"]')).to_have_attribute("data-place", "1 1")
    page.keyboard.press("+")
    page.keyboard.press("-")
    assert [(one["row"], one["column"], one["rating"]) for one in opened.sent("rate")] == [
        (1, 1, "good"),
        (1, 1, "bad"),
    ]
    page.keyboard.press("b")
    assert opened.sent("blind")[0]["on"] is True
    page.keyboard.press("Enter")
    expect(page.locator(".mf-opened")).to_have_class("mf-opened mf-all")


def test_heads_show_scores_with_their_intervals_and_mark_the_best(opened: WidgetPage) -> None:
    heads = opened.page.locator("th.mf-model:not(.mf-caption)")
    expect(heads).to_have_count(12)
    expect(heads.nth(1)).to_contain_text("100 %")
    expect(heads.nth(1).get_by_role("img")).to_have_attribute("aria-label", "between 44 and 100 %")
    expect(heads.nth(1)).to_have_class(re.compile("mf-best"))


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (["openai/gpt-4.1-nano", "local/qwen3-4b"], ["gpt-4.1-nano", "qwen3-4b"]),
        (["groq/meta/llama", "together/llama"], ["groq/meta/llama", "together/llama"]),
        (["<i>/", "plain"], ["<i>/", "plain"]),
    ],
)
def test_heads_name_a_model_without_who_offers_it_where_that_is_enough(
    opened: WidgetPage, models: list[str], said: list[str]
) -> None:
    board = opened.page.evaluate("model.get('board')")
    heads = [{**board["heads"][place], "model": model} for place, model in enumerate(models)]
    opened.receive(board={**board, "models": 2, "heads": heads, "rows": []})
    expect(opened.page.locator("th.mf-model:not(.mf-caption) > span:first-child")).to_have_text(said)


def test_an_error_of_the_kernel_is_shown(opened: WidgetPage) -> None:
    opened.deliver({"type": "problem", "name": "ValueError", "message": f"no {HOSTILE}"})
    expect(opened.page.get_by_role("alert")).to_have_text(f"no {HOSTILE}")


def test_nothing_lies_outside_where_it_is_narrow(opened: WidgetPage) -> None:
    opened.page.set_viewport_size({"width": 480, "height": 700})
    opened.settle()
    width = opened.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 480


def test_cells_fill_in_one_by_one_and_the_button_stops_and_goes_on(page: Page) -> None:
    prompts = {"one": "{text}", "two": "Well: {text}"}
    view = mf.GridView(prompts, ["a", "b", "c"], models=Scripted(lambda text: f"said {text}"), store=False)
    widget = WidgetPage(page, mf.GridView, {"board": view.board, "opened": view.opened})
    button = page.locator(".mf-act")
    expect(button).to_have_accessible_name("Run 6")
    button.click()
    assert len(widget.sent("go")) == 1
    running = {"state": "running", "action": "stop", "action_label": "Stop", "unanswered": 4, "paid": "$0.01 of $0.10"}
    expect(page.locator(".mf-top").get_by_text("$0.01 of $0.10")).to_be_hidden()
    heads = [{**head, "cost": 0.002, "seconds": 0.42} for head in view.board["heads"]]
    view.run(wait=True)
    row = view._board.row(1)
    page.evaluate("() => (window.kept = document.querySelector('tr[data-row=\"0\"]'))")
    widget.deliver({"type": "filled", "rows": [row], "heads": heads, **running})
    expect(page.locator('[data-place="1 1"]')).to_have_text("said Well: b")
    expect(page.locator('[data-place="2 1"]')).to_have_text("")
    expect(page.locator("th.mf-model").nth(1)).to_contain_text("$0.0020 · 0.4 s")
    expect(page.locator(".mf-top .mf-is")).to_have_text("2 of 6")
    expect(page.locator(".mf-top").get_by_text("$0.01 of $0.10")).to_be_visible()
    assert page.evaluate("() => window.kept.isConnected")  # unchanged cells are not drawn again
    row["cells"][0] = {"mark": "asking", "rating": "", "parts": []}
    widget.deliver({"type": "filled", "rows": [row], "heads": heads, **running})
    expect(page.locator('[data-place="1 0"]').get_by_role("img", name="being written")).to_be_visible()
    expect(page.locator('[data-place="2 1"] .mf-ghost')).to_be_visible()  # an answer that is not asked for yet
    expect(button).to_have_accessible_name("Stop")
    button.click()
    page.keyboard.press("Escape")
    assert len(widget.sent("stop")) == 2
    page.evaluate("(board) => model.receive({ board })", {**view.board})
    expect(button).to_be_hidden()
    expect(page.locator(".mf-ghost").first).to_be_hidden()
    assert widget.errors() == []
