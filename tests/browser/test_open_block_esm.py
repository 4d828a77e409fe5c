"""Markdown in a playground while it arrives: formatted at once, changed in place, and harmless."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.widgets.base.feed import Feed

from .hostile import counting, dangerous
from .play_page import PlayPage, batch, end, progress, start
from .widget_page import Hear

pytestmark = pytest.mark.browser

# Counts the nodes that are removed from the answers, and the texts that a live region announces.
WATCH = """() => {
  window.gone = 0;
  window.added = 0;
  const watch = new MutationObserver((all) => {
    for (const one of all) {
      gone += one.removedNodes.length;
      if (one.type === "characterData") added += one.target.data.length - one.oldValue.length;
      for (const node of one.addedNodes) added += node.textContent.length;
    }
  });
  const how = { childList: true, subtree: true, characterData: true, characterDataOldValue: true };
  watch.observe(document.querySelector(".mf-answers"), how);
}"""


class Writing:
    """A model that writes into a page through the batches of a real feed."""

    def __init__(self, play: PlayPage) -> None:
        self.play = play
        self.feed = Feed(markdown=True)
        self.seq = 0

    def write(self, text: str, size: int = 0) -> None:
        """Write a text in pieces of a size."""
        for at in range(0, len(text), size or len(text)):
            self.feed.add(TextDelta(text[at : at + (size or len(text))]))
            self.seq += 1
            self.play.deliver(batch(self.seq, **self.feed.batch()))
        self.play.settle()

    def end(self) -> None:
        """End the answer."""
        self.seq += 1
        self.play.deliver(batch(self.seq, **self.feed.last()), end(self.seq))
        self.play.settle()


@pytest.fixture
def writing(page: Page) -> Writing:
    play = PlayPage(page)
    play.deliver(start())
    return Writing(play)


def test_what_is_written_is_formatted_while_it_is_written(writing: Writing) -> None:
    answer = writing.play.view.locator(".mf-answers .mf-words")
    writing.write("The sea is **wi", 3)
    expect(answer.locator("strong")).to_have_text("wi")
    assert writing.play.words() == "The sea is wi"
    writing.write("de**.\n\n| Name | Dep", 3)
    expect(answer.locator("th")).to_have_text(["Name", "Dep"])
    writing.write("th |\n|---|---|\n| `Nor", 3)
    expect(answer.locator("td")).to_have_text(["Nor", ""])
    expect(answer.locator("td.mf-caret code")).to_have_text("Nor")
    writing.write("th` | 95 m |\n\n```py\nx = 1\ny", 3)
    expect(answer.locator(".mf-code-block pre > code")).to_have_text("x = 1\ny")
    expect(answer.locator(".mf-open .mf-code-block > .mf-copy")).to_have_count(1)
    writing.write(" = 2\n```\n\nBye", 3)
    expect(answer.locator(".mf-code-block pre > code")).to_have_text("x = 1\ny = 2\n")
    expect(answer.locator(".mf-open")).to_have_text("Bye")
    expect(answer.locator(".mf-caret")).to_have_count(1)
    writing.end()
    expect(answer.locator(".mf-open, .mf-caret")).to_have_count(0)
    expect(answer.locator(".mf-blocks > div")).to_have_count(4)
    assert not [sign for sign in "*`|" if sign in writing.play.words()]


def test_text_that_was_shown_is_announced_once_and_its_nodes_stay(page: Page, writing: Writing) -> None:
    """A live region announces changes, and a selection ends where a node is removed."""
    writing.write("- On")
    page.evaluate(WATCH)
    text = "e **two** `three`\n- four [five](https://a.b)\n\n```py\nx = 1\n```\n\nAnd *so* on, and **so\non** again"
    writing.write(text, 2)
    writing.end()
    shown = len(writing.play.words())
    assert page.evaluate("gone") <= 6
    assert page.evaluate("added") <= 1.2 * shown


def test_a_selection_in_what_is_written_already_stays(page: Page, writing: Writing) -> None:
    writing.write("Finished **words**.\n\nOpen **wor", 4)
    page.evaluate(
        """() => {
          const [one, two] = document.querySelectorAll(".mf-answers strong");
          getSelection().setBaseAndExtent(one.firstChild, 0, two.firstChild, 3);
        }"""
    )
    writing.write("ds** go on, and *on", 2)
    writing.end()
    assert page.evaluate("getSelection().toString()").split() == ["words.", "Open", "wor"]


def test_a_long_table_grows_at_the_cost_of_its_new_rows(page: Page, writing: Writing) -> None:
    writing.write("Depths:\n\n| Sea | Depth |\n|---|--:|\n| North | 95 m |\n| Bal")
    page.evaluate(
        """() => {
          window.parsed = 0;
          const { set } = Object.getOwnPropertyDescriptor(Element.prototype, "innerHTML");
          const counted = function (html) { parsed += html.length; set.call(this, html); };
          Object.defineProperty(Element.prototype, "innerHTML", { set: counted });
          window.first = document.querySelector(".mf-answers .mf-open tbody tr:last-child");
        }"""
    )
    rows = ["tic", *(f"**{n}** <b>" for n in range(60))]
    writing.write("".join(f"{row} | {n} m |\n| " for n, row in enumerate(rows)) + "last | 7 m |", 9)
    table = writing.play.view.locator(".mf-answers .mf-open table")
    whole = len(table.inner_html())
    assert page.evaluate("parsed") < 8 * whole
    writing.write("\n\nAfter *it* and\n\n| a |\n|---|\n| b |\n", 9)
    writing.end()
    table = writing.play.view.locator(".mf-answers table").first
    expect(table.locator("tr")).to_have_count(64)
    names = table.locator("tbody td:first-child").all_inner_texts()
    assert names == ["North", "Baltic", *(f"{n} <b>" for n in range(60)), "last"]
    assert table.locator("tbody td:last-child").all_inner_texts() == ["95 m", *(f"{n} m" for n in range(61)), "7 m"]
    assert page.evaluate("first.isConnected && first.textContent.trim()").split("\n") == ["Baltic", "0 m"]
    expect(writing.play.view.locator(".mf-answers td").last).to_have_text("b")


def test_long_code_is_shown_as_it_comes(writing: Writing) -> None:
    code = "".join(f"line {n} of **code**\n" for n in range(600))
    writing.write("```\n" + code, 300)
    writing.write("the last")
    shown = writing.play.view.locator(".mf-answers pre > code")
    expect(shown).to_have_text(code + "the last")
    writing.write(" line\n```\n\nAfter *it")
    expect(shown).to_have_text(code + "the last line\n")
    expect(writing.play.view.locator(".mf-answers .mf-open em")).to_have_text("it")


def test_a_page_that_missed_a_batch_goes_on_with_the_open_block(writing: Writing) -> None:
    writing.write("One.\n\nTw **o", 4)
    writing.feed.add(TextDelta("h no"))
    writing.feed.batch()
    writing.seq += 2
    writing.play.deliver(progress(writing.seq, **writing.feed.whole()))
    writing.write(", three")
    expect(writing.play.view.locator(".mf-answers .mf-open strong")).to_have_text("oh no, three")


def test_each_block_keeps_the_direction_of_its_own_text(writing: Writing) -> None:
    writing.write("Hello.\n\n- שלום **ע", 3)
    open_list = writing.play.view.locator(".mf-answers .mf-open ul")
    expect(open_list).to_have_css("direction", "rtl")
    expect(writing.play.view.locator(".mf-answers .mf-blocks > div p")).to_have_css("direction", "ltr")


def test_dangerous_text_is_harmless_at_every_split_point(page: Page, hear: Hear) -> None:
    dialogs: list[str] = []
    hear("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with counting() as (port, paths):
        play = PlayPage(page, url=f"http://127.0.0.1:{port}/page")
        play.deliver(start())
        writing = Writing(play)
        for text in dangerous(port):
            writing.write(text + "\n\n", 1)
            writing.write("**" + text + "\n- `" + text + "\n\n", 7)
        writing.end()
        page.wait_for_timeout(300)
    assert (dialogs, paths) == ([], [])
    expect(page.locator(".mf-answers").locator("img, script, style, iframe")).to_have_count(0)
