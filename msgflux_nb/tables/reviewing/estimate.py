"""How much is right, told from the rows that were read: a share with an interval that holds it in 19 cases of 20.

The least sure rows are read on purpose, so that their share says nothing about the others. They are counted as what
they are, all of a part that is known; the rest is judged by the rows that were drawn from it at random, by Wilson's
interval for a finite number of rows. Both together make the share of all rows (stratification: Cochran 1977, ch. 5).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .intervals import wilson
from .order import ReviewOrder

__all__ = ["Estimate", "estimate_of"]


class Estimate(msgspec.Struct, frozen=True):
    """A share of rows.

    Attributes:
        share: the share that is right, from 0 to 1; None before a row was drawn at random and read.
        low: the lower end of its 95 % interval.
        high: the upper end.
        right: how many of the rows that were read are right.
        read: how many usable rows were read.
        drawn: how many of these were drawn at random.
        rows: how many rows there are.
    """

    share: float | None
    low: float
    high: float
    right: int
    read: int
    drawn: int
    rows: int

    def __str__(self) -> str:
        """What is known, in words."""
        told = f"reviewed {self.read:,} of {self.rows:,}"
        if self.share is None:
            return told
        return f"{told}: {self.share:.0%} right ({100 * self.low:.0f}\u2013{100 * self.high:.0f})"


def estimate_of(order: ReviewOrder, verdicts: Mapping[int, bool | None]) -> Estimate:
    """Return how much is right.

    Args:
        order: the order in which rows are read.
        verdicts: by position, for the rows that were read: whether it is right, or None for one that is unusable.
    """
    known = set()
    for position in order.doubtful:  # the least sure rows, as far as all were read
        if position not in verdicts:
            break
        known.add(position)
    drawn = []
    for position in order.drawn:  # of the others, those that were drawn at random, as far as all were read
        if position in known:
            continue
        if position not in verdicts:
            break
        drawn.append(verdicts[position])
    usable = [verdict for verdict in verdicts.values() if verdict is not None]
    right_known, count_known = _counted([verdicts[position] for position in known])
    right_drawn, count_drawn = _counted(drawn)
    rest = len(order) - len(known)
    expected = rest * count_drawn / len(drawn) if drawn else float(rest)  # usable ones among the rest
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
    """Return Wilson's interval for a share of finitely many rows, some of which were read."""
    if count == 0:
        return 0.0, 1.0
    left = of - count
    if left <= 0:
        return right / count, right / count
    worth = _as_good_as(count, of)
    low, high = wilson(right / count * worth, worth, cautious=True)
    # The rows that were read bound the share: they are known to be right or wrong.
    return max(low, right / of), min(high, (right + left) / of)


def _as_good_as(count: int, of: float) -> float:
    """Return how many draws with replacement say as much as so many without (finite population correction)."""
    return count * (of - 1) / (of - count)
