"""The async client: aiohttp's protocol and parser over connections that can be cancelled.

Each wait is limited by what is left of the call's limits, and ends when another thread cancels it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
from aiohttp.http_parser import RawResponseMessage

from .async_line import AsyncLine
from .bounds import Bounds, too_large
from .connector import aconnected
from .guard import without_frames
from .limits import Abort, Patience, call_soon
from .route import IDLE_KEPT, Headers, Route

__all__ = ["AsyncAnswer", "AsyncClient"]


class AsyncClient:
    """Sends requests over the connections of one event loop, and reuses them."""

    def __init__(self) -> None:
        self._idle: dict[Route, list[AsyncLine]] = {}
        self._closed = False

    async def open(
        self,
        route: Route,
        message: Callable[[], bytes],
        *,
        connect_seconds: float,
        remaining: Callable[[], float],
        abort: Abort,
        limits: Bounds,
        stream: bool,
    ) -> AsyncAnswer:
        """Send a request and wait for the head of its answer, like :meth:`SyncClient.open`.

        Raises:
            httpx.TransportError: no connection, no answer in time, or an answer that is not HTTP.
            NotAnApiError: the head is larger than its limit.
        """
        loop = asyncio.get_running_loop()
        seconds = min(connect_seconds, remaining())
        line = self._take(route)
        if line is None:
            line = await _cut_by(abort, self._connected(route, seconds))
        patience, done = Patience(remaining), functools.partial(self._done, route, line, abort)
        try:
            abort.watch(lambda: call_soon(loop, line.abort))
            line.send(message(), limits)
            head = await line.head(patience, stream=stream)
        except BaseException as error:
            done(False)
            raise without_frames(error) from None
        return AsyncAnswer(line, head, patience, done)

    async def fetch(
        self,
        route: Route,
        message: Callable[[], bytes],
        *,
        connect_seconds: float,
        remaining: Callable[[], float],
        limits: Bounds,
        heard: Callable[[RawResponseMessage], object],
    ) -> bytes:
        """Send a request, wait for the whole answer, and return its body as received (not decoded).

        Args:
            route: the route to the server.
            message: builds the request at the last moment: a verbose traceback prints the variables of every frame.
            connect_seconds: limit for connecting.
            remaining: returns the seconds that are left.
            limits: limits on size; only the beginning of an error's body is read.
            heard: called with the answer's head as soon as it arrives.

        Raises:
            httpx.TransportError: no connection, no answer in time, or an answer that is not HTTP.
            NotAnApiError: the answer is too large.
        """
        line = self._take(route)
        if line is None:
            line = await self._connected(route, min(connect_seconds, remaining()))
        reusable = False
        try:
            patience = Patience(remaining)
            line.send(message(), limits)
            head = await line.head(patience, stream=False)
            heard(head)
            first = await line.piece(patience)
            size, pieces = len(first), [first]
            while not line.ended and (data := await line.piece(patience)):
                size += len(data)
                pieces.append(data)
                if size > limits.error and head.code >= 300:
                    return b"".join(pieces)
                if size > limits.answer:
                    raise too_large("answer", limits)
            reusable = line.lasts
            return first if len(pieces) == 1 else b"".join(pieces)
        except BaseException as error:
            raise without_frames(error) from None
        finally:
            self._keep(route, line, reusable)

    async def close(self) -> None:
        """Close idle connections now, and the others at the end of their requests."""
        self._closed = True
        lines = [line for kept in self._idle.values() for line in kept]
        self._idle = {}
        over = [closed for line in lines if (closed := line.closed) is not None]
        for line in lines:
            line.abort()
        await asyncio.gather(*over, return_exceptions=True)

    async def _connected(self, route: Route, seconds: float) -> AsyncLine:
        loop = asyncio.get_running_loop()
        return await aconnected(route, seconds, lambda: AsyncLine(loop))

    def _take(self, route: Route) -> AsyncLine | None:
        kept = self._idle.get(route, [])
        while kept:
            line = kept.pop()
            if line.is_fresh:
                return line
            line.abort()  # the server has closed it, or sent unexpected bytes
        return None

    def _done(self, route: Route, line: AsyncLine, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        self._keep(route, line, whole and not abort.asked)

    def _keep(self, route: Route, line: AsyncLine, reusable: bool) -> None:
        kept = self._idle.setdefault(route, [])
        if reusable and not self._closed and len(kept) < IDLE_KEPT:
            kept.append(line)
        else:
            line.abort()


class AsyncAnswer:
    """An answer that is arriving.

    Args:
        line: the connection.
        head: the head of the answer.
        patience: limits each wait.
        done: called at the end with whether the connection can be reused.

    Attributes:
        status: the HTTP status, such as 200.
        headers: the headers in order.
    """

    def __init__(
        self, line: AsyncLine, head: RawResponseMessage, patience: Patience, done: Callable[[bool], None]
    ) -> None:
        self.status: int = head.code
        self.headers: Headers = list(head.raw_headers)
        self._line, self._patience = line, patience
        self._done: Callable[[bool], None] | None = done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._line.piece(self._patience):
            yield data

    def close(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        done, self._done = self._done, None
        if done is not None:
            done(self._line.lasts)


async def _cut_by(abort: Abort, connecting: Coroutine[Any, Any, AsyncLine]) -> AsyncLine:
    """Await a connection, but stop when another thread cancels."""
    task = asyncio.ensure_future(connecting)
    loop = asyncio.get_running_loop()
    abort.watch(lambda: call_soon(loop, task.cancel))
    try:
        return await task
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if abort.asked and task.cancelled() and (me is None or not me.cancelling()):
            raise httpx.ReadError("the answer was cancelled") from None
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().abort()  # it connected at the moment of the cancellation
        raise
    finally:
        abort.watch(None)
