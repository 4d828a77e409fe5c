"""The desk on Dask's scheduler, which every worker can reach."""

from __future__ import annotations

import asyncio
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin

from ..run import kernel_memory
from .share import Desk

__all__ = ["OPERATION", "PLUGIN", "SchedulerDesk"]

PLUGIN = "msgflux-nb"
OPERATION = "msgflux_nb"


class SchedulerDesk(SchedulerPlugin):
    """A desk as a plugin of the scheduler."""

    idempotent = True

    async def start(self, scheduler: Any) -> None:
        """Register the handler of workers' questions."""
        self._desk = Desk(kernel_memory, flagged=True)
        scheduler.handlers[OPERATION] = self._answer

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        """Take back the tickets of a lost worker."""
        self._desk.forget_worker(worker)

    def update_graph(self, scheduler: Any, **_: Any) -> None:
        """Note that a computation begins."""
        self._desk.clear_stops()

    async def close(self) -> None:
        """Clean up when the scheduler ends."""
        self._desk.close()

    async def _answer(self, what: str, told: dict[str, Any]) -> Any:
        answer = self._desk.answer(what, **told)
        return await answer if asyncio.iscoroutine(answer) else answer
