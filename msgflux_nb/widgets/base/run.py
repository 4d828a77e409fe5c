"""Background threads, and one that sends a page in batches what has come."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Protocol

from .feed import Batch

__all__ = ["INTERVAL_SECONDS", "Sender", "start_thread"]

INTERVAL_SECONDS = 0.04
"""Between two messages: 25 a second, far from the 1,000 at which a Jupyter server begins to drop them."""

QUIET_SECONDS = 0.6
"""Without news, after which the thread ends."""


def start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    """Start ``work`` on a daemon thread, in the caller's context: ipykernel keeps there which cell is speaking."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name=name, daemon=True)
    thread.start()
    return thread


class BatchSource(Protocol):
    """Where batches come from; empty ones are not sent."""

    def batch(self) -> Batch:
        """Return what came since the last batch."""

    def whole(self) -> Batch:
        """Return all that was told so far."""


class Sender:
    """Sends what a feed collects, in numbered batches: the first at once, the next ones an interval apart.

    Its thread begins by itself when there is something, and ends when nothing has come for a while.

    Args:
        feed: what is collected.
        send: called with the number of the batch, from 1, and the batch; always from one thread at a time.
        on_quiet: called on the thread when nothing has come for a while, unless it was closed.
    """

    def __init__(
        self, feed: BatchSource, send: Callable[[int, Batch], None], *, on_quiet: Callable[[], None] = lambda: None
    ) -> None:
        self._feed = feed
        self._send = send
        self._on_quiet = on_quiet
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._closed = threading.Event()
        self._number = 0
        self._guard = threading.Lock()
        self._awake = False

    @property
    def number(self) -> int:
        """The number of the last batch; 0 before the first."""
        return self._number

    def wake(self) -> None:
        """Say that the feed has something."""
        if self._some.is_set():
            return
        self._some.set()
        with self._guard:
            if self._awake or self._closed.is_set():
                return
            self._awake = True
        start_thread(self._pump, "msgflux-batches")

    def flush(self) -> None:
        """Send what there is, now; not while holding a lock that the feed wants."""
        with self._lock:
            if not self._closed.is_set():
                self._some.clear()
                self._send_batch()

    def close(self) -> None:
        """Send what is left, and end; anything later is dropped."""
        with self._lock:
            self._closed.set()
            self._some.set()
            self._send_batch()

    def report(self, tell: Callable[[int, Batch], None]) -> None:
        """Call ``tell`` with the number of the last batch and all that was sent up to it, between two batches."""
        with self._lock:
            tell(self._number, self._feed.whole())

    def _send_batch(self) -> None:
        batch = self._feed.batch()
        if batch:
            self._number += 1
            self._send(self._number, batch)

    def _pump(self) -> None:
        while self._hears():
            self.flush()
            self._closed.wait(INTERVAL_SECONDS)
        if not self._closed.is_set():
            self._on_quiet()

    def _hears(self) -> bool:
        if self._some.wait(QUIET_SECONDS):
            return not self._closed.is_set()
        with self._guard:
            self._awake = self._some.is_set() and not self._closed.is_set()
            return self._awake
