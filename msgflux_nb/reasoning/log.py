"""``Log``: records what a plan has done, however it ends; calls its listener; lets any thread stop the plan."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from ..errors import StreamInterruptedError
from ..http.limits import waking
from ..models.chat import ChatCompletion
from ..models.stream import Arriving, StreamResponse
from .budget import Budget
from .plan_events import Asking, OnPlanEvent, PlanEnded, PlanStarted, Spent
from .trace import Asked

__all__ = ["Log", "numbered", "opened", "running"]

Result = TypeVar("Result")


class Log:
    """The record of a running plan.

    Args:
        budget: the plan's budget.
        on_event: called with every event; an exception that it raises ends the plan.

    Attributes:
        late: whether ``max_seconds`` has cut a call.
        stopping: whether the plan was stopped.
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
        self._ends: Callable[[], None] | None = None  # cancels what is in flight

    def take_up(self, trace: Iterable[Any], responses: Iterable[Any], calls: int, seconds: float) -> None:
        """Continue a plan that has ended; its calls and its spending count."""
        self.entries = [entry for entry in trace if isinstance(entry, Asked)]
        self.responses = list(responses)
        for response in self.responses:
            self.budget.took_response(response)
        self.budget.calls = calls
        self.budget.began_before(seconds)

    def tell_again(self) -> None:
        """Send the events of the continued plan's calls again."""
        for entry in self.entries:
            self.tell(Asking(entry.purpose, entry.about))
            self.tell(entry)
        if self.budget.calls:
            self.tell_spent()

    def tell(self, event: Any) -> None:
        """Call the listener with an event."""
        if self._on_event is not None:
            self._on_event(event)

    def tell_spent(self) -> None:
        """Send what was spent so far."""
        budget = self.budget
        tokens = budget.tokens if budget.tokens_known else None
        self.tell(Spent(budget.calls, tokens, budget.cost if budget.cost_known else None, budget.seconds))

    def ended(self, result: Result) -> Result:
        """Send that the plan has ended, and return its result."""
        self.tell(PlanEnded(result))
        return result

    def cut(self, entry: Asked | None) -> None:
        """Record a call that ``max_seconds`` cut; it counts, with unknown tokens."""
        if entry is not None:
            self.entries.append(entry)
            self.tell(entry)
        self.budget.calls += 1
        self.tell_spent()

    # -- stopping ------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the plan, from any thread."""
        with self._lock:
            self.stopping = True
            ends = self._ends
        if ends is not None:
            ends()

    def check(self) -> None:
        """Raise if the plan was stopped.

        Raises:
            StreamInterruptedError: the plan was stopped.
        """
        if self.stopping:
            raise StreamInterruptedError("the plan was stopped; its result so far is in this error's .plan")

    @contextmanager
    def ending(self, ends: Callable[[], None]) -> Iterator[None]:
        """Have a stop call ``ends`` while the block runs."""
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
        """Cancel an answer if ``max_seconds`` pass or the plan is stopped while the block runs."""
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
    """Return an answer that can be cancelled and is not requested yet; None for a model that is not ours."""
    if not isinstance(model, ChatCompletion):
        return None
    names = ("system_prompt", "prefilling", "generation_schema", "tool_schemas", "tool_choice")
    asked = {name: keywords.get(name) for name in names}
    return model.arriving(messages, bool(keywords.get("stream")), **asked)


def numbered(model: Any, number: int) -> Any:
    """Return the model for the sample of this number, since caches, stores and recordings keep samples apart."""
    return model if number == 0 or not isinstance(model, ChatCompletion) else model.numbered(number)


@contextmanager
def running(log: Log, result: Callable[[str], Any], started: PlanStarted, *, awaited: bool = False) -> Iterator[None]:
    """Send how a plan begins and how it breaks off; the exception gets the result so far as ``error.plan``.

    Args:
        log: the log of the plan.
        result: builds the result so far; called with the reason for the end.
        started: the first event.
        awaited: whether a coroutine runs the plan, whose task a stop cancels.
    """
    task = asyncio.current_task() if awaited else None
    loop = asyncio.get_running_loop() if awaited else None

    def cancel() -> None:
        if loop is not None and task is not None:
            loop.call_soon_threadsafe(task.cancel)

    try:
        with log.ending(cancel), waking() if awaited else nullcontext():
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
        error.plan = plan  # type: ignore[attr-defined]  # exceptions accept any attribute
    except AttributeError:  # except those with slots
        error.add_note("the plan's result so far could not be attached to this error")
    with suppress(Exception):  # the listener may be what ended the plan
        log.tell(PlanEnded(plan, error))
