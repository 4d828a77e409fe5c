"""Schema types → pandas dtypes, by :mod:`msgspec.inspect`.

========================================= ==========================================================
type of the field                         dtype of the column
========================================= ==========================================================
``int``, ``float``, ``bool``, ``str``     ``Int64``, ``Float64``, ``boolean``, ``string``
``int | float``                           ``Float64``
``Literal[...]``, ``Enum``                ``category`` over every level, in declared order; an Enum by its values
``datetime``                              ``datetime64[us]``; ``datetime64[us, UTC]`` where every value has a zone
``date``                                  ``datetime64[us]`` at midnight, so that ``.dt`` and sorting work
``timedelta``                             ``timedelta64[us]``
a Struct or other record                  one column a field, ``field.inner``; a recursive one is ``object``
anything else (list, dict, Decimal, ...)  ``object``
========================================= ==========================================================

``X | None`` has the dtype of ``X``. The dtype follows from the schema alone, with no rows and with nothing but missing
values too. One rule stands above it: a value that its dtype cannot hold exactly (an integer beyond 64 bits, a naive
``datetime`` beside one with a zone, a level that is not in the Literal) makes its column ``object``; nothing is
rounded, cast or lost.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import inspect

from ..errors import SchemaError

__all__ = ["Column", "Kind", "columns"]

Kind = Literal[
    "integer", "float", "boolean", "string", "category", "datetime", "naive", "utc", "date", "duration", "any", "object"
]
Hints = Mapping[Any, Any]

_LEAVES: dict[type[inspect.Type], Kind] = {
    inspect.IntType: "integer",
    inspect.FloatType: "float",
    inspect.BoolType: "boolean",
    inspect.StrType: "string",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "duration",
    inspect.AnyType: "any",
}
_RECORDS = (inspect.StructType, inspect.DataclassType, inspect.NamedTupleType, inspect.TypedDictType)
_UNIONS = (typing.Union, types.UnionType)
_LEVEL_TYPES = (str, int, float, bool)


class Column(msgspec.Struct, frozen=True):
    """One column of a schema.

    Attributes:
        name: the field's name; ``outer.inner`` for a field of a nested record; ``value`` if the schema is no record.
        path: the field names that lead from a value to the cell; empty for the value itself.
        kind: what the cells are.
        levels: the categories of a ``category`` column, in declared order.
    """

    name: str
    path: tuple[str, ...] = ()
    kind: Kind = "object"
    levels: tuple[Any, ...] = ()

    def cell(self, value: Any) -> Any:
        """Return this column's cell of one decoded value; None where a record on the way is missing."""
        for name in self.path:
            if value is None or value is msgspec.UNSET:
                return None
            value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        return value


def columns(schema: Any) -> tuple[Column, ...]:
    """Return the columns of a table of ``schema``.

    Raises:
        SchemaError: ``schema`` is not a type that msgspec knows, or two of its columns would have the same name.
    """
    try:
        kind = inspect.type_info(schema)
    except (TypeError, NameError, ValueError) as error:
        raise SchemaError(f"expected a type such as a msgspec.Struct class, got {schema!r}: {error}") from error
    found = tuple(_walk(kind, schema, {}, (), ()))
    names = [column.name for column in found]
    for name in names:
        if names.count(name) > 1:
            raise SchemaError(f"two fields of {schema!r} would both be the column {name!r}; rename one")
    return found


def _walk(
    kind: inspect.Type, hint: Any, bound: Hints, path: tuple[str, ...], parents: tuple[Any, ...]
) -> Iterator[Column]:
    members = _members(kind)
    record = members[0] if len(members) == 1 else None
    if isinstance(record, _RECORDS) and record.fields and record.cls not in parents:
        hints, inner = _hints(record.cls)
        for field in record.fields:
            yield from _walk(field.type, hints.get(field.name), inner, (*path, field.name), (*parents, record.cls))
        return
    name = ".".join(path) or "value"
    levels = _levels(members, hint, bound)
    yield Column(name, path, "category", levels) if levels else Column(name, path, _leaf(members))


def _members(kind: inspect.Type) -> list[inspect.Type]:
    """Return the alternatives of a type, without None and without msgspec's wrappers for metadata."""
    if isinstance(kind, inspect.Metadata):
        return _members(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [member for part in kind.types for member in _members(part)]
    return [] if isinstance(kind, inspect.NoneType) else [kind]


def _leaf(members: list[inspect.Type]) -> Kind:
    if len(members) == 1 and isinstance(members[0], inspect.DateTimeType):
        return {None: "datetime", True: "utc", False: "naive"}[members[0].tz]  # type: ignore[return-value]  # a Kind
    kinds = {_LEAVES.get(type(member), "object") for member in members}
    if kinds == {"integer", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 else "object"


def _levels(members: list[inspect.Type], hint: Any, bound: Hints) -> tuple[Any, ...]:
    """Return the categories of a Literal or an Enum, or nothing if this is neither."""
    found: tuple[Any, ...] = ()
    if len(members) == 1 and isinstance(members[0], inspect.EnumType):
        found = tuple(member.value for member in members[0].cls)
    elif members and all(isinstance(member, inspect.LiteralType) for member in members):
        values = [value for member in members for value in member.values if value is not None]  # type: ignore[attr-defined]  # all are LiteralType
        # msgspec sorts a Literal's values; the order in which they were declared is only in the annotation.
        declared = [value for value in _literals(hint, bound) if value is not None]
        found = tuple(declared if sorted(map(repr, declared)) == sorted(map(repr, values)) else values)
    # Categories are told apart by ==, so 1 and True cannot both be one.
    usable = all(type(value) in _LEVEL_TYPES for value in found) and len(set(found)) == len(found)
    return found if usable else ()


def _literals(hint: Any, bound: Hints) -> Iterator[Any]:
    if isinstance(hint, typing.TypeVar):
        hint = bound.get(hint)
    hint = getattr(hint, "__supertype__", getattr(hint, "__value__", hint))  # NewType, and `type X = ...`
    origin = typing.get_origin(hint)
    if origin is Literal:
        yield from typing.get_args(hint)
    elif origin is typing.Annotated:
        yield from _literals(typing.get_args(hint)[0], bound)
    elif origin in _UNIONS:
        for part in typing.get_args(hint):
            yield from _literals(part, bound)


def _hints(record: Any) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Return a record's annotations by field, and what its type variables stand for."""
    origin = typing.get_origin(record) or record
    try:
        hints = typing.get_type_hints(origin, include_extras=True)
    except (NameError, TypeError):
        hints = {}
    return hints, _bindings(record)


def _bindings(record: Any) -> dict[Any, Any]:
    origin = typing.get_origin(record) or record
    bound = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(record), strict=False))
    for base in getattr(origin, "__orig_bases__", ()):
        for variable, value in _bindings(base).items():
            bound.setdefault(variable, bound.get(value, value) if isinstance(value, typing.TypeVar) else value)
    return bound
