"""A batch's result → a table of the same kind as its data: pandas (with Arrow's dtypes too), polars or Arrow."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import python_value
from ..dtypes import Column, columns
from ..formats.values import ValuesDtype, plain_table
from ..report import ROW
from .foreign import FrameKind
from .polars_types import polars_dtype, polars_series

__all__ = ["given_back"]


def given_back(frame: pd.DataFrame, kind: FrameKind, schema: Any, explode: str | None = None) -> Any:
    """Return a result as a table of a kind.

    polars and Arrow have no index: if rows were sampled or exploded, a column ``_row`` has their positions in the data.

    Args:
        frame: the result of a batch.
        kind: the kind of table.
        schema: the type of the answers.
        explode: the field that was exploded, or None.
    """
    if kind == "pandas":
        return frame
    known = {column.name: column for column in columns(schema, explode)}
    if kind == "arrow":
        return _with_arrow_dtypes(frame, known)
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        frame = frame.assign(**{ROW: pd.array(frame.index.tolist(), dtype="Int64")})
    if kind == "pyarrow":
        return _arrow_table(frame, known)
    return _polars_frame(frame, known, lazy=kind == "lazy")


def _polars_frame(frame: pd.DataFrame, known: dict[str, Column], *, lazy: bool) -> Any:
    import polars as pl

    found = []
    for name in frame.columns:
        column, cells = known.get(name), _python(frame[name])
        if column is not None and column.kind == "date":
            cells = _days(cells)
        dtype = _dtype_of(frame[name], cells) if column is None or column.kind == "datetime" else polars_dtype(column)
        found.append(polars_series(str(name), cells, dtype))
    table: Any = pl.DataFrame(found)
    table = table.lazy() if lazy else table
    table.attrs = dict(frame.attrs)  # polars keeps this attribute, but its methods do not pass it on
    return table


def _dtype_of(column: pd.Series[Any], cells: Sequence[Any]) -> Any:
    """Return the dtype of a column about the run, or of datetimes whose time zone depends on the values."""
    import polars as pl

    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return pl.Enum(dtype.categories.tolist())
    if isinstance(dtype, ValuesDtype):
        return None
    if dtype.kind == "M":
        return pl.Datetime("us", "UTC" if isinstance(dtype, pd.DatetimeTZDtype) else None)
    return {"Int64": pl.Int64, "Float64": pl.Float64, "boolean": pl.Boolean}.get(str(dtype), pl.String)


def _arrow_table(frame: pd.DataFrame, known: dict[str, Column]) -> Any:
    import pyarrow as pa

    table = plain_table(pa.Table.from_pandas(frame, preserve_index=False))
    for place, name in enumerate(frame.columns):
        column = known.get(name)
        if column is not None and column.kind == "date" and frame[name].dtype.kind == "M":
            table = table.set_column(place, name, table.column(place).cast(pa.date32()))
    return table


def _with_arrow_dtypes(frame: pd.DataFrame, known: dict[str, Column]) -> pd.DataFrame:
    """Return a frame with Arrow's dtypes, except for categories and columns that Arrow does not hold exactly."""
    import pyarrow as pa

    types: dict[str, Any] = {"Int64": pa.int64(), "Float64": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
    types |= {"datetime64[us, UTC]": pa.timestamp("us", tz="UTC"), "datetime64[us]": pa.timestamp("us")}
    types["timedelta64[us]"] = pa.duration("us")
    table = frame.copy(deep=False)
    for place, name in enumerate(frame.columns):
        kind = types.get("string" if isinstance(frame[name].dtype, pd.StringDtype) else str(frame[name].dtype))
        cells = _python(frame[name])
        if name in known and known[name].kind == "date" and frame[name].dtype.kind == "M":
            kind, cells = pa.date32(), _days(cells)
        if kind is not None:
            table.isetitem(place, pd.array(pa.array(cells, type=kind), dtype=pd.ArrowDtype(kind)))
    return table


def _python(column: pd.Series[Any]) -> list[Any]:
    """Return the cells as Python values, None for a missing one."""
    return [_plain(python_value(cell)) for cell in column.tolist()]


def _plain(cell: Any) -> Any:
    if isinstance(cell, pd.Timestamp):
        return cell.to_pydatetime(warn=False)
    if isinstance(cell, pd.Timedelta):
        return cell.to_pytimedelta()
    return cell.tolist() if isinstance(cell, np.ndarray) else cell


def _days(cells: Sequence[Any]) -> list[Any]:
    return [cell.date() if isinstance(cell, datetime.datetime) else cell for cell in cells]
