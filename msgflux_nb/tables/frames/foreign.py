"""Tables of polars and Arrow, read through narwhals: their kind, and the cells of wanted columns."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Literal

import pandas as pd

from .ready import frame_made

__all__ = ["Foreign", "FrameKind", "foreign_of", "kind_of", "report_of_frame", "to_pandas"]

FrameKind = Literal["pandas", "arrow", "polars", "lazy", "pyarrow"]
"""``arrow``: pandas with Arrow's dtypes; ``lazy``: a LazyFrame of polars; ``pyarrow``: a Table of pyarrow."""


def kind_of(data: Any) -> FrameKind:
    """Return the kind of table for the result of some data; ``pandas`` for a list, a Series and the like."""
    polars, arrow = sys.modules.get("polars"), sys.modules.get("pyarrow")
    if isinstance(data, pd.DataFrame | pd.Series):
        dtypes = data.dtypes.tolist() if isinstance(data, pd.DataFrame) else [data.dtype]
        return "arrow" if dtypes and all(isinstance(dtype, pd.ArrowDtype) for dtype in dtypes) else "pandas"
    if polars is not None and isinstance(data, polars.LazyFrame):
        return "lazy"
    if polars is not None and isinstance(data, polars.DataFrame | polars.Series):
        return "polars"
    return "pyarrow" if arrow is not None and isinstance(data, arrow.Table) else "pandas"


def foreign_of(data: Any) -> Foreign | None:
    """Return a reader of a table of another library; None for anything else.

    Raises:
        ImportError: narwhals is not installed.
    """
    return Foreign(data) if kind_of(data) in ("polars", "lazy", "pyarrow") else None


class Foreign:
    """A table of another library.

    Args:
        data: a DataFrame, LazyFrame or Series of polars, or a Table of Arrow.

    Attributes:
        names: its columns; for a Series its name, or empty.
        is_series: whether it is a single column.
    """

    def __init__(self, data: Any) -> None:
        try:
            import narwhals as nw
        except ImportError:
            library = type(data).__module__.partition(".")[0]
            raise ImportError(
                f"to read tables of {library}, this package needs narwhals, which is not installed. Install it with: "
                'pip install "narwhals>=1.40"'
            ) from None
        frame_made()  # registers mf if polars was loaded after this package
        self._data: Any = nw.from_native(data, allow_series=True)
        self.is_series = isinstance(self._data, nw.Series)
        self._is_lazy = isinstance(self._data, nw.LazyFrame)
        if self.is_series:
            self.names = [self._data.name] if self._data.name else []
        else:
            self.names = list(self._data.collect_schema().names())

    def cells(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Return the cells of some columns as Python values; only these columns of a LazyFrame are collected."""
        wanted = list(names)
        if self.is_series:
            return dict.fromkeys(wanted, _cells(self._data))
        table = self._data.select(wanted)
        table = table.collect() if self._is_lazy else table
        return {name: _cells(table[name]) for name in wanted}


def _cells(column: Any) -> list[Any]:
    import narwhals as nw

    dtype = column.dtype
    if dtype in (nw.Datetime, nw.Duration) and dtype.time_unit == "ns":  # Python's types would cut nanoseconds off
        ticks = column.cast(nw.Int64).to_list()
        if dtype == nw.Duration:
            return [None if tick is None else pd.Timedelta(tick, unit="ns") for tick in ticks]
        zone = dtype.time_zone
        moments = [None if tick is None else pd.Timestamp(tick, unit="ns") for tick in ticks]
        if zone is None:
            return moments
        return [None if one is None else one.tz_localize("UTC").tz_convert(zone) for one in moments]
    cells: list[Any] = column.to_list()
    return cells


def to_pandas(data: Any) -> Any:
    """Return a table of another library as a DataFrame of Python values, with its report; anything else unchanged."""
    foreign = foreign_of(data)
    if foreign is None:
        return data
    from ..arrays import objects

    cells = foreign.cells(foreign.names)
    frame = pd.DataFrame({place: objects(cells[name]) for place, name in enumerate(foreign.names)})
    frame.columns = pd.Index(foreign.names)
    report = report_of_frame(data)
    if report is not None:
        frame.attrs["report"] = report
    return frame


def report_of_frame(data: Any) -> dict[str, Any] | None:
    """Return the report of a result of polars or Arrow; None if it has none."""
    if kind_of(data) == "pyarrow":
        found = (data.schema.pandas_metadata or {}).get("attributes") or {}
    else:
        found = getattr(data, "attrs", None) or {}
    report = found.get("report")
    return report if isinstance(report, dict) else None
