"""Labels of an index: their positions, and a digest that shows whether the index has changed."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from ..errors import brief

__all__ = ["label_digest", "label_place", "label_places", "row_place"]


def label_digest(index: pd.Index[Any]) -> str | None:
    """Return a digest of an index's labels and their order; None if a label has no hash."""
    try:
        hashes = pd.util.hash_pandas_object(index, index=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(np.asarray(hashes).tobytes()).hexdigest()[:16]


def label_places(index: pd.Index[Any], label: Any) -> list[int]:
    """Return the positions of a label.

    Raises:
        KeyError: there is no such label.
    """
    try:
        where: Any = index.get_loc(label)
    except (KeyError, TypeError, pd.errors.InvalidIndexError):
        raise KeyError(f"no row has the label {brief(label)}") from None
    return [int(place) for place in np.arange(len(index))[where].reshape(-1)]


def label_place(index: pd.Index[Any], label: Any) -> int:
    """Return the position of a label.

    Raises:
        KeyError: there is no such label.
        ValueError: several rows have it; the message names their positions.
    """
    places = label_places(index, label)
    if len(places) > 1:
        named = ", ".join(map(str, places[:10])) + (", …" if len(places) > 10 else "")
        raise ValueError(
            f"{brief(label)} is the label of {len(places):,} rows; give one of their positions: position={named}"
        )
    return places[0]


def row_place(index: pd.Index[Any], row: Any, position: int | None) -> int:
    """Return the position of a row by its label, or by its place, counted from the end if negative.

    Raises:
        TypeError: both or neither of ``row`` and ``position`` are given.
        KeyError: there is no such label.
        IndexError: there is no such position.
        ValueError: the label stands for several rows; the message names their positions.
    """
    if (row is None) == (position is None):
        raise TypeError("expected either a row's label or its position=")
    if position is None:
        return label_place(index, row)
    if not -len(index) <= position < len(index):
        raise IndexError(f"position: expected one of {len(index):,} rows, from 0, got {position}")
    return position % len(index)
