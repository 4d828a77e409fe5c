"""Sends equal requests that run at the same time only once, also across the batches of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from .memory import PAID_FOR, Memory
from .outcome import Outcome, again

__all__ = ["Ended", "Twins"]

Ended = tuple[Outcome, BaseException | None]


class _TwinOutcome(NamedTuple):
    """The outcome of a request, and the batch's memory for which it was sent."""

    outcome: Outcome
    error: BaseException | None
    memory: Memory
    prepared: Any


_RunningRequests = dict[bytes, asyncio.Future[_TwinOutcome] | None]  # None as long as nobody waits for the outcome
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _RunningRequests] = WeakKeyDictionary()


class Twins:
    """The running requests of one batch and of all other batches that keep answers.

    Args:
        memory: the batch's memory. A batch with ``store=False`` shares nothing, since it may want several answers.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._own: _RunningRequests = {}

    async def ask(
        self, prepared: Any, send: Callable[[], Awaitable[Ended | None]], stopped: Callable[[], bool]
    ) -> Ended | None:
        """Wait for an equal request that is running, or send this one; return the outcome, or None.

        Args:
            prepared: the request.
            send: sends it; returns None if the batch stopped first.
            stopped: returns whether the batch has stopped.
        """
        asking = self._asking()
        while prepared.key in asking:
            twin = asking[prepared.key]
            if twin is None:
                asking[prepared.key] = twin = asyncio.get_running_loop().create_future()
            told = await self._told(twin)
            if told is not None:
                return again(told.outcome), told.error
            if stopped():
                return None
        return await self._send(asking, prepared, send)

    async def _told(self, twin: asyncio.Future[_TwinOutcome]) -> _TwinOutcome | None:
        """Wait for the outcome of an equal request; return None if it does not apply to this one."""
        try:
            told = await asyncio.shield(twin)
        except asyncio.CancelledError:
            if not twin.cancelled():
                raise
            return None
        if told.memory is self._memory:
            return told
        if told.outcome.state not in PAID_FOR:  # it failed because of a key, a limit or a budget that may not be ours
            return None
        if told.memory.records is not self._memory.records:
            await self._memory.keep(told.prepared, told.outcome)
        return told

    async def _send(
        self, asking: _RunningRequests, prepared: Any, send: Callable[[], Awaitable[Ended | None]]
    ) -> Ended | None:
        asking[prepared.key] = None
        ended: Ended | None = None
        try:
            ended = await send()
            return ended
        finally:
            twin = asking.pop(prepared.key)
            if twin is not None and ended is not None:
                twin.set_result(_TwinOutcome(*ended, self._memory, prepared))
            elif twin is not None:
                twin.cancel()  # the batch has stopped or crashed

    def _asking(self) -> _RunningRequests:
        if self._memory.records is None:
            return self._own
        return _of_loops.setdefault(asyncio.get_running_loop(), {})
