"""What a page has to be told of calls: each fragment once, and a call's card whenever it has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ._feed import Batch, Feed
from ._lane import Fragment, Lane
from ._run import Sender

__all__ = ["LaneFeed", "Outlet"]

QUIET_SECONDS = 0.6


class LaneFeed(Feed):
    """A feed of fragments and of cards; a batch has new cards under ``lanes``, by the numbers of their calls.

    Args:
        lanes: the calls; they are read, and may become more.
        lock: what guards them.
    """

    def __init__(self, lanes: Sequence[Lane], lock: AbstractContextManager[Any]) -> None:
        super().__init__()
        self._lanes = lanes
        self._guard = lock
        self._touched: set[int] = set()

    def now(self) -> int:
        """Return the milliseconds since it began."""
        return round((self._clock() - self._began) * 1000)

    def touch(self, lane: Lane) -> None:
        """Note that a card has changed."""
        with self._guard:
            self._touched.add(lane.number)

    def batch(self) -> Batch:
        """Return what came since the last batch."""
        with self._guard:  # a card never comes before the fragments that it speaks of
            told = super().batch()
            touched, self._touched = sorted(self._touched), set()
            if touched:
                told["lanes"] = self._cards(self._lanes[number] for number in touched)
            return told

    def whole(self) -> Batch:
        """Return all that was told so far."""
        with self._guard:
            return {**super().whole(), "lanes": self._cards(self._lanes)}

    @property
    def fragments(self) -> list[Fragment]:
        """All fragments that have been told."""
        with self._guard:
            return [Fragment(*fragment) for fragment in self._calls]

    def _cards(self, lanes: Iterable[Lane]) -> dict[str, Any]:
        return {str(lane.number): lane.card() for lane in lanes}


class Outlet(Sender):
    """A sender that starts by itself, and whose thread ends when nothing has come for a while.

    Args:
        feed: what is collected.
        send: called with the number of the batch, from 1, and the batch.
        on_quiet: called on the thread when nothing has come for a while.
    """

    def __init__(self, feed: Feed, send: Callable[[int, Batch], None], on_quiet: Callable[[], None]) -> None:
        super().__init__(feed, send)
        self._on_quiet = on_quiet
        self._guard = threading.Lock()
        self._awake = False

    def wake(self) -> None:
        """Say that the feed has something."""
        if self._some.is_set():
            return
        super().wake()
        with self._guard:
            if self._awake or self._closed.is_set():
                return
            self._awake = True
        self.start()

    def flush(self) -> None:
        """Send what there is, now; not while holding a lock that the feed wants."""
        self._flush()

    def close(self) -> None:
        """End, after a last batch; nothing is quiet then."""
        self._closed.set()
        self._some.set()
        self._flush()

    def _pump(self) -> None:
        while self._hears():
            self._flush()
            self._closed.wait(self._interval_seconds)
        if not self._closed.is_set():
            self._on_quiet()

    def _hears(self) -> bool:
        if self._some.wait(QUIET_SECONDS):
            return not self._closed.is_set()
        with self._guard:
            self._awake = self._some.is_set() and not self._closed.is_set()
            return self._awake
