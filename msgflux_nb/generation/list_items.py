"""Finds the list in a wire schema, so that its items can be decoded one by one."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
from msgspec import inspect

from ..errors import SchemaError
from .hints import field_hints, taken_apart
from .schema import WireSchema

__all__ = ["ListItems", "list_items"]

_UNIONS = (typing.Union, types.UnionType)
_RECORDS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
_SETS = (inspect.SetType, inspect.FrozenSetType)


class ListItems(msgspec.Struct, frozen=True):
    """Where an answer's list is, and how its items are decoded.

    Attributes:
        key: the key of the list in the JSON.
        field: the name of the list in the decoded value; None if the value itself is the list.
        distinct: whether the list is decoded to a set.
        wire: the schema of one item.
    """

    key: str
    field: str | None
    distinct: bool
    wire: WireSchema

    def of(self, value: Any) -> list[Any]:
        """Return the items of a decoded answer."""
        found = value if self.field is None else _field_of(value, self.field)
        return list(found or ())


def list_items(wire: WireSchema) -> ListItems:
    """Find the list of a type: the type itself, or its only field that is a list.

    Raises:
        SchemaError: the type has no list, or several.
    """
    hint, _ = taken_apart(wire.type)
    info = _collection(inspect.type_info(wire.type))
    if info is not None:
        return ListItems("value", None, isinstance(info, _SETS), _item_schema(wire, "value", hint))
    record = inspect.type_info(hint)
    fields = record.fields if isinstance(record, _RECORDS) and not getattr(record, "array_like", False) else ()
    lists = [(field, found) for field in fields if (found := _collection(field.type)) is not None]
    if len(lists) != 1:
        names = ", ".join(field.name for field, _ in lists) or "none"
        raise SchemaError(
            "rows: expected generation_schema=list[...], or a Struct with one field that is a list, got "
            f"{wire.name} (lists: {names}); use partials() for other structures"
        )
    field, info = lists[0]
    inner = field_hints(hint).get(field.name, Any)
    item = _item_schema(wire, field.encode_name, inner)
    return ListItems(field.encode_name, field.name, isinstance(info, _SETS), item)


def _collection(info: inspect.Type) -> inspect.CollectionType | None:
    while isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        return _collection(members[0]) if len(members) == 1 else None
    return info if isinstance(info, inspect.CollectionType) else None


def _item_schema(wire: WireSchema, key: str, hint: Any) -> WireSchema:
    item_type = _item_type(hint)
    if isinstance(item_type, Exception):
        raise SchemaError(f"rows: the type of the items of {wire.name} cannot be read: {item_type}")
    checked = wire.checked

    def item_of(value: Any) -> Any:
        assert checked is not None
        found = checked({key: [value]})
        return (found if wire.wrapped else found[key])[0]

    return WireSchema(item_type, wire.name, {}, False, None, None if checked is None else item_of)


def _item_type(hint: Any) -> Any:
    if isinstance(hint, Exception):
        return hint
    hint, _ = taken_apart(hint)
    if typing.get_origin(hint) in _UNIONS:
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
        return _item_type(hint)
    arguments = typing.get_args(hint)
    return arguments[0] if arguments else Any


def _field_of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name)
