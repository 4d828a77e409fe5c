"""The playground's page in Chromium without a kernel: arriving answers, and a person's clicks and keys."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from .hostile import counting, dangerous
from .play_page import PARTS, PlayPage, answer_as, batch, end, ending, more, progress, start, start_with
from .widget_page import Hear, until

pytestmark = pytest.mark.browser

BOX = {"name": "message", "exact": True}


class Person(msgspec.Struct):
    name: str
    age: int


# Counts the nodes that are removed from the answers.
WATCH = """() => {
  window.gone = 0;
  const watch = new MutationObserver((all) => { for (const one of all) gone += one.removedNodes.length; });
  watch.observe(document.querySelector(".mf-answers"), { childList: true, subtree: true });
}"""


def box(view: Locator) -> Locator:
    return view.get_by_role("textbox", **BOX)


def figures(play: PlayPage) -> Locator:
    return play.view.locator("> .mf-bottom .mf-figures")


def hellos(play: PlayPage) -> int:
    return len(play.sent("hello"))


# An answer that arrives


def test_batches_are_drawn_in_order_behind_the_prefill(play: PlayPage) -> None:
    play.deliver(start(prefill="Well, "), *(batch(n, f"{n} ") for n in range(1, 101)))
    assert play.words() == "Well, " + "".join(f"{n} " for n in range(1, 101))
    assert play.view.locator(".mf-answers .mf-prefill").inner_text() == "Well, "
    assert play.said() == "answering"


def test_a_batch_that_came_already_is_not_drawn_again(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "a"), batch(1, "a"), batch(2, "b"), batch(1, "old", number=0))
    assert play.words() == "ab"
    assert hellos(play) == 1  # that of every page that is loaded


def test_finished_blocks_are_markdown_and_what_is_drawn_is_not_drawn_again(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "**One**\n\nTw", html=["<div><p><strong>One</strong></p></div>"], tail=2))
    play.settle()
    play.page.evaluate(WATCH)
    play.deliver(batch(2, "o, "), batch(3, "three\n\nFo", html=["<div><p>Two, three</p></div>"], tail=2))
    play.settle()
    whole = {"html": ["<div><p><strong>One</strong></p></div>", "<div><p>Two, three</p></div>"], "tail": 4}
    play.deliver(progress(5, "**One**\n\nTwo, three\n\nFour", **whole), batch(6, "!"), end(6))
    play.settle()
    expect(play.view.locator(".mf-answers .mf-blocks > div")).to_have_text(["One", "Two, three"])
    expect(play.view.locator(".mf-answers strong")).to_have_text("One")
    assert play.view.locator(".mf-answers .mf-tail").inner_text() == "Four!"
    assert play.page.evaluate("gone") == 0


def test_a_gap_asks_once_and_draws_what_comes_back(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "a"), batch(3, "c"), batch(4, "d"), batch(5, "e"))
    assert play.words() == "a"
    assert hellos(play) == 2
    play.deliver({"type": "running"}, progress(5, "abcde"), batch(6, "f"))
    assert play.words() == "abcdef"
    assert hellos(play) == 2
    play.deliver(batch(8, "h"))
    assert hellos(play) == 3


def test_a_lost_start_is_mended_like_a_gap(play: PlayPage) -> None:
    play.deliver(batch(2, "b"))
    assert hellos(play) == 2
    play.deliver(progress(2, "ab", prefill="P"))
    assert play.words() == "Pab"


def test_code_in_an_answer_is_copied_by_its_button(page: Page, play: PlayPage) -> None:
    page.evaluate(
        """() => {
          window.copied = [];
          document.addEventListener("copy", () => copied.push(document.activeElement.value));
        }"""
    )
    code = "<div><p>So:</p><pre><code>a &lt; b\n  c</code></pre></div>"
    play.deliver(start(), batch(1, "So:\n\n```\na < b\n  c\n```\n\n", html=[code], tail=0))
    block = play.view.locator(".mf-answers .mf-code-block")
    button = block.get_by_role("button", name="copy this code")
    expect(button).to_have_css("opacity", "0")
    block.hover()
    expect(button).to_have_css("opacity", "1")
    button.click()
    assert page.evaluate("copied") == ["a < b\n  c"]


def test_a_text_that_differs_from_the_drawn_one_is_drawn_again(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "Wrong.\n\nte", html=["<div><p>Wrong.</p></div>"], tail=2))
    assert play.words() == "Wrong.\n\nte"
    play.deliver(progress(4, "Right.\n\nText", html=["<div><p>Right.</p></div>"], tail=4))
    assert play.words() == "Right.\n\nText"


def test_a_page_loaded_in_mid_stream_asks_and_goes_on(page: Page) -> None:
    play = PlayPage(page, running=True)
    assert hellos(play) == 1
    play.deliver({"type": "running"}, progress(7, "so far", number=3), batch(8, " and on", number=3))
    assert play.words() == "so far and on"
    expect(play.view.get_by_role("button", name="Stop", exact=True)).to_be_enabled()


def test_a_page_loaded_after_the_end_shows_how_it_ended_and_no_answer_twice(page: Page) -> None:
    status, error = ["61 + 31 tokens"], ["ServerError", "boom"]
    play = PlayPage(page, ends=[ending(9, "failed", number=4, status=status, error=error)])
    assert play.said() == "failed"
    expect(figures(play)).to_have_text("61 + 31 tokens")
    expect(play.view.get_by_role("alert").filter(has_text="boom")).to_be_visible()
    expect(play.view.locator(".mf-answers .mf-turn:visible")).to_have_count(0)
    play.deliver(batch(3, "late", number=4), start(number=4), progress(9, "late", number=4))
    play.settle()
    expect(play.view.locator(".mf-answers .mf-turn:visible")).to_have_count(0)


@pytest.mark.parametrize(("cut", "said"), [(400, "cut at 400 tokens"), (True, "cut off"), (False, "complete")])
def test_an_answer_that_a_limit_cut_is_not_called_complete(play: PlayPage, cut: object, said: str) -> None:
    play.deliver(start(), batch(1, "a"))
    play.receive(ends=[ending(1, cut=cut)], running=False)
    assert play.said() == said


def test_a_page_that_missed_the_end_of_an_answer_reads_it_from_the_trait(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "a"))
    play.receive(ends=[ending(1)], running=False)
    assert play.said() == "complete"
    expect(play.view.get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_an_answer_becomes_a_turn_in_its_place_with_the_words_that_the_page_has(play: PlayPage) -> None:
    play.add("Hi")
    text = "**One**\n\nTwo"
    play.deliver(start(), batch(1, text, html=["<div><p><strong>One</strong></p></div>"], tail=3))
    play.settle()
    top = play.view.locator(".mf-answers .mf-words").bounding_box()
    play.deliver(batch(2, html=["<div><p>Two</p></div>"]), play.settled(text, 2), end(2))
    play.settle()
    turns = play.view.locator(".mf-turns .mf-turn")
    expect(turns).to_have_count(2)
    expect(turns.last.locator("strong")).to_have_text("One")
    expect(turns.last.locator(".mf-parts")).to_contain_text("Two")
    expect(play.view.locator(".mf-answers .mf-turn:visible")).to_have_count(0)
    now = turns.last.locator(".mf-words").first.bounding_box()
    assert top
    assert now
    assert (now["x"], now["y"]) == (top["x"], top["y"])  # nothing jumps
    assert play.sent_in("builder", "resync") == []


def test_an_answer_of_which_words_are_missing_is_asked_for_as_a_turn(play: PlayPage) -> None:
    play.add("Hi")
    play.deliver(start(), batch(1, "One "), batch(3, "three"), play.settled("One two three", 3), end(3))
    play.deliver({"type": "settled", "side": None}, {"type": "idle"})
    play.settle()
    assert len(play.sent_in("builder", "resync")) == 1
    play.show_turns()
    play.settle()
    expect(play.view.locator(".mf-turns .mf-turn").last.locator(".mf-parts")).to_have_text("One two three")
    expect(play.view.locator(".mf-answers .mf-turn:visible")).to_have_count(0)


def test_the_last_batch_missing_is_noticed_at_the_end(play: PlayPage) -> None:
    play.add("Hi")
    play.deliver(start(), batch(1, "One "), play.settled("One two", 2), end(2))
    assert hellos(play) == 2
    assert len(play.sent_in("builder", "resync")) == 1


def test_a_new_answer_clears_the_last_one(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "old"))
    play.deliver(end(1, "failed", error=["ServerError", "boom"], status=["61 + 31 tokens"]))
    expect(play.view.get_by_role("alert").filter(has_text="boom")).to_be_visible()
    play.deliver({"type": "problem", "name": "BadRequestError", "message": "boom"})
    play.deliver(start(number=2), batch(1, "new", number=2))
    assert play.words() == "new"
    expect(play.view.get_by_role("alert").filter(has_text="boom")).to_have_count(0)
    assert "61 + 31 tokens" not in figures(play).inner_text()


def test_an_error_is_an_alert_with_its_class_in_the_details_and_the_text_stays(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "half an ans"))
    play.deliver(end(1, "failed", error=["StreamInterruptedError", "the stream ended before the answer did"]))
    assert play.words() == "half an ans"
    alert = play.view.locator(".mf-failed .mf-error")
    expect(alert).to_have_attribute("role", "alert")
    expect(alert).to_have_text("the stream ended before the answer did")
    whole = play.view.locator(".mf-failed pre")
    expect(whole).to_be_hidden()
    play.view.locator(".mf-failed").get_by_role("button", name="details").click()
    expect(whole).to_have_text("StreamInterruptedError: the stream ended before the answer did")


def test_a_refused_start_takes_a_line_or_two(play: PlayPage) -> None:
    play.page.set_viewport_size({"width": 972, "height": 700})
    play.add("Hi")
    said = "openai needs an API key: set the environment variable OPENAI_API_KEY, or pass api_key=."
    play.deliver(start(), end(0, "failed", error=["AuthenticationError", said]))
    card = play.view.locator(".mf-failed")
    expect(card).to_contain_text(said)
    expect(card.get_by_role("button", name="Ask again")).to_be_visible()
    assert card.evaluate("(one) => one.offsetHeight") < 60  # beside a panel its sentence needs two
    play.page.set_viewport_size({"width": 1600, "height": 700})
    assert card.evaluate("(one) => one.offsetHeight") < 42


def test_two_models_answer_next_to_each_other_and_both_stay_until_one_is_chosen(play: PlayPage) -> None:
    play.add("Hi")
    two = {"side": 1, "number": 2, "model": "scripted/two"}
    long = "A long answer of many words." * 9
    play.deliver(start(), start(**two), batch(1, long), batch(1, "Second", number=2, side=1))
    cards = play.view.locator(".mf-answers > .mf-turn")

    def shown() -> list[tuple[str, str]]:
        play.settle()
        return [(one.locator(".mf-by").inner_text(), one.locator(".mf-words").inner_text()) for one in cards.all()]

    both = [("one", long), ("two", "Second")]  # their provider is the same, and on hover
    assert shown() == both
    left, right = (card.bounding_box() for card in cards.all())
    assert left
    assert right
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"] + 1
    tops = "(all) => all.map((one) => one.getBoundingClientRect().top)"
    first, second = play.view.locator(".mf-answers .mf-words").evaluate_all(tops)
    assert first == second
    play.deliver(end(1, status=["1 token"]), end(1, status=["2 tokens"], **two))
    assert shown() == both  # though both are over
    play.deliver({"type": "settled", "side": None})
    play.receive(running=False)
    assert shown() == both  # until one of them is chosen, or the next question is asked
    play.deliver(start(number=3), batch(1, "One alone", number=3))
    assert play.words() == "One alone"
    expect(play.view.locator(".mf-answers .mf-by:visible")).to_have_count(0)


def test_each_of_two_columns_follows_its_end_until_its_reader_scrolls_up(play: PlayPage) -> None:
    two = {"side": 1, "number": 2}
    long = "".join(f"Line {number}.\n" for number in range(60))
    play.deliver(start(), start(**two), batch(1, long), batch(1, long, **two))
    play.settle()
    columns = play.view.locator(".mf-answers.mf-two > .mf-turn > .mf-parts")
    below = "(all) => all.map((one) => Math.round(one.scrollHeight - one.scrollTop - one.clientHeight))"
    expect(columns).to_have_count(2)
    assert columns.evaluate_all(below) == [0, 0]
    right = columns.nth(1)
    right.hover()
    play.page.mouse.wheel(0, -200)
    back = right.get_by_role("button", name="to the end")
    expect(back).to_be_visible()
    expect(columns.nth(0).get_by_role("button", name="to the end")).to_be_hidden()
    seen = right.evaluate("(one) => one.scrollTop")
    play.deliver(batch(2, long), batch(2, long, **two))
    play.settle()
    assert columns.evaluate_all(below)[0] == 0
    assert right.evaluate("(one) => one.scrollTop") == seen
    back.focus()
    play.page.keyboard.press("Enter")
    expect(back).to_be_hidden()
    assert right.evaluate("(one) => one === document.activeElement")
    play.deliver(batch(3, long), batch(3, long, **two))
    play.settle()
    assert columns.evaluate_all(below) == [0, 0]


def test_an_answer_of_only_calls_shows_them_in_its_column(play: PlayPage) -> None:
    two = {"side": 1, "number": 2, "model": "scripted/two"}
    rows = [{"field": "city", "value": "<b>Ghent</b>", "type": "str"}]
    asked = [{"name": "get_forecast", "rows": rows, "arguments": "{}"}, {"name": "budget", "rows": [], "arguments": ""}]
    play.deliver(start(), start(**two), batch(1, "Words.", **two))
    play.deliver(end(0, calls=asked), end(1, **two), {"type": "settled", "side": None})
    play.settle()
    columns = play.view.locator(".mf-answers.mf-two > .mf-turn")
    expect(columns.nth(0).get_by_role("region", name="call of get_forecast")).to_contain_text("<b>Ghent</b>")
    expect(columns.nth(0)).to_contain_text("Nothing has run")
    expect(columns.nth(1)).not_to_contain_text("Nothing has run")
    play.deliver(start(number=3), start(side=1, number=4))
    play.settle()
    expect(columns.nth(0).locator(".mf-card")).to_have_count(0)


def test_reasoning_is_folded_when_the_answer_begins_and_a_reader_may_open_it(play: PlayPage) -> None:
    play.deliver(start(), batch(1, reasoning="Let me "), batch(2, reasoning="think."))
    fold = play.view.locator(".mf-answers .mf-reasoning")
    play.settle()
    expect(fold).to_have_attribute("open", "")
    expect(fold).to_contain_text("Let me think.")
    play.deliver(batch(3, "So: "))
    expect(fold).not_to_have_attribute("open", "")
    fold.locator("summary").click()
    play.deliver(batch(4, "42"))
    play.settle()
    expect(fold).to_have_attribute("open", "")


def test_a_refusal_is_shown(play: PlayPage) -> None:
    play.deliver(start(), batch(1, refusal="I must not."))
    expect(play.view.locator(".mf-answers .mf-refusal")).to_have_text("I must not.")


def test_the_answer_is_a_polite_live_region(play: PlayPage) -> None:
    play.deliver(start())
    region = play.view.locator(".mf-answers [aria-live=polite]")
    expect(region).to_have_attribute("aria-busy", "true")
    assert play.said() == "waiting for the first word"
    play.deliver(batch(1, "x"), end(1))
    expect(region).to_have_attribute("aria-busy", "false")


def test_paragraphs_of_a_question_stand_no_blank_line_apart(play: PlayPage) -> None:
    play.add("One is here.\n\nTwo is here.")
    text = play.view.locator(".mf-turns .mf-text").first
    assert text.evaluate("(one) => one.textContent") == "One is here.\n\nTwo is here."
    tops = """(one) => [one.firstChild, one.lastChild].map((node) => {
      const range = document.createRange();
      range.selectNodeContents(node);
      return range.getBoundingClientRect();
    })"""
    first, second = text.evaluate(tops)
    assert 4 < second["top"] - first["bottom"] < first["height"]


def test_the_line_says_whom_a_run_with_tools_waits_for(play: PlayPage) -> None:
    phase = {"type": "phase", "side": 0, "number": 1}
    play.deliver(start())
    assert play.said() == "waiting for the first word"
    play.deliver({**phase, "phase": "approval"})
    assert play.said() == "a call waits for you"
    play.deliver({**phase, "phase": "tools"})
    assert play.said() == "running tools"
    play.deliver({**phase, "number": 7, "phase": "approval"})
    assert play.said() == "running tools"
    play.deliver(start(number=2))
    assert play.said() == "waiting for the first word"
    play.deliver(progress(1, "So", number=2, phase="approval"))
    assert play.said() == "a call waits for you"


def test_the_view_follows_the_end_only_while_the_reader_is_there(play: PlayPage) -> None:
    pane = play.view.locator(".mf-talking")
    play.deliver(start(), *(batch(n, f"line {n}\n") for n in range(1, 60)))
    at_end = "(pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 2 && pane.scrollTop > 100"
    until(lambda: pane.evaluate(at_end), what="the end in sight")
    pane.evaluate("(pane) => { pane.scrollTop = 100; }")
    play.settle()
    play.deliver(batch(60, "line 60\n" * 5))
    play.settle()
    assert pane.evaluate("(pane) => pane.scrollTop") == 100


def test_what_does_not_fit_is_said_once(page: Page) -> None:
    play = PlayPage(page, schema=Person)
    problem = ["ValidationFailedError", "expected a time such as 19:30:00"]
    play.deliver(start(schema="Person"), batch(1, '{"name": "M", "age": "x"}'), end(1, schema="Person", error=problem))
    expect(play.view.get_by_text("expected a time such as", exact=False).locator("visible=true")).to_have_count(1)


def test_a_structure_fills_while_it_arrives(page: Page) -> None:
    play = PlayPage(page, schema=Person)
    play.deliver(start(schema="Person"), batch(1, '{"name": "Maria Silva", "a'))
    table = play.view.locator(".mf-side .mf-table")
    expect(table).to_contain_text("Maria Silva")
    assert "mf-code" in (play.view.locator(".mf-answers .mf-words").get_attribute("class") or "")
    rows = [{"field": "name", "value": "Maria Silva", "type": "str"}, {"field": "age", "value": "34", "type": "int"}]
    play.deliver(batch(2, 'ge": 34}'), end(2, schema="Person", rows=rows))
    expect(table).to_contain_text("34")
    assert play.errors() == []


# Hands


def test_run_sends_what_is_in_the_fields_once_from_wherever_it_is_asked(page: Page) -> None:
    play = PlayPage(page, parts={"picker": {"offered": [["Person", "given"]]}})
    answer_as(play.view, "Person")
    prefill = start_with(play.view, "{")
    box(play.view).fill("Who?")
    hands: list[Any] = [
        lambda: play.view.get_by_role("button", name="Run", exact=True).click(),
        lambda: box(play.view).press("Shift+Enter"),
        lambda: box(play.view).press("Control+Enter"),
        lambda: prefill.press("Shift+Enter"),
    ]
    for count, ask in enumerate(hands, start=1):
        ask()
        play.settle()
        asked = play.sent("run")
        assert len(asked) == count
        assert (asked[-1]["draft"]["text"], asked[-1]["prefill"], asked[-1]["schema"]) == ("Who?", "{", "Person")
        assert play.said() == "starting"
        play.deliver({"type": "problem", "name": "RuntimeError", "message": f"no {count}"})
        assert play.said() == "failed"
        expect(play.view.get_by_role("alert").filter(has_text=f"RuntimeError: no {count}")).to_be_visible()
    assert play.sent_in("builder", "add") == []
    assert play.errors() == []


def test_a_file_on_its_way_is_waited_for(play: PlayPage) -> None:
    play.page.evaluate(
        "() => { children.builder.exports.ready = () => new Promise((done) => { window.arrived = done; }); }"
    )
    box(play.view).fill("Look")
    box(play.view).press("Shift+Enter")
    play.settle()
    assert play.sent("run") == []
    play.page.evaluate("arrived()")
    play.settle()
    assert len(play.sent("run")) == 1


def test_enter_alone_writes_a_line(play: PlayPage) -> None:
    box(play.view).press_sequentially("a\nb")
    assert box(play.view).input_value() == "a\nb"
    assert play.sent("run") == []


@pytest.mark.parametrize("field", ["message", "the answer starts with"])
def test_escape_stops_once(play: PlayPage, field: str) -> None:
    start_with(play.view, "{")
    at = play.view.get_by_role("textbox", name=field, exact=field == "message")
    at.press("Escape")
    assert play.sent("stop") == []
    play.deliver(start(), batch(1, "x"))
    at.press("a")
    assert play.sent("stop") == []
    at.press("Escape")
    at.press("Escape")
    assert len(play.sent("stop")) == 1
    assert play.said() == "stopping"


def test_run_and_stop_are_offered_when_they_can_be_done(play: PlayPage) -> None:
    run, stop = (play.view.get_by_role("button", name=name, exact=True) for name in ("Run", "Stop"))

    def offered() -> tuple[bool, bool]:
        """One of them is there, in the same place with the same width."""
        play.settle()
        [shown] = [one for one in (run, stop) if one.is_visible()]
        box = shown.bounding_box()
        assert box
        places.add((box["x"], box["width"]))
        return run.is_visible() and run.is_enabled(), stop.is_visible() and stop.is_enabled()

    places: set[tuple[float, float]] = set()
    play.open_panel()

    assert offered() == (True, False)
    run.click()
    assert offered() == (False, False)  # asked for
    play.receive(running=True)
    play.deliver(start())
    assert offered() == (False, True)
    stop.click()
    assert offered() == (False, False)
    assert len(play.sent("stop")) == 1
    play.deliver(batch(1, "x"), end(1, "stopped"))
    play.receive(ends=[ending(1, "stopped")], running=False)
    assert offered() == (True, False)
    assert play.said() == "stopped"
    assert len(places) == 1


def test_a_run_that_a_cell_begins_can_be_stopped_here(play: PlayPage) -> None:
    play.receive(running=True)
    play.settle()
    play.view.get_by_role("button", name="Stop", exact=True).click()
    assert len(play.sent("stop")) == 1


def test_a_silent_kernel_is_named_after_three_seconds_and_can_be_asked_again(play: PlayPage) -> None:
    run, note = (
        play.view.get_by_role("button", name="Run", exact=True),
        play.view.locator("> .mf-bottom .mf-aside-note"),
    )
    box(play.view).fill("Hi")
    run.click()
    play.page.wait_for_timeout(1500)
    expect(note).to_be_empty()
    expect(note).to_contain_text("run this cell again")
    run.click()
    assert len(play.sent("run")) == 2
    play.deliver(start())
    expect(note).to_be_empty()


def test_keys_stay_in_the_widget(play: PlayPage) -> None:
    page = play.page
    page.evaluate("() => { window.leaked = []; document.body.addEventListener('keydown', (e) => leaked.push(e.key)); }")
    for field in play.view.locator("textarea:visible").all():
        field.press_sequentially("add")
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Escape")
    play.open_panel()
    play.view.get_by_role("tab", name="structure").press("x")
    assert page.evaluate("leaked") == []


@pytest.mark.parametrize(
    ("name", "kind"), [("rerun", "rerun"), ("continue", "continue"), ("compare", "compare")], ids=str
)
def test_what_a_turn_offers_is_asked_once_with_its_position(play: PlayPage, name: str, kind: str) -> None:
    play.add("Hi", {"role": "assistant", "content": "One"})
    history = play.kernel.builder.history
    history.cut(1)
    history.add({"role": "assistant", "content": "Two"})
    play.kernel.builder.changed()
    play.show_turns()
    play.page.evaluate("addView()")  # a second view must not ask too
    play.settle()
    turn = play.view.locator(".mf-turns .mf-turn").last
    turn.hover()
    turn.get_by_role("button", name=name).click()
    assert [message["position"] for message in play.sent(kind)] == [1]
    if kind == "compare":
        assert play.said() == "ready"
        return
    assert play.said() == "starting"
    turn.get_by_role("button", name=name).click()
    assert len(play.sent(kind)) == 1  # one at a time


def test_a_model_is_picked_and_another_to_compare_with(page: Page) -> None:
    told = {"model_options": "temperature 0.7", "call_options": {"temperature": 0.7}}
    play = PlayPage(page, offered=["scripted/one", "scripted/two"], chosen=["scripted/one", ""], **told)
    first, second = (play.view.get_by_role("button", name=name) for name in ("model: ", "compare with: "))
    expect(first).to_have_text("scripted/one")
    expect(second).to_have_count(0)
    expect(play.view.locator(".mf-top").first).to_contain_text("T 0.7")
    first.click()
    assert play.sent("models")
    play.page.keyboard.press("ArrowDown")
    prices = {"scripted/three": "$0.10 / $0.40"}  # they come while the menu is open
    play.receive(offered=["scripted/one", "scripted/two", "scripted/three"], prices=prices)
    expect(play.view.get_by_role("menuitemradio", name="scripted/three")).to_contain_text("$0.10 / $0.40")
    expect(play.view.get_by_role("menuitemradio", name="scripted/two")).to_be_focused()
    play.view.get_by_role("menuitemradio", name="scripted/three").click()
    play.view.get_by_role("button", name="compare").click()
    play.view.get_by_role("menuitemradio", name="scripted/two").click()
    play.receive(chosen=["scripted/one", "scripted/two"])
    play.settle()
    assert (box(play.view).get_attribute("placeholder") or "").endswith("picture: both will answer")
    play.view.get_by_role("button", name="end the comparison").click()
    picked = [(message["side"], message["name"]) for message in play.sent("pick")]
    assert picked == [(0, "scripted/three"), (1, "scripted/two"), (1, "")]
    play.receive(chosen=["scripted/three", "scripted/one"])
    expect(first).to_have_text("scripted/three")
    expect(second).to_have_text("scripted/one")
    assert play.errors() == []


def test_every_control_has_a_name(play: PlayPage) -> None:
    play.add("Hi", {"role": "assistant", "content": "One"})
    play.deliver(start(), batch(1, "x"), end(1, tokens=True))
    for name in ("tokens", "versions", "raw", "code", "tools"):
        play.view.get_by_role("tab", name=name).click()
    play.deliver({"type": "tokens", "number": 1, "rows": [["x", -0.1, [["x", -0.1], [" ", -1]]]]})
    play.deliver({"type": "difference", "position": 1, "count": 2, "left": 0, "right": 1, "pieces": [["same", "x"]]})
    play.settle()
    nameless = play.page.evaluate(
        """() => [...document.querySelectorAll("button, textarea, select, input")]
          .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.title ||
            node.labels?.[0]?.textContent.trim()))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []


# Views


def test_two_views_show_the_same_and_one_may_leave(play: PlayPage) -> None:
    play.deliver(start(), batch(1, "before"))
    play.page.evaluate("addView()")
    play.deliver(batch(2, " and after"))
    play.settle()
    shown = play.page.locator(".mf-answers .mf-words")
    assert shown.all_inner_texts() == ["before and after"] * 2
    box(play.view).fill("typed")
    expect(box(play.page.locator(".msgflux-playground").nth(1))).to_have_value("typed")
    play.page.evaluate("leave[0]()")
    play.deliver(batch(3, "!"))
    play.settle()
    assert shown.all_inner_texts() == ["before and after", "before and after!"]
    play.page.locator(".msgflux-playground").nth(1).get_by_role("button", name="Stop", exact=True).click()
    assert len(play.sent("stop")) == 1


LISTENERS = f"""() => [model, ...{list(PARTS)}.map((name) => children[name].model)]
  .map(({{ handlers }}) => [...handlers.values()].reduce((sum, all) => sum + all.length, 0))"""


def test_nothing_is_left_of_a_view_that_was_removed(play: PlayPage) -> None:
    before = play.page.evaluate(LISTENERS)
    play.page.evaluate("addView()")
    assert play.page.evaluate(LISTENERS) != before
    play.page.evaluate("leave[1]()")
    assert play.page.evaluate(LISTENERS) == before
    asked = len(play.sent("code"))
    play.page.evaluate("document.querySelectorAll('.msgflux-playground')[1].dispatchEvent(new CustomEvent('mf-run'))")
    play.deliver(start(), batch(1, "x"), {"type": "code", "text": "x"})
    play.settle()
    second = play.page.locator(".msgflux-playground").nth(1)
    assert second.locator(".mf-answers .mf-words").count() == 0 or second.locator(".mf-words").first.inner_text() == ""
    assert play.sent("run") == []
    assert len(play.sent("code")) == asked


def test_a_frame_that_comes_after_a_view_was_removed_draws_nothing(play: PlayPage) -> None:
    play.page.evaluate("() => { window.held = []; window.ask = requestAnimationFrame; }")
    play.page.evaluate("async () => { window.requestAnimationFrame = (draw) => held.push(draw); await addView(); }")
    assert play.page.evaluate("held.length") > 0
    play.page.evaluate("() => { leave[1](); window.requestAnimationFrame = ask; }")
    play.deliver(start(), batch(1, "x"))
    play.settle()
    play.page.evaluate("() => held.forEach((draw) => draw(performance.now()))")
    assert play.page.locator(".msgflux-playground").nth(1).locator(".mf-answers").inner_text() == ""


def test_nothing_is_left_of_a_view_that_was_removed_while_it_was_made(play: PlayPage) -> None:
    before = play.page.evaluate(LISTENERS)
    play.page.evaluate("async () => { const made = addView(); leave[1](); await made; }")
    assert play.page.evaluate(LISTENERS) == before
    play.page.evaluate("document.querySelectorAll('.msgflux-playground')[1]?.dispatchEvent(new CustomEvent('mf-run'))")
    play.settle()
    assert play.sent("run") == []


# Hostile texts of a model, a tool or a name


def test_dangerous_text_is_text_everywhere(page: Page, hear: Hear) -> None:
    dialogs: list[str] = []
    hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        text = "\n".join(dangerous(port))
        row = {"field": text, "value": text, "type": text}
        described = {"name": text, "doc": text, "error": [text, text], "way": text, "notes": [text], "fields": []}
        play = PlayPage(
            page,
            # From the same machine: Chromium lets no page from elsewhere ask a loopback server.
            url=f"http://127.0.0.1:{port}/page",
            parts={
                "builder": {"draft": text, "warning": text},
                "prefill": {"value": text, "model_name": text, "warning": text},
                "picker": {"schema": text, "offered": [[text, "given"]], "described": described, "model_name": text},
            },
            offered=[text],
            chosen=[text, text],
            model_options=text,
            tool_names=[text],
        )
        about = {"prefill": text, "schema": text, "model": text}
        two = {**about, "side": 1, "number": 2}
        arrives = {"reasoning": text, "refusal": text}
        play.deliver(start(**about), start(**two), batch(1, text, **arrives), batch(1, text, number=2, side=1))
        assert play.words() == text + text
        how = {"error": [text, text], "status": [text], "rows": [row], "tokens": True}
        play.deliver(end(1, "failed", **about, **how), end(1, **two, **how))
        play.open_panel()
        opened = ("tools", "tokens", "versions", "raw", "code")
        for name in opened:
            play.view.get_by_role("tab", name=name).click()
        difference = {"position": 1, "count": 2, "left": 0, "right": 1}
        pieces = [[kind, text] for kind in ("same", "gone", "new")]
        play.deliver(
            {"type": "tokens", "number": 1, "rows": [[text, -0.1, [[text, -0.1], [f"{text}!", -1]]]]},
            {"type": "raw", "parts": [[text, text]]},
            {"type": "code", "text": text},
            {"type": "difference", **difference, "pieces": pieces},
        )
        play.view.get_by_role("tab", name="tokens").click()
        play.view.locator(".mf-token").first.click()
        for name in opened:
            play.view.get_by_role("tab", name=name).click()
        play.add(text, {"role": "assistant", "content": text})
        play.deliver({"type": "problem", "name": text, "message": text})
        play.settle()
        shown = play.view.inner_text()
        assert shown.count("<img src=x onerror=alert(1)>") > 5
        for selector in (".mf-raw", ".mf-difference", ".mf-token", ".mf-other code", ".mf-failed pre"):
            assert "<img src=x" in (play.view.locator(selector).first.text_content() or "").replace("␣", " "), selector
        page.wait_for_timeout(300)  # time for whatever should not be asked for
        assert (paths, dialogs) == ([], [])
        page.evaluate("(text) => { document.body.insertAdjacentHTML('beforeend', text); }", text)
        page.wait_for_timeout(500)
        assert paths
        assert dialogs, "the same text as markup would have been noticed"
    inside = "document.querySelectorAll('.msgflux-live :is(script, style, a, [onerror], [data-commandlinker-command])')"
    assert page.evaluate(f"{inside}.length") == 0
    assert play.errors() == []


def test_a_new_beginning_ends_what_runs_and_forgets_how_the_last_answer_ended(play: PlayPage) -> None:
    play.add("Hi")
    play.deliver(start(), batch(1, "Hello"))
    more(play.view, "Begin again")
    assert len(play.sent("stop")) == len(play.sent_in("builder", "clear")) == 1
    play.deliver(end(1, "stopped", status=["48 in · 2 out"]), {"type": "settled", "side": None})
    play.receive(running=False)
    play.settle()
    expect(play.view.locator("> .mf-bottom")).to_contain_text("48 in")
    play.kernel.builder.clear()
    play.show_turns()
    expect(play.view.locator("> .mf-bottom")).not_to_contain_text("48 in")
    expect(play.view.locator("> .mf-bottom")).to_contain_text("ready")
    expect(play.view.locator(".mf-begin")).to_be_visible()
