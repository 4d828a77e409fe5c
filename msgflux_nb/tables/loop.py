"""One private event loop on a daemon thread, for all batches of a process.

While a cell runs, the kernel's loop is running too: sync code can neither run a batch on it nor start a second loop on
the same thread. Work on the private loop continues while the cell's own code is busy.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["LoopThread", "batch_loop"]

T = TypeVar("T")
_EXIT_SECONDS = 1.0


class LoopThread:
    """An event loop on its own daemon thread, started on first use, and again in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop, with a copy of the caller's context variables.

        Raises:
            RuntimeError: the caller is on the loop's own thread, where waiting for the result would block forever.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a batch cannot be started from inside another one's model call; await aextract instead")
        return asyncio.run_coroutine_threadsafe(work, self._running())

    @property
    def is_this_thread(self) -> bool:
        """Whether the caller is on the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the loop's thread, soon."""
        self._running().call_soon_threadsafe(function)

    def stop(self) -> None:
        """Cancel all tasks and end the thread; wait at most a second."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None or not thread.is_alive():
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_EXIT_SECONDS)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="msgflux-nb-batches", daemon=True
                )
                self._thread.start()
                atexit.register(self.stop)
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


batch_loop = LoopThread()
