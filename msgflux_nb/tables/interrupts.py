"""Tell a person's interrupt from a program's ``task.cancel()``: both reach a coroutine as ``CancelledError``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["watch_interrupts"]

# Changed on the main thread only, where signals are handled.
_watchers: list[threading.Event] = []
_before: Any = None


@contextmanager
def watch_interrupts() -> Iterator[threading.Event]:
    """Yield an event that is set when SIGINT arrives meanwhile; whoever handled SIGINT before still does.

    On another thread than the main one, or where nothing written in Python handles SIGINT, it is never set.
    """
    global _before
    seen = threading.Event()
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
    for watcher in _watchers:
        watcher.set()
    _before(number, frame)
