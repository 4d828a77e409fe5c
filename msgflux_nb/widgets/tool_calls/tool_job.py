"""Work on a thread that a person can stop: it ends once, and fast, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...errors import StreamInterruptedError
from ...reasoning.tool_loop import RunEnded, StepEnded, StepStarted
from ..base.run import start_thread

__all__ = ["ToolJob"]

GRACE_SECONDS = 0.7
"""A stopped job may take this long to end by itself; then it is left alone (for instance while a model loads)."""


class ToolJob:
    """One piece of work on a thread.

    Args:
        work: called on the thread with this job; its result is ``value``, its exception ``error``.
        on_stop: called when the job is stopped, to end what it waits for.
        on_end: called once, when ``state``, ``value`` and ``error`` are final.

    Attributes:
        state: ``"running"``, then ``"complete"``, ``"stopped"`` or ``"failed"``.
        stream: the answer being read, which a stop cancels.
        waiting: whether the main thread waits for the end.
    """

    def __init__(
        self, work: Callable[[ToolJob], Any], *, on_stop: Callable[[], None], on_end: Callable[[ToolJob], None]
    ) -> None:
        self.state = "running"
        self.value: Any = None
        self.error: Exception | None = None
        self.stream: Any = None
        self.waiting = False
        self._work = work
        self._on_stop, self._on_end = on_stop, on_end
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread and return at once."""
        self._thread = start_thread(self._run, "msgflux-job")

    def check(self) -> None:
        """Check that the job was not stopped; the work calls this before each step.

        Raises:
            StreamInterruptedError: it was stopped.
        """
        if self._stop.is_set():
            raise StreamInterruptedError("the run was stopped")

    def checked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that raises instead of running once the job was stopped."""

        def call(*arguments: Any) -> Any:
            self.check()
            return function(*arguments)

        return call

    def hearing(self, show: Callable[[Any], Any]) -> Callable[[Any], None]:
        """Return an ``on_event`` for ``run_tools`` that shows events; after the end it shows none.

        A stop lets no new step begin. An event that arrives with the stop is still shown, since the answer holds it.
        """

        def hear(event: Any) -> None:
            if isinstance(event, StepStarted):
                self.stream = event.stream
                self.check()
            if self.state == "running":
                show(event)
            if not isinstance(event, StepEnded | RunEnded):
                self.check()

        return hear

    def stop(self) -> None:
        """Stop the job and keep the results so far; from any thread, also repeatedly."""
        with self._lock:
            if self._stop.is_set() or self._done.is_set():
                return
            self._stop.set()
        if self.stream is not None:
            self.stream.cancel()
        self._on_stop()
        start_thread(self._leave, "msgflux-stop")

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the end was reported; return False if the time is over first."""
        return self._done.wait(timeout_seconds)

    def join(self, timeout_seconds: float) -> bool:
        """Wait until its thread has ended, which a stop may leave running; return False if the time is over first."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        try:
            outcome: dict[str, Any] = {"state": "complete", "value": self._work(self)}
        except Exception as error:  # a person has to see any error, which nothing else catches on a thread
            stopped = self._stop.is_set() and isinstance(error, StreamInterruptedError)
            outcome = {"state": "stopped"} if stopped else {"state": "failed", "error": error}
        self._end(**outcome)

    def _leave(self) -> None:
        """End a stopped job that does not end by itself; later effects of its thread are ignored."""
        if not self._done.wait(GRACE_SECONDS):
            self._end("stopped")

    def _end(self, state: str, value: Any = None, error: Exception | None = None) -> None:
        with self._lock:
            if self.state != "running":
                return
            self.state, self.value, self.error = state, value, error
        try:
            self._on_end(self)
        finally:
            self._done.set()
