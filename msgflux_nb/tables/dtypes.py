"""Schema types → columns and their pandas dtypes, by :mod:`msgspec.inspect`.

========================================= ==========================================================
type of the field                         dtype of the column
========================================= ==========================================================
``int``, ``float``, ``bool``, ``str``     ``Int64``, ``Float64``, ``boolean``, ``string``
``int | float``                           ``Float64``
``Literal[...]``, ``Enum``                ``category`` over every level, in declared order; an Enum by its values
``datetime``                              ``datetime64[us, UTC]``; ``datetime64[us]`` if no value has a zone
``datetime`` with ``Meta(tz=...)``        the one that it names, whatever the values
``date``                                  ``datetime64[us]`` at midnight, so that ``.dt`` and sorting work
``timedelta``                             ``timedelta64[us]``
a Struct or other record                  one column per field, ``field.inner``; a recursive one is ``object``
a union of tagged Structs                 a ``category`` of the tags, then one column per field of any of them
``list[X]``, ``tuple[X, ...]``            ``object``; its cells are lists, and the records in them dicts
Decimal, bytes, UUID, time, dict, ...     ``object``: Python's own values
========================================= ==========================================================

``X | None`` has the dtype of ``X``. The dtype follows from the schema alone, even without rows or with only missing
values. The one exception: a value that its dtype cannot hold exactly (an integer beyond 64 bits, a naive ``datetime``
next to one with a zone, a level that is not in the Literal) makes its column ``object``. Nothing is rounded, cast or
lost.

``object`` here means :class:`.ValuesDtype`, which behaves like it and can be stored in Parquet and Feather.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import inspect

from ..errors import SchemaError, brief

__all__ = ["Column", "Kind", "alternatives", "columns", "record_fields"]

Kind = Literal[
    "integer",
    "float",
    "boolean",
    "string",
    "category",
    "datetime",
    "naive",
    "utc",
    "date",
    "duration",
    "list",
    "any",
    "object",
]
Hints = Mapping[Any, Any]

_LEAVES: dict[type[inspect.Type], Kind] = {
    inspect.IntType: "integer",
    inspect.FloatType: "float",
    inspect.BoolType: "boolean",
    inspect.StrType: "string",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "duration",
    inspect.ListType: "list",
    inspect.VarTupleType: "list",
    inspect.AnyType: "any",
}
_RECORDS = (inspect.StructType, inspect.DataclassType, inspect.NamedTupleType, inspect.TypedDictType)
_SEQUENCES = (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)
_UNIONS = (typing.Union, types.UnionType)
_LEVEL_TYPES = (str, int, float, bool)


class Column(msgspec.Struct, frozen=True):
    """One column of a schema.

    Attributes:
        name: the field's name; ``outer.inner`` for a field of a nested record; ``value`` if the schema is not a record.
        path: the field names from a value to the cell; empty for the value itself.
        kind: the kind of the cells.
        levels: the categories of a ``category`` column, in declared order.
        tags: for the tags of a union, the tag of each class; the path then leads to the instance.
        type: the type of the cells of a ``list`` or an ``object`` column; None if there are several.
        item: for a column of an exploded list, the field names from an item to the cell.
    """

    name: str
    path: tuple[str, ...] = ()
    kind: Kind = "object"
    levels: tuple[Any, ...] = ()
    tags: tuple[tuple[type, Any], ...] = ()
    type: inspect.Type | None = None
    item: tuple[str, ...] | None = None


def columns(schema: Any, explode: str | None = None) -> tuple[Column, ...]:
    """Return the columns of a table of ``schema``.

    Args:
        schema: a type that msgspec supports.
        explode: the column of a list, which is replaced by the columns of its items.

    Raises:
        SchemaError: msgspec does not support ``schema``, two of its columns would have the same name, or ``explode``
            does not name a list.
    """
    try:
        kind = inspect.type_info(schema)
    except (TypeError, NameError, ValueError, RecursionError) as error:
        raise SchemaError(
            f"expected a type such as a msgspec.Struct class, got {brief(schema, 200)}: {error}"
        ) from error
    walk = _Walk(explode)
    found = tuple(walk.columns(kind, schema, {}, (), ()))
    if explode is not None and not walk.exploded:
        lists = ", ".join(repr(name) for name in walk.lists) or "there are none"
        raise SchemaError(f"explode: {brief(explode)} is not a list in {brief(schema, 200)}; lists: {lists}")
    names = [column.name for column in found]
    for name in names:
        if names.count(name) > 1:
            raise SchemaError(f"two fields of {brief(schema, 200)} would both be the column {name!r}; rename one")
    return found


class _Walk:
    """Collects a schema's columns in order.

    Attributes:
        exploded: whether the list to explode was found.
        lists: the names of the lists that were found.
    """

    def __init__(self, explode: str | None) -> None:
        self._explode = explode
        self.exploded = False
        self.lists: list[str] = []

    def columns(
        self, kind: inspect.Type, hint: Any, bound: Hints, path: tuple[str, ...], parents: tuple[Any, ...]
    ) -> Iterator[Column]:
        members = alternatives(kind)
        if members and all(isinstance(member, _RECORDS) and member.cls not in parents for member in members):
            if len(members) == 1 and record_fields(members[0]):
                yield from self._fields(members[0], path, parents)
                return
            if len(members) > 1 and all(getattr(member, "tag", None) is not None for member in members):
                yield from self._union(members, path, parents)
                return
        name = ".".join(path) or "value"
        sequence = members[0] if len(members) == 1 and isinstance(members[0], _SEQUENCES) else None
        if sequence is not None:
            self.lists.append(name)
            if name == self._explode:
                self.exploded = True
                yield from _items(sequence.item_type, _item_hint(hint, bound), bound, path)
                return
        levels = _levels(members, hint, bound)
        leaf = "category" if levels else _leaf(members)
        only = members[0] if leaf in ("list", "object") and len(members) == 1 else None
        yield Column(name, path, leaf, levels, type=only)

    def _fields(self, record: Any, path: tuple[str, ...], parents: tuple[Any, ...]) -> Iterator[Column]:
        hints, bound = _hints(record.cls)
        for field in record.fields:
            yield from self.columns(
                field.type, hints.get(field.name), bound, (*path, field.name), (*parents, record.cls)
            )

    def _union(self, members: list[Any], path: tuple[str, ...], parents: tuple[Any, ...]) -> Iterator[Column]:
        tags = tuple((typing.get_origin(member.cls) or member.cls, member.tag) for member in members)
        name = ".".join((*path, members[0].tag_field))
        yield Column(name, path, "category", tuple(tag for _, tag in tags), tags)
        found: dict[str, Column] = {}
        for member in members:
            for column in self._fields(member, path, parents):
                found[column.name] = _merged(found.get(column.name, column), column)
        yield from found.values()


def _items(kind: inspect.Type, hint: Any, bound: Hints, path: tuple[str, ...]) -> Iterator[Column]:
    for column in _Walk(None).columns(kind, hint, bound, (), ()):
        inner = () if column.name == "value" and not column.path else (column.name,)
        name = ".".join((*path, *inner)) or "value"
        yield Column(name, path, column.kind, column.levels, column.tags, column.type, item=column.path)


def _merged(one: Column, other: Column) -> Column:
    """Return the column of a field that two members of a union have."""
    if one == other:
        return one
    kinds = {one.kind, other.kind}
    if kinds == {"category"} and set(map(type, (*one.levels, *other.levels))) == {str}:
        return Column(one.name, one.path, "category", tuple(dict.fromkeys((*one.levels, *other.levels))))
    if kinds == {"integer", "float"}:
        return Column(one.name, one.path, "float")
    if len(kinds) == 1 and not kinds & {"list", "category", "object"}:
        return one
    return Column(one.name, one.path, "object")


def alternatives(kind: inspect.Type) -> list[inspect.Type]:
    """Return the alternatives of a type, without None and without msgspec's wrappers for metadata."""
    if isinstance(kind, inspect.Metadata):
        return alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [member for part in kind.types for member in alternatives(part)]
    return [] if isinstance(kind, inspect.NoneType) else [kind]


def record_fields(kind: inspect.Type) -> tuple[inspect.Field, ...]:
    """Return the fields of a record type; an empty sequence for anything else."""
    return kind.fields if isinstance(kind, _RECORDS) else ()


def _leaf(members: list[inspect.Type]) -> Kind:
    if len(members) == 1 and isinstance(members[0], inspect.DateTimeType):
        return {None: "datetime", True: "utc", False: "naive"}[members[0].tz]  # type: ignore[return-value]  # a Kind
    kinds = {_LEAVES.get(type(member), "object") for member in members}
    if kinds == {"integer", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 and (len(members) == 1 or "list" not in kinds) else "object"


def _levels(members: list[inspect.Type], hint: Any, bound: Hints) -> tuple[Any, ...]:
    """Return the categories of a Literal or an Enum; empty if the type is neither."""
    found: tuple[Any, ...] = ()
    if len(members) == 1 and isinstance(members[0], inspect.EnumType):
        found = tuple(member.value for member in members[0].cls)
    elif members and all(isinstance(member, inspect.LiteralType) for member in members):
        values = [value for member in members for value in member.values if value is not None]  # type: ignore[attr-defined]  # all are LiteralType
        # msgspec sorts a Literal's values; only the annotation has the declared order.
        declared = [value for value in _literals(hint, bound) if value is not None]
        found = tuple(declared if sorted(map(repr, declared)) == sorted(map(repr, values)) else values)
    # Categories are compared by ==, so 1 and True cannot both be one.
    usable = all(type(value) in _LEVEL_TYPES for value in found) and len(set(found)) == len(found)
    return found if usable else ()


def _literals(hint: Any, bound: Hints) -> Iterator[Any]:
    hint = _meant(hint, bound)
    origin = typing.get_origin(hint)
    if origin is Literal:
        yield from typing.get_args(hint)
    elif origin is typing.Annotated:
        yield from _literals(typing.get_args(hint)[0], bound)
    elif origin in _UNIONS:
        for part in typing.get_args(hint):
            yield from _literals(part, bound)


def _meant(hint: Any, bound: Hints) -> Any:
    """Return the type behind a type variable, a NewType or a ``type X = ...``."""
    if isinstance(hint, typing.TypeVar):
        hint = bound.get(hint)
    return getattr(hint, "__supertype__", getattr(hint, "__value__", hint))


def _item_hint(hint: Any, bound: Hints) -> Any:
    """Return the annotation of a list's items; None if it is unknown."""
    hint = _meant(hint, bound)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _item_hint(parts[0], bound)
    if origin in _UNIONS:
        return next((found for part in parts if (found := _item_hint(part, bound)) is not None), None)
    return parts[0] if parts and origin is not None and origin is not Literal else None


def _hints(record: Any) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Return a record's annotations by field, and the types of its type variables."""
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
