"""The desk on Dask's scheduler: the one place that every worker can ask."""

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
    """A desk that a scheduler has, as its plugin."""

    idempotent = True

    async def start(self, scheduler: Any) -> None:
        """Begin to answer workers."""
        self._desk = Desk(kernel_memory, flagged=True)
        scheduler.handlers[OPERATION] = self._answer

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        """Take back what a worker that is gone has held."""
        self._desk.forget_worker(worker)

    def update_graph(self, scheduler: Any, **_: Any) -> None:
        """A computation begins."""
        self._desk.begin_anew()

    async def close(self) -> None:
        """The scheduler ends."""
        self._desk.close()

    async def _answer(self, what: str, told: dict[str, Any]) -> Any:
        answer = self._desk.answer(what, **told)
        return await answer if asyncio.iscoroutine(answer) else answer
