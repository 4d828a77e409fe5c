"""The order of a review: the most doubtful rows first, mixed with rows that were drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...errors import brief

__all__ = ["ReviewOrder", "mixed_order"]


class ReviewOrder:
    """The order of a review.

    Attributes:
        doubtful: all positions, the most doubtful first; equal ones in random order.
        drawn: all positions in random order.
        queue: all positions in the order of reading.
    """

    def __init__(self, doubtful: Sequence[int], drawn: Sequence[int], random_share: float) -> None:
        self.doubtful, self.drawn = list(doubtful), list(drawn)
        self.queue = list(_mixed(self.doubtful, self.drawn, random_share))

    def __len__(self) -> int:
        return len(self.doubtful)


def mixed_order(
    positions: Sequence[int], doubts: Sequence[float], *, random_share: float, seed: int = 0
) -> ReviewOrder:
    """Return the order of a review.

    The draw depends only on the seed and the number of rows, so it is the same after a restart and for another model's
    answers to the same rows.

    Args:
        positions: the rows.
        doubts: the doubt about each row.
        random_share: the share of read rows that are drawn at random, from 0 to 1.
        seed: the seed of the draw.

    Raises:
        ValueError: the share is not a number from 0 to 1.
    """
    if isinstance(random_share, bool) or not isinstance(random_share, int | float) or not 0 <= random_share <= 1:
        raise ValueError(
            f"random: expected the share of rows to draw at random, from 0 to 1, got {brief(random_share)}"
        )
    rows = np.asarray(positions, dtype=np.int64)
    chance = np.random.default_rng([seed, len(rows)])
    drawn = chance.permutation(len(rows))
    ties = chance.permutation(len(rows))
    doubtful = np.lexsort((ties, -np.asarray(doubts, dtype=np.float64)))
    return ReviewOrder(rows[doubtful].tolist(), rows[drawn].tolist(), float(random_share))


def _mixed(doubtful: list[int], drawn: list[int], share: float) -> Iterator[int]:
    """Yield each position once, so that every prefix has the share of random ones."""
    sources = (iter(doubtful), iter(drawn))
    seen: set[int] = set()
    due = 0.0
    for _ in range(len(doubtful)):
        due += share
        at_random = due >= 1 - 1e-9
        due -= at_random
        position = next(one for one in sources[at_random] if one not in seen)
        seen.add(position)
        yield position
