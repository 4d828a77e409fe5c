"""The uncertainty of a share counted on some cases: Wilson's interval."""

from __future__ import annotations

import math

__all__ = ["wilson"]

_SURE = 1.96  # standard deviations on either side of the mean that leave out one case in 20


def wilson(right: float, count: float, *, cautious: bool = False) -> tuple[float, float]:
    """Return the interval, from 0 to 1, that holds a share in 19 cases of 20 (Wilson 1927).

    Args:
        right: how many of the cases count. A sum of marks from 0 to 1 is taken too; the interval is then no narrower
            than it should be, since such marks vary at most as much as zeros and ones of the same mean.
        count: how many cases there are; of none, the share may be anything.
        cautious: whether it has to hold in 19 cases of 20 for any share, and not for shares on average: with a
            continuity correction (Newcombe 1998, method 4), which makes it wider if there are few cases.

    Example:
        >>> low, high = wilson(56, 60)
        >>> f"{low:.2f} to {high:.2f}"
        '0.84 to 0.97'
    """
    if count <= 0:
        return 0.0, 1.0
    share = right / count
    whole = 2 * (count + _SURE**2)
    middle = (2 * right + _SURE**2) / whole

    def spread(side: float) -> float:
        more = side * (4 * share - 2) - 1 / count if cautious else 0.0
        return (_SURE * math.sqrt(max(0.0, _SURE**2 + 4 * right * (1 - share) + more)) + cautious) / whole

    low = 0.0 if share <= 0 else max(0.0, middle - spread(1))
    high = 1.0 if share >= 1 else min(1.0, middle + spread(-1))
    return low, high
