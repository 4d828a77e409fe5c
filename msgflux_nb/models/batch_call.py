"""One call of a batch: known by a key before anything is sent, tried when the batch says so, its bytes kept.

A batch decides itself when and how often a row is sent, since a limit of the provider is every row's business. What it
knows a row by has nothing secret in it, and nothing that is learnt on the way: the same row has the same key tomorrow.
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
from .learnt import Known, ServerQuirks
from .taped import aopen_exchange, keep_recalled
from .whole_answers import WholeAnswers

__all__ = ["BatchCall", "NotSentError", "SendingTurn", "Written"]


_MOST_FAILURES_REPLAYED = 100  # of one request: a recording that holds nothing else gives no answer


class Written(NamedTuple):
    """The first request of one row, as it is sent.

    Attributes:
        body: its bytes.
        wire: how it looks.
        known: what was known of the model when it was written.
        whole: gives the request, as the call needs it.
    """

    body: bytes
    wire: Wire
    known: Known
    whole: Callable[[Any, bytes], ChatRequest]


class Common(Protocol):
    """What the calls of a batch have in common.

    Attributes:
        quirks: what is known of the model.
        connect: where requests go.
        quick: sends a request and returns its answer in one go; None where requests go another way in any case.
        hide: returns bytes without the caller's key.
    """

    quirks: ServerQuirks
    connect: Callable[[ChatRequest], Awaitable[Any]]
    quick: WholeAnswers | None
    hide: Callable[[bytes], bytes]

    def written(self, messages: Any, text: bytes | None) -> Written:
        """Write the request for some messages by what is known of the model at that moment."""

    def call(self, messages: Any, request: ChatRequest, known: Known) -> Call:
        """Return a new call that begins with a request, written by what was known then."""

    def question(self, messages: Any, text: bytes | None) -> bytes:
        """Return the key of the request without its structure."""


class NotSentError(MsgfluxError):
    """A request was not sent, since its batch has stopped."""


class SendingTurn(Protocol):
    """When the requests of one row may be sent; what a ticket is, is the batch's affair."""

    async def begin(self, size: int) -> Any:
        """Wait until a request of so many bytes may be sent, and return its ticket, or raise ``NotSentError``."""

    def succeed(self, ticket: Any, usage: Any) -> None:
        """Take the answer of a request."""

    async def fail(self, ticket: Any, error: Exception) -> bool:
        """Take the failure of a request, wait as long as it takes, and return whether to send it again."""

    def drop(self, ticket: Any) -> None:
        """Take an end without an answer."""


class _AnyTime:
    """The turns of a call without a batch: each request is sent at once, and once."""

    async def begin(self, size: int) -> Any:
        return self

    def succeed(self, ticket: Any, usage: Any) -> None:
        """Nobody counts."""

    async def fail(self, ticket: Any, error: Exception) -> bool:
        return False

    def drop(self, ticket: Any) -> None:
        """Nobody counts."""


_AT_ONCE = _AnyTime()


class BatchCall:
    """A call that may be made. Thousands wait at once, so each holds only what it has for itself.

    Args:
        common: what it has in common with others.
        messages: what is asked.
        text: the same as JSON writes it, if it is one text that goes out as it is; else None.
        schema: what the answer is decoded to, or None for text.
        key: of the whole request.

    Attributes:
        key: of the whole request; the same request to the same place has the same.
        schema: what the answer is decoded to, or None for text.
        attempts: how many requests were sent so far, of all kinds.
        answer: the bytes of the last answer that came whole, or None.
        allowance: what the provider said last may still be sent; None if it said nothing.
        came: is told what a whole answer cost, before it is decoded; None if nobody asks.
    """

    __slots__ = (
        "_common",
        "_made",
        "_messages",
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
        self, common: Common, messages: Any, text: bytes | None, *, schema: WireSchema | None, key: bytes
    ) -> None:
        self._common, self._messages, self._text = common, messages, text
        self._made: Call | None = None
        self._written = common.written(messages, text)
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
        """The key of the request without its structure."""
        return self._common.question(self._messages, self._text)

    @property
    def text(self) -> str | None:
        """What the last answer says: the text of its structure, or None before there is one."""
        return None if self._made is None else self._made.text

    @property
    def flaws(self) -> tuple[str, ...]:
        """Sentences about what was changed or cut on the way to the last answer, before it was decoded."""
        return self._request().warnings if self._made is None else self._made.flaws

    async def ask(self, turn: SendingTurn = _AT_ONCE) -> ModelResponse:
        """Send it, and whatever else the answer takes (another way to ask for a structure, a correction).

        Args:
            turn: when each request may be sent, and whether one that failed is sent again.

        Raises:
            NotSentError: the batch has stopped, and there is no answer.
            MsgfluxError: it failed for good.
        """
        begun = await self._begin(turn)
        return begun if isinstance(begun, ModelResponse) else await self._finish(begun)

    def rescued(self) -> ModelResponse | None:
        """Return the answer that came before a request that was cancelled; None if there is none."""
        return ModelResponse(self._made) if self._made is not None and self._made.go_back() else None

    async def _begin(self, turn: SendingTurn) -> ModelResponse | _Given:
        """Send the first request in one go, then begin the rest of the call. No frame of a failure holds it."""
        quick = self._common.quick
        while True:
            ticket = await turn.begin(len(self._written.body))
            try:
                if self._common.quirks.known is not self._written.known:  # what was learnt while it waited counts
                    self._written = self._common.written(self._messages, self._text)
                if quick is None:
                    return self._given(self._new_call(), turn, None, ticket)
                began = time.perf_counter()
                given = await quick.send(self._written.body, self._hear, wire=self._written.wire, request=self._request)
                call = self._new_call()  # not before: many wait for their answers at once
                whole = type(given) is bytes and call.exchange.take_whole(given, time.perf_counter() - began)
            except BaseException:
                turn.drop(ticket)
                raise
            if whole:
                turn.succeed(ticket, call.usage)
                return self._read(call, turn)
            if not isinstance(given, MsgfluxError):
                return self._given(call, turn, given, ticket)
            if not await turn.fail(ticket, given):
                return self._given(call, turn, given, None)
            self.attempts += 1

    def _request(self) -> ChatRequest:
        return self._written.whole(self._messages, self._written.body)

    def _new_call(self) -> Call:
        return self._common.call(self._messages, self._request(), self._written.known)

    def _read(self, call: Call, turn: SendingTurn) -> ModelResponse | _Given:
        """Go on with a call that has its first answer, which nearly always was all."""
        call.found.aloud = False
        self._made, self.answer = call, call.exchange.received
        self._has_come(call.exchange)
        call.step()  # the request that was answered
        following = call.step()
        if following is None:
            self.attempts += 1
            return ModelResponse(call)
        begun = self._given(call, turn, None, None)
        begun.go_on_with(following)
        return begun

    def _given(self, call: Call, turn: SendingTurn, given: bytes | MsgfluxError | None, ticket: Any) -> _Given:
        self._made = call
        call.found.aloud = False
        return _Given(call, self._common.connect, turn, self._hear, given, ticket, self._has_come)

    def _has_come(self, exchange: Exchange) -> None:
        """An exchange is complete; the one whose answer counts is reported before it is decoded."""
        call = self._made
        if self.came is not None and call is not None and exchange is call.exchange and exchange.state == "complete":
            self.answer = exchange.received
            bill = ModelResponse(call).bill
            self.came(msgspec.structs.replace(bill, attempts=self.attempts + call.attempts))

    async def _finish(self, begun: _Given) -> ModelResponse:
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
        """Remove the caller's key, which a gateway wants in a body or repeats, from what was sent or received."""
        return self._common.hide(data)


class _Given(AsyncStreamResponse):
    """Follows a call; its first request may have been sent already.

    Args:
        call: the call.
        connect: where further requests go.
        turn: when each of them may be sent.
        hear: is told the headers of each answer.
        given: the body that came, or the error that ended the request for good; None if nothing was sent.
        came: is told each exchange that is complete, before its answer is decoded.
        ticket: of the request that was sent, if its end has not been reported yet.

    Attributes:
        not_sent: why a request was not sent; None where all were.
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
        """Let this one follow an answer that was read before."""
        self._begun, self._silent = True, exchange

    def drop(self) -> None:
        """Give a ticket back whose request was not read to its end."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._turn.drop(ticket)

    async def _run(self, exchange: Exchange) -> AsyncGenerator[list[Event], None]:
        recalled = exchange.recall() if self._given is None else None
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
        """Send a request once and read its answer, or read what was given."""
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
            raise NotAnApiError("expected an answer, got one without choices.", status=200)


def _at_once(exchange: Exchange, error: MsgfluxError) -> MsgfluxError:
    """The error as a gate hears of it: a wait that a provider asked for when it was recorded is over."""
    if exchange.replayed is None or not isinstance(error, ProviderError):
        return error
    told = copy.copy(error)
    told.retry_after = 0.0
    return told
