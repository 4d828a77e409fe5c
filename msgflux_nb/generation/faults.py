"""Finds the field of a type that msgspec does not support; msgspec's own message names only the field's type."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from .hints import UNREADABLE, class_hints

__all__ = ["REFUSALS", "refusal"]

REFUSALS = UNREADABLE
"""What msgspec raises for a type that it does not support."""


def refusal(type_: Any) -> tuple[str, str] | None:
    """Return the innermost unsupported place and the reason: ``("$.a[]", "Type ... is not supported")``.

    None if msgspec supports the type.
    """
    return _refusal(type_, "$", ())


def _refusal(type_: Any, path: str, above: tuple[Any, ...]) -> tuple[str, str] | None:
    try:
        inspect.type_info(type_)
    except REFUSALS as error:
        reason = str(error)
    else:
        return None
    for place, part in _parts(type_):
        inner = path + place
        if isinstance(part, Exception):
            return inner, str(part)
        if any(part is seen for seen in (*above, type_)):  # a recursive type; the fault is in another field
            continue
        found = _refusal(part, inner, (*above, type_))
        if found is not None:
            return found
    return path, reason


def _parts(type_: Any) -> Iterator[tuple[str, Any]]:
    """Yield the types that a type is made of, each with its place."""
    arguments = typing.get_args(type_)
    origin = typing.get_origin(type_)
    if origin is typing.Annotated:
        yield "", arguments[0]
    elif origin in (typing.Union, types.UnionType):
        yield from (("", member) for member in arguments)
    elif isinstance(origin, type) and issubclass(origin, dict) and len(arguments) == 2:
        yield from zip((".key", ".value"), arguments, strict=True)
    elif origin is tuple:
        yield from ((f"[{i}]", item) for i, item in enumerate(arguments) if item is not ...)
    elif isinstance(origin, type) and issubclass(origin, (list, set, frozenset)):
        yield from (("[]", item) for item in arguments)
    elif isinstance(origin or type_, type):
        yield from _fields(origin or type_)


def _fields(cls: type) -> Iterator[tuple[str, Any]]:
    yield from ((f".{name}", hint) for name, hint in class_hints(cls))
