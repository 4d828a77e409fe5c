"""A schema's type → the Arrow type of its column, and cells → an Arrow array of that type, level by level and exactly.

Arrow's own conversion silently makes 1.5 an integer and adds keys that a dict lacks. So the cells of each level are
checked first; if they do not fit, the column is stored as text (:mod:`.values`).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

from msgspec import inspect

from ..dtypes import alternatives, record_fields

try:
    import pyarrow as pa
except ImportError:
    pa = None

__all__ = ["InexactError", "arrow_array", "arrow_type", "bare", "pa"]

_NONE = type(None)
_LISTS = (inspect.ListType, inspect.VarTupleType)


class InexactError(ValueError):
    """No Arrow type, or not the requested one, holds these cells exactly."""


def arrow_type(kind: inspect.Type | None) -> Any:
    """Return the Arrow type that holds every value of a type exactly; None without one, or without pyarrow."""
    if pa is None or kind is None:
        return None
    try:
        return _type(kind, ())
    except InexactError:
        return None


def arrow_array(cells: Sequence[Any], kind: Any) -> Any:
    """Return cells as an Arrow array of a type from :func:`arrow_type`.

    Args:
        cells: None for a missing one; lists and dicts at any depth.
        kind: the Arrow type.

    Raises:
        InexactError: Arrow would change a cell.
    """
    try:
        return _array(cells, kind)
    except (OverflowError, UnicodeError, pa.ArrowException) as error:
        raise InexactError(str(error)) from error


def bare(kind: Any) -> Any:
    """Return an Arrow type without a file's additions: other names for items, ids of fields, large lists."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(bare(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind.field(place).name, bare(kind.field(place).type)) for place in range(kind.num_fields)])
    return kind


def _type(kind: inspect.Type, parents: tuple[Any, ...]) -> Any:
    members = alternatives(kind)
    if len(members) != 1:
        raise InexactError
    member = members[0]
    if isinstance(member, _LISTS):
        return pa.list_(_type(member.item_type, parents))
    if record_fields(member) and member.cls not in parents:  # type: ignore[attr-defined]  # what has fields has a class
        return _struct(member, parents)
    return _leaf(member)


def _struct(kind: Any, parents: tuple[Any, ...]) -> Any:
    fields = [(field.name, _type(field.type, (*parents, kind.cls))) for field in kind.fields]
    if getattr(kind, "tag", None) is not None:
        fields.insert(0, (kind.tag_field, pa.string() if isinstance(kind.tag, str) else pa.int64()))
    return pa.struct(fields)


def _leaf(kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.LiteralType | inspect.EnumType):
        values = kind.values if isinstance(kind, inspect.LiteralType) else [member.value for member in kind.cls]
        types = frozenset(map(type, values)) - {_NONE}
        found: Any = {frozenset([str]): pa.string, frozenset([int]): pa.int64}.get(types)
    elif isinstance(kind, inspect.DateTimeType):
        # Arrow needs to know whether there is a zone, and would read a value without one as UTC.
        found = None if kind.tz is None else lambda: pa.timestamp("us", tz="UTC" if kind.tz else None)
    else:
        makers: dict[Any, Any] = {
            inspect.IntType: pa.int64,
            inspect.FloatType: pa.float64,
            inspect.BoolType: pa.bool_,
            inspect.StrType: pa.string,
            inspect.BytesType: pa.binary,
            inspect.DateType: pa.date32,
            inspect.TimeDeltaType: lambda: pa.duration("us"),
        }
        found = makers.get(type(kind))
    if found is None:
        raise InexactError
    return found()


def _array(cells: Sequence[Any], kind: Any) -> Any:
    found = set(map(type, cells)) - {_NONE}
    if pa.types.is_list(kind):
        return _lists(cells, kind, found)
    if pa.types.is_struct(kind):
        return _structs(cells, kind, found)
    if not found <= _python_types(kind):
        raise InexactError(f"expected values that Arrow's {kind} holds exactly, got {_names(found)}")
    if pa.types.is_timestamp(kind) and any(
        cell is not None and (cell.utcoffset() is not None) is not (kind.tz is not None) for cell in cells
    ):
        raise InexactError(f"expected datetimes of Arrow's {kind}, got some with and some without a time zone")
    return pa.array(cells, type=kind)


def _lists(cells: Sequence[Any], kind: Any, found: set[type]) -> Any:
    if not found <= {list}:
        raise InexactError(f"expected lists, got {_names(found)}")
    items = _array(list(chain.from_iterable(filter(None, cells))), kind.value_type)
    ends = list(accumulate(map(len, (cell or () for cell in cells)), initial=0))
    missing = pa.array([cell is None for cell in cells], type=pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, type=pa.int32()), items, type=kind, mask=missing)


def _structs(cells: Sequence[Any], kind: Any, found: set[type]) -> Any:
    fields = [kind.field(place) for place in range(kind.num_fields)]
    names = [field.name for field in fields]
    if not fields or not found <= {dict} or any(cell is not None and list(cell) != names for cell in cells):
        raise InexactError
    arrays = [_array([None if cell is None else cell[name] for cell in cells], kind.field(name).type) for name in names]
    missing = pa.array([cell is None for cell in cells], type=pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=missing)


def _names(types: set[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in types))


def _python_types(kind: Any) -> set[type]:
    known: tuple[tuple[Any, set[type]], ...] = (
        (pa.types.is_integer, {int}),
        (pa.types.is_floating, {int, float}),
        (pa.types.is_boolean, {bool}),
        (pa.types.is_string, {str}),
        (pa.types.is_binary, {bytes}),
        (pa.types.is_date, {datetime.date}),
        (pa.types.is_timestamp, {datetime.datetime}),
        (pa.types.is_duration, {datetime.timedelta}),
    )
    return next((types for is_kind, types in known if is_kind(kind)), set())
