"""The transport of calls with ``await``: asyncio's transports under httpx's interface.

As in :mod:`msgflux_nb.models.sockets`, a wait lasts as long as the call's limits allow at that moment, and ends when
another thread asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import httpx

from .connect import IDLE_KEPT, Route, foreign_transport, message, patience
from .environment import Proxy
from .http1 import Head, ProtocolError, ResponseReader, plain_answer
from .line import Line, connected
from .timeouts import Abort

__all__ = ["AsyncioTransport", "pause"]


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections of one event loop, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._idle: dict[Route, list[Line]] = {}
        self._others: dict[Proxy, httpx.AsyncHTTPTransport] = {}  # for proxies of other kinds
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        route = Route.of(request.url)
        if route.foreign is not None:
            return await self._other(route.foreign).handle_async_request(request)
        remaining, connect_seconds, abort = patience(request)
        line = self._take(route) or await _cut_by(abort, connected(route, min(connect_seconds, remaining())))
        body = _Body(line, ResponseReader(), remaining, lambda whole: self._done(route, line, abort, whole))
        try:
            loop = asyncio.get_running_loop()
            abort.watch(lambda: _call_soon(loop, line.abort))
            with _translated():
                await body.begin(message(request, route))
        except BaseException as error:
            await body.aclose()
            # Without the frames below, whose argument is the message: a verbose traceback would print the key in it.
            raise error.with_traceback(None) from None
        head = body.head
        return httpx.Response(head.status, headers=head.headers, stream=body, request=request)

    async def whole(
        self,
        route: Route,
        message: Callable[[], bytes],
        *,
        connect_seconds: float,
        end: float,
        heard: Callable[[Head | bytes], object],
    ) -> bytes:
        """Send a request as it goes over the wire, and return the body of its answer when all of it is there.

        Args:
            route: whom to.
            message: makes the request, at the last moment: a verbose traceback prints the variables of every frame.
            connect_seconds: until a connection stands.
            end: when the answer has to be there, by the loop's clock.
            heard: is told the answer's head as soon as it has come; that of a plain answer in bytes, in lower case.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        clock = asyncio.get_running_loop().time
        line = self._take(route) or await connected(route, min(connect_seconds, end - clock()))
        reusable = False
        try:
            line.write(message())
            came = await line.read(end - clock())
            plain = plain_answer(came)
            if plain is not None:
                reusable = line.is_written
                heard(plain[0])
                return plain[1]
            reader, body, told = ResponseReader(), [b""], False
            while True:
                if came:
                    body.append(reader.feed(came))
                else:
                    reader.close()
                if reader.head is not None and not told:
                    told = True
                    heard(reader.head)
                if reader.ended:
                    reusable = reader.reusable and line.is_written
                    return b"".join(body)
                if reader.fault is not None:
                    raise reader.fault
                came = await line.read(end - clock())
        except BaseException as error:
            # As above: of the frames below, that of a write holds the request.
            raise _in_httpx_words(error).with_traceback(None) from None
        finally:
            self._keep(route, line, reusable)

    async def aclose(self) -> None:
        """Close the connections that nobody uses, and from now on each at the end of its request."""
        self._closed = True
        lines = [line for kept in self._idle.values() for line in kept]
        self._idle = {}
        for line in lines:
            line.abort()
        for line in lines:
            await line.closed
        for other in self._others.values():
            await other.aclose()

    def _take(self, route: Route) -> Line | None:
        kept = self._idle.get(route, [])
        while kept:
            line = kept.pop()
            if line.is_fresh:
                return line
            line.abort()  # the server has closed it, or says something that nobody asked for
        return None

    def _done(self, route: Route, line: Line, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        self._keep(route, line, whole and not abort.asked)

    def _keep(self, route: Route, line: Line, reusable: bool) -> None:
        kept = self._idle.setdefault(route, [])
        if reusable and not self._closed and len(kept) < IDLE_KEPT:
            kept.append(line)
        else:
            line.abort()

    def _other(self, proxy: Proxy) -> httpx.AsyncHTTPTransport:
        if proxy not in self._others:
            self._others[proxy] = foreign_transport(httpx.AsyncHTTPTransport, proxy)
        return self._others[proxy]


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it comes; says at its end whether the connection can be used again."""

    def __init__(
        self,
        line: Line,
        reader: ResponseReader,
        remaining: Callable[[], float],
        done: Callable[[bool], None],
    ) -> None:
        self._line, self._reader = line, reader
        self._remaining = remaining
        self._done: Callable[[bool], None] | None = done
        self._first = b""

    async def begin(self, data: bytes) -> None:
        """Send the request, and read until the head of the answer is there."""
        self._line.write(data)
        while self._reader.head is None:
            self._first += await self._read()

    @property
    def head(self) -> Any:
        """The head of the answer."""
        return self._reader.head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            if self._first:
                yield self._first
            while not self._reader.ended:
                data = await self._read()
                if data:
                    yield data

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        done, self._done = self._done, None
        if done is not None:
            done(self._reader.reusable and self._line.is_written)

    async def _read(self) -> bytes:
        if self._reader.fault is not None:
            raise self._reader.fault
        data = await self._line.read(self._remaining())
        if data:
            return self._reader.feed(data)
        self._reader.close()
        return b""


async def _cut_by(abort: Abort, connecting: Coroutine[Any, Any, Line]) -> Line:
    """Await, but no longer than until another thread asks for the end."""
    task = asyncio.ensure_future(connecting)
    loop = asyncio.get_running_loop()
    abort.watch(lambda: _call_soon(loop, task.cancel))
    try:
        return await task
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if abort.asked and task.cancelled() and (me is None or not me.cancelling()):
            raise httpx.ReadError("the answer was cancelled") from None
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().abort()  # it came about at the very moment
        raise
    finally:
        abort.watch(None)


async def pause(abort: Abort, seconds: float) -> None:
    """Sleep, but no longer than until another thread asks for the end."""
    loop = asyncio.get_running_loop()
    asked = loop.create_future()
    timer = loop.call_later(seconds, _finish, asked)
    abort.watch(lambda: _call_soon(loop, lambda: _finish(asked)))
    try:
        await asked
    finally:
        timer.cancel()
        abort.watch(None)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and with it what was to be ended
        loop.call_soon_threadsafe(call)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what asyncio raises in httpx's words."""
    try:
        yield
    except (ProtocolError, OSError) as error:
        raise _in_httpx_words(error) from error


def _in_httpx_words(error: BaseException) -> BaseException:
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("no answer in time")
    if isinstance(error, ProtocolError):
        return httpx.RemoteProtocolError(str(error))
    return httpx.ReadError(str(error) or type(error).__name__) if isinstance(error, OSError) else error
