"""Sends a request and reads its whole answer in one step, for batches of up to millions of rows.

A :class:`Destination` holds what all requests share. The key is written into each request at the last moment, as
everywhere. A user's own client, and proxies that need httpx, go through ``clients``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import NamedTuple

import httpx
from aiohttp.http_parser import RawResponseMessage

from ..errors import RequestTimeoutError
from .async_client import AsyncClient
from .bounds import Bounds, bounds
from .clients import aopen_bytes, async_client, header_value, lowered, parsed
from .coding import decoder_of
from .guard import Target, before_an_answer, failure_of, translated
from .limits import Abort, Timeout
from .log import log_answered, log_sent
from .route import Headers, Route, request_head

__all__ = ["Destination", "aread_whole", "asend_whole", "place_of"]

_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection"))
_SLACK_SECONDS = 1.0  # for an answer that came while this process was busy


class Destination(NamedTuple):
    """What requests to one server share.

    Attributes:
        target: the server, and the headers of requests.
        host: its host, for the log.
        route: the route to it.
        client: the client of this event loop.
        limits: the limits on size.
        message: builds a request from its body; a function, since a verbose traceback would print any other object.
    """

    target: Target
    host: str
    route: Route
    client: AsyncClient
    limits: Bounds
    message: Callable[[bytes], bytes]


async def place_of(target: Target) -> Destination | None:
    """Return what requests to a target share; None if they have to go through ``clients``.

    Raises:
        BadRequestError: an extra header cannot be sent.
    """
    url = parsed(target.url)
    given = target.all_headers(stream=False)
    if target.clients or url.scheme not in ("http", "https") or not url.host or url.userinfo:
        return None
    if _OURS & {name.lower() for name in given}:
        return None
    try:
        route = Route.of(url)
    except httpx.TransportError:
        return None
    if route.foreign is not None or route.passes_on is not None:
        return None
    lines = [(b"Host", url.netloc)]
    for name, value in given.items():
        if not target.has_key or name.lower() != target.key_header.lower():
            lines.append((name.encode("ascii"), value.encode("ascii")))
    try:
        head = request_head("POST", url.raw_path, lines)[:-2]
    except httpx.LocalProtocolError:
        return None
    return Destination(target, url.host, route, await async_client(target.base_url), bounds(), _writer(target, head))


async def asend_whole(
    place: Destination, body: bytes, timeout: Timeout, *, heard: Callable[[Headers], object]
) -> bytes:
    """Send a request, and return the decoded body of its answer.

    Args:
        place: the destination.
        body: the request's JSON.
        timeout: the limits on time.
        heard: called with the answer's headers, whatever its status.

    Raises:
        MsgfluxError: no connection, no answer in time, an answer that is too large, or one with an error status.
    """
    target, clock, limits = place.target, asyncio.get_running_loop().time, place.limits
    end = clock() + timeout.total
    heads: list[RawResponseMessage] = []
    log_sent(place.host, len(body))
    try:
        found = await place.client.fetch(
            place.route,
            functools.partial(place.message, body),
            connect_seconds=timeout.connect,
            remaining=lambda: end - clock(),
            limits=limits,
            heard=heads.append,
        )
    except httpx.HTTPError:
        with translated(target):
            if heads:
                heard(heads[0].raw_headers)
                raise
            with before_an_answer(target):
                raise
    head = heads[0]
    log_answered(place.host, head.code)
    if "Content-Encoding" in head.headers:
        with translated(target):
            decoder = decoder_of(header_value(head.raw_headers, b"content-encoding"), "answer", limits)
            if decoder is not None and head.code >= 300:
                found = decoder.start(found, limits.error)
            elif decoder is not None:
                found = decoder.feed(found)
    heard(head.raw_headers)
    if head.code >= 300:
        raise failure_of(target, head.code, lowered(head.raw_headers), found[: limits.error])
    return found


async def aread_whole(target: Target, body: bytes, timeout: Timeout, *, heard: Callable[[Headers], object]) -> bytes:
    """Like :func:`asend_whole`, but through ``clients``.

    Raises:
        MsgfluxError: as for :func:`asend_whole`.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + timeout.total
    found: list[bytes] = []
    async with aopen_bytes(
        target, body, timeout, stream=False, abort=Abort(), remaining=lambda: end - clock(), heard=heard
    ) as chunks:
        async for data in chunks:
            found.append(data)
            if clock() > end + _SLACK_SECONDS:
                raise RequestTimeoutError(f"the answer took longer than {timeout.total:g} s.")
    return b"".join(found)


def _writer(target: Target, head: bytes) -> Callable[[bytes], bytes]:
    """Return a function that builds a request from its body; ``head`` lacks the key and the length."""
    name = target.key_header.encode("ascii")

    def message(body: bytes) -> bytes:
        secret = b"%b: %b\r\n" % (name, target.revealed().encode("ascii")) if target.has_key else b""
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, secret, len(body), body)

    return message
