"""``Log``: keeps what a plan did so far, however the plan ends; tells listeners; lets anybody stop the plan."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from ..errors import StreamInterruptedError
from ..models.chat import ChatCompletion
from ..models.stream import Arriving, StreamResponse
from .budget import Budget
from .plan_events import Asking, OnPlanEvent, PlanEnded, PlanStarted, Spent
from .trace import Asked

__all__ = ["Log", "numbered", "opened", "running"]

Result = TypeVar("Result")


class Log:
    """What happened so far.

    Args:
        budget: what may be spent.
        on_event: told of everything; what it raises ends the plan.

    Attributes:
        late: whether ``max_seconds`` has cut a call.
        stopping: whether somebody stopped the plan.
    """

    def __init__(self, budget: Budget, on_event: OnPlanEvent | None = None) -> None:
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event: expected a function or None, got {type(on_event).__name__}")
        self.budget = budget
        self.entries: list[Asked] = []
        self.responses: list[Any] = []
        self.late = self.stopping = False
        self._on_event = on_event
        self._lock = threading.Lock()
        self._ends: Callable[[], None] | None = None  # what is in flight

    def take_up(self, trace: Iterable[Any], responses: Iterable[Any], calls: int, seconds: float) -> None:
        """Go on from a plan that has ended: what it asked and spent counts."""
        self.entries = [entry for entry in trace if isinstance(entry, Asked)]
        self.responses = list(responses)
        for response in self.responses:
            self.budget.took_response(response)
        self.budget.calls = calls
        self.budget.began_before(seconds)

    def tell_again(self) -> None:
        """Tell what was asked before the plan was taken up."""
        for entry in self.entries:
            self.tell(Asking(entry.purpose, entry.about))
            self.tell(entry)
        if self.budget.calls:
            self.tell_spent()

    def tell(self, event: Any) -> None:
        """Tell who listens."""
        if self._on_event is not None:
            self._on_event(event)

    def tell_spent(self) -> None:
        """Tell what was spent so far."""
        budget = self.budget
        tokens = budget.tokens if budget.tokens_known else None
        self.tell(Spent(budget.calls, tokens, budget.cost if budget.cost_known else None, budget.seconds))

    def ended(self, result: Result) -> Result:
        """Tell that the plan has ended, and return its result."""
        self.tell(PlanEnded(result))
        return result

    def cut(self, entry: Asked | None) -> None:
        """Keep a call that ``max_seconds`` ended: it counts, and its tokens are not known."""
        if entry is not None:
            self.entries.append(entry)
            self.tell(entry)
        self.budget.calls += 1
        self.tell_spent()

    # -- ending what is in flight ----------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the plan, from any thread."""
        with self._lock:
            self.stopping = True
            ends = self._ends
        if ends is not None:
            ends()

    def check(self) -> None:
        """Raise if somebody stopped the plan.

        Raises:
            StreamInterruptedError: somebody did.
        """
        if self.stopping:
            raise StreamInterruptedError("the plan was stopped; its result so far is in this error's .plan")

    @contextmanager
    def ending(self, ends: Callable[[], None]) -> Iterator[None]:
        """Let a stop call ``ends`` for as long as this lasts."""
        with self._lock:
            before, self._ends = self._ends, ends
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._ends = before

    @contextmanager
    def cutting(self, answer: Arriving) -> Iterator[None]:
        """Cancel an answer when ``max_seconds`` are over, or the plan is stopped."""
        left = self.budget.seconds_left()
        timer = None if left is None else threading.Timer(left, self._cut_late, [answer])
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            with self.ending(answer.cancel):
                yield
        except StreamInterruptedError:
            self.check()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _cut_late(self, answer: Arriving) -> None:
        self.late = True
        answer.cancel()


def opened(model: Any, messages: Any, keywords: dict[str, Any]) -> StreamResponse | None:
    """Return an answer that was not asked for yet and can be cancelled, streamed or not; None for a model of others."""
    if not isinstance(model, ChatCompletion):
        return None
    names = ("system_prompt", "prefilling", "generation_schema", "tool_schemas", "tool_choice")
    asked = {name: keywords.get(name) for name in names}
    return model.arriving(messages, bool(keywords.get("stream")), **asked)


def numbered(model: Any, number: int) -> Any:
    """Return the model for the sample of this number: a cache, a store and a recording have an answer for each."""
    return model if number == 0 or not isinstance(model, ChatCompletion) else model.numbered(number)


@contextmanager
def running(log: Log, result: Callable[[str], Any], started: PlanStarted, *, awaited: bool = False) -> Iterator[None]:
    """Tell how a plan begins and how it breaks off; what breaks it off has the result so far, as ``error.plan``.

    Args:
        log: of the plan.
        result: makes the result so far, stopped by what it is called with.
        started: what is told first.
        awaited: whether a coroutine runs the plan, whose task a stop cancels.
    """
    task = asyncio.current_task() if awaited else None
    loop = asyncio.get_running_loop() if awaited else None

    def cancel() -> None:
        if loop is not None and task is not None:
            loop.call_soon_threadsafe(task.cancel)

    try:
        with log.ending(cancel):
            log.tell(started)
            yield
    except BaseException as error:
        if log.stopping and isinstance(error, asyncio.CancelledError) and task is not None:
            task.uncancel()
            stopped = StreamInterruptedError("the plan was stopped; its result so far is in this error's .plan")
            _keep(log, result, stopped)
            raise stopped from None
        _keep(log, result, error)
        raise


def _keep(log: Log, result: Callable[[str], Any], error: BaseException) -> None:
    plan = result("error" if isinstance(error, Exception) and not log.stopping else "interrupted")
    try:
        error.plan = plan  # type: ignore[attr-defined]  # an error takes any attribute
    except AttributeError:  # but one with slots
        error.add_note("the plan's result so far could not be attached to this error")
    with suppress(Exception):  # who listens may be what ended it
        log.tell(PlanEnded(plan, error))
