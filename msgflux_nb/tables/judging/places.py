"""The places of all strings, numbers, booleans and nulls in a JSON text, by their paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["ValuePlace", "places_of"]

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\.)*+"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_DEPTH_LIMIT = 200


class ValuePlace(msgspec.Struct, frozen=True):
    """One value.

    Attributes:
        path: the keys and indices that lead to it.
        start: its first character; for a text, its quote.
        end: the character after it.
    """

    path: tuple[Any, ...]
    start: int
    end: int


class _NotJSONError(ValueError):
    """The text is not valid JSON."""


def places_of(text: str) -> list[ValuePlace]:
    """Return the values in a JSON text in order; an empty list if it is not JSON.

    Example:
        >>> [(one.path, text[one.start : one.end]) for text in ['{"a": [1, "b"]}'] for one in places_of(text)]
        [(('a', 0), '1'), (('a', 1), '"b"')]
    """
    try:
        return list(_values(text, _skip(text, 0), ()))
    except _NotJSONError:
        return []


def _values(text: str, at: int, path: tuple[Any, ...]) -> Iterator[ValuePlace]:
    """Yield the values that begin at a character; parsing continues at the end of the last one."""
    end = yield from _value(text, at, path)
    if _skip(text, end) != len(text):
        raise _NotJSONError


def _value(text: str, at: int, path: tuple[Any, ...]) -> Any:
    if len(path) > _DEPTH_LIMIT:
        raise _NotJSONError
    mark = text[at : at + 1]
    if mark in ("{", "["):
        return (yield from _container(text, at, path, "}" if mark == "{" else "]"))
    found = (_STRING if mark == '"' else _SCALAR).match(text, at)
    if found is None:
        raise _NotJSONError
    yield ValuePlace(path, at, found.end())
    return found.end()


def _container(text: str, at: int, path: tuple[Any, ...], closing: str) -> Any:
    at, number = _skip(text, at + 1), 0
    if text[at : at + 1] == closing:
        return at + 1
    while True:
        key: Any = number
        if closing == "}":
            found = _STRING.match(text, at)
            if found is None:
                raise _NotJSONError
            key, at = _key(found[0]), _expect(text, found.end(), ":")
        at = _skip(text, (yield from _value(text, at, (*path, key))))
        if text[at : at + 1] == closing:
            return at + 1
        at, number = _expect(text, at, ","), number + 1


def _key(text: str) -> str:
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise _NotJSONError from None


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise _NotJSONError
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
