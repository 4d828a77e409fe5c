"""One call of a model on a thread of its own: what arrives in batches, an end that comes once, a stop that is quick."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..errors import StreamInterruptedError
from ..protocol.events import Event
from ._feed import Batch, Feed

__all__ = ["Run", "Sender", "Stream", "start_thread"]

INTERVAL_SECONDS = 0.04
"""Between two messages: 25 a second, far from the 1,000 at which a Jupyter server begins to drop them."""

GRACE_SECONDS = 0.7
"""How long a stopped run may take to end by itself, before it is left to end unseen (a model that is loading)."""


class Stream(Protocol):
    """What a run needs of an answer that arrives."""

    def events(self) -> Iterator[Event]:
        """Yield what arrives."""

    def consume(self) -> Any:
        """Return the value of an answer that was read to its end."""

    def cancel(self) -> None:
        """End it, from any thread."""


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


class Run:
    """One call of a model, on a thread.

    Args:
        number: counts the runs of a widget, from 1.
        call: builds the stream; what it raises is an error of the run.
        feed: collects what arrives.
        on_batch: called with each batch of it, numbered from 1.
        on_end: called once, when ``state``, ``value`` and ``error`` are final.

    Attributes:
        state: ``"running"``, then ``"complete"``, ``"stopped"`` or ``"failed"``.
        stream: the answer, once the call was built.
        value: what the answer was decoded to, if it is complete.
        error: why it failed.
    """

    def __init__(
        self,
        number: int,
        call: Callable[[], Stream],
        *,
        feed: Feed,
        on_batch: Callable[[int, Batch], None],
        on_end: Callable[[Run], None],
    ) -> None:
        self.number = number
        self.state = "running"
        self.stream: Any = None
        self.value: Any = None
        self.error: Exception | None = None
        self._call = call
        self._on_end = on_end
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._done = threading.Event()
        self._feed = feed
        self._sender = Sender(feed, on_batch)

    def start(self) -> None:
        """Begin; returns at once."""
        self._sender.start()
        start_thread(self._work, f"msgflux-run-{self.number}")

    def stop(self) -> None:
        """Ask it to end, keeping what came; from any thread, and again without harm."""
        with self._lock:
            if self._stop.is_set() or self.state != "running":
                return
            self._stop.set()
            stream = self.stream
        if stream is not None:
            stream.cancel()
        start_thread(self._leave, f"msgflux-stop-{self.number}")

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the end was told; False if the time is over first."""
        return self._done.wait(timeout_seconds)

    def report(self, tell: Callable[[int, Batch], None]) -> None:
        """Call ``tell`` with the number of the last batch that was sent, and all that was sent up to it."""
        self._sender.report(tell)

    @property
    def number_sent(self) -> int:
        """The number of the last batch."""
        return self._sender.number

    @property
    def over(self) -> bool:
        """Whether it has ended and its end was told."""
        return self._done.is_set()

    def _work(self) -> None:
        try:
            outcome: dict[str, Any] = {"state": "complete", "value": self._read()}
        except StreamInterruptedError as error:
            outcome = {"state": "stopped"} if self._stop.is_set() else {"state": "failed", "error": error}
        except Exception as error:
            # Whatever it is, a person has to see it: on a thread nobody else would catch it.
            outcome = {"state": "failed", "error": error}
        self._end(**outcome)

    def _read(self) -> Any:
        stream = self._call()
        with self._lock:
            self.stream = stream
            stopped = self._stop.is_set()
        if stopped:
            stream.cancel()
        for event in stream.events():
            if self._feed.add(event):
                self._sender.wake()
        return stream.consume()

    def _leave(self) -> None:
        """End a stopped run that does not end by itself; what its thread still does is not seen any more."""
        if not self._done.wait(GRACE_SECONDS):
            self._end("stopped")

    def _end(self, state: str, value: Any = None, error: Exception | None = None) -> None:
        with self._lock:
            if self.state != "running":
                return
            self.state, self.value, self.error = state, value, error
        try:
            self._sender.close()
            self._on_end(self)
        finally:
            self._done.set()
