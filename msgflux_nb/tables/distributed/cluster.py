"""Links to the desk: on the scheduler of a cluster, or in this process without a cluster."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import multiprocessing
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

from ..loop import batch_loop
from ..run import kernel_memory
from .share import Desk, Link

__all__ = ["callers_context", "has_no_way_to_others", "here", "local_desk", "watch_local_schedulers"]

_PATIENCE_SECONDS = 60.0  # for questions that are normally answered at once


def here() -> tuple[Link, Callable[[], bool]]:
    """Return the link from this task to the desk, and a function that says whether the task was cancelled.

    Raises:
        RuntimeError: this process has no link to others.
    """
    worker = _worker()
    if worker is not None:
        return _scheduler_link(worker), _cancellation(worker)
    computation = _latest[0]  # so that a thread that begins after an interrupt sees the interrupt
    return _LocalLink(), lambda: computation.is_over


def has_no_way_to_others() -> bool:
    """Return whether this is a process of ``scheduler="processes"``, which shares nothing with the others."""
    parent = multiprocessing.parent_process() is not None
    return _worker() is None and parent and threading.current_thread() is threading.main_thread()


class _Computation:
    """A computation of a local scheduler, which does not tell its threads of an early end: they look here."""

    def __init__(self) -> None:
        self.is_over = False
        self.context = contextvars.copy_context()


def callers_context() -> contextvars.Context:
    """Return the context variables of the local computation's caller, which Dask does not pass to its threads."""
    if _worker() is not None:  # a cluster's task: its context names its worker
        return contextvars.copy_context()
    return _latest[0].context.copy()


_latest = [_Computation()]


def watch_local_schedulers() -> None:
    """Make an interrupt, or an error in another part, end the parts that run in threads of this process."""
    _watcher().register()


@functools.cache
def _watcher() -> Any:
    from dask.callbacks import Callback

    under_way: dict[int, _Computation] = {}

    def start(graph: Any) -> None:
        # Dask reports no second computation while one is running, and drops callbacks when computations overlap.
        watcher.register()
        _latest[0] = under_way[id(graph)] = _Computation()
        batch_loop.call(lambda: local_desk().clear_stops())

    def finish(graph: Any, state: Any, errored: bool) -> None:
        under_way.pop(id(graph)).is_over = errored
        _latest[0] = next(reversed(under_way.values()), _latest[0])

    made: Any = Callback
    watcher = made(start=start, finish=finish)
    return watcher


def _worker() -> Any:
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def _cancellation(worker: Any) -> Callable[[], bool]:
    """Return whether a running task was cancelled; Dask itself cancels only tasks that have not begun."""
    key = worker.get_current_task()

    def cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state in ("cancelled", "released", "forgotten")

    return cancelled


class _LocalLink:
    """Link to the desk of this process, on the batches' loop."""

    worker = "here"

    async def ask(self, what: str, **told: Any) -> Any:
        answer = local_desk().answer(what, **told)
        return await answer if asyncio.iscoroutine(answer) else answer

    def ask_and_wait(self, what: str, **told: Any) -> Any:
        if batch_loop.is_this_thread:
            return local_desk().answer(what, **told)
        return batch_loop.submit(self.ask(what, **told)).result(_PATIENCE_SECONDS)


@functools.cache
def local_desk() -> Desk:
    """Return the desk of this process, for use without a cluster."""
    return Desk(kernel_memory)


class _SchedulerLink:
    """Link from a worker to the desk on the scheduler.

    Attributes:
        worker: the worker's address.
    """

    def __init__(self, worker: Any) -> None:
        from .scheduler_desk import OPERATION, PLUGIN, SchedulerDesk

        self.worker = worker.address
        self._call = getattr(worker.scheduler, OPERATION)
        self._loop = worker.loop.asyncio_loop
        plugin = pickle.dumps(SchedulerDesk())
        self._run(worker.scheduler.register_scheduler_plugin(plugin=plugin, name=PLUGIN, idempotent=True)).result(
            _PATIENCE_SECONDS
        )

    async def ask(self, what: str, **told: Any) -> Any:
        return await asyncio.wrap_future(self._run(self._call(what=what, told=told)))

    def ask_and_wait(self, what: str, **told: Any) -> Any:
        return self._run(self._call(what=what, told=told)).result(_PATIENCE_SECONDS)

    def _run(self, question: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(question, self._loop)


_links: dict[str, _SchedulerLink] = {}
_links_lock = threading.Lock()


def _scheduler_link(worker: Any) -> _SchedulerLink:
    with _links_lock:
        if worker.address not in _links:
            _links[worker.address] = _SchedulerLink(worker)
        return _links[worker.address]
