"""Background threads, and the thread that sends batches to a page."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Protocol

from .feed import Batch

__all__ = ["INTERVAL_SECONDS", "PAIR_INTERVAL_SECONDS", "Sender", "start_thread"]

INTERVAL_SECONDS = 0.04
"""Between two messages: 25 per second, far below the 1,000 at which a Jupyter server begins to drop them."""

PAIR_INTERVAL_SECONDS = 0.05
"""The same for each of two senders at once: most bytes of a message are Jupyter's own."""

QUIET_SECONDS = 0.6
"""The thread ends after this time without news."""


def start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    """Start ``work`` on a daemon thread with the caller's context variables, in which ipykernel keeps the cell."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name=name, daemon=True)
    thread.start()
    return thread


class BatchSource(Protocol):
    """A source of batches; empty ones are not sent."""

    def batch(self) -> Batch:
        """Return what is new since the last batch."""

    def whole(self) -> Batch:
        """Return everything that was sent so far."""


class Sender:
    """Sends what a feed collects in numbered batches: the first at once, the next ones an interval apart.

    Its thread starts when there is something to send, and ends after a while without news.

    Args:
        feed: the source of batches.
        send: called with the number of the batch, from 1, and the batch; by one thread at a time.
        on_quiet: called on the thread after a while without news, unless the sender was closed.
        interval: seconds between two batches.
    """

    def __init__(
        self,
        feed: BatchSource,
        send: Callable[[int, Batch], None],
        *,
        on_quiet: Callable[[], None] = lambda: None,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._feed = feed
        self._interval = interval
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
        """Start or wake the thread, because the feed has something."""
        if self._some.is_set():
            return
        self._some.set()
        with self._guard:
            if self._awake or self._closed.is_set():
                return
            self._awake = True
        start_thread(self._pump, "msgflux-batches")

    def flush(self) -> None:
        """Send what there is now; do not call it with a lock that the feed needs."""
        with self._lock:
            if not self._closed.is_set():
                self._some.clear()
                self._send_batch()

    def close(self) -> None:
        """Send the rest and end; later news is dropped."""
        with self._lock:
            self._closed.set()
            self._some.set()
            self._send_batch()

    def report(self, tell: Callable[[int, Batch], None]) -> None:
        """Call ``tell`` with the number of the last batch and everything sent up to it, between two batches."""
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
            self._closed.wait(self._interval)
        if not self._closed.is_set():
            self._on_quiet()

    def _hears(self) -> bool:
        if self._some.wait(QUIET_SECONDS):
            return not self._closed.is_set()
        with self._guard:
            self._awake = self._some.is_set() and not self._closed.is_set()
            return self._awake
