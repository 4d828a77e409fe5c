"""The doubt about each row of a result: from its confidence, or else from its answer and its text."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..dtypes import columns
from ..fields import Cells
from ..outcome import FAILURES
from ..run import Run
from .written import writings_of

__all__ = ["confidence_of", "doubts_of"]

_FAILED = 2.0  # without an answer: more doubtful than any answer
_UNKNOWN = 0.5  # if the confidence is missing
_TIE = 1e-9  # smaller than any difference between two confidences
_WRITTEN = ("string", "integer", "float", "date")  # kinds whose values a text may contain


def confidence_of(result: pd.DataFrame, given: Any) -> pd.DataFrame | None:
    """Return the confidence by field, under the result's labels; None if it is unknown.

    Args:
        result: the result.
        given: a frame with one column per field, a Series for whole rows, or None for the result's own.

    Raises:
        ValueError: the confidence does not belong to the result.
    """
    if given is None:
        own = getattr(result.mf, "confidence", None)
        if "_confidence" not in result.columns or own is None:
            return None
        given = own()
    frame = given.to_frame("_confidence") if isinstance(given, pd.Series) else given
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"confidence: expected a DataFrame with a column for each field, got {type(given).__name__!r}")
    if not frame.index.equals(result.index):
        if not frame.index.is_unique or not result.index.isin(frame.index).all():
            raise ValueError("confidence: expected the labels of the result, got others, or one of them twice")
        frame = frame.reindex(result.index)
    return frame


def doubts_of(
    run: Run, values: Sequence[Any], states: Sequence[str], positions: Sequence[int], confidence: pd.DataFrame | None
) -> np.ndarray[Any, Any]:
    """Return the doubt about each row; rows that failed have the highest.

    Args:
        run: the run.
        values: its answers by position.
        states: the states of its rows by position.
        positions: the positions of the wanted rows.
        confidence: by field, one row per position. None if unknown: then the doubt is the share of values that the
            row's text does not contain, which otherwise only orders rows of equal confidence.
    """
    doubts = _not_in_the_text(run, values, positions)
    if confidence is not None:
        numbers = confidence.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        least = np.full(len(positions), np.nan)
        known = ~np.isnan(numbers).all(axis=1)
        least[known] = np.nanmin(numbers[known], axis=1)
        doubts = np.where(np.isnan(least), _UNKNOWN, 1.0 - least) + _TIE * doubts
    failed = np.array([states[position] in FAILURES for position in positions], dtype=bool)
    return np.where(failed, _FAILED, doubts)


def _not_in_the_text(run: Run, values: Sequence[Any], positions: Sequence[int]) -> np.ndarray[Any, Any]:
    written = [column for column in columns(run.schema) if column.kind in _WRITTEN]
    doubts = np.zeros(len(positions))
    if run.rows.has_media or not written:
        return doubts
    here = [values[position] for position in positions]
    found = {column.name: Cells(here).of(column) for column in written}
    for place, position in enumerate(positions):
        read = "\n".join(run.rows.readable_texts(position).values())
        doubts[place] = sum(_is_absent(cells[place], read) for cells in found.values()) / len(written)
    return doubts


def _is_absent(cell: Any, text: str) -> bool:
    if cell is None or str(cell) in text:
        return False
    if isinstance(cell, datetime.date):  # a cheap check first: every spelling of a date has these digits
        return str(cell.day) not in text or f"{cell.year % 100:02}" not in text
    writings = writings_of(cell)
    return bool(writings) and not any(one in text for one in writings)
