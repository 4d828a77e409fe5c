"""The transport of calls with ``await``: asyncio's streams under httpx's interface.

As in :mod:`msgflux_nb.models.sockets`, a wait lasts as long as the call's limits allow at that moment, and ends when
another thread asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import httpx

from .connect import BLOCK_BYTES, IDLE_KEPT, Route, message, patience, tunnel_head
from .environment import Proxy, certificates
from .http1 import ProtocolError, ResponseReader
from .limits import Abort

__all__ = ["AsyncioTransport"]

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections of one event loop, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._idle: dict[Route, list[Line]] = {}
        self._others: dict[str, httpx.AsyncHTTPTransport] = {}  # for proxies of other kinds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        route = Route.of(request.url)
        if route.foreign is not None:
            return await self._other(route.foreign).handle_async_request(request)
        remaining, connect_seconds, abort = patience(request)
        line = self._take(route) or await _cut_by(abort, _connected(route, min(connect_seconds, remaining())))
        body = _Body(line, ResponseReader(), remaining, lambda whole: self._done(route, line, abort, whole))
        try:
            loop = asyncio.get_running_loop()
            abort.watch(lambda: _call_soon(loop, line[1].transport.abort))
            with _translated():
                await body.begin(message(request, route))
        except BaseException as error:
            await body.aclose()
            # Without the frames below, whose argument is the message: a verbose traceback would print the key in it.
            raise error.with_traceback(None) from None
        head = body.head
        return httpx.Response(head.status, headers=head.headers, stream=body, request=request)

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        idle, self._idle = self._idle, {}
        for lines in idle.values():
            for _, writer in lines:
                writer.close()
        for lines in idle.values():
            for _, writer in lines:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        for other in self._others.values():
            await other.aclose()

    def _take(self, route: Route) -> Line | None:
        kept = self._idle.get(route, [])
        while kept:
            reader, writer = line = kept.pop()
            if not reader.at_eof() and not writer.is_closing():
                return line
            writer.close()
        return None

    def _done(self, route: Route, line: Line, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        kept = self._idle.setdefault(route, [])
        if whole and not abort.asked and len(kept) < IDLE_KEPT:
            kept.append(line)
        else:
            line[1].transport.abort()

    def _other(self, proxy: Proxy) -> httpx.AsyncHTTPTransport:
        if proxy.url not in self._others:
            self._others[proxy.url] = httpx.AsyncHTTPTransport(
                verify=certificates(), proxy=httpx.Proxy(proxy.url, headers=proxy.headers)
            )
        return self._others[proxy.url]


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it comes; says at its end whether the connection can be used again."""

    def __init__(
        self,
        line: Line,
        reader: ResponseReader,
        remaining: Callable[[], float],
        done: Callable[[bool], None],
    ) -> None:
        self._stream, self._writer = line
        self._reader = reader
        self._remaining = remaining
        self._done: Callable[[bool], None] | None = done
        self._first = b""

    async def begin(self, data: bytes) -> None:
        """Send the request, and read until the head of the answer is there."""
        self._writer.write(data)
        # A server that refuses a long request may answer, and hang up, before it has read all of it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            async with asyncio.timeout(_seconds(self._remaining())):
                await self._writer.drain()
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
            done(self._reader.reusable)

    async def _read(self) -> bytes:
        async with asyncio.timeout(_seconds(self._remaining())):
            data = await self._stream.read(BLOCK_BYTES)
        if data:
            return self._reader.feed(data)
        self._reader.close()
        return b""


async def _connected(route: Route, seconds: float) -> Line:
    try:
        async with asyncio.timeout(_seconds(seconds)):
            direct = certificates() if route.secure and route.proxy is None else None
            host, port = route.first_stop
            stream, writer = await asyncio.open_connection(
                host, port, ssl=direct, limit=BLOCK_BYTES, happy_eyeballs_delay=0.25
            )
            try:
                if route.secure and route.proxy is not None:
                    await _open_tunnel(stream, writer, route)
                    await writer.start_tls(certificates(), server_hostname=route.host)
            except BaseException:
                writer.transport.abort()
                raise
            return stream, writer
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection to {route.first_stop[0]} in {seconds:g} s") from error
    except (OSError, ValueError, ProtocolError) as error:
        kind = httpx.ConnectError if route.proxy is None else httpx.ProxyError
        raise kind(str(error) or type(error).__name__) from error


async def _open_tunnel(stream: asyncio.StreamReader, writer: asyncio.StreamWriter, route: Route) -> None:
    writer.write(tunnel_head(route))
    reader = ResponseReader()
    while reader.head is None:
        data = await stream.read(BLOCK_BYTES)
        if not data:
            reader.close()
        reader.feed(data)
    if reader.head.status != 200:
        raise ProtocolError(f"the proxy refuses a tunnel to {route.host} with status {reader.head.status}")


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
        raise
    finally:
        abort.watch(None)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and with it what was to be ended
        loop.call_soon_threadsafe(call)


def _seconds(seconds: float) -> float | None:
    return None if seconds == float("inf") else max(seconds, 0.001)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what streams raise in httpx's words."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time") from error
    except ProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error
