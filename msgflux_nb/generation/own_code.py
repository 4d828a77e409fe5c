"""Tells whether decoding to a type runs code of its author, which may do anything."""

from __future__ import annotations

import enum
from typing import Any

from msgspec import inspect

__all__ = ["has_own_code"]

_PARTS = ("item_type", "key_type", "value_type", "type")
_LISTS = ("item_types", "types")


def has_own_code(type_: Any) -> bool:
    """Whether a type, or a type inside it, runs its own code: ``__post_init__``, attrs, or an Enum's ``_missing_``.

    Example:
        >>> has_own_code(list[int])
        False
    """
    try:
        return _has(inspect.type_info(type_), set())
    except Exception:  # the type cannot be inspected
        return True


def _has(kind: Any, seen: set[Any]) -> bool:
    cls = getattr(kind, "cls", None)
    if cls is not None:
        if cls in seen:
            return False
        seen.add(cls)
        if isinstance(kind, inspect.CustomType) or hasattr(cls, "__post_init__") or hasattr(cls, "__attrs_attrs__"):
            return True
        if issubclass(cls, enum.Enum):
            return cls._missing_.__func__ is not enum.Enum._missing_.__func__  # type: ignore[attr-defined]  # a method
    inner = [getattr(kind, name, None) for name in _PARTS]
    inner += [field.type for field in getattr(kind, "fields", ())]
    for name in _LISTS:
        inner += getattr(kind, name, ())
    return any(_has(one, seen) for one in inner if isinstance(one, inspect.Type))
