"""A wide table with one column per field → a long one with one row per cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .arrays import objects
from .report import RUN_COLUMNS, named_columns

__all__ = ["to_long"]


def to_long(frame: pd.DataFrame, *, fields: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row per cell, as ``field`` and ``value`` under the row's label.

    Rows keep their order, and fields the order of columns; ``field`` is a category in that order. Values are Python
    values, since the fields have different types.

    Args:
        frame: the frame of :func:`extract`, or any other.
        fields: the columns to use; None for all except those about the run.

    Raises:
        KeyError: a field does not exist.

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
