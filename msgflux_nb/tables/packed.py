"""Cells of one type → a numpy array, by way of MessagePack.

msgspec encodes a list of floats, booleans or datetimes in a fraction of the time that numpy and pandas take to read the
objects. Each cell has a type byte and a fixed width, so numpy can read the bytes directly. If a type byte differs, a
cell has another type: the result is then None, and the cells have to be read one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

__all__ = ["booleans", "floats", "microseconds"]

Array = np.ndarray[Any, Any]

_encode = msgspec.msgpack.Encoder().encode
_FLOAT = np.dtype([("mark", "u1"), ("value", ">f8")])
_SECONDS = np.dtype([("mark", ">u2"), ("seconds", ">u4")])
_MOMENT = np.dtype([("mark", ">u2"), ("both", ">u8")])
_LONG_MOMENT = np.dtype([("mark", ">u2"), ("kind", "u1"), ("nanoseconds", ">u4"), ("seconds", ">i8")])
_NONE, _FALSE, _TRUE = 0xC0, 0xC2, 0xC3


def floats(cells: Sequence[Any]) -> Array | None:
    """Return the cells as an array; None if one is not a float."""
    found = _read(_body(cells), len(cells), _FLOAT, 0xCB)
    return None if found is None else found["value"].astype(np.float64)


def booleans(cells: Sequence[Any]) -> tuple[Array, Array] | None:
    """Return booleans as an array with the mask of None; None if a cell has another type."""
    packed = _body(cells)
    if packed is None or len(packed) != len(cells):
        return None
    marks = np.frombuffer(packed, dtype=np.uint8)
    true, missing = marks == _TRUE, marks == _NONE
    return (true, missing) if bool(np.all(true | missing | (marks == _FALSE))) else None


def microseconds(cells: Sequence[Any]) -> Array | None:
    """Return datetimes with a zone as exact microseconds since 1970 in UTC; None if a cell is anything else."""
    packed = _body(cells)
    found = _read(packed, len(cells), _SECONDS, 0xD6FF)  # whole seconds until 2106
    if found is not None:
        return found["seconds"].astype(np.int64) * 1_000_000
    found = _read(packed, len(cells), _MOMENT, 0xD7FF)  # until 2514
    if found is not None:
        both = found["both"].astype(np.uint64)
        seconds, nanoseconds = both & np.uint64(2**34 - 1), both >> np.uint64(34)
        return (seconds * np.uint64(1_000_000) + nanoseconds // np.uint64(1_000)).astype(np.int64)
    found = _read(packed, len(cells), _LONG_MOMENT, 0xC70C)
    if found is None:
        return None
    return found["seconds"].astype(np.int64) * 1_000_000 + found["nanoseconds"].astype(np.int64) // 1_000


def _read(packed: memoryview | None, count: int, dtype: np.dtype[Any], mark: int) -> Array | None:
    if packed is None or len(packed) != count * dtype.itemsize:
        return None
    found = np.frombuffer(packed, dtype=dtype)
    return found if bool(np.all(found["mark"] == mark)) else None


def _body(cells: Sequence[Any]) -> memoryview | None:
    """Return the packed cells without the array's head; None if a cell cannot be packed."""
    try:
        packed = _encode(cells)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    head = 1 if len(cells) < 2**4 else 3 if len(cells) < 2**16 else 5
    return memoryview(packed)[head:]
