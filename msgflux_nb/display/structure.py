"""Lists a structure as rows to show: field, value, type."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
from msgspec import inspect

from ..errors import SchemaError, brief
from ..generation.faults import REFUSALS
from ..generation.generics import with_defaults
from .literals import as_written
from .values import readable

__all__ = ["StructureRow", "info_name", "is_record", "rows", "type_info", "type_name"]

_ROW_LIMIT = 200
_SCALARS: dict[type[inspect.Type], str] = {
    inspect.AnyType: "Any",
    inspect.NoneType: "None",
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "str",
    inspect.BytesType: "bytes",
    inspect.DateTimeType: "datetime",
    inspect.DateType: "date",
    inspect.TimeType: "time",
    inspect.TimeDeltaType: "timedelta",
    inspect.UUIDType: "UUID",
    inspect.DecimalType: "Decimal",
}
_COLLECTIONS: dict[type[inspect.Type], str] = {
    inspect.ListType: "list",
    inspect.SetType: "set",
    inspect.FrozenSetType: "frozenset",
    inspect.VarTupleType: "tuple",
}


class StructureRow(msgspec.Struct, frozen=True):
    """One row of a structure.

    Attributes:
        field: the field's path, as written in Python: ``steps[0].output``.
        value: its text, or None if it is not known yet.
        type: its declared type.
    """

    field: str
    value: str | None
    type: str


def type_name(type_: Any) -> str:
    """Return a type as written in Python, without modules."""
    try:
        origin = typing.get_origin(type_)
        if origin is None and isinstance(type_, type):
            return type_.__name__
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
            return f"{origin.__name__}[{', '.join(map(type_name, typing.get_args(type_)))}]"
        return info_name(as_written(inspect.type_info(type_), type_))
    except REFUSALS:
        return brief(type_, 1_000)


def type_info(type_: Any) -> inspect.Type:
    """Return msgspec's view of a type.

    Raises:
        SchemaError: msgspec cannot read the type.
    """
    try:
        meant = with_defaults(type_)
        return as_written(inspect.type_info(meant), meant)
    except REFUSALS as error:
        raise SchemaError(f"{type_name(type_)} cannot be a generation_schema: {error}") from None


def rows(type_: Any, value: Any = msgspec.UNSET) -> list[StructureRow]:
    """Describe a type, or an instance of it, field by field, in at most 200 rows and one that counts the others.

    Args:
        type_: the type to which the value was decoded.
        value: the value; without one every row has the value None.
    """
    found: list[StructureRow] = []
    _walk(type_info(type_), value, "", found, ())
    if len(found) > _ROW_LIMIT:
        return [*found[:_ROW_LIMIT], StructureRow("…", f"{len(found) - _ROW_LIMIT:,} more rows", "")]
    return found


def _walk(info: Any, value: Any, path: str, found: list[StructureRow], above: tuple[Any, ...]) -> None:
    info = _branch(info, value)
    known = value is not msgspec.UNSET
    if hasattr(info, "fields") and (known or info.cls not in above):
        for field in info.fields:
            child = _member(value, field) if known else msgspec.UNSET
            _walk(field.type, child, f"{path}.{field.name}" if path else field.name, found, (*above, info.cls))
    elif isinstance(info, inspect.CollectionType) and is_record(info.item_type) and (not known or value):
        for index, item in enumerate(value) if known else [("", msgspec.UNSET)]:
            _walk(info.item_type, item, f"{path or 'value'}[{index}]", found, above)
    elif isinstance(info, inspect.DictType) and is_record(info.value_type) and (not known or value):
        for key, item in value.items() if known else [("", msgspec.UNSET)]:
            _walk(info.value_type, item, f"{path or 'value'}[{repr(key) if known else ''}]", found, above)
    else:
        found.append(StructureRow(path or "value", readable(value) if known else None, info_name(info)))


def _branch(info: Any, value: Any) -> Any:
    """Return the member of a union that a record belongs to, so that its fields are shown."""
    if isinstance(info, inspect.Metadata):
        return _branch(info.type, value)
    if isinstance(info, inspect.UnionType):
        for member in info.types:
            if getattr(member, "cls", None) is type(value) and hasattr(member, "fields"):
                return member
    return info


def is_record(info: inspect.Type) -> bool:
    """Whether a type has fields, or is a union with a member that has."""
    if isinstance(info, inspect.Metadata):
        return is_record(info.type)
    if isinstance(info, inspect.UnionType):
        return any(is_record(member) for member in info.types)
    return hasattr(info, "fields")


def _member(value: Any, field: inspect.Field) -> Any:
    if isinstance(value, dict):  # a TypedDict
        return value.get(field.encode_name, msgspec.UNSET)
    return getattr(value, field.name)


def info_name(info: inspect.Type) -> str:
    """Return msgspec's view of a type as written in Python."""
    kind = type(info)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if isinstance(info, inspect.CollectionType):
        return f"{_COLLECTIONS.get(kind, 'list')}[{info_name(info.item_type)}]"
    match info:
        case inspect.Metadata():
            return info_name(info.type)
        case inspect.UnionType(types=types):
            return " | ".join(dict.fromkeys(map(info_name, types)))
        case inspect.LiteralType(values=values):
            return " | ".join(map(repr, values))
        case inspect.TupleType(item_types=items):
            return f"tuple[{', '.join(map(info_name, items))}]"
        case inspect.DictType(key_type=key, value_type=value):
            return f"dict[{info_name(key)}, {info_name(value)}]"
    return str(getattr(getattr(info, "cls", None), "__name__", kind.__name__.removesuffix("Type").lower()))
