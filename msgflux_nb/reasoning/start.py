"""``start``: runs a plan on a separate thread, so that a notebook stays free; it can be watched and stopped."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import StreamInterruptedError, brief
from ..protocol.events import Watchers
from .plan_events import PlanStarted
from .react import areact, react
from .result import PlanResult
from .self_consistency import aself_consistency, self_consistency
from .trace import Sample
from .tree_of_thoughts import atree_of_thoughts, tree_of_thoughts

__all__ = ["PlanRun", "samples_left", "start"]

Watcher = Callable[[tuple[float, Any] | None], object]

_TWINS: dict[Any, Any] = {
    react: areact,
    self_consistency: aself_consistency,
    tree_of_thoughts: atree_of_thoughts,
}


class PlanRun:
    """A plan that runs on a thread; made by :func:`start`.

    Attributes:
        state: ``running``, ``complete``, ``stopped`` or ``failed``.
        result: the result of the driver; if the plan broke off, the result so far. None before the end.
        error: the exception that broke the plan off, or None.
    """

    def __init__(self, driver: Callable[..., Any], given: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.state = "running"
        self.result: PlanResult | None = None
        self.error: BaseException | None = None
        self._driver, self._given, self._keywords = driver, given, keywords
        self._heard: Any = keywords.get("on_event")
        self._lock = threading.RLock()
        self._told: list[tuple[float, Any]] = []
        self._watchers: Watchers[tuple[float, Any]] = Watchers()
        self._started: PlanStarted | None = None
        self._stop_asked = False
        self._done = threading.Event()

    def __repr__(self) -> str:
        return f"PlanRun({self._driver.__name__.removeprefix('a')}, {self.state})"

    @property
    def running(self) -> bool:
        """Whether the plan is still running."""
        return not self._done.is_set()

    def stop(self) -> None:
        """Stop the plan, cancel calls in flight, and keep the results. May be called from any thread, and again."""
        with self._lock:
            self._stop_asked = True
            started = self._started
        if started is not None and self.running:
            started.stop()

    def wait(self, timeout_seconds: float | None = None) -> PlanResult | None:
        """Wait for the end, and return the result; None if ``timeout_seconds`` pass first.

        Raises:
            Exception: whatever the driver raised. After a stop nothing is raised, and the result so far is returned.
        """
        if not self._done.wait(timeout_seconds):
            return None
        if self.error is not None and self.state == "failed":
            raise self.error
        return self.result

    def ask_others(self) -> PlanRun:
        """Start a run that asks for the samples that an early stop of a vote has left out, and counts all; return it.

        Raises:
            ValueError: no samples were left out.
        """
        result = self.wait()
        if result is None or not samples_left(result):
            raise ValueError("there are no other samples to ask for: the rule of this vote did not stop it early")
        return start(self._driver, *self._given, **{**self._keywords, "stop": None, "before": result})

    def watch(self, watcher: Watcher) -> None:
        """Call a function with every event: past events at once, later ones as they happen, on the plan's thread.

        Args:
            watcher: called with the clock's seconds (``time.monotonic``) and the event, and with None at the end. It
                must not raise.
        """
        with self._lock:
            for news in self._told:
                watcher(news)
            self._watchers.join(watcher)
            if not self.running:
                self._watchers.end()

    def _begin(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name="msgflux-plan", daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = asyncio.run(self._call())
            state = "complete"
        except BaseException as error:  # kept for ``wait``, since nothing else would catch it on a thread
            self.error, self.result = error, getattr(error, "plan", None)
            stopped = self.result is not None and self.result.stopped == "interrupted"  # by any caller, or by the view
            state = "stopped" if stopped and isinstance(error, StreamInterruptedError) else "failed"
        self.state = state
        with self._lock:
            self._watchers.end()
            self._done.set()

    async def _call(self) -> PlanResult:
        result: PlanResult = await self._driver(*self._given, **{**self._keywords, "on_event": self._hear})
        return result

    def _hear(self, event: Any) -> None:
        at = time.monotonic()
        with self._lock:
            self._told.append((at, event))
            self._watchers.tell((at, event))
            if isinstance(event, PlanStarted):
                self._started = event
        if isinstance(event, PlanStarted) and self._stop_asked:
            event.stop()
        if self._heard is not None:
            self._heard(event)


def samples_left(result: PlanResult) -> int:
    """Return how many samples the early stop of a vote has left out."""
    if result.kind != "self_consistency" or result.stopped not in ("beta", "window", "stop"):
        return 0
    return int(result.options["n"]) - sum(isinstance(entry, Sample) for entry in result.trace)


def start(driver: Callable[..., Any], /, *given: Any, **keywords: Any) -> PlanRun:
    """Run a driver on a thread; return at once.

    Args:
        driver: ``mf.plan.react``, ``mf.plan.self_consistency`` or ``mf.plan.tree_of_thoughts``; its async twin is run.
        given: the positional arguments of the driver.
        keywords: its keyword arguments.

    Returns:
        The run: ``mf.PlanView(run)`` draws it, ``run.stop()`` stops it, ``run.wait()`` returns its result.

    Raises:
        TypeError: ``driver`` is not a driver.

    Example:
        >>> run = start(self_consistency, lambda task: 42, "6 times 7?", n=3, answer=int)
        >>> run.wait().final_answer
        42
    """
    known = {**_TWINS, **{twin: twin for twin in _TWINS.values()}}
    if driver not in known:
        names = ", ".join(f"mf.plan.{one.__name__}" for one in _TWINS)
        raise TypeError(f"driver: expected one of {names}, got {brief(driver, 80)}")
    run = PlanRun(known[driver], given, keywords)
    run._begin()
    return run
