"""Values → a DataFrame, column by column."""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from ..content.depth import refuse_deep
from ..errors import SchemaError
from .arrays import infer, objects, to_array
from .dtypes import Column, columns
from .fields import Cells, field_names
from .frames.ready import frame_made

__all__ = ["build_frame", "exploded_frame", "frame_from_columns", "to_frame"]


def to_frame(values: Any, *, explode: str | None = None) -> pd.DataFrame:
    """Turn Structs, responses or dicts into a typed DataFrame.

    ``tables/dtypes.py`` lists the dtype of each type. Dicts have no schema: their columns are the keys in the order of
    first appearance, and a column's dtype fits all of its cells. Values that are not records, such as numbers, become
    one column, ``value``.

    Args:
        values: Structs, dataclass instances, named tuples, dicts, or responses whose ``consume()`` returns one of
            these; a single one, or several in a list or another iterable. All of one type, or tagged Structs.
        explode: a field that holds a list: one row per item, under the same index label.

    Returns:
        One row per value, in order, with a new RangeIndex; an empty frame for no values.

    Raises:
        TypeError: the values are of several types, or are not iterable.
        SchemaError: ``explode`` does not name a list.
        ValueError: a cell is nested more than 200 levels deep.

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
    frame_made()
    rows = list(_iterable(values))
    kinds = set(map(type, rows))
    if any(map(_holds_content, kinds)):
        rows = [row.consume() if _holds_content(type(row)) else row for row in rows]
        kinds = set(map(type, rows))
    if not rows:
        return pd.DataFrame()
    kind = _common_type(rows) if len(kinds) > 1 else _family(type(rows[0]))
    return _flat_enough(_frame_of(kind, rows, explode))


def _frame_of(kind: Any, rows: list[Any], explode: str | None) -> pd.DataFrame:
    if explode is not None:
        return exploded_frame(kind, rows, pd.RangeIndex(len(rows)), explode)[0]
    if kind is dict:
        return _from_mappings(rows)
    return build_frame(_described(kind), Cells(rows), pd.RangeIndex(len(rows)), guess=True)


def _flat_enough(frame: pd.DataFrame) -> pd.DataFrame:
    """Refuse cells that are nested so deep that pandas could neither show nor write them."""
    for position, dtype in enumerate(frame.dtypes):
        if dtype.kind == "O":
            for cell in frame.iloc[:, position].tolist():
                refuse_deep(cell, f"to_frame: a cell of {str(frame.columns[position])!r}", ValueError)
    return frame


def frame_from_columns(schema: Any, values: Sequence[Any], index: pd.Index[Any]) -> pd.DataFrame:
    """Return the table of ``schema``; its dtypes follow from the schema, even if cells are missing.

    Args:
        schema: a type that msgspec supports; one that is not a record gives the single column ``value``.
        values: decoded instances; None makes a row of missing cells.
        index: the index of the result, used unchanged; duplicates and a MultiIndex are kept.
    """
    return build_frame(columns(schema), Cells(values), index)


def exploded_frame(
    schema: Any, values: Sequence[Any], index: pd.Index[Any], field: str
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Return the table of ``schema`` with a list exploded, and for each row the position of its value.

    The columns of the items replace the list's: ``field``, or ``field.inner`` if items are records. A value whose list
    is missing or empty keeps one row, with missing items.

    Args:
        schema: a type that msgspec supports.
        values: decoded instances; None for a row without a value.
        index: the labels of the values.
        field: the column of the list.

    Raises:
        SchemaError: ``field`` is not a list.
    """
    found = columns(schema, explode=field)
    path = next(column.path for column in found if column.item is not None)
    cells = Cells(values).of(Column(field, path))
    lists = [tuple(cell) if isinstance(cell, list | tuple | set | frozenset) else () for cell in cells]
    positions = np.repeat(np.arange(len(values)), [len(items) or 1 for items in lists])
    items = [item for one in lists for item in (one or (None,))]
    repeated = [values[position] for position in positions.tolist()]
    return build_frame(found, Cells(repeated, items), index[positions]), positions


def build_frame(found: Sequence[Column], cells: Cells, index: pd.Index[Any], *, guess: bool = False) -> pd.DataFrame:
    """Return the table of some columns.

    Args:
        found: the columns.
        cells: the source of their cells, as many as ``index`` is long.
        index: the index of the result, used unchanged.
        guess: whether a column without a type gets a dtype that fits its cells.
    """
    frame_made()
    arrays = {}
    for column in found:
        here = cells.of(column)
        arrays[column.name] = _array(infer(column, here) if guess and column.kind == "any" else column, here)
    frame = pd.DataFrame(arrays, index=pd.RangeIndex(len(index)), copy=False)
    # By assignment: pandas would align by label, and labels may occur twice.
    frame.index = index
    return frame


def _array(column: Column, cells: Sequence[Any]) -> Any:
    """Return a column's array; of objects if an object's own code fails on the way."""
    try:
        return to_array(column, cells)
    except Exception:  # one odd value with a user's code must not cost a table that was paid for
        return objects(cells)


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


def _holds_content(kind: type) -> bool:
    """Return whether instances are responses."""
    return callable(getattr(kind, "consume", None)) and not issubclass(kind, msgspec.Struct | type)


def _common_type(rows: list[Any]) -> Any:
    """Return the type of the values; for tagged Structs, the union of their types."""
    found = dict.fromkeys(map(_family, dict.fromkeys(map(type, rows))))
    first, *others = found
    if not others:
        return first
    if all(_tag_field(kind) == _tag_field(first) is not None for kind in found):
        return functools.reduce(operator.or_, found)
    position = next(position for position, row in enumerate(rows) if _family(type(row)) is not first)
    other = _family(type(rows[position]))
    raise TypeError(
        f"to_frame: expected values of one type, got {first.__name__} at position 0 and {other.__name__} at position "
        f"{position}; make one table for each type, or tag the Structs"
    )


def _family(kind: type) -> Any:
    return dict if issubclass(kind, Mapping) else kind


def _tag_field(kind: Any) -> str | None:
    config = getattr(kind, "__struct_config__", None)
    return None if config is None or config.tag is None else config.tag_field


def _described(kind: Any) -> tuple[Column, ...]:
    """Return the columns of a type, or of its field names if the annotations cannot be read."""
    if not (field_names(kind) or isinstance(kind, types.UnionType)):
        return (Column("value", (), "any"),)
    try:
        return columns(kind)
    except SchemaError:
        # The annotations of a class inside a function may name types that only this function knows.
        return tuple(Column(name, (name,), "any") for name in field_names(kind))


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _from_mappings(rows: list[Mapping[Any, Any]]) -> pd.DataFrame:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    found = {}
    for key in keys:
        cells = [row.get(key) for row in rows]
        found[key] = to_array(infer(Column(str(key)), cells), cells)
    frame = pd.DataFrame(dict(enumerate(found.values())), index=pd.RangeIndex(len(rows)))
    frame.columns = pd.Index(keys)
    return frame
