"""Whole answers of one endpoint, each in one go: what the rows of a batch have in common is made once a second.

An answer that is not plain, or an error, is handed on and read like the answer of any other request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ..errors import ConnectionFailedError, MsgfluxError, RequestTimeoutError
from ..http.limits import Timeout
from ..http.route import Headers
from ..http.whole import Destination, aread_whole, asend_whole, place_of
from ..protocol.profile import Wire
from ..protocol.request import ChatRequest
from .endpoint import Endpoint

__all__ = ["WholeAnswers"]

_REFRESH_SECONDS = 1.0  # after which keys, proxies and addresses in the environment are looked at again


class WholeAnswers:
    """Sends requests to one endpoint.

    Args:
        connect: says where requests go, with the key.
        timeout: the limits of each.
    """

    def __init__(self, connect: Callable[[ChatRequest], Awaitable[Endpoint]], *, timeout: Timeout) -> None:
        self._connect = connect
        self._timeout = timeout
        self._found: _Found | None = None

    async def send(
        self, body: bytes, heard: Callable[[Headers], object], *, wire: Wire, request: Callable[[], ChatRequest]
    ) -> bytes | MsgfluxError | None:
        """Send a request once; return the answer's body, or why there is none; None if nothing was sent.

        Args:
            body: the request as it is sent.
            heard: is told the headers of the answer.
            wire: how the request looks.
            request: returns the whole request; called only to find its address.
        """
        try:
            place = await self._now(wire, request)
        except MsgfluxError:  # the long way says so
            return None
        try:
            if isinstance(place, Endpoint):
                return await aread_whole(place, body, self._timeout, heard=heard)
            return await asend_whole(place, body, self._timeout, heard=heard)
        except MsgfluxError as error:
            if isinstance(error, ConnectionFailedError | RequestTimeoutError):
                self._found = None  # the embedded server may have been started again at another address
            return error

    async def _now(self, wire: Wire, request: Callable[[], ChatRequest]) -> Destination | Endpoint:
        """Return where a request goes at the moment; another wire, which may be learnt on the way, is elsewhere."""
        # Looked at once: another thread may have a loop of its own.
        loop, found = asyncio.get_running_loop(), self._found
        if found is None or found.loop is not loop or found.wire != wire or loop.time() >= found.until:
            endpoint = await self._connect(request())
            until = loop.time() + _REFRESH_SECONDS
            self._found = found = _Found(await place_of(endpoint) or endpoint, wire, loop, until)
        return found.place


class _Found(NamedTuple):
    """Where the requests of one event loop go, and how long that is valid."""

    place: Destination | Endpoint
    wire: Wire
    loop: asyncio.AbstractEventLoop
    until: float
