"""Sends requests of a batch to one endpoint and returns whole answers; the endpoint is looked up once a second.

An answer that is not plain, or an error, is passed on and read like any other answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ..errors import ConnectionFailedError, MsgfluxError, RequestTimeoutError
from ..http.limits import Timeout
from ..http.route import Headers
from ..http.whole import Destination, aread_whole, asend_whole, place_of
from ..protocol.failure import Scrub
from ..protocol.profile import Wire
from ..protocol.request import ChatRequest
from .endpoint import Endpoint

__all__ = ["WholeAnswers"]

_REFRESH_SECONDS = 1.0  # keys, proxies and addresses in the environment are read again after this time


class WholeAnswers:
    """Sends a batch's requests to one endpoint, each once, and returns the bodies of their answers.

    Args:
        connect: returns the endpoint of a request, with the key.
        timeout: the limits of each request.

    Attributes:
        scrub: removes the keys of the endpoint that was looked up last from a text.
    """

    def __init__(self, connect: Callable[[ChatRequest], Awaitable[Endpoint]], *, timeout: Timeout) -> None:
        self._connect = connect
        self._timeout = timeout
        self._found: _Found | None = None
        self.scrub: Scrub = str

    async def send(
        self, body: bytes, heard: Callable[[Headers], object], *, wire: Wire, request: Callable[[], ChatRequest]
    ) -> bytes | MsgfluxError | None:
        """Send a request once; return the answer's body or the error; None if nothing was sent.

        Args:
            body: the body of the request.
            heard: called with the headers of the answer.
            wire: the wire of the request.
            request: returns the whole request; called only to find its address.
        """
        try:
            place = await self._now(wire, request)
        except MsgfluxError:  # the usual driver raises it
            return None
        try:
            if isinstance(place, Endpoint):
                return await aread_whole(place, body, self._timeout, heard=heard)
            return await asend_whole(place, body, self._timeout, heard=heard)
        except MsgfluxError as error:
            if isinstance(error, ConnectionFailedError | RequestTimeoutError):
                self._found = None  # the embedded server may have restarted at another address
            return error

    async def _now(self, wire: Wire, request: Callable[[], ChatRequest]) -> Destination | Endpoint:
        """Return where requests go now; looked up again for another wire, for another loop, and after a second."""
        # Read once, since another thread with another loop may replace it.
        loop, found = asyncio.get_running_loop(), self._found
        if found is None or found.loop is not loop or found.wire != wire or loop.time() >= found.until:
            endpoint = await self._connect(request())
            self.scrub, until = endpoint.scrub, loop.time() + _REFRESH_SECONDS
            self._found = found = _Found(await place_of(endpoint) or endpoint, wire, loop, until)
        return found.place


class _Found(NamedTuple):
    """Where the requests of one event loop go, and until when this is valid."""

    place: Destination | Endpoint
    wire: Wire
    loop: asyncio.AbstractEventLoop
    until: float
