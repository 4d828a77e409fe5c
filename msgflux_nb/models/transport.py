"""A request sent and its answer's bytes read, for both drivers; what the network raises, in our words.

Everything goes through httpx's transport interface. By default the two transports of this package are behind it, one
and so one pool of connections for each endpoint: a process has one for the sync driver, an event loop one for the
async driver. A client or transport that the user handed in is used as it is. Redirects are off, since httpx would
carry some key headers to another host.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import socket
import time
import weakref
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import msgspec

from ..errors import BadRequestError, ConnectionFailedError, MsgfluxError, RequestTimeoutError, StreamInterruptedError
from ..protocol.address import without_secrets
from ..protocol.failure import failure_of_status
from ..protocol.profile import Wire
from ..protocol.wire import WIRES
from .addresses import under
from .keys import HiddenValues, Key, hidden_of, scrub
from .timeouts import Abort, Timeout

if TYPE_CHECKING:
    from .aio import AsyncioTransport

__all__ = [
    "Ear",
    "Endpoint",
    "aopen_bytes",
    "async_transport",
    "before_an_answer",
    "failure_of",
    "open_bytes",
    "parsed",
    "translated",
]

_ERROR_BODY_BYTES = 64 * 1024
_SAID_CHARACTERS = 300


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go and what goes with each.

    Attributes:
        base_url: without a trailing slash; the path of the wire is added.
        wire: how requests and answers look.
        key: the key, or None.
        key_header: the header that the key belongs into; in ``Authorization`` it is a bearer token.
        headers: further headers.
        clients: httpx clients and transports of the user's, for calls with and without ``await``.
    """

    base_url: str
    wire: Wire = "chat"
    key: Key | None = None
    key_header: str = "Authorization"
    headers: HiddenValues = HiddenValues()
    clients: tuple[Any, ...] = ()

    @property
    def url(self) -> str:
        """Where an answer is asked for."""
        return under(self.base_url, WIRES[self.wire].path)

    def scrub(self, text: str) -> str:
        """Return ``text`` without this endpoint's key and further headers, and anything that looks like a key."""
        hidden = [self.headers, hidden_of(self.base_url)]
        return scrub(text, hidden if self.key is None else [self.key, *hidden])

    def __repr__(self) -> str:
        return without_secrets(super().__repr__())

    def revealed(self) -> str:
        """Return what the key's header says, for that header only; empty where there is no key."""
        bearer = "Bearer " if self.key_header == "Authorization" else ""
        return "" if self.key is None else bearer + self.key.reveal()

    def arguments(self, body: bytes, timeout: Timeout, *, stream: bool, **extensions: Any) -> dict[str, Any]:
        """Return what a request of httpx is built from, without the key."""
        total, read = timeout.total, max(timeout.first, timeout.between) if stream else timeout.total
        limits = {"connect": timeout.connect, "read": min(read, total), "write": total, "pool": total}
        seconds = {name: None if value == float("inf") else value for name, value in limits.items()}
        return {
            "method": "POST",
            "url": parsed(self.url),
            "content": body,
            "headers": self.all_headers(stream),
            "extensions": {"timeout": seconds, **extensions},
        }

    def all_headers(self, stream: bool) -> HiddenValues:
        """Return what is sent with each request, without the key; further headers win, however they are spelt.

        Raises:
            BadRequestError: a further header cannot be sent; the message does not show its value.
        """
        unfit = [name for name, value in self.headers.items() if not _fits(name, value)]
        if unfit:
            raise BadRequestError(
                f"extra_headers: {', '.join(map(repr, unfit))} cannot be sent. Expected names of letters, digits and "
                "-, and values that are texts in ASCII without line ends."
            )
        ours = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if stream else "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "msgflux-nb",
            **WIRES[self.wire].headers,
        }
        theirs = {name.lower() for name in self.headers}
        return HiddenValues({name: text for name, text in ours.items() if name.lower() not in theirs} | self.headers)


def _fits(name: object, value: object) -> bool:
    if not isinstance(name, str) or not isinstance(value, str) or not name.isascii():
        return False
    return name.replace("-", "").replace("_", "").isalnum() and all(" " <= one <= "~" or one == "\t" for one in value)


class Ear(Protocol):
    """Who records an exchange; the pieces of an answer that is no error are seen by whoever reads them."""

    def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Take the status and the headers of an answer."""

    def body_of_error(self, data: bytes) -> None:
        """Take the body of an answer with an error status."""


@functools.lru_cache(maxsize=256)
def parsed(url: str) -> httpx.URL:
    """Parsing an address costs more than all the rest of a request."""
    return httpx.URL(url)


@contextmanager
def open_bytes(
    endpoint: Endpoint,
    body: bytes,
    timeout: Timeout,
    *,
    stream: bool,
    abort: Abort,
    remaining: Callable[[], float],
    ear: Ear | None = None,
) -> Iterator[Iterator[bytes]]:
    """Send a request; yield its answer's bytes as they come. The connection is closed or reused on every exit.

    Args:
        endpoint: where to.
        body: the request's JSON.
        timeout: the limits; a transport that asks is told by ``remaining`` what is left of them.
        stream: whether the answer is to come in pieces.
        abort: through which another thread ends the answer.
        remaining: how many seconds the next wait may last.
        ear: is told the head of the answer, and the body of an error.

    Raises:
        MsgfluxError: no connection, no answer in time, or an answer with an error status.
    """
    with translated(endpoint):
        arguments = endpoint.arguments(body, timeout, stream=stream, abort=abort, remaining=remaining)
        sender: Any = _given(endpoint, "handle_request", httpx.AsyncClient) or _transport(endpoint.base_url)
        with before_an_answer(endpoint):
            response = _sent(sender, _request(endpoint, sender, arguments))
        if ear is not None:
            ear.head(response.status_code, response.headers.raw)
        try:
            _watch(abort, response)
            chunks = iter(response.stream) if _is_plain(endpoint, response) else response.iter_bytes()
            if response.status_code >= 300:
                raise _heard_failure(endpoint, response, _start_of(chunks), ear)
            yield chunks
        finally:
            response.close()


@asynccontextmanager
async def aopen_bytes(
    endpoint: Endpoint,
    body: bytes,
    timeout: Timeout,
    *,
    stream: bool,
    abort: Abort,
    remaining: Callable[[], float],
    heard: Callable[[list[tuple[bytes, bytes]]], object] = id,
    ear: Ear | None = None,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """As :func:`open_bytes`, for a running event loop; ``heard`` is told the answer's headers, whatever its status."""
    with translated(endpoint):
        arguments = endpoint.arguments(body, timeout, stream=stream, abort=abort, remaining=remaining)
        given = _given(endpoint, "handle_async_request", httpx.Client)
        sender: Any = given or await async_transport(endpoint.base_url)
        with before_an_answer(endpoint):
            response = await _asent(sender, _request(endpoint, sender, arguments))
        heard(response.headers.raw)
        if ear is not None:
            ear.head(response.status_code, response.headers.raw)
        try:
            _watch(abort, response)
            chunks = aiter(response.stream) if _is_plain(endpoint, response) else response.aiter_bytes()
            if response.status_code >= 300:
                raise _heard_failure(endpoint, response, await _astart_of(chunks), ear)
            yield chunks
        finally:
            await response.aclose()


def _request(endpoint: Endpoint, sender: Any, arguments: dict[str, Any]) -> httpx.Request:
    """Build a request, through the user's client if there is one, and write the key into its header at last."""
    build = getattr(sender, "build_request", httpx.Request)
    request: httpx.Request = build(**arguments)
    if endpoint.key is not None:
        request.headers[endpoint.key_header] = endpoint.revealed()
    elif request.url.userinfo and not hasattr(sender, "send"):  # httpx's clients see to it themselves
        user, password = request.url.username, request.url.password
        request.headers.setdefault("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
    return request


def _sent(sender: Any, request: httpx.Request) -> Any:
    """Send a request and wait for the head of its answer.

    An interrupt, and a cancelled task, leave without the frames of the library that sends: they hold the header with
    the key, and a verbose traceback would print it.
    """
    try:
        if hasattr(sender, "handle_request"):
            return sender.handle_request(request)
        return sender.send(request, stream=True, follow_redirects=False)
    except Exception:
        raise
    except BaseException as error:
        raise error.with_traceback(None) from None


async def _asent(sender: Any, request: httpx.Request) -> Any:
    """As :func:`_sent`, for a running event loop."""
    try:
        if hasattr(sender, "handle_async_request"):
            return await sender.handle_async_request(request)
        return await sender.send(request, stream=True, follow_redirects=False)
    except Exception:
        raise
    except BaseException as error:
        raise error.with_traceback(None) from None


def _given(endpoint: Endpoint, transport: str, other: type) -> Any:
    """The user's client or transport for this kind of call; None where none was given."""
    fitting = [
        given
        for given in endpoint.clients
        if hasattr(given, transport) or (hasattr(given, "send") and not isinstance(given, other))
    ]
    if endpoint.clients and not fitting:
        kind = "a call without await" if transport == "handle_request" else "acall"
        raise TypeError(
            f"http_client: expected an httpx client or transport for {kind}, got "
            f"{', '.join(type(given).__name__ for given in endpoint.clients)}. Give one of each kind as a tuple, or "
            "leave http_client out."
        )
    return fitting[0] if fitting else None


def _is_plain(endpoint: Endpoint, response: httpx.Response) -> bool:
    """Whether the bytes of our own transport can be taken without a detour; others may be compressed."""
    return not endpoint.clients and response.headers.get("content-encoding", "identity") == "identity"


def _watch(abort: Abort, response: httpx.Response) -> None:
    """Let another thread end an answer that came through httpx's own transport; ours see to it themselves."""
    stream = response.extensions.get("network_stream")
    if stream is not None:
        abort.watch(lambda: _shut_down(stream.get_extra_info("socket")))


def _shut_down(open_socket: Any) -> None:
    with contextlib.suppress(OSError, AttributeError):  # it is closed already, which is what was asked
        # Not the method of an SSL socket: for a moment, another thread's next write would go out unencrypted.
        kind = socket.socket if isinstance(open_socket, socket.socket) else type(open_socket)
        kind.shutdown(open_socket, socket.SHUT_RDWR)


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


def _heard_failure(endpoint: Endpoint, response: httpx.Response, body: bytes, ear: Ear | None) -> MsgfluxError:
    if ear is not None:
        ear.body_of_error(body)
    return failure_of(endpoint, response, body)


def failure_of(endpoint: Endpoint, response: httpx.Response, body: bytes) -> MsgfluxError:
    """Return the exception for an answer with an error status or a redirect."""
    return failure_of_status(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        body,
        url=endpoint.scrub(endpoint.url),
        now=time.time(),
        scrub=endpoint.scrub,
    )


@contextmanager
def before_an_answer(endpoint: Endpoint) -> Iterator[None]:
    """What breaks before an answer begins is a connection that did not come about."""
    try:
        yield
    except (httpx.NetworkError, httpx.ProtocolError) as error:
        if isinstance(error, httpx.ConnectError):
            raise
        # What speaks no HTTP is another server than was meant; a connection that broke says nothing about the address.
        advice = "Check base_url." if "expected" in str(error) else "Try again."
        raise ConnectionFailedError(
            f"the connection to {endpoint.scrub(endpoint.url)} broke before an answer came: "
            f"{_said(endpoint, error) or type(error).__name__}. {advice}"
        ) from _bare(endpoint, error)


@contextmanager
def translated(endpoint: Endpoint) -> Iterator[None]:
    """Say what httpx raises in our words; the cause is kept scrubbed, without traceback and request."""
    try:
        yield
    except httpx.TimeoutException as error:
        connecting = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        what = "no connection to" if connecting else "no answer from"
        raise RequestTimeoutError(
            f"{what} {endpoint.scrub(endpoint.url)} in time. Raise the limit with timeout=, or try again."
        ) from _bare(endpoint, error)
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.ProxyError) as error:
        said = _said(endpoint, error)
        advice = "Check base_url and the network, and whether the server runs."
        if isinstance(error, httpx.ProxyError):
            advice = "Check the proxy that the environment names, or set NO_PROXY for this address."
        if "certificate" in said:
            advice = "If your network has an authority of its own, name its file in SSL_CERT_FILE and start again."
        raise ConnectionFailedError(
            f"cannot connect to {endpoint.scrub(endpoint.url)}: {said.rstrip('.')}. {advice}"
        ) from _bare(endpoint, error)
    except httpx.HTTPError as error:
        raise StreamInterruptedError(
            f"the connection to {endpoint.scrub(endpoint.url)} broke: {_said(endpoint, error) or type(error).__name__}."
        ) from _bare(endpoint, error)


def _said(endpoint: Endpoint, error: Exception) -> str:
    return endpoint.scrub(str(error))[:_SAID_CHARACTERS]


def _bare(endpoint: Endpoint, error: Exception) -> Exception:
    error.args = (_said(endpoint, error),)
    if isinstance(error, httpx.RequestError):
        error.request = None  # type: ignore[assignment]  # httpx reads None as "no request"
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


_transports: dict[tuple[int, str], httpx.BaseTransport] = {}
_async_transports: weakref.WeakKeyDictionary[Any, dict[str, tuple[AsyncioTransport, Any]]] = weakref.WeakKeyDictionary()


def _transport(base_url: str) -> httpx.BaseTransport:
    """One transport an endpoint; a forked child gets its own, since sockets cannot be shared."""
    from .sockets import SocketTransport

    if not _transports:
        atexit.register(_close_all)
    # Without a lock, which another thread could hold at the moment of a fork; this is one step of the interpreter.
    return _transports.setdefault((os.getpid(), base_url), SocketTransport())


def _close_all() -> None:
    for (pid, _), transport in _transports.items():
        if pid == os.getpid():  # what a forked child has inherited is its parent's
            transport.close()


async def async_transport(base_url: str) -> AsyncioTransport:
    """Return the transport of this event loop for an endpoint."""
    import asyncio  # which takes longer than all the rest

    from .aio import AsyncioTransport

    transports = _async_transports.setdefault(asyncio.get_running_loop(), {})
    if base_url not in transports:
        transport = AsyncioTransport()
        transports[base_url] = (transport, keeper := _closed_with_the_loop(transport))
        await anext(keeper)
    return transports[base_url][0]


async def _closed_with_the_loop(transport: httpx.AsyncBaseTransport) -> AsyncIterator[None]:
    """Closes a transport when ``asyncio.run`` shuts its async generators down: a loop offers no other hook."""
    try:
        yield
    finally:
        await transport.aclose()
