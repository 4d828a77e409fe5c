"""The transport of calls without ``await``: plain sockets under httpx's interface.

A wait lasts as long as the call's limits allow at that moment, and ends at once when another thread asks for it or the
kernel is interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from .connect import BLOCK_BYTES, IDLE_KEPT, Route, check_tunnel, foreign_transport, message, patience
from .environment import Proxy, certificates
from .http1 import ProtocolError, ResponseReader
from .timeouts import Abort

__all__ = ["STAGGER_SECONDS", "SocketTransport", "has_something_to_read", "numeric_address"]

STAGGER_SECONDS = 0.25
"""How long an address of a name has before the next one is tried beside it, as RFC 8305 advises."""
_LOOK_SECONDS = 0.05  # between looks at whether another thread wants the end while a connection is made


class SocketTransport(httpx.BaseTransport):
    """Sends requests over connections of its own, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Route, list[socket.socket]] = {}
        self._others: dict[Proxy, httpx.HTTPTransport] = {}  # for proxies of other kinds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        route = Route.of(request.url)
        if route.foreign is not None:
            return self._other(route.foreign).handle_request(request)
        remaining, connect_seconds, abort = patience(request)
        line = self._take(route) or _connected(route, min(connect_seconds, remaining()), abort)
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
            if line is None or not has_something_to_read(line):
                return line
            line.close()  # the server has closed it, or says something that nobody asked for

    def _done(self, route: Route, line: socket.socket, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        ended = line
        with self._lock:
            kept = self._idle.setdefault(route, [])
            if whole and not abort.asked and len(kept) < IDLE_KEPT:
                kept.append(line)
                if not has_something_to_read(kept[0]):
                    return
                ended = kept.pop(0)  # the server has closed the one that was not used for the longest time
        _shut_down(ended)  # a process that was forked meanwhile would keep it open
        ended.close()

    def _other(self, proxy: Proxy) -> httpx.HTTPTransport:
        with self._lock:
            if proxy not in self._others:
                self._others[proxy] = foreign_transport(httpx.HTTPTransport, proxy)
            return self._others[proxy]


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
        self._sent = False
        self._first = b""

    def begin(self, data: bytes) -> None:
        """Send the request, and read until the head of the answer is there."""
        try:
            rest = memoryview(data)
            while rest:
                _wait(self._line, self._remaining())
                rest = rest[self._line.send(rest) :]
            self._sent = True
        except TimeoutError:
            raise
        except OSError:
            pass  # a server that refuses a long request may answer, and hang up, before it has read all of it
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
            done(self._sent and self._reader.reusable)

    def _read(self) -> bytes:
        if self._reader.fault is not None:
            raise self._reader.fault
        _wait(self._line, self._remaining())
        data = self._line.recv(BLOCK_BYTES)
        if data:
            return self._reader.feed(data)
        self._reader.close()
        return b""


def _connected(route: Route, seconds: float, abort: Abort) -> socket.socket:
    """Connect: look the name up, try its addresses, ask a proxy for a tunnel, agree on encryption."""
    end = time.monotonic() + seconds

    def left() -> float:
        if abort.asked:
            raise ConnectionAbortedError("the call was cancelled")
        return end - time.monotonic()

    try:
        line = _dial(_addresses(*route.first_stop, left), left)
        try:
            abort.watch(lambda: _shut_down(line))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if route.tunnel:
                _open_tunnel(line, route, left)
            if route.secure:
                line = certificates().wrap_socket(line, server_hostname=route.host, do_handshake_on_connect=False)
                _wait(line, left())
                line.do_handshake()
            return line
        except BaseException:
            line.close()
            raise
        finally:
            abort.watch(None)
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection to {route.first_stop[0]} in {seconds:g} s") from error
    except (OSError, ValueError, ProtocolError) as error:
        raise route.failure(error) from error


def numeric_address(host: str, port: int) -> list[Any]:
    """Return what a look-up returns where the host is a number, which nobody has to be asked for; empty for a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return []
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _addresses(host: str, port: int, left: Callable[[], float]) -> list[Any]:
    """Look a name up, in a thread of its own: the system's resolver can be neither limited nor interrupted."""
    known = numeric_address(host, port)
    if known:
        return known
    found: list[Any] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            found.append(error)
        done.set()

    threading.Thread(target=look_up, daemon=True).start()
    while not done.wait(min(_LOOK_SECONDS, max(left(), 0.0))):
        if left() <= 0:
            raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    addresses: list[Any] = found[0]
    return addresses


def _dial(addresses: list[Any], left: Callable[[], float]) -> socket.socket:
    """Return a connection to the first of the addresses that answers; each has a short start on the next."""
    failure = OSError("the name has no address")
    waiting: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    start = 0.0
    try:
        while addresses or waiting:
            if addresses and (not waiting or time.monotonic() >= start):
                family, kind, protocol, _, address = addresses[0]
                addresses, start = addresses[1:], time.monotonic() + STAGGER_SECONDS
                try:
                    line = _begun(family, kind, protocol, address)
                except OSError as error:
                    failure = error
                    continue
                waiting[line.fileno()] = line
                selector.register(line, selectors.EVENT_WRITE)
            if left() <= 0:
                raise TimeoutError
            for key, _ in selector.select(min(_LOOK_SECONDS, max(left(), 0.0))):
                selector.unregister(key.fileobj)
                line = waiting.pop(key.fd)
                number = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not number:
                    return line
                line.close()
                failure, start = OSError(number, os.strerror(number)), 0.0
        raise failure
    finally:
        selector.close()
        for line in waiting.values():
            line.close()


def _begun(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    """Return a socket that begins to connect."""
    line = socket.socket(family, kind, protocol)
    line.setblocking(False)
    number = line.connect_ex(address)
    if number not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN):
        line.close()
        raise OSError(number, os.strerror(number))
    return line


def _open_tunnel(line: socket.socket, route: Route, left: Callable[[], float]) -> None:
    _wait(line, left())
    line.sendall(route.tunnel)
    reader = ResponseReader()
    while not check_tunnel(reader, route):
        _wait(line, left())
        data = line.recv(BLOCK_BYTES)
        if not data:
            reader.close()
        reader.feed(data)


def _wait(line: socket.socket, seconds: float) -> None:
    """Let the next wait last as long as it may."""
    line.settimeout(None if seconds == float("inf") else max(seconds, 0.001))


def has_something_to_read(line: Any) -> bool:
    """Whether something waits on a connection, the end of it included."""
    try:
        if os.name == "nt":
            return bool(select.select([line], [], [], 0)[0])
        poll = select.poll()  # select() knows no file number above 1,023
        poll.register(line, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


def _shut_down(line: socket.socket) -> None:
    # Not the method of an SSL socket: for a moment, another thread's next write would go out unencrypted.
    with contextlib.suppress(OSError):  # it is closed already, which is what was asked
        socket.socket.shutdown(line, socket.SHUT_RDWR)


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
