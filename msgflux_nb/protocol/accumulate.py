"""Turns the bytes of an answer into events, and keeps the answer so far.

One class reads streamed and whole answers. The first bytes tell which it is; the content type does not, since servers
mislabel both.
"""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

from ..errors import MsgfluxError, NotAnApiError, ServerError, StreamInterruptedError
from . import events as event_types
from .bulk import check_count
from .chunks import CONTENT, MessageSoFar, Piece, QuickCall, QuickDelta, decode_quick, pieces_of
from .events import AnswerFields, Event, Fields, Finished, Identified, ReasoningDelta, TextDelta, Usage, UsageReported
from .failure import Scrub, error_in, failure_in_stream, failure_of_body
from .reasoning_marks import ReasoningMarks
from .snapshot import GrowingChoice, Snapshot
from .sse import Frames, ServerEvent, SSEDecoder, decode_text, is_stream, json_values
from .tool_call import json_text
from .tool_calls import ToolCallAggregator
from .wires.wire_reader import WireReader, with_type

__all__ = ["Accumulator", "Snapshot"]

_BODY_LIMIT = 256 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_PINGS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"})
_ENDS = frozenset({"done", "end"})
_NO_ANSWER = frozenset({"type", "timestamp", "time", "usage"})
# Some servers keep a connection open by sending an empty event, a word, the time or a comment.
_HEARTBEAT = re.compile(r"(?:ping|pong|heartbeat|keep-?alive|:.*|\d{4}-\d\d-\d\d[ T].*)?", re.I | re.S)
_REPEATED = ("system_fingerprint", "service_tier", "provider")  # fields that nearly every chunk has


class Accumulator:
    """Reads one answer: ``feed`` it bytes and take the events; ``snapshot`` is the answer so far; ``finish`` ends it.

    Args:
        prefill: the start of the answer, as sent; the text begins with it.
        echoed: whether this server repeats the prefill at the beginning of its answer.
        needs_end: whether an answer without a ``finish_reason`` and ``[DONE]`` counts as cut off.
        audio_format: the requested format of sound.
        marks: where reasoning may be in the content.
        thoughts_in_total: whether tokens that only ``total_tokens`` counts are the model's thoughts.
        scrub: removes keys from a provider's error text.
        reader: reads a wire other than chat completions.

    Attributes:
        failure: what the provider reported inside the answer; ``finish`` raises it.
        done: whether the answer has announced its end.
        has_content: whether text, reasoning, a call or sound has arrived; the request must then not be sent again.
    """

    def __init__(
        self,
        *,
        prefill: str = "",
        echoed: bool = False,
        needs_end: bool = True,
        audio_format: str | None = None,
        marks: ReasoningMarks = "marked",
        thoughts_in_total: bool = False,
        scrub: Scrub = str,
        reader: WireReader | None = None,
    ) -> None:
        self._reader = reader
        given: dict[str, Any] = {"prefill": prefill, "audio_format": audio_format, "echoed": echoed}
        self._grow = functools.partial(GrowingChoice, **given, marks=marks)
        self._needs_end = needs_end
        self._thoughts_in_total = thoughts_in_total
        self._scrub = scrub
        self._sse: SSEDecoder | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._is_stream: bool | None = None  # None until known
        self._in_object = False  # whether only the first line end tells
        self._first = self._grow(index=0)
        self._choices = {0: self._first}
        self._has_first = False  # whether anything of choice 0 has arrived
        self._fields = Fields(repeated=True)
        self._repeated: list[Any] = [None] * len(_REPEATED)
        self._usage: Usage | None = None
        self._id: str | None = None
        self._model: str | None = None
        self._final: Snapshot | None = None  # the snapshot after the end
        self._cut = ""  # an incomplete chunk at the end of the bytes
        self._is_chat = False  # whether the payloads are chat completions
        self._strange: dict[str, Any] | None = None  # the first payload that is none
        self._ready = False  # whether the quick path may be tried
        self._frames = Frames()
        self._metadata: tuple[str | None, ...] | None = None
        self.failure: MsgfluxError | None = None
        self.done = self.has_content = False

    @property
    def is_chat(self) -> bool:
        """Whether the answer is read as a chat completion."""
        return self._reader is None

    @property
    def prefill_found(self) -> bool | None:
        """Whether the answer repeated the prefill, as expected; None if that is not known (yet)."""
        return self._first.content.echo.found

    def feed(self, data: bytes) -> list[Event]:
        """Read bytes and return their events; raises only for what ``bulk`` refuses. ``finish`` raises ``failure``."""
        if self._sse is not None:
            return self._read_items(self._sse.feed(data))
        self._body.append(data)
        self._body_size += len(data)
        if self._is_stream is None:
            self._is_stream = self._is_event_stream(data)
        if self._is_stream:
            self._sse = SSEDecoder()
            return self._read_items(self._sse.feed(b"".join(self._body)))
        if self._body_size > _BODY_LIMIT:
            self._body.clear()
            self.failure = NotAnApiError(f"expected an event stream, got over {_BODY_LIMIT:,} bytes of another kind.")
        return []

    def close(self) -> list[Event]:
        """Handle the end of the bytes, and return the events that it completes."""
        if self._sse is None:
            body, self._body = b"".join(self._body), []  # not held twice while it is read
            events = self._read_whole(body)
        else:
            events = []
            for item in self._sse.close():
                self._read_payload(item, events, last=True)
        for piece in () if self._reader is None else self._reader.close():
            self._add(piece, events)
        for choice in self._choices.values():
            for piece in choice.rest_of_message():
                self._add(piece, events)
            events += choice.close(streamed=self._sse is not None)
        if self._sse is not None and self._main_choice.index:  # stream events are for choice 0 by default
            events.append(TextDelta(str(self._main_choice.text)))
        if self._strange is not None and not self._is_chat and self.failure is None:
            self.failure = failure_of_body(json_text(self._strange).encode(), scrub=self._scrub)
        return events

    def finish(self) -> Snapshot:
        """Return the complete answer.

        Raises:
            MsgfluxError: the provider reported an error inside the answer; the error has the ``snapshot``.
            StreamInterruptedError: the bytes ended before the answer did; the error has the ``snapshot``.
        """
        if self.failure is not None:
            self.failure.snapshot = self.snapshot
            raise self.failure
        spoken = self._main_choice
        if spoken.finished is None and not self.done and (self._needs_end or not self.has_content):
            end = "neither a finish_reason nor [DONE]" if self._reader is None else f"no {self._reader.end}"
            cut = f" The last chunk is only a part: {self._scrub(self._cut[:4_000])[:120]!r}." if self._cut else ""
            raise StreamInterruptedError(
                f"the stream ended before the answer did: {end} came.{cut} What arrived is in .snapshot; the "
                "connection may have been cut.",
                snapshot=self.snapshot,
            )
        if spoken.finished is None:
            spoken.finished = Finished("unknown", "")
        self._final = self.snapshot
        return self._final

    def continued(self, reader: WireReader | None, scrub: Scrub) -> Accumulator:
        """Return an accumulator for the next answer, which continues this one after its server has paused it."""
        after = copy.copy(self)
        after._choices, after._fields = copy.deepcopy((self._choices, self._fields))
        after._first = after._choices[0]
        for choice in after._choices.values():
            choice.finished = None
        after._reader, after._sse, after._is_stream, after._final, after._usage = reader, None, None, None, None
        after._body, after._body_size, after._cut, after._frames = [], 0, "", Frames()
        after._scrub, after.done, after.has_content = scrub, False, False
        return after

    @property
    def snapshot(self) -> Snapshot:
        """The answer so far."""
        if self._final is not None:  # it is read often, and no longer changes
            return self._final
        return Snapshot(
            choices=tuple(choice.choice for choice in self._visible_choices),
            usage=self._usage,
            id=self._id,
            model=self._model,
            fields=self._fields.read(),
            warnings=tuple(dict.fromkeys(said for choice in self._visible_choices for said in choice.warnings)),
        )

    @property
    def tool_calls(self) -> ToolCallAggregator:
        """The tool calls of choice 0, or of the first choice that has some."""
        return next((choice.calls for choice in self._visible_choices if len(choice.calls)), self._main_choice.calls)

    @property
    def _visible_choices(self) -> list[GrowingChoice]:
        """The choices in order, without an empty choice 0 if the server counts from 1."""
        indices = sorted(self._choices)
        return [self._choices[index] for index in indices if index or self._has_first or len(indices) == 1]

    @property
    def _main_choice(self) -> GrowingChoice:
        """The choice whose text is the answer's text."""
        return self._visible_choices[0]

    def _is_event_stream(self, data: bytes) -> bool | None:
        """Whether the bytes are an event stream; None while unknown. Leading white space is ignored."""
        if self._in_object and b"\n" not in data and b"\r" not in data:
            return None
        start = b"".join(self._body)
        if _BOM.startswith(start):
            return None
        start = start.removeprefix(_BOM).lstrip()
        self._body = [start]
        self._in_object = start[:1] == b"{"
        return is_stream(start)

    def _read_items(self, received: list[bytes | ServerEvent]) -> list[Event]:
        events: list[Event] = []
        for item in received:
            quick = self._quick_on_wire if self._reader else self._quick  # a first event may change the reader
            if not (self._ready and quick(item, events)):
                self._read_payload(item, events)
        return events

    def _quick_on_wire(self, item: bytes | ServerEvent, events: list[Event]) -> bool:
        """Read an event that only continues a text; return False for any other event."""
        assert self._reader is not None
        found = self._reader.quick(item if type(item) is bytes else item.data)  # type: ignore[union-attr]
        if found is not None:
            self._add_text(*found, events)
        return found is not None

    def _quick(self, payload: bytes | ServerEvent, events: list[Event]) -> bool:
        """Read a chunk that only adds one piece to choice 0; return False for any other chunk."""
        if type(payload) is not bytes:
            return False
        for head, behind, tail, channel, index in self._frames.known:
            if payload.startswith(head) and payload.endswith(tail):
                stop = payload.rfind(behind) if behind else len(payload) - len(tail)
                if behind and (stop < 0 or not payload[stop + len(behind) : -len(tail)].isalnum()):
                    break
                try:
                    text = decode_text(payload[len(head) : stop])
                except ValueError:
                    break
                self._frames.used = True
                if text:
                    self._add_text(channel, index, text, events)
                return True
        try:
            chunk = decode_quick(payload)
        except (ValueError, RecursionError):
            return False
        metadata = (chunk.system_fingerprint, chunk.service_tier, chunk.provider, chunk.id, chunk.model)
        if (
            len(chunk.choices) != 1
            or chunk.choices[0].index != 0
            or (metadata != self._metadata and self._has_news(metadata))
        ):
            return False
        self._metadata = metadata
        return self._quick_delta(chunk.choices[0].delta, payload, events)

    def _quick_delta(self, delta: QuickDelta, payload: bytes, events: list[Event]) -> bool:
        calls = delta.tool_calls
        if calls and len(calls) > 1:
            return False
        if delta.reasoning_content:
            self._add_text("reasoning_content", None, delta.reasoning_content, events)
        if delta.content:
            self._add_text("content", None, delta.content, events)
        if calls:
            self._add_call(calls[0], events)
        if self._frames.tries:
            self._learn(payload, delta)
        return True

    def _add_text(self, channel: str, index: int | None, text: str, events: list[Event]) -> None:
        first = self._first
        if channel == "content":
            if first.content.passed and "<" not in text and "[" not in text:  # where a mark may begin
                first.text.add(text)
                events.append(TextDelta(text))
            else:
                events += first.add_content(text)
        elif channel == "arguments":
            lane = first.calls.process(index, None, None, text)
            events.append(event_types.ToolCallDelta(lane, None, None, text))
        else:
            first.reasoning.add(text)
            events.append(ReasoningDelta(text))

    def _add_call(self, call: QuickCall, events: list[Event]) -> None:
        name, arguments = call.function.name or None, call.function.arguments
        if arguments or name or call.id:
            lane = self._first.add_call(call.index, call.id, name, arguments)
            events.append(event_types.ToolCallDelta(lane, call.id or None, name, arguments))

    def _learn(self, payload: bytes, delta: QuickDelta) -> None:
        call = delta.tool_calls[0] if delta.tool_calls else None
        arguments = call.function.arguments if call is not None and not call.id and not call.function.name else None
        texts = {"content": delta.content, "reasoning_content": delta.reasoning_content, "arguments": arguments}
        found = [(channel, text) for channel, text in texts.items() if text]
        if len(found) == 1 and (call is None or arguments):
            self._frames.learn(payload, found[0][0], call.index if call is not None else None, found[0][1])

    def _has_news(self, metadata: tuple[str | None, ...]) -> bool:
        """Whether a chunk's metadata differs from that of earlier chunks."""
        *repeated, id_, model = metadata
        changed = any(new and new != known for new, known in zip(repeated, self._repeated, strict=True))
        return changed or bool(id_ and not self._id) or bool(model and not self._model)

    def _read_payload(self, item: bytes | ServerEvent, events: list[Event], *, last: bool = False) -> None:
        """Read the data of one event; the last event may be incomplete."""
        name, data = (item.name.lower(), item.data) if isinstance(item, ServerEvent) else ("", item)
        if name in _PINGS:
            return
        self.done = self.done or name in _ENDS
        values, rest = json_values(data)
        if rest and name == "error":
            values, rest = [data.decode("utf-8", "replace")], ""
        for value in values:
            typed = value if self._reader is None else with_type(value, item)
            self._read_value(typed, events, named=name == "error")
        if rest and not _HEARTBEAT.fullmatch(data.decode("utf-8", "replace").strip()):
            self._read_invalid(rest, last)
        self._ready = self.has_content and self._has_first and self.failure is None and not self._first.is_waiting

    def _read_invalid(self, text: str, last: bool) -> None:
        if text.strip() == "DONE":
            self.done = True
        elif last and text[0] in "{[":
            self._cut = text
        else:
            self.failure = self.failure or failure_in_stream(text, scrub=self._scrub)

    def _read_whole(self, body: bytes) -> list[Event]:
        """Read an answer in one piece, or a stream whose beginning did not look like one."""
        events: list[Event] = []
        values, rest = json_values(body)
        answered = False
        if len(values) == 1 and not rest:
            self._read_value(values[0], events, whole=True)
            self.done = self.failure is None  # complete, even if it does not say why it ended
            choices = values[0].get("choices") if isinstance(values[0], dict) else values[0]
            answered = isinstance(choices, list | dict) if self._reader is None else self._reader.recognised
        elif (b'"choices"' if self._reader is None else b'"type"') in body:
            answered = True
            decoder = SSEDecoder()
            events = self._read_items(decoder.feed(body))
            for item in decoder.close():
                self._read_payload(item, events, last=True)
        if not answered and self.failure is None:
            expected = "a chat completion" if self._reader is None else self._reader.answer
            self.failure = failure_of_body(body, expected=expected, scrub=self._scrub)
        return events

    def _read_value(self, value: Any, events: list[Event], *, named: bool = False, whole: bool = False) -> None:
        """Read one chunk or a whole answer."""
        if value == "[DONE]":
            self.done = True
            return
        if isinstance(value, list) and not named and all(isinstance(one, dict) and "choices" in one for one in value):
            for one in value:
                self._read_value(one, events)
            return
        failed = self.failure is not None
        try:
            self.failure = self.failure or error_in(value, named=named, scrub=self._scrub)
            if self._reader is not None and self.failure is None and isinstance(value, dict):
                self.failure = error_in(value.get("response"), scrub=self._scrub)
            if isinstance(value, dict):  # the usage may come with an error, or after it
                if self._reader is not None and not self._reader.recognised and isinstance(value.get("choices"), list):
                    self._reader = None  # the gateway answers on another wire
                self._note_kind(value)
                chat = self._reader is None
                self._apply({"usage": value.get("usage")} if failed and chat else value, events, whole)
        except RecursionError:
            self.failure = self.failure or ServerError("a chunk of the stream is nested too deeply to be read.")

    def _note_kind(self, payload: dict[str, Any]) -> None:
        """Note whether the payload is a chat completion: Cloudflare and Anthropic also stream in other forms."""
        self._is_chat = self._is_chat or "choices" in payload or "chat.completion" in str(payload.get("object"))
        self._is_chat = self._is_chat or self._reader is not None
        if self._strange is None and not payload.keys() <= _NO_ANSWER:
            self._strange = payload

    def _apply(self, payload: dict[str, Any], events: list[Event], whole: bool) -> None:
        reader = self._reader
        if reader is None:
            pieces = pieces_of(payload, whole=whole, thoughts_in_total=self._thoughts_in_total)
        else:
            pieces = reader.read(payload, whole=whole)
        for piece in pieces:
            self._add(piece, events)
        self.done = self.done or (reader is not None and reader.done)

    def _add_message(self, found: MessageSoFar, events: list[Event]) -> None:
        for piece in self._choice(found.choice).add_message(found.message, with_delta=found.with_delta):
            self._add(piece, events)

    def _add(self, piece: Piece, events: list[Event]) -> None:
        """Add one piece to the answer, and the events that it makes to ``events``."""
        event: Event | None = None
        match piece:
            case Identified(id=id_, model=model, latest=True):
                self._id, self._model = id_ or self._id, model or self._model
            case Identified(id=id_, model=model):
                self._id, self._model = self._id or id_, self._model or model
            case UsageReported(usage=usage):
                self._usage = usage if self._usage is None else self._usage.updated(usage, self._thoughts_in_total)
                event = piece
            case AnswerFields(choice=index) if index and self._has_first:
                event = self._choice(index).add(piece)
            case AnswerFields(fields=fields):
                event = self._new_fields(fields)
            case MessageSoFar():
                self._add_message(piece, events)
            case TextDelta():
                said = self._choice(piece.choice).add_content(piece.text)
                self.has_content = self.has_content or bool(said)
                events += said
            case _:
                event = self._choice(piece.choice).add(piece)
                self.has_content = self.has_content or (event is not None and isinstance(piece, CONTENT))
                if isinstance(piece, Finished) and piece.reason == "error" and self.failure is None:
                    self.failure = ServerError(f"the provider ended the answer early: finish_reason {piece.raw!r}.")
        if event is not None:
            events.append(event)

    def _new_fields(self, fields: dict[str, Any]) -> AnswerFields | None:
        new = self._fields.add(fields)
        repeated = [new.get(name, known) for name, known in zip(_REPEATED, self._repeated, strict=True)]
        if repeated != self._repeated:
            self._repeated, self._frames, self._metadata = repeated, Frames(), None
        return AnswerFields(new) if new else None

    def _choice(self, index: int) -> GrowingChoice:
        self._has_first = self._has_first or index == 0
        if index not in self._choices:
            check_count("choices", len(self._choices))
            self._choices[index] = self._grow(index=index)
        return self._choices[index]
