"""The interface to HTTP: sends a request and yields its answer's bytes, for both drivers, with any client.

Sync calls use ``http.client``, with one client per process and address. Async calls use aiohttp, with one client per
event loop and address. A user's own client or transport is used as it is. Redirects are not followed, since a key must
not be sent to another host.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import weakref
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from ..errors import MsgfluxError
from .bounds import Bounds, Meter, bounds
from .coding import Decoder, decoder_of
from .guard import Target, before_an_answer, failure_of, translated
from .limits import Abort, Timeout
from .log import log_answered, log_sent
from .route import Headers, Route, request_head
from .sync_client import SyncClient
from .user_clients import abounded, afrom_client, client_for, foreign_transport, from_client

if TYPE_CHECKING:
    from .async_client import AsyncClient

__all__ = [
    "AnswerObserver",
    "aopen_bytes",
    "async_client",
    "header_value",
    "lowered",
    "message_of",
    "open_bytes",
    "parsed",
]


class AnswerObserver(Protocol):
    """Records an exchange; the pieces of a successful answer are recorded by their reader."""

    def sent(self, request: httpx.Request) -> None:
        """Note what a user's own client has sent."""

    def head(self, status: int, headers: Headers) -> None:
        """Record the status and the headers of an answer."""

    def body_of_error(self, data: bytes) -> None:
        """Record the body of an answer with an error status."""


_FRAMING = frozenset(("content-length", "transfer-encoding"))  # derived from the body


@contextmanager
def open_bytes(
    target: Target,
    body: bytes,
    timeout: Timeout,
    *,
    stream: bool,
    abort: Abort,
    remaining: Callable[[], float],
    observer: AnswerObserver | None = None,
) -> Iterator[Iterator[bytes]]:
    """Send a request, and yield its answer's decoded bytes as they come; always close or release the connection.

    Args:
        target: the server.
        body: the request's JSON.
        timeout: the limits of the call.
        stream: whether the answer is streamed.
        abort: lets another thread end the answer.
        remaining: returns how many seconds the next wait may last.
        observer: records the head of the answer, and the body of an error.

    Raises:
        MsgfluxError: no connection, no answer in time, an answer that is too large, or one with an error status.
    """
    with translated(target):
        url, limits = parsed(target.url), bounds()
        log_sent(url.host, len(body))
        sender: Any = client_for(target, "handle_request", httpx.AsyncClient)
        route = None if sender is not None else Route.of(url)
        if route is not None and route.foreign is not None:
            sender = _foreign_sync(route)
        if sender is None and route is not None:
            with before_an_answer(target):
                answer = _client(target.base_url).open(
                    route,
                    message_of(target, url, route, body, stream=stream),
                    connect_seconds=timeout.connect,
                    remaining=remaining,
                    abort=abort,
                    limits=limits,
                    stream=stream,
                )
            try:
                chunks = _decoded(iter(answer), answer.headers, limits, stream=stream)
                _refuse_failure(target, answer.status, answer.headers, chunks, observer)
                yield chunks
            finally:
                answer.close()
        else:
            sent = id if observer is None else observer.sent
            with from_client(target, sender, url, body, timeout, abort, stream=stream, sent=sent) as response:
                raw = response.headers.raw
                read = response.is_stream_consumed  # a hook of the user's client may have read it
                given = response.iter_bytes() if read else response.iter_raw()
                chunks = _decoded(given, [] if read else raw, limits, stream=stream)
                _refuse_failure(target, response.status_code, raw, chunks, observer)
                yield chunks


@asynccontextmanager
async def aopen_bytes(
    target: Target,
    body: bytes,
    timeout: Timeout,
    *,
    stream: bool,
    abort: Abort,
    remaining: Callable[[], float],
    heard: Callable[[Headers], object] = id,
    observer: AnswerObserver | None = None,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Like :func:`open_bytes`, but async; ``heard`` is called with the answer's headers, whatever its status."""
    with translated(target):
        url, limits = parsed(target.url), bounds()
        log_sent(url.host, len(body))
        sender: Any = client_for(target, "handle_async_request", httpx.Client)
        route = None if sender is not None else Route.of(url)
        if route is not None and route.foreign is not None:
            sender = await _foreign_async(route)
        if sender is None and route is not None:
            client = await async_client(target.base_url)
            with before_an_answer(target):
                answer = await client.open(
                    route,
                    message_of(target, url, route, body, stream=stream),
                    connect_seconds=timeout.connect,
                    remaining=remaining,
                    abort=abort,
                    limits=limits,
                    stream=stream,
                )
            heard(answer.headers)
            try:
                chunks = _adecoded(aiter(answer), answer.headers, limits, stream=stream)
                await _arefuse_failure(target, answer.status, answer.headers, chunks, observer)
                yield chunks
            finally:
                answer.close()
        else:
            sent = id if observer is None else observer.sent
            async with afrom_client(
                target, sender, url, body, timeout, abort, stream=stream, remaining=remaining, sent=sent
            ) as response:
                raw = response.headers.raw
                heard(raw)
                read = response.is_stream_consumed
                given = response.aiter_bytes() if read else response.aiter_raw()
                chunks = _adecoded(abounded(given, remaining), [] if read else raw, limits, stream=stream)
                await _arefuse_failure(target, response.status_code, raw, chunks, observer)
                yield chunks


def message_of(target: Target, url: httpx.URL, route: Route, body: bytes, *, stream: bool) -> Callable[[], bytes]:
    """Return a function that builds the request's bytes; the key is written into its header last.

    It is a function because a verbose traceback would print the contents of any other object.

    Raises:
        BadRequestError: an extra header cannot be sent.
    """
    given = target.all_headers(stream)
    if target.has_key:
        target.revealed()  # raises for an impossible key, before anything is sent

    def message() -> bytes:
        whole_address = route.passes_on
        path, more = url.raw_path, []
        if whole_address is not None:
            path, more = b"http://" + url.netloc + path, whole_address.headers
        secret = target.revealed() if target.has_key else _basic(url, given)
        named = target.key_header if target.has_key else "Authorization"
        headers = [(b"Host", url.netloc)] if "host" not in map(str.lower, given) else []
        headers += [
            (name.encode("ascii"), value.encode("ascii"))
            for name, value in given.items()
            if name.lower() not in _FRAMING and not (secret and name.lower() == named.lower())
        ]
        if secret:
            headers.append((named.encode("ascii"), secret.encode("ascii")))
        headers.append((b"Content-Length", b"%d" % len(body)))
        return request_head("POST", path, [*headers, *more]) + body

    return message


def _basic(url: httpx.URL, headers: Mapping[str, str]) -> str:
    """Return the header for the user and password in an address; empty if there are none, or the header is set."""
    if not url.userinfo or "authorization" in map(str.lower, headers):
        return ""
    return "Basic " + b64encode(f"{url.username}:{url.password}".encode()).decode()


@functools.lru_cache(maxsize=256)
def parsed(url: str) -> httpx.URL:
    """Parse an address; cached, since parsing takes longer than the rest of a request."""
    return httpx.URL(url)


def header_value(headers: Headers, wanted: bytes) -> str:
    """Return the value of a header, all of its values if it is repeated; empty if it is missing."""
    return ",".join(value.decode("latin-1") for name, value in headers if name.lower() == wanted)


def _reader(headers: Headers, limits: Bounds, *, stream: bool) -> tuple[Decoder | None, Meter]:
    coding = header_value(headers, b"content-encoding")
    which = "stream" if stream else "answer"
    return decoder_of(coding, which, limits) if coding else None, Meter(limits, stream=stream)


def _decoded(chunks: Iterator[bytes], headers: Headers, limits: Bounds, *, stream: bool) -> Iterator[bytes]:
    decoder, meter = _reader(headers, limits, stream=stream)
    for data in chunks:
        for held in (data,) if decoder is None else decoder.pieces(data):
            meter.take(held)
            yield held


async def _adecoded(
    chunks: AsyncIterator[bytes], headers: Headers, limits: Bounds, *, stream: bool
) -> AsyncIterator[bytes]:
    decoder, meter = _reader(headers, limits, stream=stream)
    async for data in chunks:
        for held in (data,) if decoder is None else decoder.pieces(data):
            meter.take(held)
            yield held


def lowered(headers: Headers) -> dict[str, str]:
    """Return headers as texts by names in lower case; any byte is a character, so that no value is refused."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _refuse_failure(
    target: Target, status: int, headers: Headers, chunks: Iterator[bytes], observer: AnswerObserver | None
) -> None:
    """Raise the exception for an answer with an error status; only the beginning of its body is read."""
    log_answered(parsed(target.url).host, status)
    if observer is not None:
        observer.head(status, headers)
    if status >= 300:
        body = _Start()
        for chunk in chunks:
            if body.is_full_with(chunk):
                break
        raise _failure(target, status, headers, body.data, observer)


async def _arefuse_failure(
    target: Target, status: int, headers: Headers, chunks: AsyncIterator[bytes], observer: AnswerObserver | None
) -> None:
    """Like :func:`_refuse_failure`, but async."""
    log_answered(parsed(target.url).host, status)
    if observer is not None:
        observer.head(status, headers)
    if status >= 300:
        body = _Start()
        async for chunk in chunks:
            if body.is_full_with(chunk):
                break
        raise _failure(target, status, headers, body.data, observer)


class _Start:
    """Collects the beginning of the body of an error."""

    def __init__(self) -> None:
        self.data = b""
        self._most = bounds().error

    def is_full_with(self, chunk: bytes) -> bool:
        """Add a piece; return whether that is enough."""
        self.data += chunk[: self._most + 1 - len(self.data)]
        return len(self.data) > self._most


def _failure(
    target: Target, status: int, headers: Headers, body: bytes, observer: AnswerObserver | None
) -> MsgfluxError:
    if observer is not None:
        observer.body_of_error(body)
    return failure_of(target, status, lowered(headers), body)


# -- the clients -------------------------------------------------------------------------------------------------------

_CLOSING_SECONDS = 1.0  # time for a client to close its idle connections

_clients: dict[tuple[int, str], SyncClient] = {}
_foreign: dict[tuple[int, Any], httpx.HTTPTransport] = {}
_async_clients: weakref.WeakKeyDictionary[Any, dict[Any, tuple[Any, Any]]] = weakref.WeakKeyDictionary()


def _client(base_url: str) -> SyncClient:
    """Return the client of an address; a forked child gets its own, since sockets cannot be shared."""
    if not _clients:
        atexit.register(_close_all)
    # Without a lock, which another thread could hold at the moment of a fork; setdefault is atomic.
    return _clients.setdefault((os.getpid(), base_url), SyncClient())


def _foreign_sync(route: Route) -> httpx.HTTPTransport:
    place = (os.getpid(), route.proxy)
    if place not in _foreign:
        assert route.proxy is not None, "a route without a proxy is not foreign"
        _foreign.setdefault(place, foreign_transport(httpx.HTTPTransport, route.proxy))
    return _foreign[place]


def _close_all() -> None:
    for clients in (_clients, _foreign):
        for (pid, _), client in clients.items():
            if pid == os.getpid():  # a forked child's inherited clients belong to its parent
                client.close()


async def async_client(base_url: str) -> AsyncClient:
    """Return the client of this event loop for an address."""
    from .async_client import AsyncClient

    found: AsyncClient = await _of_this_loop(base_url, AsyncClient, AsyncClient.close)
    return found


async def _foreign_async(route: Route) -> httpx.AsyncHTTPTransport:
    assert route.proxy is not None, "a route without a proxy is not foreign"
    make = functools.partial(foreign_transport, httpx.AsyncHTTPTransport, route.proxy)
    found: httpx.AsyncHTTPTransport = await _of_this_loop(route.proxy, make, httpx.AsyncHTTPTransport.aclose)
    return found


async def _of_this_loop(place: Any, make: Callable[[], Any], close: Callable[[Any], Any]) -> Any:
    import asyncio  # imported late, since it is slow to load

    clients = _async_clients.setdefault(asyncio.get_running_loop(), {})
    if place not in clients:
        client = make()
        clients[place] = (client, keeper := _closed_with_the_loop(client, close))
        await anext(keeper)
    return clients[place][0]


async def _closed_with_the_loop(client: Any, close: Callable[[Any], Any]) -> AsyncIterator[None]:
    """Close a client when ``asyncio.run`` shuts down async generators; a loop has no other hook.

    It does not wait for a server or proxy that never answers the close.
    """
    import asyncio

    try:
        yield
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(close(client), _CLOSING_SECONDS)
