"""A batch over pieces, seen as one over rows: a row has ended when its pieces have."""

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
    """What a run, its views and its reports want of a batch, by rows.

    Args:
        make: makes the engine over the pieces; it is given what is to be told of each that has ended.
        pieces: the pieces.
        joined: puts their answers together.
        told: called with each row that has ended; from the loop's thread.

    Attributes:
        inner: the engine.
        ledger: how rows have ended.
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
        """Return how every piece has ended as things stand."""
        inner = self.inner
        in_flight = inner.in_flight
        inner.ledger.grow(len(self._pieces))
        return inner.ledger.settled(in_flight, inner.stopped)

    def settled(self) -> Ledger:
        """Return how every row has ended as things stand; one of which pieces are missing has what the others say."""
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

    # -- the engine, by another name ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until every piece has ended, or the batch has stopped and nothing is in flight; raises nothing."""
        await self.inner.run()

    def interrupt(self) -> None:
        """Send nothing more and cancel what is in flight."""
        self.inner.interrupt()

    def stop(self, reason: str) -> None:
        """Send nothing more; what is in flight is let finish."""
        self.inner.stop(reason)

    def fed(self) -> None:
        """There is nothing to feed: rows were read to be cut."""

    @property
    def started(self) -> bool:
        """Whether it was begun."""
        return self.inner.started

    @property
    def in_flight(self) -> frozenset[int]:
        """The rows of which the model is answering a piece."""
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
    def unwritten_cost(self) -> float:
        """US dollars of answers that have come and wait for the store."""
        return self.inner.unwritten_cost

    @property
    def error(self) -> BaseException | None:
        """The error of the first piece that failed."""
        return self.inner.error

    @property
    def crash(self) -> BaseException | None:
        """What must be raised by the caller, or None."""
        return self.inner.crash

    @property
    def view_fault(self) -> str | None:
        """What a view of this batch failed with, or None."""
        return self.inner.view_fault
