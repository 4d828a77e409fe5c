"""Compares two cells, of which one may come from a model and the other from a spreadsheet."""

from __future__ import annotations

import datetime
import enum
import json
import math
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from .arrays import python_value
from .fields import field_names

__all__ = ["Normalise", "normalised", "same_cell"]

Normalise = Callable[[str], str]

_CLOSE = 1e-9  # relative
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def normalised(text: str) -> str:
    """Return a text in Unicode's composed form (NFC), with single spaces between words and none around it."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def same_cell(found: Any, expected: Any, normalise: Normalise | None = normalised) -> bool:
    """Return whether two cells have the same meaning.

    * Missing equals missing; a blank text is missing.
    * Texts are equal once normalised.
    * Numbers are equal by value, such as 3 and 3.0; floats with a relative tolerance of a billionth.
    * Datetimes are equal if they mean the same time; without a time zone they are in UTC; a date is its midnight.
    * Lists are compared item by item, in order; records and dicts field by field, and a missing field equals None.
    * A text compared with another type is read as that type: ``"3"``, ``"true"``, ``"2026-01-02"``, ``'["a"]'``.

    Args:
        found: one cell.
        expected: the other.
        normalise: applied to texts before they are compared; None to compare them as they are.

    Raises:
        ValueError: a cell is nested too deep.
    """
    try:
        return _same(_simple(found, normalise), _simple(expected, normalise), normalise)
    except RecursionError:
        raise ValueError("a cell is nested too deep to be compared; compare a flatter field of it.") from None


def _simple(cell: Any, normalise: Normalise | None) -> Any:
    """Return a cell as None, a text, a bool, a number, a datetime in UTC, a list or a dict; anything else unchanged."""
    if isinstance(cell, enum.Enum):
        cell = cell.value
    cell = cell.tolist() if isinstance(cell, np.ndarray) else python_value(cell)
    if cell is None:
        return None
    if isinstance(cell, str):
        return (cell if normalise is None else normalise(cell)) or None
    if isinstance(cell, datetime.date):
        return _moment(cell)
    if isinstance(cell, list | tuple | set | frozenset) and not hasattr(cell, "_fields"):
        return [_simple(item, normalise) for item in cell]
    fields = _fields(cell)
    if fields is not None:
        simple = {name: _simple(item, normalise) for name, item in fields.items()}
        return {name: item for name, item in simple.items() if item is not None}
    return str(cell) if isinstance(cell, uuid.UUID) else cell


def _fields(cell: Any) -> Mapping[Any, Any] | None:
    if isinstance(cell, Mapping):
        return cell
    names = field_names(type(cell))
    return {name: getattr(cell, name) for name in names} if names else None


def _moment(cell: datetime.date) -> datetime.datetime:
    if not isinstance(cell, datetime.datetime):
        cell = datetime.datetime(cell.year, cell.month, cell.day)
    return cell.replace(tzinfo=datetime.UTC) if cell.utcoffset() is None else cell


def _same(one: Any, other: Any, normalise: Normalise | None) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(one, str) != isinstance(other, str):
        text, value = (one, other) if isinstance(one, str) else (other, one)
        return _same(_read(text, value, normalise), value, normalise)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b, normalise) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(item, other[name], normalise) for name, item in one.items())
    if isinstance(one, float) or isinstance(other, float):
        return _close(one, other)
    return bool(one == other)


def _close(one: Any, other: Any) -> bool:
    try:
        return bool(one == other) or math.isclose(float(one), float(other), rel_tol=_CLOSE)
    except (TypeError, ValueError, OverflowError):
        return False


def _read(text: str, like: Any, normalise: Normalise | None) -> Any:
    """Read a text as a value of the type of ``like``; return None if that fails."""
    try:
        if isinstance(like, bool):
            return _TRUTH[text.casefold()]
        if isinstance(like, datetime.datetime):
            return _moment(datetime.datetime.fromisoformat(text))
        if isinstance(like, list | dict):
            return _simple(json.loads(text), normalise)
        if isinstance(like, int | float | Decimal):
            return float(text) if isinstance(like, float) else Decimal(text)
    except (ValueError, ArithmeticError, KeyError):
        return None
    return like if text == str(like) else None
