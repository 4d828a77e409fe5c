"""Connects over a route: TCP, the proxy's handshake, TLS; limited in time and cancellable."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from ..errors import MsgfluxError
from .environment import certificates
from .greeting import tls_advice
from .limits import Abort
from .route import BLOCK_BYTES, Route
from .socks import Conversation, conversation
from .tcp import adial, dial, shut_down, wait

if TYPE_CHECKING:
    import asyncio

__all__ = ["aconnected", "connected"]

_NO_LIMIT_SECONDS = 1e6  # replaces asyncio's handshake limit of a minute; we apply our own

T = TypeVar("T")


def connected(route: Route, seconds: float, abort: Abort) -> socket.socket:
    """Return a connection over a route.

    Args:
        route: the host, and the proxy in between.
        seconds: limit for all steps together.
        abort: lets another thread end the wait.

    Raises:
        httpx.TransportError: no connection could be made.
    """
    end = time.monotonic() + seconds

    def left() -> float:
        if abort.asked:
            raise ConnectionAbortedError("the call was cancelled")
        return end - time.monotonic()

    try:
        talk = conversation(route)
        line = dial(*route.first_stop, left)
        try:
            abort.watch(lambda: shut_down(line))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if talk is not None:
                _converse(line, talk, left)
            if route.secure:
                line = certificates().wrap_socket(line, server_hostname=route.host, do_handshake_on_connect=False)
                wait(line, _some(left()))
                line.do_handshake()
            return line
        except BaseException:
            line.close()
            raise
        finally:
            abort.watch(None)
    except Exception as error:
        raise _failure(route, error, seconds) from error


def _converse(line: socket.socket, talk: Conversation, left: Callable[[], float]) -> None:
    try:
        send = next(talk)
        while True:
            if send:
                wait(line, _some(left()))
                line.sendall(send)
            wait(line, _some(left()))
            send = talk.send(line.recv(BLOCK_BYTES))
    except StopIteration:
        return


def _some(seconds: float) -> float:
    if seconds <= 0:
        raise TimeoutError
    return seconds


async def aconnected(route: Route, seconds: float, protocol: Callable[[], T]) -> T:
    """Like :func:`connected`, but async; return the protocol of the connection."""
    import asyncio

    try:
        async with asyncio.timeout(None if seconds == float("inf") else max(seconds, 0.001)):
            talk = conversation(route)
            # We connect ourselves, since asyncio leaves sockets open if it is cancelled at the wrong moment.
            line = await adial(*route.first_stop)
            try:
                if talk is not None:
                    await _aconverse(asyncio.get_running_loop(), line, talk)
                return await _adopted(route, line, protocol)
            except BaseException:
                line.close()
                raise
    except Exception as error:
        raise _failure(route, error, seconds) from error


async def _adopted(route: Route, line: socket.socket, protocol: Callable[[], T]) -> T:
    import asyncio

    secure: dict[str, Any] = {}
    if route.secure:
        secure = {
            "ssl": certificates(),
            "server_hostname": route.host,
            "ssl_handshake_timeout": _NO_LIMIT_SECONDS,
        }
    loop: Any = asyncio.get_running_loop()
    _, adopted = await loop.create_connection(protocol, sock=line, **secure)
    found: T = adopted
    return found


async def _aconverse(loop: asyncio.AbstractEventLoop, line: socket.socket, talk: Conversation) -> None:
    try:
        send = next(talk)
        while True:
            if send:
                await loop.sock_sendall(line, send)
            send = talk.send(await loop.sock_recv(line, BLOCK_BYTES))
    except StopIteration:
        return


def _failure(route: Route, error: Exception, seconds: float) -> Exception:
    if isinstance(error, httpx.HTTPError | MsgfluxError):
        return error
    if isinstance(error, TimeoutError):
        return httpx.ConnectTimeout(f"no connection to {route.first_stop[0]} in {seconds:g} s")
    if isinstance(error, OSError | ValueError):
        advice = tls_advice(str(error)) if isinstance(error, ssl.SSLError) else ""
        return route.failure(OSError(f"{error}{advice}") if advice else error)
    return error
