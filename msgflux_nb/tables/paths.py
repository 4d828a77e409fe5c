"""Fields by dotted names: their types, their values, and values with one field replaced."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .fields import field_names, field_of

__all__ = ["at", "replaced", "type_at"]

_UNIONS = (typing.Union, types.UnionType)


def type_at(schema: Any, path: Sequence[str], value: Any = None) -> Any:
    """Return the annotation of a field.

    Args:
        schema: the type of ``value``.
        path: the names that lead to the field; empty for the value itself.
        value: an instance, whose class selects the member of a union; or None.

    Raises:
        LookupError: there is no such field.
    """
    if not path:
        return schema
    name, *rest = path
    members = [member for member in _records(schema) if name in _hints(member)]
    own = [member for member in members if (typing.get_origin(member) or member) is type(value)]
    if not members:
        raise LookupError(name)
    return type_at(_hints((own or members)[0])[name], rest, at(value, [name]))


def at(value: Any, path: Sequence[str]) -> Any:
    """Return the value at a path; None if a record on the path is missing."""
    for name in path:
        value = field_of(value, name)
    return None if value is msgspec.UNSET else value


def replaced(value: Any, path: Sequence[str], new: Any) -> Any:
    """Return a value with one field replaced; without a record, a dict with the field."""
    if not path:
        return new
    name, *rest = path
    inner = replaced(at(value, [name]), rest, new)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{name: inner})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{name: inner})
    if isinstance(value, tuple) and hasattr(value, "_replace"):
        return value._replace(**{name: inner})
    return {**value, name: inner} if isinstance(value, Mapping) else {name: inner}


def _records(hint: Any) -> list[Any]:
    """Return the record types that an annotation allows."""
    hint = getattr(hint, "__supertype__", getattr(hint, "__value__", hint))  # NewType, and `type X = ...`
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _records(typing.get_args(hint)[0])
    if origin in _UNIONS:
        return [record for part in typing.get_args(hint) for record in _records(part)]
    return [hint] if field_names(origin or hint) or typing.is_typeddict(hint) else []


def _hints(record: Any) -> dict[str, Any]:
    origin = typing.get_origin(record) or record
    if issubclass(origin, msgspec.Struct):
        return {field.name: field.type for field in msgspec.structs.fields(record)}
    return typing.get_type_hints(origin, include_extras=True)
