"""httpx clients, limits, and what httpx raises in our words.

One client, and so one pool of connections, for each endpoint: a process has one for the sync driver, an event loop
one for the async driver. Redirects are off, since httpx would carry some key headers to another host.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import msgspec

from ..errors import ConnectionFailedError, MsgfluxError, RequestTimeoutError, StreamInterruptedError
from ..protocol.failure import failure_of_status
from .keys import HiddenValues, Key, scrub

__all__ = ["Abort", "Endpoint", "Timeout", "aopen_bytes", "open_bytes"]

_ERROR_BODY_BYTES = 64 * 1024


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds; ``float("inf")`` waits for ever.

    Attributes:
        connect: until a connection stands.
        first: until the first content of a streamed answer.
        between: between two pieces of content; keep-alive comments do not count.
        total: the whole call, retries not included. The only limit, besides ``connect``, of an answer that is not
            streamed.
    """

    connect: float = 10.0
    first: float = 120.0
    between: float = 60.0
    total: float = 600.0

    @classmethod
    def of(cls, value: float | Timeout | None) -> Timeout:
        """Read the ``timeout`` option: None is the default, a number limits every part and the whole call.

        Raises:
            TypeError: it is neither.
            ValueError: it is not above 0.
        """
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"timeout: expected seconds, Timeout(...) or None, got {type(value).__name__}")
        if not value > 0:
            raise ValueError(f"timeout: expected seconds above 0, got {value}; float('inf') waits for ever")
        return cls(connect=min(value, cls().connect), first=value, between=value, total=value)


class Endpoint(msgspec.Struct, frozen=True):
    """Where requests go and what goes with each.

    Attributes:
        base_url: without a trailing slash; ``/chat/completions`` is added.
        key: the key, or None.
        headers: further headers.
    """

    base_url: str
    key: Key | None = None
    headers: HiddenValues = HiddenValues()

    @property
    def url(self) -> str:
        """Where a chat completion is asked for."""
        return f"{self.base_url}/chat/completions"

    def scrub(self, text: str) -> str:
        """Return ``text`` without this endpoint's key, or anything that looks like a key."""
        return scrub(text, [self.key] if self.key else [])


class _Bearer(httpx.Auth):
    """Writes the key into its header at the last moment."""

    def __init__(self, key: Key | None) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]  # a generator
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        yield request


class Abort:
    """Lets another thread end an answer at once: shutting a socket down wakes who reads from it, closing does not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: Any = None
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether the end was asked for."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the end is asked for."""
        self._asked.wait(seconds)

    def watch(self, response: httpx.Response) -> None:
        """Take the socket of an open answer."""
        stream = response.extensions.get("network_stream")
        with self._lock:
            self._socket = stream.get_extra_info("socket") if stream is not None else None
        if self.asked:
            self()

    def release(self) -> None:
        """Forget the socket: it goes back to the pool and belongs to the next request."""
        with self._lock:
            self._socket = None

    def __call__(self) -> None:
        """End the answer."""
        self._asked.set()
        with self._lock:
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # closed already, which is what was asked


@contextmanager
def open_bytes(
    endpoint: Endpoint, body: bytes, timeout: Timeout, *, stream: bool, abort: Abort
) -> Iterator[Iterator[bytes]]:
    """Send a request; yield its answer's bytes as they come. The connection is closed or reused on every exit.

    Raises:
        MsgfluxError: no connection, no answer in time, or an answer with an error status.
    """
    arguments = _arguments(endpoint, body, timeout, stream)
    with _translated(endpoint), _client(endpoint.base_url).stream("POST", **arguments) as response:
        abort.watch(response)
        try:
            if response.status_code >= 300:
                raise _failure(endpoint, response, _start_of(response.iter_bytes()))
            yield response.iter_bytes()
        finally:
            abort.release()


@asynccontextmanager
async def aopen_bytes(
    endpoint: Endpoint, body: bytes, timeout: Timeout, *, stream: bool, abort: Abort
) -> AsyncIterator[AsyncIterator[bytes]]:
    """As :func:`open_bytes`, for a running event loop."""
    with _translated(endpoint):
        client = await _async_client(endpoint.base_url)
        async with client.stream("POST", **_arguments(endpoint, body, timeout, stream)) as response:
            abort.watch(response)
            try:
                if response.status_code >= 300:
                    raise _failure(endpoint, response, await _astart_of(response.aiter_bytes()))
                yield response.aiter_bytes()
            finally:
                abort.release()


def _arguments(endpoint: Endpoint, body: bytes, timeout: Timeout, stream: bool) -> dict[str, Any]:
    read = max(timeout.first, timeout.between) if stream else timeout.total
    limits = {
        "connect": timeout.connect,
        "read": min(read, timeout.total),
        "write": timeout.total,
        "pool": timeout.total,
    }
    return {
        "url": endpoint.url,
        "content": body,
        "headers": {"Content-Type": "application/json", "User-Agent": "msgflux-nb", **endpoint.headers},
        "auth": _Bearer(endpoint.key),
        "timeout": httpx.Timeout(**{name: None if value == float("inf") else value for name, value in limits.items()}),
    }


def _start_of(chunks: Iterator[bytes]) -> bytes:
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) > _ERROR_BODY_BYTES:
            break
    return held


async def _astart_of(chunks: AsyncIterator[bytes]) -> bytes:
    held = b""
    async for chunk in chunks:
        held += chunk
        if len(held) > _ERROR_BODY_BYTES:
            break
    return held


def _failure(endpoint: Endpoint, response: httpx.Response, body: bytes) -> MsgfluxError:
    return failure_of_status(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        body,
        url=endpoint.url,
        now=time.time(),
        scrub=endpoint.scrub,
    )


@contextmanager
def _translated(endpoint: Endpoint) -> Iterator[None]:
    """Say what httpx raises in our words. The cause is kept without traceback and request: both hold the header."""
    try:
        yield
    except httpx.TimeoutException as error:
        connecting = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        what = "no connection to" if connecting else "no answer from"
        raise RequestTimeoutError(
            f"{what} {endpoint.url} in time. Raise the limit with timeout=, or try again."
        ) from _bare(error)
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.ProxyError) as error:
        raise ConnectionFailedError(
            f"cannot connect to {endpoint.url}: {endpoint.scrub(str(error))}. Check base_url and the network, and "
            "whether the server runs."
        ) from _bare(error)
    except httpx.HTTPError as error:
        raise StreamInterruptedError(
            f"the connection to {endpoint.url} broke: {endpoint.scrub(str(error)) or type(error).__name__}."
        ) from _bare(error)


def _bare(error: Exception) -> Exception:
    if isinstance(error, httpx.RequestError):
        error.request = None  # type: ignore[assignment]  # httpx reads None as "no request"
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


_clients: dict[tuple[int, str], httpx.Client] = {}
_clients_lock = threading.Lock()
_async_clients: weakref.WeakKeyDictionary[Any, dict[str, tuple[httpx.AsyncClient, Any]]] = weakref.WeakKeyDictionary()
_CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30)


def _client(base_url: str) -> httpx.Client:
    """One client an endpoint; a forked child gets its own, since sockets cannot be shared."""
    key = (os.getpid(), base_url)
    with _clients_lock:
        if key not in _clients:
            _clients[key] = httpx.Client(limits=_CONNECTIONS, follow_redirects=False)
        return _clients[key]


async def _async_client(base_url: str) -> httpx.AsyncClient:
    clients = _async_clients.setdefault(asyncio.get_running_loop(), {})
    if base_url not in clients:
        client = httpx.AsyncClient(limits=_CONNECTIONS, follow_redirects=False)
        clients[base_url] = (client, keeper := _closed_with_the_loop(client))
        await anext(keeper)
    return clients[base_url][0]


async def _closed_with_the_loop(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Closes the client when ``asyncio.run`` shuts its async generators down: a loop offers no other hook."""
    try:
        yield
    finally:
        await client.aclose()
