"""Cuts one list out of JSON that arrives in pieces: the text of each item as soon as it is complete."""

from __future__ import annotations

import re

import msgspec

__all__ = ["ItemTexts"]

_MARK = re.compile(r'["\[\]{},:]')
_INSIDE = re.compile(r'["\\]')
_FENCE = re.compile(r"```[ \t]*+[\w+-]*+[ \t]*+\r?\n")
_FENCE_LENGTH = 80


class ItemTexts:
    """Splits the list in a model's text into items while the text arrives; every character is read once.

    The JSON has to begin with the text or after the first fence. In other text without a fence nothing is found, since
    only the end of the text shows which JSON is meant.

    Args:
        name: the key of the list in the object at the root.
        bare: whether the root may be the list itself.

    Example:
        >>> texts = ItemTexts("value", bare=True)
        >>> texts.feed('{"value": [{"a": 1}, {"a"')
        ['{"a": 1}']
        >>> texts.feed(": 2}]}")
        ['{"a": 2}']
    """

    def __init__(self, name: str, *, bare: bool = False) -> None:
        self._name, self._bare = name, bare
        self._head = ""
        self._prose = False
        self._begun = self._ended = False
        self._depth = 0
        self._level: int | None = None  # the nesting depth of the list's items
        self._key: str | None = None  # the key of the next value in the root
        self._quoted = self._escaped = False
        self._pieces: list[str] = []  # of an item, or of a key in the root

    def feed(self, text: str) -> list[str]:
        """Read the next piece, and return the items that it completes."""
        found: list[str] = []
        text, position = self._json(text), 0
        while position < len(text) and not self._ended:
            if self._escaped:
                self._escaped = False
                self._record(text[position])
                position += 1
                continue
            match = (_INSIDE if self._quoted else _MARK).search(text, position)
            self._record(text[position : None if match is None else match.start()])
            if match is None:
                break
            position = match.end()
            item = self._take(match[0])
            if item:
                found.append(item)
        return found

    def _json(self, text: str) -> str:
        """Return the part of a piece that belongs to the JSON."""
        while not self._begun:
            self._head = text = self._head + text
            if self._prose:
                fence = _FENCE.search(text)
                if fence is None:
                    self._head = text[-_FENCE_LENGTH:]
                    return ""
                self._prose, text = False, text[fence.end() :]
            self._head, text = text.lstrip(" \t\r\n\ufeff"), ""
            if not self._head:
                return ""
            self._begun, self._prose = self._head[0] in "[{", self._head[0] not in "[{"
            if self._begun:
                return self._head
        return text

    def _record(self, text: str) -> None:
        if self._level is not None or self._depth == 1:
            self._pieces.append(text)

    def _take(self, mark: str) -> str | None:
        """Take one punctuation mark; return the item that it ends, if any."""
        if self._quoted:
            self._record(mark)
            self._quoted, self._escaped = mark != '"', mark == "\\"
        elif mark == '"':
            self._record(mark)
            self._quoted = True
        elif mark in "[{":
            self._open(mark)
        elif mark in "]}":
            return self._close(mark)
        elif self._depth == self._level and mark == ",":
            return self._cut()
        elif self._level is None and self._depth == 1:
            self._key = _read(self._cut()) if mark == ":" else None
            self._pieces.clear()
        else:
            self._record(mark)
        return None

    def _open(self, mark: str) -> None:
        self._depth += 1
        here = (self._depth == 1 and self._bare) or (self._depth == 2 and self._key == self._name)
        if self._level is None and here and mark == "[":
            self._level = self._depth
            self._pieces.clear()
        elif self._depth > 1:
            self._record(mark)

    def _close(self, mark: str) -> str | None:
        if self._depth == self._level:
            self._ended = True
            return self._cut()
        self._record(mark)
        self._depth -= 1
        self._ended = self._depth == 0
        return None

    def _cut(self) -> str:
        text = "".join(self._pieces).strip()
        self._pieces.clear()
        return text


def _read(text: str) -> str | None:
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
