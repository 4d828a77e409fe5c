"""Time grows with a text and not faster: the small form of the fuzzer's target ``growth``, and what was slow once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from msgflux_nb.display.markdown import blocks, markdown_html
from msgflux_nb.generation.decode import decode_json
from msgflux_nb.protocol.failure import failure_of_status
from msgflux_nb.tables.spans import span_of
from msgflux_nb.widgets.playground.difference import difference

from .growth import READERS, TEXTS, faults_of, seconds_of

KINDS = [
    *("an array of escaped quotes", "<title", "a\\n", "[", '\\\\"', "![", "*_", "`", "Bearer ", "e\u0301", "{a}"),
    "nested arrays that end",
]


@pytest.mark.parametrize("name", READERS)
def test_eight_times_the_text_takes_about_eight_times_as_long(name: str) -> None:
    kinds = [kind for kind in KINDS if kind in TEXTS]
    assert len(kinds) > 6
    assert list(faults_of(name, (2_500, 20_000), least=0.1, kinds=kinds, factor=2)) == []


SLOW: dict[str, Callable[[], object]] = {
    "escaped quotes behind a bracket": lambda: quiet(lambda: decode_json('["' + '\\"' * 50_000)),
    "a page of openings": lambda: failure_of_status(400, {}, b"<title" * 20_000, url="u", now=0.0),
    "equal lines": lambda: difference("a\n" * 10_000, "b\n" + "a\n" * 10_000),
    "two texts without a line": lambda: difference("a " * 2_000, "b " + "a " * 1_900),
    "openings of images": lambda: markdown_html("![" * 50_000),
    "a list without blank lines": lambda: blocks("- a\n" * 25_000),
    "a quote of one letter": lambda: span_of("a" * 1_000_000, "a" * 500_000),
}


def quiet(read: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        read()


@pytest.mark.parametrize("name", SLOW)
def test_what_was_slow_once_keeps_no_interrupt_waiting(name: str) -> None:
    """An interrupt is taken between two steps of Python; all of these together are shorter than a second."""
    assert seconds_of(lambda _: SLOW[name](), "", runs=3) < 1
