"""Estimates from a review which share of all rows is right, with a 95 % interval.

The most doubtful rows are read on purpose, so they say nothing about the others and count as a known part. The rest is
estimated from the rows that were drawn at random, by Wilson's interval for a finite number of rows. Both parts together
give the share of all rows (stratification: Cochran 1977, ch. 5).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .intervals import wilson
from .order import ReviewOrder

__all__ = ["Estimate", "estimate_of"]


class Estimate(msgspec.Struct, frozen=True):
    """An estimated share of rows.

    Attributes:
        share: the share that is right, from 0 to 1; None until a randomly drawn row was read.
        low: the lower end of its 95 % interval.
        high: the upper end.
        right: the number of read rows that are right.
        read: the number of usable rows that were read.
        drawn: the number of these that were drawn at random.
        rows: the number of all rows.
    """

    share: float | None
    low: float
    high: float
    right: int
    read: int
    drawn: int
    rows: int

    def __str__(self) -> str:
        """The estimate in words."""
        told = f"reviewed {self.read:,} of {self.rows:,}"
        if self.share is None:
            return told
        return f"{told}: {self.share:.0%} right ({100 * self.low:.0f}\u2013{100 * self.high:.0f})"


def estimate_of(order: ReviewOrder, verdicts: Mapping[int, bool | None]) -> Estimate:
    """Estimate the share of rows that are right.

    Args:
        order: the order in which rows are read.
        verdicts: for the rows that were read, by position: whether the row is right, or None if it is unusable.
    """
    known = set()
    for position in order.doubtful:  # the most doubtful rows, up to the first unread one
        if position not in verdicts:
            break
        known.add(position)
    drawn = []
    for position in order.drawn:  # the others in random order, up to the first unread one
        if position in known:
            continue
        if position not in verdicts:
            break
        drawn.append(verdicts[position])
    usable = [verdict for verdict in verdicts.values() if verdict is not None]
    right_known, count_known = _counted([verdicts[position] for position in known])
    right_drawn, count_drawn = _counted(drawn)
    rest = len(order) - len(known)
    expected = rest * count_drawn / len(drawn) if drawn else float(rest)  # usable rows in the rest
    whole = count_known + expected
    low, high = _interval(right_drawn, count_drawn, expected)
    share = None
    if whole and (count_drawn or not rest):
        share = (right_known + expected * (right_drawn / count_drawn if count_drawn else 0.0)) / whole
    return Estimate(
        share=share,
        low=(right_known + expected * low) / whole if whole else 0.0,
        high=(right_known + expected * high) / whole if whole else 1.0,
        right=sum(usable),
        read=len(usable),
        drawn=count_drawn,
        rows=len(order),
    )


def _counted(verdicts: list[bool | None]) -> tuple[int, int]:
    usable = [verdict for verdict in verdicts if verdict is not None]
    return sum(usable), len(usable)


def _interval(right: int, count: int, of: float) -> tuple[float, float]:
    """Return Wilson's interval for a share of a finite number of rows, some of which were read."""
    if count == 0:
        return 0.0, 1.0
    left = of - count
    if left <= 0:
        return right / count, right / count
    worth = _as_good_as(count, of)
    low, high = wilson(right / count * worth, worth, cautious=True)
    # The rows that were read bound the share.
    return max(low, right / of), min(high, (right + left) / of)


def _as_good_as(count: int, of: float) -> float:
    """Return the equivalent number of draws with replacement (finite population correction)."""
    return count * (of - 1) / (of - count)
