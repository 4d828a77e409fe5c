"""A batch over pieces with the interface of one over rows: a row has ended when all its pieces have."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..batch import Batch
from ..ledger import Ledger
from ..outcome import Outcome
from .joined import PieceJoiner, unfinished
from .pieces import RowPieces

__all__ = ["PiecedBatch"]


class PiecedBatch:
    """A batch by rows, for a run, its views and its reports, over an engine that works on pieces.

    Args:
        make: makes the engine over the pieces; its argument is called with each piece that has ended.
        pieces: the pieces.
        joined: joins the outcomes of pieces.
        told: called on the loop's thread with each row that has ended.

    Attributes:
        inner: the engine.
        ledger: the outcomes of the rows.
    """

    def __init__(
        self,
        make: Callable[[Callable[[int, Outcome], object]], Batch],
        pieces: RowPieces,
        joined: PieceJoiner,
        told: Callable[[int, Outcome], object],
    ) -> None:
        self._pieces, self._joined, self._told = pieces, joined, told
        self.inner = make(self._take)
        self.ledger = self._by_row(self.inner.ledger, whole=False)

    def _take(self, number: int, outcome: Outcome) -> None:
        row = self._pieces.pieces[number].row
        if not unfinished(self.inner.ledger, self._pieces.of_rows[row]):
            ended = self._joined.outcome(self.inner.ledger, row)
            self.ledger.end(row, ended)
            self.ledger.cached_tokens = self.inner.ledger.cached_tokens
            self._told(row, ended)

    def settled_pieces(self) -> Ledger:
        """Return the present outcome of every piece."""
        inner = self.inner
        in_flight = inner.in_flight
        inner.ledger.grow(len(self._pieces))
        return inner.ledger.settled(in_flight, inner.stopped, inner.paid)

    def settled(self) -> Ledger:
        """Return the present outcome of every row, from the pieces that have ended."""
        return self._by_row(self.settled_pieces(), whole=True)

    def _by_row(self, pieces: Ledger, *, whole: bool) -> Ledger:
        ledger = Ledger(sure=pieces.sure is not None)
        ledger.grow(len(self._pieces.of_rows))
        pieces.grow(len(self._pieces))
        for row, numbers in enumerate(self._pieces.of_rows):
            if whole or not unfinished(pieces, numbers):
                ledger.end(row, self._joined.outcome(pieces, row))
        ledger.cached_tokens = pieces.cached_tokens
        return ledger

    # -- passed on to the engine ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until all pieces have ended, or the batch has stopped and nothing is in flight; never raise."""
        await self.inner.run()

    def interrupt(self) -> None:
        """Send nothing more and cancel requests in flight."""
        self.inner.interrupt()

    def stop(self, reason: str) -> None:
        """Send nothing more; requests in flight finish."""
        self.inner.stop(reason)

    def fed(self) -> None:
        """Do nothing: all rows were read when they were cut."""

    @property
    def started(self) -> bool:
        """Whether ``run`` has begun."""
        return self.inner.started

    @property
    def in_flight(self) -> frozenset[int]:
        """The positions of the rows with a piece in flight."""
        return frozenset(self._pieces.pieces[number].row for number in self.inner.in_flight)

    @property
    def ended(self) -> threading.Event:
        """Set when nothing is in flight any more."""
        return self.inner.ended

    @property
    def stopped(self) -> str | None:
        """Why nothing new is sent, or None."""
        return self.inner.stopped

    @property
    def spent(self) -> float:
        """US dollars of all answers so far, as far as known."""
        return self.inner.spent

    @property
    def error(self) -> BaseException | None:
        """The error of the first piece that failed."""
        return self.inner.error

    @property
    def crash(self) -> BaseException | None:
        """An error that the caller has to raise, or None."""
        return self.inner.crash

    @property
    def view_fault(self) -> str | None:
        """The error of a view of this batch, or None."""
        return self.inner.view_fault
