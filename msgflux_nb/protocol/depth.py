"""Measures the nesting of JSON without recursion, and refuses requests that are nested too deep; pure.

JSON parsers recurse for each level. On deep JSON a server of open weights crashes, and the embedded one takes the
notebook's kernel with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..errors import BadRequestError

__all__ = ["DEEPEST", "check_depth", "depth_of_text", "is_too_deep"]

DEEPEST = 512
"""The deepest nesting of lists and objects in a request or a call's arguments; an answer is read no deeper."""

_MARK = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
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
            if (depth_of_text(inner) if isinstance(inner, str) else level) > DEEPEST:
                raise BadRequestError(
                    f"{name} is nested more than {DEEPEST} levels deep, and a server may crash on it. Make it flatter, "
                    "or leave the turn that holds it out. Nothing was sent."
                )


def is_too_deep(text: str) -> bool:
    """Whether a text is JSON that is nested too deep."""
    return depth_of_text(text) > DEEPEST


def depth_of_text(text: str) -> int:
    """Return the deepest nesting of the JSON in a text, which may be incomplete."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0  # too short to be nested too deep
    deepest = depth = 0
    for found in _MARK.finditer(text):
        mark = found.group()
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth = max(0, depth - 1)
    return deepest


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
