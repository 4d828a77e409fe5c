"""The page of the view of a batch, alone in Chromium; what it is told comes from a real view."""

from __future__ import annotations

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
from .widget_page import WidgetPage, until

pytestmark = pytest.mark.browser

STATES = ("ok", "cached", "invalid", "refused", "truncated", "failed", "skipped", "interrupted", "pending")


class City(msgspec.Struct):
    name: str
    people: int | None = None


def pictures(data: Any, script: Any = City, **options: Any) -> list[dict[str, Any]]:
    """The first and the last picture of a run."""
    model = Scripted(script, metadata=Metadata(usage=Usage(100, 20), cost=0.001), parallel=1)
    with closing(ExtractionView(data, City, model=model, **options)) as view:
        first = dict(view.picture)
        view.run(wait=True)
        return [first, dict(view.picture)]


def picture(**more: Any) -> dict[str, Any]:
    """A picture of a run under way."""
    first, last = pictures([f"text {n}" for n in range(30)])
    counts = {**last["counts"], "ok": 20, "pending": 8}
    running = {"state": "running", "finished": 20, "in_flight": 2, "action": "stop", "action_label": "■ stop"}
    return {**first, **last, **running, "counts": counts, **more}


@pytest.fixture
def opened(page: Page) -> Any:
    """Open the view with a picture; its code must not have raised."""
    widgets: list[WidgetPage] = []

    def open_(told: dict[str, Any]) -> WidgetPage:
        widgets.append(WidgetPage(page, ExtractionView, {"picture": told}))
        widgets[-1].settle()
        return widgets[-1]

    yield open_
    for widget in widgets:
        assert widget.errors() == []


def legend(page: Page) -> list[str]:
    texts = page.locator(".mf-state").all_inner_texts()
    return [" ".join(text.split()) for text in texts]


def test_an_empty_view_says_what_will_come_and_runs_at_a_click(page: Page, opened: Any) -> None:
    first, _ = pictures(["a", "b"], sample=1)
    widget = opened(first)
    expect(page.locator(".mf-hint")).to_be_visible()
    expect(page.locator(".mf-badge")).to_have_text("○ ready")
    assert page.locator("thead th").all_inner_texts() == ["row", "state", "name", "people"]
    page.get_by_role("button", name="try 1 row").click()
    assert widget.sent("go") == [{"type": "go", "buffers": []}]


def test_states_are_shown_by_a_bar_with_words_shapes_and_numbers(page: Page, opened: Any) -> None:
    counts = {state: place + 1 for place, state in enumerate(STATES)}
    opened(picture(counts=counts, total=1_047, finished=1_234, in_flight=2))
    assert legend(page) == [
        "✓ ok 1",
        "↺ cached 2",
        "✕ invalid 3",
        "⊘ refused 4",
        "… truncated 5",
        "! failed 6",
        "– skipped 7",
        "■ interrupted 8",
        "○ pending 9",
    ]
    bar = page.get_by_role("progressbar", name="rows")
    expect(bar).to_have_attribute("aria-valuetext", "1,234 of 1,047 rows")
    grown = bar.locator(".mf-part").evaluate_all("(parts) => parts.map((part) => Number(part.style.flexGrow))")
    assert grown == [1, 2, 3, 4, 5, 6, 7, 8, 2, 9]
    colours = page.locator(".mf-state .mf-shape").evaluate_all("(all) => all.map((one) => getComputedStyle(one).color)")
    assert len({colours[0], colours[2], colours[4], colours[8]}) == 4


def test_figures_keep_their_places_while_they_change(page: Page, opened: Any) -> None:
    widget = opened(pictures(["a"])[0])
    names = page.locator("dt").all_inner_texts()
    places = [box.bounding_box() for box in page.locator("dt").all()]
    height = page.locator(".msgflux-extraction").bounding_box()
    widget.receive(picture=picture())
    widget.settle()
    assert page.locator("dt").all_inner_texts()[:-1] == names[:-1]
    assert [box.bounding_box() for box in page.locator("dt").all()] == places
    assert page.locator(".msgflux-extraction").bounding_box() == height
    assert page.locator("dd").first.inner_text() == "30 of 30"


def test_rows_fill_and_what_is_drawn_is_not_drawn_again(page: Page, opened: Any) -> None:
    told = picture()
    rows = told["rows"]
    widget = opened({**told, "rows": rows[:5]})
    page.evaluate("document.querySelectorAll('tbody tr').forEach((row) => { row.dataset.old = 'yes'; })")
    widget.receive(picture={**told, "rows": rows[2:8]})
    widget.settle()
    kept = page.locator("tbody tr").evaluate_all("(rows) => rows.map((row) => row.dataset.old ?? '')")
    assert kept == ["yes"] * 3 + [""] * 3
    assert page.locator("tbody tr").last.inner_text().split("\t")[0] == rows[7][1]
    again = [*rows[2:7], [rows[7][0], rows[7][1], "refused", [], "RefusedError: no"]]
    widget.receive(picture={**told, "rows": again})
    widget.settle()
    expect(page.locator("tbody tr").last).to_contain_text("⊘ refused")
    expect(page.locator("tbody tr").last).to_contain_text("RefusedError: no")


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


def test_failures_are_listed_by_kind(page: Page, opened: Any) -> None:
    def script(text: str) -> Any:
        number = int(text.split()[1])
        raise mf.ContextLengthError(f"{number} tokens") if number % 2 else mf.RefusedError("no")

    _, last = pictures([f"text {n}" for n in range(8)], script)
    widget = opened({**last, "more_problems": 3})
    items = [" ".join(text.split()) for text in page.locator(".mf-problems li").all_inner_texts()]
    assert items == [
        "! failed × 4 the last: row 7 ContextLengthError: 7 tokens",
        "⊘ refused × 4 the last: row 6 RefusedError: no",
    ]
    expect(page.locator(".mf-more")).to_have_text("and 3 further kinds")
    widget.receive(picture={**last, "problems": [], "more_problems": 0})
    expect(page.locator(".mf-failures")).to_be_hidden()


def test_the_button_stops_once_and_keeps_its_focus(page: Page, opened: Any) -> None:
    told = picture()
    widget = opened(told)
    stop = page.get_by_role("button", name="stop")
    stop.focus()
    page.keyboard.press("Enter")
    assert len(widget.sent("stop")) == 1
    widget.receive(picture={**told, "state": "stopping", "action": "", "action_label": ""})
    widget.settle()
    expect(page.locator(".mf-badge")).to_have_text("● stopping")
    page.keyboard.press("Enter")
    widget.receive(picture={**told, "state": "stopped", "action": "go", "action_label": "▶ resume"})
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


def test_a_stop_that_the_kernel_does_not_hear_is_explained(page: Page, opened: Any) -> None:
    widget = opened(picture())
    page.get_by_role("button", name="stop").click()
    expect(page.get_by_text("interrupt the kernel")).to_be_hidden()
    expect(page.get_by_text("interrupt the kernel")).to_be_visible(timeout=4_000)
    widget.receive(picture=picture(state="stopped", action="", action_label=""))
    expect(page.get_by_text("interrupt the kernel")).to_be_hidden()


def test_a_forecast_a_reason_and_an_error_are_said(page: Page, opened: Any) -> None:
    widget = opened(picture(forecast="the other 9 rows", note="stopped: max_cost", error="LookupError: gone"))
    for text in ("the other 9 rows", "stopped: max_cost"):
        expect(page.get_by_text(text)).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="LookupError: gone")).to_be_visible()
    widget.deliver({"type": "problem", "name": "ValueError", "message": "no column"})
    expect(page.get_by_role("alert").filter(has_text="ValueError: no column")).to_be_visible()
    widget.receive(picture=picture())
    expect(page.locator(".mf-error")).to_be_hidden()


def test_the_view_is_spoken_seldom(page: Page, opened: Any) -> None:
    widget = opened(picture())
    spoken = page.locator(".mf-hidden")
    expect(spoken).to_have_text("running: 20 of 30 rows, 0 failed")
    widget.receive(picture=picture(finished=25))
    widget.settle()
    expect(spoken).to_have_text("running: 20 of 30 rows, 0 failed")
    widget.receive(picture=picture(state="complete", finished=30))
    expect(spoken).to_have_text("complete: 30 of 30 rows, 0 failed")


def test_it_is_narrow_where_there_is_little_room_and_never_too_high(page: Page, opened: Any) -> None:
    page.set_viewport_size({"width": 480, "height": 900})
    problems = [["failed", "x " * 200, 3, str(number)] for number in range(5)]
    opened(picture(problems=problems))
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
def test_hostile_texts_are_texts(page: Page, number: int) -> None:
    with counting() as (port, paths):
        text = dangerous(port)[number]
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        frame = pd.DataFrame({"text": ["a", "b"]}, index=[text, "other"])
        script = lambda row: City(text) if row == "text: a" else mf.ValidationFailedError(text)  # noqa: E731
        told = {**pictures(frame, script)[1], "schema": text, "model": text, "note": text, "forecast": text}
        columns, figures = [text, "people"], [[text, text], *told["figures"][1:]]
        widget = WidgetPage(
            page, ExtractionView, {"picture": {**told, "columns": columns, "figures": figures, "error": text}}
        )
        widget.deliver({"type": "problem", "name": text, "message": text})
        widget.settle()
        page.wait_for_timeout(100)
        assert page.locator(".msgflux-extraction :is(img, script, style, a, [data-commandlinker-command])").count() == 0
        assert " ".join(text.split()) in " ".join(page.locator(".msgflux-extraction").inner_text().split())
        assert (paths, dialogs, widget.errors()) == ([], [], [])


def test_two_views_of_one_widget_and_one_that_leaves(page: Page, opened: Any) -> None:
    widget = opened(picture())
    page.evaluate("() => addView()")
    until(lambda: page.locator(".msgflux-extraction").count() == 2)
    page.evaluate("() => leave[0]()")
    widget.receive(picture=picture(finished=29, state="complete"))
    expect(page.locator(".msgflux-extraction").nth(1).locator(".mf-badge")).to_have_text("✓ complete")
    expect(page.locator(".msgflux-extraction").nth(0).locator(".mf-badge")).to_have_text("● running")
