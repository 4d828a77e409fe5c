"""Checks that time grows no faster than a text: a short form of the fuzzer's ``growth``, and texts that were slow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import msgflux_nb as mf
from msgflux_nb.display.markdown import blocks, markdown_html
from msgflux_nb.generation.decode import decode_json
from msgflux_nb.generation.item_texts import ItemTexts
from msgflux_nb.protocol.failure import failure_in_stream, failure_of_body, failure_of_status
from msgflux_nb.protocol.reasoning_marks import ReasoningFilter
from msgflux_nb.protocol.refusal import _last
from msgflux_nb.protocol.sse import joined
from msgflux_nb.storage.recordings.media import without_media
from msgflux_nb.tables.chunks.chunk import Chunk
from msgflux_nb.tables.chunks.cut import cut
from msgflux_nb.tables.spans import span_of
from msgflux_nb.widgets.playground.difference import difference
from tests.thorough import few

from .growth import READERS, TEXTS, faults_of, seconds_of
from .kept import KEPT
from .shown import SHOWN

KINDS = [
    *("an array of escaped quotes", "<title", "a\\n", "[", '\\\\"', "![", "*_", "`", "Bearer ", "e\u0301", "{a}"),
    "nested arrays that end",
    *(".", "a fence and spaces", "<think>", "<think></think>", "#\\n"),
]
OF_LONG_WAYS = ["an array of escaped quotes", " "]  # of readers that do much more than read


@pytest.mark.parametrize("name", READERS)
def test_eight_times_the_text_takes_about_eight_times_as_long(name: str) -> None:
    kinds = [kind for kind in (OF_LONG_WAYS if name in SHOWN | KEPT else KINDS) if kind in TEXTS]
    assert len(kinds) > 1
    # What is quick is read once more, with a longer text: copies of the rest at each mark are quick in a short one.
    found = faults_of(name, (2_500, 20_000, 320_000), least=0.1, kinds=few(kinds, 6), factor=2, enough=0.03)
    assert list(found) == []


SLOW: dict[str, Callable[[], object]] = {
    "points, which end no sentence": lambda: cut("." * 50_000, Chunk(tokens=500, overlap=50)),
    "runs that are nearly media": lambda: without_media(TEXTS["runs that are nearly media"](300_000)),
    "the name of a refused field": lambda: _last("a" * 20_000 + "!"),
    "a fence that does not open": lambda: ItemTexts("items", bare=True).feed("```" + " " * 16_000),
    "escaped quotes behind a bracket": lambda: quiet(lambda: decode_json('["' + '\\"' * 50_000)),
    "a page of openings": lambda: failure_of_status(400, {}, b"<title" * 20_000, url="u", now=0.0),
    "equal lines": lambda: difference("a\n" * 10_000, "b\n" + "a\n" * 10_000),
    "two texts without a line": lambda: difference("a " * 2_000, "b " + "a " * 1_900),
    "openings of images": lambda: markdown_html("![" * 50_000),
    "a list without blank lines": lambda: blocks("- a\n" * 25_000),
    "a thousand tool calls that a view watches": lambda: watched_calls(1_000),
    "reasoning that is opened again and again": lambda: reasoning("<think>" * 100_000),
    "reasoning that is opened and closed": lambda: reasoning("<think></think>" * 40_000),
    "marks before an answer": lambda: reasoning("<bos>" * 100_000),
    "lone halves of letters": lambda: joined("\ud800" * 2_000_000),
    "a conversation of short blocks": lambda: conversation("#\n" * 80_000),
    "a quote of one letter": lambda: span_of("a" * 1_000_000, "a" * 500_000),
}


def reasoning(text: str) -> None:
    reader = ReasoningFilter("marked")
    reader.feed(text)
    reader.close()


def watched_calls(count: int) -> None:
    calls = mf.ToolCallAggregator()
    view = mf.ToolCallView(calls)
    for number in range(count):
        calls.process(number, f"c{number}", "work", "{}")
    calls.insert_results({f"c{number}": "x" for number in range(count)})
    view.close()
    finished = mf.ToolCallView(calls)
    assert len(finished.value) == count
    finished.close()


def conversation(text: str) -> None:
    turns = [{"role": role, "content": text} for role in ("user", "assistant")]
    mf.MessageBuilder(turns).close()


def quiet(read: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        read()


@pytest.mark.parametrize("name", SLOW)
def test_what_was_slow_once_keeps_no_interrupt_waiting(name: str) -> None:
    """An interrupt acts between two steps of Python; all of these texts together take less than a second."""
    assert seconds_of(lambda _: SLOW[name](), "", runs=3) < 1


def test_keys_are_searched_only_at_the_beginning_of_a_body_that_is_not_an_answer() -> None:
    """Only the beginning is shown; a server may send 64 MB, in which the search takes seconds."""
    seen: list[int] = []

    def scrub(text: str) -> str:
        seen.append(len(text))
        return text

    for text in ("[" * 200_000, "a " * 200_000, "{" + "a" * 200_000):
        failure_of_body(text.encode(), scrub=scrub)
        failure_in_stream(text, scrub=scrub)
    assert max(seen) <= 65_536
