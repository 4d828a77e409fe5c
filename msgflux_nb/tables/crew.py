"""Workers on the rows of a batch, with a fixed number of places; a row that waits gives its place to another row.

Otherwise a row that a provider tells to wait for a second would keep a place in which ten others could be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["Crew"]

_SHORT_SECONDS = 0.25  # during a shorter wait no other row takes the place


class Crew:
    """Works on rows with a fixed number of workers, and with stand-ins for those whose row waits.

    Args:
        places: how many rows are worked on at once; as many more may wait.
        take: returns the next row; None when there are no more.
        work: works on a row to its end.
    """

    def __init__(
        self, places: int, take: Callable[[], Awaitable[int | None]], work: Callable[[int], Awaitable[None]]
    ) -> None:
        self._places = places
        self._take, self._work = take, work
        self._free = asyncio.Semaphore(places)
        self._working: set[asyncio.Task[Any] | None] = set()
        self._members: set[asyncio.Task[None]] = set()
        self._resting = self._stand_ins = 0

    async def run(self, count: int) -> BaseException | None:
        """Run ``count`` workers until the rows end; return the first error that ended a worker, or None."""
        for _ in range(count):
            self._begin(self._member())
        crash: BaseException | None = None
        while self._members:
            done, _ = await asyncio.wait(self._members)
            self._members -= done
            for member in done:
                error = None if member.cancelled() else member.exception()
                crash = crash or error
        return crash

    def cancel(self) -> None:
        """Cancel all workers."""
        for member in self._members:
            member.cancel()

    async def rest(self, seconds: float) -> None:
        """Let a row wait while another one takes its place; then wait for a free place."""
        if seconds < _SHORT_SECONDS or self._resting >= self._places:
            await asyncio.sleep(seconds)
            return
        task = asyncio.current_task()
        self._leave(task)
        self._resting += 1
        if self._stand_ins < self._resting:
            self._stand_ins += 1
            self._begin(self._stand_in())
        try:
            await asyncio.sleep(seconds)
        finally:
            self._resting -= 1
        await self._free.acquire()
        self._working.add(task)

    def _begin(self, member: Any) -> None:
        self._members.add(asyncio.ensure_future(member))

    async def _member(self, needed: Callable[[], bool] = lambda: True) -> None:
        task = asyncio.current_task()
        while needed() and (row := await self._take()) is not None:
            await self._free.acquire()
            self._working.add(task)
            try:
                await self._work(row)
            finally:
                self._leave(task)

    async def _stand_in(self) -> None:
        try:
            await self._member(lambda: self._stand_ins <= self._resting)
        finally:
            self._stand_ins -= 1

    def _leave(self, task: asyncio.Task[Any] | None) -> None:
        if task in self._working:  # it is not if the task was cancelled while its row waited
            self._working.discard(task)
            self._free.release()
