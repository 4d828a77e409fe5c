"""The uncertainty of a counted share: Wilson's interval."""

from __future__ import annotations

import math

__all__ = ["wilson"]

_SURE = 1.96  # standard deviations around the mean that cover 95 %


def wilson(right: float, count: float, *, cautious: bool = False) -> tuple[float, float]:
    """Return the 95 % interval of a share, from 0 to 1 (Wilson 1927).

    Args:
        right: the number of cases that count. It may be a sum of marks from 0 to 1; the interval is then wide enough,
            since such marks vary at most as much as zeros and ones with the same mean.
        count: the number of cases; if it is 0, the interval is 0 to 1.
        cautious: whether 95 % has to hold for every share, not only on average: by a continuity correction (Newcombe
            1998, method 4), which makes the interval wider for few cases.

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
