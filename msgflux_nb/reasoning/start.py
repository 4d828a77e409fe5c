"""``start``: run a plan on a thread of its own, so that a notebook stays free; watch it, stop it, wait for it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import StreamInterruptedError
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
        result: what the driver returned; of a plan that broke off, its result so far. None before the end.
        error: why it broke off, or None.
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
        """Whether it has not ended."""
        return not self._done.is_set()

    def stop(self) -> None:
        """End the plan and keep its results; calls in flight are cancelled. From any thread, as often as wanted."""
        with self._lock:
            self._stop_asked = True
            started = self._started
        if started is not None and self.running:
            started.stop()

    def wait(self, timeout_seconds: float | None = None) -> PlanResult | None:
        """Wait for the end, and return the result; None if the time is over first.

        Raises:
            Exception: what the driver raised. A stop raises nothing; it returns the result so far.
        """
        if not self._done.wait(timeout_seconds):
            return None
        if self.error is not None and self.state == "failed":
            raise self.error
        return self.result

    def ask_others(self) -> PlanRun:
        """Ask for the samples that an early stop of a vote has left out, and count all; return the run that does.

        Raises:
            ValueError: there are none.
        """
        result = self.wait()
        if result is None or not samples_left(result):
            raise ValueError("there are no other samples to ask for: the rule of this vote did not stop it early")
        return start(self._driver, *self._given, **{**self._keywords, "stop": None, "before": result})

    def watch(self, watcher: Watcher) -> None:
        """Tell a function everything: what was told so far at once, the rest as it happens, on the plan's thread.

        Args:
            watcher: told the clock's seconds (``time.monotonic``) together with the event, and None at the end. It must
                not raise.
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
        except BaseException as error:  # kept for whoever waits: on a thread nobody else would catch it
            self.error, self.result = error, getattr(error, "plan", None)
            stopped = self.result is not None and self.result.stopped == "interrupted"  # by anybody, the view too
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
        driver: ``mf.plan.react``, ``mf.plan.self_consistency`` or ``mf.plan.tree_of_thoughts``; its async twin runs.
        given: what the driver is called with.
        keywords: its keywords.

    Returns:
        The run: ``mf.PlanView(run)`` draws it, ``run.stop()`` ends it, ``run.wait()`` gives its result.

    Raises:
        TypeError: it is not a driver.

    Example:
        >>> run = start(self_consistency, lambda task: 42, "6 times 7?", n=3, answer=int)
        >>> run.wait().final_answer
        42
    """
    known = {**_TWINS, **{twin: twin for twin in _TWINS.values()}}
    if driver not in known:
        names = ", ".join(f"mf.plan.{one.__name__}" for one in _TWINS)
        raise TypeError(f"driver: expected one of {names}, got {driver!r:.80}")
    run = PlanRun(known[driver], given, keywords)
    run._begin()
    return run
