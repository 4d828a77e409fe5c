"""The transport of calls without ``await``: the standard library's ``http.client`` under httpx's interface.

httpx's own transport spends about 20 µs on each chunk of a stream, ten times what reading its text costs. Connections,
TLS, tunnels through a proxy and the head of an answer are ``http.client``'s; the body is read from its buffer, and the
chunked coding taken off here. A wait lasts as long as the call's limits allow at that moment, and ends at once when
another thread asks for it or the kernel is interrupted.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from .chunked import ChunkedDecoder
from .environment import Proxy, certificates, proxy_for
from .limits import Abort

__all__ = ["SocketTransport"]

_BLOCK_BYTES = 256 * 1024
_IDLE_KEPT = 64

_Key = tuple[str, str, int, Proxy | None]


class SocketTransport(httpx.BaseTransport):
    """Sends requests over connections of its own, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[_Key, list[http.client.HTTPConnection]] = {}
        self._others: dict[str, httpx.HTTPTransport] = {}  # for proxies that http.client does not speak to

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        proxy = proxy_for(request.url)
        if proxy is not None and proxy.scheme != "http":
            return self._other(proxy).handle_request(request)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        key = (request.url.scheme, request.url.host, port, proxy)
        remaining = request.extensions.get("remaining") or _patient
        abort = request.extensions.get("abort") or Abort()
        connection = self._take(key) or _connected(key, request)
        try:
            with _translated():
                abort.watch(lambda: _shut_down(connection))
                _wait_for(connection, remaining)
                connection.request(request.method, _target(request.url, proxy), request.content, _headers(request, key))
                response = connection.getresponse()
        except BaseException as error:
            abort.watch(None)
            connection.close()
            # Without the frames of http.client: their arguments are the headers, which a verbose traceback prints.
            raise error.with_traceback(None) from None
        body = _Body(connection, response, remaining, lambda whole: self._done(key, connection, abort, whole))
        return httpx.Response(response.status, headers=response.getheaders(), stream=body, request=request)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()
        for other in self._others.values():
            other.close()

    def _take(self, key: _Key) -> http.client.HTTPConnection | None:
        while True:
            with self._lock:
                kept = self._idle.get(key)
                connection = kept.pop() if kept else None
            if connection is None or not _has_something_to_read(connection):
                return connection
            connection.close()  # the server has closed it, or says something that nobody asked for

    def _done(self, key: _Key, connection: http.client.HTTPConnection, abort: Abort, whole: bool) -> None:
        abort.watch(None)
        with self._lock:
            kept = self._idle.setdefault(key, [])
            if whole and not abort.asked and len(kept) < _IDLE_KEPT:
                kept.append(connection)
                return
        connection.close()

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
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        remaining: Callable[[], float],
        done: Callable[[bool], None],
    ) -> None:
        self._connection, self._response = connection, response
        self._remaining = remaining
        self._done: Callable[[bool], None] | None = done
        self._whole = False

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            blocks = self._blocks()
            if self._response.chunked:
                yield from self._unchunked(blocks)
            elif self._response.length is None:  # to the end of the connection
                yield from blocks
            else:
                yield from self._measured(blocks, self._response.length)

    def close(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        done, self._done = self._done, None
        if done is not None:
            whole = self._whole and not self._response.will_close
            self._response.close()
            done(whole)

    def _blocks(self) -> Iterator[bytes]:
        # The buffer below the response, which holds what came with the head. The response's own read1 takes the
        # chunked coding off too, at several times the cost.
        source: Any = self._response.fp
        if source is None:  # the head said that there is no body
            return
        while True:
            _wait_for(self._connection, self._remaining)
            data = source.read1(_BLOCK_BYTES)
            if not data:
                return
            yield data

    def _unchunked(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        decoder = ChunkedDecoder()
        for data in blocks:
            content = decoder.feed(data)
            self._whole = decoder.ended and not decoder.rest
            if content:
                yield content
            if decoder.ended:
                return
        raise httpx.RemoteProtocolError("the connection was closed before the answer was complete")

    def _measured(self, blocks: Iterator[bytes], length: int) -> Iterator[bytes]:
        left = length
        self._whole = not left
        while left:
            data = next(blocks, b"")
            if not data:
                raise httpx.RemoteProtocolError(
                    f"the connection was closed before the answer was whole: {left:,} of {length:,} bytes are missing"
                )
            piece = data[:left]
            left -= len(piece)
            self._whole = not left and len(piece) == len(data)
            yield piece


def _connected(key: _Key, request: httpx.Request) -> http.client.HTTPConnection:
    scheme, host, port, proxy = key
    remaining = request.extensions.get("remaining") or _patient
    seconds = min(request.extensions.get("timeout", {}).get("connect") or float("inf"), remaining())
    where = (host, port) if proxy is None else (proxy.host, proxy.port)
    limit = None if seconds == float("inf") else max(seconds, 0.001)
    if scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            *where, timeout=limit, context=certificates()
        )
        if proxy is not None:
            connection.set_tunnel(host, port, proxy.headers)
    else:
        connection = http.client.HTTPConnection(*where, timeout=limit)
    try:
        connection.connect()
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection to {where[0]}:{where[1]} in {limit:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        kind = httpx.ConnectError if proxy is None else httpx.ProxyError
        raise kind(str(error) or type(error).__name__) from error
    return connection


def _target(url: httpx.URL, proxy: Proxy | None) -> str:
    """What is asked for: to a proxy that passes requests on, the whole address."""
    if proxy is None or url.scheme == "https":
        return url.raw_path.decode("ascii")
    return str(url)


def _headers(request: httpx.Request, key: _Key) -> dict[str, str]:
    proxy = key[3]
    passed_on = proxy.headers if proxy is not None and key[0] == "http" else {}
    own = {name.decode("ascii"): value.decode("latin-1") for name, value in request.headers.raw}
    return {**own, **passed_on}


def _patient() -> float:
    return float("inf")


def _wait_for(connection: http.client.HTTPConnection, remaining: Callable[[], float]) -> None:
    """Let the next wait last as long as it may."""
    seconds = remaining()
    if connection.sock is not None:
        connection.sock.settimeout(None if seconds == float("inf") else max(seconds, 0.001))


def _has_something_to_read(connection: http.client.HTTPConnection) -> bool:
    try:
        return bool(select.select([connection.sock], [], [], 0)[0]) if os.name == "nt" else _polled(connection)
    except (OSError, ValueError):
        return True


def _polled(connection: http.client.HTTPConnection) -> bool:
    poll = select.poll()  # select() knows no file number above 1,023
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _shut_down(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError, AttributeError):  # it is closed already, which is what was asked
        connection.sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what sockets and ``http.client`` raise in httpx's words."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time") from error
    except OSError as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error
    except (http.client.HTTPException, ValueError) as error:
        raise httpx.RemoteProtocolError(f"the answer is no HTTP: {error or type(error).__name__}") from error
