"""Threads beside the notebook: one that works, and one that tells a page in batches what has come."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

from ._feed import Batch, Feed

__all__ = ["GRACE_SECONDS", "INTERVAL_SECONDS", "Sender", "start_thread"]

INTERVAL_SECONDS = 0.04
"""Between two messages: 25 a second, far from the 1,000 at which a Jupyter server begins to drop them."""

GRACE_SECONDS = 0.7
"""How long a stopped run may take to end by itself, before it is left to end unseen (a model that is loading)."""


def start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    """Start ``work`` on a daemon thread, in the caller's context: ipykernel keeps there which cell is speaking."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name=name, daemon=True)
    thread.start()
    return thread


class Sender:
    """Sends what a feed collects, in numbered batches: the first at once, the next ones an interval apart.

    Args:
        feed: what is collected.
        send: called with the number of the batch, from 1, and the batch; always from one thread at a time.
        interval_seconds: the least time between two batches.
    """

    def __init__(
        self, feed: Feed, send: Callable[[int, Batch], None], *, interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._feed = feed
        self._send = send
        self._interval_seconds = interval_seconds
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._closed = threading.Event()
        self._number = 0
        self._thread: threading.Thread | None = None

    @property
    def number(self) -> int:
        """The number of the last batch; 0 before the first."""
        return self._number

    def start(self) -> None:
        """Begin to send."""
        self._thread = start_thread(self._pump, "msgflux-batches")

    def wake(self) -> None:
        """Say that the feed has something."""
        self._some.set()

    def close(self) -> None:
        """Send what is left, and end."""
        self._closed.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join()
        self._flush()

    def report(self, tell: Callable[[int, Batch], None]) -> None:
        """Call ``tell`` with the number of the last batch and all that was sent up to it, between two batches."""
        with self._lock:
            tell(self._number, self._feed.whole())

    def _pump(self) -> None:
        while not self._closed.is_set():
            self._some.wait()
            self._flush()
            self._closed.wait(self._interval_seconds)

    def _flush(self) -> None:
        with self._lock:
            self._some.clear()
            batch = self._feed.batch()
            if batch:
                self._number += 1
                self._send(self._number, batch)
