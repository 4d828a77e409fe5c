"""The batch engine: rows → outcomes, with as many requests at once as the provider bears.

A fixed number of workers take positions in turn, so that a million rows are a million turns of a loop and not a
million tasks; what a row sends is made when its turn comes. Everything here runs on one event loop; another thread may
read the ledger at any time.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from ..errors import Fault, MsgfluxError, described, ends_a_process
from ..generation.own_code import has_own_code
from ..models.batch_call import NotSentError
from .crew import Crew
from .gate import Gate, over_budget
from .judging.judge import Judge
from .ledger import Ledger
from .memory import Memory
from .outcome import (
    FirstFailures,
    Outcome,
    failure,
    fault_of,
    is_fatal,
    is_of_one_row,
    structure_of,
    success,
    together,
)
from .turns import Turns
from .twins import Ended, Twins

__all__ = ["AsyncModel", "Batch", "OnError"]

OnError = Literal["keep", "stop", "raise"]

_CHUNK = 1024  # rows of an iterator that are read ahead


class AsyncModel(Protocol):
    """What a batch needs of a model; every ``ChatCompletion`` has it."""

    @property
    def name(self) -> str:
        """Which model this is, for the report."""

    @property
    def profile(self) -> Any:
        """The provider's row; ``parallel`` is how many requests it answers at once."""

    @property
    def max_retries(self) -> int:
        """How many further times a row is sent after a failure that may pass."""

    def prepare(self, messages: Any, *, system_prompt: Any = None, generation_schema: Any = None) -> Any:
        """Return a call that is not made yet: its ``key``, its ``request``, and ``ask(turn)``."""


class RowsAsked(Protocol):
    """What a batch needs of its rows."""

    @property
    def has_media(self) -> bool:
        """Whether making a message takes long enough to be done on a thread."""

    @property
    def total(self) -> int | None:
        """How many rows there are; None while that is not known."""

    def __len__(self) -> int: ...

    def tried_message(self, position: int) -> tuple[Any, BaseException | None]:
        """Return what to send for a row, None for nothing, or what its cells raised."""

    def forget(self, position: int, *, keep: bool) -> None:
        """A row has ended."""


class Batch:
    """One run over some rows.

    Args:
        rows: the input.
        model: who is asked.
        schema: what answers are decoded to; None for their text.
        system_prompt: put in front of each row.
        on_error: what the first failure means for the rest.
        limit: how many rows are worked on at once.
        gate: how many requests the provider bears.
        memory: what is known already, and where answers are kept.
        max_cost: US dollars after which nothing more is sent.
        hungry: called when rows of an iterator are wanted; from the loop's thread.
        told: called with each row that has ended, its position and its outcome; from the loop's thread.
        ledger: how rows have ended so far, if this is not the beginning.
        positions: which rows to work on first; None for all.
        further: whether to go on after these with what an iterator still gives.
        judge: says how sure answers are; None if nobody asks.

    Attributes:
        ledger: how rows have ended.
        stopped: why nothing new is sent, or None.
        error: the error of the first row that failed, kept for ``on_error="raise"``.
        crash: what must not become a row's state (``MemoryError``, ``SystemExit``), to be raised by the caller.
        view_fault: what a view of this batch failed with, or None.
        ended: set when nothing is in flight any more.
        unwritten_cost: US dollars of answers that have come and wait for the store.
        partners: the other batches that share the ledger and ``max_cost``.
    """

    def __init__(
        self,
        rows: RowsAsked,
        model: AsyncModel,
        schema: Any,
        *,
        system_prompt: str | None,
        on_error: OnError,
        limit: int,
        gate: Gate,
        memory: Memory,
        max_cost: float | None = None,
        hungry: Callable[[], object] = lambda: None,
        told: Callable[[int, Outcome], object] = lambda position, outcome: None,
        ledger: Ledger | None = None,
        positions: list[int] | None = None,
        further: bool = True,
        judge: Judge | None = None,
    ) -> None:
        self.ledger = ledger or Ledger(sure=judge is not None)
        self._judge = judge
        self._others = [] if judge is None else judge.others(model)
        self.stopped: str | None = None
        self.error: BaseException | None = None
        self.crash: BaseException | None = None
        self.view_fault: str | None = None
        self.ended = threading.Event()
        self.partners: Sequence[Batch] = ()
        self._rows = rows
        self._model = model
        self._own_code = memory.records is not None and schema is not None and has_own_code(schema)
        self._asked = {"system_prompt": system_prompt, "generation_schema": schema}
        self._on_error = on_error
        self._limit = limit
        self._memory = memory
        self._max_cost = max_cost
        self._hungry = hungry
        self._told = told
        self._fed: asyncio.Event | None = None
        self._positions = positions
        self._further = further
        self._next = 0
        self._twins = Twins(memory)
        self._turns = Turns(
            gate, max_retries=model.max_retries, may_send=self._may_send, stop=self.stop, rest=self._rest
        )
        self._crew: Crew | None = None
        self._interrupted = False
        self._answers = 0
        self.unwritten_cost = 0.0
        # A batch that goes on asks first for the rows that failed before, which tells nothing about the others.
        self._first = FirstFailures(watched=not self.ledger.finished)

    async def run(self) -> None:
        """Run until every row has ended or the batch has stopped and nothing is in flight; raises nothing."""
        self._memory.use(True)
        try:
            if not self._interrupted:
                self._fed = asyncio.Event()
                total = self._rows.total
                if self._positions is not None and (total is not None or not self._further):
                    total = len(self._positions)
                count = self._limit if total is None else min(self._limit, total)
                self._crew = Crew(self._limit, self._take, self._work)
                found = await self._crew.run(count)
                self.crash = self.crash or found
        finally:
            self._memory.use(False)
            self.ledger.grow(len(self._rows))
            self.ended.set()

    def interrupt(self) -> None:
        """Send nothing more and cancel what is in flight. On the loop's thread only."""
        self._interrupted = True
        self.stop("interrupted")
        if self._crew is not None:
            self._crew.cancel()

    def stop(self, reason: str) -> None:
        """Send nothing more; what is in flight is let finish."""
        self.stopped = self.stopped or reason

    def fed(self) -> None:
        """More rows were read, or no rows are left. On the loop's thread only."""
        if self._fed is not None:
            self._fed.set()

    @property
    def started(self) -> bool:
        """Whether it was begun."""
        return self._fed is not None

    @property
    def in_flight(self) -> frozenset[int]:
        """The rows that the model is answering."""
        return frozenset(self._turns.in_flight)

    # -- rows in turn ---------------------------------------------------------------------------------------------

    async def _work(self, position: int) -> None:
        if self.stopped is not None:
            return
        try:
            ended = await self._answer(position)
        except asyncio.CancelledError as cancelled:
            if self._interrupted:
                raise
            # Not ours: something inside the model's call was cancelled, which is this row's failure.
            ended = failure(cancelled, None, None), cancelled
        except BaseException as crash:
            if isinstance(crash, Exception) or ends_a_process(crash):
                self.crash = self.crash or crash
                self.stop(type(crash).__name__)
                return
            ended = failure(crash, None, None), crash  # which no code of ours raises, but a library's may
        if ended is not None:
            self._end(position, *ended)

    async def _rest(self, seconds: float) -> None:
        await (asyncio.sleep(seconds) if self._crew is None else self._crew.rest(seconds))

    async def _take(self) -> int | None:
        self._heed_store()
        if self.stopped is not None:
            return None
        if self._positions is not None:
            if self._next < len(self._positions):
                self._next += 1
                return self._positions[self._next - 1]
            if self._rows.total is not None or not self._further:
                return None
            self._positions, self._next = None, len(self._rows)
        while self._next >= len(self._rows):
            if self._rows.total is not None or self._fed is None:
                return None
            self._fed.clear()
            self._hungry()
            await self._fed.wait()
        position = self._next
        self._next += 1
        self.ledger.grow(min(position + _CHUNK, len(self._rows)) if position % _CHUNK == 0 else position + 1)
        return position

    async def _answer(self, position: int) -> Ended | None:
        """Return how a row ended; None if it did not, since the batch has stopped."""
        prepared, error = await self._prepared(position, self._model)
        if error is not None:
            await asyncio.sleep(0)  # A million rows that need no request must let an interrupt in.
            return failure(error, None, None, sent=False), error
        if prepared is None:
            await asyncio.sleep(0)
            return Outcome("skipped"), None
        self._memory.note(position, prepared)
        ended = await self._told_or_asked(position, prepared)
        if ended is None or not self._others or ended[0].state not in ("ok", "cached"):
            return ended
        return await self._several(position, ended)

    async def _several(self, position: int, first: Ended) -> Ended | None:
        """Ask a row again, and count how often the answers agree; None if the batch has stopped before."""
        outcomes = [first[0]]
        for model in self._others:
            prepared, error = await self._prepared(position, model)
            if error is not None:
                return failure(error, None, None, sent=False), error
            ended = await self._told_or_asked(position, prepared)
            if ended is None:
                return None
            outcomes.append(ended[0])
        assert self._judge is not None
        return together(outcomes, self._judge.agreed([outcome.value for outcome in outcomes])), None

    async def _told_or_asked(self, position: int, prepared: Any) -> Ended | None:
        if self._memory.may_know(prepared):
            known = await self._memory.recall(prepared)
            if known is not None:
                await asyncio.sleep(0)
                return known, None
        return await self._twins.ask(prepared, lambda: self._ask(position, prepared), lambda: self.stopped is not None)

    async def _prepared(self, position: int, model: AsyncModel) -> tuple[Any, BaseException | None]:
        """Return a row's call, None for nothing to send, or whatever its cells raised on the way.

        The error is returned and not raised: a thread cannot raise a StopIteration into a coroutine.
        """
        tried = self._rows.tried_message
        message, error = await asyncio.to_thread(tried, position) if self._rows.has_media else tried(position)
        if error is not None or message is None:
            return None, error
        try:
            prepared = model.prepare(message, **self._asked)
        except Exception as problem:
            return None, problem
        if self._own_code:  # which may take the process with it: what is paid for is kept before
            prepared.came = functools.partial(self._memory.keep_unread, prepared)
        return prepared, None

    # -- one row --------------------------------------------------------------------------------------------------

    async def _ask(self, position: int, prepared: Any) -> Ended | None:
        started = time.perf_counter()
        try:
            response = await prepared.ask(self._turns.of(position, prepared))
        except NotSentError:
            return None
        except MemoryError:
            raise
        except asyncio.CancelledError:
            # Interrupted while a correction was under way: what it was to correct is paid for.
            response = prepared.rescued() if self._interrupted else None
            if response is None:
                raise
        except Exception as error:
            return await self._given_up(error, prepared, time.perf_counter() - started)
        return await self._answered(response, prepared, time.perf_counter() - started)

    async def _keep(self, prepared: Any, outcome: Outcome) -> None:
        cost = outcome.cost or 0.0
        self.unwritten_cost += cost
        try:
            await self._memory.keep(prepared, outcome)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise  # else it was paid for, has ended, and is written soon
        finally:
            self.unwritten_cost -= cost

    def _heed_store(self) -> None:
        reason = None if self.stopped is not None else self._memory.why_stop()
        if reason is not None:
            self.stop(reason)

    def _may_send(self) -> bool:
        self._heed_store()
        if self.stopped is None and self._max_cost is not None:
            all_ = (self, *self.partners)
            answers, in_flight = sum(one._answers for one in all_), sum(len(one._turns.in_flight) for one in all_)
            reason = over_budget(self._max_cost, self.ledger.cost, answers, in_flight)
            if reason is not None:
                self.stop(reason)
        return self.stopped is None

    async def _given_up(self, error: Exception, prepared: Any, seconds: float) -> Ended | None:
        if isinstance(error, MsgfluxError):
            error.attempts = max(prepared.attempts, error.attempts)
        if fault_of(error) is Fault.ACCOUNT:  # the batch's end and not the row's, which is for when there is money
            self.stop(f"the quota is used up: {error}")
            return None
        if self._judge is not None:
            self._give_up_judging(self._judge.refused(error))
        outcome = failure(error, None, seconds)
        await self._keep(prepared, outcome)
        return outcome, error

    async def _answered(self, response: Any, prepared: Any, seconds: float) -> Ended:
        self._answers += 1
        error: BaseException | None = None
        try:
            value = structure_of(response.consume())
            outcome = success(value, response.bill, seconds)  # which knows by now what decoding repaired
        except BaseException as problem:
            if ends_a_process(problem):
                raise
            outcome, error = failure(problem, response.bill, seconds), problem
        outcome = msgspec.structs.replace(outcome, attempts=prepared.attempts)
        if self._judge is not None and error is None:
            outcome = self._judged(outcome, prepared, self._judge)
        await self._keep(prepared, outcome)
        if self._max_cost is not None and outcome.cost is None:
            self.stop(f"max_cost cannot be kept, since the price of {self._model.name} is not known")
        return outcome, error

    def _judged(self, outcome: Outcome, prepared: Any, judge: Judge) -> Outcome:
        """Return an outcome with how sure its fields are; a provider that does not say ends the batch."""
        self._give_up_judging(judge.impossible(prepared.answer))
        return msgspec.structs.replace(outcome, sure=judge.measured(prepared.answer, prepared.text))

    def _give_up_judging(self, impossible: MsgfluxError | None) -> None:
        if impossible is not None:
            self.crash = self.crash or impossible
            self.stop(str(impossible))

    def _end(self, position: int, outcome: Outcome, error: BaseException | None) -> None:
        sent = position in self._turns.in_flight
        self.ledger.end(position, outcome)
        try:
            self._told(position, outcome)
        except Exception as fault:  # the batch is worth more than its view
            self.view_fault = self.view_fault or described(fault)
        self._turns.in_flight.discard(position)
        self._rows.forget(position, keep=error is not None)
        if error is None:
            if sent:
                self._first.over()
            return
        self.error = self.error or error
        if self._on_error != "keep":
            self.stop(f"row {position} failed and on_error={self._on_error!r}: {outcome.error}")
        elif is_fatal(error):
            self.stop(f"every row would fail like row {position}: {outcome.error}")
        elif outcome.attempts != 0 and not is_of_one_row(error):
            alike = self._first.alike(error)
            if alike is not None:
                self.stop(f"{alike}; the last: {outcome.error}")
