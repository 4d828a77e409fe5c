"""The differences between two versions of a turn, word by word."""

from __future__ import annotations

import difflib
import itertools
import re
from typing import Any

from ...content.messages import Message
from ..conversation.variables import texts_of

__all__ = ["difference", "plain_text"]

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_PIECES = 4_000  # the most pieces that are compared
_MOST_CHARACTERS = 20_000  # longer texts are compared by lines
_MOST_STEPS = 200_000  # the most steps of a comparison, which take some 20 ms


def plain_text(message: Message) -> str:
    """Return a message as text: its texts, and its tool calls as code."""
    calls = message.get("tool_calls")
    written = [_call(call) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return "\n".join([*texts_of(message), *written])


def difference(before: str, after: str) -> list[tuple[str, str]]:
    """Compare two texts in bounded time.

    Returns:
        Pieces in order, each with ``"same"``, ``"gone"`` (only in the first) or ``"new"`` (only in the second). Words
        are compared, or lines of long texts; text that would take too long is returned as gone and new.
    """
    head = _equal_lines(before, after)
    tail = _equal_ends(before[head:], after[head:])
    by_words = max(len(before), len(after)) <= _MOST_CHARACTERS
    left, right = _pieces(before[head : len(before) - tail], after[head : len(after) - tail], by_words)
    found = [("same", before[:head])] if head else []
    for kind, i1, i2, j1, j2 in _Matcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(left[i1:i2])))
            continue
        found += [("gone", "".join(left[i1:i2]))] if i1 < i2 else []
        found += [("new", "".join(right[j1:j2]))] if j1 < j2 else []
    return _joined([*found, *([("same", before[len(before) - tail :])] if tail else [])])


class _Matcher(difflib.SequenceMatcher[str]):
    """A matcher that stops after too many steps: among many equal lines each one matches all others."""

    _steps_left = _MOST_STEPS

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        before: Any = self.a  # type: ignore[attr-defined]  # typeshed lacks these attributes
        places: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        self._steps_left -= sum(1 + len(places.get(piece, ())) for piece in before[alo:ahi])
        if self._steps_left < 0:
            return difflib.Match(alo, blo, 0)
        return super().find_longest_match(alo, ahi, blo, bhi)


def _equal_lines(one: str, other: str) -> int:
    """Return the number of equal characters at the beginnings of two texts, in whole lines."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return one.rfind("\n", 0, low) + 1


def _equal_ends(one: str, other: str) -> int:
    """Return the number of equal characters at the ends of two texts, in whole lines."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle - 1
    line = one.find("\n", len(one) - low)
    return 0 if line < 0 else len(one) - line - 1


def _pieces(before: str, after: str, by_words: bool) -> tuple[list[str], list[str]]:
    """Split both texts into words, into lines, or not at all."""
    if by_words:
        words = _WORDS.findall(before), _WORDS.findall(after)
        if max(map(len, words)) <= _MOST_PIECES:
            return words
    if max(before.count("\n"), after.count("\n")) < _MOST_PIECES:
        return _LINES.findall(before), _LINES.findall(after)
    return [before][: len(before)], [after][: len(after)]


def _joined(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join neighbours of the same kind."""
    kinds = itertools.groupby(pieces, key=lambda piece: piece[0])
    return [(kind, "".join(text for _, text in group)) for kind, group in kinds]


def _call(call: dict[str, Any]) -> str:
    function = call.get("function") or call.get("custom")
    inner = function if isinstance(function, dict) else {}
    return f"{inner.get('name', '')}({inner.get('arguments', inner.get('input', ''))})"
