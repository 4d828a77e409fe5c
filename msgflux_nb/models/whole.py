"""A request sent and its whole answer read, in one go: what a batch does a million times.

What is the same from request to request is made once, in a :class:`Place`; the key is written into each at the last
moment, as everywhere. A user's own client, and proxies that need one, go the usual way, by ``transport``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import NamedTuple

import httpx

from ..errors import RequestTimeoutError
from .aio import AsyncioTransport
from .connect import Route
from .http1 import Head, ProtocolError, request_head
from .timeouts import Abort, Timeout
from .transport import Endpoint, aopen_bytes, async_transport, before_an_answer, failure_of, parsed, translated

__all__ = ["Headers", "Place", "aread_whole", "asend_whole", "place_of"]

Headers = list[tuple[bytes, bytes]]

_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection"))
_SLACK_SECONDS = 1.0  # for an answer that came while this process was busy
_ERROR_BODY_BYTES = 64 * 1024


class Place(NamedTuple):
    """Where requests go.

    Attributes:
        endpoint: the endpoint.
        route: whom to connect to.
        transport: that of this event loop.
        message: makes a request of its body; a function, since a verbose traceback prints what any other object holds.
    """

    endpoint: Endpoint
    route: Route
    transport: AsyncioTransport
    message: Callable[[bytes], bytes]


async def place_of(endpoint: Endpoint) -> Place | None:
    """Return what requests to an endpoint have in common; None where they have to go another way.

    Raises:
        BadRequestError: a further header cannot be sent.
    """
    url = parsed(endpoint.url)
    names = {name.lower() for name in endpoint.headers}
    if endpoint.clients or url.scheme not in ("http", "https") or not url.host or url.userinfo or names & _OURS:
        return None
    try:
        route = Route.of(url)
    except httpx.TransportError:
        return None
    if route.proxy is not None and (route.foreign is not None or not route.secure):
        return None
    lines = [(b"Host", url.netloc)]
    for name, value in endpoint.all_headers(stream=False).items():
        if endpoint.key is None or name.lower() != endpoint.key_header.lower():
            lines.append((name.encode("ascii"), value.encode("ascii")))
    try:
        head = request_head("POST", url.raw_path, lines)[:-2]
    except ProtocolError:
        return None
    return Place(endpoint, route, await async_transport(endpoint.base_url), _writer(endpoint, head))


async def asend_whole(place: Place, body: bytes, timeout: Timeout, *, heard: Callable[[Headers], object]) -> bytes:
    """Send a request, and return the body of its answer.

    Args:
        place: where to.
        body: the request's JSON.
        timeout: the limits.
        heard: is told the answer's headers, whatever its status; of a plain answer only where some say what may still
            be sent.

    Raises:
        MsgfluxError: no connection, no answer in time, or an answer with an error status.
    """
    endpoint = place.endpoint
    heads: list[Head | bytes] = []
    try:
        found = await place.transport.whole(
            place.route,
            functools.partial(place.message, body),
            connect_seconds=timeout.connect,
            end=asyncio.get_running_loop().time() + timeout.total,
            heard=heads.append,
        )
    except httpx.HTTPError:
        with translated(endpoint):
            if heads:
                heard(_of_limits(heads[0]))
                raise
            with before_an_answer(endpoint):
                raise
    head = heads[0]
    limits = _of_limits(head)
    if limits:
        heard(limits)
    if isinstance(head, bytes):
        return found
    with translated(endpoint):
        response = httpx.Response(head.status, headers=head.headers, content=found)
    if head.status >= 300:
        raise failure_of(endpoint, response, response.content[:_ERROR_BODY_BYTES])
    return response.content


async def aread_whole(
    endpoint: Endpoint, body: bytes, timeout: Timeout, *, heard: Callable[[Headers], object]
) -> bytes:
    """As :func:`asend_whole`, the usual way.

    Raises:
        MsgfluxError: as there.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + timeout.total
    found: list[bytes] = []
    async with aopen_bytes(
        endpoint, body, timeout, stream=False, abort=Abort(), remaining=lambda: end - clock(), heard=heard
    ) as chunks:
        async for data in chunks:
            found.append(data)
            if clock() > end + _SLACK_SECONDS:
                raise RequestTimeoutError(f"the answer took longer than {timeout.total:g} s.")
    return b"".join(found)


def _of_limits(head: Head | bytes) -> Headers:
    """The headers, among which may be those that say what may still be sent."""
    if isinstance(head, Head):
        return head.headers
    lines = head.split(b"\r\n") if b"limit" in head else []
    return [(name, value) for name, _, value in (line.partition(b":") for line in lines)]


def _writer(endpoint: Endpoint, head: bytes) -> Callable[[bytes], bytes]:
    """Return what makes a request of its body; ``head`` is its head but for the key and the length."""
    name = endpoint.key_header.encode("ascii")

    def message(body: bytes) -> bytes:
        secret = b"" if endpoint.key is None else b"%b: %b\r\n" % (name, endpoint.revealed().encode("ascii"))
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, secret, len(body), body)

    return message
