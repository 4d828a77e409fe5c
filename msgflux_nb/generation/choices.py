"""Removes from an answer the zero-width spaces that were put into the choices of its schema; pure.

A choice that holds a control token, such as a label ``<|im_end|>`` from a column, is sent with a zero-width space in
it (``protocol/special_tokens``), and the model repeats it with that space.
"""

from __future__ import annotations

from typing import Any

__all__ = ["with_whole_choices"]

_SPLIT = "\u200b"
_LEVELS = 400  # levels; deeper values are refused by their reader


def with_whole_choices(value: Any, schema: dict[str, Any]) -> Any:
    """Return ``value`` with each text that equals a choice of the schema, except for zero-width spaces, replaced by it.

    Args:
        value: decoded JSON; read, never changed.
        schema: the JSON Schema with the choices as the user wrote them.
    """
    known = {choice.replace(_SPLIT, ""): choice for choice in _choices(schema)}
    return _whole(value, known, 0) if known else value


def _choices(schema: Any) -> list[str]:
    """Return the texts in every ``enum`` and ``const``."""
    found: list[str] = []
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, dict):
            for name, inner in node.items():
                if name == "enum" and isinstance(inner, list):
                    found += [choice for choice in inner if isinstance(choice, str)]
                elif name == "const" and isinstance(inner, str):
                    found.append(inner)
                left.append(inner)
    return found


def _whole(value: Any, known: dict[str, str], depth: int) -> Any:
    if isinstance(value, str):
        return known.get(value.replace(_SPLIT, ""), value) if _SPLIT in value else value
    if depth > _LEVELS:
        return value
    if isinstance(value, list):
        return [_whole(item, known, depth + 1) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item, known, depth + 1) for name, item in value.items()}
    return value
