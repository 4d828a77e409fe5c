"""One call of a batch: it has a key before anything is sent, and keeps the bytes of its answer.

The batch decides when and how often a row is sent, since a provider's limit concerns all rows. The key of a row holds
no secret and nothing that was learnt from answers, so the same row has the same key in a later run.
"""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from ..errors import MsgfluxError, NotAnApiError, ProviderError
from ..generation.schema import WireSchema
from ..http.route import Headers
from ..protocol.allowance import Allowance, allowance_of
from ..protocol.events import Event
from ..protocol.profile import Wire
from ..protocol.request import ChatRequest
from .answer import ModelResponse
from .async_stream import AsyncStreamResponse
from .call import Call
from .exchange import Exchange
from .server_quirks import Known, ServerQuirks
from .transport import aopen_exchange, keep_recalled
from .whole_answers import WholeAnswers

__all__ = ["BatchCall", "NotSentError", "SendingTurn", "WrittenRequest"]


_MOST_FAILURES_REPLAYED = 100  # of one request; a recording may hold nothing but failures of it


class WrittenRequest(NamedTuple):
    """The first request of one row, as it is sent.

    Attributes:
        body: its bytes.
        wire: its wire.
        known: what was known of the server when it was written.
        whole: makes the ``ChatRequest`` from messages and body.
    """

    body: bytes
    wire: Wire
    known: Known
    whole: Callable[[Any, bytes], ChatRequest]


class CallTemplate(Protocol):
    """What the calls of a batch have in common.

    Attributes:
        quirks: what is known of the server.
        connect: returns the endpoint of a request.
        quick: sends a request and returns its answer in one go; None with a cache or a recording.
        hide: removes the caller's key from bytes.
    """

    quirks: ServerQuirks
    connect: Callable[[ChatRequest], Awaitable[Any]]
    quick: WholeAnswers | None
    hide: Callable[[bytes], bytes]

    def written(self, messages: Any, text: bytes | None) -> WrittenRequest:
        """Write the request for some messages with what is known of the server now."""

    def call(self, messages: Any, request: ChatRequest, known: Known) -> Call:
        """Return a new call that begins with this request; ``known`` is what was known when it was written."""

    def question(self, messages: Any, text: bytes | None) -> bytes:
        """Return the key of the request without its schema."""


class NotSentError(MsgfluxError):
    """A request was not sent, since its batch has stopped."""


class SendingTurn(Protocol):
    """Says when the requests of one row may be sent; only the batch knows what a ticket is."""

    async def begin(self, size: int) -> Any:
        """Wait until a request of so many bytes may be sent, and return its ticket, or raise ``NotSentError``."""

    def succeed(self, ticket: Any, usage: Any) -> None:
        """Report that a request was answered."""

    async def fail(self, ticket: Any, error: Exception) -> bool:
        """Report that a request failed, wait as long as the batch wants, and return whether to send it again."""

    def drop(self, ticket: Any) -> None:
        """Report that a request ended without an answer."""


class _WithoutBatch:
    """The turns of a call outside a batch: each request is sent at once and never again."""

    async def begin(self, size: int) -> Any:
        return self

    def succeed(self, ticket: Any, usage: Any) -> None:
        """Do nothing: nobody counts."""

    async def fail(self, ticket: Any, error: Exception) -> bool:
        return False

    def drop(self, ticket: Any) -> None:
        """Do nothing: nobody counts."""


_NO_BATCH = _WithoutBatch()


class BatchCall:
    """A call that has not been made yet. Thousands of them wait at once, so they share what they have in common.

    Args:
        template: what all calls of the batch share.
        messages: the messages of this row.
        text: the messages as a JSON string without its quotes, if they are one text that is sent unchanged; else None.
        schema: what the answer is decoded to, or None for text.
        key: the key of the whole request.

    Attributes:
        key: the key of the whole request; equal requests to the same address have the same key.
        schema: what the answer is decoded to, or None for text.
        attempts: how many requests were sent so far, of all kinds.
        answer: the bytes of the last answer that came whole, or None.
        allowance: the provider's latest rate limits; None if it sent none.
        came: called with the bill of a whole answer before it is decoded; or None.
    """

    __slots__ = (
        "_made",
        "_messages",
        "_template",
        "_text",
        "_written",
        "allowance",
        "answer",
        "attempts",
        "came",
        "key",
        "schema",
    )

    def __init__(
        self, template: CallTemplate, messages: Any, text: bytes | None, *, schema: WireSchema | None, key: bytes
    ) -> None:
        self._template, self._messages, self._text = template, messages, text
        self._made: Call | None = None
        self._written = template.written(messages, text)
        self.schema = schema
        self.key = key
        self.attempts = 0
        self.answer: bytes | None = None
        self.allowance: Allowance | None = None
        self.came: Callable[[Any], object] | None = None

    @property
    def request(self) -> bytes:
        """The body of the request, as it was written last."""
        return self._written.body

    @property
    def question(self) -> bytes:
        """The key of the request without its schema."""
        return self._template.question(self._messages, self._text)

    @property
    def text(self) -> str | None:
        """The text of the last answer, or of its structure; None before there is an answer."""
        return None if self._made is None else self._made.text

    @property
    def spent(self) -> float:
        """US dollars of the answers so far; 0 if there is none, or its price is not known."""
        return 0.0 if self._made is None else self._made.bill.cost or 0.0

    @property
    def flaws(self) -> tuple[str, ...]:
        """Sentences about what was changed or cut in the last call; decoding may add more."""
        return self._request().warnings if self._made is None else self._made.flaws

    async def ask(self, turn: SendingTurn = _NO_BATCH) -> ModelResponse:
        """Send the request, and further ones if needed: another way to ask for a structure, or a correction.

        Args:
            turn: says when each request may be sent, and whether a failed one is sent again.

        Raises:
            NotSentError: the batch has stopped before there was an answer.
            MsgfluxError: the call failed and is not tried again.
        """
        begun = await self._begin(turn)
        return begun if isinstance(begun, ModelResponse) else await self._finish(begun)

    def rescued(self) -> ModelResponse | None:
        """Return the last complete answer before a cancelled request; None if there is none."""
        return ModelResponse(self._made) if self._made is not None and self._made.go_back() else None

    async def _begin(self, turn: SendingTurn) -> ModelResponse | _BatchStream:
        """Send the first request in one go, then begin the rest of the call; no traceback holds a frame of this."""
        quick = self._template.quick
        while True:
            ticket = await turn.begin(len(self._written.body))
            try:
                if self._template.quirks.known is not self._written.known:  # something was learnt while it waited
                    self._written = self._template.written(self._messages, self._text)
                if quick is None:
                    return self._stream(self._new_call(), turn, None, ticket)
                began = time.perf_counter()
                given = await quick.send(self._written.body, self._hear, wire=self._written.wire, request=self._request)
                call = self._new_call()  # only now: thousands of calls wait here, and each would take memory
                whole = type(given) is bytes and call.exchange.take_whole(
                    given, time.perf_counter() - began, quick.scrub
                )
            except BaseException:
                turn.drop(ticket)
                raise
            if whole:
                turn.succeed(ticket, call.usage)
                return self._read(call, turn)
            if not isinstance(given, MsgfluxError):
                return self._stream(call, turn, given, ticket)
            if not await turn.fail(ticket, given):
                return self._stream(call, turn, given, None)
            self.attempts += 1

    def _request(self) -> ChatRequest:
        return self._written.whole(self._messages, self._written.body)

    def _new_call(self) -> Call:
        return self._template.call(self._messages, self._request(), self._written.known)

    def _read(self, call: Call, turn: SendingTurn) -> ModelResponse | _BatchStream:
        """Continue a call after its first answer, which nearly always is the last."""
        call.found.aloud = False
        self._made, self.answer = call, call.exchange.received
        self._has_come(call.exchange)
        call.step()  # yields the request that was answered above
        following = call.step()
        if following is None:
            self.attempts += 1
            return ModelResponse(call)
        begun = self._stream(call, turn, None, None)
        begun.go_on_with(following)
        return begun

    def _stream(self, call: Call, turn: SendingTurn, given: bytes | MsgfluxError | None, ticket: Any) -> _BatchStream:
        self._made = call
        call.found.aloud = False
        return _BatchStream(call, self._template.connect, turn, self._hear, given, ticket, self._has_come)

    def _has_come(self, exchange: Exchange) -> None:
        """Report the bill of a complete exchange, if its answer is the call's, before it is decoded."""
        call = self._made
        if self.came is not None and call is not None and exchange is call.exchange and exchange.state == "complete":
            self.answer = exchange.received
            bill = ModelResponse(call).bill
            self.came(msgspec.structs.replace(bill, attempts=self.attempts + call.attempts))

    async def _finish(self, begun: _BatchStream) -> ModelResponse:
        call = begun.call
        try:
            await begun.finish()
        except MsgfluxError:
            if begun.not_sent is not None:
                raise begun.not_sent from None
            raise
        finally:
            begun.drop()
            self.attempts += call.attempts
            if call.exchange.state == "complete":
                self.answer = call.exchange.received
        return ModelResponse(call)

    def _hear(self, headers: Headers) -> None:
        self.allowance = allowance_of(headers, now=time.time())

    def without_key(self, data: bytes) -> bytes:
        """Remove the caller's key from what was sent or received; some gateways want it in the body or repeat it."""
        return self._template.hide(data)


class _BatchStream(AsyncStreamResponse):
    """Runs a call whose first request may have been sent already.

    Args:
        call: the call.
        connect: returns the endpoint of a request.
        turn: says when each further request may be sent.
        hear: called with the headers of each answer.
        given: the body that came, or the error that ended the first request; None if it was not sent.
        came: called with each complete exchange before its answer is decoded.
        ticket: the ticket of a request that was sent and whose end has not been reported.

    Attributes:
        not_sent: why a request was not sent; None if all were sent.
    """

    def __init__(
        self,
        call: Call,
        connect: Callable[[ChatRequest], Awaitable[Any]],
        turn: SendingTurn,
        hear: Callable[[Headers], object],
        given: bytes | MsgfluxError | None,
        ticket: Any,
        came: Callable[[Exchange], object],
    ) -> None:
        super().__init__(call, connect)
        self._came = came
        self.call = call
        self.not_sent: NotSentError | None = None
        self._turn, self._hear = turn, hear
        self._given, self._ticket = given, ticket
        self._failures = 0

    def go_on_with(self, exchange: Exchange) -> None:
        """Run this exchange next; the one before it has been read."""
        self._begun, self._silent = True, exchange

    def drop(self) -> None:
        """Return the ticket of a request that was not read to its end."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._turn.drop(ticket)

    async def _run(self, exchange: Exchange) -> AsyncGenerator[list[Event], None]:
        recalled = await exchange.arecall() if self._given is None else None
        if recalled is not None:
            keep_recalled(exchange)
            yield recalled
            return
        while True:
            given, self._given = self._given, None
            try:
                if self._ticket is None and given is None:
                    self._ticket = await self._turn.begin(len(exchange.request.body))
                async for events in self._attempt(exchange, given):
                    yield events
                ticket, self._ticket = self._ticket, None
                self._turn.succeed(ticket, exchange.snapshot.usage)
                await exchange.awritten()
                self._came(exchange)
                return
            except NotSentError as error:
                self.not_sent = error
                exchange.delay_after(error)
                return
            except MsgfluxError as error:
                ticket, self._ticket = self._ticket, None
                rest = None if exchange.is_empty else exchange.finished_anyway()
                if rest is not None and ticket is not None:
                    yield rest
                    self._turn.succeed(ticket, exchange.snapshot.usage)
                    await exchange.awritten()
                    self._came(exchange)
                    return
                reason = exchange.reason(error)
                self._failures += 1
                hopeless = exchange.replayed is not None and self._failures > _MOST_FAILURES_REPLAYED
                if hopeless and ticket is not None:
                    self._turn.drop(ticket)
                if ticket is None or hopeless or not await self._turn.fail(ticket, _at_once(exchange, reason)):
                    exchange.delay_after(reason)
                    return

    async def _attempt(
        self, exchange: Exchange, given: bytes | MsgfluxError | None
    ) -> AsyncGenerator[list[Event], None]:
        """Send a request once and read its answer, or read the body that was given."""
        endpoint = await self._connect(exchange.request)
        exchange.begin(endpoint.scrub)
        if isinstance(given, MsgfluxError):
            raise given
        if given is not None:
            yield exchange.feed(given)
        else:
            async with aopen_exchange(endpoint, exchange, self._abort, self._hear) as chunks:
                async for data in chunks:
                    yield exchange.feed(data)
        yield exchange.close()
        if exchange.is_empty:
            raise NotAnApiError("expected an answer with choices, got one without choices. Check base_url.", status=200)


def _at_once(exchange: Exchange, error: MsgfluxError) -> MsgfluxError:
    """Return the error for the gate; its ``retry_after`` is 0 if it was recorded, since a replay need not wait."""
    if exchange.replayed is None or not isinstance(error, ProviderError):
        return error
    told = copy.copy(error)
    told.retry_after = 0.0
    return told
