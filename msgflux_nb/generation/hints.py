"""A class → the hints of its fields as they were written, with everything that ``Annotated`` adds to a type.

msgspec reads the same hints, and keeps of them only what is its own.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from inspect import get_annotations
from typing import Annotated, Any

__all__ = ["UNREADABLE", "class_hints", "field_hints", "taken_apart"]

# Annotations may be texts, which are evaluated: a name that is not there, an attribute, or no Python at all.
UNREADABLE = (TypeError, NameError, ValueError, AttributeError, SyntaxError)
"""What evaluating a hint raises."""


def class_hints(cls: type) -> Iterator[tuple[str, Any]]:
    """The hints of a class and its bases; an exception in place of one that cannot be evaluated."""
    for base in reversed(cls.__mro__):
        yield from _own_hints(base)


def field_hints(type_: Any) -> dict[str, Any]:
    """The hints of a class's fields by name, with the types of a generic class's brackets put in."""
    cls = typing.get_origin(type_) or type_
    filled = _filled(type_)
    hints: dict[str, Any] = {}
    for base in reversed(getattr(cls, "__mro__", ())):
        for name, hint in _own_hints(base):
            hints[name] = hint if isinstance(hint, Exception) else _put_in(hint, filled.get(base, {}))
    if typing.is_typeddict(cls):  # its bases are forgotten when it is made; its hints hold theirs
        hints = typing.get_type_hints(cls, include_extras=True) | hints
    return hints


def taken_apart(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a hint without ``Annotated`` and other wrappers, and all that was added to it, the inmost first."""
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
    around = vars(sys.modules.get(base.__module__, types))
    for name, annotation in get_annotations(base).items():
        # One by one: a name that is unknown in one field says nothing of the others.
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            yield name, typing.get_type_hints(alone, around, dict(vars(base)), include_extras=True)[name]
        except UNREADABLE as error:
            yield name, error


def _filled(type_: Any) -> dict[Any, dict[Any, Any]]:
    """What stands for the type variables of a class and of each of its bases."""
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
