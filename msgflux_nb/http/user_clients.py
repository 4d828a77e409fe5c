"""Uses a user's own httpx clients and transports, and httpx's transports for encrypted proxies."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx

from .environment import Proxy, certificates
from .guard import Target, before_an_answer
from .limits import SLACK_SECONDS, Abort, Timeout
from .route import IDLE_KEPT
from .tcp import shut_down

__all__ = ["abounded", "afrom_client", "client_for", "foreign_transport", "from_client"]

T = TypeVar("T")


def client_for(target: Target, transport: str, other: type) -> Any:
    """Return the user's client or transport for this kind of call; None if the user gave none.

    Raises:
        TypeError: the user gave one for the other kind of call only.
    """
    fitting = [
        given
        for given in target.clients
        if hasattr(given, transport) or (hasattr(given, "send") and not isinstance(given, other))
    ]
    if target.clients and not fitting:
        kind = "a call without await" if transport == "handle_request" else "acall"
        raise TypeError(
            f"http_client: expected an httpx client or transport for {kind}, got "
            f"{', '.join(type(given).__name__ for given in target.clients)}. Give one of each kind as a tuple, or "
            "leave http_client out."
        )
    return fitting[0] if fitting else None


@contextmanager
def from_client(
    target: Target,
    sender: Any,
    url: httpx.URL,
    body: bytes,
    timeout: Timeout,
    abort: Abort,
    *,
    stream: bool,
    sent: Callable[[httpx.Request], object] = id,
) -> Iterator[httpx.Response]:
    """Send a request through an httpx client or transport; the answer is open inside the block.

    ``sent`` is called with the request, which the user's client may have changed.
    """
    request = _request(target, sender, _arguments(target, url, body, timeout, stream=stream))
    with before_an_answer(target):
        response = _sent(sender, request)
    sent(request)
    try:
        _watch(abort, response)
        yield response
    finally:
        response.close()


@asynccontextmanager
async def afrom_client(
    target: Target,
    sender: Any,
    url: httpx.URL,
    body: bytes,
    timeout: Timeout,
    abort: Abort,
    *,
    stream: bool,
    remaining: Callable[[], float],
    sent: Callable[[httpx.Request], object] = id,
) -> AsyncIterator[httpx.Response]:
    """Like :func:`from_client`, but async."""
    request = _request(target, sender, _arguments(target, url, body, timeout, stream=stream))
    with before_an_answer(target):
        response = await _within(remaining, _asent(sender, request))
    sent(request)
    try:
        _watch(abort, response)
        yield response
    finally:
        await response.aclose()


def _arguments(target: Target, url: httpx.URL, body: bytes, timeout: Timeout, *, stream: bool) -> dict[str, Any]:
    """Return the arguments for an httpx request, without the key."""
    total, read = timeout.total, max(timeout.first, timeout.between) if stream else timeout.total
    limits = {"connect": timeout.connect, "read": min(read, total), "write": total, "pool": total}
    seconds = {name: None if value == float("inf") else value for name, value in limits.items()}
    return {
        "method": "POST",
        "url": url,
        "content": body,
        "headers": target.all_headers(stream),
        "extensions": {"timeout": seconds},
    }


def _request(target: Target, sender: Any, arguments: dict[str, Any]) -> httpx.Request:
    """Build a request, with the user's client if there is one, and write the key into its header last."""
    build = getattr(sender, "build_request", httpx.Request)
    request: httpx.Request = build(**arguments)
    if target.has_key:
        request.headers[target.key_header] = target.revealed()
    elif request.url.userinfo and not hasattr(sender, "send"):  # httpx's clients do this themselves
        user, password = request.url.username, request.url.password
        request.headers.setdefault("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
    return request


def _sent(sender: Any, request: httpx.Request) -> Any:
    """Send a request and wait for the head of its answer.

    After an interrupt or a cancelled task, the exception is raised without the frames of httpx: they hold the header
    with the key, and a verbose traceback would print it.
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
    """Like :func:`_sent`, but async."""
    try:
        if hasattr(sender, "handle_async_request"):
            return await sender.handle_async_request(request)
        return await sender.send(request, stream=True, follow_redirects=False)
    except Exception:
        raise
    except BaseException as error:
        raise error.with_traceback(None) from None


async def _within(remaining: Callable[[], float], waiting: Coroutine[Any, Any, T]) -> T:
    """Await, but not much longer than the call's limits allow; httpx limits each of its waits, not their sum.

    httpx's own limits apply first, since it leaves a connection open if it is cancelled at the wrong moment.
    """
    import asyncio  # imported late: sync calls do not need it

    seconds = remaining() + SLACK_SECONDS
    try:
        async with asyncio.timeout(None if seconds == float("inf") else max(seconds, 0.001)):
            return await waiting
    except TimeoutError:
        raise httpx.ReadTimeout("no answer in time") from None


async def abounded(chunks: AsyncIterator[bytes], remaining: Callable[[], float]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body, each within the call's limits."""
    while True:
        data = await _within(remaining, _next(chunks))
        if data is None:
            return
        yield data


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _watch(abort: Abort, response: httpx.Response) -> None:
    """Let another thread end an answer."""
    stream = response.extensions.get("network_stream")
    if stream is not None:
        abort.watch(lambda: shut_down(stream.get_extra_info("socket")))


def foreign_transport(kind: Callable[..., T], proxy: Proxy) -> T:
    """Return httpx's transport for a proxy that our clients do not support.

    Raises:
        httpx.ProxyError: httpx does not support it either.
    """
    try:
        trust = certificates()
        return kind(
            verify=trust,
            proxy=httpx.Proxy(proxy.url, auth=proxy.auth, ssl_context=trust if proxy.scheme == "https" else None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_KEPT),
        )
    except OSError as error:
        raise httpx.ProxyError(str(error)) from error
    except ValueError:
        raise httpx.ProxyError(
            f"expected a proxy with http://, https:// or socks5:// in the environment, got {proxy.url}"
        ) from None
