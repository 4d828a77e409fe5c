"""The news of tool calls for a page: each fragment once, and a call's card whenever it has changed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..base.feed import Batch
from .lane import Fragment, Lane

__all__ = ["LaneFeed"]


class LaneFeed:
    """Collects fragments and cards; a batch has new fragments under ``calls``, and cards by number under ``lanes``.

    Args:
        lanes: the calls; the list may grow.
        lock: the lock that guards them.
    """

    def __init__(self, lanes: Sequence[Lane], lock: AbstractContextManager[Any]) -> None:
        self._lanes = lanes
        self._lock = lock
        self._began = time.monotonic()
        self._told: list[Fragment] = []
        self._new: list[Fragment] = []
        self._touched: set[int] = set()

    def now(self) -> int:
        """Return the milliseconds since it began."""
        return round((time.monotonic() - self._began) * 1000)

    def add(self, fragment: Fragment) -> None:
        """Take a fragment."""
        with self._lock:
            self._new.append(fragment)

    def touch(self, lane: Lane) -> None:
        """Note that a card has changed."""
        with self._lock:
            self._touched.add(lane.number)

    def batch(self) -> Batch:
        """Return what is new since the last batch; empty if nothing is."""
        with self._lock:  # a card must not be sent before its fragments
            told: Batch = {}
            if self._new:
                told["calls"], self._new = self._new, []
                self._told += told["calls"]
            if self._touched:
                told["lanes"] = self._cards(self._lanes[number] for number in sorted(self._touched))
                self._touched = set()
            return told

    def whole(self) -> Batch:
        """Return everything that was sent so far."""
        with self._lock:
            return {"calls": list(self._told), "lanes": self._cards(self._lanes)}

    @property
    def fragments(self) -> list[Fragment]:
        """Return all fragments that were sent."""
        with self._lock:
            return list(self._told)

    def _cards(self, lanes: Iterable[Lane]) -> dict[str, Any]:
        return {str(lane.number): lane.card() for lane in lanes}
