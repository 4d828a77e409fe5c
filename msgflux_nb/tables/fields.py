"""Values → the cells of one field of all values: a table is built column by column."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from .dtypes import Column

__all__ = ["Cells", "TypedRecords", "field_names", "field_of", "is_missing", "plain", "plain_all", "python_value"]

_NONE = type(None)
_LEAVES = {str, int, float, bool, _NONE}
_SEQUENCES = {list, tuple, set, frozenset}


class Cells:
    """The cells of some values, by column; a record that several columns share is looked up once.

    Args:
        values: decoded instances; None for what is missing.
        items: for columns of an exploded list, the item of each row.
    """

    def __init__(self, values: Sequence[Any], items: Sequence[Any] = ()) -> None:
        self._records: dict[tuple[bool, tuple[str, ...]], TypedRecords] = {
            (False, ()): TypedRecords(values),
            (True, ()): TypedRecords(items),
        }

    def of(self, column: Column) -> Sequence[Any]:
        """Return a column's cells; a cell is None if a record on its path is missing."""
        path = column.path if column.item is None else column.item
        of_item = column.item is not None
        if column.tags:
            tags = dict(column.tags)
            return [tags.get(type(record)) for record in self._reach(of_item, path).values]
        return self._reach(of_item, path[:-1]).take(path[-1]) if path else self._records[of_item, ()].values

    def _reach(self, of_item: bool, path: tuple[str, ...]) -> TypedRecords:
        if (of_item, path) not in self._records:
            self._records[of_item, path] = TypedRecords(self._reach(of_item, path[:-1]).take(path[-1]))
        return self._records[of_item, path]


class TypedRecords:
    """Some records, most of them of one type.

    Args:
        values: the records; None for a missing one.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        kinds = set(map(type, values))
        self._complete = _NONE not in kinds
        kinds.discard(_NONE)
        self._names = field_names(kinds.pop()) if len(kinds) == 1 else ()

    def take(self, name: str) -> list[Any]:
        """Return one field of each record; None if the record or the field is missing."""
        if name not in self._names:
            return [field_of(record, name) for record in self.values]
        get = attrgetter(name)
        if self._complete:
            return list(map(get, self.values))
        return [None if record is None else get(record) for record in self.values]


def field_of(record: Any, name: str) -> Any:
    """Return one field of a record; None if it has no such field, or is not a record."""
    if isinstance(record, Mapping):
        return record.get(name)
    return getattr(record, name) if name in field_names(type(record)) else None


def field_names(kind: Any) -> tuple[str, ...]:
    """Return the names of a record class's fields; empty if it is not a record."""
    return _field_names(kind)


@functools.lru_cache(maxsize=1024)
def _field_names(kind: Any) -> tuple[str, ...]:
    for attribute in ("__struct_fields__", "_fields", "__dataclass_fields__"):
        if names := getattr(kind, attribute, ()):
            return tuple(names)
    return ()


def plain(value: Any) -> Any:
    """Return a value with lists for sequences, dicts for records, and the values of Enums.

    A tagged Struct's dict begins with its tag, as it does in JSON.
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if issubclass(kind, (list, tuple, set, frozenset)) and not hasattr(kind, "_fields"):
        return [plain(item) for item in value]
    if issubclass(kind, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if names := field_names(kind):
        return _tag(kind) | {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    return python_value(value)


def plain_all(values: Sequence[Any]) -> list[Any]:
    """Return :func:`plain` of each value; works level by level, which is fast for many items of one type."""
    kinds = set(map(type, values))
    if kinds <= _LEAVES:
        return list(values)
    present = [value for value in values if value is not None]
    kinds.discard(_NONE)
    if kinds <= _SEQUENCES:
        found = list(chain.from_iterable(present))
        if set(map(type, found)) <= _LEAVES:
            return [None if value is None else list(value) for value in values]
        items = iter(plain_all(found))
        return [None if value is None else list(islice(items, len(value))) for value in values]
    if len(kinds) == 1 and (names := field_names(next(iter(kinds)))):
        records = iter(_dicts(next(iter(kinds)), names, present))
        return [None if value is None else next(records) for value in values]
    return list(map(plain, values))


def _dicts(kind: Any, names: Sequence[str], records: list[Any]) -> list[dict[str, Any]]:
    """Return the dicts of records of one class."""
    columns = [list(map(attrgetter(name), records)) for name in names]
    tag = _tag(kind)
    if not tag and issubclass(kind, msgspec.Struct) and all(set(map(type, column)) <= _LEAVES for column in columns):
        return list(map(msgspec.structs.asdict, records))
    return [tag | dict(zip(names, row, strict=True)) for row in zip(*map(plain_all, columns), strict=True)]


def _tag(kind: Any) -> dict[str, Any]:
    config = getattr(kind, "__struct_config__", None)
    return {} if config is None or config.tag is None else {config.tag_field: config.tag}


def is_missing(cell: Any) -> bool:
    """Return whether a cell is missing: None, ``UNSET``, pandas' ``NA`` and ``NaT``, a float NaN."""
    if cell is None or cell is msgspec.UNSET or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return isinstance(cell, (float, np.floating)) and bool(cell != cell)


def python_value(cell: Any) -> Any:
    """Return None for a missing cell, Python's value of a numpy scalar, anything else unchanged."""
    if is_missing(cell):
        return None
    if isinstance(cell, np.datetime64):
        return pd.Timestamp(cell)
    if isinstance(cell, np.timedelta64):
        return pd.Timedelta(cell)
    return cell.item() if isinstance(cell, np.generic) else cell
