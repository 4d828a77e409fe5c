"""The ways to the desk: on the scheduler of a cluster, or in this process if there is none."""

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

_PATIENCE_SECONDS = 60.0  # of a question that is answered at once


def here() -> tuple[Link, Callable[[], bool]]:
    """Return the way to the desk from where this task runs, and what says whether the task is still wanted.

    Raises:
        RuntimeError: this is a process that has no way to others.
    """
    worker = _worker()
    if worker is not None:
        return _scheduler_link(worker), _cancellation(worker)
    computation = _latest[0]  # a thread that begins after an interrupt still sees it
    return _LocalLink(), lambda: computation.is_over


def has_no_way_to_others() -> bool:
    """Whether this is one of the processes of ``scheduler="processes"``."""
    parent = multiprocessing.parent_process() is not None
    return _worker() is None and parent and threading.current_thread() is threading.main_thread()


class _Computation:
    """One of a local scheduler's; when it ends early its threads are told nothing, and so they look here."""

    def __init__(self) -> None:
        self.is_over = False
        self.context = contextvars.copy_context()


def callers_context() -> contextvars.Context:
    """Return the context of whoever began the local scheduler's computation: Dask's threads do not carry it."""
    if _worker() is not None:  # a cluster's task: its own context says which worker it runs on
        return contextvars.copy_context()
    return _latest[0].context.copy()


_latest = [_Computation()]


def watch_local_schedulers() -> None:
    """See to it that an interrupt, or an error elsewhere, ends what runs in threads of this process."""
    _watcher().register()


@functools.cache
def _watcher() -> Any:
    from dask.callbacks import Callback

    under_way: dict[int, _Computation] = {}

    def start(graph: Any) -> None:
        # While one computation is under way Dask tells of no other; if they overlap it forgets who wanted to know.
        watcher.register()
        _latest[0] = under_way[id(graph)] = _Computation()
        batch_loop.call(lambda: local_desk().begin_anew())

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
    """A client that interrupts, or lets go of its result, ends a task that waits; one that runs has to look itself."""
    key = worker.get_current_task()

    def cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state in ("cancelled", "released", "forgotten")

    return cancelled


class _LocalLink:
    """To the desk of this process, which the batches' loop has."""

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
    """Return the desk of this process, for work without a cluster."""
    return Desk(kernel_memory)


class _SchedulerLink:
    """From a worker to the desk on the scheduler.

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
