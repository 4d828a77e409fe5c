"""Answers: whole, or arriving.

``ModelResponse`` is a whole answer. ``StreamResponse`` and ``AsyncStreamResponse`` are the two drivers: they open,
read, wait before a retry and close, and leave everything else to the exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import EmptyOutputError, FilteredError, IncompleteOutputError, MsgfluxError, RefusedError, TruncatedError
from ..generation.decode import decode_answer
from ..protocol.accumulate import Snapshot
from ..protocol.events import Event, FinishReason, TextDelta, Usage
from .exchange import Exchange
from .transport import Abort, Endpoint, aopen_bytes, open_bytes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AsyncStreamResponse", "Metadata", "ModelResponse", "StreamResponse"]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """About an answer.

    Attributes:
        usage: tokens billed, or None if the provider did not say.
        finish_reason: why it ended, in our words; None while it runs.
        raw_finish_reason: the same in the provider's word.
        id: the provider's name for the answer.
        model: the model that answered, as the provider calls it.
        provider: who answered.
        attempts: how many times the request was sent.
        seconds_to_first_token: None where the answer came whole.
        seconds: the whole call, retries included.
        cost: US dollars, or None when the price is unknown.
        schema_method: how a structure was asked for, or None for text.
    """

    usage: Usage | None
    finish_reason: FinishReason | None
    raw_finish_reason: str | None
    id: str | None
    model: str | None
    provider: str
    attempts: int
    seconds_to_first_token: float | None
    seconds: float | None
    cost: float | None
    schema_method: str | None


class _Answer:
    """What a whole answer and an arriving one have in common: both read their exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._value: Any = msgspec.UNSET

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far; of a whole answer, all of it."""
        return self._exchange.snapshot

    @property
    def text(self) -> str:
        """The whole text, the prefill included exactly once."""
        return self.snapshot.text

    @property
    def continuation(self) -> str:
        """The part that the model wrote."""
        return self.snapshot.continuation

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning, or None."""
        return self.snapshot.reasoning

    @property
    def refusal(self) -> str | None:
        """The words with which the model declined, or None."""
        return self.snapshot.refusal

    @property
    def response_type(self) -> str:
        """``"structured"`` if a ``generation_schema`` was given, else ``"text_generation"``."""
        return "text_generation" if self.generation_schema is None else "structured"

    @property
    def metadata(self) -> Metadata:
        """Usage, time, and why the answer ended."""
        exchange, snapshot = self._exchange, self.snapshot
        return Metadata(
            usage=snapshot.usage,
            finish_reason=snapshot.finish_reason,
            raw_finish_reason=snapshot.raw_finish_reason,
            id=snapshot.id,
            model=snapshot.model,
            provider=exchange.profile.provider,
            attempts=exchange.attempts,
            seconds_to_first_token=exchange.seconds_to_first_token,
            seconds=exchange.seconds,
            cost=0.0 if exchange.profile.free else None,
            schema_method=None if exchange.request.schema is None else "json_schema",
        )

    @property
    def generation_schema(self) -> Any:
        """The type that the answer is decoded to, or None for a text."""
        schema = self._exchange.request.schema
        return None if schema is None else schema.type

    def to_messages(self) -> list[dict[str, Any]]:
        """Return the messages to append to the history for the next turn."""
        return [{"role": "assistant", "content": self.text}]

    def to_frame(self) -> pd.DataFrame:
        """Return the answer as one row of a DataFrame; a text has the column ``text``."""
        from ..tables.frame import to_frame

        if self.generation_schema is None:
            return to_frame([{"text": self._whole()}])
        return to_frame([self._whole()])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        from ..widgets.answer_card import answer_bundle

        return answer_bundle(self)

    def _whole(self) -> Any:
        """The decoded value; decoded once."""
        self._exchange.check_complete()
        if self._value is msgspec.UNSET:
            self._value = _decoded(self._exchange)
        return self._value

    def __repr__(self) -> str:
        schema = self._exchange.request.schema
        usage = self.snapshot.usage
        state = self.snapshot.finish_reason or self._exchange.state
        tokens = f", {usage.total_tokens} tokens" if usage is not None and usage.total_tokens is not None else ""
        return f"{type(self).__name__}({'text' if schema is None else schema.name}, {state}{tokens})"


class ModelResponse(_Answer):
    """A whole answer."""

    def consume(self) -> Any:
        """Return the answer: a ``str``, or an instance of the ``generation_schema`` itself.

        Raises:
            TruncatedError: a structure was cut at the token limit.
            RefusedError: the model declined.
            FilteredError: a content filter removed the answer.
            EmptyOutputError: there is no text.
            ValidationFailedError: the text does not fit the schema.
        """
        return self._whole()


class _Arriving(_Answer):
    """An answer that is still to come."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._abort = Abort()

    def cancel(self) -> None:
        """End the answer now, from any thread: the connection closes, and a loop that reads it ends quietly."""
        self._abort()
        if self._exchange.state == "new":
            self._exchange.stop("cancelled")

    def _leave(self) -> None:
        """End the answer unless it has ended."""
        if self._exchange.state in ("new", "running"):
            self.cancel()


class StreamResponse(_Arriving):
    """An answer that arrives; nothing is sent before it is read.

    Iterate for text, or call ``consume`` for the whole. Leaving a loop early closes the connection.

    Example::

        with model("Tell me a story", stream=True) as stream:
            for text in stream:
                print(text, end="")
    """

    def __init__(self, exchange: Exchange, connect: Callable[[], Endpoint]) -> None:
        super().__init__(exchange)
        self._connect = connect

    def __iter__(self) -> Iterator[str]:
        for event in self.events():
            if isinstance(event, TextDelta) and event.choice == 0:
                yield event.text

    def events(self) -> Iterator[Event]:
        """Yield typed events as they arrive; an answer that has ended yields none.

        Raises:
            MsgfluxError: the call failed; ``snapshot`` holds what had arrived.
        """
        if self._exchange.state != "new":
            return
        run = self._drive()
        try:
            yield from run
        finally:
            run.close()
            self._exchange.stop("cancelled" if self._abort.asked else "left")

    def consume(self) -> Any:
        """Read to the end, and return what the same call without ``stream`` returns.

        Raises:
            StreamInterruptedError: the stream was cancelled or left early; ``snapshot`` holds what had arrived.
            MsgfluxError: as :meth:`ModelResponse.consume`.
        """
        for _ in self.events():
            pass
        return self._whole()

    def __enter__(self) -> StreamResponse:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._leave()

    def _drive(self) -> Generator[Event, None, None]:
        exchange = self._exchange
        while True:
            try:
                endpoint = self._connect()
                exchange.begin(endpoint.scrub)
                request = exchange.request
                with open_bytes(
                    endpoint, request.body, exchange.timeout, stream=request.stream, abort=self._abort
                ) as chunks:
                    for data in chunks:
                        yield from exchange.feed(data)
                yield from exchange.close()
                return
            except MsgfluxError as error:
                if self._abort.asked or exchange.finished_anyway():
                    return
                delay = exchange.retry_after(error)
            self._abort.wait(delay)


class AsyncStreamResponse(_Arriving):
    """As :class:`StreamResponse`, for ``async for`` and ``await``."""

    def __init__(self, exchange: Exchange, connect: Callable[[], Awaitable[Endpoint]]) -> None:
        super().__init__(exchange)
        self._connect = connect

    async def __aiter__(self) -> AsyncIterator[str]:
        async for event in self.events():
            if isinstance(event, TextDelta) and event.choice == 0:
                yield event.text

    async def events(self) -> AsyncIterator[Event]:
        """Yield typed events as they arrive; an answer that has ended yields none.

        Raises:
            MsgfluxError: the call failed; ``snapshot`` holds what had arrived.
        """
        if self._exchange.state != "new":
            return
        run = self._drive()
        try:
            async for event in run:
                yield event
        finally:
            await run.aclose()
            self._exchange.stop("cancelled" if self._abort.asked else "left")

    async def consume(self) -> Any:
        """Read to the end, and return what the same call without ``stream`` returns."""
        async for _ in self.events():
            pass
        return self._whole()

    async def __aenter__(self) -> AsyncStreamResponse:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leave()

    async def _drive(self) -> AsyncGenerator[Event, None]:
        exchange = self._exchange
        while True:
            try:
                endpoint = await self._connect()
                exchange.begin(endpoint.scrub)
                request = exchange.request
                async with aopen_bytes(
                    endpoint, request.body, exchange.timeout, stream=request.stream, abort=self._abort
                ) as chunks:
                    async for data in chunks:
                        for event in exchange.feed(data):
                            yield event
                for event in exchange.close():
                    yield event
                return
            except MsgfluxError as error:
                if self._abort.asked or exchange.finished_anyway():
                    return
                delay = exchange.retry_after(error)
            await asyncio.sleep(delay)


def _decoded(exchange: Exchange) -> Any:
    """The value of a complete answer, or the error that says why it has none."""
    snapshot, schema = exchange.snapshot, exchange.request.schema
    problem = _problem(snapshot, structured=schema is not None)
    if problem is not None:
        problem.snapshot, problem.attempts = snapshot, exchange.attempts
        raise problem
    if schema is None:
        return snapshot.text
    try:
        return decode_answer(snapshot.text, schema).value
    except MsgfluxError as error:
        error.snapshot, error.attempts = snapshot, exchange.attempts
        raise


def _problem(snapshot: Snapshot, *, structured: bool) -> IncompleteOutputError | None:
    if snapshot.refusal or snapshot.finish_reason == "refusal":
        return RefusedError(f"the model declined: {snapshot.refusal or snapshot.text!r}")
    if snapshot.finish_reason == "content_filter" and (structured or not snapshot.continuation):
        return FilteredError("the provider's content filter removed the answer. Rephrase the messages.")
    if snapshot.finish_reason == "length" and structured:
        return TruncatedError(
            "the answer was cut at the token limit, so its structure is only a part. Raise max_tokens, or ask for less."
        )
    if not snapshot.text.strip():
        spent = " All its tokens went into reasoning; raise max_tokens." if snapshot.reasoning else ""
        return EmptyOutputError(f"the answer holds no text.{spent}")
    return None
