"""The news of tool calls for a page: each fragment once, and a call's card whenever it has changed; both bounded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..base.feed import Batch
from .lane import Fragment, Lane

__all__ = ["CALLS", "CHARACTERS", "LaneFeed", "thinned"]

# What a page gets of one run, so that a page that loads is answered at once however much a model writes.
CALLS = 1_000
CHARACTERS = 1_000_000  # of arguments
FRAGMENTS = 5_000  # about; those of a call are joined beyond that
_RESULT = 20_000  # characters of one result
_RESULTS = 1_000_000  # characters of all results


class LaneFeed:
    """Collects fragments and cards; a batch has new fragments under ``calls``, and cards by number under ``lanes``.

    A page gets the first calls, up to a number and a size. ``more`` is the number of the other calls, and ``note`` says
    what a page does not get.

    Args:
        lanes: the calls; the list may grow.
        lock: the lock that guards them.
    """

    def __init__(self, lanes: Sequence[Lane], lock: AbstractContextManager[Any]) -> None:
        self._lanes = lanes
        self._lock = lock
        self._began = time.monotonic()
        self._all: list[Fragment] = []
        self._told: list[Fragment] = []  # joined where they are many
        self._told_count = 0
        self._new: list[Fragment] = []
        self._touched: set[int] = set()
        self._size = 0  # characters of the fragments that pages get
        self._cut: set[int] = set()  # the calls of which pages do not get all fragments
        self._results: dict[int, int] = {}  # characters of each result that pages get
        self._room_left = _RESULTS
        self._said = self.left()

    def now(self) -> int:
        """Return the milliseconds since it began."""
        return round((time.monotonic() - self._began) * 1000)

    def add(self, fragment: Fragment) -> None:
        """Take a fragment."""
        with self._lock:
            self._all.append(fragment)
            if self._fits(fragment):
                self._new.append(fragment)

    def touch(self, lane: Lane) -> None:
        """Note that a card has changed."""
        with self._lock:
            if lane.number < CALLS:
                self._touched.add(lane.number)

    def tells(self, lane: Lane) -> bool:
        """Whether pages get the whole of a call, so that a person can decide on it."""
        return lane.number < CALLS and lane.number not in self._cut

    def batch(self) -> Batch:
        """Return what is new since the last batch; empty if nothing is."""
        with self._lock:  # a card must not be sent before its fragments
            told: Batch = {}
            if self._new:
                told["calls"], self._new = self._new, []
                self._told += told["calls"]
                self._told_count += len(told["calls"])
                if len(self._told) > 2 * FRAGMENTS:
                    self._told = thinned(self._told, FRAGMENTS)
            if self._touched:
                told["lanes"] = self._cards(self._lanes[number] for number in sorted(self._touched))
                self._touched = set()
            left = self.left()
            if left != self._said:
                self._said = left
                told |= left
            return told

    def whole(self) -> Batch:
        """Return everything that was sent so far."""
        with self._lock:
            told = {"calls": list(self._told), "lanes": self._cards(self._lanes[:CALLS]), **self.left()}
            if len(self._told) < self._told_count:
                joined = f"the replay keeps {len(self._told):,} of {self._told_count:,} fragments, joined"
                told["note"] = " · ".join(filter(None, [told["note"], joined]))
            return told

    def left(self) -> dict[str, Any]:
        """Return the number of the calls that pages do not get, and a note on all that they do not get."""
        with self._lock:
            more, count = max(0, len(self._lanes) - CALLS), len(self._cut)
            said = [f"{more:,} more calls are not shown"] if more else []
            said += [f"the arguments of {count:,} call{'' if count == 1 else 's'} are not shown whole"] if count else []
            return {"more": more, "note": " · ".join(said)}

    @property
    def fragments(self) -> list[Fragment]:
        """Return all fragments, also those that pages do not get."""
        with self._lock:
            return list(self._all)

    def _fits(self, fragment: Fragment) -> bool:
        if fragment.call >= CALLS or fragment.call in self._cut:
            return False
        size = sum(len(text) for text in fragment[2:] if text)
        if self._size + size > CHARACTERS:
            self._cut.add(fragment.call)
            return False
        self._size += size
        return True

    def _cards(self, lanes: Iterable[Lane]) -> dict[str, Any]:
        return {str(lane.number): lane.card(self._room(lane), whole=lane.number not in self._cut) for lane in lanes}

    def _room(self, lane: Lane) -> int:
        """Return the number of characters of a call's result that a page gets."""
        before = self._results.get(lane.number, 0)
        length = 0 if lane.result is None else min(len(lane.result), _RESULT, self._room_left + before)
        self._results[lane.number] = length
        self._room_left += before - length
        return length


def thinned(fragments: Sequence[Fragment], limit: int) -> list[Fragment]:
    """Return at most about ``limit`` fragments: joins neighbours of a call, with the time of the last one."""
    together = -(-len(fragments) // limit)
    if together <= 1:
        return list(fragments)
    kept: list[Fragment] = []
    groups: dict[int, list[Fragment]] = {}
    for fragment in fragments:
        group = groups.setdefault(fragment.call, [])
        group.append(fragment)
        if len(group) == together:
            kept.append(_joined(groups.pop(fragment.call)))
    rest = sorted(map(_joined, groups.values()), key=lambda fragment: fragment.milliseconds)
    return [*kept, *rest]


def _joined(group: Sequence[Fragment]) -> Fragment:
    first_id = next((fragment.id for fragment in group if fragment.id), None)
    name = next((fragment.name for fragment in group if fragment.name), None)
    texts = [fragment.text for fragment in group if fragment.text is not None]
    return Fragment(group[-1].call, group[-1].milliseconds, first_id, name, "".join(texts) if texts else None)
