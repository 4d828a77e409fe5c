"""The page of the view of a batch, in Chromium without a kernel; its messages come from a real view."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import msgspec
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.extraction.extraction_view import ExtractionView
from tests.tables.scripted_model import Metadata, Scripted, Usage

from .hostile import counting, dangerous
from .widget_page import Hear, WidgetPage, until

pytestmark = pytest.mark.browser

STATES = ("ok", "cached", "invalid", "refused", "truncated", "failed", "skipped", "interrupted", "pending")


class City(msgspec.Struct):
    name: str
    people: int | None = None


def pictures(data: Any, script: Any = City, **options: Any) -> list[dict[str, Any]]:
    """Return the first and the last picture of a run."""
    model = Scripted(script, metadata=Metadata(usage=Usage(100, 20), cost=0.001), parallel=1)
    with closing(ExtractionView(data, City, model=model, **options)) as view:
        first = dict(view.picture)
        view.run(wait=True)
        return [first, dict(view.picture)]


def picture(**more: Any) -> dict[str, Any]:
    """Return a picture of a running batch."""
    first, last = pictures([f"text {n}" for n in range(30)])
    counts = {**last["counts"], "ok": 20, "pending": 8}
    running = {"state": "running", "finished": 20, "in_flight": 2, "action": "stop", "action_label": "Stop"}
    return {**first, **last, **running, "counts": counts, **more}


@pytest.fixture
def opened(page: Page) -> Any:
    """Open the view with a picture; its code must not raise."""
    widgets: list[WidgetPage] = []

    def open_(told: dict[str, Any]) -> WidgetPage:
        widgets.append(WidgetPage(page, ExtractionView, {"picture": told}))
        widgets[-1].settle()
        return widgets[-1]

    yield open_
    for widget in widgets:
        assert widget.errors() == []


def said(page: Page) -> list[str]:
    """Return the visible words of the sentence below the bar."""
    words = page.locator(".mf-say > :is(.mf-done, .mf-is, .mf-state):visible")
    return [" ".join(text.split()) for text in words.all_inner_texts()]


def test_an_empty_view_says_what_will_come_and_runs_at_a_click(page: Page, opened: Any) -> None:
    first, _ = pictures(["a", "b"], sample=1)
    widget = opened(first)
    expect(page.locator(".mf-hint")).to_be_visible()
    assert said(page) == ["2 rows, none asked about yet"]
    heads = [text.split("\n")[0] for text in page.locator("thead th").all_inner_texts()]
    assert heads == ["row", "name", "people"]
    assert page.locator(".mf-primary").count() == 1
    page.get_by_role("button", name="Try 1 row").click()
    assert widget.sent("go") == [{"type": "go", "buffers": []}]


def test_only_states_that_occur_are_shown_each_with_a_word_and_a_mark(page: Page, opened: Any) -> None:
    counts = {state: place + 1 for place, state in enumerate(STATES)}
    told = picture(counts=counts, total=1_047, finished=1_234, in_flight=2)
    widget = opened(told)
    assert said(page) == [
        "1,234 of 1,047",
        "2 being read",
        "2 known before",
        "3 invalid",
        "4 refused",
        "5 truncated",
        "6 failed",
        "7 skipped",
        "8 interrupted",
    ]
    bar = page.get_by_role("progressbar", name="rows")
    expect(bar).to_have_attribute("aria-valuetext", "1,234 of 1,047 rows")
    grown = bar.locator(".mf-part").evaluate_all("(parts) => parts.map((part) => Number(part.style.flexGrow))")
    assert grown == [1, 2, 3, 4, 5, 6, 7, 8, 2, 9]
    words = page.locator(".mf-say .mf-is:visible")
    assert words.evaluate_all("(all) => all.every((one) => one.firstElementChild.matches('svg, .mf-dot'))")
    zeros = dict.fromkeys(STATES, 0) | {"ok": 30}
    widget.receive(picture={**told, "state": "complete", "counts": zeros, "total": 30, "finished": 30, "in_flight": 0})
    widget.settle()
    assert said(page) == ["30 of 30", "all ok"]
    assert "0 " not in " ".join(said(page)).replace("30 ", "")


def test_nothing_below_the_head_moves_while_rows_arrive(page: Page, opened: Any) -> None:
    widget = opened(pictures([f"text {n}" for n in range(30)])[0])
    tops = ".map((one) => document.querySelector(one).getBoundingClientRect().y)"
    places = f"() => ['.mf-last', '.mf-bottom']{tops}"
    before, height = page.evaluate(places), page.locator(".msgflux-extraction").bounding_box()
    told = picture()
    for count in (1, 5, 12):
        widget.receive(picture={**told, "rows": told["rows"][:count], "asking": ["20", "21"]})
        widget.settle()
        after = page.evaluate(places)
        assert after == before
        assert page.locator(".msgflux-extraction").bounding_box() == height


HEADS: list[dict[str, Any]] = [
    {"type": "str", "number": False, "kind": "shares", "missing": 0.25, "others": 4, "distinct": 5, "all_differ": False}
    | {"shares": [["Teal", 60], ["Robin", 20], ["Wren", 16]], "uncounted": False},
    {"type": "int", "number": True, "kind": "bars", "missing": 0.0, "bars": [4, 0, 2, 1], "ends": ["1", "40+"]},
]


def test_each_column_has_its_type_and_its_picture(page: Page, opened: Any) -> None:
    opened(picture(heads=HEADS))
    name, people = page.locator("thead th").nth(1), page.locator("thead th").nth(2)
    assert [" ".join(head.inner_text().split()) for head in (name, people)] == [
        "name str Teal, Robin, 3 more 25 % missing",
        "people int 1 40+",
    ]
    widths = name.locator(".mf-pic > i").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().width)")
    assert widths[0] > 2.5 * widths[1] > 2.5 * widths[3] > 0
    page.wait_for_timeout(400)
    heights = people.locator(".mf-pic > i").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().height)"
    )
    assert heights[0] == pytest.approx(32, abs=1)
    assert heights == pytest.approx([heights[0], 0, heights[0] / 2, heights[0] / 4], abs=1)
    assert name.locator(".mf-pic > i").first.get_attribute("title") == "Teal: 60 rows"
    missing = name.locator(".mf-none").bounding_box()
    whole = name.locator(".mf-pic").bounding_box()
    assert missing is not None
    assert whole is not None
    assert missing["width"] / whole["width"] == pytest.approx(0.25, abs=0.02)
    aligned = people.locator(".mf-name").evaluate("(one) => getComputedStyle(one).justifyContent")
    assert aligned == "end"


def test_bars_are_kept_and_what_grew_is_marked_until_the_next_picture(page: Page, opened: Any) -> None:
    told = picture(heads=HEADS)
    widget = opened(told)
    page.evaluate("document.querySelectorAll('.mf-pic > i').forEach((bar) => { bar.dataset.old = 'yes'; })")
    grown = [HEADS[0], {**HEADS[1], "bars": [4, 1, 2, 1]}]
    widget.receive(picture={**told, "heads": grown})
    widget.settle()
    bars = page.locator(".mf-bars > i")
    assert bars.evaluate_all("(all) => all.map((one) => one.classList.contains('mf-grew'))") == [
        False,
        True,
        False,
        False,
    ]
    assert page.locator(".mf-pic > i:not([data-old])").count() == 0
    widget.receive(picture={**told, "heads": grown})
    widget.settle()
    assert page.locator(".mf-grew").count() == 0


def test_numbers_stand_at_the_right_in_the_interfaces_font(page: Page, opened: Any) -> None:
    opened(picture(rows=[[0, "0", "ok", ["Ghent", "265086"], "", ""], [1, "1", "ok", ["Ur", None], "", ""]]))
    cells = page.locator("tbody td")
    assert cells.evaluate_all("(all) => all.map((one) => getComputedStyle(one).textAlign)") == ["start", "end"] * 2
    assert "mono" not in cells.first.evaluate("(one) => getComputedStyle(one).fontFamily")
    expect(cells.nth(3)).to_have_text("–")


def test_a_mark_stands_in_the_gutter_for_exceptions_alone(page: Page, opened: Any) -> None:
    rows = [
        [0, "0", "ok", ["a", "1"], "", ""],
        [1, "1", "invalid", [], "ValidationFailedError: people: no integer", ""],
        [2, "2", "truncated", [], "", ""],
        [3, "3", "ok", ["b", "2"], "", "people: cut"],
    ]
    opened(picture(rows=rows))
    marks = page.locator("tbody tr[data-position]").evaluate_all("(all) => all.map((one) => one.dataset.s ?? '')")
    assert marks == ["", "bad", "look", "look"]
    assert page.locator("tbody tr[data-position] th svg").count() == 3
    expect(page.locator("tbody tr").nth(1)).to_contain_text("invalid · people: no integer")
    assert page.locator("tbody tr").nth(3).get_attribute("title") == "people: cut"


def test_the_gutter_is_as_wide_as_its_labels(page: Page, opened: Any) -> None:
    labels = ["annotated-doc", "annotated-types", "x"]
    told = [[at, label, "ok", ["a", "1"], "", ""] for at, label in enumerate(labels)]
    told[1][2:5] = ["invalid", [], "ValidationFailedError: people: no integer"]
    opened(picture(rows=told))
    cut = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    assert page.locator("tbody th").evaluate_all(cut) == []


def test_rows_that_are_being_read_are_grey_bars_in_their_place(page: Page, opened: Any) -> None:
    widget = opened(picture(asking=["20", "21"]))
    expect(page.locator("tr.mf-now")).to_have_count(2)
    assert page.locator("tr.mf-now th").all_inner_texts() == ["20", "21"]
    widget.receive(picture=picture(asking=[]))
    expect(page.locator("tr.mf-now")).to_have_count(0)


def opened_row(position: int, **more: Any) -> dict[str, Any]:
    text = "In 😀 Ghent live 7 people."
    told = {
        "text": text,
        "spans": [[5, 10, 0], [16, 17, 1]],
        "said": ["1 attempt"],
        "error": "",
        "answer": "{}",
        "asked": "what was sent",
    }
    return {"type": "opened", "position": position, **told, "request": '{"model": "x"}', **more}


def test_a_click_opens_a_row_with_its_text_and_the_places_that_it_quotes(page: Page, opened: Any) -> None:
    told = picture()
    widget = opened(told)
    position = told["rows"][-1][0]
    page.locator("tr[data-position]").last.click()
    assert [message["position"] for message in widget.sent("open")] == [position]
    widget.deliver(opened_row(position - 1), opened_row(position))  # first a row that a person has closed
    detail = page.locator("tr.mf-detail")
    expect(detail.locator("mark")).to_have_text(["Ghent", "7"])
    assert detail.locator("mark").first.get_attribute("title") == "name"
    expect(detail).to_contain_text("1 attempt")
    expect(detail.get_by_text('{"model": "x"}')).to_be_hidden()
    detail.get_by_text("what was sent", exact=True).click()
    expect(detail.get_by_text('{"model": "x"}')).to_be_visible()
    widget.receive(picture={**told, "rows": [[99, "99", "ok", ["x", "1"], "", ""]]})  # it goes on
    expect(detail).to_be_visible()
    page.locator(f"tr[data-position='{position}']").click()
    expect(detail).to_have_count(0)


def test_the_open_row_is_marked_in_the_drawings_of_its_columns(page: Page, opened: Any) -> None:
    heads = [HEADS[0], {**HEADS[1], "from": 1.0, "width": 10.0}]
    rows = [
        [0, "0", "ok", ["Robin", "22"], "", ""],
        [1, "1", "ok", ["Ibis", "90"], "", ""],
        [2, "2", "ok", [None, "1"], "", ""],
    ]
    opened(picture(heads=heads, rows=rows))
    place = "(one) => [...one.children].findIndex((bar) => bar.matches('.mf-chosen'))"
    marked = f"() => [...document.querySelectorAll('.mf-pic')].map({place})"
    assert page.evaluate(marked) == [-1, -1]
    for position, places in enumerate(([1, 2], [3, 3], [4, 0])):
        page.locator("tr[data-position]").nth(position).click()
        assert page.evaluate(marked) == places
    page.locator("tr[data-position]").nth(2).click()
    assert page.evaluate(marked) == [-1, -1]


def test_a_table_that_is_not_followed_has_a_button_that_follows_it(page: Page, opened: Any) -> None:
    opened(picture())
    foot = page.locator(".mf-bottom")
    expect(foot).to_contain_text("the last rows · following")
    page.locator("tr[data-position]").last.click()
    follow = page.get_by_role("button", name="follow")
    expect(foot).not_to_contain_text("following")
    follow.click()
    expect(foot).to_contain_text("the last rows · following")
    expect(follow).to_be_hidden()
    expect(page.locator("tr.mf-open")).to_have_count(0)


def test_columns_beyond_the_edge_are_hinted_at(page: Page, opened: Any) -> None:
    opened(picture())
    table = page.locator(".mf-last")
    expect(table).not_to_have_class(re.compile("mf-beyond"))
    page.locator("body").evaluate("(body) => (body.style.width = '220px')")
    expect(table).to_have_class(re.compile("mf-beyond"))
    table.evaluate("(node) => (node.scrollLeft = 9_999)")
    expect(table).not_to_have_class(re.compile("mf-beyond"))


def test_a_row_that_the_kernel_cannot_open_yet_says_so(page: Page, opened: Any) -> None:
    opened(picture())
    page.locator("tr[data-position]").last.click()
    expect(page.get_by_text("The kernel is busy")).to_be_visible()


def test_rows_are_walked_and_opened_by_keys(page: Page, opened: Any) -> None:
    told = picture()
    widget = opened(told)
    page.locator(".mf-last").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert [message["position"] for message in widget.sent("open")] == [told["rows"][-2][0]]
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert widget.sent("open")[-1]["position"] == told["rows"][-1][0]


def test_rows_fill_and_what_is_drawn_is_not_drawn_again(page: Page, opened: Any) -> None:
    told = picture()
    rows = told["rows"]
    widget = opened({**told, "rows": rows[:5]})
    page.evaluate("document.querySelectorAll('tbody tr').forEach((row) => { row.dataset.old = 'yes'; })")
    widget.receive(picture={**told, "rows": rows[2:8]})
    widget.settle()
    kept = page.locator("tbody tr").evaluate_all("(rows) => rows.map((row) => row.dataset.old ?? '')")
    assert kept == ["yes"] * 3 + [""] * 3
    assert page.locator("tbody tr th").last.inner_text() == rows[7][1]
    again = [*rows[2:7], [rows[7][0], rows[7][1], "refused", [], "RefusedError: no"]]
    widget.receive(picture={**told, "rows": again})
    widget.settle()
    expect(page.locator("tbody tr").last).to_contain_text("refused · no")


def test_only_whole_rows_are_seen_also_where_one_is_open(page: Page, opened: Any) -> None:
    widget = opened(picture())
    cut = """(box) => {
      const [head, foot] = [box.querySelector("th").getBoundingClientRect().bottom, box.getBoundingClientRect().bottom];
      const rows = [...box.querySelectorAll("tbody tr")].map((row) => row.getBoundingClientRect());
      const across = (edge) => rows.filter(({ top, bottom }) => top < edge - 2 && bottom > edge + 2).length;
      return across(head) + across(foot);
    }"""
    box = page.locator(".mf-last")
    until(lambda: box.evaluate(cut) == 0)
    row = page.locator("tr[data-position]").nth(-5)
    row.click()
    widget.deliver(opened_row(int(row.get_attribute("data-position") or "")))
    until(lambda: page.locator("tr.mf-detail").count() == 1 and box.evaluate(cut) == 0)


def test_the_table_follows_its_end_only_while_the_reader_is_there(page: Page, opened: Any) -> None:
    told = picture()
    widget = opened({**told, "rows": told["rows"][:18]})
    box = page.locator(".mf-last")
    scrolled = "(box) => box.scrollHeight - box.clientHeight - box.scrollTop"
    assert box.evaluate(scrolled) < 2
    widget.receive(picture=told)
    widget.settle()
    assert box.evaluate(scrolled) < 2
    box.evaluate("(box) => { box.scrollTop = 0; }")
    widget.receive(picture={**told, "rows": [*told["rows"], [99, "99", "ok", ["x", "1"], "", ""]]})
    widget.settle()
    assert box.evaluate("(box) => box.scrollTop") == 0


def test_the_word_of_an_exception_opens_its_kinds_and_shows_its_rows_alone(page: Page, opened: Any) -> None:
    def script(text: str) -> Any:
        number = int(text.split()[1])
        raise mf.ContextLengthError(f"{number} tokens") if number % 2 else mf.RefusedError("no")

    _, last = pictures([f"text {n}" for n in range(8)], script)
    last["counts"]["failed"] = 9
    widget = opened(last)
    expect(page.locator(".mf-failures")).to_be_hidden()
    page.get_by_role("button", name="9 failed").click()
    items = [" ".join(text.split()) for text in page.locator(".mf-problems li").all_inner_texts()]
    assert items == ["× 4 the last: row 7 ContextLengthError: 7 tokens"]
    expect(page.locator(".mf-failures .mf-more")).to_have_text("5 more of rarer kinds")
    page.get_by_role("button", name="show only these rows").click()
    assert widget.sent("only")[-1]["state"] == "failed"
    widget.receive(picture={**last, "only": "failed"})
    expect(page.locator(".mf-bottom")).to_contain_text("only failed rows")
    page.locator(".mf-bottom").get_by_role("button", name="show all rows").click()
    assert widget.sent("only")[-1]["state"] == ""
    widget.receive(picture=last)
    page.get_by_role("button", name="4 refused").click()
    expect(page.locator(".mf-problems li")).to_have_count(1)
    expect(page.get_by_role("button", name="4 refused")).to_have_attribute("aria-expanded", "true")
    page.get_by_role("button", name="4 refused").click()
    expect(page.locator(".mf-failures")).to_be_hidden()


def test_the_button_stops_once_and_keeps_its_focus(page: Page, opened: Any) -> None:
    told = picture()
    widget = opened(told)
    stop = page.get_by_role("button", name="Stop")
    stop.focus()
    page.keyboard.press("Enter")
    assert len(widget.sent("stop")) == 1
    widget.receive(picture={**told, "state": "stopping", "action": "", "action_label": ""})
    widget.settle()
    expect(page.locator(".mf-say")).to_contain_text("stopping")
    page.keyboard.press("Enter")
    widget.receive(picture={**told, "state": "stopped", "action": "go", "action_label": "Go on with 8"})
    widget.settle()
    page.keyboard.press("Enter")  # of a double click
    assert (len(widget.sent("stop")), widget.sent("go")) == (1, [])
    page.wait_for_timeout(600)
    page.keyboard.press("Enter")
    assert len(widget.sent("go")) == 1


def test_escape_stops(page: Page, opened: Any) -> None:
    widget = opened(picture())
    page.locator(".mf-last").focus()
    page.keyboard.press("Escape")
    assert len(widget.sent("stop")) == 1


def test_a_stop_that_the_kernel_does_not_hear_interrupts_it(page: Page, opened: Any) -> None:
    kernel = "0d3f8b3a-8f0e-4a52-9a4e-0123456789ab"
    page.route("**/api/kernels/**", lambda route: route.fulfill(status=204))
    widget = opened(picture(blocking=kernel))
    page.evaluate(
        """() => document.head.append(Object.assign(document.createElement("script"), {
            type: "application/json", id: "jupyter-config-data", textContent: '{"baseUrl": "/user/ada/"}' }))"""
    )
    with page.expect_request("**/api/kernels/**") as asked:
        page.get_by_role("button", name="Stop").click()
    assert asked.value.url == f"http://widget.test/user/ada/api/kernels/{kernel}/interrupt"
    assert asked.value.method == "POST"
    expect(page.get_by_text("interrupt the kernel")).to_be_hidden()
    assert len(widget.sent("stop")) == 1


def test_a_kernels_id_is_never_a_path(page: Page, opened: Any, hear: Hear) -> None:
    asked: list[str] = []
    hear("request", lambda request: asked.append(request.url))
    opened(picture(blocking="../../shutdown"))
    asked.clear()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("interrupt the kernel")).to_be_visible()
    assert asked == []


def test_a_stop_that_nobody_hears_is_explained(page: Page, opened: Any) -> None:
    widget = opened(picture())
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("interrupt the kernel")).to_be_hidden()
    expect(page.get_by_text("interrupt the kernel")).to_be_visible()
    widget.receive(picture=picture(state="stopped", action="", action_label=""))
    expect(page.get_by_text("interrupt the kernel")).to_be_hidden()


def test_a_forecast_a_reason_and_an_error_are_shown(page: Page, opened: Any) -> None:
    told = picture(note="stopped: max_cost", error="LookupError: gone", state="sampled", more_rows=24)
    ahead = {"24 more cost": "free", "may fail": "0 – 6, likely 1"}
    widget = opened({**told, "ahead": ahead, "action": "go", "action_label": "Run the other 24"})
    expect(page.get_by_text("stopped: max_cost")).to_be_visible()
    strip = page.locator(".mf-ahead")
    assert strip.inner_text().split("\n")[:4] == ["24 more cost", "free", "may fail", "0 – 6, likely 1"]
    expect(strip.get_by_role("button", name="Run the other 24")).to_be_visible()
    assert said(page)[0] == "20 tried of 44"
    expect(page.get_by_role("alert").filter(has_text="LookupError: gone")).to_be_visible()
    widget.deliver({"type": "problem", "name": "ValueError", "message": "no column"})
    expect(page.get_by_role("alert").filter(has_text="ValueError: no column")).to_be_visible()
    widget.receive(picture=picture())
    expect(page.locator(".mf-error")).to_be_hidden()


def test_a_screen_reader_announces_the_view_seldom(page: Page, opened: Any) -> None:
    widget = opened(picture())
    spoken = page.locator(".mf-hidden[role=status]")
    expect(spoken).to_have_text("running: 20 of 30 rows, 0 failed")
    widget.receive(picture=picture(finished=25))
    widget.settle()
    expect(spoken).to_have_text("running: 20 of 30 rows, 0 failed")
    widget.receive(picture=picture(state="complete", finished=30))
    expect(spoken).to_have_text("complete: 30 of 30 rows, 0 failed")


def test_it_is_narrow_where_there_is_little_room_and_never_too_high(page: Page, opened: Any) -> None:
    page.set_viewport_size({"width": 480, "height": 900})
    problems = [["failed", "x " * 200, 3, str(number)] for number in range(5)]
    counts = dict.fromkeys(STATES, 5)
    opened(picture(problems=problems, counts=counts, note="n " * 300, error="e " * 500))
    page.get_by_role("button", name="5 failed").click()
    root = page.locator(".msgflux-extraction")
    assert root.evaluate("(el) => el.scrollWidth <= el.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = root.bounding_box()
    assert box is not None
    assert box["height"] <= 641


def test_motion_is_reduced_on_request(page: Page, opened: Any) -> None:
    page.emulate_media(reduced_motion="reduce")
    opened(picture())
    assert page.locator(".mf-part").first.evaluate("(part) => getComputedStyle(part).transitionDuration") == "0s"


@pytest.mark.parametrize("number", range(9))
def test_hostile_texts_are_texts(page: Page, number: int, hear: Hear) -> None:
    with counting() as (port, paths):
        text = dangerous(port)[number]
        dialogs: list[str] = []
        hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        frame = pd.DataFrame({"text": ["a", "b"]}, index=[text, "other"])
        script = lambda row: City(text) if row == "text: a" else mf.ValidationFailedError(text)  # noqa: E731
        told = {**pictures(frame, script)[1], "schema": text, "model": text, "note": text, "forecast": text}
        told |= {"ahead": {text: text}, "paid": [text, text], "asking": [text], "error": text, "action_label": text}
        heads = [{**HEADS[0], "type": text, "shares": [[text, 3]]}, {**HEADS[1], "ends": [text, text]}]
        columns, figures = [text, "people"], [["rate", text], ["took", text]]
        told |= {"columns": columns, "figures": figures, "heads": heads, "state": "stopped", "action": "go"}
        widget = WidgetPage(page, ExtractionView, {"picture": told})
        page.locator("button.mf-state:visible").first.click()
        page.locator("tr[data-position]").first.click()
        more = {
            "text": text,
            "spans": [[0, 2, 0]],
            "said": [text],
            "error": text,
            "asked": "what was sent",
            "request": text,
            "answer": text,
        }
        widget.deliver(opened_row(told["rows"][0][0], **more))
        widget.deliver({"type": "problem", "name": text, "message": text})
        widget.settle()
        page.wait_for_timeout(100)
        assert page.locator(".msgflux-extraction :is(img, script, style, a, [data-commandlinker-command])").count() == 0
        assert " ".join(text.split()) in " ".join(page.locator(".msgflux-extraction").inner_text().split())
        assert (paths, dialogs, widget.errors()) == ([], [], [])


def test_one_of_two_views_may_be_removed_and_the_other_goes_on(page: Page, opened: Any) -> None:
    widget = opened(picture())
    page.evaluate("() => addView()")
    until(lambda: page.locator(".msgflux-extraction").count() == 2)
    page.evaluate("() => leave[0]()")
    widget.receive(picture=picture(finished=29))
    expect(page.locator(".msgflux-extraction").nth(1).locator(".mf-say")).to_contain_text("29 of 30")
    expect(page.locator(".msgflux-extraction").nth(0).locator(".mf-say")).to_contain_text("20 of 30")
