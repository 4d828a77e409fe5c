"""Cells that are lists → an Arrow list, level by level and exactly, where pyarrow is installed.

Arrow's own conversion makes 1.5 an integer without a word, so each level's items are looked at first.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any

import msgspec
import pandas as pd
from msgspec import inspect

from .dtypes import alternatives, record_fields
from .fields import Records, plain

try:
    import pyarrow as pa
except ImportError:
    pa = None

__all__ = ["arrow_list", "pa"]

_NONE = type(None)
_Leaf = tuple[frozenset[type], Callable[[], Any]]

_LEAVES: dict[Any, _Leaf] = {
    inspect.IntType: (frozenset([int]), lambda: pa.int64()),
    inspect.FloatType: (frozenset([int, float]), lambda: pa.float64()),
    inspect.BoolType: (frozenset([bool]), lambda: pa.bool_()),
    inspect.StrType: (frozenset([str]), lambda: pa.string()),
    inspect.BytesType: (frozenset([bytes]), lambda: pa.binary()),
    inspect.DateType: (frozenset([datetime.date]), lambda: pa.date32()),
    inspect.TimeDeltaType: (frozenset([datetime.timedelta]), lambda: pa.duration("us")),
}


class _InexactError(Exception):
    """Arrow has no type that holds these cells exactly."""


def arrow_list(kind: inspect.Type, cells: Sequence[Any]) -> Any:
    """Return the cells as a pandas array of Arrow lists; None where these cannot hold them exactly.

    Args:
        kind: the type of the cells, a list of something.
        cells: lists; None for a missing one.
    """
    if pa is None:
        return None
    try:
        return pd.arrays.ArrowExtensionArray(_array(kind, cells, ()))
    except (_InexactError, OverflowError, UnicodeError, pa.ArrowException):
        return None


def _array(kind: inspect.Type, cells: Sequence[Any], parents: tuple[Any, ...]) -> Any:
    members = alternatives(kind)
    if len(members) != 1:
        raise _InexactError
    member = members[0]
    if isinstance(member, inspect.ListType | inspect.VarTupleType):
        return _lists(member, cells, parents)
    if record_fields(member) and member.cls not in parents:  # type: ignore[attr-defined]  # what has fields has a class
        return _records(member, cells, parents)
    return _leaves(member, cells)


def _lists(kind: inspect.ListType | inspect.VarTupleType, cells: Sequence[Any], parents: tuple[Any, ...]) -> Any:
    if not set(map(type, cells)) <= {list, tuple, _NONE}:
        raise _InexactError
    items = _array(kind.item_type, list(chain.from_iterable(filter(None, cells))), parents)
    ends = list(accumulate(map(len, (cell or () for cell in cells)), initial=0))
    missing = pa.array([cell is None for cell in cells], type=pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, type=pa.int32()), items, mask=missing)


def _records(kind: Any, cells: Sequence[Any], parents: tuple[Any, ...]) -> Any:
    names = [field.name for field in kind.fields]
    records, inside = Records(cells), (*parents, kind.cls)
    arrays = [_array(field.type, records.take(field.name), inside) for field in kind.fields]
    tag = getattr(kind, "tag", None)
    if tag is not None:
        names.insert(0, kind.tag_field)
        arrays.insert(0, pa.array([None if cell is None else tag for cell in cells]))
    missing = pa.array([cell is None for cell in cells], type=pa.bool_())
    return pa.StructArray.from_arrays(arrays, names=names, mask=missing)


def _leaves(kind: inspect.Type, cells: Sequence[Any]) -> Any:
    found = set(map(type, cells)) - {_NONE}
    if msgspec.UnsetType in found or any(issubclass(one, enum.Enum) for one in found):
        cells = list(map(plain, cells))
        found = set(map(type, cells)) - {_NONE}
    fits, arrow = _leaf(kind)
    if not found <= fits:
        raise _InexactError
    if isinstance(kind, inspect.DateTimeType) and any(
        (cell.utcoffset() is not None) is not kind.tz for cell in cells if cell is not None
    ):
        raise _InexactError
    return pa.array(cells, type=arrow())


def _leaf(kind: inspect.Type) -> _Leaf:
    if isinstance(kind, inspect.LiteralType | inspect.EnumType):
        values = kind.values if isinstance(kind, inspect.LiteralType) else [member.value for member in kind.cls]
        types = set(map(type, values)) - {_NONE}
        like: Any = {frozenset([str]): inspect.StrType, frozenset([int]): inspect.IntType}.get(frozenset(types))
    elif isinstance(kind, inspect.DateTimeType):
        return frozenset([datetime.datetime]), _moment(kind)
    else:
        like = type(kind)
    if like not in _LEAVES:
        raise _InexactError
    return _LEAVES[like]


def _moment(kind: inspect.DateTimeType) -> Callable[[], Any]:
    if kind.tz is None:  # Arrow wants to know, and would read a value without a zone as one in UTC.
        raise _InexactError
    return lambda: pa.timestamp("us", tz="UTC" if kind.tz else None)
