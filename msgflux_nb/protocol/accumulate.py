"""Bytes of an answer → events, and the answer so far.

One class for a streamed answer and a whole one: what a server sends is told by its first byte and not by its
content type, since servers mislabel both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import MsgfluxError, NotAnApiError, ServerError, StreamInterruptedError
from .events import (
    Event,
    Finished,
    FinishReason,
    Identified,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Usage,
    UsageReported,
    events_of,
)
from .failure import Scrub, error_in, failure_of_body
from .prefill import EchoFilter
from .sse import DONE, ServerEvent, SSEDecoder

__all__ = ["Accumulator", "Snapshot"]

_BODY_LIMIT = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_SSE_STARTS = b"deir:"  # the fields data, event, id, retry, error, and comments


class Snapshot(msgspec.Struct, frozen=True):
    """An answer as far as it has come.

    Attributes:
        text: the prefill and everything after it.
        continuation: the part that the model wrote.
        reasoning: its reasoning, or None.
        refusal: the words with which it declined, or None.
        finish_reason: why it ended, in our words; None while it runs.
        raw_finish_reason: the same in the provider's word.
        usage: what was billed, or None if the provider has not said.
        id: the provider's name for the answer.
        model: the model that answered, as the provider calls it.
    """

    text: str = ""
    continuation: str = ""
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None


class _Pieces:
    """Text that grows by appending; joined only when somebody reads it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    def __str__(self) -> str:
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""


class Accumulator:
    """Feed it an answer's bytes; read events as they come, the snapshot at any time, and ``finish`` at the end.

    Args:
        prefill: the start of the answer that was sent, which the text begins with.
        echoed: whether this server repeats the prefill at the head of its answer.
        scrub: removes keys from a provider's error text.
    """

    def __init__(self, *, prefill: str = "", echoed: bool = False, scrub: Scrub = str) -> None:
        self._prefill = prefill
        self._echo = EchoFilter(prefill if echoed else "")
        self._scrub = scrub
        self._sse: SSEDecoder | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._is_body: bool | None = None  # a whole answer and no event stream; None until the first byte
        self._text, self._reasoning, self._refusal = _Pieces(), _Pieces(), _Pieces()
        self._finished: Finished | None = None
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
            self._text.add(held)
            events.append(TextDelta(held))
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
        if self._finished is None and not self.done:
            raise StreamInterruptedError(
                "the stream ended before the answer did: neither a finish_reason nor [DONE] came. What arrived is in "
                ".snapshot; the connection may have been cut.",
                snapshot=self.snapshot,
            )
        if self._finished is None:
            self._finished = Finished("unknown", "")
        return self.snapshot

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far."""
        continuation = str(self._text)
        return Snapshot(
            text=self._prefill + continuation,
            continuation=continuation,
            reasoning=str(self._reasoning) or None,
            refusal=str(self._refusal) or None,
            finish_reason=self._finished.reason if self._finished else None,
            raw_finish_reason=(self._finished.raw or None) if self._finished else None,
            usage=self._usage,
            id=self._id,
            model=self._model,
        )

    def _take(self, received: list[ServerEvent]) -> list[Event]:
        events: list[Event] = []
        for item in received:
            if self.failure is not None:
                break
            if item.data == DONE:
                self.done = True
                continue
            events.extend(self._payload(item))
        return events

    def _payload(self, item: ServerEvent) -> list[Event]:
        named = item.name == "error"
        try:
            payload = msgspec.json.decode(item.data)
        except (msgspec.DecodeError, RecursionError):
            if not named:
                return self._lines(item)
            payload = item.data.decode("utf-8", "replace")
        self.failure = error_in(payload, named=named, scrub=self._scrub)
        if self.failure is not None or not isinstance(payload, dict):
            return []
        return self._apply(payload)

    def _lines(self, item: ServerEvent) -> list[Event]:
        """Chunks under one another without blank lines between were joined to one event; anything else is broken."""
        lines = item.data.split(b"\n")
        if len(lines) > 1:
            return self._take([ServerEvent(line) for line in lines if line])
        start = self._scrub(item.data[:120].decode("utf-8", "replace"))
        self.failure = ServerError(f"expected JSON in the stream, got {start!r}.")
        return []

    def _whole(self, body: bytes) -> list[Event]:
        """Take an answer that came in one piece."""
        try:
            payload = msgspec.json.decode(body.removeprefix(_BOM))
        except (msgspec.DecodeError, RecursionError):
            payload = None
        self.failure = self.failure or error_in(payload, scrub=self._scrub)
        if self.failure is not None:
            return []
        if not isinstance(payload, dict) or not isinstance(payload.get("choices"), list):
            self.failure = failure_of_body(body, scrub=self._scrub)
            return []
        self.done = True  # a whole answer is complete whether or not it says why it ended
        return self._apply(payload)

    def _apply(self, payload: dict[str, Any]) -> list[Event]:
        return [event for event in map(self._keep, events_of(payload)) if event is not None]

    def _keep(self, event: Event) -> Event | None:
        """Add one event to the answer; return what the caller sees of it: a response speaks of choice 0."""
        match event:
            case Identified(id=id_, model=model):
                self._id, self._model = self._id or id_, self._model or model
                return None
            case UsageReported(usage=usage):
                self._usage = usage
                return event
            case _ if event.choice != 0:
                return event
            case TextDelta(text=text):
                text = self._echo.feed(text)
                self._text.add(text)
                self.has_content = self.has_content or bool(text)
                return TextDelta(text) if text else None
            case ReasoningDelta(text=text):
                self._reasoning.add(text)
                self.has_content = True
            case RefusalDelta(text=text):
                self._refusal.add(text)
                self.has_content = True
            case Finished():
                self._finish(event)
        return event

    def _finish(self, event: Finished) -> None:
        self._finished = event
        if event.reason == "error":
            self.failure = ServerError(f"the provider broke the answer off with finish_reason {event.raw!r}.")


def _is_body(start: bytes) -> bool | None:
    """Whether an answer that starts so is no event stream; None while that is open."""
    if _BOM.startswith(start):
        return None
    first = start.removeprefix(_BOM).lstrip()[:1]
    return first not in _SSE_STARTS if first else None
