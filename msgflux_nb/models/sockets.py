"""The transport of calls without ``await``: plain sockets under httpx's interface.

A wait lasts as long as the call's limits allow at that moment, and ends at once when another thread asks for it or the
kernel is interrupted.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from .connect import BLOCK_BYTES, IDLE_KEPT, Route, message, patience, tunnel_head
from .environment import Proxy, certificates
from .http1 import ProtocolError, ResponseReader
from .limits import Abort

__all__ = ["SocketTransport"]


class SocketTransport(httpx.BaseTransport):
    """Sends requests over connections of its own, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Route, list[socket.socket]] = {}
        self._others: dict[str, httpx.HTTPTransport] = {}  # for proxies of other kinds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        route = Route.of(request.url)
        if route.foreign is not None:
            return self._other(route.foreign).handle_request(request)
        remaining, connect_seconds, abort = patience(request)
        line = self._take(route) or _connected(route, min(connect_seconds, remaining()))
        reader = ResponseReader()
        body = _Body(line, reader, remaining, lambda whole: self._done(route, line, abort, whole))
        try:
            abort.watch(lambda: _shut_down(line))
            with _translated():
                body.begin(message(request, route))
        except BaseException as error:
            body.close()
            # Without the frames below, whose argument is the message: a verbose traceback would print the key in it.
            raise error.with_traceback(None) from None
        head = body.head
        return httpx.Response(head.status, headers=head.headers, stream=body, request=request)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for lines in idle.values():
            for line in lines:
                line.close()
        for other in self._others.values():
            other.close()

    def _take(self, route: Route) -> socket.socket | None:
        while True:
            with self._lock:
                kept = self._idle.get(route)
                line = kept.pop() if kept else None
            if line is None or not _has_something_to_read(line):
                return line
            line.close()  # the server has closed it, or says something that nobody asked for

    def _done(self, route: Route, line: socket.socket, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        with self._lock:
            kept = self._idle.setdefault(route, [])
            if whole and not abort.asked and len(kept) < IDLE_KEPT:
                kept.append(line)
                return
        line.close()

    def _other(self, proxy: Proxy) -> httpx.HTTPTransport:
        with self._lock:
            if proxy.url not in self._others:
                self._others[proxy.url] = httpx.HTTPTransport(
                    verify=certificates(), proxy=httpx.Proxy(proxy.url, headers=proxy.headers)
                )
            return self._others[proxy.url]


class _Body(httpx.SyncByteStream):
    """The body of an answer, as it comes; says at its end whether the connection can be used again."""

    def __init__(
        self,
        line: socket.socket,
        reader: ResponseReader,
        remaining: Callable[[], float],
        done: Callable[[bool], None],
    ) -> None:
        self._line, self._reader = line, reader
        self._remaining = remaining
        self._done: Callable[[bool], None] | None = done
        self._first = b""

    def begin(self, data: bytes) -> None:
        """Send the request, and read until the head of the answer is there."""
        _wait(self._line, self._remaining())
        # A server that refuses a long request may answer, and hang up, before it has read all of it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._line.sendall(data)
        while self._reader.head is None:
            self._first += self._read()

    @property
    def head(self) -> Any:
        """The head of the answer."""
        return self._reader.head

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            if self._first:
                yield self._first
            while not self._reader.ended:
                data = self._read()
                if data:
                    yield data

    def close(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        done, self._done = self._done, None
        if done is not None:
            done(self._reader.reusable)

    def _read(self) -> bytes:
        _wait(self._line, self._remaining())
        data = self._line.recv(BLOCK_BYTES)
        if data:
            return self._reader.feed(data)
        self._reader.close()
        return b""


def _connected(route: Route, seconds: float) -> socket.socket:
    limit = None if seconds == float("inf") else max(seconds, 0.001)
    try:
        line = socket.create_connection(route.first_stop, timeout=limit)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if route.secure and route.proxy is not None:
                _open_tunnel(line, route)
            return certificates().wrap_socket(line, server_hostname=route.host) if route.secure else line
        except BaseException:
            line.close()
            raise
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection to {route.first_stop[0]} in {limit:g} s") from error
    except (OSError, ValueError, ProtocolError) as error:
        kind = httpx.ConnectError if route.proxy is None else httpx.ProxyError
        raise kind(str(error) or type(error).__name__) from error


def _open_tunnel(line: socket.socket, route: Route) -> None:
    line.sendall(tunnel_head(route))
    reader = ResponseReader()
    while reader.head is None:
        data = line.recv(BLOCK_BYTES)
        if not data:
            reader.close()
        reader.feed(data)
    if reader.head.status != 200:
        raise ProtocolError(f"the proxy refuses a tunnel to {route.host} with status {reader.head.status}")


def _wait(line: socket.socket, seconds: float) -> None:
    """Let the next wait last as long as it may."""
    line.settimeout(None if seconds == float("inf") else max(seconds, 0.001))


def _has_something_to_read(line: socket.socket) -> bool:
    try:
        if os.name == "nt":
            return bool(select.select([line], [], [], 0)[0])
        poll = select.poll()  # select() knows no file number above 1,023
        poll.register(line, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


def _shut_down(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already, which is what was asked
        line.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what sockets raise in httpx's words."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time") from error
    except ProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error
