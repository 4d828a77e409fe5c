"""A long text → the ranges of its pieces, which end with a page, a paragraph, a sentence or a word, and overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from ...content.tokens import text_tokens
from .chunk import Chunk

__all__ = ["Range", "cut"]

Range = tuple[int, int]

_END = re.compile(r"\n[ \t]*+\n\s*|\n+|(?<![.!?…])[.!?…]++[\"'”’)\]]*+[ \t]+|[。！？]+[”’」』]*")
_WORD = re.compile(r"\s+")
_PAGE, _PARAGRAPH, _SENTENCE = 3, 2, 1
_SURELY_TOO_LONG = 12  # characters per token: more than in nearly any text
_FULL_ENOUGH = 0.6  # the share of a piece after which its best end is looked for


class _Unit(msgspec.Struct, frozen=True):
    """A range that is never cut: a sentence, or a part of one that fits."""

    start: int
    end: int
    tokens: int
    strength: int  # of its end: page, paragraph or sentence


def cut(text: str, chunk: Chunk, pages: Iterable[int] = ()) -> list[Range]:
    """Return the ranges of a text's pieces in order, without white space at their ends.

    Args:
        text: the text.
        chunk: the length and the overlap of the pieces.
        pages: the characters at which pages begin.

    Example:
        >>> text = "One two three four. " * 12
        >>> [text[start:end][:3] + "…" + text[start:end][-5:] for start, end in cut(text, Chunk(tokens=30, overlap=6))]
        ['One…four.', 'One…four.', 'One…four.']
    """
    if text_tokens(text) <= chunk.tokens:
        return [(0, len(text))]
    units = list(_units(text, chunk.tokens, frozenset(pages)))
    found, first = [], 0
    while first < len(units):
        last = _end(units, first, chunk.tokens)
        found.append(_trimmed(text, units[first].start, units[last - 1].end))
        if last == len(units):
            break
        first = _back(units, first, last, chunk.overlap)
    return [(start, end) for start, end in found if end > start]


def _end(units: list[_Unit], first: int, limit: int) -> int:
    """Return the index of the first unit after the piece."""
    total, last, sums = 0, first, []
    while last < len(units) and (last == first or total + units[last].tokens <= limit):
        total += units[last].tokens
        last += 1
        sums.append(total)
    if last == len(units):
        return last
    ends = [
        (units[place].strength, place + 1)
        for place in range(first, last)
        if sums[place - first] >= _FULL_ENOUGH * total
    ]
    return max(ends)[1]


def _back(units: list[_Unit], first: int, last: int, overlap: int) -> int:
    """Return the index of the unit with which the next piece begins."""
    total, begin = 0, last
    while begin - 1 > first and total + units[begin - 1].tokens <= overlap:
        begin -= 1
        total += units[begin].tokens
    return begin


def _units(text: str, limit: int, pages: frozenset[int]) -> Iterator[_Unit]:
    start = 0
    for end, strength in _ends(text, pages):
        while (too_long := _too_long(text, start, end, limit)) is not None:
            middle = _word_end(text, start, too_long, limit)
            yield _Unit(start, middle, text_tokens(text[start:middle]), 0)
            start = middle
        if end > start:
            yield _Unit(start, end, text_tokens(text[start:end]), strength)
        start = end


def _too_long(text: str, start: int, end: int, limit: int) -> int | None:
    """Return the end of a prefix that is too long, as short as is easily found; None if the whole range fits."""
    size = _SURELY_TOO_LONG * limit
    while start + size < end:
        if text_tokens(text[start : start + size]) > limit:
            return start + size
        size *= 2
    return end if text_tokens(text[start:end]) > limit else None


def _ends(text: str, pages: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Yield the ends of sentences, paragraphs and pages, with their strengths."""
    found = {match.end(): _PARAGRAPH if match[0].count("\n") > 1 else _SENTENCE for match in _END.finditer(text)}
    found |= {page: _PAGE for page in pages if page > 0}
    yield from sorted({**found, len(text): _PAGE}.items())


def _word_end(text: str, start: int, end: int, limit: int) -> int:
    """Return where to cut a sentence that is too long: after a word, or inside a word that is too long itself."""
    length = end - start
    while text_tokens(text[start : start + length]) > limit:
        length = max(1, length * 2 // 3)
    spaces = [match.end() for match in _WORD.finditer(text, start, start + length)]
    return spaces[-1] if spaces and spaces[-1] > start + length // 2 else start + length


def _trimmed(text: str, start: int, end: int) -> Range:
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())
