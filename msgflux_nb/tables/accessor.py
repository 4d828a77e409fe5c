"""``df.mf``: what ``extract`` and its results offer, at the table itself.

Importing this registers it; what it does is loaded when it is used.
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
    """``df.mf``: ask a model about each row; a result also tells about its run.

    A result, and whatever rows are taken of it, knows its run by ``attrs["report"]``.
    """

    @property
    def report(self) -> dict[str, Any]:
        """What the run did, as plain values.

        Raises:
            TypeError: this is not a result.
        """
        report = self._data.attrs.get("report")
        if not isinstance(report, dict):
            raise TypeError("expected a result of extract, got a frame without attrs['report']")
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
            data: the run's data again, if the kernel that had it has ended.
            schema: likewise its schema.
            states: how the rows ended that are asked for again; None for ``invalid``, ``refused``, ``truncated`` and
                ``failed``.
            progress: whether to show a progress bar.
            options: ``model``, ``on_error``, ``max_concurrency``, ``rpm``, ``tpm`` or ``max_cost``, if it is to be
                another than it was: a model with more context, say.

        Returns:
            The whole frame, with all rows of the run.

        Raises:
            ValueError: a state is none.
            StoreError: the run is not known any more, or its data, schema or model have to be given again.
            RuntimeError: it is still running.
        """
        from .runs import retry

        return retry(self._data, data, schema, states=states, progress=progress, **options)

    def explain(self, row: Any = None, *, position: int | None = None, piece: int | None = None) -> Explanation:
        """Return what was asked for a row, the raw answer, and how many attempts it took; it shows itself.

        Args:
            row: the row's label in the index.
            position: instead of a label, the row's place in the input.
            piece: of a row that was read in pieces, which of them, from 0; None for the first that is not well.

        Raises:
            KeyError: there is no such label.
            IndexError: there is no such position or piece.
            ValueError: the label stands for several rows; the message names their positions.
            StoreError: the run is not known any more.
            TypeError: this is not a result.
        """
        from .explain import explain

        return explain(self._data, row, position=position, piece=piece)

    def confidence(self) -> pd.DataFrame:
        """Return how sure each field of each row is: a column a field, from 0 to 1, missing if it is not known.

        Needs a result of ``extract(..., confidence=True)``, or of a number of answers. For ``True`` a value is as
        sure as the tokens that it was written in; a ``Literal``, an Enum or a ``bool`` is compared with the other
        legal values. For a number it is the share of the answers that say the same.

        Raises:
            ValueError: confidence was not asked for.
            StoreError: the run's kernel has ended.
        """
        from .judging.confidence import confidence_frame

        return confidence_frame(self._data)

    def score(self, truth: Any, *, fields: Sequence[str] | None = None, **options: Any) -> Score:
        """Compare the result with the truth, field by field; see :func:`msgflux_nb.score`.

        The truth of a review is compared with what the model answered, and not with what was set right since.
        """
        from .score import score

        found = self._data
        if isinstance(truth, pd.DataFrame) and truth.attrs.get("reviewed"):
            from .reviewing.answered import as_answered

            found = as_answered(found)
        return score(found, truth, fields=fields, **options)

    def correct(self, row: Any, field: str | None, value: Any, *, position: int | None = None) -> pd.DataFrame:
        """Return the result with one cell corrected, and keep the correction with the answer.

        It is kept in the run's store, and holds for every row of the same texts that is read as a schema of this name:
        the same call comes back corrected, also with another model, prompt or examples. The answer itself is not
        touched; :meth:`corrections` shows both.

        Args:
            row: the row's label; None with ``position``.
            field: a column of the schema; a record's name for the record as a whole; None for all of the answer.
            value: what is right; it must fit the field's type.
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
        """Return what was corrected in the result: ``field, was, now``, under the rows' labels.

        Raises:
            StoreError: the run's kernel has ended.
        """
        from .review import corrections

        return corrections(self._data)

    def examples(self) -> list[tuple[str | dict[str, str], Any]]:
        """Return the rows that were corrected, for ``examples=``: pairs of a row and the right answer.

        Rows with images or files are left out, and rows without an answer in which some fields only were set right.

        Raises:
            StoreError: the run's kernel has ended.
        """
        from .review import examples

        return examples(self._data)

    def spans(self, texts: Any = None, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the result with the range of characters that each text field quotes, or nothing if it does not.

        Args:
            texts: what the rows were extracted from: a Series with the same labels, or a list in the rows' order; the
                name of a column of the input; None if a row has one text only.
            fields: which columns; None for all texts.

        Raises:
            StoreError: the texts are not given, and the run's kernel has ended.
            ValueError: the texts do not belong to the rows, or a row has several and none is named.
        """
        from .review import spans

        return spans(self._data, texts, fields=fields)

    def scores(self, score: Any = None) -> pd.DataFrame:
        """Return what each prompt and model of a grid scored.

        Args:
            score: a truth or a function, as :func:`msgflux_nb.grid` takes them; None for the one that it was given.

        Returns:
            A row for each prompt and model: ``score`` from 0 to 1 with its 95 % interval (``low``, ``high``; Wilson),
            how many ``answers`` were ``right`` or ``failed``, their ``cost`` in US dollars together, and ``seconds``
            for one on average; of an answer that was known already, what it took when it was asked for.

        Raises:
            TypeError: this is not a grid.
            StoreError: ``score`` is given, and the grid's kernel has ended.
        """
        from .grid.accessor import scores

        return scores(self._data, score)

    def cells(self) -> pd.DataFrame:
        """Return a row for each answer of a grid, under its input's label.

        Its columns are ``prompt``, ``model``, ``sample``, the answer, and those that :func:`msgflux_nb.extract` adds.

        Raises:
            TypeError: this is not a grid.
            StoreError: the grid's kernel has ended.
        """
        from .grid.accessor import cells

        return cells(self._data)

    def to_csv(self, path: Any = None, **options: Any) -> str | None:
        """Write the table as CSV without live formulas; takes what :meth:`pandas.DataFrame.to_csv` takes."""
        from .formats.export import to_csv

        return to_csv(self._data, path, **options)

    def to_excel(self, path: Any, *, sheet_name: str = "Sheet1", index: bool = True) -> None:
        """Write the table as an Excel file without live formulas; needs openpyxl."""
        from .formats.export import to_excel

        to_excel(self._data, path, sheet_name=sheet_name, index=index)

    def to_long(self, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row for each cell of the schema's fields, under its row's label: ``field`` and ``value``."""
        from .long import to_long

        return to_long(self._data, fields=fields)


def register() -> None:
    """Give DataFrames and Series their ``mf``, Dask's and polars' too if they are loaded; again changes nothing."""
    register_polars()
    if "dask.dataframe" in sys.modules:
        from .distributed.dask import register as register_dask

        register_dask()
    # So that read_parquet knows our columns where nothing else of ours was asked for.
    if sys.modules.get("pyarrow") is not None:
        from .formats.marked import register_arrow_type

        register_arrow_type()
    if getattr(pd.DataFrame, "mf", None) is not FrameAccessor:
        pd.api.extensions.register_dataframe_accessor("mf")(FrameAccessor)
    if getattr(pd.Series, "mf", None) is not SeriesAccessor:
        pd.api.extensions.register_series_accessor("mf")(SeriesAccessor)


register()
