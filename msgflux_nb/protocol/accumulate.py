"""Bytes of an answer → events, and the answer so far.

One class for a streamed answer and a whole one: what a server sends is told by its first byte and not by its
content type, since servers mislabel both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import MsgfluxError, NotAnApiError, ServerError, StreamInterruptedError
from .chunks import CONTENT, Piece, decode_quick, pieces_of
from .events import (
    AnswerFields,
    Event,
    Finished,
    Identified,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)
from .failure import Scrub, error_in, failure_of_body
from .prefill import EchoFilter
from .snapshot import Fields, GrowingChoice, Snapshot
from .sse import DONE, ServerEvent, SSEDecoder
from .tool_calls import ToolCallAggregator

__all__ = ["Accumulator", "Snapshot"]

_BODY_LIMIT = 256 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_SSE_STARTS = b"deir:"  # the fields data, event, id, retry, error, and comments


class Accumulator:
    """Feed it an answer's bytes; read events as they come, the snapshot at any time, and ``finish`` at the end.

    Args:
        prefill: the start of the answer that was sent, which the text begins with.
        echoed: whether this server repeats the prefill at the head of its answer.
        needs_end: whether an answer without a ``finish_reason`` and ``[DONE]`` was cut.
        audio_format: what sound was asked for.
        scrub: removes keys from a provider's error text.

    Attributes:
        failure: what the provider reported inside the answer; ``finish`` raises it.
        done: whether the answer has said that it is over.
        has_content: whether text, reasoning, a call or sound has come, so that the request must not be sent again.
    """

    def __init__(
        self,
        *,
        prefill: str = "",
        echoed: bool = False,
        needs_end: bool = True,
        audio_format: str | None = None,
        scrub: Scrub = str,
    ) -> None:
        self._prefill, self._audio_format = prefill, audio_format
        self._echo = EchoFilter(prefill if echoed else "")
        self._needs_end = needs_end
        self._scrub = scrub
        self._sse: SSEDecoder | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._is_body: bool | None = None  # a whole answer and no event stream; None until the first byte
        self._first = GrowingChoice(0, prefill, audio_format)
        self._choices = {0: self._first}
        self._fields = Fields()
        self._usage: Usage | None = None
        self._id: str | None = None
        self._model: str | None = None
        self.failure: MsgfluxError | None = None
        self.done = False
        self.has_content = False

    def feed(self, data: bytes) -> list[Event]:
        """Take some bytes, return what they say. Never raises: ``finish`` raises what is in ``failure``."""
        if self._sse is not None:
            return self._take(self._sse.feed(data))
        self._body.append(data)
        self._body_size += len(data)
        if self._is_body is None:
            self._is_body = _is_body(b"".join(self._body))
        if self._is_body is False:
            self._sse = SSEDecoder()
            return self._take(self._sse.feed(b"".join(self._body)))
        if self._body_size > _BODY_LIMIT:
            self._body.clear()
            self.failure = NotAnApiError(f"the answer is larger than {_BODY_LIMIT:,} bytes and no event stream.")
        return []

    def close(self) -> list[Event]:
        """Take the end of the bytes, return what it completes."""
        events = self._whole(b"".join(self._body)) if self._sse is None else self._take(self._sse.close())
        held = self._echo.close()
        if held:
            self._first.text.add(held)
            events.append(TextDelta(held))
        for choice in self._choices.values():
            choice.calls.finish()
        return events

    def finish(self) -> Snapshot:
        """Return the complete answer.

        Raises:
            MsgfluxError: what the provider reported inside the answer, with ``snapshot``.
            StreamInterruptedError: the bytes ended before the answer did, with ``snapshot``.
        """
        if self.failure is not None:
            self.failure.snapshot = self.snapshot
            raise self.failure
        if self._first.finished is None and not self.done and (self._needs_end or not self.has_content):
            raise StreamInterruptedError(
                "the stream ended before the answer did: neither a finish_reason nor [DONE] came. What arrived is in "
                ".snapshot; the connection may have been cut.",
                snapshot=self.snapshot,
            )
        if self._first.finished is None:
            self._first.finished = Finished("unknown", "")
        return self.snapshot

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far."""
        return Snapshot(
            choices=tuple(self._choices[index].choice for index in sorted(self._choices)),
            usage=self._usage,
            id=self._id,
            model=self._model,
            fields=self._fields.read(),
        )

    @property
    def tool_calls(self) -> ToolCallAggregator:
        """The tool calls of choice 0, or of the first choice that has some."""
        calling = (self._choices[index].calls for index in sorted(self._choices))
        return next((calls for calls in calling if len(calls)), self._first.calls)

    def _take(self, received: list[bytes | ServerEvent]) -> list[Event]:
        events: list[Event] = []
        quick = self._first.text.list or self._first.reasoning.list or len(self._first.calls)
        for item in received:
            if quick and type(item) is bytes and self._quick(item, events):
                continue
            if item == DONE:
                self.done = True
                continue
            self._payload(item, events)
            quick = True
        return events

    def _quick(self, payload: bytes, events: list[Event]) -> bool:
        """Take a chunk that holds one piece of choice 0 and nothing else, as nearly all do; False if it is another."""
        try:
            choices = decode_quick(payload).choices
        except msgspec.DecodeError:
            return False
        if len(choices) != 1 or choices[0].index != 0 or self.failure is not None:
            return False
        delta, first, before = choices[0].delta, self._first, len(events)
        if delta.reasoning_content:
            first.reasoning.add(delta.reasoning_content)
            events.append(ReasoningDelta(delta.reasoning_content))
        if delta.content:
            text = delta.content if self._echo.passed else self._echo.feed(delta.content)
            if text:
                first.text.add(text)
                events.append(TextDelta(text))
        for call in delta.tool_calls or ():
            name, arguments = call.function.name, call.function.arguments
            lane = first.calls.process(call.index, call.id, name, arguments)
            events.append(ToolCallDelta(lane, call.id, name, arguments))
        if len(events) > before:
            self.has_content = True
        return True

    def _payload(self, item: bytes | ServerEvent, events: list[Event]) -> None:
        named = isinstance(item, ServerEvent) and item.name == "error"
        data = item.data if isinstance(item, ServerEvent) else item
        try:
            payload = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            if not named:
                self._lines(data, events)
                return
            payload = data.decode("utf-8", "replace")
        failed = self.failure is not None
        self.failure = self.failure or error_in(payload, named=named, scrub=self._scrub)
        if isinstance(payload, dict):  # what was billed may come with the error, or after it
            self._apply({"usage": payload.get("usage")} if failed else payload, events)

    def _lines(self, data: bytes, events: list[Event]) -> None:
        """Chunks under one another without blank lines between were joined to one event; anything else is broken."""
        lines = data.split(b"\n")
        if len(lines) > 1:
            events.extend(self._take([line for line in lines if line]))
            return
        start = self._scrub(data[:120].decode("utf-8", "replace"))
        self.failure = self.failure or ServerError(f"expected JSON in the stream, got {start!r}.")

    def _whole(self, body: bytes) -> list[Event]:
        """Take an answer that came in one piece."""
        try:
            payload = msgspec.json.decode(body.removeprefix(_BOM))
        except (msgspec.DecodeError, RecursionError):
            payload = None
        self.failure = self.failure or error_in(payload, scrub=self._scrub)
        events: list[Event] = []
        if isinstance(payload, dict):
            self._apply(payload, events)
        if self.failure is None and not (isinstance(payload, dict) and isinstance(payload.get("choices"), list)):
            self.failure = failure_of_body(body, scrub=self._scrub)
        self.done = self.failure is None  # a whole answer is complete whether or not it says why it ended
        return events

    def _apply(self, payload: dict[str, Any], events: list[Event]) -> None:
        for piece in pieces_of(payload):
            event = self._keep(piece)
            if event is not None:
                events.append(event)

    def _keep(self, piece: Piece) -> Event | None:
        """Add one piece to the answer; return what a reader sees of it."""
        match piece:
            case Identified(id=id_, model=model):
                self._id, self._model = self._id or id_, self._model or model
                return None
            case UsageReported(usage=usage):
                self._usage = usage if self._usage is None else self._usage.updated(usage)
                return piece
            case AnswerFields(fields=fields):
                self._fields.add(fields)
                return piece
            case TextDelta(text=text, choice=0):
                piece = TextDelta(self._echo.feed(text))
                if not piece.text:
                    return None
            case Finished(reason="error", raw=raw) if self.failure is None:
                self.failure = ServerError(f"the provider broke the answer off with finish_reason {raw!r}.")
        choice = self._choices.get(piece.choice)
        if choice is None:
            choice = self._choices[piece.choice] = GrowingChoice(piece.choice, self._prefill, self._audio_format)
        self.has_content = self.has_content or isinstance(piece, CONTENT)
        return choice.add(piece)


def _is_body(start: bytes) -> bool | None:
    """Whether an answer that starts so is no event stream; None while that is open."""
    if _BOM.startswith(start):
        return None
    first = start.removeprefix(_BOM).lstrip()[:1]
    return first not in _SSE_STARTS if first else None
