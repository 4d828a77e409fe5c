"""Converts numbers of any depth to eight bits, by a fixed scale; never stretched to the values that occur."""

from __future__ import annotations

from typing import Any

from ..errors import MediaError

__all__ = ["brightness", "to_bytes"]

_DEEP = 65_535
_LEVELS = "whole numbers 0 to 255, 16 bits, or floats 0 to 1 or 0 to 255"


def to_bytes(values: Any, name: str, *, pillow: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Convert a numpy array of any shape to uint8, and say what was done.

    Args:
        values: bool, whole numbers or floats.
        name: the array's name in error messages.
        pillow: whether the values come from Pillow's modes I and F, which also hold 16-bit samples.

    Raises:
        MediaError: the values are not numbers, or their range does not say which number is white.
    """
    import numpy as np

    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255), ()
    if values.dtype.kind not in "iuf":
        raise MediaError(
            f"{name} holds {str(values.dtype)[:80]}; a picture holds numbers: uint8, or floats from 0 to 1."
        )
    values, notes = _finite(values, name)
    low, high = values.min(), values.max()
    top = _top(values.dtype, float(low), float(high), pillow)
    if top is None:
        raise MediaError(
            f"{name} holds {values.dtype} from {low} to {high}; expected {_LEVELS}. "
            "Scale it: (array - array.min()) / (array.max() - array.min())."
        )
    if top == 255 and values.dtype.kind != "f":
        return values.astype(np.uint8), notes
    if top == _DEEP:
        notes = (*notes, "16 bits scaled to 8")
    # Half is rounded up, as Pillow and LittleCMS do it.
    return np.floor(values * (255.0 / top) + 0.5).astype(np.uint8), notes


def brightness(values: Any, top: int, *, inverted: bool = False) -> Any:
    """Convert grey of a known depth to uint8: 0 is black and ``top`` is white, or the reverse."""
    import numpy as np

    levels = np.floor(np.minimum(values, top) * (255.0 / top) + 0.5).astype(np.uint8)
    return 255 - levels if inverted else levels


def _finite(values: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """Turn NaN into black, and infinity into black or white."""
    import numpy as np

    if values.dtype.kind != "f":
        return values, ()
    known = np.isfinite(values)
    count = int(values.size - known.sum())
    if not count:
        return values, ()
    if count == values.size:
        raise MediaError(f"{name} holds only nan or inf; a picture holds numbers. Draw it: plt.imshow(array).")
    high = values[known].max()
    # An infinite pixel gets the largest finite value, so it does not change the scale of the others.
    filled = np.nan_to_num(values, nan=0.0, posinf=high, neginf=0.0)
    return filled, (f"{count:,} values that are nan or inf shown as black or white",)


def _top(dtype: Any, low: float, high: float, pillow: bool) -> int | None:
    """Return which number is white; None if the range does not tell."""
    if low < 0 or high > _DEEP:
        return None
    deep = pillow or (dtype.kind in "iu" and dtype.itemsize == 2)
    if dtype.kind == "f":
        if high <= 1:
            return 1
        # With a maximum between 1 and 2, an overshoot of 0 to 1 is more likely than a picture that is nearly black.
        return 255 if 2 <= high <= 255 else _DEEP if deep and high > 255 else None
    return 255 if high <= 255 else _DEEP if deep else None
