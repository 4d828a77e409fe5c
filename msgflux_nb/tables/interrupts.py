"""Interrupts by a person: distinguishes them from a program's ``task.cancel()``, and holds repeated ones back.

Both reach a coroutine as ``CancelledError``. A person who presses Stop again while a batch closes its connections and
builds its frame must not lose the frame.
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
"""Cancelled requests may take this long to close their connections; then the frame is returned anyway."""

# Modules whose SIGINT handlers end a cell or a program: by KeyboardInterrupt, or by cancelling it at an ``await``.
_ENDING = frozenset(("_signal", "asyncio", "ipykernel"))
_HELD_SECONDS = 10.0  # further interrupts are held back this long; later something must be stuck, so one gets through
_QUIET_SECONDS = 0.3  # without interrupts before the frame is returned, so that none hits later code

# Changed only on the main thread, which handles signals.
_watchers: list[Interrupts] = []
_before: Any = None


class Interrupts:
    """The interrupts since this object was made.

    Args:
        looks: whether the waiting code polls ``is_set``. Then KeyboardInterrupt need not be raised, which inside the
            standard library's waiting code may end as another error.
    """

    def __init__(self, *, looks: bool = False) -> None:
        self.looks = looks
        self._first: float | None = None
        self._last = 0.0

    def is_set(self) -> bool:
        """Return whether an interrupt has come."""
        return self._first is not None

    @property
    def quiet_in(self) -> float:
        """The seconds until no more interrupts are expected; 0 if none has come, or none is held back."""
        now = time.monotonic()
        return max(0.0, self._last + _QUIET_SECONDS - now) if self.holds(now) else 0.0

    def wait_for_quiet(self) -> None:
        """Wait until no more interrupts are expected, as long as they are held back."""
        while self.quiet_in:
            time.sleep(self.quiet_in)

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raise the first interrupt inside this context, for other people's code that may wait for long."""
        self.looks = False
        try:
            if self.is_set():
                raise KeyboardInterrupt
            yield
        finally:
            self.looks = True

    def holds(self, now: float) -> bool:
        """Return whether a further interrupt is held back."""
        return self._first is not None and now - self._first < _HELD_SECONDS

    def note(self, now: float) -> None:
        """Note an interrupt."""
        self._first = now if self._first is None else self._first
        self._last = now


class Stoppable(ABC):
    """A run that a person may interrupt and still get the answers so far.

    Attributes:
        batch: the engine.
    """

    batch: Any

    @abstractmethod
    def _frame(self) -> pd.DataFrame:
        """Make the frame so far."""

    def interrupt(self) -> None:
        """Send nothing more and cancel requests in flight."""
        batch_loop.call(self.batch.interrupt)

    def interrupt_and_wait(self) -> None:
        """As ``interrupt``, and wait a moment for the connections to close; a second interrupt ends the wait."""
        try:
            self.interrupt()
            self.batch.ended.wait(CLOSING_SECONDS)
        except KeyboardInterrupt:
            return

    def result(self) -> pd.DataFrame:
        """Return the frame so far, even if another interrupt comes meanwhile."""
        try:
            return self._frame()
        except KeyboardInterrupt:
            return self._frame()


@contextmanager
def watch_interrupts(*, looks: bool = False) -> Iterator[Interrupts]:
    """Yield an object that notes each SIGINT; the first one goes to the previous handler, later ones are held back.

    Nothing is noted outside of the main thread, or if no Python function handles SIGINT.

    Args:
        looks: whether the caller polls ``is_set`` of the yielded object. Then the first one goes only to a user's own
            handler.
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
    """Return whether a handler ends the running code, which would lose the frame of a batch."""
    module = getattr(getattr(handler, "func", handler), "__module__", None) or ""
    return module.partition(".")[0] in _ENDING
