"""The batches of a grid, one per model, which run at once over one ledger."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from ..batch import Batch
from ..ledger import Ledger

__all__ = ["Batches"]


class Batches:
    """Batches that share a ledger and a budget, as one batch.

    Args:
        batches: the batches.
        ledger: the ledger that they share.
        names: the model of each batch, for the message if only some have stopped.

    Attributes:
        ledger: the outcomes of the cells.
        ended: set when nothing is in flight any more.
    """

    def __init__(self, batches: Sequence[Batch], ledger: Ledger, names: Sequence[str]) -> None:
        self._batches, self._names = batches, names
        self.ledger = ledger
        self.ended = threading.Event()
        self._began: float | None = None
        self._ran = 0.0
        for batch in batches:
            batch.partners = batches

    async def run(self) -> None:
        """Run all batches to their end; never raise."""
        self._began = time.monotonic()
        try:
            await asyncio.gather(*(batch.run() for batch in self._batches))
        finally:
            self._ran = time.monotonic() - self._began
            self.ended.set()

    def interrupt(self) -> None:
        """Send nothing more and cancel requests in flight. On the loop's thread only."""
        for batch in self._batches:
            batch.interrupt()

    @property
    def stopped(self) -> str | None:
        """Why nothing new is sent, or None; if only some batches have stopped, their models are named."""
        reasons = {name: batch.stopped for name, batch in zip(self._names, self._batches, strict=True) if batch.stopped}
        if not reasons:
            return None
        if len(set(reasons.values())) == 1:
            return next(iter(reasons.values()))
        return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())

    @property
    def crash(self) -> BaseException | None:
        """An error that must not become the state of an answer; the caller raises it."""
        return next((batch.crash for batch in self._batches if batch.crash is not None), None)

    @property
    def in_flight(self) -> frozenset[int]:
        """The positions whose requests are in flight."""
        return frozenset[int]().union(*(batch.in_flight for batch in self._batches))

    @property
    def paid(self) -> dict[int, float]:
        """US dollars of the answers so far of cells that have not ended, by position."""
        return {position: paid for batch in self._batches for position, paid in batch.paid.items()}

    @property
    def running(self) -> bool:
        """Whether the batches have begun and not ended."""
        return self._began is not None and not self.ended.is_set()

    @property
    def seconds(self) -> float:
        """The seconds that they have run."""
        return self._ran if self._began is None or self.ended.is_set() else time.monotonic() - self._began
