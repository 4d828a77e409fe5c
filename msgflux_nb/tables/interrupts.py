"""A person's interrupt: told from a program's ``task.cancel()``, and once is enough.

Both reach a coroutine as ``CancelledError``. Whoever presses Stop again while a batch closes its connections and builds
its frame means the same, and must not lose the frame by it.
"""

from __future__ import annotations

import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pandas as pd

from .loop import batch_loop

__all__ = ["CLOSING_SECONDS", "Interrupts", "Stoppable", "watch_interrupts"]

CLOSING_SECONDS = 0.5
"""How long cancelled requests may take to close their connections; then the frame is returned without them."""

# Whose handlers of SIGINT end a cell or a program: by KeyboardInterrupt, or by cancelling it at its next ``await``.
_ENDING = frozenset(("_signal", "asyncio", "ipykernel"))
_HELD_SECONDS = 10.0  # further interrupts are held back this long; then something is stuck, and one gets through
_QUIET_SECONDS = 0.3  # after the last one before the frame is returned, so that the next does not hit what follows

# Changed on the main thread only, where signals are handled.
_watchers: list[Interrupts] = []
_before: Any = None


class Interrupts:
    """The interrupts since it began.

    Args:
        looks: whether whoever waits looks every moment whether one has come. Then none has to be raised, which in the
            midst of the standard library's code for waiting ends as another error.
    """

    def __init__(self, *, looks: bool = False) -> None:
        self.looks = looks
        self._first: float | None = None
        self._last = 0.0

    def is_set(self) -> bool:
        """Whether one has come."""
        return self._first is not None

    @property
    def quiet_in(self) -> float:
        """The seconds until no more are expected; 0 where none has come, or none is held back any more."""
        now = time.monotonic()
        return max(0.0, self._last + _QUIET_SECONDS - now) if self.holds(now) else 0.0

    def wait_for_quiet(self) -> None:
        """Wait until no more are expected, for as long as they are held back."""
        while self.quiet_in:
            time.sleep(self.quiet_in)

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Within this, the first one is raised: code of others may wait for long."""
        self.looks = False
        try:
            if self.is_set():
                raise KeyboardInterrupt
            yield
        finally:
            self.looks = True

    def holds(self, now: float) -> bool:
        """Whether a further one is held back."""
        return self._first is not None and now - self._first < _HELD_SECONDS

    def note(self, now: float) -> None:
        """One has come."""
        self._first = now if self._first is None else self._first
        self._last = now


class Stoppable(ABC):
    """What every run of a batch has: a person may end it early, and gets what was paid for.

    Attributes:
        batch: what asks for the rows.
    """

    batch: Any

    @abstractmethod
    def _frame(self) -> pd.DataFrame:
        """Make the frame so far."""

    def interrupt(self) -> None:
        """Send nothing more and cancel what is in flight."""
        batch_loop.call(self.batch.interrupt)

    def interrupt_and_wait(self) -> None:
        """The same, and wait a moment for the connections to close; a second interrupt does not wait."""
        try:
            self.interrupt()
            self.batch.ended.wait(CLOSING_SECONDS)
        except KeyboardInterrupt:
            return

    def result(self) -> pd.DataFrame:
        """Return the frame so far; another interrupt meanwhile does not lose what was paid for."""
        try:
            return self._frame()
        except KeyboardInterrupt:
            return self._frame()


@contextmanager
def watch_interrupts(*, looks: bool = False) -> Iterator[Interrupts]:
    """Yield what notes each SIGINT; the first one goes to whoever handled SIGINT before, the others are held back.

    On another thread than the main one, or where nothing written in Python handles SIGINT, nothing is noted.

    Args:
        looks: whether the caller looks at what is yielded every moment. Then the first one goes only to a handler of
            the user's own.
    """
    global _before
    seen = Interrupts(looks=looks)
    if threading.current_thread() is not threading.main_thread() or not callable(signal.getsignal(signal.SIGINT)):
        yield seen
        return
    _watchers.append(seen)
    if signal.getsignal(signal.SIGINT) is not _notice:
        _before = signal.signal(signal.SIGINT, _notice)
    try:
        yield seen
    finally:
        _watchers.remove(seen)
        if not _watchers and signal.getsignal(signal.SIGINT) is _notice:
            signal.signal(signal.SIGINT, _before)


def _notice(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    held = all(watcher.holds(now) for watcher in _watchers)
    looked_for = bool(_watchers) and _watchers[-1].looks and not _watchers[-1].is_set() and _ends(_before)
    for watcher in _watchers:
        watcher.note(now)
    if not held and not looked_for:
        _before(number, frame)


def _ends(handler: Any) -> bool:
    """Whether a handler ends what runs, which the frame of a batch must outlive."""
    module = getattr(getattr(handler, "func", handler), "__module__", None) or ""
    return module.partition(".")[0] in _ENDING
