"""Looks up answers of earlier runs off the event loop, with one query for all rows that ask in the same turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..errors import StoreError
from .batches import BatchRecords, Record

__all__ = ["Lookups"]

_LATE_SECONDS, _PATIENCE_SECONDS = 3.0, 31.0


class Lookups:
    """Looks up the records of a batch.

    Args:
        records: the records.
        fail: called if the store does not answer for long.
    """

    def __init__(self, records: BatchRecords, fail: Callable[[StoreError], object]) -> None:
        self._records, self._fail = records, fail
        self._patience = _PATIENCE_SECONDS
        self._wanted: list[tuple[bytes, asyncio.Future[Record | None]]] = []

    async def find(self, key: bytes) -> Record | None:
        """Return the record of a request, or None.

        Raises:
            StoreError: the store cannot be read, or has not answered for half a minute.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Record | None] = loop.create_future()
        self._wanted.append((key, found))
        if len(self._wanted) == 1:
            loop.call_soon(self._look_up, loop)
        return await found

    async def related(self, question: bytes) -> list[Record]:
        """Return the records of a question, the latest first.

        Raises:
            StoreError: the store cannot be read, or has not answered for half a minute.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Record]] = loop.create_future()
        self._ask(loop, lambda: self._records.related(question), [found], lambda result: [result])
        return await found

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> None:
        wanted, self._wanted = self._wanted, []
        keys = list({key for key, _ in wanted})
        self._ask(
            loop,
            lambda: self._records.get_all(keys),
            [found for _, found in wanted],
            lambda result: [result.get(key) for key, _ in wanted],
        )

    def _ask(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[], Any],
        futures: list[asyncio.Future[Any]],
        results: Callable[[Any], list[Any]],
    ) -> None:
        asked = self._records.store.worker.submit(work)
        late = loop.call_later(_LATE_SECONDS, self._say_late, asked)
        over = loop.call_later(self._patience, self._give_up, futures)

        def answered(done: Future[Any]) -> None:
            self._patience = _PATIENCE_SECONDS
            late.cancel()
            over.cancel()
            error = done.exception()
            _end(futures, error if error is not None else results(done.result()))

        def tell(done: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(answered, done)

        asked.add_done_callback(tell)

    def _say_late(self, asked: Future[Any]) -> None:
        # If it has answered, the loop was only busy; a store in memory never waits for another process.
        if not asked.done() and self._records.store.worker.file.lasts:
            self._fail(StoreError(f"the store has not answered for {_LATE_SECONDS:.0f} s"))

    def _give_up(self, futures: list[asyncio.Future[Any]]) -> None:
        """Fail some lookups; until the store answers, later ones do not wait half a minute again."""
        self._patience, waited = _LATE_SECONDS, self._patience
        _end(futures, StoreError(f"the store has not answered for {waited:.0f} s"))


def _end(futures: list[asyncio.Future[Any]], what: BaseException | list[Any]) -> None:
    for place, future in enumerate(futures):
        if future.done():  # the waiter has been cancelled
            continue
        if isinstance(what, BaseException):
            future.set_exception(what)
        else:
            future.set_result(what[place])
