"""The transport of calls with ``await``: asyncio's transports under httpx's interface.

As in :mod:`msgflux_nb.models.sockets`, a wait lasts as long as the call's limits allow at that moment, and ends when
another thread asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, cast

import httpx

from .connect import BLOCK_BYTES, IDLE_KEPT, Route, check_tunnel, foreign_transport, message, patience
from .environment import Proxy, certificates
from .http1 import ProtocolError, ResponseReader
from .limits import Abort
from .sockets import STAGGER_SECONDS, has_something_to_read, numeric_address

__all__ = ["AsyncioTransport", "pause"]

_NO_LIMIT_SECONDS = 1e6  # asyncio limits handshakes too, to a minute; the limits are ours


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections of one event loop, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._idle: dict[Route, list[_Line]] = {}
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
        line = self._take(route) or await _cut_by(abort, _connected(route, min(connect_seconds, remaining())))
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

    def _take(self, route: Route) -> _Line | None:
        kept = self._idle.get(route, [])
        while kept:
            line = kept.pop()
            if line.is_fresh:
                return line
            line.abort()  # the server has closed it, or says something that nobody asked for
        return None

    def _done(self, route: Route, line: _Line, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        kept = self._idle.setdefault(route, [])
        if whole and not abort.asked and not self._closed and len(kept) < IDLE_KEPT:
            kept.append(line)
        else:
            line.abort()

    def _other(self, proxy: Proxy) -> httpx.AsyncHTTPTransport:
        if proxy not in self._others:
            self._others[proxy] = foreign_transport(httpx.AsyncHTTPTransport, proxy)
        return self._others[proxy]


class _Line(asyncio.Protocol):
    """One connection: what has come and is not read yet, and who waits for it.

    asyncio's own streams would do, but that they lose what came before a connection broke: the answer of a server that
    refuses a long request and hangs up.

    Attributes:
        closed: done when the connection is.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast(Any, None)
        self._arrived: list[bytes] = []
        self._size = 0
        self._over = False
        self._broken: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # -- what asyncio tells ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._arrived.append(data)
        self._size += len(data)
        if self._size > BLOCK_BYTES:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over, self._broken = True, exc
        self._wake()
        if not self.closed.done():
            self.closed.set_result(None)

    # -- what a request asks for ----------------------------------------------------------------------------------

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has come and the server has not closed it, as far as this machine knows."""
        quiet = not self._arrived and not self._over and not self._transport.is_closing()
        return quiet and not has_something_to_read(self._transport.get_extra_info("socket"))

    @property
    def is_written(self) -> bool:
        """Whether all that was written is on its way."""
        return not self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Begin to write; what the server says meanwhile can be read at once."""
        self._transport.write(data)

    async def read(self, seconds: float) -> bytes:
        """Return what has come, or else comes next; empty at the end of the connection."""
        while not self._arrived and not self._over:
            await self._wait(seconds)
        if self._arrived:
            data = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
            self._arrived.clear()
            if self._size > BLOCK_BYTES:
                self._transport.resume_reading()
            self._size = 0
            return data
        if self._broken is not None:
            raise self._broken
        return b""

    async def encrypt(self, host: str) -> None:
        """Go on encrypted."""
        self._transport = cast(
            asyncio.Transport,
            await self._loop.start_tls(
                self._transport,
                self,
                certificates(),
                server_hostname=host,
                ssl_handshake_timeout=_NO_LIMIT_SECONDS,
            ),
        )

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    async def _wait(self, seconds: float) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = None if seconds == float("inf") else self._loop.call_later(max(seconds, 0.0), _expire, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it comes; says at its end whether the connection can be used again."""

    def __init__(
        self,
        line: _Line,
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


async def _connected(route: Route, seconds: float) -> _Line:
    """Connect: look the name up, try its addresses, ask a proxy for a tunnel, agree on encryption."""
    end = time.monotonic() + seconds
    try:
        async with asyncio.timeout(None if seconds == float("inf") else max(seconds, 0.001)):
            direct: dict[str, Any] = {}
            if route.secure and route.proxy is None:
                direct = {
                    "ssl": certificates(),
                    "server_hostname": route.host,
                    "ssl_handshake_timeout": _NO_LIMIT_SECONDS,
                }
            # Dialled by ourselves, since asyncio leaves sockets open where it is cancelled at the wrong moment.
            dialled = await _dial(*route.first_stop)
            _, line = await asyncio.get_running_loop().create_connection(_Line, sock=dialled, **direct)
            try:
                if route.tunnel:
                    await _open_tunnel(line, route, end)
                    await line.encrypt(route.host)
            except BaseException:
                line.abort()
                raise
            return line
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection to {route.first_stop[0]} in {seconds:g} s") from error
    except (OSError, ValueError, ProtocolError) as error:
        raise route.failure(error) from error


async def _dial(host: str, port: int) -> socket.socket:
    """Return a connection to the first of a name's addresses that answers; each has a short start on the next."""
    loop = asyncio.get_running_loop()
    addresses = numeric_address(host, port) or await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: BaseException = OSError("the name has no address")
    waiting: dict[asyncio.Future[None], socket.socket] = {}
    try:
        while addresses or waiting:
            if addresses:
                (family, kind, protocol, _, address), *addresses = addresses
                try:
                    line = socket.socket(family, kind, protocol)
                except OSError as error:
                    failure = error
                    continue
                line.setblocking(False)
                waiting[asyncio.ensure_future(loop.sock_connect(line, address))] = line
            limit = STAGGER_SECONDS if addresses else None
            done, _ = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                line, problem = waiting.pop(attempt), attempt.exception()
                if problem is None:
                    return line
                line.close()
                failure = problem
        raise failure
    finally:
        for attempt, line in waiting.items():
            attempt.cancel()
            attempt.add_done_callback(functools.partial(_drop, line))


def _drop(line: socket.socket, attempt: asyncio.Future[None]) -> None:
    line.close()
    if not attempt.cancelled():
        attempt.exception()  # asyncio would report it as one that nobody has looked at


async def _open_tunnel(line: _Line, route: Route, end: float) -> None:
    line.write(route.tunnel)
    reader = ResponseReader()
    while not check_tunnel(reader, route):
        data = await line.read(end - time.monotonic())
        if not data:
            reader.close()
        reader.feed(data)


async def _cut_by(abort: Abort, connecting: Coroutine[Any, Any, _Line]) -> _Line:
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


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and with it what was to be ended
        loop.call_soon_threadsafe(call)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what asyncio raises in httpx's words."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time") from error
    except ProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error
