"""The batch engine: rows → outcomes, with a bounded number of requests at once.

A fixed number of workers take positions from one iterator, so that a million rows are a million turns of a loop and
not a million tasks; a row's text is made when its turn comes. Everything here runs on one event loop; another thread
may read ``finished``, ``failed`` and ``settled()`` at any time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Literal, Protocol

from .cells import CellError
from .outcome import Outcome, failure, is_fatal, signature, success
from .rows import Rows

__all__ = ["AsyncModel", "Batch", "OnError"]

OnError = Literal["keep", "stop", "raise"]
_SAME_FAILURES = 5


class AsyncModel(Protocol):
    """What a batch needs of a model; every ``ChatCompletion`` has it."""

    @property
    def name(self) -> str:
        """Which model this is, for the report."""

    @property
    def profile(self) -> Any:
        """The provider's row; ``parallel`` is how many requests it answers at once."""

    async def acall(self, messages: Any, *, system_prompt: Any = None, generation_schema: Any = None) -> Any:
        """Ask once; retries are the model's own business."""


class Batch:
    """One run over some rows.

    Attributes:
        finished: how many rows have ended.
        failed: how many of these failed.
        stopped: why nothing new is sent, or None.
        error: the error of the first row that failed, kept for ``on_error="raise"``.
        crash: what must not become a row's state (``MemoryError``, ``SystemExit``), to be raised by the caller.
        ended: set when nothing is in flight any more.
    """

    def __init__(
        self,
        rows: Rows,
        model: AsyncModel,
        schema: Any,
        *,
        system_prompt: str | None,
        on_error: OnError,
        limit: int,
    ) -> None:
        self.finished = 0
        self.failed = 0
        self.stopped: str | None = None
        self.error: BaseException | None = None
        self.crash: BaseException | None = None
        self.ended = threading.Event()
        self._rows = rows
        self._model = model
        self._options = {"system_prompt": system_prompt, "generation_schema": schema}
        self._on_error = on_error
        self._limit = limit
        self._outcomes: list[Outcome | None] = [None] * len(rows)
        self._positions = iter(range(len(rows)))
        self._in_flight: set[int] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._interrupted = False
        # The failures so far, as long as every row that was sent failed in the same way; then None.
        self._same: list[tuple[type, str]] | None = []

    async def run(self) -> None:
        """Run until every row has ended or the batch has stopped and nothing is in flight; raises nothing."""
        try:
            if not self._interrupted:
                count = min(self._limit, len(self._rows))
                self._workers = [asyncio.ensure_future(self._work()) for _ in range(count)]
                ends = await asyncio.gather(*self._workers, return_exceptions=True)
                self.crash = self.crash or next((end for end in ends if isinstance(end, Exception)), None)
        finally:
            self.ended.set()

    def interrupt(self) -> None:
        """Send nothing more and cancel what is in flight. On the loop's thread only."""
        self._interrupted = True
        self.stop("interrupted")
        for worker in self._workers:
            worker.cancel()

    def stop(self, reason: str) -> None:
        """Send nothing more; what is in flight is let finish."""
        self.stopped = self.stopped or reason

    def settled(self) -> list[Outcome]:
        """Return an outcome for every row; those without one were in flight (interrupted) or never sent (pending)."""
        in_flight = frozenset(self._in_flight)
        interrupted = Outcome(
            "interrupted", error="interrupted while the model was answering; it may have been billed", attempts=None
        )
        pending = Outcome("pending", error=f"not sent: {self.stopped}")
        return [
            outcome if outcome is not None else interrupted if position in in_flight else pending
            for position, outcome in enumerate(self._outcomes)
        ]

    async def _work(self) -> None:
        for position in self._positions:
            if self.stopped is not None:
                return
            try:
                outcome, error = await self._answer(position)
            except asyncio.CancelledError as cancelled:
                if self._interrupted:
                    raise
                # Not ours: something inside the model's call was cancelled, which is this row's failure.
                outcome, error = failure(cancelled, None, None), cancelled
            except BaseException as crash:
                self.crash = self.crash or crash
                self.stop(type(crash).__name__)
                return
            self._end(position, outcome, error)

    async def _answer(self, position: int) -> tuple[Outcome, BaseException | None]:
        try:
            text = self._rows.text(position)
        except CellError as error:
            await asyncio.sleep(0)  # A million rows that need no request must let an interrupt in.
            return Outcome("failed", error=str(error)), error
        if text is None:
            await asyncio.sleep(0)
            return Outcome("skipped"), None
        self._in_flight.add(position)
        started, response = time.perf_counter(), None
        try:
            response = await self._model.acall(text, **self._options)
            return success(response.consume(), response, time.perf_counter() - started), None
        except MemoryError:
            raise
        except Exception as error:
            return failure(error, response, time.perf_counter() - started), error

    def _end(self, position: int, outcome: Outcome, error: BaseException | None) -> None:
        sent = position in self._in_flight
        self._outcomes[position] = outcome
        self._in_flight.discard(position)
        self.finished += 1
        if error is None:
            if sent:
                self._same = None
            return
        self.failed += 1
        self.error = self.error or error
        if self._on_error != "keep":
            self.stop(f"row {position} failed and on_error={self._on_error!r}: {outcome.error}")
        elif is_fatal(error):
            self.stop(f"every row would fail like row {position}: {outcome.error}")
        elif sent and self._same is not None:
            self._compare(error, outcome)

    def _compare(self, error: BaseException, outcome: Outcome) -> None:
        """Stop when the first rows all fail in the same way: the schema or the prompt is at fault, not the rows."""
        found = signature(error)
        if self._same and self._same[0] != found:
            self._same = None
            return
        self._same = [*(self._same or ()), found]
        if len(self._same) >= _SAME_FAILURES:
            self.stop(
                f"the first {_SAME_FAILURES} rows all failed in the same way, so nothing more was paid for; "
                f"the last: {outcome.error}"
            )
