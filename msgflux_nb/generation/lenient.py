"""Turns the JSON that models write into valid JSON, and says what was wrong; never guesses a value.

Only deviations with one possible meaning are accepted: a raw line end in a text, a trailing comma, Python's ``None``,
single quotes, a comment. Anything else is an error: a text that is cut off, a quote inside a text, a missing comma.
Each character is read once, so the time grows linearly with the text.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..content.depth import DEEPEST

__all__ = ["Reading", "read_lenient"]

_LIMIT = 1_000_000  # characters; a longer text that is not valid JSON is refused
_MOST_ITEMS = 60_000
_SPACE = re.compile(r"[ \t\r\n]*")
_ODD_SPACE = re.compile(r"[\s\ufeff\u200b]+")
_COMMENT = re.compile(r"//[^\n]*|\#[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/")
_NUMBER = re.compile(r"(-?)(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_ODD_NUMBER = re.compile(r"([+-]?)(0|[1-9]\d*)?(?:\.(\d*))?([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d][\w$-]*|[$][\w$-]*")
_WHOLE = re.compile(r"0|[1-9]\d*")
_ESCAPES = re.compile(r'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+')
_CONTROLS = re.compile(r"[\x00-\x1f]+")
_ESCAPED = {code: f"\\u{code:04x}" for code in range(0x20)}
_CLOSING_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c"}
_INSIDE = {closing: re.compile(rf'[^{closing}"\\\x00-\x1f]*') for closing in _CLOSING_QUOTES.values()}
_QUOTE_NOTES = {"'": "quotes", "\u201c": "marks", "\u2018": "marks", "\u201e": "marks"}
_WORDS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_NOT_FINITE = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf", "+Infinity": "inf", "nan": "nan", "-inf": "-inf"}
_NOT_FINITE |= {"inf": "inf", "+inf": "inf"}

_HAD = "the model's JSON had"
_SENTENCES = {
    "control": f"{_HAD} a raw line end, tab or other control character inside a text; it was read as that character.",
    "comma": f"{_HAD} a trailing comma; it was ignored.",
    "quotes": f"{_HAD} texts in single quotes; they were read as texts in double quotes.",
    "marks": f"{_HAD} texts in typographic quotes; they were read as texts in double quotes.",
    "apostrophe": f"{_HAD} an apostrophe behind a backslash; it was read as an apostrophe.",
    "words": f"{_HAD} True, False or None as Python writes them; they were read as true, false and null.",
    "not finite": f"{_HAD} NaN or Infinity, which JSON does not know; it was read as that number.",
    "comment": f"{_HAD} comments; they were left out.",
    "key": f"{_HAD} keys without quotes; they were read as keys in quotes.",
    "number": f"{_HAD} numbers such as +5, .5 or 5.; they were read as those numbers.",
    "space": f"{_HAD} white space that JSON does not allow; it was ignored.",
}


class _AmbiguousError(Exception):
    """The text has more than one possible meaning, or is too long to be read leniently."""


class Reading(msgspec.Struct, frozen=True):
    """The meaning of a text.

    Attributes:
        text: the text as valid JSON, with a mark in place of each number that is not finite.
        warnings: a sentence for each way in which the text was not valid JSON.
        marks: the numbers that are not finite, by mark.
    """

    text: str
    warnings: tuple[str, ...]
    marks: dict[str, float]

    def value(self) -> Any:
        """Return the plain values of the JSON.

        Raises:
            ValueError: the text is still not valid JSON.
        """
        decoded = msgspec.json.decode(self.text)
        return _with_numbers(decoded, self.marks) if self.marks else decoded


def read_lenient(text: str) -> Reading | None:
    """Read an object or a list leniently; None if the text is something else, cut off or ambiguous."""
    if len(text) > _LIMIT or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return _Reader(text).read()
    except _AmbiguousError:
        return None


class _Reader:
    """Reads a text once, and writes it as valid JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._out: list[str] = []
        self._notes: dict[str, None] = {}
        self._marks: dict[str, float] = {}
        self._open: list[str] = []

    def read(self) -> Reading:
        self._skip()
        self._value()
        items = 0
        while self._open:
            items += 1
            if items > _MOST_ITEMS:
                raise _AmbiguousError
            self._next()
        self._skip()
        if self._at < len(self._text):
            raise _AmbiguousError
        warnings = tuple(_SENTENCES[note] for note in self._notes)
        return Reading("".join(self._out), warnings, self._marks)

    def _next(self) -> None:
        """Read the next item of the innermost open object or list, or its end."""
        closing = "}" if self._open[-1] == "{" else "]"
        last = self._out[-1]
        self._skip()
        if last not in ("{", "["):  # an item was read
            if self._take(","):
                self._skip()
                if not self._is(closing):
                    self._out.append(",")
                else:
                    self._notes["comma"] = None
            elif not self._is(closing):
                raise _AmbiguousError
        if self._take(closing):
            self._open.pop()
            self._out.append(closing)
            return
        if closing == "}":
            self._key()
        self._value()

    def _key(self) -> None:
        opening = self._text[self._at : self._at + 1]
        if opening in _CLOSING_QUOTES:
            self._string(opening, ends=":")
        else:
            found = _WORD.match(self._text, self._at) or _WHOLE.match(self._text, self._at)
            if found is None:
                raise _AmbiguousError
            self._at = found.end()
            self._notes["key"] = None
            self._out.append(f'"{found.group()}"')
        self._skip()
        if not self._take(":"):
            raise _AmbiguousError
        self._out.append(":")
        self._skip()

    def _value(self) -> None:
        opening = self._text[self._at : self._at + 1]
        if opening in ("{", "["):
            if len(self._open) >= DEEPEST:
                raise _AmbiguousError
            self._open.append(opening)
            self._out.append(opening)
            self._at += 1
        elif opening in _CLOSING_QUOTES:
            self._string(opening, ends=",}]")
        else:
            self._plain()

    def _plain(self) -> None:
        """Read a word or a number."""
        word = _WORD.match(self._text, self._at + (self._text[self._at : self._at + 1] in ("+", "-")))
        if word is not None:
            said = self._text[self._at : word.end()]
            self._at = word.end()
            if said in _WORDS:
                if _WORDS[said] != said:
                    self._notes["words"] = None
                self._out.append(_WORDS[said])
                return
            if said not in _NOT_FINITE:
                raise _AmbiguousError
            self._notes["not finite"] = None
            self._out.append(self._mark(float(_NOT_FINITE[said])))
            return
        self._number()

    def _mark(self, number: float) -> str:
        """Return a mark for a number that is not finite; the text itself does not contain the mark."""
        if "\x01" in self._text or "u0001" in self._text:
            raise _AmbiguousError
        mark = f"\x01{len(self._marks)}"
        self._marks[mark] = number
        return msgspec.json.encode(mark).decode()

    def _number(self) -> None:
        found = _NUMBER.match(self._text, self._at)
        if found is not None and self._ends_at(found.end()):
            self._at = found.end()
            self._out.append(found.group())
            return
        found = _ODD_NUMBER.match(self._text, self._at)
        if found is None or not self._ends_at(found.end()):
            raise _AmbiguousError
        sign, whole, fraction, power = found.groups()
        if whole is None and not fraction:
            raise _AmbiguousError
        self._at = found.end()
        self._notes["number"] = None
        point = "" if fraction is None else f".{fraction or '0'}"
        self._out.append(f"{sign.replace('+', '')}{whole or '0'}{point}{power or ''}")

    def _ends_at(self, position: int) -> bool:
        return not (after := self._text[position : position + 1]) or not (after.isalnum() or after in "._+-'\"")

    def _string(self, opening: str, *, ends: str) -> None:
        closing = _CLOSING_QUOTES[opening]
        if opening in _QUOTE_NOTES:
            self._notes[_QUOTE_NOTES[opening]] = None
        inside, text, out = _INSIDE[closing], self._text, ['"']
        self._at += 1
        while True:
            found = inside.match(text, self._at)
            assert found is not None
            out.append(found.group())
            self._at = found.end()
            sign = text[self._at : self._at + 1]
            if sign == closing:
                break
            out.append(self._sign(sign))
        self._at += 1
        out.append('"')
        if opening != '"':
            self._check_end(ends)
        self._out.append("".join(out))

    def _sign(self, sign: str) -> str:
        """Read an escape, or a character that JSON requires to be escaped; return it as valid JSON."""
        if not sign:
            raise _AmbiguousError  # the text is cut off
        if sign == '"':
            self._at += 1
            return '\\"'
        if sign != "\\":
            run = _CONTROLS.match(self._text, self._at)
            assert run is not None
            self._at = run.end()
            self._notes["control"] = None
            return run.group().translate(_ESCAPED)
        if self._text.startswith("\\'", self._at):
            self._at += 2
            self._notes["apostrophe"] = None
            return "'"
        found = _ESCAPES.match(self._text, self._at)
        if found is None:
            raise _AmbiguousError
        self._at = found.end()
        return found.group()

    def _check_end(self, ends: str) -> None:
        """Refuse a closing quote that may not end the text, such as the apostrophe in ``'it's'``."""
        before = self._at
        self._skip()
        if self._text[self._at : self._at + 1] not in tuple(ends):
            raise _AmbiguousError
        self._at = before

    def _skip(self) -> None:
        """Skip white space and comments."""
        text = self._text
        while True:
            sign = text[self._at : self._at + 1]
            if "!" <= sign <= "~" and sign not in ("/", "#"):
                return
            if sign in (" ", "\t", "\r", "\n"):
                self._at = _SPACE.match(text, self._at).end()  # type: ignore[union-attr]  # it matches everywhere
                continue
            comment = _COMMENT.match(text, self._at)
            odd = _ODD_SPACE.match(text, self._at) if comment is None else None
            passed = comment or odd
            if passed is None:
                return
            self._at = passed.end()
            self._notes["comment" if odd is None else "space"] = None

    def _is(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _take(self, sign: str) -> bool:
        found = self._is(sign)
        self._at += found
        return found


def _with_numbers(value: Any, marks: dict[str, float]) -> Any:
    if isinstance(value, dict):
        return {name: _with_numbers(inner, marks) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_numbers(inner, marks) for inner in value]
    return marks.get(value, value) if isinstance(value, str) else value
