"""The playground's page alone in Chromium: what it draws, what it sends, and what it never does."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from msgflux_nb.widgets.playground import Playground

from .conftest import playground_state
from .hostile import counting, dangerous
from .widget_page import WidgetPage, until

pytestmark = pytest.mark.browser

START = {"type": "start", "run": 1, "prefill": "", "schema": ""}


def delta(seq: int, text: str, run: int = 1) -> dict[str, Any]:
    return {"type": "delta", "run": run, "seq": seq, "text": text}


def ended(text: str, *, state: str = "complete", run: int = 1, **more: Any) -> dict[str, Any]:
    return {"run": run, "state": state, "schema": "", "prefill": "", "text": text, "rows": [], "status": [], **more}


def words(widget: WidgetPage) -> str:
    widget.settle()
    return widget.page.locator(".mf-words").inner_text()


# The answer


def test_deltas_are_drawn_in_order_behind_the_prefill(playground_page: WidgetPage) -> None:
    playground_page.deliver({**START, "prefill": "Well, "}, *(delta(n, f"{n} ") for n in range(1, 101)))
    assert words(playground_page) == "Well, " + "".join(f"{n} " for n in range(1, 101))
    assert playground_page.page.locator(".mf-prefill").inner_text() == "Well, "


def test_a_delta_that_came_already_is_not_drawn_again(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "a"), delta(1, "a"), delta(2, "b"))
    assert words(playground_page) == "ab"
    assert playground_page.sent("resync") == []


def test_a_gap_asks_once_and_draws_what_comes_back(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "a"), delta(3, "c"), delta(4, "d"), delta(5, "e"))
    assert words(playground_page) == "a"
    assert [message["run"] for message in playground_page.sent("resync")] == [1]
    playground_page.deliver({"type": "progress", "run": 1, "seq": 5, "text": "abcde", "prefill": "", "schema": ""})
    playground_page.deliver(delta(6, "f"))
    assert words(playground_page) == "abcdef"
    assert len(playground_page.sent("resync")) == 1


def test_a_later_gap_asks_again(playground_page: WidgetPage) -> None:
    progress = {"type": "progress", "run": 1, "seq": 2, "text": "ab", "prefill": "", "schema": ""}
    playground_page.deliver(START, delta(2, "b"), progress, delta(4, "d"))
    assert len(playground_page.sent("resync")) == 2


def test_a_lost_start_is_mended_like_a_gap(playground_page: WidgetPage) -> None:
    playground_page.deliver(delta(2, "b"))
    assert len(playground_page.sent("resync")) == 1
    playground_page.deliver({"type": "progress", "run": 1, "seq": 2, "text": "ab", "prefill": "P", "schema": ""})
    assert words(playground_page) == "Pab"


def test_the_final_snapshot_heals_whatever_was_lost(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "a"), delta(9, "z"))
    playground_page.receive(snapshot=ended("a whole answer"))
    playground_page.deliver(delta(10, "late"))
    assert words(playground_page) == "a whole answer"


def test_a_snapshot_that_says_the_same_leaves_the_drawn_text_alone(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "same"))
    words(playground_page)
    playground_page.page.evaluate(
        """() => {
          window.changes = 0;
          const watch = new MutationObserver((all) => { changes += all.length; });
          watch.observe(document.querySelector(".mf-words"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    playground_page.receive(snapshot=ended("same"))
    assert words(playground_page) == "same"
    assert playground_page.page.evaluate("changes") == 0


def test_a_new_run_clears_the_last_one(playground_page: WidgetPage) -> None:
    error = ["ServerError", "boom"]
    playground_page.receive(snapshot=ended("old", state="failed", error=error, status=["61 + 31 tokens"]))
    playground_page.deliver({**START, "run": 2}, delta(1, "new", run=2))
    assert words(playground_page) == "new"
    expect(playground_page.page.get_by_role("alert").filter(has_text="boom")).to_have_count(0)
    assert playground_page.page.locator(".mf-figures").inner_text() == ""


def test_a_page_loaded_in_the_middle_of_a_run_asks_and_goes_on(page: Page) -> None:
    widget = WidgetPage(page, Playground, playground_state())
    assert len(widget.sent("hello")) == 1
    widget.deliver({"type": "progress", "run": 3, "seq": 7, "text": "so far", "prefill": "", "schema": ""})
    widget.deliver(delta(8, " and on", run=3))
    assert words(widget) == "so far and on"
    expect(page.get_by_role("button", name="stop")).to_be_enabled()


def test_two_views_of_one_widget_show_the_same_and_one_may_leave(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "before"))
    playground_page.page.evaluate("addView()")
    playground_page.deliver(delta(2, " and after"))
    playground_page.settle()
    assert playground_page.page.locator(".mf-words").all_inner_texts() == ["before and after"] * 2
    playground_page.page.evaluate("leave[0]()")
    playground_page.deliver(delta(3, "!"))
    playground_page.settle()
    assert playground_page.page.locator(".mf-words").all_inner_texts() == ["before and after", "before and after!"]


def test_the_answer_is_a_polite_live_region(playground_page: WidgetPage) -> None:
    playground_page.deliver(START)
    region = playground_page.page.locator("[aria-live=polite]")
    expect(region).to_have_attribute("aria-busy", "true")
    playground_page.receive(snapshot=ended("done"))
    expect(region).to_have_attribute("aria-busy", "false")


def test_the_view_follows_the_end_only_while_the_reader_is_there(playground_page: WidgetPage) -> None:
    pane = playground_page.page.locator(".mf-answer")
    playground_page.deliver(START, *(delta(n, f"line {n}\n") for n in range(1, 60)))
    playground_page.settle()
    assert pane.evaluate("(pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight") < 2
    pane.evaluate("(pane) => { pane.scrollTop = 100; }")
    playground_page.deliver(delta(60, "line 60\n" * 5))
    playground_page.settle()
    assert pane.evaluate("(pane) => pane.scrollTop") == 100


def test_the_status_line_is_shown_as_the_kernel_says_it(playground_page: WidgetPage) -> None:
    status = ["61 + 31 tokens", "– cost", "first 0.21 s", "0.74 s", "stop", "json_schema"]
    playground_page.receive(snapshot=ended("x", status=status))
    figures = "61 + 31 tokens · – cost · first 0.21 s · 0.74 s · stop · json_schema"
    expect(playground_page.page.locator(".mf-figures")).to_have_text(figures)


def test_a_structure_is_a_table_of_field_value_and_type(playground_page: WidgetPage) -> None:
    page = playground_page.page
    page.get_by_role("combobox", name="schema").select_option("Person")
    expect(page.locator(".mf-structure tr")).to_have_text(["name–○ str"])
    rows = [{"field": "name", "value": "Maria Silva", "type": "str"}, {"field": "age", "value": "34", "type": "int"}]
    playground_page.receive(snapshot=ended("{}", schema="Person", rows=rows))
    expect(page.locator(".mf-structure tr")).to_have_text(["nameMaria Silva✓ str", "age34✓ int"])


def test_an_error_is_an_alert_with_its_class_and_the_text_stays(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "half an ans"))
    error = ["StreamInterruptedError", "the stream ended before the answer did"]
    playground_page.receive(snapshot=ended("half an ans", state="failed", error=error))
    assert words(playground_page) == "half an ans"
    alert = playground_page.page.locator(".mf-error")
    expect(alert).to_have_attribute("role", "alert")
    expect(alert).to_have_text("StreamInterruptedError the stream ended before the answer did")


def test_a_silent_kernel_is_named_after_three_seconds(playground_page: WidgetPage) -> None:
    playground_page.page.get_by_role("textbox", name="message").fill("Hi")
    playground_page.page.get_by_role("button", name="run").click()
    expect(playground_page.page.locator(".mf-note")).to_contain_text("run this cell again", timeout=4_000)
    playground_page.page.get_by_role("button", name="run").click()  # nobody has to reload the page to ask again
    assert len(playground_page.sent("run")) == 2
    playground_page.deliver(START)
    expect(playground_page.page.locator(".mf-note")).to_be_empty()


# Hands


def test_shift_enter_runs_with_what_is_in_the_fields(playground_page: WidgetPage) -> None:
    page = playground_page.page
    page.get_by_role("combobox", name="schema").select_option("Person")
    page.get_by_role("textbox", name="start the answer with").fill("{")
    page.get_by_role("textbox", name="message").fill("Who?")
    page.keyboard.press("Shift+Enter")
    [run] = playground_page.sent("run")
    assert (run["prompt"], run["prefilling"], run["schema"]) == ("Who?", "{", "Person")
    assert page.get_by_role("textbox", name="message").input_value() == "Who?"


def test_enter_alone_writes_a_line(playground_page: WidgetPage) -> None:
    page = playground_page.page
    page.get_by_role("textbox", name="message").press_sequentially("a\nb")
    assert page.get_by_role("textbox", name="message").input_value() == "a\nb"
    assert playground_page.sent("run") == []


def test_escape_stops_once(playground_page: WidgetPage) -> None:
    playground_page.deliver(START, delta(1, "x"))
    playground_page.page.get_by_role("textbox", name="message").focus()
    playground_page.page.keyboard.press("Escape")
    playground_page.page.keyboard.press("Escape")
    assert len(playground_page.sent("stop")) == 1


def test_keys_stay_in_the_widget(playground_page: WidgetPage) -> None:
    page = playground_page.page
    page.evaluate("() => { window.leaked = []; document.body.addEventListener('keydown', (e) => leaked.push(e.key)); }")
    page.get_by_role("textbox", name="message").press_sequentially("add")
    page.keyboard.press("Shift+Enter")
    assert page.evaluate("leaked") == []


def test_an_empty_message_is_not_sent(playground_page: WidgetPage) -> None:
    page = playground_page.page
    page.get_by_role("button", name="run").click()
    assert playground_page.sent("run") == []
    expect(page.get_by_role("textbox", name="message")).to_be_focused()


def test_run_is_disabled_while_running_and_stop_while_not(playground_page: WidgetPage) -> None:
    run = playground_page.page.get_by_role("button", name="run")
    stop = playground_page.page.get_by_role("button", name="stop")
    expect(run).to_be_enabled()
    expect(stop).to_be_disabled()
    playground_page.deliver(START)
    expect(run).to_be_disabled()
    expect(stop).to_be_enabled()
    playground_page.receive(snapshot=ended("x", state="stopped"))
    expect(run).to_be_enabled()


def test_what_is_typed_reaches_the_kernel_after_a_pause(playground_page: WidgetPage) -> None:
    playground_page.page.get_by_role("textbox", name="message").press_sequentially("Hello")
    until(lambda: playground_page.page.evaluate("model.saved.prompt") == "Hello", what="the prompt")


def test_a_prompt_set_by_a_cell_is_shown(playground_page: WidgetPage) -> None:
    playground_page.receive(prompt="from a cell", prefilling="so")
    expect(playground_page.page.get_by_role("textbox", name="message")).to_have_value("from a cell")
    expect(playground_page.page.get_by_role("textbox", name="start the answer with")).to_have_value("so")


def test_every_control_has_a_name(playground_page: WidgetPage) -> None:
    playground_page.receive(attachments=[{"id": "1", "name": "a.png", "detail": "1 × 1 px", "notes": ""}])
    playground_page.settle()
    nameless = playground_page.page.evaluate(
        """() => [...document.querySelectorAll("button, textarea, select, input")]
          .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.title))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []


# What a model, a tool or a file name may say


def test_dangerous_text_is_text_everywhere(page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        text = "\n".join(dangerous(port))
        row = {"field": text, "value": text, "type": text}
        widget = WidgetPage(
            page,
            Playground,
            {
                **playground_state(),
                "model_name": text,
                "model_options": text,
                "system_prompt": text,
                "warning": text,
                "schema_options": [{"name": text, "group": "given", "rows": [row]}],
            },
            # From the same machine: Chromium lets no page from elsewhere ask a loopback server.
            url=f"http://127.0.0.1:{port}/page",
        )
        widget.deliver({**START, "prefill": text}, delta(1, text), {"type": "problem", "name": text, "message": text})
        shown = ended(text, prefill=text, schema=text, rows=[row], error=[text, text], status=[text], state="failed")
        widget.receive(
            attachments=[{"id": "1", "name": text, "detail": text, "notes": text}], snapshot=shown, prompt=text
        )
        widget.deliver({"type": "refused", "id": "2", "message": text})
        assert words(widget) == text + text
        assert page.locator(".mf-structure th").text_content() == text
        page.wait_for_timeout(300)  # time for whatever should not be asked for
        assert (paths, dialogs) == ([], [])
        page.evaluate("(text) => { document.body.insertAdjacentHTML('beforeend', text); }", text)
        page.wait_for_timeout(500)
        assert paths
        assert dialogs, "the same text as markup would have been noticed"
    inside = "document.querySelectorAll('.msgflux-live :is(script, style, a, [onerror], [data-commandlinker-command])')"
    assert page.evaluate(f"{inside}.length") == 0
