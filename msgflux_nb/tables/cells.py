"""A cell of a table → its text for a prompt."""

from __future__ import annotations

import datetime
import enum
import json
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from .arrays import is_missing

__all__ = ["CellError", "UnreadableCell", "cell_text"]


class CellError(ValueError):
    """A cell that cannot be turned into text; its row fails without a request."""


class UnreadableCell:
    """Stands for a cell that cannot be read; asking for its text raises the reason.

    Args:
        source: what was to be read.
        error: what it is, and why it cannot.
    """

    def __init__(self, source: Any, error: str) -> None:
        self.source = source
        self._error = error

    def __str__(self) -> str:
        raise CellError(self._error)


def cell_text(cell: Any) -> str:
    """Return a cell as text; empty for a missing or blank one, so that no prompt ever holds "nan".

    Numbers keep every digit; dates are ISO 8601; bytes are read as UTF-8; lists, dicts, arrays and records are JSON.

    Raises:
        CellError: the cell has no text: bytes that are not UTF-8, a lone surrogate, an object without its own
            ``__str__``.
    """
    try:
        text = _scalar(cell)
        if text is None:
            text = json.dumps(_json_value(cell), ensure_ascii=False, allow_nan=False)
        return _encodable(text) if text.strip() else ""
    except CellError:
        raise
    except UnicodeDecodeError as error:
        raise CellError(
            f"bytes that are not UTF-8 ({error.reason} at byte {error.start}); decode them first"
        ) from error
    except Exception as error:
        # A cell may be any object, and one bad cell must not end a batch.
        raise CellError(f"a {type(cell).__name__} that cannot be written as text: {error}") from error


def _scalar(cell: Any) -> str | None:
    """Return the text of anything but a container; None for a container."""
    if is_missing(cell):
        return ""
    if isinstance(cell, np.generic):
        return _scalar(cell.item()) if not isinstance(cell, (np.datetime64, np.timedelta64)) else str(cell)
    if isinstance(cell, enum.Enum):
        return _scalar(cell.value)
    for kinds, text in _TEXTS:
        if isinstance(cell, kinds):
            return text(cell)
    if _is_container(cell):
        return None
    if type(cell).__str__ is object.__str__:  # type: ignore[comparison-overlap]  # mypy reads one of them as bound
        raise CellError(f"a {type(cell).__name__}, which is not text; put its text into the column instead")
    return str(cell)


_TEXTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, lambda cell: str.__str__(cell)),
    ((bytes, bytearray, memoryview), lambda cell: bytes(cell).decode("utf-8")),
    # A Timestamp is a datetime, and a datetime is a date.
    ((datetime.date, datetime.time), lambda cell: cell.isoformat()),
    (numbers.Number, str),
)


def _is_container(cell: Any) -> bool:
    kinds = (Mapping, list, tuple, set, frozenset, np.ndarray, msgspec.Struct)
    return isinstance(cell, kinds) or hasattr(cell, "__dataclass_fields__")


def _json_value(cell: Any) -> Any:
    """Return a container as plain JSON values; missing values inside become null."""
    if isinstance(cell, (bool, int)) and not isinstance(cell, enum.Enum):
        return cell
    if isinstance(cell, (float, np.generic)) and not is_missing(cell):
        value = cell.item() if isinstance(cell, np.generic) else cell
        return value if isinstance(value, (bool, int, float)) else _scalar(cell)
    if isinstance(cell, Mapping):
        return {_scalar(key) or str(key): _json_value(value) for key, value in cell.items()}
    if isinstance(cell, msgspec.Struct):
        return {name: _json_value(getattr(cell, name)) for name in cell.__struct_fields__}
    if hasattr(cell, "__dataclass_fields__"):
        return {name: _json_value(getattr(cell, name)) for name in cell.__dataclass_fields__}
    if _is_container(cell):
        return [_json_value(item) for item in cell]
    return None if is_missing(cell) else _scalar(cell)


def _encodable(text: str) -> str:
    """Return text that can be encoded as UTF-8: join surrogate pairs, refuse a lone surrogate."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise CellError(
            "text with a lone surrogate, which no request can carry; clean it with .encode('utf-8', 'replace').decode()"
        ) from error
