"""A column's cells → one pandas array: its declared dtype where that holds every cell exactly, else ``object``."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from .dtypes import Column, Kind

__all__ = ["infer", "is_missing", "to_series"]

# Microseconds are datetime's own unit; pandas' older default, nanoseconds, ends in 1677 and 2262.
_DTYPES: dict[Kind, str] = {
    "integer": "Int64",
    "float": "Float64",
    "boolean": "boolean",
    "string": "string",
    "datetime": "datetime64[us]",
    "naive": "datetime64[us]",
    "utc": "datetime64[us, UTC]",
    "date": "datetime64[us]",
    "duration": "timedelta64[us]",
}
# Cells of these types, the most of them, are neither missing nor numpy's.
_PLAIN_TYPES = frozenset([str, int, bool, type(None)])
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


def to_series(column: Column, cells: Sequence[Any]) -> pd.Series[Any]:
    """Return the cells as a Series with a new RangeIndex.

    Missing cells are ``NA``, ``NaT`` or, in an ``object`` column, None.
    """
    known = [cell if type(cell) in _PLAIN_TYPES else _python(cell) for cell in cells]
    present = [cell for cell in known if cell is not None]
    if column.kind == "category":
        return _category(column.levels, known)
    kind = _zoned(present, column.kind)
    fits = _FITS.get(kind)
    if fits is None or not all(map(fits, present)):
        return _objects(known)
    try:
        if kind == "utc":
            known = [None if cell is None else cell.astimezone(datetime.UTC) for cell in known]
        return pd.Series(known, dtype=_DTYPES[kind])
    except (OverflowError, ValueError):
        # Beyond what 64 bits of microseconds hold, or text that Arrow's UTF-8 cannot.
        return _objects(known)


def infer(column: Column, cells: Sequence[Any]) -> Column:
    """Return ``column`` with the kind that its cells have in common, for values that no schema describes."""
    present = [value for value in map(_python, cells) if value is not None]
    found = frozenset(map(type, present))
    if len(found) == 1 and issubclass(next(iter(found)), enum.Enum):
        levels = tuple(member.value for member in next(iter(found)))  # type: ignore[attr-defined]  # an Enum class
        return Column(column.name, column.path, "category", levels) if _plain(levels) else column
    return Column(column.name, column.path, _INFERRED.get(found, "object"))


def _plain(levels: tuple[Any, ...]) -> bool:
    return all(type(level) in (str, int) for level in levels)


def _python(cell: Any) -> Any:
    """Return None for a missing cell, Python's own value of a numpy scalar, anything else as it is."""
    if is_missing(cell):
        return None
    if isinstance(cell, np.datetime64):
        return pd.Timestamp(cell)
    if isinstance(cell, np.timedelta64):
        return pd.Timedelta(cell)
    return cell.item() if isinstance(cell, np.generic) else cell


def _zoned(present: list[Any], kind: Kind) -> Kind:
    """Settle a ``datetime`` that was declared without saying whether it has a zone, by the values."""
    if kind != "datetime":
        return kind
    return "utc" if present and all(map(_is_aware, present)) else "naive"


def _objects(cells: list[Any]) -> pd.Series[Any]:
    array = np.empty(len(cells), dtype=object)
    for position, cell in enumerate(cells):  # One by one: numpy would read a list of lists as two dimensions.
        array[position] = cell
    return pd.Series(array, dtype=object)


def _category(levels: tuple[Any, ...], cells: list[Any]) -> pd.Series[Any]:
    codes = {(type(level), level): code for code, level in enumerate(levels)}
    values = [cell.value if isinstance(cell, enum.Enum) else cell for cell in cells]
    try:
        found = [-1 if value is None else codes[type(value), value] for value in values]
    except (KeyError, TypeError):  # Not a level; not hashable.
        return _objects(cells)
    dtype = pd.CategoricalDtype(list(levels))
    return pd.Series(pd.Categorical.from_codes(found, dtype=dtype))


def _is_aware(cell: Any) -> bool:
    return isinstance(cell, datetime.datetime) and cell.utcoffset() is not None


def _is_naive(cell: Any) -> bool:
    return isinstance(cell, datetime.datetime) and cell.utcoffset() is None


def _whole_microseconds(cell: Any) -> bool:
    return not getattr(cell, "nanosecond", getattr(cell, "nanoseconds", 0))


def _is_float(cell: Any) -> bool:
    if type(cell) is not int:
        return type(cell) is float
    try:
        return int(float(cell)) == cell
    except OverflowError:
        return False


_FITS: dict[Kind, Callable[[Any], bool]] = {
    "integer": lambda cell: type(cell) is int and -(2**63) <= cell < 2**63,
    "float": _is_float,
    "boolean": lambda cell: type(cell) is bool,
    "string": lambda cell: type(cell) is str,
    "naive": lambda cell: _is_naive(cell) and _whole_microseconds(cell),
    "utc": lambda cell: _is_aware(cell) and _whole_microseconds(cell),
    "date": lambda cell: type(cell) is datetime.date,
    "duration": lambda cell: isinstance(cell, datetime.timedelta) and _whole_microseconds(cell),
}
