"""Builds instances of structures that are still arriving, with None for missing fields."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from msgspec import inspect

__all__ = ["partial_instance"]


def partial_instance(type_: Any, value: Any) -> Any:
    """Build an instance of ``type_`` from plain values, some of which are missing or unfinished.

    A Struct becomes an instance of a subclass whose fields may all be None and whose ``__post_init__`` does nothing. So
    ``isinstance`` is true, and methods work if their fields are present. A value that does not fit yet, such as half a
    date, stays as it is.

    Args:
        type_: the type of the complete answer.
        value: the values read so far, restored from their wire form; they are copied.
    """
    return _built(inspect.type_info(type_), value)


def _built(info: Any, value: Any) -> Any:
    info = _plain(info, value)
    if isinstance(value, dict):
        return _record(info, value) if hasattr(info, "fields") else _mapping(info, value)
    if isinstance(value, list):
        return _sequence(info, value)
    return value if isinstance(info, inspect.UnionType) else _leaf(info, value)


def _plain(info: Any, value: Any) -> Any:
    """Remove metadata, and pick the branch of a union that a value belongs to."""
    if isinstance(info, inspect.Metadata):
        return _plain(info.type, value)
    if not isinstance(info, inspect.UnionType):
        return info
    if not isinstance(value, dict | list):
        others = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        return _plain(others[0], value) if len(others) == 1 else info
    fitting = [member for member in (_plain(one, value) for one in info.types) if _holds(member, value)]
    return fitting[0] if len(fitting) == 1 else info


def _holds(info: Any, value: Any) -> bool:
    if isinstance(value, list):
        return isinstance(info, inspect.CollectionType | inspect.TupleType)
    if not hasattr(info, "fields"):
        return isinstance(info, inspect.DictType)
    tag = getattr(info, "tag_field", None)
    return tag is None or value.get(tag) == info.tag


def _record(info: Any, value: dict[str, Any]) -> Any:
    given = {
        field.name: _built(field.type, value[field.encode_name]) for field in info.fields if field.encode_name in value
    }
    if isinstance(info, inspect.StructType):
        return _lenient(info.cls)(**given)
    return given


def _mapping(info: Any, value: dict[str, Any]) -> Any:
    inner = info.value_type if isinstance(info, inspect.DictType) else inspect.AnyType()
    return {key: _built(inner, item) for key, item in value.items()}


def _sequence(info: Any, value: list[Any]) -> Any:
    if isinstance(info, inspect.TupleType):
        return [_built(inner, item) for inner, item in zip(info.item_types, value, strict=False)]
    inner = info.item_type if isinstance(info, inspect.CollectionType) else inspect.AnyType()
    return [_built(inner, item) for item in value]


def _leaf(info: Any, value: Any) -> Any:
    """Convert a complete value, such as a date, to its type; return an unfinished one as it was read."""
    cls = getattr(info, "cls", None) or _LEAVES.get(type(info))
    if cls is None or value is None:
        return value
    try:
        return msgspec.convert(value, cls)
    except (msgspec.ValidationError, TypeError):
        return value


def _leaves() -> dict[type, Any]:
    import datetime
    import decimal
    import uuid

    return {
        inspect.DateTimeType: datetime.datetime,
        inspect.DateType: datetime.date,
        inspect.TimeType: datetime.time,
        inspect.TimeDeltaType: datetime.timedelta,
        inspect.DecimalType: decimal.Decimal,
        inspect.UUIDType: uuid.UUID,
    }


_LEAVES = _leaves()


@functools.cache
def _lenient(cls: Any) -> Any:
    """Return a subclass of a Struct whose fields may all be missing."""
    cls = getattr(cls, "__origin__", cls)
    fields = [(name, Any, None) for name in cls.__struct_fields__]
    return msgspec.defstruct(
        cls.__name__,
        fields,
        bases=(cls,),
        module=cls.__module__,
        namespace={"__post_init__": _nothing, "__doc__": cls.__doc__},
        kw_only=True,
    )


def _nothing(_: Any) -> None:
    """The ``__post_init__`` of a partial structure: no check."""
