"""The calls of a view, step by step: finds the lane of a fragment, an end, a question or a result."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Literal

import msgspec

from ...protocol.events import ToolCallDelta
from ...protocol.tool_call import ToolCall, ToolCallState, json_text
from .lane import Fragment, Lane, Phase
from .lane_feed import LaneFeed

__all__ = ["LaneSet"]


class LaneSet:
    """The calls of one run; may be used from any thread.

    Attributes:
        feed: the news of the calls for a page.
        step: the number of the present answer, from 1.
    """

    def __init__(self) -> None:
        self.step = 1
        self._lock = threading.RLock()
        self._all: list[Lane] = []
        self._current: dict[tuple[int, int], Lane] = {}  # lanes of this step, by choice and number
        self._next_call = 0  # the number of the next call in this step
        self._by_id: dict[str, dict[int, Lane]] = {}  # each lane under each id that it has had, by its number
        self.feed = LaneFeed(self._all, self._lock)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def all(self) -> list[Lane]:
        """All lanes, in the order of their first fragments."""
        with self._lock:
            return list(self._all)

    @property
    def states(self) -> list[ToolCallState]:
        """All calls so far."""
        with self._lock:
            return [lane.state for lane in self._all]

    @property
    def calls(self) -> list[ToolCall]:
        """All complete calls."""
        with self._lock:
            return [call for call in (lane.whole for lane in self._all) if call is not None]

    @property
    def whole(self) -> bool:
        """Whether all calls are complete."""
        return len(self.calls) == len(self._all)

    # -- a stream --------------------------------------------------------------------------------------------------

    def next_step(self) -> None:
        """Begin another answer, and end the lanes of the one before."""
        with self._lock:
            if self._current:
                self.end()
                self.step += 1
                self._current, self._next_call = {}, 0

    def take(self, event: ToolCallDelta, milliseconds: int | None = None) -> bool:
        """Take a fragment; return whether it completes its call."""
        with self._lock:
            lane = self._current.get((event.choice, event.call))
            if lane is None:
                lane = self._begin(event.choice, event.call, event.kind)
            was_whole = lane.whole is not None
            text = lane.take(event)
            if event.id:
                self._index(lane)
            when = self.feed.now() if milliseconds is None else milliseconds
            self.feed.add(Fragment(lane.number, when, event.id or None, event.name or None, text))
            return not was_whole and lane.whole is not None

    def end(self, calls: Iterable[ToolCallState | ToolCall] = ()) -> None:
        """End this step; ``calls`` are its calls as the reader assembled them, in order."""
        with self._lock:
            unmatched: dict[str, deque[Lane]] = {}
            for lane in self._current.values():
                unmatched.setdefault(lane.own_id, deque()).append(lane)
            for call in calls:
                same = unmatched.get(call.id) or unmatched.get("")  # with its id, else without one
                lane = same.popleft() if same else self._begin_whole(call)
                self._end(lane, call if isinstance(call, ToolCallState) else _with_id(lane, call))
            for lane in self._current.values():
                if not lane.ended:
                    self._end(lane)
                self.feed.touch(lane)

    # -- what happens to a call ------------------------------------------------------------------------------------

    def find(self, call: ToolCall, wanted: Literal["ask", "result"]) -> Lane:
        """Return the lane of a call that needs a decision or has a result; a new lane if it was not streamed."""
        with self._lock:
            same = self._lanes_with(call.id)
            nameless = (one for one in self._current.values() if not one.own_id and one.whole_as(call))
            found = chain(same, nameless)
            open_ = (one for one in found if (one.result is None if wanted == "result" else not one.ran))
            lane = next(open_, None) or next(self._lanes_with(call.id), None)
            if lane is None:
                lane = self._begin_whole(call)
                self._end(lane)
            elif not lane.own_id:
                self._end(lane, _with_id(lane, call))
            self.feed.touch(lane)
            return lane

    def move(self, lane: Lane, phase: Phase) -> None:
        """Change the phase of a call."""
        with self._lock:
            lane.move(phase, self.feed.now())
            self.feed.touch(lane)

    def decide(self, lane: Lane, decision: dict[str, Any] | str | bool | None) -> None:
        """Note the decision on a call."""
        with self._lock:
            if decision is False or isinstance(decision, str):
                lane.reason = decision or ""
                self.move(lane, "rejected")
                return
            lane.edited = decision if isinstance(decision, dict) else None
            self.move(lane, "running")

    def take_result(self, lane: Lane, value: Any, *, failed: bool) -> None:
        """Note the result of a call."""
        with self._lock:
            lane.take_result(value, self.feed.now(), failed=failed)
            self.feed.touch(lane)

    def stop(self) -> None:
        """Mark all waiting and running calls as stopped."""
        with self._lock:
            for lane in self._all:
                if lane.phase in ("asked", "running"):
                    self.move(lane, "stopped")

    @property
    def idle(self) -> bool:
        """Whether no call waits or runs."""
        with self._lock:
            return not any(lane.phase in ("asked", "running") for lane in self._all)

    def of_step(self) -> Sequence[Lane]:
        """Return the lanes of this step."""
        with self._lock:
            return list(self._current.values())

    def _begin(self, choice: int, call: int, kind: Any = "function") -> Lane:
        lane = Lane(len(self._all), self.step, call, choice=choice, kind=kind)
        self._all.append(lane)
        self._current[choice, call] = lane
        self._next_call = max(self._next_call, call + 1)
        self.feed.touch(lane)
        return lane

    def _end(self, lane: Lane, state: ToolCallState | None = None) -> None:
        lane.end(state)
        self._index(lane)

    def _index(self, lane: Lane) -> None:
        self._by_id.setdefault(lane.own_id, {})[lane.number] = lane

    def _lanes_with(self, call_id: str) -> Iterator[Lane]:
        """Yield the lanes that have an id now, the last one first."""
        known = self._by_id.get(call_id, {})
        lanes = [known[number] for number in sorted(known, reverse=True)] if call_id else reversed(self._all)
        return (lane for lane in lanes if lane.own_id == call_id)

    def _begin_whole(self, call: ToolCallState | ToolCall) -> Lane:
        """Return a new lane for a call that was not streamed, with one fragment."""
        lane = self._begin(0, self._next_call)
        text = call.raw if isinstance(call, ToolCallState) else json_text(call.arguments)
        shown = lane.take(ToolCallDelta(lane.call, call.id, call.name, text))
        self._index(lane)
        self.feed.add(Fragment(lane.number, self.feed.now(), call.id, call.name, shown))
        return lane


def _with_id(lane: Lane, call: ToolCall) -> ToolCallState:
    lane.end()
    return msgspec.structs.replace(lane.state, id=call.id)
