"""``df.mf`` of polars: extraction, reports and scores as methods of its tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..explain import Explanation
    from ..score import Score

__all__ = ["PolarsAccessor", "register_polars"]


class PolarsAccessor:
    """``df.mf`` of a DataFrame, LazyFrame or Series of polars; of a result, get the report, explanations and scores.

    Only the object that ``extract`` returned knows its run: polars' methods do not pass that on.
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def extract(self, schema: Any, **options: Any) -> Any:
        """Ask a model about each row, and return its answers as typed columns; see :func:`msgflux_nb.extract`."""
        from ..extract import extract

        return extract(self._data, schema, **options)

    async def aextract(self, schema: Any, **options: Any) -> Any:
        """As :meth:`extract`, to be awaited."""
        from ..extract import aextract

        return await aextract(self._data, schema, **options)

    @property
    def report(self) -> dict[str, Any]:
        """What the run did, as plain values.

        Raises:
            TypeError: the table is not a result, or a method of polars made it from one.
        """
        found: dict[str, Any] = self._pandas().mf.report
        return found

    def retry(self, *arguments: Any, **options: Any) -> Any:
        """Ask again for the failed rows of the run; see ``df.mf.retry`` of pandas."""
        return self._pandas().mf.retry(*arguments, **options)

    def explain(self, position: int) -> Explanation:
        """Return the request of the row at a position, the raw answer and the number of attempts."""
        found: Explanation = self._pandas().mf.explain(position=position)
        return found

    def score(self, truth: Any, *, fields: Sequence[str] | None = None, **options: Any) -> Score:
        """Compare the result with the truth, field by field; see :func:`msgflux_nb.score`."""
        from ..score import score

        return score(self._data, truth, fields=fields, **options)

    def confidence(self) -> Any:
        """Return the confidence of each field of each row as a DataFrame of polars; see ``df.mf.confidence``."""
        return _numbers(self._pandas().mf.confidence())

    def spans(self, texts: Any = None, *, fields: Sequence[str] | None = None) -> Any:
        """Return the result with the range of characters that each text field quotes; see ``df.mf.spans``."""
        import polars as pl

        from ..report import RUN_COLUMNS

        frame = self._pandas()
        dtypes = self._data.collect_schema().items()
        written = [name for name, dtype in dtypes if dtype == pl.String and name not in RUN_COLUMNS]
        found = frame.mf.spans(texts, fields=written if fields is None else fields)
        return self._data.with_columns(_numbers(found[found.columns[len(frame.columns) :]]).get_columns())

    def _pandas(self) -> Any:
        from .foreign import report_of_frame, to_pandas

        if report_of_frame(self._data) is None:
            raise TypeError(
                "expected a result of extract, got a table without its run, which polars' methods leave out; keep the "
                "table that extract returned, or find the run in mf.runs()"
            )
        return to_pandas(self._data)


def _numbers(frame: Any) -> Any:
    """Return a pandas table of nullable numbers as a polars table."""
    import polars as pl

    dtypes = {"Int64": pl.Int64, "Float64": pl.Float64}
    columns = []
    for name in frame.columns:
        column = frame[name]
        cells = [None if gone else cell for cell, gone in zip(column.tolist(), column.isna(), strict=True)]
        columns.append(pl.Series(name, cells, dtype=dtypes[str(column.dtype)]))
    return pl.DataFrame(columns)


def register_polars() -> None:
    """Register ``mf`` for polars' tables if polars is loaded; idempotent."""
    polars = sys.modules.get("polars")
    if not hasattr(polars, "api") or getattr(polars.DataFrame, "mf", None) is not None:  # type: ignore[union-attr]  # it has
        return
    api = polars.api  # type: ignore[union-attr]  # it is there
    for register in (
        api.register_dataframe_namespace,
        api.register_lazyframe_namespace,
        api.register_series_namespace,
    ):
        register("mf")(PolarsAccessor)
