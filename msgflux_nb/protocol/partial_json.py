"""Parses JSON that arrives in pieces; the value so far can be read after each piece.

A parser that starts again with each piece reads a document of n pieces n times. This one reads each character once:
containers grow in place, and a string that is still arriving is joined only when it is read as a whole.

It follows https://datatracker.ietf.org/doc/html/rfc8259 and accepts no extensions: ``NaN`` is an error. Where the
standard leaves a choice, as with repeated keys or a lone surrogate, the value is that of ``json.loads``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ..content.depth import DEEPEST

__all__ = ["OpenString", "PartialJSON"]

_CHUNK_LENGTH = 1024
_WHITE = " \t\n\r"
_STRING_END = re.compile(r'["\\\x00-\x1f]')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{0,4})?')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SCALAR = re.compile(r"[-+.\w]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_WORDS = {"true": True, "false": False, "null": None}


class OpenString(msgspec.Struct, frozen=True):
    """The string that is arriving, as seen by one call of ``open_string``.

    Attributes:
        path: the keys and indices from the root to the string; empty if it is the root.
        place: the position in the document where the string begins; unique to this string.
        length: how many characters have arrived.
        tail: the characters since the last look.
    """

    path: tuple[str | int, ...]
    place: int
    length: int
    tail: str


class PartialJSON:
    """An incremental JSON parser: feed it text, read ``value`` at any time.

    Attributes:
        complete: whether a complete value has been read; only white space may follow.
        error: what is wrong with the text, and where; or None. The value before the error stays readable.
        length: how many characters were read.

    Example:
        >>> parser = PartialJSON()
        >>> parser.feed('{"city": "Par')
        >>> parser.value
        {'city': 'Par'}
        >>> look = parser.open_string()
        >>> parser.feed("is, Texas")
        >>> parser.open_string(look)
        OpenString(path=('city',), place=9, length=12, tail='is, Texas')
    """

    def __init__(self) -> None:
        self.complete = False
        self.error: str | None = None
        self.length = 0
        self._root: Any = None
        self._stack: list[Any] = []  # the open containers
        self._path: list[Any] = []  # for each: the key or index of its next value
        self._expected = _VALUE
        self._read: _Reader | None = None  # continues a string, an escape, a number or a word
        self._growing = False  # whether a string value is open; an open key is not part of the value
        self._place = 0  # where that string begins
        self._text = ""  # the open string's last characters; kept short, because each piece copies them
        self._chunks: list[str] = []  # its earlier characters
        self._chunks_length = 0
        self._escape = ""  # an unfinished escape, its backslash included
        self._high = ""  # the first half of a surrogate pair
        self._scalar: list[str] = []  # pieces of an unfinished number or word

    @property
    def begun(self) -> bool:
        """Whether the root is an open object or list, so that only its closing bracket can end the text."""
        return bool(self._stack)

    def feed(self, text: str) -> None:
        """Read the next piece; after an error nothing more is read."""
        if self._read is _READ_STRING and _STRING_END.search(text) is None:  # most pieces of a stream
            self._write(text)
            self.length += len(text)
            return
        position, end = 0, len(text)
        while position < end and self.error is None:
            if self._read is not None:
                position = self._read(self, text, position)
                continue
            mark = text[position]
            take = self._expected.marks.get(mark)
            if take is not None:
                take(self, mark, position)
            elif mark not in _WHITE:
                self._fail(position, f"expected {self._expected.name}, got {mark!r}")
            position += 1
        self.length += position

    def close(self) -> None:
        """Handle the end of the text. It completes a number at the root; anything else unfinished stays unfinished."""
        if self._scalar and not self._stack:
            self._end_scalar(0)

    @property
    def value(self) -> Any:
        """The value so far, including an open string; None before anything has arrived.

        Each call returns the same containers, which go on growing; copy them to keep a state. The cost of a call grows
        with the length of the open string; for strings of megabytes use ``open_string``.
        """
        if self._growing:
            self._put(self._string())
        return self._root

    def open_string(self, last: OpenString | None = None) -> OpenString | None:
        """Return the string that is arriving, or None; the cost of a call grows with the length of ``tail``.

        Meant for a view that polls: as long as ``place`` is the same as in the last look, only this string has changed,
        by ``tail``. Otherwise read ``value`` again.

        Args:
            last: the last look; without it, or if it was at another string, ``tail`` is the whole string.
        """
        if not self._growing:
            return None
        seen = last.length if last is not None and last.place == self._place else 0
        pieces, start = [self._text], seen - self._chunks_length
        while start < 0:
            pieces.append(self._chunks[-len(pieces)])
            start += len(pieces[-1])
        length = self._chunks_length + len(self._text)
        return OpenString(tuple(self._path), self._place, length, "".join(reversed(pieces))[start:])

    # Between values: one mark at a time. The tables at the end say which method handles which mark.

    def _begin_container(self, mark: str, position: int) -> None:
        if len(self._stack) >= DEEPEST:
            self._fail(position, f"nested deeper than {DEEPEST}")
            return
        container: Any = [] if mark == "[" else {}
        self._put(container)
        self._stack.append(container)
        self._path.append(0 if mark == "[" else None)
        self._expected = _FIRST_VALUE if mark == "[" else _FIRST_KEY

    def _end_container(self, _mark: str, _position: int) -> None:
        self._stack.pop()
        self._path.pop()
        self._end_value()

    def _begin_key(self, _mark: str, _position: int) -> None:
        self._read = _READ_STRING

    def _begin_string(self, _mark: str, position: int) -> None:
        self._read = _READ_STRING
        self._growing = True
        self._place = self.length + position

    def _begin_scalar(self, mark: str, _position: int) -> None:
        self._read = _READ_SCALAR
        self._scalar.append(mark)

    def _colon(self, _mark: str, _position: int) -> None:
        self._expected = _VALUE

    def _next_value(self, _mark: str, _position: int) -> None:
        self._path[-1] += 1
        self._expected = _VALUE

    def _next_key(self, _mark: str, _position: int) -> None:
        self._expected = _KEY

    def _put(self, value: Any) -> None:
        """Put a value in its place; it replaces the unfinished one that an earlier read showed."""
        if not self._stack:
            self._root = value
            return
        container, key = self._stack[-1], self._path[-1]
        if type(container) is list and key == len(container):
            container.append(value)
        else:
            container[key] = value

    def _end_value(self) -> None:
        self.complete = not self._stack
        if self.complete:
            self._expected = _END
        else:
            self._expected = _IN_LIST if type(self._stack[-1]) is list else _IN_DICT

    # Inside a string, a number or a word: read as much of the text as belongs to it.

    def _read_string(self, text: str, position: int) -> int:
        found = _STRING_END.search(text, position)
        stop = len(text) if found is None else found.start()
        if stop > position:
            self._write(text[position:stop])
        if found is None:
            return stop
        mark = text[stop]
        if mark == '"':
            self._end_string()
        elif mark == "\\":
            self._escape = mark
            self._read = _READ_ESCAPE
        else:
            self._fail(stop, f"a control character {mark!r} in a string")
        return stop + 1

    def _write(self, text: str) -> None:
        self._text += text
        if len(self._text) >= _CHUNK_LENGTH:
            self._chunks.append(self._text)
            self._chunks_length += len(self._text)
            self._text = ""

    def _string(self) -> str:
        return "".join([*self._chunks, self._text]) if self._chunks else self._text

    def _end_string(self) -> None:
        string = self._string()
        self._read = None
        self._text = ""
        if self._chunks:
            self._chunks, self._chunks_length = [], 0
        if self._growing:
            self._growing = False
            self._put(string)
            self._end_value()
        else:
            self._path[-1] = string
            self._expected = _COLON

    def _read_escape(self, text: str, position: int) -> int:
        known = len(self._escape)
        whole = 6 if (self._escape + text[position])[1] == "u" else 2
        self._escape += text[position : position + whole - known]
        found = _ESCAPE.match(self._escape)
        right = 0 if found is None else found.end()
        if right < len(self._escape):
            problem = "an unknown escape" if whole == 2 else "expected four hexadecimal digits, got"
            self._fail(position + right - known, f"{problem} {self._escape[: right + 1]!r}")
        elif right == whole:
            letter = _ESCAPES[self._escape[1]] if whole == 2 else chr(int(self._escape[2:], 16))
            self._end_escape(letter)
        return position + right - known

    def _end_escape(self, letter: str) -> None:
        if self._high and "\udc00" <= letter <= "\udfff":
            letter = (self._high + letter).encode("utf-16", "surrogatepass").decode("utf-16")
        elif self._high:
            self._write(self._high)
        self._escape = self._high = ""
        if "\ud800" <= letter <= "\udbff":
            self._high = letter
            self._read = _READ_AFTER_HIGH
        else:
            self._write(letter)
            self._read = _READ_STRING

    def _read_after_high(self, text: str, position: int) -> int:
        """Read what follows the first half of a surrogate pair; unless it is the second half, the first stays alone."""
        if text[position] == "\\":
            self._escape = "\\"
            self._read = _READ_ESCAPE
            return position + 1
        self._write(self._high)
        self._high = ""
        self._read = _READ_STRING
        return position

    def _read_scalar(self, text: str, position: int) -> int:
        found = _SCALAR.match(text, position)
        stop = position if found is None else found.end()
        self._scalar.append(text[position:stop])
        if stop < len(text):
            self._end_scalar(stop)
        return stop

    def _end_scalar(self, position: int) -> None:
        word = "".join(self._scalar)
        self._scalar = []
        self._read = None
        number = _NUMBER.fullmatch(word)
        try:
            if number is not None:
                self._put(float(word) if number[1] else int(word))
            else:
                self._put(_WORDS[word])
        except (KeyError, ValueError):  # ValueError: more digits than sys.set_int_max_str_digits allows
            self._fail(position - len(word), f"expected a value, got {word[:20]!r}")
        else:
            self._end_value()

    def _fail(self, position: int, problem: str) -> None:
        self.error = f"{problem} at character {self.length + position}"
        self.complete = False
        self._read = None


_Reader = Callable[[PartialJSON, str, int], int]
_READ_STRING: _Reader = PartialJSON._read_string
_READ_ESCAPE: _Reader = PartialJSON._read_escape
_READ_AFTER_HIGH: _Reader = PartialJSON._read_after_high
_READ_SCALAR: _Reader = PartialJSON._read_scalar


class _Expected(NamedTuple):
    """The marks that may come next, besides white space, and the methods that handle them."""

    name: str
    marks: dict[str, Callable[[PartialJSON, str, int], None]]


_LIST_END = {"]": PartialJSON._end_container}
_DICT_END = {"}": PartialJSON._end_container}
_VALUE = _Expected(
    "a value",
    {
        '"': PartialJSON._begin_string,
        **dict.fromkeys("[{", PartialJSON._begin_container),
        **dict.fromkeys("-0123456789tfn", PartialJSON._begin_scalar),
    },
)
_FIRST_VALUE = _Expected("a value or ']'", {**_VALUE.marks, **_LIST_END})
_IN_LIST = _Expected("',' or ']'", {",": PartialJSON._next_value, **_LIST_END})
_KEY = _Expected("a key", {'"': PartialJSON._begin_key})
_FIRST_KEY = _Expected("a key or '}'", {**_KEY.marks, **_DICT_END})
_COLON = _Expected("':'", {":": PartialJSON._colon})
_IN_DICT = _Expected("',' or '}'", {",": PartialJSON._next_key, **_DICT_END})
_END = _Expected("the end", {})
