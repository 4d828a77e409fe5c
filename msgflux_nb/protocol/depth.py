"""The depth of JSON, measured without recursion; a request that is too deep is refused before it is sent; pure.

Readers of JSON call themselves for each level. A server of open weights ends with a crash where that is too deep, and
the embedded one takes the kernel with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..errors import BadRequestError

__all__ = ["DEEPEST", "check_depth", "depth_of_text", "is_too_deep"]

DEEPEST = 512
"""How many lists and objects may stand in one another, in a request and in the arguments of a call; no more are read of
an answer."""

_MARK = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_JSON_TEXTS = frozenset(("arguments", "input"))  # fields whose text a server reads as JSON


def check_depth(body: dict[str, Any]) -> None:
    """Refuse a request whose JSON is too deep.

    Args:
        body: the request; texts that hold the arguments of calls are looked into.

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
    """Return how deep the JSON in a text is nested at most, whole or not."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0  # flat enough; no need to measure it
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
    """Every list and object in a value with its level, and every text that is read as JSON again."""
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
