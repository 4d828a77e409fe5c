"""The batch engine: rows → outcomes, with as many concurrent requests as the provider accepts.

A fixed number of workers take positions in turn, so that a million rows do not become a million tasks. A row's request
is made when its turn comes. Everything here runs on one event loop; another thread may read the ledger at any time.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
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
    UNANSWERED,
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
from .turns import Turns, asks_too_long, put_aside
from .twins import Ended, Twins

__all__ = ["AsyncModel", "Batch", "OnError"]

OnError = Literal["keep", "stop", "raise"]

_CHUNK = 1024  # rows of an iterator that are read ahead


class AsyncModel(Protocol):
    """The part of a model that a batch uses; every ``ChatCompletion`` has it."""

    @property
    def name(self) -> str:
        """The model's name, for the report."""

    @property
    def profile(self) -> Any:
        """The provider's row; ``parallel`` is how many requests it answers at once."""

    @property
    def max_retries(self) -> int:
        """How often a row is sent again after a failure that may pass."""

    def prepare(self, messages: Any, *, system_prompt: Any = None, generation_schema: Any = None) -> Any:
        """Return a call that has not been made, with its ``key``, its ``request``, and ``ask(turn)``."""


class RowsAsked(Protocol):
    """The part of ``Rows`` that a batch uses."""

    @property
    def has_media(self) -> bool:
        """Whether making a message takes so long that it needs a thread."""

    @property
    def total(self) -> int | None:
        """The number of rows; None while it is unknown."""

    def __len__(self) -> int: ...

    def tried_message(self, position: int) -> tuple[Any, BaseException | None]:
        """Return a row's message, None if there is nothing to send, and the error of its cells or None."""

    def forget(self, position: int, *, keep: bool) -> None:
        """Drop the content of a row that has ended; ``keep`` it if it may be asked again."""


class Batch:
    """One run over some rows.

    Args:
        rows: the input.
        model: the model to ask.
        schema: what answers are decoded to; None for text.
        system_prompt: put in front of each row.
        on_error: what to do after a failure.
        limit: the number of rows in work at once.
        gate: limits the concurrent requests.
        limits: the batch's own limits, as :meth:`Gate.hold` takes them; None if they were applied before.
        memory: finds known answers and keeps new ones.
        max_cost: US dollars after which nothing more is sent.
        hungry: called on the loop's thread when more rows of an iterator are wanted.
        told: called on the loop's thread with the position and the outcome of each row that has ended.
        ledger: the outcomes so far, if the batch continues an earlier run.
        positions: the rows to work on first; None for all.
        further: whether to continue with the rest of an iterator after ``positions``.
        judge: computes the confidence of answers; None without confidence.

    Attributes:
        ledger: the outcomes of the rows.
        stopped: why nothing new is sent, or None.
        error: the error of the first row that failed, for ``on_error="raise"``.
        crash: an error that must not become a row's state (``MemoryError``, ``SystemExit``); the caller raises it.
        view_fault: the error of a view of this batch, or None.
        ended: set when nothing is in flight any more.
        partners: the batches that share the ledger and ``max_cost``, this one included.
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
        limits: Mapping[str, Any] | None = None,
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
        self.partners: Sequence[Batch] = (self,)
        self._rows = rows
        self._model = model
        self._own_code = memory.records is not None and schema is not None and has_own_code(schema)
        self._asked = {"system_prompt": system_prompt, "generation_schema": schema}
        self._on_error = on_error
        self._limit = limit
        self._limits = nullcontext() if limits is None else gate.held(**limits)
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
            gate,
            max_retries=model.max_retries,
            may_send=self._may_send,
            stop=self.stop,
            rest=self._rest,
            first_alone=max_cost is not None,
        )
        self._crew: Crew | None = None
        self._interrupted = False
        self._before, self._usual_before = self.ledger.cost, self.ledger.mean_cost
        # A batch that continues begins with rows that failed before, which says nothing about the others.
        self._first = FirstFailures(watched=not self.ledger.finished)

    async def run(self) -> None:
        """Run until all rows have ended, or the batch has stopped and nothing is in flight; never raise."""
        self._memory.use(True)
        try:
            if not self._interrupted:
                self._fed = asyncio.Event()
                total = self._rows.total
                if self._positions is not None and (total is not None or not self._further):
                    total = len(self._positions)
                count = self._limit if total is None else min(self._limit, total)
                self._crew = Crew(self._limit, self._take, self._work)
                with self._limits:
                    found = await self._crew.run(count)
                self.crash = self.crash or found
        finally:
            self._memory.use(False)
            self.ledger.grow(len(self._rows))
            self.ended.set()

    def interrupt(self) -> None:
        """Send nothing more and cancel requests in flight. On the loop's thread only."""
        self._interrupted = True
        self.stop("interrupted")
        if self._crew is not None:
            self._crew.cancel()

    def stop(self, reason: str) -> None:
        """Send nothing more; requests in flight finish."""
        self.stopped = self.stopped or reason

    def fed(self) -> None:
        """Continue: more rows were read, or no rows are left. On the loop's thread only."""
        if self._fed is not None:
            self._fed.set()

    @property
    def started(self) -> bool:
        """Whether ``run`` has begun."""
        return self._fed is not None

    @property
    def in_flight(self) -> frozenset[int]:
        """The positions of the rows whose requests are in flight."""
        return frozenset(self._turns.in_flight)

    @property
    def paid(self) -> Mapping[int, float]:
        """US dollars of the answers so far of rows that have not ended, by position."""
        return self._turns.paid

    @property
    def spent(self) -> float:
        """US dollars of all answers of all partners so far, as far as known."""
        return self.ledger.cost + sum(sum(one.paid.values()) for one in self.partners)

    # -- rows in turn ---------------------------------------------------------------------------------------------

    async def _work(self, position: int) -> None:
        if self.stopped is not None:
            return
        try:
            ended = await self._answer(position)
        except asyncio.CancelledError as cancelled:
            if self._interrupted:
                raise
            # Nobody interrupted: something inside the call was cancelled, so this row has failed.
            ended = failure(cancelled, None, None), cancelled
        except BaseException as crash:
            if isinstance(crash, Exception) or ends_a_process(crash):
                self.crash = self.crash or crash
                self.stop(type(crash).__name__)
                return
            ended = failure(crash, None, None), crash  # only a library raises others
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
        """Return a row's outcome and error; None if the batch stopped first."""
        prepared, error = await self._prepared(position, self._model)
        if error is not None:
            await asyncio.sleep(0)  # Rows without requests must let an interrupt in.
            return failure(error, None, None, sent=False), error
        if prepared is None:
            await asyncio.sleep(0)
            return Outcome("skipped"), None
        self._memory.note(position, prepared)
        ended = await self._recalled_or_asked(position, prepared)
        if ended is None or not self._others or ended[0].state not in ("ok", "cached"):
            return ended
        return await self._several(position, ended)

    async def _several(self, position: int, first: Ended) -> Ended | None:
        """Ask a row again and count how often the answers agree; None if the batch stopped first."""
        outcomes = [first[0]]
        for model in self._others:
            prepared, error = await self._prepared(position, model)
            if error is not None:
                return failure(error, None, None, sent=False), error
            ended = await self._recalled_or_asked(position, prepared)
            if ended is None or ended[0].state in UNANSWERED:
                return ended
            outcomes.append(ended[0])
        assert self._judge is not None
        return together(outcomes, self._judge.agreed([outcome.value for outcome in outcomes])), None

    async def _recalled_or_asked(self, position: int, prepared: Any) -> Ended | None:
        if self._memory.may_know(prepared):
            known = await self._memory.recall(prepared)
            if known is not None:
                await asyncio.sleep(0)
                return known, None
        return await self._twins.ask(prepared, lambda: self._ask(position, prepared), lambda: self.stopped is not None)

    async def _prepared(self, position: int, model: AsyncModel) -> tuple[Any, BaseException | None]:
        """Return a row's call, None if there is nothing to send, and the error of its cells or None.

        The error is returned, not raised, because a thread cannot raise StopIteration into a coroutine.
        """
        tried = self._rows.tried_message
        message, error = await asyncio.to_thread(tried, position) if self._rows.has_media else tried(position)
        if error is not None or message is None:
            return None, error
        try:
            prepared = model.prepare(message, **self._asked)
        except Exception as problem:
            return None, problem
        if self._own_code:  # a user's code may crash the process: keep the answer first
            prepared.came = functools.partial(self._memory.keep_unread, prepared)
        return prepared, None

    # -- one row --------------------------------------------------------------------------------------------------

    async def _ask(self, position: int, prepared: Any) -> Ended | None:
        started = time.perf_counter()
        turn = self._turns.of(position, prepared)
        try:
            response = await prepared.ask(turn)
        except NotSentError:
            return None
        except MemoryError:
            raise
        except asyncio.CancelledError:
            # If a correction was interrupted, the answer before it is paid for and used.
            response = prepared.rescued() if self._interrupted else None
            if response is None:
                raise
        except Exception as error:
            return await self._given_up(position, error, prepared, time.perf_counter() - started)
        ended = self._read(response, prepared, time.perf_counter() - started)
        outcome = ended[0]
        turn.pay(outcome.cost)
        await self._keep(prepared, outcome)
        if self._max_cost is not None and outcome.cost is None:
            self.stop(f"max_cost cannot be enforced, since the price of {self._model.name} is not known")
        return ended

    async def _keep(self, prepared: Any, outcome: Outcome) -> None:
        try:
            await self._memory.keep(prepared, outcome)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise  # after an interrupt, the answer is still written in the background

    def _heed_store(self) -> None:
        reason = None if self.stopped is not None else self._memory.why_stop()
        if reason is not None:
            self.stop(reason)

    def _may_send(self, position: int) -> bool:
        self._heed_store()
        if self.stopped is None and self._max_cost is not None:
            spent, answered = self.spent, sum(one._turns.answered for one in self.partners)
            each = (spent - self._before) / answered if answered else self._usual_before
            in_flight = sum(len(one._turns.in_flight) for one in self.partners) - (position in self._turns.in_flight)
            reason = over_budget(self._max_cost, spent, each, in_flight)
            if reason is not None:
                self.stop(reason)
        return self.stopped is None

    async def _given_up(self, position: int, error: Exception, prepared: Any, seconds: float) -> Ended | None:
        if isinstance(error, MsgfluxError):
            error.attempts = max(prepared.attempts, error.attempts)
        if fault_of(error) is Fault.ACCOUNT:  # stop the batch; the row stays pending until there is money again
            self.stop(f"the quota is used up: {error}")
            return None
        if asks_too_long(error):
            return put_aside(error, prepared.attempts, self.paid.get(position)), None
        if self._judge is not None:
            self._give_up_judging(self._judge.refused(error))
        outcome = failure(error, None, seconds)
        await self._keep(prepared, outcome)
        return outcome, error

    def _read(self, response: Any, prepared: Any, seconds: float) -> Ended:
        error: BaseException | None = None
        try:
            value = structure_of(response.consume())
            outcome = success(value, response.bill, seconds)  # after consume, so that it lists the repairs
        except BaseException as problem:
            if ends_a_process(problem):
                raise
            outcome, error = failure(problem, response.bill, seconds), problem
        outcome = msgspec.structs.replace(outcome, attempts=prepared.attempts)
        if self._judge is not None and error is None:
            outcome = self._judged(outcome, prepared, self._judge)
        return outcome, error

    def _judged(self, outcome: Outcome, prepared: Any, judge: Judge) -> Outcome:
        """Return an outcome with the confidence of its fields; stop the batch if the provider gives none."""
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
        except Exception as fault:  # an error of a view must not end the batch
            self.view_fault = self.view_fault or described(fault)
        self._turns.end(position)
        open_still = outcome.state in UNANSWERED
        self._rows.forget(position, keep=open_still or error is not None)
        if error is None:
            if sent and not open_still:
                self._first.over()
            return
        error = error.with_traceback(None)  # its frames hold the row's whole answer
        if self.error is None and (self._on_error == "raise" or is_fatal(error)):
            self.error = error
        if self._on_error != "keep":
            self.stop(f"row {position} failed and on_error={self._on_error!r}: {outcome.error}")
        elif is_fatal(error):
            self.stop(f"every row would fail like row {position}: {outcome.error}")
        elif outcome.attempts != 0 and not is_of_one_row(error):
            alike = self._first.alike(error)
            if alike is not None:
                self.stop(f"{alike}; the last: {outcome.error}")
