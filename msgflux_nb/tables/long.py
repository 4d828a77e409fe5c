"""A wide table, one column a field → a long one, one row a cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .arrays import objects
from .report import RUN_COLUMNS, named_columns

__all__ = ["to_long"]


def to_long(frame: pd.DataFrame, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row for each cell, under its row's label: ``field`` and ``value``.

    Rows stand in their order, and each one's fields in the columns' order; ``field`` is a category in that order.
    Values are Python's own, since those of a column have not all one type.

    Args:
        frame: the frame of :func:`extract`, or any other.
        fields: which columns; None for all but those about the run.

    Raises:
        KeyError: a field is not there.

    Example:
        >>> to_long(pd.DataFrame({"city": ["Ghent"], "people": [265_086]}, index=["a"]))
            field   value
        a    city   Ghent
        a  people  265086
    """
    everything = [name for name in frame.columns if name not in RUN_COLUMNS]
    names = everything if fields is None else named_columns(frame, fields)
    cells = [frame[name].tolist() for name in names]
    codes = np.tile(np.arange(len(names)), len(frame))
    table = pd.DataFrame(
        {
            "field": pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(names)),
            "value": objects([cell for row in zip(*cells, strict=True) for cell in row]),
        }
    )
    table.index = frame.index.repeat(len(names))
    return table
