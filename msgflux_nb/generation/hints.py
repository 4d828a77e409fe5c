"""Reads the type hints of a class's fields as written, with all metadata in ``Annotated``.

msgspec reads the same hints, but keeps only its own metadata.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from inspect import get_annotations
from typing import Annotated, Any

__all__ = ["UNREADABLE", "class_hints", "field_hints", "taken_apart"]

# Hints may be strings, which are evaluated: they may name something unknown, or not be Python at all.
UNREADABLE = (TypeError, NameError, ValueError, AttributeError, SyntaxError, RecursionError)
"""What evaluating a hint may raise."""


def class_hints(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the hints of a class and its bases; an exception in place of a hint that cannot be evaluated."""
    for base in reversed(cls.__mro__):
        yield from _own_hints(base)


def field_hints(type_: Any) -> dict[str, Any]:
    """Return the hints of a class's fields by name, with the type arguments of a generic class put in."""
    cls = typing.get_origin(type_) or type_
    filled = _filled(type_)
    hints: dict[str, Any] = {}
    for base in reversed(getattr(cls, "__mro__", ())):
        for name, hint in _own_hints(base):
            hints[name] = hint if isinstance(hint, Exception) else _put_in(hint, filled.get(base, {}))
    if typing.is_typeddict(cls):  # a TypedDict forgets its bases, but its own hints include theirs
        hints = typing.get_type_hints(cls, include_extras=True) | hints
    return hints


def taken_apart(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a hint without ``Annotated`` and other wrappers, and the metadata that it carried, innermost first."""
    added: tuple[Any, ...] = ()
    while True:
        origin = typing.get_origin(hint)
        if origin is Annotated:
            hint, added = hint.__origin__, (*hint.__metadata__, *added)
        elif getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar"):
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__") and hasattr(hint, "__type_params__"):  # type X = ..., of Python 3.12
            hint = hint.__value__
        else:
            return hint, added


def _own_hints(base: type) -> Iterator[tuple[str, Any]]:
    around, inside = vars(sys.modules.get(base.__module__, types)), dict(vars(base))
    for name, annotation in get_annotations(base).items():
        # One by one, so that an unknown name in one field does not affect the others.
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            yield name, typing.get_type_hints(alone, around, inside, include_extras=True)[name]
        except UNREADABLE as error:
            yield name, error


def _filled(type_: Any) -> dict[Any, dict[Any, Any]]:
    """Return the types of the type variables, for a class and for each of its bases."""
    filled: dict[Any, dict[Any, Any]] = {}

    def fill(alias: Any, around: dict[Any, Any]) -> None:
        cls = typing.get_origin(alias) or alias
        variables = getattr(cls, "__parameters__", ())
        given = [_put_in(argument, around) for argument in typing.get_args(alias)]
        filled[cls] = dict(zip(variables, given, strict=False))
        for base in getattr(cls, "__dict__", {}).get("__orig_bases__", getattr(cls, "__bases__", ())):
            fill(base, filled[cls])

    fill(type_, {})
    return filled


def _put_in(hint: Any, filled: dict[Any, Any]) -> Any:
    variables = getattr(hint, "__parameters__", ())
    if isinstance(hint, typing.TypeVar):
        return filled.get(hint, hint)
    if not variables or not filled or isinstance(hint, type):
        return hint
    try:
        return hint[tuple(filled.get(variable, variable) for variable in variables)]
    except TypeError:
        return hint
