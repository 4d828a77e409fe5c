"""Reads answers on OpenAI's Responses wire: splits a stream's payload or a whole response into pieces.

A response is a list of output items: reasoning, messages, calls, and results of built-in tools. A stream adds items,
sends their texts in pieces, and repeats each part, each item and the whole response when it is complete. Servers leave
some of these out: LM Studio sends no argument deltas, ChatGPT's Codex backend ends with an empty list of items, and
GitHub Copilot changes ids in each event. So everything is keyed by ``output_index``, and each repetition only adds what
no earlier event has sent.

Source: https://platform.openai.com/docs/api-reference/responses-streaming, and recorded exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ..chunks import Piece, ToolFragment
from ..events import (
    AnswerFields,
    Finished,
    FinishReason,
    Identified,
    ImageDelta,
    ProviderFields,
    ToolKind,
    UsageReported,
)
from ..json_values import dicts_in, text_in, whole_number
from ..turns import ITEMS
from ..usage import usage_of
from .responses_items import places_of, texts_of
from .responses_texts import ResponsesTexts
from .wire_reader import QuickPiece

__all__ = ["ResponsesReader"]

_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OVER = ("completed", "complete", "incomplete", "failed", "cancelled", "canceled")
_ENDS = {**{f"response.{status}": status for status in _OVER}, "response.done": "completed"}
"""Events that end a stream, with the answer's status if it does not say it itself."""
_SILENT = frozenset(
    {
        *("response.created", "response.in_progress", "response.queued", "keepalive", "ping"),
        *("response.content_part.added", "response.reasoning_summary_part.added", "response.reasoning_part.added"),
        *("response.reasoning_summary_part.done", "response.reasoning_part.done", "error"),
    }
)
_TEXTS = {
    "output_text.delta": ("text", "delta"),
    "output_text.done": ("text", "text"),
    "refusal.delta": ("refusal", "delta"),
    "refusal.done": ("refusal", "refusal"),
    "reasoning_summary_text.delta": ("summary", "delta"),
    "reasoning_summary_text.done": ("summary", "text"),
    "reasoning_text.delta": ("reasoning", "delta"),
    "reasoning_text.done": ("reasoning", "text"),
    "function_call_arguments.delta": ("arguments", "delta"),
    "function_call_arguments.done": ("arguments", "arguments"),
    "custom_tool_call_input.delta": ("arguments", "delta"),
    "custom_tool_call_input.done": ("arguments", "input"),
}
"""Events with text: the kind of the text, and its field."""
_OF_PARTS = frozenset(
    {
        *("content_part.added", "content_part.done", "output_text.delta", "output_text.done"),
        *("refusal.delta", "refusal.done"),
    }
)
"""Events about a message's parts."""
_COUNTED = frozenset(
    {
        *("content_part.added", "content_part.done", "output_text.delta", "output_text.done", "reasoning_part.added"),
        *("reasoning_part.done", "reasoning_text.delta", "reasoning_text.done"),
    }
)
"""Events with a content_index."""
_INCOMPLETE: dict[str, FinishReason] = {
    "content_filter": "content_filter",
    **dict.fromkeys(("max_output_tokens", "max_tokens", "length"), "length"),
}
_TEXT_PARTS = ("output_text", "text", None)
_PENDING = ("queued", "in_progress")


class _Delta(msgspec.Struct, gc=False):
    """A payload that only continues a text."""

    type: str
    delta: str
    output_index: int
    content_index: int = 0
    summary_index: int = 0
    logprobs: tuple[()] | None = None
    error: None = None
    response: None = None


_decode = msgspec.json.Decoder(_Delta).decode
_QUICK: dict[str, tuple[str, Literal["content", "reasoning", "arguments"]]] = {
    "response.output_text.delta": ("text", "content"),
    "response.function_call_arguments.delta": ("arguments", "arguments"),
    "response.reasoning_summary_text.delta": ("summary", "reasoning"),
    "response.reasoning_text.delta": ("reasoning", "reasoning"),
}


class ResponsesReader:
    """Reads one answer: feed it the payloads in order.

    Attributes:
        done: whether the answer has announced its end.
        recognised: whether any payload of this wire has come.
        end: the event that ends a stream, for the error if it is missing.
        answer: what a whole answer is called, for the error if something else comes.
    """

    end = "response.completed"
    answer = "a response"

    def __init__(self) -> None:
        self.done = False
        self.recognised = False
        self._items: dict[int, dict[str, Any]] = {}  # complete items, by output_index
        self._places: dict[str, int] = {}  # output_index, by the id of the added item
        self._added: dict[str, int | None] = {}  # output_index, by the id of the added item; None if several had it
        self._kinds: dict[int, Any] = {}  # the type of each item
        self._begun: dict[int, str | None] = {}  # the ids of calls whose name was yielded
        self._texts = ResponsesTexts()
        self._calls = 0
        self._over = False  # whether the whole response has come

    def read(self, payload: dict[str, Any], *, whole: bool = False) -> Iterator[Piece]:
        """Yield the pieces that a payload adds to the answer."""
        kind = str(payload.get("type") or "")
        response = payload.get("response")
        if whole or payload.get("object") == "response":
            self.recognised = self.recognised or "output" in payload or payload.get("object") == "response"
            yield from self._end(payload)
        elif kind in _ENDS:
            self.recognised = True
            response = response if isinstance(response, dict) else {}
            status = response.get("status")
            yield from self._end({**response, "status": status if status in _OVER else _ENDS[kind]})
        elif kind.startswith("response.") or kind in _SILENT:
            self.recognised = self.recognised or kind.startswith("response.")
            if isinstance(response, dict):
                yield from _identity(response)
            yield from self._event(kind, payload)

    def quick(self, payload: bytes) -> QuickPiece | None:
        """Read a payload that only continues a text, and return its piece; return None for any other payload."""
        try:
            event = _decode(payload)
        except (ValueError, RecursionError):
            return None
        channel, kind = _QUICK.get(event.type, ("", "content"))
        index = event.output_index
        part = event.summary_index if channel == "summary" else event.content_index if channel != "arguments" else 0
        if self._over or not self._texts.continued((channel, index, part), event.delta):
            return None
        return kind, index if kind == "arguments" else None, event.delta

    def close(self) -> Iterator[Piece]:
        """Yield the items, to be sent back in the next turn, if a stream ends without the whole response."""
        yield from self._texts.held()
        if self._items and not self._over:
            yield ProviderFields({ITEMS: self._kept})

    # -- events of a stream ---------------------------------------------------------------------------------------

    def _event(self, kind: str, payload: dict[str, Any]) -> Iterator[Piece]:
        if self._over:
            return
        index, name = self._index(payload), kind.removeprefix("response.")
        part = self._part_number(index, name, payload)
        if name in _OF_PARTS:
            inner = payload.get("part")
            text = (inner if isinstance(inner, dict) else payload).get("text")
            yield from self._texts.learn_numbers(index, part, text or payload.get("delta"))
        if name in _TEXTS:
            channel, field = _TEXTS[name]
            key = (channel, index, part if channel != "arguments" else 0)
            if name.startswith("custom_tool_call"):
                self._texts.custom.add(index)
            yield from self._texts.new_text(key, payload.get(field), grows=field == "delta")
            if channel == "text":
                yield from self._texts.new_probabilities(key, payload.get("logprobs"), grows=field == "delta")
        elif name in ("output_item.added", "output_item.done"):
            yield from self._item(index, payload.get("item"), complete=name.endswith("done"))
        elif name == "content_part.done":
            yield from self._part(index, part, payload.get("part"))
        elif name == "output_text.annotation.added":
            yield from self._texts.new_annotation(
                (index, part), payload.get("annotation"), payload.get("annotation_index")
            )
        elif kind not in _SILENT and not _is_progress(name):
            yield AnswerFields({"unknown_events": [payload]})

    def _part_number(self, index: int, name: str, payload: dict[str, Any]) -> int:
        part = _number(payload, "content_index", "summary_index")
        if name not in _COUNTED:
            return part
        return self._texts.part_of(index, part, begins=name.endswith("part.added"), grows=name.endswith(".delta"))

    def _index(self, payload: dict[str, Any]) -> int:
        """Return the output_index of an event's item; if the server leaves it out or moves it, find it by its id."""
        index, item = whole_number(payload.get("output_index")), payload.get("item")
        fields = item if isinstance(item, dict) else payload
        name = text_in(fields.get("id")) or text_in(fields.get("item_id")) or ""
        if index is None:
            index = self._places.get(name, len(self._places) if isinstance(item, dict) else 0)
        elif str(payload.get("type")).endswith("output_item.added"):
            self._added[name] = index if self._added.get(name, index) == index else None
        elif index not in self._kinds:  # vLLM counts on before it says that an item is complete
            added = self._added.get(name) if name else None
            index = index if added is None else added
        if isinstance(item, dict) and name:
            self._places.setdefault(name, index)
        return index

    # -- items ----------------------------------------------------------------------------------------------------

    def _item(self, index: int, item: Any, *, complete: bool) -> Iterator[Piece]:
        """Yield what is new in an item; keep a complete item.

        The texts of an item that was just added are held back, since some servers send them again in pieces.
        """
        if not isinstance(item, dict):
            return
        kind = item.get("type")
        if complete:
            self._items[index] = item
        if complete or index not in self._kinds:
            self._kinds[index] = kind
        if isinstance(kind, str) and kind in _CALLS:
            yield from self._call(index, item, kind, complete)
        elif kind == "message" or (kind is None and "content" in item):
            yield from self._message(index, item, complete)
        elif kind == "reasoning" and complete:
            yield from self._reasoning(index, item)
        elif kind == "image_generation_call" and complete and isinstance(item.get("result"), str) and item["result"]:
            yield ImageDelta(f"data:image/{item.get('output_format') or 'png'};base64,{item['result']}")

    def _message(self, index: int, item: dict[str, Any], complete: bool) -> Iterator[Piece]:
        content = item.get("content")
        parts = [{"type": "output_text", "text": content}] if isinstance(content, str) else dicts_in(content)
        first = self._texts.first.get(index, 0)
        if complete:
            texts = [part["text"] if isinstance(part.get("text"), str) else "" for part in parts]
            self._texts.mark_repeated("text", index, texts, first)
        elif parts:
            self._texts.listed.add(index)
        for number, part in enumerate(parts, first):
            if complete:
                yield from self._part(index, number, part)
            elif isinstance(part.get("text"), str) and part.get("type") in _TEXT_PARTS:
                self._texts.ahead["text", index, number] = part["text"]

    def _reasoning(self, index: int, item: dict[str, Any]) -> Iterator[Piece]:
        """Yield the summary; the raw reasoning only if there is no summary."""
        told = self._texts.channels(index)
        summary, content = texts_of(item.get("summary")), texts_of(item.get("content"))
        channel = "summary" if "summary" in told or (any(summary) and "reasoning" not in told) else "reasoning"
        texts = summary if channel == "summary" else content
        self._texts.mark_repeated(channel, index, texts, 0)
        for number, text in enumerate(texts):
            yield from self._texts.new_text((channel, index, number), text)

    def _part(self, index: int, number: int, part: Any) -> Iterator[Piece]:
        if not isinstance(part, dict):
            return
        if part.get("type") == "refusal":
            yield from self._texts.new_text(("refusal", index, number), part.get("refusal"))
        elif part.get("type") in _TEXT_PARTS:
            yield from self._texts.new_text(("text", index, number), part.get("text"))
            yield from self._texts.new_probabilities(("text", index, number), part.get("logprobs"))
            for place, annotation in enumerate(dicts_in(part.get("annotations"))):
                yield from self._texts.new_annotation((index, number), annotation, place)
        elif part.get("type") == "reasoning_text":
            yield from self._texts.new_text(("reasoning", index, number), part.get("text"))

    def _call(self, index: int, item: dict[str, Any], kind: str, complete: bool) -> Iterator[Piece]:
        if index not in self._begun:
            self._calls += 1
            name = self._begun[index] = text_in(item.get("call_id")) or text_in(item.get("id"))
            extra = {key: item[key] for key in ("namespace", "caller") if item.get(key)}
            self._texts.custom |= {index} if kind == "custom_tool_call" else set()
            call_kind: ToolKind = "custom" if index in self._texts.custom else "function"
            yield ToolFragment(index, name, text_in(item.get("name")), None, call_kind, extra or None)
        key, arguments = ("arguments", index, 0), item.get(_CALLS[kind])
        if complete:
            yield from self._texts.new_text(key, arguments)
        elif isinstance(arguments, str) and arguments:
            self._texts.ahead[key] = arguments

    # -- the end --------------------------------------------------------------------------------------------------

    def _end(self, response: dict[str, Any]) -> Iterator[Piece]:
        """Yield what is new in a whole response, and why it ended."""
        if self._over:
            return
        yield from _identity(response)
        output = dicts_in(response.get("output"))
        places = places_of(output, self._items, self._kinds)
        for place, item in zip(places, output, strict=True):
            known = self._items.get(place, {})
            yield from self._item(place, item, complete=place not in self._items)
            if known.get("encrypted_content") and not item.get("encrypted_content"):
                item = {**item, "encrypted_content": known["encrypted_content"]}
            self._items[place] = item
        if self._items and response.get("status") not in _PENDING:
            self._over = True
            yield ProviderFields({ITEMS: self._kept})
        usage = response.get("usage")
        if isinstance(usage, dict) and usage:
            yield UsageReported(usage_of(usage, tier=response.get("service_tier")))
        fields = {name: response[name] for name in ("service_tier", "conversation", "moderation") if response.get(name)}
        if fields:
            yield AnswerFields(fields)
        yield from self._finished(response)

    @property
    def _kept(self) -> list[dict[str, Any]]:
        """The items as received; a call keeps the id that was reported first, since its result refers to that id."""
        kept = [(self._items[place], self._begun.get(place)) for place in sorted(self._items)]
        return [
            {**item, "call_id": name} if name and item.get("call_id") not in (name, None) else item
            for item, name in kept
        ]

    def _finished(self, response: dict[str, Any]) -> Iterator[Piece]:
        status = str(response.get("status") or "")
        details = response.get("incomplete_details")
        reason = text_in(details.get("reason") if isinstance(details, dict) else details) or ""
        if status == "incomplete":
            self.done = True
            yield Finished(_INCOMPLETE.get(reason, "unknown"), reason or status)
        elif status in ("completed", "complete", ""):
            self.done = True
            yield Finished("tool_calls" if self._calls else "stop", status or "completed")
        elif status in ("failed", "cancelled", "canceled"):
            self.done = True
            yield Finished("error", status)
        else:  # a background response that is not ready yet
            yield Finished(None, status)


def _identity(response: dict[str, Any]) -> Iterator[Piece]:
    if response.get("id") or response.get("model"):
        yield Identified(id=text_in(response.get("id")), model=text_in(response.get("model")), latest=True)


def _is_progress(kind: str) -> bool:
    """Whether an event reports the progress of a built-in tool; the complete item has the result."""
    head = kind.partition(".")[0]
    return "_call" in head or head in ("mcp_list_tools", "compaction")


def _number(payload: dict[str, Any], *names: str) -> int:
    return next((number for name in names if (number := whole_number(payload.get(name))) is not None), 0)
