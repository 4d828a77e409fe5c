"""The counts of a running grid for its view: answers by column, and the changes since the last look."""

from __future__ import annotations

import threading

from ...tables.grid.grid_run import GridRun
from ...tables.grid.scores import begun_marks, mark_more
from ...tables.outcome import FAILURES, Outcome

__all__ = ["Filling"]


class Filling:
    """The progress of each column of a grid.

    Args:
        run: the grid, which has not begun yet.

    Attributes:
        failed: the number of answers that failed, by column.
        asked: the positions in flight at the last call of ``news``.
        costs: the sum of the known costs in dollars, by column; None for none. An answer that was asked for again after
            an interrupt has no known cost.
        seconds: the sum of the known seconds, by column.
        timed: the number of answers whose seconds are known, by column.
        marks: the marks of the answers so far by a truth; None without one.
        right: the sum of the marks, by column.
        marked: the number of answers with a mark, by column.
    """

    def __init__(self, run: GridRun) -> None:
        self._run = run
        self._width = len(run.prompts) * len(run.models)
        self._lock = threading.Lock()
        self._ended: list[int] = []
        self.asked: frozenset[int] = frozenset()
        self.failed = [0] * self._width
        self.costs: list[float | None] = [None] * self._width
        self.seconds, self.timed = [0.0] * self._width, [0] * self._width
        self.marks = begun_marks(run, run.scorer)
        self.right, self.marked = [0.0] * self._width, [0] * self._width
        ledger = run.batch.ledger
        for position in range(len(run.rows)):
            if not ledger.is_open(position):
                self._count(position, ledger.state(position))
                bill = run.bill(position, ledger)
                self._pay(position, bill["cost"], bill["seconds"])
        self._mark([position for position in range(len(run.rows)) if not ledger.is_open(position)])
        run.told = self._told

    def _told(self, position: int, outcome: Outcome) -> None:
        with self._lock:
            self._ended.append(position)
            self._count(position, outcome.state)
            self._pay(position, outcome.cost, outcome.seconds)

    def _count(self, position: int, state: str) -> None:
        column = position % self._width  # positions go through the columns first
        self.failed[column] += state in FAILURES

    def _pay(self, position: int, cost: float | None, seconds: float | None) -> None:
        column = position % self._width
        if cost is not None:
            self.costs[column] = (self.costs[column] or 0) + cost
        if seconds is not None:
            self.seconds[column] += seconds
            self.timed[column] += 1

    def _mark(self, positions: list[int]) -> None:
        if self.marks is None:
            return
        found = mark_more(self._run, self._run.batch.ledger, self.marks, positions)
        for position, mark in zip(positions, found, strict=True):
            if mark is not None:
                self.right[position % self._width] += mark
                self.marked[position % self._width] += 1

    def news(self) -> set[int]:
        """Return the positions that have ended, or are or were in flight, since the last call."""
        asked = self._run.batch.in_flight
        with self._lock:
            ended, self._ended = self._ended, []
        self._mark(ended)
        found = {*ended, *(asked ^ self.asked)}
        self.asked = asked
        return found
