"""Measures the nesting of values and of JSON without recursion, and refuses what is nested too deep; pure.

JSON parsers recurse for each level. On deep JSON a server of open weights crashes, and the embedded one takes the
notebook's kernel with it. Copying, writing and comparing a value recurse too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import BadRequestError

__all__ = ["DEEPEST", "check_depth", "is_too_deep", "refuse_deep"]

DEEPEST = 200
"""The deepest nesting of lists and objects in a value, a request or an answer. Python itself copies or prints about 400
levels of a value; the rest is for the frames of a notebook."""

_MARK = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_FLAT = frozenset((str, int, float, bool, bytes, type(None)))
_JSON_TEXTS = frozenset(("arguments", "input"))  # fields whose text a server reads as JSON


def check_depth(body: dict[str, Any]) -> None:
    """Refuse a request whose JSON is too deep.

    Args:
        body: the request; the arguments of calls, which are texts, are parsed too.

    Raises:
        BadRequestError: the request is too deep; the error says where.
    """
    for name, value in body.items():
        for level, inner in _nested(value):
            if is_too_deep(inner) if isinstance(inner, str) else level > DEEPEST:
                raise BadRequestError(
                    f"{name} is nested more than {DEEPEST} levels deep, and a server may crash on it. Make it flatter, "
                    "or leave the turn that holds it out. Nothing was sent."
                )


def refuse_deep(value: Any, place: str, error: Callable[[str], Exception]) -> None:
    """Refuse a value that is nested too deep to be copied, written or sent.

    Args:
        value: any value; lists, dicts, tuples, sets and records are looked into.
        place: what the value is, for the error.
        error: makes the error.

    Raises:
        Exception: the value is too deep.
    """
    left = [(value, 1)] if _inner(value) else []
    while left:
        one, level = left.pop()
        if level > DEEPEST:
            raise error(f"{place}: expected JSON of at most {DEEPEST} levels, got more. Make it flatter.")
        left += [(inner, level + 1) for inner in _inner(one) if type(inner) not in _FLAT]


def is_too_deep(text: str) -> bool:
    """Whether a text is JSON, perhaps incomplete, that is nested too deep."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif depth and mark in "]}":
            depth -= 1
    return False


def _nested(value: Any) -> Iterator[tuple[int, Any]]:
    """Yield every list and object in a value with its level, and every text that a server parses as JSON."""
    left = [(1, value)]
    while left:
        level, one = left.pop()
        if isinstance(one, dict):
            yield level, one
            if level <= DEEPEST:
                left += [(level + 1, inner) for inner in one.values() if isinstance(inner, dict | list | tuple)]
                yield from ((level, one[name]) for name in _JSON_TEXTS & one.keys() if isinstance(one[name], str))
        elif isinstance(one, list | tuple):
            yield level, one
            if level <= DEEPEST:
                left += [(level + 1, inner) for inner in one if isinstance(inner, dict | list | tuple)]


def _inner(value: Any) -> Iterable[Any]:
    """Return the items of a container or the fields of a record; nothing for any other value."""
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, type):
        return ()
    names = getattr(value, "__struct_fields__", ()) or getattr(value, "__dataclass_fields__", ())
    return [getattr(value, name, None) for name in names]
