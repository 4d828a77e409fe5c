"""``df.mf``: extraction, corrections, scores and reports as methods of a table.

Importing this module registers the accessors; the code behind a method is loaded when it is first used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from .frames.namespace import register_polars

if TYPE_CHECKING:
    from .explain import Explanation
    from .options import Options
    from .score import Score

__all__ = ["FrameAccessor", "SeriesAccessor", "register"]


class SeriesAccessor:
    """``series.mf``: ask a model about each cell."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def extract(self, schema: Any, *, progress: bool = True, **options: Unpack[Options]) -> pd.DataFrame:
        """Ask a model about each row, and return its answers as typed columns; see :func:`msgflux_nb.extract`."""
        from .extract import extract

        return extract(self._data, schema, progress=progress, **options)

    async def aextract(self, schema: Any, *, progress: bool = True, **options: Unpack[Options]) -> pd.DataFrame:
        """As :meth:`extract`, to be awaited."""
        from .extract import aextract

        return await aextract(self._data, schema, progress=progress, **options)


class FrameAccessor(SeriesAccessor):
    """``df.mf``: ask a model about each row; of a result, get the report, explanations, scores and corrections.

    A result, and any selection of its rows, knows its run by ``attrs["report"]``.
    """

    @property
    def report(self) -> dict[str, Any]:
        """What the run did, as plain values.

        Raises:
            TypeError: the table is not a result.
        """
        report = self._data.attrs.get("report")
        if not isinstance(report, dict):
            raise TypeError(
                "expected a result of extract, got a frame without attrs['report']. Merging or grouping makes a new "
                "table: use the one that extract returned, or find its run with mf.runs()."
            )
        return report

    def retry(
        self,
        data: Any = None,
        schema: Any = None,
        *,
        states: Iterable[str] | None = None,
        progress: bool = True,
        **options: Unpack[Options],
    ) -> pd.DataFrame:
        """Ask again for the failed rows of the run, even if an unusable answer was paid for.

        Args:
            data: the run's data, needed if its kernel has ended.
            schema: the run's schema, needed if its kernel has ended.
            states: states of the rows to ask again; None for ``invalid``, ``refused``, ``truncated`` and ``failed``.
            progress: whether to show a progress bar.
            options: ``model``, ``on_error``, ``max_concurrency``, ``rpm``, ``tpm`` or ``max_cost``, to change them: for
                instance a model with a larger context.

        Returns:
            The whole frame, with all rows of the run.

        Raises:
            ValueError: a state does not exist.
            StoreError: the run is no longer known, or its data, schema or model have to be given again.
            RuntimeError: the run has not ended.
        """
        from .runs import retry

        return retry(self._data, data, schema, states=states, progress=progress, **options)

    def explain(self, row: Any = None, *, position: int | None = None, piece: int | None = None) -> Explanation:
        """Return the request of a row, the raw answer and the number of attempts; a notebook displays them.

        Args:
            row: the row's label in the index.
            position: instead of a label, the row's place in the input.
            piece: the number of a piece, from 0, of a row that was read in pieces; None for the first that went wrong.

        Raises:
            KeyError: there is no such label.
            IndexError: there is no such position or piece.
            ValueError: the label stands for several rows; the message names their positions.
            StoreError: the run is no longer known.
            TypeError: the table is not a result.
        """
        from .explain import explain

        return explain(self._data, row, position=position, piece=piece)

    def confidence(self) -> pd.DataFrame:
        """Return the confidence of each field of each row: one column per field, from 0 to 1, missing if unknown.

        Needs a result of ``extract(..., confidence=True)`` or ``confidence=N``. With ``True`` the confidence of a value
        is the probability of its tokens; a ``Literal``, an Enum or a ``bool`` is compared with the other legal values.
        With a number it is the share of the answers that agree.

        Raises:
            ValueError: confidence was not asked for.
            StoreError: the run's kernel has ended.
        """
        from .judging.confidence import confidence_frame

        return confidence_frame(self._data)

    def score(self, truth: Any, *, fields: Sequence[str] | None = None, **options: Any) -> Score:
        """Compare the result with the truth, field by field; see :func:`msgflux_nb.score`.

        The truth of a review is compared with the model's answers, without later corrections.
        """
        from .score import score

        found = self._data
        if isinstance(truth, pd.DataFrame) and truth.attrs.get("reviewed"):
            from .reviewing.answered import as_answered

            found = as_answered(found)
        return score(found, truth, fields=fields, **options)

    def correct(self, row: Any, field: str | None, value: Any, *, position: int | None = None) -> pd.DataFrame:
        """Return the result with one cell corrected, and keep the correction with the answer.

        It is kept in the run's store and applies to every row with the same texts that is read with a schema of this
        name, also with another model, prompt or examples. The answer itself does not change; :meth:`corrections`
        shows both.

        Args:
            row: the row's label; None with ``position``.
            field: a column of the schema; a record's name for the whole record; None for the whole answer.
            value: the right value; it must fit the field's type.
            position: instead of a label, the row's place in the input.

        Raises:
            KeyError: there is no such label or field.
            IndexError: there is no such position.
            ValueError: the value does not fit, the label stands for several rows, or the result is exploded.
            StoreError: the run's kernel has ended.
        """
        from .review import correct

        return correct(self._data, row, field, value, position=position)

    def corrections(self) -> pd.DataFrame:
        """Return the corrections of the result as columns ``field, was, now``, under the rows' labels.

        Raises:
            StoreError: the run's kernel has ended.
        """
        from .review import corrections

        return corrections(self._data)

    def examples(self) -> list[tuple[str | dict[str, str], Any]]:
        """Return the corrected rows for ``examples=``: pairs of a row and the right answer.

        Left out are rows with images or files, and rows without an answer of which only some fields were corrected.

        Raises:
            StoreError: the run's kernel has ended.
        """
        from .review import examples

        return examples(self._data)

    def spans(self, texts: Any = None, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the result with the range of characters that each text field quotes, missing if it quotes none.

        Args:
            texts: the texts that the rows were extracted from: a Series with the same labels, a list in the rows'
                order, or the name of a column of the input; None if a row has only one text.
            fields: the columns to look for; None for all texts.

        Raises:
            StoreError: the texts are not given, and the run's kernel has ended.
            ValueError: the texts do not belong to the rows, or a row has several texts and ``texts`` names none.
        """
        from .review import spans

        return spans(self._data, texts, fields=fields)

    def scores(self, score: Any = None) -> pd.DataFrame:
        """Return the score of each prompt and model of a grid.

        Args:
            score: a truth or a function, as :func:`msgflux_nb.grid` takes them; None for the grid's own.

        Returns:
            One row per prompt and model: ``score`` from 0 to 1 with its 95 % interval (``low``, ``high``; Wilson), the
            number of ``answers`` and how many were ``right`` or ``failed``, their total ``cost`` in US dollars, and
            the mean ``seconds`` of one answer. An answer that was already known counts with its first cost and time.

        Raises:
            TypeError: the table is not a grid.
            StoreError: ``score`` is given, and the grid's kernel has ended.
        """
        from .grid.accessor import scores

        return scores(self._data, score)

    def cells(self) -> pd.DataFrame:
        """Return one row per answer of a grid, under its input's label.

        The columns are ``prompt``, ``model``, ``sample``, the answer, and those that :func:`msgflux_nb.extract` adds.

        Raises:
            TypeError: the table is not a grid.
            StoreError: the grid's kernel has ended.
        """
        from .grid.accessor import cells

        return cells(self._data)

    def to_csv(self, path: Any = None, **options: Any) -> str | None:
        """Write the table as CSV without live formulas: to a file, or return it as text without a ``path``.

        Args:
            path: a file, or None for the text.
            options: options of :meth:`pandas.DataFrame.to_csv` with which a spreadsheet reads the same cells.

        Raises:
            ValueError: an option that would let a text begin a new cell or lose its first character.
        """
        from .formats.export import to_csv

        return to_csv(self._data, path, **options)

    def to_excel(self, path: Any, *, sheet_name: str = "Sheet1", index: bool = True) -> None:
        """Write the table as an Excel file without live formulas; needs openpyxl.

        Args:
            path: a file, ``.xlsx``, or a binary file object.
            sheet_name: the name of the sheet.
            index: whether to write the labels, as the first columns.

        Raises:
            ImportError: openpyxl is not installed.
            ValueError: there are more rows or columns than a sheet has, or Excel does not allow ``sheet_name``.
        """
        from .formats.export import to_excel

        to_excel(self._data, path, sheet_name=sheet_name, index=index)

    def to_long(self, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row per cell of the schema's fields, as ``field`` and ``value`` under the row's label."""
        from .long import to_long

        return to_long(self._data, fields=fields)


def register() -> None:
    """Register ``mf`` for DataFrames and Series of pandas, and of Dask and polars if they are loaded; idempotent."""
    register_polars()
    if "dask.dataframe" in sys.modules:
        from .distributed.dask import register as register_dask

        register_dask()
    # read_parquet then restores our columns even if nothing else of this package is used.
    if sys.modules.get("pyarrow") is not None:
        from .formats.marked import register_arrow_type

        register_arrow_type()
    if getattr(pd.DataFrame, "mf", None) is not FrameAccessor:
        pd.api.extensions.register_dataframe_accessor("mf")(FrameAccessor)
    if getattr(pd.Series, "mf", None) is not SeriesAccessor:
        pd.api.extensions.register_series_accessor("mf")(SeriesAccessor)


register()
