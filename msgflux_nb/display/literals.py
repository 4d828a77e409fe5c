"""Restores the written order of a ``Literal``'s choices, which msgspec sorts."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import inspect

from ..generation.hints import field_hints

__all__ = ["as_written"]


def as_written(info: inspect.Type, type_: Any) -> inspect.Type:
    """Put the choices of each ``Literal`` in a tree of types into their written order.

    Args:
        info: msgspec's view of ``type_``; it is changed.
        type_: the type as it was written.
    """
    _sort(info, list(_written(type_)), set())
    return info


def _sort(info: Any, written: list[Any], seen: set[int]) -> None:
    if isinstance(info, inspect.LiteralType):
        places = {(type(value), value): place for place, value in reversed(list(enumerate(written)))}
        if all((type(value), value) in places for value in info.values):
            info.values = tuple(sorted(info.values, key=lambda value: places[type(value), value]))
    elif not hasattr(info, "fields"):
        for part in _parts(info):
            _sort(part, written, seen)
    elif id(info) not in seen:
        seen.add(id(info))
        hints = field_hints(info.cls)
        for field in info.fields:
            _sort(field.type, list(_written(hints.get(field.name))), seen)


def _parts(info: Any) -> Iterable[Any]:
    names = ("type", "types", "item_type", "item_types", "key_type", "value_type")
    for found in (getattr(info, name, ()) for name in names):
        yield from found if isinstance(found, tuple) else (found,)


def _written(hint: Any) -> Iterator[Any]:
    """Yield the choices in a hint, from left to right."""
    hint = getattr(hint, "__supertype__", getattr(hint, "__value__", hint))
    if typing.get_origin(hint) is typing.Literal:
        yield from typing.get_args(hint)
        return
    for part in typing.get_args(hint):
        yield from _written(part)
