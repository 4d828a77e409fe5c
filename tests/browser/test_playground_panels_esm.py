"""The panel next to the conversation in the playground's page: tabs, tools, tokens, versions, raw, code."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .play_page import PlayPage, batch, end, ending, open_panel, start
from .test_tool_call_view_esm import card, pieces, told
from .widget_page import until

pytestmark = pytest.mark.browser

NAMES = ["Structure", "Tools", "Tokens", "Versions", "Raw", "Code"]
TOKENS = [
    [" It", -0.1, [[" It", -0.1], [" The", -2.5]]],
    [" is", -0.02, [[" is", -0.02]]],
    ["\n", -1.6, [[" warm", -1.1], [" sunny", -2.0]]],
]


def tab(play: PlayPage, name: str) -> Locator:
    play.open_panel()
    return play.view.get_by_role("tab", name=name)


def panel(play: PlayPage) -> Locator:
    return play.view.get_by_role("tabpanel")


def answered(play: PlayPage, number: int = 1, **how: object) -> None:
    play.deliver(start(number=number), batch(1, "x", number=number), end(1, number=number, **how))
    play.receive(running=False)
    play.settle()


# Tabs


def test_tabs_are_one_stop_that_arrows_move_in(play: PlayPage) -> None:
    play.open_panel()
    expect(play.view.get_by_role("tab")).to_have_text(NAMES)
    tab(play, "structure").focus()
    for name in [*NAMES[1:], NAMES[0]]:
        play.page.keyboard.press("ArrowRight")
        expect(tab(play, name)).to_be_focused()
        expect(panel(play)).to_have_count(1)
        expect(tab(play, name)).to_have_attribute("aria-controls", panel(play).get_attribute("id") or "")
        expect(panel(play)).to_have_attribute("aria-labelledby", tab(play, name).get_attribute("id") or "")
    play.page.keyboard.press("ArrowLeft")
    expect(tab(play, "code")).to_be_focused()
    chosen = "(all) => all.map((tab) => [tab.textContent, tab.tabIndex]).filter((one, at) => "
    chosen += "all[at].getAttribute('aria-selected') === 'true' || one[1] === 0)"
    assert play.view.get_by_role("tab").evaluate_all(chosen) == [["Code", 0]]


def test_the_panel_of_a_call_that_waits_says_how_it_was_written_and_repeats_no_card(play: PlayPage) -> None:
    text = '{"a": 17, "b": 25}'
    fragments = [
        (0, 40 * at, "c" if not at else None, None if at else "add", text[6 * at : 6 * at + 6]) for at in range(3)
    ]
    messages = told(*fragments)
    play.deliver_in("calls", *messages)
    tab(play, "tools").click()
    calls = panel(play).locator(".msgflux-tool-calls")
    expect(calls.locator(".mf-title")).to_have_text("How the call was written")
    expect(calls.locator(".mf-caption")).to_have_text(
        "3 pieces in 0.08 s; a bar is one piece, its height the pause before it."
    )
    lanes = {"0": card(phase="asked", marks=[(300, "asked")])}
    last = max(messages, key=lambda one: one.get("seq", 0))
    play.deliver_in("calls", {"type": "batch", "run": last["run"], "seq": last["seq"] + 1, "lanes": lanes})
    expect(calls.locator(".mf-raw-text")).to_have_text(text)
    for part in (".mf-parsed", ".mf-lane-head", ".mf-goes", ".mf-bottom"):
        expect(calls.locator(part)).to_be_hidden()
    expect(calls).to_contain_text("Nothing has run yet.")
    assert "waits for you" not in calls.locator(".mf-lanes").inner_text()


def test_two_views_have_tabs_of_their_own(play: PlayPage) -> None:
    play.page.evaluate("addView()")
    ids = play.page.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
    assert len(ids) == len(set(ids))
    tab(play, "raw").click()
    second = play.page.locator(".msgflux-playground").nth(1)
    open_panel(second)
    expect(second.get_by_role("tab", selected=True)).to_have_text("Structure")


# Tools


def lanes(play: PlayPage) -> None:
    """Let an answer make a call."""
    play.deliver(start(), batch(1, "Let me look."))
    play.deliver_in("calls", *told(*pieces(0, "call_7f", "get_weather", '{"location": "Lis'), ended=False))
    expect(play.view.locator(".mf-lane")).to_have_count(1)


def test_the_tab_of_calls_opens_once_in_each_answer_unless_a_reader_picked_another(page: Page) -> None:
    play = PlayPage(page, tool_names=["get_weather"])
    expect(play.view.get_by_role("button", name="tools: 1")).to_be_visible()
    lanes(play)
    play.deliver(batch(2, "."))
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Tools")
    tab(play, "structure").click()
    play.deliver(batch(3, "."))
    play.settle()
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Structure")
    tab(play, "raw").click()
    play.deliver(end(3), start(number=2), batch(1, "x", number=2))
    play.settle()
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Raw")
    assert play.errors() == []


def test_a_structure_comes_to_the_front_where_calls_of_an_earlier_answer_stand(page: Page) -> None:
    play = PlayPage(page, tool_names=["get_weather"])
    lanes(play)
    play.deliver(batch(2, "."))
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Tools")
    play.deliver(end(2), start(number=2, schema="Person"), batch(1, "{", number=2))
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Structure")
    tab(play, "tools").click()
    play.deliver(batch(2, '"', number=2))
    play.settle()
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Tools")


# Tokens


def test_tokens_are_asked_for_by_a_box_and_shown_when_somebody_looks(play: PlayPage) -> None:
    tab(play, "tokens").click()
    expect(panel(play)).to_contain_text("Tick this, and run")
    play.view.get_by_role("checkbox").check()
    until(lambda: play.page.evaluate("model.saved.logprobs") is True, what="the wish in the kernel")
    expect(panel(play)).to_contain_text("The next answer comes with them")
    tab(play, "raw").click()
    answered(play, tokens=True)
    assert play.sent("tokens") == []
    tab(play, "tokens").click()
    play.settle()
    tab(play, "tokens").click()
    assert [message["side"] for message in play.sent("tokens")] == [0]
    play.deliver({"type": "tokens", "side": 0, "number": 7, "rows": TOKENS})  # of another answer
    expect(play.view.locator(".mf-token")).to_have_count(0)
    play.deliver({"type": "tokens", "side": 0, "number": 1, "rows": TOKENS})
    expect(play.view.locator(".mf-token")).to_have_count(3)
    assert play.view.locator(".mf-token").evaluate_all("(all) => all.map((one) => one.textContent)") == [
        "It",
        "is",
        "⏎",
    ]
    assert play.view.locator(".mf-tokens").text_content() == " It is⏎\n"
    assert play.view.locator(".mf-token").last.get_attribute("title") == "⏎ 20.2 %"


def test_a_token_stays_on_the_line_of_its_word(play: PlayPage) -> None:
    answered(play, tokens=True)
    tab(play, "tokens").click()
    texts = [" stays", " behind", ".", " It", " hap", "pens", ","] * 12
    play.deliver({"type": "tokens", "side": 0, "number": 1, "rows": [[text, -0.2, []] for text in texts]})
    torn = """(all) => all.flatMap((one, at) => {
      const [own, before] = [one, all[at - 1] ?? one].map((token) => token.getBoundingClientRect().bottom);
      return /^[.,p]/.test(one.textContent) && Math.abs(own - before) > 4 ? [one.textContent] : [];
    })"""
    for width in range(240, 300, 7):
        play.view.locator(".mf-tokens").evaluate("(node, width) => (node.style.width = `${width}px`)", width)
        assert play.view.locator(".mf-token").evaluate_all(torn) == []


def test_the_tints_of_the_legend_and_the_lines_of_another_temperature_are_told(play: PlayPage) -> None:
    answered(play, tokens=True)
    tab(play, "tokens").click()
    rows = [[" a", -0.1, [[" a", -0.1], [" b", -3.0]]], [" b", -1.0, [[" b", -1.0], [" a", -1.2]]]]
    play.deliver({"type": "tokens", "side": 0, "number": 1, "rows": rows})
    expect(play.view.get_by_text("the line: its share at temperature 1")).to_be_hidden()
    play.settle()
    doubts = "(all) => all.map((one) => Number(one.style.getPropertyValue('--mf-doubt')))"
    words = play.view.locator(".mf-token").evaluate_all(doubts)
    assert max(words) < 1
    assert play.view.locator(".mf-ramp > i").evaluate_all(doubts) == [0, 0.25, 0.5, 0.75, 1]
    play.view.get_by_role("slider", name="temperature").fill("1.5")
    expect(play.view.get_by_text("the line: its share at temperature 1")).to_be_visible()
    expect(play.view.locator(".mf-legend")).to_contain_text("Surprise at 1.5:")


def test_tokens_come_while_the_answer_does(play: PlayPage) -> None:
    tab(play, "tokens").click()
    play.view.get_by_role("checkbox").check()
    play.receive(logprobs=True, running=True)
    play.deliver(start(), batch(1, "It"))
    until(lambda: play.sent("tokens"), what="a question for the tokens that are there")
    play.deliver({"type": "tokens", "side": 0, "number": 1, "since": 0, "rows": TOKENS[:1]})
    shown = play.view.locator(".mf-token")
    expect(shown).to_have_text(["It"])
    until(lambda: play.deliver(batch(2)) or play.sent("tokens")[-1]["since"] == 1, what="a question for the next")
    play.deliver({"type": "tokens", "side": 0, "number": 1, "since": 1, "rows": TOKENS[1:]})
    play.deliver({"type": "tokens", "side": 0, "number": 1, "since": 1, "rows": TOKENS[1:]})  # told twice
    expect(shown).to_have_count(3)
    expect(panel(play).locator(".mf-others")).to_contain_text("After “…It is” could come")
    shown.first.click()  # a reader's choice stays
    play.deliver(end(2, tokens=True))
    until(lambda: play.sent("tokens")[-1]["since"] == 0, what="a question for all")
    play.deliver({"type": "tokens", "side": 0, "number": 1, "since": 0, "rows": TOKENS})
    expect(shown).to_have_count(3)
    expect(shown.first).to_have_attribute("aria-current", "true")
    assert play.errors() == []


def test_the_given_beginning_stands_before_the_tokens(play: PlayPage) -> None:
    tab(play, "tokens").click()
    play.deliver(start(prefill="So far: "), batch(1, " It"), end(1, tokens=True, prefill="So far: "))
    play.receive(running=False)
    play.settle()
    play.deliver({"type": "tokens", "side": 0, "number": 1, "since": 0, "rows": TOKENS})
    expect(panel(play).locator(".mf-tokens .mf-prefill")).to_have_text("So far: ", use_inner_text=False)
    play.view.locator(".mf-token").first.click()
    expect(panel(play).locator(".mf-others")).to_contain_text("After “…So far: ” could come")


def test_another_token_can_be_gone_on_from(play: PlayPage) -> None:
    tab(play, "tokens").click()
    answered(play, tokens=True)
    play.deliver({"type": "tokens", "side": 0, "number": 1, "rows": TOKENS})
    tokens, others = play.view.locator(".mf-token"), play.view.locator(".mf-other")
    expect(tokens.nth(2)).to_have_attribute("aria-current", "true")  # the most surprising one
    tokens.first.focus()
    play.page.keyboard.press("ArrowRight")
    expect(tokens.nth(1)).to_be_focused()
    play.page.keyboard.press("ArrowRight")
    play.page.keyboard.press("Enter")
    expect(tokens.nth(2)).to_have_attribute("aria-current", "true")
    # The one that was taken is not among those that came with it: it is shown too, where its likelihood puts it.
    expect(others.locator("code")).to_have_text(["␣warm", "⏎", "␣sunny"])
    expect(others.nth(1).get_by_role("button")).to_have_text("go on from here")
    expect(others.nth(1)).to_contain_text("taken")
    tokens.first.click()
    expect(play.view.locator(".mf-token[aria-current]")).to_have_count(1)
    expect(others.locator(".mf-figures")).to_have_text(["90.5 %", "8.2 %"])
    others.nth(1).hover()
    play.view.get_by_role("button", name="branch").click()
    assert [(message["index"], message["token"]) for message in play.sent("branch")] == [(0, " The")]
    assert play.said() == "starting"
    answered(play, number=2)  # which came without probabilities
    expect(play.view.locator(".mf-token:visible")).to_have_count(0)
    expect(play.view.locator(".mf-others")).to_be_hidden()


SHARES = """() => [...document.querySelectorAll(".mf-other, .mf-rest")]
  .map((row) => Number(row.style.getPropertyValue("--mf-share")))"""


def test_the_temperature_reweights_the_candidates_in_the_page(play: PlayPage) -> None:
    tab(play, "tokens").click()
    answered(play, tokens=True)
    asked = len(play.page.evaluate("model.sent"))
    play.deliver({"type": "tokens", "side": 0, "number": 1, "rows": TOKENS})
    play.view.locator(".mf-token").first.click()
    play.settle()
    usual = play.page.evaluate(SHARES)
    assert usual == pytest.approx([0.9048, 0.0821, 0.0131], abs=1e-3)  # and all others
    heat = play.view.get_by_role("slider", name="temperature")
    heat.fill("0")
    play.settle()
    assert play.page.evaluate(SHARES) == [1, 0, 0]
    heat.fill("2")
    play.settle()
    hot = play.page.evaluate(SHARES)
    assert sum(hot) == pytest.approx(1)
    root = [share**0.5 for share in usual]
    assert hot == pytest.approx([share / sum(root) for share in root], abs=1e-3)
    expect(play.view.locator(".mf-other.mf-moved .mf-was").first).to_have_css("opacity", "0.75")
    doubt = "(node) => Number(node.style.getPropertyValue('--mf-doubt'))"
    words = [one.evaluate(doubt) for one in play.view.locator(".mf-token").all()]
    bars = [one.evaluate(doubt) for one in play.view.locator(".mf-strip > i").all()]
    assert words == bars  # one ramp for one quantity
    assert len(play.page.evaluate("model.sent")) == asked  # no call


def test_the_lens_is_walked_with_keys(play: PlayPage) -> None:
    tab(play, "tokens").click()
    answered(play, tokens=True)
    play.deliver({"type": "tokens", "side": 0, "number": 1, "rows": TOKENS})
    play.view.locator(".mf-token").first.focus()
    play.page.keyboard.press("End")
    expect(play.view.locator(".mf-token").last).to_be_focused()
    play.page.keyboard.press("ArrowDown")
    play.page.keyboard.press("ArrowDown")
    play.page.keyboard.press("Enter")
    assert [(message["index"], message["token"]) for message in play.sent("branch")] == [(2, "\n")]
    play.page.keyboard.press("t")
    expect(play.view.get_by_role("slider", name="temperature")).to_be_focused()


def test_the_panel_is_presented_as_large_as_the_rest(play: PlayPage) -> None:
    play.open_panel()
    play.view.get_by_role("button", name="present: ").first.click()
    sizes = play.page.locator(".mf-talk .msgflux-live, .mf-side .msgflux-live").evaluate_all(
        "(views) => views.map((view) => getComputedStyle(view).fontSize)"
    )
    assert len(sizes) == 5
    assert set(sizes) == {"20.8px"}


# Versions


def test_two_versions_are_compared_word_by_word_and_others_can_be_picked(play: PlayPage) -> None:
    tab(play, "versions").click()
    expect(panel(play)).to_contain_text("compare shows two of them")
    tab(play, "raw").click()
    pieces = [["same", "It is "], ["gone", "cold"], ["new", "warm"], ["same", "."]]
    told = {"type": "difference", "position": 3, "count": 3, "left": 0, "right": 2, "pieces": pieces}
    play.deliver(told)
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Versions")
    expect(panel(play).locator(".mf-difference")).to_have_text("It is coldwarm.")
    expect(panel(play).locator("del")).to_have_text("cold")
    expect(panel(play).locator("ins")).to_have_text("warm")
    first, second = (panel(play).get_by_role("button", name=f"{name} version: ") for name in ("first", "second"))
    assert (first.inner_text(), second.inner_text()) == ("version 1", "version 3")
    first.click()
    play.view.get_by_role("menuitemradio", name="version 2").click()
    [asked] = play.sent("compare")
    assert (asked["position"], asked["left"], asked["right"]) == (3, 1, 2)


def marked(play: PlayPage, name: str) -> list[str]:
    """Return the texts under a highlight of the page, in any order."""
    play.settle()
    found: list[str] = play.page.evaluate(
        """(name) => [...(CSS.highlights.get(name) ?? [])].map((one) => {
          const range = document.createRange();
          range.setStart(one.startContainer, one.startOffset);
          range.setEnd(one.endContainer, one.endOffset);
          return range.toString();
        })""",
        name,
    )
    return sorted(found)


def test_what_differs_is_marked_while_both_still_write(page: Page) -> None:
    play = PlayPage(page, offered=["local/one", "scripted/two"], chosen=["local/one", "scripted/two"])
    play.add("Why?")
    two: dict[str, Any] = {"side": 1, "number": 2, "model": "scripted/two"}
    play.deliver(start(), start(**two), batch(1, "It is cold now. "), batch(1, "It is warm", number=2, side=1))
    assert marked(play, "mf-differs") == []  # of two answers that go on
    html = ["<div><p>It is cold now. More</p></div>", "<div><p>It is warm now.</p></div>"]
    play.deliver(batch(2, "More\n\n", html=html[:1]), batch(2, " now.\n\nAnd", number=2, side=1, html=html[1:], tail=3))
    # What the other has not come to yet is no difference.
    until(lambda: marked(play, "mf-differs") == ["cold", "warm"])


def test_what_differs_is_marked_in_a_block_that_is_being_written(page: Page) -> None:
    play = PlayPage(page, offered=["local/one", "scripted/two"], chosen=["local/one", "scripted/two"])
    play.add("Why?")
    two: dict[str, Any] = {"side": 1, "number": 2, "model": "scripted/two"}
    blocks = [
        "<div><p>First it rains.</p></div>",
        "<div><p>The sun then <b>dries</b> up some water, and then more.</p></div>",
    ]
    whole = batch(1, "First it rains.\n\nThe sun then **dries** up some water, and then more.", html=blocks)
    play.deliver(start(), start(**two), whole, end(1))
    open_ = {"html": blocks[:1], "open": "<div><p>The sun then warms some water, and", "tail": 0}
    play.deliver(batch(1, "First it rains.\n\nThe sun then warms some water, and", number=2, side=1, **open_))
    until(lambda: marked(play, "mf-differs") == ["dries up", "warms"])
    play.deliver(batch(2, " then it falls as rain", number=2, side=1))
    until(lambda: marked(play, "mf-differs") == ["dries up", "it falls as", "warms"])
    play.deliver(end(2, side=1, number=2))
    assert marked(play, "mf-differs") == ["dries up", "it falls as rain", "more", "warms"]


def test_two_answers_have_the_same_four_figures_and_no_further_line(page: Page) -> None:
    play = PlayPage(page, offered=["local/one", "scripted/two"], chosen=["local/one", "scripted/two"])
    play.add("Why?")
    two: dict[str, Any] = {"side": 1, "number": 2, "model": "scripted/two"}
    figures = {"tokens": "24 in · 82 out", "price": "free", "out": 82, "cost": 0, "first": 0.2, "seconds": 1.0}
    play.deliver(start(), start(**two), batch(1, "It"), batch(1, "It is", number=2, side=1), end(1, figures=figures))
    cells = play.view.locator(".mf-side-figures > div").locator("visible=true")
    expect(cells).to_have_count(8)
    for at, word in enumerate(["in", "cost", "first word", "in all", "out", "cost –", "first word", "so far"]):
        expect(cells.nth(at)).to_contain_text(word)
    assert (
        play.view.locator("> .mf-bottom").evaluate("(one) => getComputedStyle(one).clipPath") != "none"
    )  # for readers


def test_the_clock_of_the_second_answer_goes_on_after_the_first_has_ended(page: Page) -> None:
    play = PlayPage(page, offered=["local/one", "scripted/two"], chosen=["local/one", "scripted/two"])
    play.add("Why?")
    two: dict[str, Any] = {"side": 1, "number": 2, "model": "scripted/two"}
    play.deliver(start(), start(**two), batch(1, "It"), batch(1, "It is", number=2, side=1), end(1))
    clock = play.view.locator(".mf-side-figures").nth(1).locator("> div").nth(3)
    play.settle()
    for _ in range(3):  # nothing arrives meanwhile
        seen = clock.inner_text()
        assert seen.startswith("so far ")
        until(lambda seen=seen: clock.inner_text() != seen, seconds=5)


def test_tabs_without_room_are_in_a_menu(play: PlayPage) -> None:
    play.page.set_viewport_size({"width": 690, "height": 800})
    play.open_panel()
    more = play.view.get_by_role("button", name="more tabs")
    expect(more).to_be_hidden()
    play.view.locator(".mf-tabs").evaluate("(one) => { one.style.width = '190px' }")
    expect(more).to_be_visible()
    bar = play.view.get_by_role("tablist")
    assert bar.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    more.click()
    play.view.page.get_by_role("menuitem", name="Code").click()
    expect(play.view.get_by_role("tab", name="Code")).to_be_visible()
    expect(play.view.get_by_role("tab", name="Code")).to_have_attribute("aria-selected", "true")
    assert bar.evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_menus_stay_inside_the_view_and_say_what_is_on_and_what_is_not_set(page: Page) -> None:
    play = PlayPage(page, tool_names=["next_train"], call_options={})
    play.view.evaluate("(view) => { view.style.width = '760px'; }")
    play.view.get_by_role("button", name="more", exact=True).click()
    frame, menu = (one.bounding_box() for one in (play.view, play.view.locator(".mf-menu")))
    assert frame is not None
    assert menu is not None
    assert menu["x"] + menu["width"] <= frame["x"] + frame["width"]
    page.keyboard.press("Escape")
    play.view.get_by_role("button", name="tools: 1").click()
    expect(play.view.get_by_role("menuitemcheckbox", name="next_train")).to_be_checked()
    page.keyboard.press("Escape")
    play.view.get_by_role("button", name="model: ").click()
    slider = play.view.get_by_role("slider", name="temperature")
    expect(slider).to_have_attribute("aria-valuetext", "the provider's default")
    slider.press("ArrowRight")
    expect(slider).not_to_have_attribute("aria-valuetext", re.compile("."))


def test_while_a_call_waits_the_figures_of_its_answer_are_told(play: PlayPage) -> None:
    play.add("Shall I?")
    figures = {"tokens": "212 in · 94 out", "price": "free", "out": 94, "cost": 0, "first": 0.2, "seconds": 1.0}
    call = {"name": "find", "rows": [], "arguments": "{}"}
    play.deliver(start(), batch(1, "Let me look."))
    play.deliver({"type": "phase", "side": 0, "number": 1, "phase": "approval", "call": call, "figures": figures})
    line = play.view.locator("> .mf-bottom .mf-figures")
    expect(line).to_contain_text("212 in · 94 out")
    expect(line).to_contain_text("free")


def test_the_height_is_dragged_by_the_line_above_the_last_one(play: PlayPage) -> None:
    panes, edge = play.view.locator("> .mf-panes"), play.view.locator("> .mf-lower-edge")
    height = "(one) => one.offsetHeight"
    before = panes.evaluate(height)
    box = edge.bounding_box()
    assert box
    play.page.mouse.move(box["x"] + 50, box["y"] + box["height"] / 2)
    play.page.mouse.down()
    play.page.mouse.move(box["x"] + 50, box["y"] + box["height"] / 2 + 40)
    play.page.mouse.up()
    play.page.mouse.move(box["x"] + 50, box["y"] + 200)
    assert panes.evaluate(height) == before + 40
    edge.dblclick()
    assert panes.evaluate(height) == before


def test_while_an_answer_arrives_its_tokens_are_counted(play: PlayPage) -> None:
    play.add("Write")
    play.deliver(start(), batch(1, "four letters, and so on."))
    play.settle()
    expect(play.view.locator("> .mf-bottom .mf-figures")).to_contain_text("≈ 6 out")


def test_the_values_of_a_structure_are_highlighted_in_its_json(play: PlayPage) -> None:
    play.deliver(start(schema="Person", prefill='{"na'), batch(1, 'me": "Ada, {x}", "a'))
    assert marked(play, "mf-hushed") == [",", '{"name":']
    play.deliver(batch(2, 'ge": 36}'))
    assert marked(play, "mf-hushed") == ['"age":', ",", '{"name":', "}"]
    text = '{"name": "Ada, {x}", "age": 36}'
    play.deliver(play.settled(text, 2, prefill='{"na', code=True), end(2))
    assert marked(play, "mf-hushed") == [', "age":', '{"name":', "}"]  # of the turn that it is now
    play.deliver(start(number=2, schema="Person"), batch(1, "Sorry, {no}", number=2))
    assert len(marked(play, "mf-hushed")) == 3  # text that is not JSON is not dimmed


# Raw


def test_what_went_over_the_wire_is_asked_for_when_somebody_looks(play: PlayPage) -> None:
    tab(play, "raw").click()
    play.settle()
    assert play.sent("raw") == []
    expect(panel(play)).to_contain_text("appear here after a run")
    answered(play)
    assert len(play.sent("raw")) == 1
    play.deliver({"type": "raw", "parts": [["one: request", '{"a": 1}'], ["one: answer", "<b>"]]})
    expect(panel(play).locator("pre")).to_have_text(['{"a": 1}', "<b>"])
    expect(panel(play).locator(".mf-role")).to_have_text(["one: request", "one: answer"])
    tab(play, "structure").click()
    answered(play, number=2)
    assert len(play.sent("raw")) == 1
    tab(play, "raw").click()
    assert len(play.sent("raw")) == 2


# Code


@pytest.fixture
def copies(play: PlayPage) -> PlayPage:
    play.page.evaluate(
        """() => {
          window.copies = [];
          const clipboard = { writeText: async (text) => { copies.push(text); } };
          Object.defineProperty(navigator, "clipboard", { value: clipboard });
        }"""
    )
    return play


def test_the_code_is_copied_by_one_button_and_shown(copies: PlayPage) -> None:
    play = copies
    play.view.get_by_role("button", name="copy as code").click()
    expect(play.view.get_by_role("tab", selected=True)).to_have_text("Code")
    assert len(play.sent("code")) == 1
    play.deliver({"type": "code", "text": "model('a')\n<b>"})
    expect(panel(play).locator("pre")).to_have_text("model('a')\n<b>")
    expect(panel(play).locator(".mf-copy")).to_have_text("copied")
    assert play.page.evaluate("copies") == ["model('a')\n<b>"]
    tab(play, "raw").click()
    tab(play, "code").click()
    assert len(play.sent("code")) == 2
    play.deliver({"type": "code", "text": "other"})
    expect(panel(play).locator("pre")).to_have_text("other")
    assert play.page.evaluate("copies.length") == 1  # to look is not to copy


def test_the_code_that_is_shown_is_that_of_the_last_question(copies: PlayPage) -> None:
    play = copies
    tab(play, "code").click()
    assert len(play.sent("code")) == 1
    play.deliver(start())
    play.settle()
    play.deliver(batch(1, "x"), batch(2, "y"))
    play.settle()
    play.deliver(end(2))
    play.receive(ends=[ending(2)], running=False)
    play.settle()
    assert 2 <= len(play.sent("code")) <= 3


def test_without_a_clipboard_the_page_says_so(play: PlayPage) -> None:
    play.page.evaluate(
        """() => {
          Object.defineProperty(navigator, "clipboard", { value: undefined });
          document.execCommand = () => false;
        }"""
    )
    play.view.get_by_role("button", name="copy as code").click()
    play.deliver({"type": "code", "text": "x"})
    expect(panel(play).locator(".mf-copy")).to_have_text("not copied")


def test_a_panel_looks_the_same_whichever_style_sheet_comes_last(play: PlayPage) -> None:
    padding = "(panel) => getComputedStyle(panel).padding"
    before = play.view.locator(".mf-side > .mf-panel").first.evaluate(padding)
    play.page.evaluate(
        """() => new Promise((loaded) => {
          const again = document.querySelector("link[rel=stylesheet]").cloneNode();
          again.addEventListener("load", () => loaded());
          document.head.append(again);
        })"""
    )
    assert play.view.locator(".mf-side > .mf-panel").first.evaluate(padding) == before == "12px 16px"
