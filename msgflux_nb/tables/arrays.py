"""A column's cells → one pandas array: of its declared dtype if that holds every cell exactly, else ``object``.

The types of all cells of a column are collected first, and each kind has its own function that makes an array; pandas
would guess cell by cell.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import inspect

from . import packed
from .dtypes import Column, Kind
from .fields import is_missing, plain_all, python_value
from .formats.arrow import pa
from .formats.values import ValuesDtype, values_array, values_dtype

__all__ = ["infer", "is_missing", "objects", "python_value", "to_array"]

Types = set[type]

_NONE = type(None)
_UTC = pd.DatetimeTZDtype("us", "UTC")
_EPOCH = datetime.date(1970, 1, 1)
_EXACT_FLOAT = 2.0**53  # below it every integer is a float
# Types of missing cells, and numpy's scalars. A float may be NaN and is looked at separately.
_UNUSUAL = (msgspec.UnsetType, type(pd.NA), type(pd.NaT), np.generic)
_INFERRED: dict[frozenset[type], Kind] = {
    frozenset([int]): "integer",
    frozenset([float]): "float",
    frozenset([int, float]): "float",
    frozenset([bool]): "boolean",
    frozenset([str]): "string",
    frozenset([datetime.datetime]): "datetime",
    frozenset([pd.Timestamp]): "datetime",
    frozenset([datetime.date]): "date",
    frozenset([datetime.timedelta]): "duration",
    frozenset([pd.Timedelta]): "duration",
}
# Without a schema, a column of these types is not stored as JSON text.
_ITEMS = (str, int, float, bool, bytes, datetime.date)
_ALONE = {bytes, decimal.Decimal, uuid.UUID, datetime.time}


def to_array(column: Column, cells: Sequence[Any]) -> Any:
    """Return the cells in a form that pandas takes for a column: an array, or a Series with a new RangeIndex.

    Missing cells are ``NA``, ``NaT`` or, in an ``object`` array, None.
    """
    quick = _QUICK.get(column.kind)
    array = None if quick is None else quick(column, cells)
    if array is not None:
        return array
    types = set(map(type, cells))
    if any(issubclass(kind, _UNUSUAL) for kind in types):
        cells = [python_value(cell) for cell in cells]
        types = set(map(type, cells))
    elif float in types and column.kind != "float":
        cells = [None if type(cell) is float and cell != cell else cell for cell in cells]
        types = set(map(type, cells))
    complete = _NONE not in types
    types.discard(_NONE)
    try:
        array = _MAKERS[column.kind](column, cells, types, complete)
    except (OverflowError, ValueError):
        # More than 64 bits, or text that has no UTF-8.
        array = None
    if array is not None:
        return array
    return values_array(cells, ValuesDtype())


def infer(column: Column, cells: Sequence[Any]) -> Column:
    """Return ``column`` with the common kind of its cells, for values without a schema."""
    found = frozenset(type(value) for value in map(python_value, cells) if value is not None)
    if len(found) == 1 and issubclass(kind := next(iter(found)), enum.Enum):
        levels = tuple(member.value for member in kind)
        is_plain = all(type(level) in (str, int) for level in levels)
        return msgspec.structs.replace(column, kind="category", levels=levels) if is_plain else column
    like = _like(found, cells)
    shared: Kind = "list" if found == {list} and like is not None else _INFERRED.get(found, "object")
    return msgspec.structs.replace(column, kind=shared, type=None if like is None else inspect.type_info(like))


def _like(found: frozenset[type], cells: Sequence[Any]) -> Any:
    """Return the common type of cells, if a column of it is not stored as JSON text; else None."""
    if found == {list}:
        items = {type(python_value(item)) for cell in cells if isinstance(cell, list) for item in cell} - {_NONE} or {
            str
        }
        item: Any = items.pop() if len(items) == 1 else None
        return list[item | None] if item in _ITEMS else None
    return next(iter(found)) if len(found) == 1 and found <= _ALONE else None


def objects(cells: Sequence[Any]) -> pd.Series[Any]:
    """Return the cells unchanged, without pandas' conversions."""
    array = np.fromiter(cells, dtype=object, count=len(cells))  # keeps lists
    return pd.Series(array, dtype=object, copy=False)


def _mask(cells: Sequence[Any], complete: bool) -> Any:
    return np.zeros(len(cells), dtype=bool) if complete else np.array([cell is None for cell in cells], dtype=bool)


# Fast functions for cells that are all of one type; they return None if the cells are not.


def _quick_floats(column: Column, cells: Sequence[Any]) -> Any:
    found = packed.floats(cells)
    if found is None and None in cells:
        found = packed.floats([math.nan if cell is None else cell for cell in cells])
    return None if found is None else _floating(found)


def _quick_booleans(column: Column, cells: Sequence[Any]) -> Any:
    found = packed.booleans(cells)
    return None if found is None else pd.arrays.BooleanArray(*found)


def _quick_moments(column: Column, cells: Sequence[Any]) -> Any:
    found = packed.microseconds(cells) if cells else None
    return None if found is None else pd.array(found.view("datetime64[us]")).tz_localize("UTC")


def _quick_strings(column: Column, cells: Sequence[Any]) -> Any:
    if _arrow_strings():
        return None  # Arrow takes bytes for text.
    try:
        array = pd.arrays.StringArray(np.fromiter(cells, dtype=object, count=len(cells)))
        "".join(filter(None, cells)).encode()  # a lone surrogate cannot be written to a file
    except (ValueError, TypeError):
        return None
    return array


def _quick_category(column: Column, cells: Sequence[Any]) -> Any:
    if not all(type(level) is str for level in column.levels):
        return None
    codes = {None: -1} | {level: code for code, level in enumerate(column.levels)}
    try:
        return _coded(column, map(codes.__getitem__, cells), len(cells))
    except (KeyError, TypeError):
        return None


# One function per kind. It gets the types of the cells and whether all are there; it returns None if they do not fit.
# Missing numbers pass through NaN, which numpy makes of None.


def _integers(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if not types <= {int}:
        return None
    if not complete:
        floats = np.array(cells, dtype=np.float64)
        mask = np.isnan(floats)
        floats[mask] = 0
        if not np.any(np.abs(floats) >= _EXACT_FLOAT):
            return pd.arrays.IntegerArray(floats.astype(np.int64), mask)
        cells = [0 if cell is None else cell for cell in cells]
        return pd.arrays.IntegerArray(np.array(cells, dtype=np.int64), mask)
    return pd.arrays.IntegerArray(np.array(cells, dtype=np.int64), _mask(cells, complete))


def _floats(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if not types <= {float, int}:
        return None
    values = np.array(cells, dtype=np.float64)
    if int in types and np.any(np.abs(values) >= _EXACT_FLOAT) and not all(map(_is_float, cells)):
        return None
    return _floating(values)


def _floating(values: np.ndarray[Any, Any]) -> Any:
    mask = np.isnan(values)
    values[mask] = 0
    return pd.arrays.FloatingArray(values, mask)


def _is_float(cell: Any) -> bool:
    return type(cell) is not int or int(float(cell)) == cell


def _booleans(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if not types <= {bool}:
        return None
    return pd.arrays.BooleanArray(np.array([cell is True for cell in cells], dtype=bool), _mask(cells, complete))


def _strings(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if not types <= {str}:
        return None
    if _arrow_strings():
        return pd.arrays.ArrowStringArray(pa.array(cells, type=pa.large_string()))
    "".join(filter(None, cells)).encode()
    return pd.arrays.StringArray(np.fromiter(cells, dtype=object, count=len(cells)))


def _arrow_strings() -> bool:
    return pa is not None and pd.StringDtype().storage == "pyarrow"


def _category(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if types and all(issubclass(kind, enum.Enum) for kind in types):
        value_of = attrgetter("_value_")
        cells = list(map(value_of, cells)) if complete else [None if cell is None else value_of(cell) for cell in cells]
        types = set(map(type, cells)) - {_NONE}
    if not types <= set(map(type, column.levels)):
        return None
    codes = {(_NONE, None): -1} | {(type(level), level): code for code, level in enumerate(column.levels)}
    try:
        # 1 == True, and only one of them may be a level.
        return _coded(column, (codes[type(cell), cell] for cell in cells), len(cells))
    except KeyError:
        return None


def _coded(column: Column, codes: Iterable[int], count: int) -> Any:
    found = np.fromiter(codes, dtype=np.int32, count=count)
    return pd.Categorical.from_codes(found, dtype=pd.CategoricalDtype(list(column.levels)), validate=False)


def _moments(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    """Make a column of datetimes; if the schema leaves the time zone open, the values decide it."""
    if not all(issubclass(kind, datetime.datetime) for kind in types) or not _has_whole_microseconds(cells, types):
        return None
    quick = _moments_by_pandas(column, cells) if types == {datetime.datetime} else None
    if quick is not None:
        return quick
    aware = {cell.utcoffset() is not None for cell in cells if cell is not None}
    if aware <= {False} and column.kind != "utc" and (aware or column.kind == "naive"):
        return pd.array(cells, dtype="datetime64[us]")
    return _utc(cells) if aware <= {True} and column.kind != "naive" else None


def _moments_by_pandas(column: Column, cells: Sequence[Any]) -> Any:
    """Convert datetimes by pandas; None if it cannot, or if the result has another time zone than the column."""
    try:
        found = pd.DatetimeIndex(list(cells))
    except (ValueError, TypeError):  # several time zones; before pandas 3, also datetimes out of nanoseconds' range
        return None
    wanted = column.kind != "naive" if found.dtype == _UTC else column.kind != "utc" and found.tz is None
    return found.as_unit("us").array if wanted else None


def _utc(cells: Sequence[Any]) -> Any:
    return pd.array([None if cell is None else cell.astimezone(datetime.UTC) for cell in cells], dtype=_UTC)


def _dates(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if not types <= {datetime.date}:
        return None
    known = cells if complete else [_EPOCH if cell is None else cell for cell in cells]
    days = np.fromiter(map(datetime.date.toordinal, known), dtype=np.int64, count=len(cells)) - _EPOCH.toordinal()
    moments = days.astype("datetime64[D]").astype("datetime64[us]")
    moments[_mask(cells, complete)] = np.datetime64("NaT")
    return pd.array(moments)


def _durations(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if not all(issubclass(kind, datetime.timedelta) for kind in types) or not _has_whole_microseconds(cells, types):
        return None
    return pd.array(cells, dtype="timedelta64[us]")


def _has_whole_microseconds(cells: Sequence[Any], types: Types) -> bool:
    """Return whether microseconds hold all values exactly: pandas' own types count nanoseconds."""
    if not types & {pd.Timestamp, pd.Timedelta}:
        return True
    return not any(getattr(cell, "nanosecond", getattr(cell, "nanoseconds", 0)) for cell in cells)


def _lists(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    if types <= {list, tuple, set, frozenset} and column.type is not None:
        cells = plain_all(cells)
    return _values(column, cells, types, complete)


def _values(column: Column, cells: Sequence[Any], types: Types, complete: bool) -> Any:
    return values_array(cells, values_dtype(column.type))


_QUICK: dict[Kind, Callable[[Column, Sequence[Any]], Any]] = {
    "float": _quick_floats,
    "boolean": _quick_booleans,
    "string": _quick_strings,
    "category": _quick_category,
    "datetime": _quick_moments,
    "utc": _quick_moments,
}
_MAKERS: dict[Kind, Callable[[Column, Sequence[Any], Types, bool], Any]] = {
    "integer": _integers,
    "float": _floats,
    "boolean": _booleans,
    "string": _strings,
    "category": _category,
    "datetime": _moments,
    "naive": _moments,
    "utc": _moments,
    "date": _dates,
    "duration": _durations,
    "list": _lists,
    "any": _values,
    "object": _values,
}
