"""Types to offer, and a structure as rows to show: field, value, type."""

from __future__ import annotations

import enum
import sys
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from ..errors import SchemaError
from ..generation.faults import REFUSALS
from ..generation.generics import with_defaults

__all__ = ["Offer", "Row", "info_name", "is_record", "notebook_namespace", "offers", "rows", "type_info", "type_name"]

_ROW_LIMIT = 200
_OURS = frozenset({"msgflux_nb", "msgspec"})
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


class Row(msgspec.Struct, frozen=True):
    """One line of a structure.

    Attributes:
        field: where it is, as one would write it in Python: ``steps[0].output``.
        value: its text, or None while it is not known.
        type: its declared type.
    """

    field: str
    value: str | None
    type: str


class Offer(msgspec.Struct, frozen=True):
    """A type that can be picked.

    Attributes:
        name: what it is picked by.
        group: ``"built"`` in a form, ``"given"`` by the caller, found in the ``"notebook"``, or one of the ``"plans"``.
        type: the type itself.
    """

    name: str
    group: str
    type: Any


def notebook_namespace() -> Mapping[str, Any]:
    """The names that the user of this kernel, or of this script, has defined."""
    from IPython import get_ipython

    shell = get_ipython()
    return vars(sys.modules["__main__"]) if shell is None else shell.user_ns


def offers(
    given: Mapping[str, Any] | Iterable[Any] | None,
    namespace: Mapping[str, Any],
    built: Mapping[str, Any] | None = None,
) -> list[Offer]:
    """List what can be picked; of two with one name the built comes before the caller's, the notebook's and a plan.

    Args:
        given: types by name, or types alone.
        namespace: where to look for Structs; names that begin with an underscore are private.
        built: types by name that were built in a form.
    """
    found: dict[str, Offer] = {}
    named = given if isinstance(given, Mapping) else {type_name(type_): type_ for type_ in given or ()}
    groups = (("built", built or {}), ("given", named), ("notebook", _structs(namespace)), ("plans", _plans()))
    seen: list[Any] = []
    for group, types in groups:
        for name, type_ in types.items():
            if name not in found and type_ not in seen:
                found[name] = Offer(name, group, type_)
                seen.append(type_)
    return list(found.values())


def _structs(namespace: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in list(namespace.items()):  # a copy: a cell may define names while a thread looks
        class_ = typing.get_origin(value) or value
        if name.startswith("_") or not isinstance(class_, type) or not issubclass(class_, msgspec.Struct):
            continue
        ours = class_ is value and class_.__module__.partition(".")[0] in _OURS
        if not ours and class_.__struct_fields__:
            found[name] = value
    return found


def _plans() -> dict[str, Any]:
    from ..generation import plan

    return {
        "ChainOfThoughts": plan.ChainOfThoughts,
        "ReAct": plan.ReAct,
        "SelfConsistency": plan.SelfConsistency,
        "TreeOfThoughts": plan.TreeOfThoughts,
    }


def type_name(type_: Any) -> str:
    """How a type is written in Python, without modules."""
    try:
        origin = typing.get_origin(type_)
        if origin is None and isinstance(type_, type):
            return type_.__name__
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
            return f"{origin.__name__}[{', '.join(map(type_name, typing.get_args(type_)))}]"
        return info_name(inspect.type_info(type_))
    except REFUSALS:
        return str(type_)


def type_info(type_: Any) -> inspect.Type:
    """Return what msgspec reads of a type.

    Raises:
        SchemaError: it cannot be read.
    """
    try:
        return inspect.type_info(with_defaults(type_))
    except REFUSALS as error:
        raise SchemaError(f"{type_name(type_)} cannot be a generation_schema: {error}") from None


def rows(type_: Any, value: Any = msgspec.UNSET) -> list[Row]:
    """Describe a type, or an instance of it, field by field; at most 200 rows, the last one says how many are left.

    Args:
        type_: what the value was decoded to.
        value: the value; without one every row has the value None.
    """
    found: list[Row] = []
    _walk(type_info(type_), value, "", found, ())
    if len(found) > _ROW_LIMIT:
        return [*found[:_ROW_LIMIT], Row("…", f"{len(found) - _ROW_LIMIT:,} more rows", "")]
    return found


def _walk(info: Any, value: Any, path: str, found: list[Row], above: tuple[Any, ...]) -> None:
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
        found.append(Row(path or "value", _text(value) if known else None, info_name(info)))


def _branch(info: Any, value: Any) -> Any:
    """The member of a union that a record belongs to, so that its fields are shown."""
    if isinstance(info, inspect.Metadata):
        return _branch(info.type, value)
    if isinstance(info, inspect.UnionType):
        for member in info.types:
            if getattr(member, "cls", None) is type(value) and hasattr(member, "fields"):
                return member
    return info


def is_record(info: inspect.Type) -> bool:
    """Whether a type has fields, itself or as one of the members of a union."""
    if isinstance(info, inspect.Metadata):
        return is_record(info.type)
    if isinstance(info, inspect.UnionType):
        return any(is_record(member) for member in info.types)
    return hasattr(info, "fields")


def _member(value: Any, field: inspect.Field) -> Any:
    if isinstance(value, dict):  # a TypedDict
        return value.get(field.encode_name, msgspec.UNSET)
    return getattr(value, field.name)


def _text(value: Any) -> str:
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    try:
        encoded = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    except (TypeError, ValueError, OverflowError):
        return str(value)
    return encoded[1:-1] if encoded.startswith('"') else encoded  # dates and the like are bare in JSON's quotes


def info_name(info: inspect.Type) -> str:
    """How a type that msgspec has read is written in Python."""
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
