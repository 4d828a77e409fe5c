"""JSON that arrives in pieces: the value so far after each piece, every character read once.

A parser that starts again on each piece reads a document of n pieces n times. This one keeps its place: containers
grow where they are, and a string that is still arriving is a list of pieces, joined only when somebody reads it.

https://datatracker.ietf.org/doc/html/rfc8259, without its leave to accept anything else: ``NaN`` is an error.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["PartialJSON"]

_WHITE = " \t\n\r"
_STRING_END = re.compile(r'["\\\x00-\x1f]')
_SCALAR = re.compile(r"[-+.\w]*")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_DEPTH_LIMIT = 512
_NOTHING: Any = object()


class PartialJSON:
    """Feed it text; read ``value`` at any time.

    Attributes:
        complete: whether a whole value has been read; only white space may follow.
        error: what is wrong with the text, with its place, or None. What was read before stays readable.
        length: how many characters were read.
    """

    def __init__(self) -> None:
        self.complete = False
        self.error: str | None = None
        self.length = 0
        self._root: Any = _NOTHING
        self._stack: list[Any] = []  # the open containers
        self._keys: list[str | None] = []  # for each: the key that waits for its value
        self._expect = "value"  # value · first (or the end) · key · first-key · colon · comma · end
        self._pieces: list[str] | None = None  # of an open string
        self._is_key = False
        self._shown = False  # whether the open string stands in its container already, from an earlier look
        self._escape = ""  # an unfinished escape, its backslash included
        self._high = ""  # the first half of a surrogate pair
        self._scalar: list[str] = []  # pieces of an unfinished number or word

    def feed(self, text: str) -> None:
        """Read on; after an error nothing more is read."""
        position, end = 0, len(text)
        while position < end and self.error is None:
            if self._pieces is not None:
                position = self._read_string(text, position)
            elif self._scalar:
                position = self._read_scalar(text, position)
            else:
                position = self._read_mark(text, position)
        self.length += position

    def close(self) -> None:
        """Take the end of the text: a number at the root ends with it; anything else unfinished stays so."""
        if self._scalar and self.error is None:
            self._end_scalar()

    @property
    def value(self) -> Any:
        """What has arrived, an open string as far as it goes; None before anything has.

        The same containers are returned each time and go on growing; copy what is to stay as it is.
        """
        if self._pieces is not None and not self._is_key:
            joined = "".join(self._pieces)
            self._pieces[:] = [joined]
            if not self._stack:
                return joined
            self._show(joined)
        return None if self._root is _NOTHING else self._root

    def _show(self, text: str) -> None:
        container, key = self._stack[-1], self._keys[-1]
        if isinstance(container, dict):
            container[key] = text
        elif self._shown:
            container[-1] = text
        else:
            container.append(text)
        self._shown = True

    def _read_mark(self, text: str, position: int) -> int:
        """Read one character between values."""
        mark = text[position]
        if mark in _WHITE:
            return position + 1
        expect = self._expect
        if expect in ("value", "first") and mark not in "]}:,":
            return self._begin_value(text, position, mark)
        if mark == '"' and expect in ("key", "first-key"):
            self._pieces, self._is_key = [], True
        elif mark == ":" and expect == "colon":
            self._expect = "value"
        elif mark == "," and expect == "comma":
            self._expect = "key" if isinstance(self._stack[-1], dict) else "value"
        elif (mark == "]" and self._may_close(list, "first")) or (mark == "}" and self._may_close(dict, "first-key")):
            self._close_container()
        else:
            self._fail(position, f"expected {expect.replace('first-', '')}, got {mark!r}")
        return position + 1

    def _may_close(self, kind: type, empty: str) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1], kind) and self._expect in ("comma", empty)

    def _begin_value(self, text: str, position: int, mark: str) -> int:
        if mark == '"':
            self._pieces, self._is_key, self._shown = [], False, False
        elif mark in "[{":
            if len(self._stack) >= _DEPTH_LIMIT:
                self._fail(position, f"nested deeper than {_DEPTH_LIMIT}")
                return position + 1
            container: Any = [] if mark == "[" else {}
            self._place(container)
            self._stack.append(container)
            self._keys.append(None)
            self._expect = "first" if mark == "[" else "first-key"
        elif mark in "-0123456789tfn":
            return self._read_scalar(text, position)
        else:
            self._fail(position, f"expected a value, got {mark!r}")
        return position + 1

    def _place(self, value: Any) -> None:
        """Put a value where it belongs."""
        if not self._stack:
            self._root = value
            return
        container = self._stack[-1]
        if isinstance(container, list):
            container.append(value)
        else:
            container[self._keys[-1]] = value

    def _after_value(self) -> None:
        self._expect = "comma" if self._stack else "end"
        self.complete = not self._stack

    def _close_container(self) -> None:
        self._stack.pop()
        self._keys.pop()
        self._after_value()

    def _read_string(self, text: str, position: int) -> int:
        if self._escape:
            return self._read_escape(text, position)
        found = _STRING_END.search(text, position)
        stop = len(text) if found is None else found.start()
        if stop > position:
            self._add(text[position:stop])
        if found is None:
            return stop
        mark = found.group()
        if mark == "\\":
            self._escape = "\\"
        elif mark == '"':
            self._end_string()
        else:
            self._fail(stop, f"a control character {mark!r} in a string")
        return stop + 1

    def _add(self, text: str) -> None:
        pieces = self._pieces
        if pieces is None:
            return
        if self._high:  # half of a pair that its other half did not follow
            pieces.append(self._high)
            self._high = ""
        pieces.append(text)

    def _read_escape(self, text: str, position: int) -> int:
        self._escape += text[position]
        if self._escape[1] == "u":
            if len(self._escape) == 6:
                self._end_unicode(position)
        elif self._escape[1] in _ESCAPES:
            self._add(_ESCAPES[self._escape[1]])
            self._escape = ""
        else:
            self._fail(position, f"an unknown escape {self._escape!r}")
        return position + 1

    def _end_unicode(self, position: int) -> None:
        digits, self._escape = self._escape[2:], ""
        if not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            self._fail(position, f"expected four hexadecimal digits, got {digits!r}")
            return
        letter = chr(int(digits, 16))
        if "\ud800" <= letter < "\udc00":
            self._add("")
            self._high = letter
        elif self._high and "\udc00" <= letter < "\ue000":
            pair, self._high = self._high + letter, ""
            self._add(pair.encode("utf-16", "surrogatepass").decode("utf-16"))
        else:
            self._add(letter)

    def _end_string(self) -> None:
        self._add("")
        text = "".join(self._pieces or ())
        self._pieces = None
        if self._is_key:
            self._keys[-1] = text
            self._expect = "colon"
            return
        if self._shown:
            self._show(text)
        else:
            self._place(text)
        self._after_value()

    def _read_scalar(self, text: str, position: int) -> int:
        found = _SCALAR.match(text, position)
        stop = position if found is None else found.end()
        if stop > position:
            self._scalar.append(text[position:stop])
        if stop < len(text):
            self._end_scalar(stop)
        return stop

    def _end_scalar(self, position: int = 0) -> None:
        word = "".join(self._scalar)
        self._scalar = []
        if word in _WORDS:
            self._place(_WORDS[word])
        elif _NUMBER.fullmatch(word):
            self._place(json.loads(word))
        else:
            self._fail(position, f"expected a value, got {word[:20]!r}")
            return
        self._after_value()

    def _fail(self, position: int, problem: str) -> None:
        self.error = f"{problem} at character {self.length + position}"
        self.complete = False
