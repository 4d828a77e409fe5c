"""One connection of one event loop: how it comes about, and what has come over it."""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from typing import Any, cast

import httpx

from .connect import BLOCK_BYTES, Route, check_tunnel
from .environment import certificates
from .http1 import ProtocolError, ResponseReader
from .sockets import STAGGER_SECONDS, has_something_to_read, numeric_address

__all__ = ["Line", "connected"]

_NO_LIMIT_SECONDS = 1e6  # asyncio limits handshakes too, to a minute; the limits are ours


class Line(asyncio.Protocol):
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
        """It stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        self._arrived.append(data)
        self._size += len(data)
        if self._size > BLOCK_BYTES:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Nothing more will come."""
        self._over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
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


async def connected(route: Route, seconds: float) -> Line:
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
            _, line = await asyncio.get_running_loop().create_connection(Line, sock=dialled, **direct)
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


async def _open_tunnel(line: Line, route: Route, end: float) -> None:
    line.write(route.tunnel)
    reader = ResponseReader()
    while not check_tunnel(reader, route):
        data = await line.read(end - time.monotonic())
        if not data:
            reader.close()
        reader.feed(data)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
