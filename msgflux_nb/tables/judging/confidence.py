"""The confidence of a result as a table: one column per field, from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...errors import MsgfluxError, StoreError
from ..dtypes import columns
from ..labels import label_place
from ..ledger import Ledger
from ..report import CONFIDENCE
from ..runs import find_run

__all__ = ["confidence_frame", "confidence_or_none"]


def confidence_frame(result: pd.DataFrame) -> pd.DataFrame:
    """Return the confidence of each field of each row; see ``df.mf.confidence``."""
    run = find_run(result).live
    if run is None:
        raise StoreError(
            "the kernel of this run has ended, so its rows are not in memory. Repeat the call first; answers in its "
            "store are not paid for again"
        )
    ledger: Ledger = run.settled()
    if ledger.sure is None:
        raise ValueError("this result was extracted without confidence=; extract again with confidence=True, or =3")
    index = run.rows.index
    same = result.index.equals(index)
    places = range(len(index)) if same else [label_place(index, label) for label in result.index]
    sure: list[dict[str, float]] = [ledger.sure.get(place, {}) for place in places]
    names = [column.name for column in columns(run.schema)]
    table = pd.DataFrame({name: _floats([one.get(name) for one in sure]) for name in names})
    table.index = result.index
    return table


def confidence_or_none(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Return the confidence of each field of a result; None if it is unknown or the table is not a result."""
    if CONFIDENCE not in frame.columns:
        return None
    try:
        return confidence_frame(frame)
    except (MsgfluxError, KeyError, TypeError, ValueError):
        return None


def _floats(values: list[Any]) -> Any:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return pd.arrays.FloatingArray(np.nan_to_num(numbers), np.isnan(numbers))
