"""A column's cells → one pandas array: its declared dtype where that holds every cell exactly, else ``object``.

The types of a column's cells are looked at all at once, and each kind has its own way into an array; pandas would
guess, cell by cell.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from .dtypes import Column, Kind
from .fields import plain
from .lists import arrow_list

__all__ = ["infer", "is_missing", "objects", "to_array"]

Types = set[type]

_NONE = type(None)
_UTC = pd.DatetimeTZDtype("us", "UTC")
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
# The types of cells that hold nothing, or numpy's scalars, but float, which may be NaN.
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


def is_missing(cell: Any) -> bool:
    """Tell whether a cell holds nothing: None, ``UNSET``, pandas' ``NA`` and ``NaT``, a float NaN."""
    if cell is None or cell is msgspec.UNSET or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return isinstance(cell, (float, np.floating)) and bool(cell != cell)


def to_array(column: Column, cells: Sequence[Any]) -> Any:
    """Return the cells as what pandas takes for a column: an array, or a Series with a new RangeIndex.

    Missing cells are ``NA``, ``NaT`` or, in an ``object`` array, None.
    """
    types = set(map(type, cells))
    if any(issubclass(kind, _UNUSUAL) for kind in types):
        cells = [_python(cell) for cell in cells]
        types = set(map(type, cells))
    elif float in types:
        cells = [None if type(cell) is float and cell != cell else cell for cell in cells]
        types = set(map(type, cells))
    types.discard(_NONE)
    try:
        array = _MAKERS[column.kind](column, cells, types)
    except (OverflowError, ValueError):
        # Beyond what 64 bits hold, or text that Arrow's UTF-8 cannot.
        array = None
    if array is not None:
        return array
    return objects(list(map(plain, cells)) if column.kind == "list" else cells)


def infer(column: Column, cells: Sequence[Any]) -> Column:
    """Return ``column`` with the kind that its cells have in common, for values that no schema describes."""
    found = frozenset(type(value) for value in map(_python, cells) if value is not None)
    if len(found) == 1 and issubclass(kind := next(iter(found)), enum.Enum):
        levels = tuple(member.value for member in kind)
        is_plain = all(type(level) in (str, int) for level in levels)
        return msgspec.structs.replace(column, kind="category", levels=levels) if is_plain else column
    return msgspec.structs.replace(column, kind=_INFERRED.get(found, "object"))


def objects(cells: Sequence[Any]) -> pd.Series[Any]:
    """Return the cells as they are, whatever pandas would make of them."""
    array = np.empty(len(cells), dtype=object)
    for position, cell in enumerate(cells):  # One by one: numpy would read a list of lists as two dimensions.
        array[position] = cell
    return pd.Series(array, dtype=object, copy=False)


def _python(cell: Any) -> Any:
    """Return None for a missing cell, Python's own value of a numpy scalar, anything else as it is."""
    if is_missing(cell):
        return None
    if isinstance(cell, np.datetime64):
        return pd.Timestamp(cell)
    if isinstance(cell, np.timedelta64):
        return pd.Timedelta(cell)
    return cell.item() if isinstance(cell, np.generic) else cell


def _mask(cells: Sequence[Any]) -> Any:
    return np.array([cell is None for cell in cells], dtype=bool)


# One maker a kind. It is given the types of the cells that are there, and returns None where they do not fit.


def _integers(column: Column, cells: Sequence[Any], types: Types) -> Any:
    if not types <= {int}:
        return None
    values = np.array([0 if cell is None else cell for cell in cells], dtype=np.int64)
    return pd.arrays.IntegerArray(values, _mask(cells))


def _floats(column: Column, cells: Sequence[Any], types: Types) -> Any:
    if not types <= {float, int} or (int in types and not all(map(_is_float, cells))):
        return None
    values = np.array([0.0 if cell is None else cell for cell in cells], dtype=np.float64)
    return pd.arrays.FloatingArray(values, _mask(cells))


def _is_float(cell: Any) -> bool:
    return type(cell) is not int or int(float(cell)) == cell


def _booleans(column: Column, cells: Sequence[Any], types: Types) -> Any:
    if not types <= {bool}:
        return None
    return pd.arrays.BooleanArray(np.array([cell is True for cell in cells], dtype=bool), _mask(cells))


def _strings(column: Column, cells: Sequence[Any], types: Types) -> Any:
    return pd.array(cells, dtype="string") if types <= {str} else None


def _category(column: Column, cells: Sequence[Any], types: Types) -> Any:
    if types and all(issubclass(kind, enum.Enum) for kind in types):
        value_of = attrgetter("_value_")
        cells = [None if cell is None else value_of(cell) for cell in cells]
        types = set(map(type, cells)) - {_NONE}
    level_types = set(map(type, column.levels))
    if not types <= level_types:
        return None
    try:
        if len(level_types) == 1:
            codes = {None: -1} | {level: code for code, level in enumerate(column.levels)}
            found = list(map(codes.__getitem__, cells))
        else:  # 1 == True, and only one of them may be a level.
            typed = {(_NONE, None): -1} | {(type(level), level): code for code, level in enumerate(column.levels)}
            found = [typed[type(cell), cell] for cell in cells]
    except KeyError:
        return None
    return pd.Categorical.from_codes(found, dtype=pd.CategoricalDtype(list(column.levels)))


def _moments(column: Column, cells: Sequence[Any], types: Types) -> Any:
    """Settle a ``datetime`` that was declared without saying whether it has a zone, by the values."""
    if not all(issubclass(kind, datetime.datetime) for kind in types) or not _has_whole_microseconds(cells, types):
        return None
    present = [cell for cell in cells if cell is not None]
    zones = {id(zone): zone for zone in map(attrgetter("tzinfo"), present)}.values()
    aware = {zone is not None for zone in zones}
    if any(zone is not None and not isinstance(zone, datetime.timezone) for zone in zones):
        aware = {cell.utcoffset() is not None for cell in present}
    if len(aware) > 1 or (column.kind == "utc" and False in aware) or (column.kind == "naive" and True in aware):
        return None
    if column.kind == "naive" or False in aware:
        return pd.array(cells, dtype="datetime64[us]")
    if any(zone is not datetime.UTC for zone in zones):
        cells = [None if cell is None else cell.astimezone(datetime.UTC) for cell in cells]
    return pd.array(cells, dtype=_UTC)


def _dates(column: Column, cells: Sequence[Any], types: Types) -> Any:
    if not types <= {datetime.date}:
        return None
    days = np.array([0 if cell is None else cell.toordinal() - _EPOCH_DAY for cell in cells], dtype=np.int64)
    moments = days.astype("datetime64[D]").astype("datetime64[us]")
    moments[_mask(cells)] = np.datetime64("NaT")
    return pd.array(moments)


def _durations(column: Column, cells: Sequence[Any], types: Types) -> Any:
    if not all(issubclass(kind, datetime.timedelta) for kind in types) or not _has_whole_microseconds(cells, types):
        return None
    return pd.array(cells, dtype="timedelta64[us]")


def _has_whole_microseconds(cells: Sequence[Any], types: Types) -> bool:
    """Whether nothing is cut off: pandas' own types count nanoseconds."""
    if not types & {pd.Timestamp, pd.Timedelta}:
        return True
    return not any(getattr(cell, "nanosecond", getattr(cell, "nanoseconds", 0)) for cell in cells)


def _lists(column: Column, cells: Sequence[Any], types: Types) -> Any:
    return None if column.type is None else arrow_list(column.type, cells)


def _nothing(column: Column, cells: Sequence[Any], types: Types) -> Any:
    return None


_MAKERS: dict[Kind, Callable[[Column, Sequence[Any], Types], Any]] = {
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
    "any": _nothing,
    "object": _nothing,
}
