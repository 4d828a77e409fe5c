"""``df.mf``: what ``extract`` and its results offer, at the table itself.

Importing this registers it; what it does is loaded when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

if TYPE_CHECKING:
    from .explain import Explanation
    from .run import Options

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
    """``df.mf``: ask a model about each row; of a result, also what came of it.

    A result, and whatever rows are taken of it, knows its run by ``attrs["report"]``.
    """

    @property
    def report(self) -> dict[str, Any]:
        """What the run did, as plain values.

        Raises:
            TypeError: this is no result.
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
        """Ask again for the rows of the run that failed, also where an answer that is no good was paid for.

        Args:
            data: the run's data again, where the kernel that had it has ended.
            schema: likewise its schema.
            states: how the rows ended that are asked for again; None for ``invalid``, ``refused``, ``truncated`` and
                ``failed``.
            progress: whether to show a progress bar.
            options: ``model``, ``on_error``, ``max_concurrency``, ``rpm``, ``tpm`` or ``max_cost``, if it is to be
                another than it was: a model with more context, say.

        Returns:
            The whole frame, with all rows of the run.

        Raises:
            StoreError: the run is not known any more, or its data, schema or model have to be given again.
        """
        from .runs import retry

        if states is None:
            return retry(self._data, data, schema, progress=progress, **options)
        return retry(self._data, data, schema, states=states, progress=progress, **options)

    def explain(self, row: Any = None, *, position: int | None = None) -> Explanation:
        """Return what was asked for a row, the raw answer, and how many attempts it took; it shows itself.

        Args:
            row: the row's label in the index.
            position: instead of a label, the row's place in the input.

        Raises:
            KeyError: there is no such label.
            ValueError: the label stands for several rows; the message names their positions.
            StoreError: the run is not known any more.
        """
        from .explain import explain

        return explain(self._data, row, position=position)


def register() -> None:
    """Give DataFrames and Series their ``mf``; calling it again changes nothing."""
    if getattr(pd.DataFrame, "mf", None) is not FrameAccessor:
        pd.api.extensions.register_dataframe_accessor("mf")(FrameAccessor)
    if getattr(pd.Series, "mf", None) is not SeriesAccessor:
        pd.api.extensions.register_series_accessor("mf")(SeriesAccessor)


register()
