"""The last block of a Markdown text that grows: drawn again as the text comes, at a bounded cost."""

from __future__ import annotations

import re
from typing import Any

from ...display.markdown import AS_TEXT, CELL_STYLES, LIMIT, blocks, markdown_html, open_html

__all__ = ["OpenBlock"]

_EARNED = 1_000  # characters that each batch adds to the budget, so that the time grows with the number of batches
_SAVED = 4_000  # the largest budget
_HTML = 8  # characters of HTML that cost as much as one of text, as in tables
_LINE = 1_000  # characters of a last line that are looked at
_FENCE = re.compile(r"(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)\n")


class OpenBlock:
    """Draws a growing text: its finished blocks once, and the block after them as it looks so far.

    Each time a block is drawn whole. This uses up a budget of characters; if the budget is spent, a long block waits
    until later batches have filled it again. Meanwhile the page gets new text of a code block, or of a text that is
    too long for Markdown, as plain text.
    """

    def __init__(self) -> None:
        self._finished: list[str] = []
        self._html = ""
        self._rest = ""
        self._new: list[str] = []  # the text after what is drawn, joined only for drawing
        self._after = self._held = 0
        self._line = ""  # the end of the last line
        self._credit = _SAVED
        self._closing: re.Pattern[str] | None = None

    def grow(self, text: str) -> dict[str, Any]:
        """Take more text; return what changes on a page.

        Returns:
            ``html``, new finished blocks, if there are some; ``open``, the block after them, if it has changed;
            ``kept``, how much of the open block's old HTML stands before and after the first of these, which may be a
            list of texts and of places, each a start and a length, in the old HTML; ``tail``, the
            length of the text after them, left out if it is 0 and the block has changed; ``held``, how much of its end
            is not shown yet. Lengths are JavaScript's.
        """
        self._new.append(text)
        self._credit = min(self._credit + _EARNED, _SAVED)
        if self._credit >= 0 or self._is_closed_by(text):
            drawn = self._draw()
            return drawn if drawn and not self._after else {**drawn, **self._text()}
        self._line = (self._line + text)[-_LINE:].rpartition("\n")[2]
        if self._closing is not None or AS_TEXT in self._html:
            self._after += _units(text)
            self._held = self._half_line()
        return self._text()

    def whole(self) -> dict[str, Any]:
        """Return all blocks as a page has them."""
        return {"html": list(self._finished), "open": self._html, **self._text()}

    def last(self) -> dict[str, Any]:
        """Return the change that makes the open block a finished one; empty if there is none."""
        rest = self._rest + "".join(self._new)
        return _changes(self._html, [markdown_html(rest), ""]) if rest.strip() else {}

    def _draw(self) -> dict[str, Any]:
        finished, self._rest = blocks(self._rest + "".join(self._new))
        html = open_html(self._rest) if self._rest.strip() else ""
        self._new.clear()
        self._credit -= max(len(self._rest), len(html) // _HTML)
        self._line = self._rest[self._rest.rfind("\n") + 1 :][-_LINE:]
        self._closing = _closing(self._rest)
        self._after = self._held = self._half_line()
        told = _changes(self._html, [*finished, html])
        self._finished += finished
        self._html = html
        return told

    def _text(self) -> dict[str, int]:
        return {"tail": self._after, **({"held": self._held} if self._held else {})}

    def _is_closed_by(self, text: str) -> bool:
        """Whether the text ends the code block, so that what follows is not shown as code."""
        return self._closing is not None and self._closing.search(f"\n{self._line}{text}") is not None

    def _half_line(self) -> int:
        """Return the length of a last line that may become the end of the code block; 0 if it is shown."""
        half = self._closing is not None and self._line.strip(" \t") and not self._line.strip("`~ \t")
        return len(self._line) if half else 0


def _closing(text: str) -> re.Pattern[str] | None:
    """Return what would end a code block whose lines are shown as they are; None for another block."""
    start = len(text) - len(text.lstrip(" \t\n"))
    found = _FENCE.match(text, start) if text[:start][-1:] in ("", "\n") else None
    if found is None or "\r" in text or len(text) > LIMIT:
        return None
    marks = found[1] or found[2]
    return re.compile(rf"\n {{0,3}}{marks[0]}{{{len(marks)},}}[ \t]*\n")


def _changes(before: str, after: list[str]) -> dict[str, Any]:
    """Return new HTML, the first without what it has in common with the old; the last is that of the open block."""
    if after == [before]:
        return {}
    head = _common(before, after[0])
    tail = _common(before[head:][::-1], after[0][head:][::-1])
    first = after[0][head : len(after[0]) - tail]
    kept = {"kept": [_units(before[:head]), _units(before[len(before) - tail :])]} if head + tail else {}
    *finished, last = [_pieces(before, first), *after[1:]]
    return {**({"html": finished} if finished else {}), "open": last, **kept}


def _pieces(before: str, text: str) -> str | list[Any]:
    """Return new HTML, with the long styles of a table's cells as places in the old HTML."""
    told: list[Any] = [text]
    for style in CELL_STYLES:
        place = before.find(style) if style in text else -1
        if place >= 0:
            at = [_units(before[:place]), len(style)]
            told = [part for one in told for part in (_joined(one.split(style), at) if isinstance(one, str) else [one])]
    return text if told == [text] else told


def _joined(texts: list[str], between: list[int]) -> list[Any]:
    return [part for text in texts for part in (between, text)][1:]


def _common(one: str, two: str) -> int:
    """Return the length of the common beginning of two texts."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == two[low:middle] else (low, middle - 1)
    return low


def _units(text: str) -> int:
    """Return a text's length in JavaScript, which counts UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
