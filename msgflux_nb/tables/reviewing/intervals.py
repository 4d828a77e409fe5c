"""How sure a share is that was counted on some cases: Wilson's interval."""

from __future__ import annotations

import math

__all__ = ["wilson"]

_SURE = 1.96  # standard deviations on either side of the mean that leave out one case in 20


def wilson(right: float, count: float, *, deviations: float = _SURE) -> tuple[float, float]:
    """Return the interval, from 0 to 1, that holds a share in 19 cases of 20 (Wilson 1927).

    Args:
        right: how many of the cases count. A sum of marks from 0 to 1 is taken too; the interval is then no narrower
            than it should be, since such marks vary at most as much as zeros and ones of the same mean.
        count: how many cases there are; of none, the share may be anything.
        deviations: standard deviations on either side of the mean; 1.96 for 19 cases of 20.

    Example:
        >>> low, high = wilson(56, 60)
        >>> f"{low:.2f} to {high:.2f}"
        '0.84 to 0.97'
    """
    if count <= 0:
        return 0.0, 1.0
    square = deviations**2 / count
    share = right / count
    middle = share + square / 2
    spread = math.sqrt(max(0.0, square * (share * (1 - share) + square / 4)))
    return max(0.0, (middle - spread) / (1 + square)), min(1.0, (middle + spread) / (1 + square))
