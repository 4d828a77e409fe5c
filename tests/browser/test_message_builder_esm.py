"""The message builder's page: turns as cards, mouse and keys, the draft, and its messages to the kernel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.conversation.message_builder import MessageBuilder
from msgflux_nb.widgets.conversation.variables import names_in
from tests.content.pictures import two_halves
from tests.widgets.conversations import CALL, EVERYTHING

from .bridge import Bridge
from .hostile import counting, dangerous
from .play_page import add_from, pick_role, turn_menu
from .widget_page import Hear, until, use_modules

pytestmark = pytest.mark.browser

Open = Callable[..., Bridge]


@pytest.fixture
def open_builder(page: Page) -> Iterator[Open]:
    """Open a builder with messages; its page must not raise."""
    opened: list[Bridge] = []

    def open_(messages: Any = (), **options: Any) -> Bridge:
        url = options.pop("url", "")
        if messages and isinstance(messages[0], str):
            roles = ("user", "assistant")
            messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(messages)]
        opened.append(Bridge(page, MessageBuilder(messages, **options), url=url))
        return opened[-1]

    yield open_
    for bridge in opened:
        assert bridge.page.errors() == []
        bridge.widget.close()


def turn(page: Page, position: int) -> Locator:
    return page.locator(".mf-turn").nth(position)


def texts(bridge: Bridge) -> list[Any]:
    return [message.get("content") for message in bridge.widget.messages]


def drawn(page: Page) -> list[str]:
    return page.locator(".mf-turn > .mf-parts").all_inner_texts()


def press(bridge: Bridge, *keys: str) -> None:
    for key in keys:
        bridge.page.page.keyboard.press(key)
        bridge.exchange()


# What is drawn


def test_each_kind_of_part_is_shown(open_builder: Open, page: Page) -> None:
    open_builder(EVERYTHING, model="openai/gpt-4o").exchange()
    expect(page.locator(".mf-turn")).to_have_count(len(EVERYTHING))
    image = turn(page, 2).locator(".mf-medium").first
    expect(image).to_contain_text("40 × 20 px")
    expect(image).to_contain_text("≈ 85 tokens")
    expect(image.locator("img")).to_have_js_property("naturalWidth", 40)
    expect(turn(page, 2)).to_contain_text("WAV, 0.1 s, 3.2 kB")
    expect(turn(page, 3)).to_contain_text("get_weather call_1", use_inner_text=True)
    expect(turn(page, 4)).to_contain_text("answers call_1")
    expect(turn(page, 6)).to_contain_text("https://example.com/a.png")
    expect(turn(page, 6)).to_contain_text('{"type":"hologram","depth":3}')
    expect(turn(page, 7)).to_contain_text("refusal No.")
    expect(turn(page, 14).locator("strong")).to_have_text("Title")


def test_the_total_is_an_estimate_and_names_what_is_not_known(open_builder: Open, page: Page) -> None:
    bridge = open_builder(EVERYTHING[:3])
    bridge.exchange()
    expect(page.locator(".mf-total")).to_have_text("conversation ≈ 12 tokens + 3 unknown")
    bridge.widget.model = "openai/gpt-4o"
    bridge.exchange()
    expect(page.locator(".mf-total")).to_have_text("conversation ≈ 97 tokens + 2 unknown")


def test_an_answer_is_markdown_and_can_be_shown_as_it_stands(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["q", "a **b**"])
    expect(turn(page, 1).locator("strong")).to_have_text("b")
    turn_menu(turn(page, 1), "Show as plain text")
    assert drawn(page)[1] == "a **b**"
    more = turn(page, 1).get_by_role("button", name="more for this turn")
    expect(more).to_be_focused()
    more.click()
    expect(page.get_by_role("menuitem", name="Draw as Markdown")).to_be_visible()
    page.keyboard.press("Escape")
    bridge.widget.history.replace(1, {"role": "assistant", "content": "c *d*"})
    bridge.widget.changed()
    bridge.exchange()
    expect(turn(page, 1).locator("em")).to_have_text("d")


def test_what_a_person_wrote_is_drawn_too_if_it_is_formatted(open_builder: Open, page: Page) -> None:
    texts_ = ["What is **in** {{it}}?\nAnd `there`?", "ok", "  just\n    as it <b>stands</b>"]
    bridge = open_builder(texts_)
    first = turn(page, 0)
    expect(first.locator("strong")).to_have_text("in")
    expect(first.locator(".mf-name-in-text")).to_have_text("{{it}}")
    assert drawn(page) == ["What is in {{it}}?\nAnd there?", "ok", texts_[2]]
    turn_menu(first, "Show as plain text")
    assert drawn(page)[0] == texts_[0]
    first.focus()
    press(bridge, "Enter")
    expect(first.get_by_role("textbox", name="text")).to_have_value(texts_[0])


def test_the_only_filled_button_of_a_builder_on_its_own_is_add(open_builder: Open, page: Page) -> None:
    open_builder(["q"])
    expect(page.locator(".mf-primary")).to_have_text("Add⌃⏎")


def test_all_turns_are_copied_as_text(open_builder: Open, page: Page) -> None:
    open_builder(["Why?", "So."])
    page.get_by_role("button", name="more", exact=True).click()
    page.get_by_role("menuitem", name="Copy all as text").click()
    page.get_by_role("textbox", name="message").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_role("textbox", name="message")).to_have_value("user: Why?\n\nassistant: So.")


def test_an_empty_conversation_explains_itself_in_one_line(open_builder: Open, page: Page) -> None:
    bridge = open_builder()
    expect(page.locator(".mf-scroll > .mf-hint")).to_be_visible()
    bridge.widget.add("a")
    bridge.exchange()
    expect(page.locator(".mf-scroll > .mf-hint")).to_be_hidden()


def test_what_is_drawn_is_not_drawn_again(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b", "c"])
    page.evaluate("() => document.querySelectorAll('.mf-turn').forEach((node, index) => { node.mark = index; })")
    bridge.widget.add("d")
    bridge.exchange()
    assert page.evaluate("[...document.querySelectorAll('.mf-turn')].map((node) => node.mark ?? null)") == [
        0,
        1,
        2,
        None,
    ]


def test_every_control_has_a_name(open_builder: Open, page: Page) -> None:
    bridge = open_builder([*EVERYTHING, {"role": "user", "content": "{{a}}"}])
    bridge.widget.attach(two_halves())
    bridge.exchange()
    turn(page, 2).focus()
    page.keyboard.press("Enter")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, textarea, select, input")]
          .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.title))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []


# Messages of the kernel


def told(number: int, start: int, *words: str) -> dict[str, Any]:
    turns = [
        {
            "id": f"{number}.{index}",
            "role": "user",
            "note": "",
            "parts": [{"key": "content", "kind": "text", "text": text, "tokens": 1}],
            "siblings": [0, 1],
        }
        for index, text in enumerate(words)
    ]
    return {"type": "turns", "number": number, "from": start, "turns": turns}


def test_turns_from_a_position_on_are_replaced_and_earlier_ones_stay(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b", "c"])
    bridge.page.deliver(told(1, 1, "B", "C", "D"))
    assert drawn(page) == ["a", "B", "C", "D"]
    bridge.page.deliver(told(2, 2))
    assert drawn(page) == ["a", "B"]


def test_turns_that_the_page_has_come_by_their_ids(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b", "c"])
    bridge.widget._receive(bridge.widget, {"type": "move", "id": bridge.widget.turns[2]["id"], "to": 0}, [])
    bridge.exchange()
    assert drawn(page) == ["c", "a", "b"]
    assert bridge.page.sent("resync") == []


def test_a_text_that_the_page_has_only_the_beginning_of_cannot_be_edited_there(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["x " * 150_000])
    turn(page, 0).focus()
    page.keyboard.press("Enter")
    editor = page.get_by_role("region", name="edit the user's turn")
    expect(editor.get_by_text("… 100,000 more characters")).to_be_visible(timeout=30_000)
    expect(editor.get_by_role("textbox")).to_have_count(0)
    editor.get_by_role("button", name="Save").click()
    bridge.exchange()
    assert bridge.widget.messages[0]["content"] == "x " * 150_000


def test_a_change_that_comes_twice_is_applied_once(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    bridge.page.deliver(told(1, 1, "b"), told(1, 1, "b"))
    assert drawn(page) == ["a", "b"]
    assert bridge.page.sent("resync") == []


def test_after_a_lost_message_the_page_asks_once_for_everything(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    bridge.page.deliver(told(2, 1, "c"), told(3, 2, "d"))
    assert drawn(page) == ["a"]
    assert len(bridge.page.sent("resync")) == 1
    bridge.widget.messages = [{"role": "user", "content": text} for text in "abcd"]
    bridge.exchange()
    assert drawn(page) == ["a", "b", "c", "d"]


def test_turns_are_not_sent_back_to_the_kernel(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    bridge.widget.add("b")
    bridge.exchange()
    page.get_by_role("textbox", name="message").fill("c")
    until(lambda: bridge.page.sent("draft"))
    assert page.evaluate("Object.keys(model.saved)") == []


def test_an_error_of_the_kernel_is_an_alert_until_something_else_is_done(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    bridge.page.deliver({"type": "problem", "name": "LookupError", "message": "gone"})
    expect(page.get_by_role("alert")).to_have_text("LookupError gone")
    turn(page, 0).focus()
    press(bridge, "Control+d")
    expect(page.get_by_role("alert")).to_have_count(0)


# Keys


def test_arrows_walk_and_with_alt_move_the_turn(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b", "c"])
    turn(page, 0).focus()
    press(bridge, "ArrowDown")
    expect(turn(page, 1)).to_be_focused()
    press(bridge, "Alt+ArrowDown")
    assert texts(bridge) == ["a", "c", "b"]
    expect(turn(page, 2)).to_be_focused()
    press(bridge, "Alt+ArrowUp", "Alt+ArrowUp")
    assert texts(bridge) == ["b", "a", "c"]


def test_keys_double_delete_and_undo(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b"])
    turn(page, 0).focus()
    press(bridge, "Control+d")
    assert texts(bridge) == ["a", "a", "b"]
    press(bridge, "Delete")
    assert texts(bridge) == ["a", "b"]
    press(bridge, "Control+z", "Control+z")
    assert texts(bridge) == ["a", "b"]
    assert page.evaluate("document.activeElement.closest('.mf-turn') !== null")


def test_buttons_do_the_same_and_keep_the_focus(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b", "c"])
    turn_menu(turn(page, 0), "Move down")
    bridge.exchange()
    assert texts(bridge) == ["b", "a", "c"]
    expect(turn(page, 1).get_by_role("button", name="more for this turn")).to_be_focused()
    turn_menu(turn(page, 1), "Remove")
    bridge.exchange()
    expect(turn(page, 1)).to_be_focused()
    page.get_by_role("button", name="undo").click()
    bridge.exchange()
    assert texts(bridge) == ["b", "a", "c"]
    page.get_by_role("button", name="more", exact=True).click()
    page.get_by_role("menuitem", name="Start over").click()
    bridge.exchange()
    assert texts(bridge) == []


def test_versions_are_walked_through_by_arrows_and_buttons(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["q", "one"])
    for text in ("two", "three"):
        bridge.widget.history.replace(1, {"role": "assistant", "content": text})
    bridge.widget.changed()
    bridge.exchange()
    expect(turn(page, 1).locator(".mf-versions")).to_have_text("3 of 3")
    turn(page, 1).focus()
    press(bridge, "ArrowLeft")
    assert drawn(page)[1] == "two"
    expect(turn(page, 1)).to_be_focused()
    turn(page, 1).get_by_role("button", name="the version before").click()
    bridge.exchange()
    assert texts(bridge) == ["q", "one"]
    expect(turn(page, 1).get_by_role("button", name="the version before")).to_be_disabled()
    press(bridge, "ArrowLeft")
    assert texts(bridge) == ["q", "one"]


def test_tab_reaches_one_turn_and_its_buttons(open_builder: Open, page: Page) -> None:
    open_builder(["a", "b", "c"])
    reached = """() => [...document.querySelectorAll('.mf-turns [tabindex="0"]')]
      .map((node) => node.closest(".mf-turn").dataset.id)"""
    ids = page.evaluate("[...document.querySelectorAll('.mf-turn')].map((n) => n.dataset.id)")
    assert set(page.evaluate(reached)) == {ids[2]}
    turn(page, 0).focus()
    assert set(page.evaluate(reached)) == {ids[0]}


def test_turns_are_dragged_by_their_handles(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b", "c"])
    turn(page, 0).hover()
    turn(page, 0).locator(".mf-handle").drag_to(turn(page, 2), target_position={"x": 50, "y": 28})
    bridge.exchange()
    assert texts(bridge) == ["b", "c", "a"]
    turn(page, 2).hover()
    turn(page, 2).locator(".mf-handle").drag_to(turn(page, 0), target_position={"x": 50, "y": 3})
    bridge.exchange()
    assert texts(bridge) == ["a", "b", "c"]


def test_keys_stay_in_the_widget(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b"])
    page.evaluate("() => { window.leaked = []; document.body.addEventListener('keydown', (e) => leaked.push(e.key)); }")
    turn(page, 0).focus()
    press(bridge, "ArrowDown", "Enter", "Escape")
    page.get_by_role("textbox", name="message").press_sequentially("dd")
    assert page.evaluate("leaked") == []


# Editing


def test_a_turn_is_edited_in_place_and_saved_as_a_version(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b"])
    turn(page, 0).focus()
    press(bridge, "Enter")
    field = turn(page, 0).get_by_role("textbox", name="text")
    expect(field).to_be_focused()
    field.fill("A")
    pick_role(turn(page, 0), "system")
    field.press("Control+Enter")
    bridge.exchange()
    assert bridge.widget.messages[0] == {"role": "system", "content": "A"}
    assert bridge.widget.turns[0]["siblings"] == [1, 2]
    expect(turn(page, 0)).to_be_focused()


def test_escape_leaves_a_turn_as_it_was(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    turn(page, 0).dblclick(position={"x": 100, "y": 12})
    turn(page, 0).get_by_role("textbox", name="text").fill("changed")
    press(bridge, "Escape")
    assert (texts(bridge), drawn(page)) == (["a"], ["a"])
    expect(turn(page, 0)).to_be_focused()


def test_parts_are_moved_taken_out_and_added(open_builder: Open, page: Page) -> None:
    bridge = open_builder([EVERYTHING[2]])
    text, image, sound, _ = EVERYTHING[2]["content"]
    turn(page, 0).focus()
    press(bridge, "Enter")
    turn(page, 0).get_by_role("button", name="move text down").click()
    turn(page, 0).get_by_role("button", name="remove file document.pdf").click()
    turn(page, 0).get_by_role("button", name="add a picture").click()
    page.get_by_role("menuitem", name="Another text").click()
    page.keyboard.type("at the end")
    turn(page, 0).get_by_role("button", name="save").click()
    bridge.exchange()
    assert bridge.widget.messages[0]["content"] == [image, text, sound, {"type": "text", "text": "at the end"}]


def test_what_cannot_be_edited_can_be_taken_out_and_stays_otherwise(open_builder: Open, page: Page) -> None:
    bridge = open_builder([EVERYTHING[3]])
    turn(page, 0).focus()
    press(bridge, "Enter")
    turn(page, 0).get_by_role("button", name="remove call sql").click()
    turn(page, 0).get_by_role("button", name="save").click()
    bridge.exchange()
    assert bridge.widget.messages == [{**EVERYTHING[3], "tool_calls": [CALL]}]


def test_a_turn_with_the_new_role_tool_names_the_call_that_it_answers(open_builder: Open, page: Page) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    bridge = open_builder([calls, {"role": "user", "content": "21"}])
    turn(page, 1).focus()
    press(bridge, "Enter")
    pick_role(turn(page, 1), "tool")
    expect(turn(page, 1).get_by_role("textbox", name="id of the call")).to_have_value("call_1")
    turn(page, 1).get_by_role("button", name="save").click()
    bridge.exchange()
    assert bridge.widget.messages[1] == {"role": "tool", "content": "21", "tool_call_id": "call_1"}


def test_an_edit_goes_on_while_other_turns_come(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b"])
    turn(page, 0).focus()
    press(bridge, "Enter")
    page.keyboard.type("!")
    bridge.widget.add("c")
    bridge.exchange()
    expect(turn(page, 0).get_by_role("textbox", name="text")).to_have_value("a!")
    expect(turn(page, 0).get_by_role("textbox", name="text")).to_be_focused()
    press(bridge, "Control+Enter")
    assert texts(bridge) == ["a!", "b", "c"]


# The draft


def test_a_draft_is_written_added_and_emptied(open_builder: Open, page: Page) -> None:
    bridge = open_builder()
    field = page.get_by_role("textbox", name="message")
    pick_role(page, "system")
    field.fill("Be brief.")
    page.get_by_role("button", name="Add", exact=True).click()
    bridge.exchange()
    assert bridge.widget.messages == [{"role": "system", "content": "Be brief."}]
    expect(field).to_have_value("")
    field.fill("Hi")
    field.press("Control+Enter")
    bridge.exchange()
    assert texts(bridge) == ["Be brief.", "Hi"]


def test_what_is_typed_reaches_the_kernel_after_a_pause(open_builder: Open, page: Page) -> None:
    bridge = open_builder()
    page.get_by_role("textbox", name="message").press_sequentially("Hello")
    until(lambda: bridge.page.sent("draft"))
    bridge.exchange()
    assert texts(bridge) == ["Hello"]
    expect(page.locator(".mf-total")).to_have_text("conversation ≈ 2 tokens")


def test_an_echo_does_not_overwrite_what_was_typed_since(open_builder: Open, page: Page) -> None:
    bridge = open_builder()
    field = page.get_by_role("textbox", name="message")
    field.press_sequentially("Hel")
    bridge.page.receive(draft="from a cell")
    expect(field).to_have_value("Hel")
    until(lambda: bridge.page.sent("draft"))
    bridge.page.receive(draft="from a cell")
    expect(field).to_have_value("from a cell")


def test_while_the_kernel_is_busy_a_message_is_added_once_and_the_next_can_be_written(
    open_builder: Open, page: Page
) -> None:
    bridge = open_builder()
    field = page.get_by_role("textbox", name="message")
    field.fill("a")
    page.keyboard.press("Control+Enter")
    expect(field).to_have_value("")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_disabled()
    page.keyboard.type("b")
    page.keyboard.press("Tab")
    bridge.exchange()
    assert texts(bridge) == ["a", "b"]
    assert len(bridge.widget.turns) == 1
    expect(field).to_have_value("b")


def test_what_was_refused_can_be_added_again(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    pick_role(page, "tool")
    page.get_by_role("textbox", name="message").fill("7")
    for count in (1, 2):
        press(bridge, "Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("ToolCallError")
        expect(page.get_by_role("textbox", name="message")).to_have_value("7")
        assert len(bridge.page.sent("add")) == count
    assert texts(bridge)[:1] == ["a"]


def test_an_empty_draft_is_not_added(open_builder: Open, page: Page) -> None:
    bridge = open_builder()
    expect(page.get_by_role("button", name="add it", exact=False)).to_have_count(0)
    field = page.get_by_role("textbox", name="message")
    field.fill("  ")
    field.press("Control+Enter")
    assert bridge.page.sent("add") == []


def test_a_text_that_is_too_long_for_a_message_is_refused_and_kept(open_builder: Open, page: Page) -> None:
    bridge = open_builder()
    field = page.get_by_role("textbox", name="message")
    field.evaluate("(n) => { n.value = 'x'.repeat(190_001); n.dispatchEvent(new Event('input', { bubbles: true })); }")
    field.press("Control+Enter", timeout=30_000)  # a browser takes its time for such a text
    expect(page.get_by_role("alert")).to_contain_text("set it in a cell", timeout=30_000)
    assert bridge.page.sent("add") == []
    assert field.evaluate("(n) => n.value.length") == 190_001


def test_two_views_show_the_same_draft_and_one_may_leave(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    page.evaluate("addView()")
    first, second = page.get_by_role("textbox", name="message").all()
    first.fill("both")
    expect(second).to_have_value("both")
    page.evaluate("leave[0]()")
    bridge.widget.add("b")
    bridge.exchange()
    assert drawn(page) == ["a", "a", "b"]


# Variables


def test_names_become_a_form_and_its_values_fill_the_messages(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["Greet {{who}} in {{ language }}."])
    bridge.exchange()
    expect(page.locator(".mf-form .mf-note")).to_have_text("not filled, and sent as written: who, language")
    page.get_by_role("textbox", name="value of who").fill("Ada")
    until(lambda: bridge.page.sent("variable"))
    bridge.exchange()
    assert texts(bridge) == ["Greet Ada in {{ language }}."]
    expect(page.locator(".mf-form .mf-note")).to_have_text("not filled, and sent as written: language")
    page.get_by_role("textbox", name="message").press_sequentially("And {{more}}")
    expect(page.get_by_role("textbox", name="value of more")).to_be_visible()


@pytest.mark.parametrize(
    "text",
    [
        "{{a}}{{ b }}",
        "{{a_1}} {{1a}} {{a-b}}",
        "{{größe}} {{名}} {{ª}} {{²}} {{a²}}",
        "{{a\n}} {{}} {{{c}}} {{ {d} }}",
        "{{a}} {{a}}",
    ],
)
def test_page_and_kernel_read_the_same_names(open_builder: Open, page: Page, text: str) -> None:
    open_builder([text]).exchange()
    found = page.locator(".mf-pill > code").all_inner_texts()
    assert found == [f"{{{{{name}}}}}" for name in names_in([text])]


# The interface for a parent


def test_a_parent_is_told_of_keys_and_buttons_by_events(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["q", "a", "q2", "a2"])
    bridge.widget.history.replace(3, {"role": "assistant", "content": "A2"})
    bridge.widget.changed()
    bridge.exchange()
    turn(page, 3).hover()
    expect(turn(page, 3).get_by_role("button", name="rerun")).to_have_count(0)
    page.evaluate(
        """() => {
          const root = document.querySelector(".msgflux-builder");
          root.parentElement.classList.add("msgflux-playground");
          window.events = [];
          for (const name of ["mf-run", "mf-continue", "mf-rerun", "mf-compare"]) {
            document.body.addEventListener(name, ({ type, detail }) => events.push([type, detail.position ?? null]));
          }
        }"""
    )
    for name in ("continue", "rerun", "compare"):
        turn(page, 3).get_by_role("button", name=name).click()
    expect(turn(page, 1).get_by_role("button", name="compare")).to_have_count(0)
    expect(turn(page, 2).get_by_role("button", name="rerun")).to_have_count(0)
    page.get_by_role("textbox", name="message").fill("run")
    page.keyboard.press("Shift+Enter")
    assert page.evaluate("events") == [["mf-continue", 3], ["mf-rerun", 3], ["mf-compare", 3], ["mf-run", None]]
    assert bridge.page.sent("add") == []


def test_a_parent_can_read_the_draft_and_take_it(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a", "b"])
    pick_role(page, "developer")
    page.get_by_role("textbox", name="message").fill("c")
    draft = page.evaluate("widgetExports.draft()")
    assert draft == {"text": "c", "role": "developer", "call": "", "ids": [], "texts": {}}
    assert bridge.widget.take_draft(draft)
    bridge.exchange()
    assert bridge.widget.messages[-1] == {"role": "developer", "content": "c"}
    expect(page.get_by_role("textbox", name="message")).to_have_value("")
    assert drawn(page) == ["a", "b", "c"]


def test_a_draft_that_a_parent_took_does_not_come_back_when_its_field_is_left(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["a"])
    field = page.get_by_role("textbox", name="message")
    field.fill("b")
    draft, at = page.evaluate("[widgetExports.draft(), Date.now()]")  # a slow page may have sent it before that, too
    field.blur()  # before the kernel has said what became of it
    assert bridge.widget.take_draft(draft, at=at)
    bridge.exchange()
    assert (drawn(page), bridge.widget.draft) == (["a", "b"], "")
    expect(field).to_have_value("")

    # What is changed after that is kept.
    field.fill("c")
    page.evaluate("widgetExports.draft()")
    field.fill("c and more")
    field.blur()
    bridge.exchange()
    assert bridge.widget.draft == "c and more"


def test_a_draft_that_is_too_long_is_not_given_to_a_parent(open_builder: Open, page: Page) -> None:
    open_builder(["a"])
    page.get_by_role("textbox", name="message").evaluate(
        "(field) => { field.value = 'x'.repeat(190_001); field.dispatchEvent(new Event('input')); }"
    )
    assert page.evaluate("widgetExports.draft()") is None
    expect(page.get_by_text("cannot be sent from here").first).to_be_visible()


LIVE = """(words) => {
  // The live answer, drawn by the code that a playground draws it with, in the place where it puts it.
  const slot = document.querySelector(".mf-slot");
  const live = answerWords();
  live.draw({ ...words, epoch: 1, state: "running" });
  slot.append(element("div", { class: "mf-turn" }, ...turnColumns("assistant", [live.node])));
}"""
WHERE = """(selector) => {
  const node = document.querySelector(selector);
  const { x, y, width, height } = node.getBoundingClientRect();
  const style = getComputedStyle(node);
  return { x, y, width, height, font: style.font, colour: style.color, text: node.innerText, html: node.innerHTML };
}"""


@pytest.mark.parametrize(
    ("text", "prefill", "code"),
    [
        ("one **two**\n\n* three\n\nfour", "", False),
        ("go on", "Well, let me ", False),
        ('"age": 34}', '{"name": "M",', True),
    ],
)
def test_after_it_has_settled_an_answer_looks_as_it_did_live(
    open_builder: Open, page: Page, text: str, prefill: str, code: bool
) -> None:
    from msgflux_nb.widgets.conversation.turn_cards import _html

    bridge = open_builder(["q"])
    bridge.exchange()
    html = [] if prefill or code else _html(text)
    use_modules(page, "base/dom", "base/turn_columns")
    words = {"blocks": html, "tail": "" if html else text, "prefill": prefill, "schema": "S" if code else ""}
    page.evaluate(LIVE, words)
    live = page.evaluate(WHERE, ".mf-slot .mf-words")
    card = bridge.widget.settle({"role": "assistant", "content": prefill + text}, prefill=prefill, code=code)
    page.evaluate(
        """([card, words]) => {
          document.querySelector(".mf-slot").replaceChildren();
          widgetExports.settle(card, words);
        }""",
        [card, {"text": text, "html": html, "prefill": prefill}],
    )
    bridge.exchange()
    assert page.evaluate(WHERE, ".mf-turn:last-child .mf-words") == live
    assert drawn(page) == ["q", live["text"]]
    assert json.dumps(bridge.told).count(json.dumps(text)[1:-1]) == 0
    page.evaluate("addView()")  # and to a view that comes later
    bridge.page.settle()
    assert page.evaluate(WHERE, ".mf-turn:last-child .mf-words")["html"] == live["html"]


def test_a_page_that_knows_an_answer_already_is_not_given_it_twice(open_builder: Open, page: Page) -> None:
    bridge = open_builder(["q"])
    card = bridge.widget.settle({"role": "assistant", "content": "a"})
    bridge.page.receive(turns=bridge.widget.turns, told=bridge.widget.told)
    page.evaluate("(card) => widgetExports.settle(card, { text: 'a' })", card)
    assert drawn(page) == ["q", "a"]


def test_the_end_is_followed_while_the_reader_is_there(open_builder: Open, page: Page) -> None:
    bridge = open_builder([f"line {n}" for n in range(40)])
    bridge.exchange()
    place = "(n) => Math.round(n.scrollHeight - n.scrollTop - n.clientHeight)"
    scroller = page.locator(".mf-talking")
    until(lambda: scroller.evaluate(place) <= 1, what="the end")
    scroller.evaluate("(n) => { n.scrollTop = 100; }")
    bridge.page.settle()
    bridge.widget.add("more")
    bridge.exchange()
    assert scroller.evaluate("(n) => n.scrollTop") == 100


# Hostile texts of a model, a tool or a file name


def test_dangerous_text_is_text_everywhere(open_builder: Open, page: Page, hear: Hear) -> None:
    dialogs: list[str] = []
    hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        text = "\n".join(dangerous(port))
        lines = dangerous(port)
        call = {"id": text, "type": "function", "function": {"name": text, "arguments": text}}
        parts = [
            {"type": "text", "text": text},
            *({"type": "image_url", "image_url": {"url": line}} for line in lines),
            {"type": "image_url", "image_url": {"url": f"https://127.0.0.1:{port}/i.png"}},
            {"type": "video_url", "video_url": {"url": f"http://127.0.0.1:{port}/v.mp4"}},
            {"type": "file", "file": {"filename": text, "file_data": "data:application/pdf;base64,JVBERi0="}},
            {"type": text, "more": text},
            {"type": "thinking", "thinking": text},
            {"type": "refusal", "refusal": text},
        ]
        messages = [
            {"role": "user", "content": parts, "name": text, text: text},
            {"role": "assistant", "content": text, "tool_calls": [call], "reasoning": text, "refusal": text},
            {"role": "tool", "tool_call_id": text, "content": text},
            {"role": text, "content": text, "_msgflux": {"provider": text, "model": text}},
        ]
        # From the same machine: Chromium lets no page from elsewhere ask a loopback server.
        bridge = open_builder(messages, variables={text: text}, url=f"http://127.0.0.1:{port}/page")
        bridge.widget.attach(two_halves(), name=text)
        bridge.widget.attach({"type": "file", "file": {"filename": text, "file_data": "data:;base64,AAAA"}}, name=text)
        bridge.widget.warning = bridge.widget.draft = text
        bridge.exchange()
        bridge.page.deliver({"type": "problem", "name": text, "message": text})
        bridge.page.deliver({"type": "refused", "id": "x", "message": text})
        bridge.page.deliver({"type": "pictures", "items": [{"name": text, "kind": text, "detail": text}]})
        add_from(page.locator(".msgflux-builder"), "Variable of the notebook …")
        bridge.page.deliver({"type": "pictures", "items": [{"name": text, "kind": text, "detail": text}]})
        for position in range(len(messages)):
            turn(page, position).focus()
            page.keyboard.press("Enter")
        page.locator("summary").evaluate_all("(all) => all.forEach((one) => { one.parentElement.open = true; })")
        page.wait_for_timeout(300)
        assert "onerror=alert(1)" in page.locator(".msgflux-builder").inner_text()
        loaded = page.evaluate(
            "[...document.querySelectorAll('img, audio, video')].map((node) => node.src.slice(0, 5))"
        )
        assert set(loaded) <= {"blob:"}
        assert (
            page.locator("a, style:not(head style), iframe, script:not(head script)").evaluate_all("(n) => n.length")
            == 0
        )
    assert (paths, dialogs) == ([], [])


def test_an_image_on_the_web_is_passed_on_and_not_loaded(open_builder: Open, page: Page, hear: Hear) -> None:
    asked: list[str] = []
    hear("request", lambda request: asked.append(request.url))
    bridge = open_builder()
    add_from(page.locator(".msgflux-builder"), "Address of a picture …")
    page.get_by_role("textbox", name="address of an image").fill("https://example.com/photo.png")
    page.keyboard.press("Enter")
    bridge.exchange()
    expect(page.locator(".mf-medium")).to_contain_text("https://example.com/photo.png")
    expect(page.locator(".mf-medium img")).to_have_count(0)
    assert bridge.widget.messages[-1]["content"] == [mf.ChatBlock.image("https://example.com/photo.png")]
    assert [url for url in asked if "example.com" in url] == []
