"""The queue of rows to be written into a store, and the tasks that wait for that; without a file or a thread."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["LoopWait", "Table", "Waiting", "Write"]

_GROUP, _GROUP_BYTES = 256, 16_000_000
_TOGETHER = (64, 16, 4, 1)  # rows per statement; with few sizes SQLite parses few statements


class Table(NamedTuple):
    """The SQL that writes rows into a table.

    Attributes:
        head: the statement up to its values.
        columns: how many values a row has.
        tail: the rest of the statement.
    """

    head: str
    columns: int
    tail: str

    def statement(self, count: int) -> str:
        """Return the statement for a number of rows."""
        row = f"({', '.join('?' * self.columns)})"
        return f"{self.head} VALUES {', '.join([row] * count)} {self.tail}"


class Write(NamedTuple):
    """One row to be written.

    Attributes:
        table: the table.
        key: identifies the row in the table; a later row with the same key replaces it.
        values: the row.
    """

    table: Table
    key: Any
    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """About how many bytes the row has."""
        return 200 + sum([len(value) for value in self.values if isinstance(value, bytes | str)])


class LoopWait:
    """A shared wait of one event loop's tasks for the same rows."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.number = 0  # of the last row
        self.over = False
        self.late: asyncio.TimerHandle | None = None
        self._loop, self._event = loop, asyncio.Event()

    async def wait(self) -> None:
        """Wait until the rows are written, or cannot be for now."""
        await self._event.wait()

    def end(self) -> None:
        """End the wait, from any thread."""
        if not self.over:
            self.over = True
            try:
                self._loop.call_soon_threadsafe(self._end)
            except RuntimeError:  # the loop is closed, so nobody waits
                return

    def _end(self) -> None:
        if self.late is not None:
            self.late.cancel()
        self._event.set()


class Waiting:
    """The queue; safe for threads.

    Attributes:
        size: about how many bytes are queued.
        asleep: whether the writer has to be woken for the next row.
    """

    def __init__(self) -> None:
        self.size = 0
        self.asleep = True
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._last = 0
        self._rows: dict[tuple[str, Any], tuple[int, float, Write, int]] = {}  # number, time, row, bytes
        self._turns: list[LoopWait] = []
        self._begun: dict[asyncio.AbstractEventLoop, LoopWait] = {}  # waits for rows that are in no group yet
        self._events: list[threading.Event] = []

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, table: Table, key: Any) -> tuple[Any, ...] | None:
        """Return a queued row, or None."""
        found = self._rows.get((table.head, key))
        return None if found is None else found[2].values

    def add(self, write: Write) -> None:
        """Add a row; it replaces a queued one with the same key."""
        place = (write.table.head, write.key)
        with self._lock:
            before = self._rows.pop(place, None)
            self._last = next(self._numbers)
            size = write.size
            self._rows[place] = (self._last, time.monotonic(), write, size)
            self.size += size - (0 if before is None else before[3])

    def everything(self) -> list[Write]:
        """Return all queued rows, the oldest first."""
        with self._lock:
            return [write for _, _, write, _ in self._rows.values()]

    def drop(self, table: Table, key: Any) -> None:
        """Remove a row from the queue."""
        found = self._rows.get((table.head, key))
        if found is not None:
            self.remove([found[2]])

    def age(self) -> float:
        """Return how many seconds the oldest row has waited."""
        with self._lock:
            first = next(iter(self._rows.values()), None)
        return 0.0 if first is None else time.monotonic() - first[1]

    def group(self) -> list[Write]:
        """Return the rows to be written next, the oldest first."""
        group, total = [], 0
        with self._lock:
            for _, _, write, size in self._rows.values():
                total += size
                group.append(write)
                if len(group) == _GROUP or total > _GROUP_BYTES:
                    break
            self._begun.clear()
        return group

    def remove(self, group: list[Write]) -> None:
        """Remove written rows; end the waits for them and for earlier rows."""
        with self._lock:
            for write in group:
                place = (write.table.head, write.key)
                held = self._rows.get(place)
                if held is not None and held[2] is write:
                    del self._rows[place]
                    self.size -= held[3]
            first = next(iter(self._rows.values()), None)
            oldest = self._last + 1 if first is None else first[0]
            over = [turn for turn in self._turns if turn.number < oldest]
            self._turns = [turn for turn in self._turns if turn.number >= oldest]
            events, self._events = (self._events, []) if first is None else ([], self._events)
        for turn in over:
            turn.end()
        for event in events:
            event.set()

    def release(self) -> None:
        """End all waits."""
        with self._lock:
            turns, self._turns = self._turns, []
            self._begun.clear()
        for turn in turns:
            turn.end()

    def turn(self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], object]) -> LoopWait:
        """Return a wait for the rows that are queued now; call this on the loop's thread.

        Args:
            loop: the loop of the waiting tasks.
            seconds: how long the wait may last.
            late: called if it lasts longer.
        """
        with self._lock:
            turn = self._begun.get(loop)
            if turn is None or turn.over:
                turn = self._begun[loop] = LoopWait(loop)
                turn.late = loop.call_later(seconds, late)
                self._turns.append(turn)
            turn.number = self._last
            if not self._rows:
                turn.end()
        return turn

    def event(self) -> threading.Event:
        """Return an event that is set when the queue is empty."""
        event = threading.Event()
        with self._lock:
            if self._rows:
                self._events.append(event)
            else:
                event.set()
        return event

    @staticmethod
    def statements(group: list[Write]) -> list[tuple[str, list[Any]]]:
        """Return the statements that write some rows, in order; neighbours in one table share a statement."""
        found: list[tuple[str, list[Any]]] = []
        for _, rows in itertools.groupby(group, key=lambda write: write.table.head):
            neighbours = list(rows)
            while neighbours:
                count = next(count for count in _TOGETHER if count <= len(neighbours))
                now, neighbours = neighbours[:count], neighbours[count:]
                statement = now[0].table.statement(count)
                found.append((statement, [value for write in now for value in write.values]))
        return found
