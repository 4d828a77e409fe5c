"""Tests that a page gets the right Markdown of a growing text, and that drawing it costs little."""

from __future__ import annotations

import json
from typing import Any

import pytest

from msgflux_nb.display.markdown import AS_TEXT, LIMIT, blocks, markdown_html, open_html
from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.widgets.base import open_block
from msgflux_nb.widgets.base.feed import Feed
from tests.display.test_open_marks import SAMPLE
from tests.thorough import few

PARAGRAPH = "The sea is **wide**, and *nobody* knows how `deep` it [is](https://a.b/c). "
LONG = {
    "a paragraph": PARAGRAPH * 1_300,
    "code": "```py\n" + "x = f(1, 2)  # a comment\n" * 3_900,
    "a list": "- **Point**: the sea is wide and nobody knows how deep it is.\n" * 1_500,
    "a table": "| a | b |\n|---|---|\n" + "| one word | **two** words |\n" * 3_300,
}


class Told:
    """The content of a page, which counts in UTF-16 units, as ``stream.js`` does."""

    def __init__(self) -> None:
        self.feed = Feed(markdown=True)
        self.text = self.open = self.tail = ""
        self.held = 0
        self.blocks: list[str] = []
        self.sizes: list[int] = []

    def write(self, text: str) -> None:
        self.feed.add(TextDelta(text))
        self.take(self.feed.batch())

    def take(self, told: dict[str, Any]) -> None:
        self.sizes.append(len(json.dumps(told)))
        self.text += told.get("text", "")
        new = [*told.get("html", []), *([told["open"]] if "open" in told else [])]
        if new:
            head, tail = told.get("kept", [0, 0])
            old = self.open.encode("utf-16-le")
            if isinstance(new[0], list):
                places = (
                    old[2 * one[0] : 2 * sum(one)].decode("utf-16-le") if isinstance(one, list) else one
                    for one in new[0]
                )
                new[0] = "".join(places)
            new[0] = old[: 2 * head].decode("utf-16-le") + new[0] + old[len(old) - 2 * tail :].decode("utf-16-le")
            self.open = new.pop() if "open" in told else ""
            self.blocks += new
        self.tail += told.get("text", "")
        if {"html", "open", "tail"} & told.keys():
            units = self.text.encode("utf-16-le")
            self.tail = units[len(units) - 2 * told.get("tail", 0) :].decode("utf-16-le")
            self.held = told.get("held", 0)

    @property
    def shown(self) -> str:
        """Return the text after the open block."""
        return self.tail[: len(self.tail) - self.held]


def written(text: str, size: int) -> Told:
    told = Told()
    for at in range(0, len(text), size):
        told.write(text[at : at + size])
    return told


@pytest.mark.parametrize("size", [1, 3, 17, 400])
def test_a_page_has_the_finished_blocks_and_the_open_one_at_any_time(size: int) -> None:
    text, told = SAMPLE.replace("Done", "\U0001f41a Done") * 2, Told()
    for at in range(0, len(text), size):
        told.write(text[at : at + size])
        whole, so_far = told.feed.whole(), text[: at + size]
        assert (told.blocks, told.open) == (whole["html"], whole["open"])
        assert (told.tail, told.held) == (so_far[len(so_far) - whole["tail"] :], whole.get("held", 0))
    finished, rest = blocks(text)
    last = told.feed.last()
    assert "".join(told.blocks) == "".join(finished)
    told.take(last)
    assert (told.blocks, told.open, told.tail) == ([*finished, markdown_html(rest)], "", "")


def test_a_short_block_is_drawn_for_each_batch() -> None:
    told = Told()
    for at in range(0, 600, 6):
        told.write((PARAGRAPH * 8)[at : at + 6])
        assert told.open == open_html((PARAGRAPH * 8)[: at + 6])
        assert told.tail == ""


@pytest.mark.parametrize("name", few(LONG, 2))
def test_a_long_block_is_not_drawn_whole_for_each_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counting(text: str) -> str:
        drawn.append(len(text))
        return open_html(text) if len(drawn) % 20 == 0 else f"<div>{len(text)}</div>"

    monkeypatch.setattr(open_block, "open_html", counting)
    text = LONG[name][:90_000]
    told = written(text, 100)
    assert sum(drawn) <= 1_000 * len(told.sizes) + len(text)
    assert max(drawn) > 80_000  # but it is drawn


def test_the_styles_of_a_table_are_sent_once() -> None:
    text = "🐚\n\n| a | b |\n|---|--:|\n" + "| one word | **two** words |\n" * 40
    told = written(text, 12)
    assert told.open == told.feed.whole()["open"]
    assert told.open.count("text-align: right") > 30
    assert sum(told.sizes) < 160 * len(told.sizes)  # else 260


def test_each_batch_sends_few_bytes() -> None:
    for text in (PARAGRAPH * 20, SAMPLE * 5):
        assert sum(written(text, 16).sizes) < 400 * len(text) / 16


def test_code_is_shown_as_it_comes() -> None:
    told, text = Told(), LONG["code"][:30_000]
    for at in range(0, len(text), 50):
        told.write(text[at : at + 50])
        shown = told.open.removesuffix("</code></pre>\n</div>") + told.shown
        assert shown.endswith(text[: at + 50].rpartition("\n")[2])
    assert told.tail


def test_the_end_of_long_code_is_not_shown_as_code() -> None:
    text = LONG["code"][:20_000].rpartition("\n")[0] + "\n"
    told = written(text, 50)
    told.write("``")
    assert not told.shown.endswith("`")
    told.write("`")
    assert not told.shown.endswith("`")
    told.write("\nAfter **it")
    assert told.blocks == [markdown_html(text + "```\n")]
    assert "After <strong>it</strong>" in told.open


def test_marks_in_long_code_that_do_not_end_it_are_shown() -> None:
    told = written(LONG["code"][:20_000] + "\n", 50)
    told.write("``")
    told.write("` x")
    assert (told.open.removesuffix("</code></pre>\n</div>") + told.shown).endswith("\n``` x")


def test_a_text_that_is_too_long_for_markdown_goes_on_as_text() -> None:
    told = written("a **b** " * (LIMIT // 8 + 2_000), 4_000)
    assert AS_TEXT in told.open
    told.write("**end**")
    assert (told.open + told.shown).removesuffix("</pre></div>").endswith("**end**")


def test_an_answer_that_is_not_markdown_is_sent_as_text_only() -> None:
    feed = Feed()
    feed.add(TextDelta("**a**"))
    assert feed.batch() == {"text": "**a**"}
    assert (feed.whole()["text"], feed.last()) == ("**a**", {})
