"""Values → a DataFrame, column by column."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from ..errors import SchemaError
from .arrays import infer, to_series
from .dtypes import Column, columns

__all__ = ["frame_from_columns", "to_frame"]


def to_frame(values: Any) -> pd.DataFrame:
    """Turn Structs, responses or dicts into a typed DataFrame.

    ``tables/dtypes.py`` lists which type becomes which dtype. Dicts have no schema: their columns are the keys in
    order of first appearance, and the dtype is what a column's cells have in common. Values that are no records (a
    list of numbers, say) become one column, ``value``.

    Args:
        values: Structs, dataclass instances, named tuples, dicts, or responses whose ``consume()`` gives one of
            these; in a list or any other iterable, or a single one. All of one type.

    Returns:
        One row per value, in order, with a new RangeIndex; an empty frame for no values.

    Raises:
        TypeError: the values are of several types, or there is nothing to iterate over.

    Example:
        >>> import msgspec
        >>> class City(msgspec.Struct):
        ...     name: str
        ...     people: int | None
        >>> to_frame([City("Ghent", 265_086), City("Ur", None)])
            name  people
        0  Ghent  265086
        1     Ur    <NA>
    """
    rows = [_content(value) for value in _iterable(values)]
    if not rows:
        return pd.DataFrame()
    _check_types(rows)
    if isinstance(rows[0], Mapping):
        return _from_mappings(rows)
    found = [
        infer(column, [column.cell(row) for row in rows]) if column.kind == "any" else column
        for column in _described(rows[0])
    ]
    return _build(found, rows, pd.RangeIndex(len(rows)))


def frame_from_columns(schema: Any, values: Sequence[Any], index: pd.Index[Any]) -> pd.DataFrame:
    """Return the table of ``schema``: its dtypes follow from the schema, whatever is missing.

    Args:
        schema: a type that msgspec knows; one that is no record gives the single column ``value``.
        values: decoded instances; None makes a row of missing cells.
        index: the index of the result, taken as it is; duplicates and a MultiIndex are kept.
    """
    return _build(columns(schema), values, index)


def _build(found: Sequence[Column], values: Sequence[Any], index: pd.Index[Any]) -> pd.DataFrame:
    series = {column.name: to_series(column, [column.cell(value) for value in values]) for column in found}
    frame = pd.DataFrame(series, index=pd.RangeIndex(len(values)))
    # By assignment, since pandas would align by label, and labels may be there twice.
    frame.index = index
    return frame


def _iterable(values: Any) -> Iterable[Any]:
    single = isinstance(values, (msgspec.Struct, Mapping)) or hasattr(values, "consume") or _is_named_tuple(values)
    if single or (dataclasses.is_dataclass(values) and not isinstance(values, type)):
        return [values]
    if isinstance(values, pd.DataFrame):
        raise TypeError("to_frame: expected values, got a DataFrame, which needs no conversion")
    if isinstance(values, (str, bytes, type)) or not isinstance(values, Iterable):
        raise TypeError(
            "to_frame: expected Structs, responses or dicts, or a list of them, "
            f"got {values if isinstance(values, type) else type(values).__name__!r}"
        )
    return values


def _content(value: Any) -> Any:
    """Return what a response holds; any other value as it is."""
    consume = None if isinstance(value, (msgspec.Struct, type)) else getattr(value, "consume", None)
    return consume() if callable(consume) else value


def _check_types(rows: list[Any]) -> None:
    expected = _family(rows[0])
    for position, row in enumerate(rows):
        if _family(row) is not expected:
            raise TypeError(
                f"to_frame: expected values of one type, got {expected.__name__} at position 0 "
                f"and {_family(row).__name__} at position {position}; make one table for each type"
            )


def _family(row: Any) -> type:
    return dict if isinstance(row, Mapping) else type(row)


def _described(row: Any) -> tuple[Column, ...]:
    """Return the columns of a value's type, or of its field names where the annotations cannot be read."""
    kind = type(row)
    if not (isinstance(row, msgspec.Struct) or dataclasses.is_dataclass(row) or _is_named_tuple(row)):
        return (Column("value", (), "any"),)
    try:
        return columns(kind)
    except SchemaError:
        # A class made inside a function may name types that only that function knows.
        names = [field.name for field in dataclasses.fields(row)] if dataclasses.is_dataclass(row) else None
        return tuple(Column(name, (name,), "any") for name in names or _field_names(kind))


def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(getattr(kind, "__struct_fields__", None) or kind._fields)


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _from_mappings(rows: list[Mapping[Any, Any]]) -> pd.DataFrame:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    found = {}
    for key in keys:
        cells = [row.get(key) for row in rows]
        found[key] = to_series(infer(Column(str(key)), cells), cells)
    frame = pd.DataFrame(dict(enumerate(found.values())), index=pd.RangeIndex(len(rows)))
    frame.columns = pd.Index(keys)
    return frame
