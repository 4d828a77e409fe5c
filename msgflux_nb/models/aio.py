"""The transport of calls with ``await``: aiohttp under httpx's interface.

httpx's own transport looks through its whole pool on every request and spends about 20 µs on each chunk of a stream.
As in :mod:`msgflux_nb.models.sockets`, a wait lasts as long as the call's limits allow at that moment, and ends when
another thread asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import httpx
import yarl

from .environment import Proxy, certificates, proxy_for
from .limits import Abort

__all__ = ["AiohttpTransport"]

_BLOCK_BYTES = 256 * 1024
_AT_ONCE_BYTES = 1024 * 1024
_IDLE_SECONDS = 30.0
# What aiohttp would add by itself; httpx has said all that is to be said.
_OWN_HEADERS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections of one event loop, which are kept and used again.

    In a request's ``extensions`` it looks for ``remaining``, a function that says how many seconds the next wait may
    last, and for ``abort``, through which another thread ends it.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._others: dict[str, httpx.AsyncHTTPTransport] = {}  # for proxies that aiohttp does not speak to

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the head of its answer.

        Raises:
            httpx.TransportError: no connection, no answer in time, or none that is HTTP.
        """
        proxy = proxy_for(request.url)
        if proxy is not None and proxy.scheme != "http":
            return await self._other(proxy).handle_async_request(request)
        abort = request.extensions.get("abort") or Abort()
        remaining = request.extensions.get("remaining") or _patient
        try:
            with _translated():
                response = await _cut_by(abort, self._sent(request, proxy, remaining))
        except BaseException as error:
            # Without the frames of aiohttp: their arguments are the headers, which a verbose traceback prints.
            raise error.with_traceback(None) from None
        connection = response.connection
        transport = None if connection is None else connection.transport
        if transport is not None:
            abort.watch(lambda: _shut_down(transport))
        body = _Body(response, remaining, abort)
        return httpx.Response(response.status, headers=response.raw_headers, stream=body, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        for other in self._others.values():
            await other.aclose()

    async def _sent(
        self, request: httpx.Request, proxy: Proxy | None, remaining: Callable[[], float]
    ) -> aiohttp.ClientResponse:
        connect = request.extensions.get("timeout", {}).get("connect")
        async with asyncio.timeout(_seconds(remaining)):
            return await self._open_session().request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                data=_payload(request.content),
                headers=request.headers.multi_items(),
                skip_auto_headers=_OWN_HEADERS,
                allow_redirects=False,
                proxy=None if proxy is None else proxy.url,
                proxy_headers=None if proxy is None else proxy.headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
            )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=certificates(), keepalive_timeout=_IDLE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=_BLOCK_BYTES,
            )
        return self._session

    def _other(self, proxy: Proxy) -> httpx.AsyncHTTPTransport:
        if proxy.url not in self._others:
            self._others[proxy.url] = httpx.AsyncHTTPTransport(
                verify=certificates(), proxy=httpx.Proxy(proxy.url, headers=proxy.headers)
            )
        return self._others[proxy.url]


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, remaining: Callable[[], float], abort: Abort) -> None:
        self._response = response
        self._remaining = remaining
        self._abort = abort

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with _translated():
            while True:
                data = content.read_nowait()
                if not data:
                    if content.at_eof():
                        return
                    async with asyncio.timeout(_seconds(self._remaining)):
                        data = await content.readany()
                if data:
                    yield data

    async def aclose(self) -> None:
        """Give the connection back; close it if the body was not read to its end."""
        self._abort.watch(None)
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


async def _cut_by(abort: Abort, sending: Any) -> aiohttp.ClientResponse:
    """Await, but no longer than until another thread asks for the end."""
    task = asyncio.ensure_future(sending)
    loop = asyncio.get_running_loop()
    abort.watch(lambda: _call_soon(loop, task.cancel))
    try:
        return await task  # type: ignore[no-any-return]  # a ClientResponse
    except asyncio.CancelledError:
        if abort.asked and task.cancelled() and not _cancelling():
            raise httpx.ReadError("the answer was cancelled") from None
        task.cancel()
        raise
    finally:
        abort.watch(None)


def _payload(content: bytes) -> bytes | io.BytesIO:
    # Bytes are written in one go, and above 1 MiB aiohttp warns that this holds the loop up.
    return content if len(content) <= _AT_ONCE_BYTES else io.BytesIO(content)


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and with it what was to be ended
        loop.call_soon_threadsafe(call)


def _patient() -> float:
    return float("inf")


def _seconds(remaining: Callable[[], float]) -> float | None:
    seconds = remaining()
    return None if seconds == float("inf") else max(seconds, 0.001)


def _shut_down(transport: asyncio.BaseTransport) -> None:
    with contextlib.suppress(OSError, AttributeError):  # it is closed already, which is what was asked
        transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what aiohttp raises in httpx's words."""
    try:
        yield
    except (aiohttp.ConnectionTimeoutError, aiohttp.ServerConnectionError) as error:
        kind = httpx.ConnectTimeout if isinstance(error, aiohttp.ConnectionTimeoutError) else httpx.ReadError
        raise kind(str(error) or type(error).__name__) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout("no answer in time") from error
    except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as error:
        raise httpx.ProxyError(str(error)) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx.UnsupportedProtocol(str(error)) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error)) from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise httpx.RemoteProtocolError(f"the answer broke off or is no HTTP: {error}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error
