"""The page of the view of tool calls, in Chromium without a kernel; its messages come from a real view."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from msgflux_nb.protocol.events import ToolCallDelta
from msgflux_nb.widgets.tool_calls.tool_call_view import ToolCallView

from .hostile import counting, dangerous
from .widget_page import Hear, WidgetPage, until

pytestmark = pytest.mark.browser

SUM = '{"a": 17, "b": 25}'
STATE = {"lanes": {}, "approve": "ask"}
CELLS = "(all) => all.map((row) => [...row.children].map((cell) => cell.innerText.replace(/\\s+/g, ' ').trim()))"
Card = dict[str, Any]


def plan(at: datetime.time, days: list[str], free: bool, note: str | None, more: list[dict[str, int]]) -> str:
    """Plan a day."""
    return "planned"


def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


def get_weather(location: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Say the weather."""
    return ""


class Telling(ToolCallView):
    """A view that keeps its messages."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(*args, **keywords)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)


def told(*calls: tuple[Any, ...], ended: bool = True, tools: Any = (add, get_weather)) -> list[dict[str, Any]]:
    """Return the messages of a view about fragments: (call, milliseconds, id, name, text)."""
    with closing(Telling(tools=list(tools))) as view:
        view.begin()
        for call, milliseconds, id_, name, text in calls:
            view._calls.take(ToolCallDelta(call, id_, name, text), milliseconds)
        if ended:
            view.end()
        view._sender.flush()
        return view.sent


def card(**more: Any) -> Card:
    """Return the kernel's message about a call."""
    empty = {"edited": None, "reason": "", "result": None, "left": 0, "seconds": None}
    final = {"id": "c", "name": "add", "status": "complete", "repaired": False, "late": False}
    return {
        "step": 1,
        "custom": False,
        "phase": "",
        "marks": [],
        **empty,
        "final": {**final, "error": None, "arguments": None},
        **more,
    }


def pieces(call: int, id_: str | None, name: str, text: str, *, size: int = 4, every: int = 10) -> list[Any]:
    """Return a call in fragments of so many characters."""
    rest = [(call, every * at, None, None, text[at : at + size]) for at in range(0, len(text), size)]
    return [(call, 0, id_, name, ""), *rest]


class Board:
    """A view of tool calls in a page."""

    def __init__(self, page: Page, *messages: dict[str, Any], **state: Any) -> None:
        self.widget = WidgetPage(page, ToolCallView, {**STATE, **state})
        self.page = page
        self.seq = 0
        self.run = 0
        self.deliver(*messages)

    def deliver(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self.run = message.get("run", self.run)
            self.seq = message.get("seq", self.seq)
        self.widget.deliver(*messages)
        self.widget.settle()

    def batch(self, *calls: tuple[Any, ...], **lanes: Card) -> None:
        """Deliver the next batch."""
        content: dict[str, Any] = {"calls": [list(call) for call in calls]} if calls else {}
        if lanes:
            content["lanes"] = {name.removeprefix("_"): one for name, one in lanes.items()}
        self.deliver({"type": "batch", "run": self.run, "seq": self.seq + 1, **content})

    def state(self, **more: Any) -> None:
        known = {"state": "running", "running": True, "tools": {}, "status": [], "answer": "", "error": None}
        self.deliver({"type": "state", "run": self.run, **known, **more})

    def lane(self, number: int = 0) -> Locator:
        return self.page.locator(".mf-lane").nth(number)

    def button(self, name: str, number: int = 0) -> Locator:
        """Return the first visible button of a lane with this name."""
        found = self.lane(number).get_by_role("button", name=name, exact=True)
        return found.locator("visible=true").first

    def rows(self, number: int = 0) -> list[list[str]]:
        """Return name, value, and tick with type of each field."""
        self.widget.settle()
        found: list[list[str]] = self.lane(number).locator("tbody tr").evaluate_all(CELLS)
        return found

    def raw(self, number: int = 0) -> str:
        return self.lane(number).locator(".mf-raw-text").text_content() or ""

    def state_of(self, number: int = 0) -> str:
        """Return the only state in a lane's head."""
        self.widget.settle()
        words = self.lane(number).locator(".mf-lane-head .mf-is")
        assert words.count() == 1
        return words.inner_text()

    def more(self, name: str) -> None:
        """Pick an entry of the menu in the head."""
        self.page.get_by_role("button", name="more", exact=False).click()
        self.page.locator(".mf-menu").get_by_text(name, exact=False).click()

    def calls(self) -> list[dict[str, Any]]:
        """What the page exports to a parent."""
        found: list[dict[str, Any]] = self.page.evaluate("widgetExports.calls()")
        return found

    def show(self, moments: int) -> None:
        """Move the slider so many moments from the start."""
        slider = self.page.get_by_role("slider", name="replay")
        slider.press("Home")
        for _ in range(moments):
            slider.press("ArrowRight")
        self.widget.settle()


@pytest.fixture
def board(page: Page) -> Iterator[Callable[..., Board]]:
    """Open a view; its code must not raise."""
    opened: list[Board] = []

    def open_(*messages: dict[str, Any], **state: Any) -> Board:
        opened.append(Board(page, *messages, **state))
        return opened[-1]

    yield open_
    assert opened[-1].widget.errors() == []


Open = Callable[..., Board]


# -- assembly ------------------------------------------------------------------------------------------------------


def test_an_empty_view_explains_itself_in_one_line(board: Open) -> None:
    view = board()
    expect(view.page.locator(".mf-hint")).to_have_text(
        "Tool calls appear here, fragment by fragment, as a model writes them."
    )
    assert [one["run"] for one in view.widget.sent("hello")] == [0]


def test_nothing_is_called_written_before_a_call_or_after_the_kernel_is_gone(board: Open) -> None:
    view = board()
    view.state(state="running", running=True)
    head = view.page.locator(".mf-top")
    expect(head).to_contain_text("no call yet")
    view.batch((0, 0, "c", "add", SUM[:4]))
    expect(head).to_contain_text("being written")
    view.page.evaluate("model.trigger('comm_live_update')")
    expect(head).to_contain_text("no kernel")


def test_arguments_are_written_for_people_while_they_arrive(board: Open) -> None:
    begin = '{"at": "19:30:00", "days": ["Mo"'
    rest = ', "Tu, We"], "free": true, "note": null, "more": [{"a": 1}]}'
    view = board(*told((0, 0, "c", "plan", begin), ended=False, tools=[plan]))
    assert [row[1] for row in view.rows()][:2] == ["19:30", "Mo"]
    view.batch((0, 9, None, None, rest))
    assert [row[1] for row in view.rows()] == ["19:30", "Mo, “Tu, We”", "yes", "–", '[{"a": 1}]']
    assert view.raw() == begin + rest


def test_fragments_stand_on_one_side_and_what_they_make_so_far_on_the_other(board: Open) -> None:
    view = board(*told((0, 0, "call_1", "get_weather", '{"loc'), (0, 5, None, None, 'ation": "Par'), ended=False))
    assert view.lane().locator(".mf-piece").all_inner_texts() == ['{"loc', 'ation": "Par']
    assert view.rows() == [
        ["location", "Par", "str arriving"],
        ["unit", "", "'celsius' | 'fahrenheit' not yet"],
    ]
    assert view.state_of() == "0 of 2 fields"
    view.batch((0, 9, None, None, 'is", "unit": "celsius"}'))
    assert view.rows() == [
        ["location", "Paris", "str filled"],
        ["unit", "celsius", "'celsius' | 'fahrenheit' filled"],
    ]
    assert (view.state_of(), view.raw()) == ("complete", '{"location": "Paris", "unit": "celsius"}')


def test_the_newest_piece_alone_is_tinted_and_only_while_a_call_is_written(board: Open) -> None:
    tinted = "(all) => all.map((one) => getComputedStyle(one).backgroundColor !== 'rgba(0, 0, 0, 0)')"
    view = board(*told((0, 0, "c", "add", '{"a"'), (0, 5, None, None, ": 17"), ended=False))
    assert view.lane().locator(".mf-piece").evaluate_all(tinted) == [False, True]
    view.batch((0, 9, None, None, ', "b"'))
    assert view.lane().locator(".mf-piece").evaluate_all(tinted) == [False, False, True, True]  # in two fields
    view.batch((0, 12, None, None, ": 25}"))
    assert view.lane().locator(".mf-piece").evaluate_all(tinted) == [False] * 5


def test_the_head_holds_what_it_is_one_state_the_question_and_at_most_three_controls(board: Open) -> None:
    view = asking(board)
    view.state(question="How much?", running=True)
    head = view.page.locator(".mf-top")
    assert " ".join(head.inner_text().split()) == "2 tool calls 2 wait for you How much? Stop esc"
    assert head.locator(".mf-is").count() == 1
    assert head.locator("button:visible:not(.mf-goes)").count() == 3
    head.locator(".mf-goes").click()
    expect(view.button("Approve")).to_be_focused()


def test_one_button_is_filled_the_first_calls_approve(board: Open) -> None:
    view = asking(board)
    filled = view.page.locator(".mf-primary:visible")
    assert [one.inner_text().split() for one in filled.all()] == [["Approve", "A"]]
    assert view.lane().locator(".mf-primary:visible").count() == 1
    view.button("Approve").click()
    view.widget.settle()
    assert view.lane(1).locator(".mf-primary:visible").count() == 1
    expect(view.lane()).to_be_focused()  # and not the page


def test_letters_decide_on_the_first_call_that_waits(board: Open) -> None:
    view = asking(board)
    view.lane(1).focus()
    view.page.keyboard.press("a")
    assert [(one["lane"], one["verdict"]) for one in view.widget.sent("decide")] == [(0, "approve")]
    view.widget.settle()
    view.page.keyboard.press("r")
    expect(view.page.get_by_role("textbox", name="why call 2 is rejected")).to_be_focused()
    view.page.keyboard.type("a reason, and no decision")
    assert len(view.widget.sent("decide")) == 1
    view.page.keyboard.press("Escape")
    view.page.keyboard.press("e")
    expect(view.page.get_by_role("textbox", name="arguments of call 2")).to_be_focused()


def test_the_calls_are_copied_as_messages(board: Open, page: Page) -> None:
    view = board(*told((0, 0, "c", "add", SUM)))
    page.evaluate(
        """() => {
          window.taken = [];
          const writeText = async (text) => window.taken.push(text);
          Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
        }"""
    )
    view.batch(_0=card(phase="done", marks=[(5, "running"), (9, "done")], result="42", seconds=0.04))
    view.more("Copy as messages")
    until(lambda: page.evaluate("taken.length"))
    assert json.loads(page.evaluate("taken[0]")) == [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "add", "arguments": SUM}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]


def test_what_is_drawn_is_not_drawn_again(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM)[:3], ended=False))
    view.page.evaluate("window.first = document.querySelector('.mf-piece')")
    view.batch(*pieces(0, "c", "add", SUM)[3:])
    assert view.page.evaluate("window.first.isConnected && window.first === document.querySelector('.mf-piece')")


@pytest.mark.parametrize(
    ("calls", "state", "sentence"),
    [
        ([(0, 0, "c", "add", SUM)], "complete", ""),
        ([(0, 0, "c", "add", '{"a": 17')], "invalid", "end in the middle"),
        ([(0, 0, "c", "add", '{"a": x}')], "invalid", "x"),
        ([(0, 0, "c", "add", json.dumps(SUM))], "repaired", "was read as"),
        ([(0, 0, None, "add", '{"a": 17'), (0, 1, "late", None, "}")], "late id", "came after the arguments"),
        ([(0, 0, "c", "nosuch", "{}")], "no such tool", "none of the tools"),
    ],
)
def test_one_state_says_what_has_become_of_a_call_and_a_sentence_why(
    board: Open, calls: Any, state: str, sentence: str
) -> None:
    view = board(*told(*calls))
    assert view.state_of() == state
    assert sentence in view.lane().locator(".mf-verdict").inner_text()


def test_a_repaired_call_shows_what_it_was_read_as(board: Open) -> None:
    assert board(*told((0, 0, "c", "add", json.dumps(SUM)))).rows() == [
        ["a", "17", "int filled"],
        ["b", "25", "int filled"],
    ]


def test_fields_that_are_left_out_missing_or_unknown_say_so(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"c": [1, {"d": 2.50}]}')))
    assert view.rows() == [
        ["a", "", "int missing"],
        ["b", "", "int left to its default"],
        ["c", '[1, {"d": 2.50}]', "extra not in the schema"],
    ]


def test_numbers_are_shown_as_they_were_written(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"a": 12345678901234567890, "b": 1e3}')))
    assert [row[1] for row in view.rows()] == ["12345678901234567890", "1e3"]


def test_steps_are_set_apart(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", SUM)))
    view.batch((1, 100, "d", "add", SUM), _1=card(step=2))
    expect(view.page.locator(".mf-step")).to_have_text("step 2")


# -- after it ------------------------------------------------------------------------------------------------------


def asking(board: Open) -> Board:
    view = board(*told((0, 0, "c", "add", SUM), (1, 1, "d", "add", SUM)))
    view.state(tools=told()[0]["tools"])
    waits = {"phase": "asked", "marks": [(9, "asked")]}
    view.batch(_0=card(**waits), _1=card(**waits))
    return view


def test_a_call_that_waits_is_approved(board: Open) -> None:
    view = asking(board)
    expect(view.page.locator(".mf-top")).to_contain_text("2 wait for you")
    assert view.widget.sent("seen")[0]["lanes"] == [0, 1]
    view.button("Approve").click()
    decision = view.widget.sent("decide")[0]
    assert (decision["lane"], decision["verdict"]) == (0, "approve")
    expect(view.lane()).to_contain_text("approved, waiting for its turn")
    marks = [(9, "asked"), (20, "running")]
    view.batch(_0=card(phase="running", marks=marks))
    assert view.state_of() == "runs"
    view.batch(_0=card(phase="done", marks=[*marks, (60, "done")], result="42", seconds=0.04))
    assert view.state_of() == "ran 0.04 s"
    expect(view.lane().locator(".mf-result-line")).to_have_text("42")
    expect(view.lane().locator(".mf-decision")).to_be_hidden()


def test_other_arguments_are_checked_while_they_are_typed(board: Open) -> None:
    view = asking(board)
    view.button("Edit").click()
    field = view.page.get_by_role("textbox", name="arguments of call 1")
    assert field.input_value() == '{\n  "a": 17,\n  "b": 25\n}'
    use = view.button("Run with these")
    for text, problem in [("{", "not valid JSON"), ("[]", "expected a JSON object"), ('{"b": 1}', "missing: a")]:
        field.fill(text)
        expect(view.lane().locator(".mf-editor .mf-problem")).to_contain_text(problem)
        expect(use).to_be_disabled()
    field.fill('{"a": 1, "z": 2}')
    expect(view.lane().locator(".mf-editor .mf-problem")).to_have_text("not in the schema: z")
    field.fill('{"a": 1}')
    field.press("Shift+Enter")
    decision = view.widget.sent("decide")[0]
    assert (decision["verdict"], decision["arguments"]) == ("edit", '{"a": 1}')
    view.deliver({"type": "refused", "run": view.run, "lane": 0, "message": "a: expected less"})
    expect(view.lane().locator(".mf-editor .mf-problem")).to_have_text("a: expected less")
    expect(field).to_be_enabled()


def test_a_call_is_rejected_with_a_reason(board: Open) -> None:
    view = asking(board)
    view.button("Reject…", 1).click()
    reason = view.page.get_by_role("textbox", name="why call 2 is rejected")
    expect(reason).to_be_focused()
    reason.fill("too dear")
    reason.press("Enter")
    decision = view.widget.sent("decide")[0]
    assert (decision["lane"], decision["verdict"], decision["reason"]) == (1, "reject", "too dear")
    marks = [(9, "asked"), (20, "rejected")]
    view.batch(_1=card(phase="rejected", marks=marks, reason="too dear", result="the user did not"))
    expect(view.lane(1).locator(".mf-outcome")).to_contain_text("too dear")
    assert view.state_of(1) == "rejected"


def test_all_that_waits_is_approved_at_once(board: Open) -> None:
    view = asking(board)
    view.more("Approve all")
    assert [(one["lane"], one["verdict"]) for one in view.widget.sent("decide")] == [(0, "approve"), (1, "approve")]


def test_failures_answers_and_figures_are_shown(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", SUM)))
    view.batch(_0=card(phase="failed", marks=[(5, "failed")], result="ValueError: no\nluck", seconds=1234.5))
    assert view.state_of() == "failed"
    expect(view.lane().locator(".mf-outcome")).to_contain_text("ValueError: no\nluck")
    view.state(state="complete", running=False, answer="It is 42.", status=["2 steps", "– tokens"])
    expect(view.page.locator(".mf-answer-text")).to_have_text("It is 42.")
    expect(view.page.locator(".mf-bottom .mf-figs > span")).to_have_text(["2 steps", "– tokens", "1 piece"])
    view.state(state="failed", running=False, error=["ServerError", "it broke"])
    expect(view.page.get_by_role("alert")).to_have_text("ServerError: it broke")


def test_stop_by_button_and_by_key(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"a"'), ended=False))
    expect(view.page.get_by_role("button", name="Stop")).to_be_hidden()  # other code reads
    view.state()
    view.page.get_by_role("button", name="Stop").click()
    view.lane().press("Escape")
    assert len(view.widget.sent("stop")) == 2


def test_arrows_move_between_lanes(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", SUM), (1, 1, "d", "add", SUM)))
    view.lane().focus()
    view.page.keyboard.press("ArrowRight")
    expect(view.lane(1)).to_be_focused()
    view.page.keyboard.press("ArrowUp")
    expect(view.lane()).to_be_focused()


# -- the replay ----------------------------------------------------------------------------------------------------


def test_the_slider_shows_every_moment_forwards_and_back(board: Open) -> None:
    calls = [
        (0, 0, None, "add", '{"a"'),
        (1, 5, "d", "add", '{"a": 1'),
        (0, 9, "late", None, ": 17"),
        (1, 12, None, None, "}"),
    ]
    view = board(*told(*calls, (0, 20, None, None, "}")))
    seen = []
    for moments in range(5):
        view.show(moments)
        seen.append((view.raw(0), view.raw(1), view.state_of(0)))
    assert seen == [
        ("", "", "not begun"),
        ('{"a"', "", "0 of 2 fields"),
        ('{"a"', '{"a": 1', "0 of 2 fields"),
        ('{"a": 17', '{"a": 1', "0 of 2 fields"),
        ('{"a": 17', '{"a": 1}', "0 of 2 fields"),
    ]
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("ArrowLeft")
    view.widget.settle()
    assert (view.raw(0), view.raw(1)) == ('{"a"', '{"a": 1')
    assert view.rows()[0] == ["a", "", "int not yet"]
    assert view.widget.sent("keep") == [{"type": "keep", "buffers": []}]
    view.page.keyboard.press("End")
    view.widget.settle()
    assert (view.raw(0), view.state_of(0)) == ('{"a": 17}', "late id")


def test_phases_are_moments_too(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", SUM)))
    marks = [(100, "asked"), (900, "running"), (950, "done")]
    view.batch(_0=card(phase="done", marks=marks, result="42", seconds=0.05))
    words = []
    for moments in (1, 2, 3, 4, 1):
        view.show(moments)
        words.append(view.state_of())
    assert words == ["complete", "waits for you", "runs", "ran 0.05 s", "complete"]


def test_it_plays_from_the_start_and_stops_at_the_end(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM, every=10)))
    for _ in range(4):
        view.page.get_by_role("button", name="speed").or_(view.page.get_by_title("speed")).first.click()
    expect(view.page.get_by_title("speed")).to_have_text("0.25×")
    view.page.get_by_role("button", name="play").click()
    expect(view.page.get_by_role("button", name="pause")).to_be_visible()
    until(lambda: 0 < len(view.raw()) < len(SUM), what="a part of the call")
    until(lambda: view.raw() == SUM, what="all of the call")
    expect(view.page.get_by_role("button", name="play", exact=True)).to_be_visible()


def test_what_arrives_while_somebody_looks_back_does_not_move_them(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM)[:3], ended=False))
    view.show(1)
    view.batch(*pieces(0, "c", "add", SUM)[3:])
    assert view.raw() == ""
    view.page.get_by_role("button", name="go to the end").click()
    view.widget.settle()
    assert view.raw() == SUM


def test_bars_show_when_each_fragment_came_and_a_click_leads_there(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"a"'), (0, 40, None, None, ": 17"), (0, 1540, None, None, "}")))
    chart = view.page.locator(".mf-score").get_by_role("img")
    assert chart.get_attribute("aria-label") == "3 fragments in 1.54 s, longest pause 1.50 s"
    box = chart.bounding_box()
    assert box
    there = {"x": box["width"] * 40 / 1540 + 1, "y": 10}
    chart.hover(position=there)
    expect(view.page.locator(".mf-time")).to_have_text("#2 · 0.04 s · +0.04 s · 4 characters")
    chart.click(position=there)
    view.widget.settle()
    assert view.raw() == '{"a": 17'
    expect(view.page.get_by_role("slider", name="replay")).to_be_focused()
    expect(view.page.get_by_role("slider")).to_have_attribute("aria-valuetext", "0.04 s of 1.54 s, moment 2 of 3")


def test_the_playhead_is_dragged_over_all_calls(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM, every=100), *pieces(1, "d", "add", SUM, every=100)))
    box = view.page.locator(".mf-score-lines").bounding_box()
    assert box
    view.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 8)
    view.page.mouse.down()
    seen = []
    for part in (0.75, 0.5, 0.25, 0.0):
        view.page.mouse.move(box["x"] + part * box["width"], box["y"] + 50)
        view.widget.settle()
        seen.append(len(view.raw(0)) + len(view.raw(1)))
    view.page.mouse.up()
    assert sorted(seen, reverse=True) == seen
    assert len(set(seen)) == 4
    view.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 8)
    view.widget.settle()
    assert len(view.raw(0)) + len(view.raw(1)) == seen[-1]  # it is let go


def test_waiting_and_running_are_drawn_on_the_axis_up_to_what_is_shown(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM, every=10)))
    marks = [(200, "asked"), (400, "running"), (500, "done")]
    view.batch(_0=card(phase="done", marks=marks, result="42", seconds=0.1))
    width = "(node) => node.getBoundingClientRect().width"
    asked, running = view.page.locator(".mf-span-asked"), view.page.locator(".mf-span-running")
    assert asked.evaluate(width) == pytest.approx(2 * running.evaluate(width), rel=0.05)
    expect(view.page.locator(".mf-score")).to_contain_text("ran 0.10 s")
    for _ in range(2):
        view.page.get_by_role("slider", name="replay").press("ArrowLeft")
    view.widget.settle()
    expect(running).to_have_count(0)
    expect(view.page.locator(".mf-score")).to_contain_text("waits for you")


@pytest.mark.parametrize(
    ("every", "said"),
    [
        (40, ["0 s", "0.2 s", "0.4 s", "0.6 s"]),
        (100, ["0 s", "0.5 s", "1.0 s", "1.5 s"]),
    ],
)
def test_the_times_below_the_axis_are_round(board: Open, every: int, said: list[str]) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM, every=every)))
    expect(view.page.locator(".mf-axis span")).to_have_text(said)


def test_a_shortened_pause_breaks_the_axis_and_its_steps_stay_even(board: Open) -> None:
    text = '{"a": 1, "b": 22, "c": 333}'
    times_ = [0, 500, 1_000, 9_500, 10_000, 10_500, 11_000]
    view = board(*told(*[(0, ms, "c", "add", text[4 * at : 4 * at + 4]) for at, ms in enumerate(times_)]))
    times = view.page.locator(".mf-axis span:not(.mf-pause)")
    expect(times).to_have_text(["0 s", "1 s", "10 s", "11 s"])
    first, second, third, fourth = times.evaluate_all("(all) => all.map((one) => parseFloat(one.style.left))")
    assert fourth - third == pytest.approx(second - first, rel=0.01)
    place = view.page.locator(".mf-gaps > i").evaluate_all("(all) => all.map((one) => parseFloat(one.style.left))")
    assert len(place) == 1
    assert second < place[0] < third
    expect(view.page.locator(".mf-axis .mf-pause")).to_have_text("a pause of 8.5 s")


def test_the_playhead_stays_inside_the_axis_and_beside_the_last_bar(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM, every=40), ended=False))
    right = "(node) => node.getBoundingClientRect().right"
    axis = view.page.locator(".mf-score-lines").evaluate(right)
    dot = view.page.locator(".mf-playhead").evaluate(right) + 7
    assert dot < axis
    bars = view.page.locator(".mf-bars-past").evaluate("(path) => path.getBoundingClientRect().right")
    assert view.page.locator(".mf-playhead").evaluate("(one) => one.getBoundingClientRect().left") > bars


def test_a_complete_call_says_that_it_waits_until_the_others_are_written(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM), (1, 99, "d", "add", '{"a"'), ended=False))
    expect(view.lane(0).locator(".mf-quietly")).to_have_text("waits until the others are written")
    expect(view.lane(1).locator(".mf-quietly")).to_have_text("nothing runs before the call is complete")


def test_the_raw_text_breaks_between_fields(board: Open) -> None:
    text = '{"origin": "Utrecht Centraal", "to": ["a, b", "c"], "day": "2026-03-12"}'
    view = board(*told(*pieces(0, "c", "add", text, size=6)))
    assert view.raw() == text
    fields = view.lane().locator(".mf-pieces > span")
    expect(fields).to_have_text(['{"origin": "Utrecht Centraal",', '"to": ["a, b", "c"],', '"day": "2026-03-12"}'])
    for width in (180, 240, 320):
        view.page.locator(".mf-raw").first.evaluate("(one, width) => { one.style.width = `${width}px` }", width)
        heights = fields.evaluate_all("(all) => all.map((one) => one.getClientRects().length)")
        assert heights == [1, 1, 1]  # each is one box, on one line if it fits


def test_a_narrow_view_shows_the_raw_text_only_if_it_is_wanted(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM), ended=False))
    expect(view.lane().locator(".mf-raw")).to_be_visible()
    view.page.set_viewport_size({"width": 700, "height": 800})
    expect(view.lane().locator(".mf-raw")).to_be_hidden()
    view.page.get_by_role("button", name="more: ").click()
    view.page.get_by_role("menuitemcheckbox", name="The text as it came").click()
    expect(view.lane().locator(".mf-raw")).to_be_visible()


def test_the_name_of_a_tool_is_shown_whole_and_its_state_stands_below_it(board: Open) -> None:
    name = "search_all_open_library_records"
    messages = told(*pieces(0, "c", name, SUM), *pieces(1, "d", "add", SUM), *pieces(2, "e", "add", SUM))
    view = board(*messages)
    view.page.set_viewport_size({"width": 1000, "height": 800})
    shown = view.lane().locator(".mf-lane-head > .mf-name")
    assert shown.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    place, state = shown.bounding_box(), view.lane().locator(".mf-lane-head .mf-is").bounding_box()
    assert place
    assert state
    assert state["y"] >= place["y"] + place["height"]
    short, beside = (view.lane(1).locator(f".mf-lane-head {part}").bounding_box() for part in (".mf-name", ".mf-is"))
    assert short
    assert beside
    assert abs(short["y"] - beside["y"]) < 8


def test_two_calls_share_the_whole_width(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", SUM), *pieces(1, "d", "add", SUM)))
    whole = view.page.locator(".mf-lanes").evaluate("(one) => one.clientWidth")
    widths = view.page.locator(".mf-lane").evaluate_all("(all) => all.map((one) => one.offsetWidth)")
    assert sum(widths) == pytest.approx(whole, abs=2)


def test_four_hundred_pieces_are_at_most_one_bar_in_each_place(board: Open) -> None:
    view = board(*told(*pieces(0, "c", "add", json.dumps({"a": "x" * 2_000}), size=1, every=3)))
    path = view.page.locator(".mf-bars-past").get_attribute("d") or ""
    width = view.page.locator(".mf-score-lines").evaluate("(node) => node.clientWidth")
    assert 50 < path.count("M") <= width / 4 + 1


# -- a kernel that goes on -----------------------------------------------------------------------------------------


def test_a_gap_is_mended_by_asking_once(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"a": '), ended=False))
    for skipped in (2, 3):
        view.widget.deliver(
            {"type": "batch", "run": view.run, "seq": view.seq + skipped, "calls": [[0, 9, None, None, "x"]]}
        )
    asked = [one for one in view.widget.sent("hello") if one["run"] == view.run]
    assert [one["seq"] for one in asked] == [view.seq]
    known = {"state": "running", "running": False, "tools": {}, "status": [], "answer": "", "error": None}
    whole = {"calls": [[0, 0, "c", "add", SUM]], "lanes": {"0": card()}}
    view.deliver({"type": "progress", "run": view.run, "seq": view.seq + 4, **known, **whole})
    assert view.raw() == SUM


def test_a_page_that_is_loaded_later_shows_the_last_run(board: Open) -> None:
    with closing(ToolCallView([(0, 0, "c", "add", SUM)], tools=[add])) as source:
        view = board(lanes=json.loads(json.dumps(source.lanes, default=lambda one: list(one))))
    view.widget.settle()
    assert (view.raw(), view.state_of()) == (SUM, "complete")


def test_a_second_view_shows_the_same_and_both_follow(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"a": '), ended=False))
    view.page.evaluate("addView()")
    view.batch((0, 5, None, None, "17}"))
    assert view.page.locator(".mf-raw-text").all_inner_texts() == ['{"a": 17}'] * 2
    view.page.evaluate("leave[1]()")
    view.batch((0, 6, None, None, " "))
    assert view.widget.errors() == []


def test_a_new_run_clears_the_last(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", SUM)))
    view.deliver({**told()[0], "run": view.run + 1})
    assert view.page.locator(".mf-lane").count() == 0


# -- large runs ----------------------------------------------------------------------------------------------------

FRAMES = """() => {
  window.longest = 0;
  let before = performance.now();
  const step = (now) => {
    window.longest = Math.max(window.longest, now - before);
    before = now;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}"""


def test_two_thousand_fragments_of_three_calls_are_drawn_as_they_come_and_exact(board: Open) -> None:
    texts = [json.dumps({"a": call, "b": "word " * 1800}) for call in range(3)]
    sizes = [-(-len(text) // 667) for text in texts]
    view = board(*told())
    batches = []
    for start in range(0, 667, 8):
        calls = []
        for at in range(start, min(start + 8, 667)):
            for call, text in enumerate(texts):
                size = sizes[call]
                name = "add" if not at else None
                calls.append([call, at * 5, f"c{call}", name, text[at * size : (at + 1) * size]])
        batches.append({"type": "batch", "run": view.run, "seq": view.seq + len(batches) + 1, "calls": calls})
    assert sum(len(batch["calls"]) for batch in batches) == 2001
    view.page.evaluate(FRAMES)
    drawn = view.page.evaluate(
        """async (batches) => {
          const seen = new Set();
          for (const batch of batches) {
            model.deliver(batch);
            await new Promise((done) => setTimeout(done, 30));
            const [raw, count] = [".mf-raw", ".mf-bottom"].map((name) => document.querySelector(name).innerText);
            seen.add(raw.slice(-40) + count);
          }
          return seen.size;
        }""",
        batches,
    )
    view.widget.settle()
    assert drawn > len(batches) / 2
    assert [call["arguments"] for call in view.calls()] == texts
    assert [call["state"] for call in view.calls()] == ["complete"] * 3
    assert view.page.evaluate("window.longest") < 5_000
    for call in range(3):
        view.lane(call).locator(".mf-raw .mf-more").click()
        view.widget.settle()
        assert view.raw(call) == texts[call]


def test_ten_calls_of_200_kb_stay_smooth(board: Open) -> None:
    view = board(*told())
    text = json.dumps({"a": 1, "b": "word " * 40_000})
    view.page.evaluate(FRAMES)
    spent = view.page.evaluate(
        """async ([text, run, seq]) => {
          let spent = 0;
          for (let at = 0; at < text.length; at += 4000) {
            const calls = [];
            for (let call = 0; call < 10; call += 1) {
              for (let from = at; from < at + 4000; from += 400) {
                calls.push([call, at / 10, `c${call}`, at ? null : "add", text.slice(from, from + 400)]);
              }
            }
            const began = performance.now();
            model.deliver({ type: "batch", run, seq: (seq += 1), calls });
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            spent = Math.max(spent, performance.now() - began);
          }
          return spent;
        }""",
        [text, view.run, view.seq],
    )
    assert [call["arguments"] for call in view.calls()] == [text] * 10
    assert spent < 5_000
    assert view.page.evaluate("document.querySelectorAll('.msgflux-live *').length") < 4000
    slider = view.page.get_by_role("slider", name="replay")
    view.page.evaluate("window.longest = 0")
    for key in ("PageDown", "PageDown", "PageUp", "PageDown", "Home", "End"):
        slider.press(key)
        view.widget.settle()
    assert view.page.evaluate("window.longest") < 5_000
    assert view.calls()[9]["arguments"] == text


# -- look and safety -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 560, 1180])
def test_nothing_sticks_out_and_the_header_covers_no_call(board: Open, width: int) -> None:
    view = asking(board)
    view.page.set_viewport_size({"width": width, "height": 900})
    view.state(status=["x" * 300], answer="y" * 900)
    view.batch((2, 20, "e" * 90, "f" * 90, '{"' + "g" * 90 + '": "' + "h" * 900))
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    header = view.page.locator(".mf-top")
    assert header.evaluate("(node) => node.scrollHeight - node.clientHeight") <= 1
    root = view.page.locator(".msgflux-tool-calls").bounding_box()
    assert root
    assert root["height"] <= 641


def test_nothing_moves_when_a_call_is_asked_about(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", SUM), (1, 1, "d", "add", SUM)))
    before = view.lane(1).bounding_box()
    view.batch(_0=card(phase="asked", marks=[(9, "asked")]), _1=card(phase="asked", marks=[(9, "asked")]))
    after = view.lane(1).bounding_box()
    assert before
    assert after
    assert (before["y"], before["height"]) == (after["y"], after["height"])


def test_nothing_moves_in_a_replay(board: Open) -> None:
    view = board(*told((0, 0, "c", "add", '{"a": 17, '), (0, 5, None, None, '"b": 25}'), (1, 9, "d", "add", '{"a": x')))
    marks = [(100, "running"), (150, "done")]
    view.batch(_0=card(phase="done", marks=marks, result="a long\nresult\nin lines", edited=SUM))
    view.state(state="complete", running=False, answer="It is 42.")
    heights = []
    for key in ("End", "Home", "ArrowRight"):
        view.page.get_by_role("slider", name="replay").press(key)
        view.widget.settle()
        heights.append(view.page.locator(".mf-body").evaluate("(node) => node.scrollHeight"))
        assert view.page.locator(".mf-result").first.is_visible() == (key == "End")
        assert view.page.locator(".mf-answer-text").is_visible() == (key == "End")
    assert len(set(heights)) == 1


def test_every_control_has_a_name(board: Open) -> None:
    view = asking(board)
    view.state()
    view.button("Edit").click()
    view.button("Reject…", 1).click()
    names = view.page.locator("button, input, select, textarea").evaluate_all(
        "(all) => all.map((node) => node.getAttribute('aria-label') || node.title || node.innerText)"
    )
    assert all(names)


def test_dangerous_text_is_text_everywhere(page: Page, hear: Hear) -> None:
    dialogs: list[str] = []
    hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        bad = "\n".join(dangerous(port))
        field = {"path": [bad], "type": bad, "required": True, "about": bad}
        known = {"state": "running", "running": True, "tools": {bad: [field]}, "status": [bad], "answer": bad}
        widget = WidgetPage(page, ToolCallView, STATE, url=f"http://127.0.0.1:{port}/page")
        text = json.dumps({bad: bad, "other" + bad: [bad]})
        marks = [(1, "asked"), (2, "running"), (3, "failed")]
        more = {"result": bad, "edited": bad, "reason": bad, "marks": marks, "phase": "failed"}
        final = {"id": bad, "name": bad, "status": "invalid", "repaired": True, "late": True, "error": bad}
        lanes = {
            "0": card(**more, final={**final, "arguments": text}),
            "1": card(**{**more, "phase": "rejected", "marks": [(3, "rejected")]}),
            "2": card(phase="asked", marks=[(1, "asked")], custom=True),
        }
        calls = [[lane, 0, bad, bad, text] for lane in range(3)]
        widget.deliver(
            {"type": "start", "run": 1, **known, "error": None},
            {"type": "batch", "run": 1, "seq": 1, "calls": calls, "lanes": lanes},
            {"type": "state", "run": 1, **known, "error": [bad, bad], "note": bad},
            {"type": "refused", "run": 1, "lane": 2, "message": bad},
            {"type": "problem", "name": bad, "message": bad},
        )
        widget.settle()
        page.locator(".mf-lane").nth(2).get_by_role("button", name="Edit").click()
        page.wait_for_timeout(300)  # time for whatever should not be asked for
        assert (paths, dialogs, widget.errors()) == ([], [], [])
        assert page.locator(".mf-lane").count() == 3
    inside = (
        "document.querySelectorAll('.msgflux-live :is(script, style, img, a, [onerror], [data-commandlinker-command])')"
    )
    assert page.evaluate(f"{inside}.length") == 0


def test_the_twin_replays_without_a_kernel(page: Page, hear: Hear) -> None:
    with counting() as (port, paths):
        bad = "\n".join(dangerous(port))
        with closing(
            ToolCallView([(0, 0, "c", "add", '{"a": 17, '), (0, 40, None, bad, '"b": 25}')], tools=[add])
        ) as view:
            view.result(view.value[0], bad)
            view._settle()
            html = view._twin()["text/html"]
        errors: list[str] = []
        hear("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/page")
        # As JupyterLab does it with the HTML of a trusted output.
        page.evaluate(
            """(html) => {
              document.body.append(document.createRange().createContextualFragment(html));
            }""",
            html,
        )
        raw = page.locator(".mf-raw-text")
        expect(raw).to_have_text('{"a": 17, "b": 25}')
        slider = page.get_by_role("slider", name="replay")
        slider.press("Home")
        slider.press("ArrowRight")
        expect(raw).to_have_text('{"a": 17, ')
        expect(page.locator(".msgflux-static")).to_be_hidden()
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        assert (paths, errors) == ([], [])


def test_the_call_that_waits_next_is_scrolled_into_sight(page: Page) -> None:
    page.set_viewport_size({"width": 480, "height": 760})
    view = Board(page, *told(*[piece for call in range(4) for piece in pieces(call, f"c{call}", "add", SUM)]))
    view.state(tools=told()[0]["tools"])

    def seen(number: int) -> bool:
        view.widget.settle()
        card_, body = view.lane(number).bounding_box(), page.locator(".mf-body").bounding_box()
        assert card_ is not None
        assert body is not None
        return body["y"] - 1 <= card_["y"] and card_["y"] + card_["height"] <= body["y"] + body["height"] + 1

    assert not seen(3)
    done = card(phase="done", marks=[(300, "asked"), (320, "done")], result="42")
    view.batch(_0=done, _1=done, _2=done, _3=card(phase="asked", marks=[(300, "asked")]))
    until(lambda: seen(3), what="the last call in sight")
    page.set_viewport_size({"width": 480, "height": 560})
    until(lambda: seen(3), what="it is still in sight")
    assert page.evaluate("scrollY") == 0
