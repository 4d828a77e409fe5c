"""The short way of a batch's call: one request, one plain answer, one value; everything else is left to the long way.

Nothing is decided here that the long way would decide otherwise: what came and is not plain, an error too, is handed on
to it as if it had read that itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from ..errors import ConnectionFailedError, MsgfluxError, RequestTimeoutError
from ..generation.decode import decode_answer
from ..generation.schema import WireSchema
from ..http.limits import Timeout
from ..http.route import Headers
from ..http.whole import Place, aread_whole, asend_whole, place_of
from ..protocol.cut_prompt import cut_prompt
from ..protocol.events import Usage
from ..protocol.plain import read_plain
from ..protocol.profile import Profile
from .endpoint import Endpoint
from .prices import cost_of, unclear_bill, with_request

__all__ = ["Billed", "Quick", "QuickAnswer"]

_REFRESH_SECONDS = 1.0  # after which keys, proxies and addresses in the environment are looked at again


class Billed(msgspec.Struct, frozen=True):
    """What a batch wants to know about an answer.

    Attributes:
        usage: tokens billed, or None if the provider did not say.
        attempts: how many requests were sent.
        cost: US dollars, or None when the price is unknown.
        warnings: sentences about what was changed, repaired, cut or left out.
    """

    usage: Usage | None
    attempts: int
    cost: float | None
    warnings: tuple[str, ...] = ()


class QuickAnswer(msgspec.Struct, frozen=True):
    """An answer that was read the short way.

    Attributes:
        text: what the model wrote.
        value: what it means.
        metadata: about it.
        flaws: sentences about what was changed or cut on the way to it, before it was decoded.
    """

    text: str
    value: Any
    metadata: Billed
    flaws: tuple[str, ...] = ()

    def consume(self) -> Any:
        """Return what it means."""
        return self.value


class Quick:
    """Sends requests to one endpoint and reads plain answers.

    Args:
        connect: says where requests go, with the key.
        profile: who answers.
        model: the model's name as the provider knows it.
        timeout: the limits of each.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Endpoint]], *, profile: Profile, model: str, timeout: Timeout
    ) -> None:
        self._connect = connect
        self._profile = profile
        self._model = model
        self._timeout = timeout
        self._found: _Found | None = None

    async def send(self, body: bytes, heard: Callable[[Headers], object]) -> bytes | MsgfluxError | None:
        """Send a request once; return the answer's body, or why there is none; None where nothing was sent."""
        try:
            place = await self._now()
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

    def read(
        self,
        body: bytes,
        request: bytes,
        schema: WireSchema,
        known: tuple[str, ...] = (),
        came: Callable[[str, Billed], object] | None = None,
    ) -> QuickAnswer | None:
        """Return what a plain answer to a request means; None where it is not plain, or does not fit at once.

        Args:
            body: the answer.
            request: the body of the request.
            schema: what the answer is decoded to.
            known: sentences about what the request had to change or leave out.
            came: is told a plain answer's text, and what was billed, before it is decoded.
        """
        profile = self._profile
        plain = read_plain(body, profile.reasoning_in_content, thoughts_in_total=profile.thoughts_in_total)
        if plain is None:
            return None
        cost = cost_of(with_request(plain.usage, request), self._profile, self._model, answered=plain.model)
        cut = cut_prompt(request, plain.usage, profile)
        flaws = (*known, *(() if cut is None else (cut,)), *unclear_bill(plain.usage, profile))
        if came is not None:
            came(plain.text, Billed(plain.usage, 1, cost, flaws))
        try:
            decoded = decode_answer(plain.text, schema)
        except (MsgfluxError, RecursionError):
            return None
        billed = Billed(plain.usage, 1, cost, (*flaws, *decoded.warnings))
        return QuickAnswer(plain.text, decoded.value, billed, flaws)

    async def _now(self) -> Place | Endpoint:
        """Return where requests go at the moment."""
        loop, found = (
            asyncio.get_running_loop(),
            self._found,
        )  # looked at once: another thread may have a loop of its own
        if found is None or found.loop is not loop or loop.time() >= found.until:
            endpoint = await self._connect()
            until = loop.time() + _REFRESH_SECONDS
            self._found = found = _Found(await place_of(endpoint) or endpoint, loop, until)
        return found.place


class _Found(NamedTuple):
    """Where the requests of one event loop go, and until when that counts."""

    place: Place | Endpoint
    loop: asyncio.AbstractEventLoop
    until: float
