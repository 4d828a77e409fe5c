"""One call of a batch: known by a key before anything is sent, tried when the batch says so, its bytes kept.

A batch decides itself when and how often a row is sent, since a limit of the provider is every row's business. What it
knows a row by has nothing secret in it, and nothing that is learnt on the way: the same row has the same key tomorrow.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

from ..errors import MsgfluxError
from ..generation.schema import WireSchema
from ..protocol.allowance import Allowance, allowance_of
from ..protocol.events import Event
from ..protocol.request import ChatRequest
from .answer import ModelResponse
from .async_stream import AsyncStreamResponse
from .call import Call
from .exchange import Exchange
from .quick import Quick, QuickAnswer
from .whole import Headers

__all__ = ["Prepared", "Sending"]


class Sending(NamedTuple):
    """What is sent for one row.

    Attributes:
        request: the body of its first request.
        warnings: sentences about what that had to change or leave out.
        quick: the short way, which is tried first; None for none.
        call: makes the call that begins with this request, for each attempt.
    """

    request: bytes
    warnings: tuple[str, ...]
    quick: Quick | None
    call: Callable[[], Call]


class Prepared:
    """A call that may be made.

    Args:
        sending: gives what is sent by what is known of the model at that moment.
        connect: where requests go.
        schema: what the answer is decoded to, or None for text.
        key: of the whole request.
        question: gives the key of the request but for its structure.
        hide: returns bytes without the caller's key.

    Attributes:
        key: of the whole request; the same request to the same place has the same.
        request: the request's body.
        schema: what the answer is decoded to, or None for text.
        attempts: how many requests were sent so far, of all kinds.
        answer: the bytes of the last answer that came whole, or None.
        allowance: what the provider said last may still be sent; None where it said nothing.
    """

    __slots__ = (
        "_connect",
        "_flaws",
        "_hide",
        "_made",
        "_question",
        "_sending",
        "_text",
        "allowance",
        "answer",
        "attempts",
        "key",
        "request",
        "schema",
    )

    def __init__(
        self,
        sending: Callable[[], Sending],
        connect: Callable[[ChatRequest], Awaitable[Any]],
        *,
        schema: WireSchema | None,
        key: bytes,
        question: Callable[[], bytes],
        hide: Callable[[bytes], bytes],
    ) -> None:
        self._sending, self._connect, self._hide, self._question = sending, connect, hide, question
        self._made: Call | None = None
        self._text: str | None = None
        now = sending()
        self._flaws = now.warnings
        self.request = now.request
        self.schema = schema
        self.key = key
        self.attempts = 0
        self.answer: bytes | None = None
        self.allowance: Allowance | None = None

    @property
    def question(self) -> bytes:
        """The key of the request but for its structure."""
        return self._question()

    @property
    def text(self) -> str | None:
        """What the last answer says: the text of its structure, or None before there is one."""
        if self._made is None:
            return self._text
        return self._made.structure_text or self._made.snapshot.text

    @property
    def flaws(self) -> tuple[str, ...]:
        """Sentences about what was changed or cut on the way to the last answer, before it was decoded."""
        return self._flaws if self._made is None else self._made.flaws

    async def ask(self) -> ModelResponse | QuickAnswer:
        """Send it once, and whatever else the answer takes (another way to ask for a structure, a correction).

        Raises:
            MsgfluxError: it failed; nothing is sent again by itself.
        """
        self.allowance = None
        begun = await self._begin()
        return begun if isinstance(begun, QuickAnswer) else await self._finish(begun)

    async def _begin(self) -> QuickAnswer | _Given:
        """Ask the short way; what it does not get to its end is begun. No frame of a failure holds what came."""
        given: bytes | MsgfluxError | None = None
        now = self._sending()
        self.request, quick = now.request, now.quick
        if quick is not None and self.schema is not None:
            given = await quick.send(self.request, self._hear)
            if type(given) is bytes:
                answer = quick.read(given, self.request, self.schema, now.warnings)
                if answer is not None:
                    self._made, self._text, self.answer = None, answer.text, given
                    self._flaws = answer.flaws
                    self.attempts += 1
                    return answer
        self._made = now.call()
        self._made.found.aloud = False
        return _Given(self._made, self._connect, given)

    async def _finish(self, begun: _Given) -> ModelResponse:
        call = begun.call
        try:
            await begun.finish()
        finally:
            self.attempts += call.attempts
            self.allowance = call.exchange.allowance or self.allowance
            if call.exchange.state == "complete":
                self.answer = call.exchange.received
        return ModelResponse(call)

    def _hear(self, headers: Headers) -> None:
        self.allowance = allowance_of(headers, now=time.time())

    def without_key(self, data: bytes) -> bytes:
        """Return what was sent or received without the caller's key, which a gateway wants in a body or repeats."""
        return self._hide(data)


class _Given(AsyncStreamResponse):
    """Follows a call whose first request was sent already.

    Args:
        call: the call.
        connect: where further requests go.
        given: the body that came, or why there is none; None where nothing was sent.
    """

    def __init__(
        self, call: Call, connect: Callable[[ChatRequest], Awaitable[Any]], given: bytes | MsgfluxError | None
    ) -> None:
        super().__init__(call, connect)
        self.call = call
        self._given = given

    async def _run(self, exchange: Exchange) -> AsyncGenerator[list[Event], None]:
        given, self._given = self._given, None
        if given is None:
            async for events in super()._run(exchange):
                yield events
            return
        try:
            exchange.begin((await self._connect(exchange.request)).scrub)
            if isinstance(given, MsgfluxError):
                raise given
            yield exchange.feed(given)
            yield exchange.close()
        except MsgfluxError as error:
            exchange.delay_after(error)
