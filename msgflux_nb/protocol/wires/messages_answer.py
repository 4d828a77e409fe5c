"""Reads answers on Anthropic's Messages wire: splits a stream's payload or a whole message into pieces.

A message is a list of content blocks: text, thinking, calls of the caller's tools, and results of server tools. A
stream starts a block, sends it in pieces and stops it; ``message_delta`` has the stop reason and the usage. A block, or
even the whole message, may be complete in its start event.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming, and recorded exchanges.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import structs

from ..chunks import Piece, ToolFragment
from ..events import (
    AnnotationDelta,
    AnswerFields,
    Finished,
    FinishReason,
    Identified,
    ProviderFields,
    ReasoningDelta,
    TextDelta,
    UsageReported,
    finish_reason,
)
from ..json_values import arguments_in, dicts_in, text_in, whole_number
from ..sse import joined
from ..turns import BLOCKS
from ..usage import Usage, usage_of
from .wire_reader import QuickPiece

__all__ = ["MessagesReader", "messages_usage"]

_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_PARAGRAPH = "\n\n"
_FIELDS = ("stop_sequence", "stop_details", "container", "context_management")


class _Piece(msgspec.Struct, gc=False):
    type: str
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Delta(msgspec.Struct, gc=False):
    """A payload that only continues a text."""

    type: Literal["content_block_delta"]
    index: int
    delta: _Piece
    error: None = None


_decode = msgspec.json.Decoder(_Delta).decode


class MessagesReader:
    """Reads one answer: feed it the payloads in order.

    Args:
        continues: whether the answer continues one that was paused.

    Attributes:
        done: whether the answer has announced its end.
        recognised: whether any payload of this wire has come.
        end: the event that ends a stream, for the error if it is missing.
        answer: what a whole answer is called, for the error if something else comes.
    """

    end = "message_stop"
    answer = "a message"

    def __init__(self, *, continues: bool = False) -> None:
        self.done = False
        self.recognised = False
        self._blocks: list[dict[str, Any]] = []
        self._open: dict[int, dict[str, Any]] = {}  # growing blocks, by index
        self._pieces: dict[tuple[int, str], list[str]] = {}  # the texts of open blocks, by index and field
        self._inputs: dict[int, list[str]] = {}  # the JSON text of a call's input, by index
        self._given: dict[int, Any] = {}  # inputs that were complete in the start event, by index
        self._lanes: dict[int, int] = {}  # the number of the call that an open block is
        self._calls = 0
        self._reasoned = continues  # whether the next thought begins a paragraph
        self._usage: dict[str, Any] = {}
        self._ended = False

    def read(self, payload: dict[str, Any], *, whole: bool = False) -> Iterator[Piece]:
        """Yield the pieces that a payload adds to the answer."""
        index = whole_number(payload.get("index")) or 0
        match payload.get("type"):
            case "message":
                self.recognised = True
                yield from self._message(payload, whole=True)
            case "message_start":
                self.recognised = True
                message = payload.get("message")
                if isinstance(message, dict) and not self._blocks and not self._open:
                    yield from self._message(message, whole=bool(message.get("content")))
            case "content_block_start":
                yield from self._start(index, payload.get("content_block"))
            case "content_block_delta":
                yield from self._delta(index, payload.get("delta"))
            case "content_block_stop":
                yield from self._stop(index)
            case "message_delta":
                delta = payload.get("delta")
                yield from self._ends({**payload, **delta} if isinstance(delta, dict) else payload)
            case "message_stop":
                self.done = True
                yield from self.close()
            case None if whole and "content" in payload:
                self.recognised = True
                yield from self._message(payload, whole=True)

    def quick(self, payload: bytes) -> QuickPiece | None:
        """Read a payload that only continues a text, and return its piece; return None for any other payload."""
        try:
            event = _decode(payload)
        except (ValueError, RecursionError):
            return None
        index, delta = event.index, event.delta
        match delta.type:
            case "text_delta":
                text, pieces = delta.text, self._pieces.get((index, "text"))
            case "thinking_delta":
                text, pieces = delta.thinking, self._pieces.get((index, "thinking"))
            case "input_json_delta" if index in self._lanes:
                text, pieces = delta.partial_json, self._inputs.get(index)
            case _:
                return None
        if not text or not pieces:
            return None
        pieces.append(text)
        if delta.type == "input_json_delta":
            return "arguments", self._lanes[index], text
        return ("content" if delta.type == "text_delta" else "reasoning"), None, text

    # -- blocks ---------------------------------------------------------------------------------------------------

    def _message(self, message: dict[str, Any], *, whole: bool) -> Iterator[Piece]:
        if message.get("id") or message.get("model"):
            yield Identified(id=text_in(message.get("id")), model=text_in(message.get("model")))
        if whole:
            content = message.get("content")
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else dicts_in(content)
            for index, block in enumerate(blocks):
                yield from self._start(index, block)
                yield from self._stop(index)
        yield from self._ends(message)

    def _start(self, index: int, block: Any) -> Iterator[Piece]:
        if self.done or not isinstance(block, dict):
            return
        if index in self._open:  # some servers reuse indices without stopping blocks
            yield from self._stop(index)
        self._open[index] = grown = dict(block)
        self._blocks.append(grown)
        kind = block.get("type")
        if kind == "text":
            yield from self._text_pieces(block.get("text"))
            for citation in dicts_in(block.get("citations")):
                yield AnnotationDelta(citation)
        elif kind == "thinking":
            yield from self._reasoning_pieces(block.get("thinking"), begins=True)
        elif kind == "tool_use":
            lane = self._lanes[index] = self._calls
            self._calls += 1
            if block.get("input"):
                self._given[index] = block["input"]
            extra = {"caller": block["caller"]} if _is_of_another(block.get("caller")) else None
            yield ToolFragment(lane, text_in(block.get("id")), text_in(block.get("name")), None, "function", extra)
        elif kind == "fallback":
            to = block.get("to")
            model = text_in(block.get("model")) or (text_in(to.get("model")) if isinstance(to, dict) else None)
            if model is not None:
                yield Identified(id=None, model=model, latest=True)

    def _delta(self, index: int, delta: Any) -> Iterator[Piece]:
        if self.done or not isinstance(delta, dict):
            return
        block, kind = self._open.get(index), str(delta.get("type"))
        if block is None:
            block = self._open[index] = {"type": "thinking" if "thinking" in kind else "text"}
            self._blocks.append(block)
        if kind in _TEXTS:
            name = _TEXTS[kind]
            piece = delta.get(name)
            if isinstance(piece, str) and piece:
                pieces = self._pieces.setdefault((index, name), [])
                first = not pieces and not block.get(name)
                pieces.append(piece)
                if kind == "text_delta":
                    yield from self._text_pieces(piece)
                elif kind == "thinking_delta":
                    yield from self._reasoning_pieces(piece, begins=first)
        elif kind == "input_json_delta":
            yield from self._arguments_pieces(index, delta.get("partial_json"))
        elif kind == "citations_delta" and isinstance(delta.get("citation"), dict):
            block["citations"] = [*dicts_in(block.get("citations")), delta["citation"]]
            yield AnnotationDelta(delta["citation"])
        elif kind == "compaction_delta":
            block |= {name: delta[name] for name in ("content", "encrypted_content") if delta.get(name) is not None}

    def _arguments_pieces(self, index: int, piece: Any) -> Iterator[Piece]:
        if not isinstance(piece, str) or not piece:
            return
        self._inputs.setdefault(index, []).append(piece)
        self._given.pop(index, None)  # the input is sent again, in pieces
        if index in self._lanes:
            yield ToolFragment(self._lanes[index], None, None, piece)

    def _stop(self, index: int) -> Iterator[Piece]:
        """Close a block; its input is parsed, so that the block can be sent back."""
        block, pieces = self._open.pop(index, None), self._inputs.pop(index, None)
        lane, given = self._lanes.pop(index, None), self._given.pop(index, None)
        if lane is not None and given is not None:
            yield ToolFragment(lane, None, None, given)
        for name in _TEXTS.values() if block is not None else ():
            texts = self._pieces.pop((index, name), None)
            if texts is not None and block is not None:
                block[name] = joined("".join([text_in(block.get(name)) or "", *texts]))
        if block is not None and pieces:
            try:
                block["input"] = json.loads(joined("".join(pieces)))
            except (ValueError, RecursionError):
                block["input"] = {}  # cut off by max_tokens: the call must not run, and is sent back without arguments
        if lane is not None and block is not None and not isinstance(block.get("input"), dict):
            block["input"] = arguments_in(block.get("input"))

    def _text_pieces(self, text: Any) -> Iterator[Piece]:
        if isinstance(text, str) and text:
            yield TextDelta(text)

    def _reasoning_pieces(self, text: Any, *, begins: bool) -> Iterator[Piece]:
        if isinstance(text, str) and text:
            yield ReasoningDelta(_PARAGRAPH + text if begins and self._reasoned else text)
            self._reasoned = True

    # -- the end --------------------------------------------------------------------------------------------------

    def _ends(self, fields: dict[str, Any]) -> Iterator[Piece]:
        usage = fields.get("usage")
        if isinstance(usage, dict) and usage:
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            yield UsageReported(messages_usage(self._usage))
        known = {name: fields[name] for name in _FIELDS if fields.get(name)}
        if isinstance(usage, dict) and usage.get("service_tier"):
            known["service_tier"] = usage["service_tier"]
        if known:
            yield AnswerFields(known)
        raw = fields.get("stop_reason")
        if isinstance(raw, str) and raw and not self._ended:
            self._ended = True
            yield Finished(_reason(raw), raw)

    def close(self) -> Iterator[Piece]:
        """Yield what is left at the end: the blocks, to be sent back in the next turn."""
        for index in [*self._open]:
            yield from self._stop(index)
        if self._blocks:
            yield ProviderFields({BLOCKS: self._blocks})
            self._blocks = []


def messages_usage(fields: dict[str, Any]) -> Usage:
    """Read the billed tokens. Unlike ``input_tokens``, our count includes tokens written to and read from the cache."""
    usage = usage_of({"cache_read_input_tokens": 0, **fields})
    prompt, said, details = usage.prompt_tokens, usage.completion_tokens, fields.get("output_tokens_details")
    # Steps of the answer are listed; the sums leave out a summary, an advisor and a model that declined.
    steps = sum(map(_tokens_of, dicts_in(fields.get("iterations"))))
    return structs.replace(
        usage,
        fees=usage.fees or steps > (prompt or 0) + (said or 0),
        total_tokens=None if prompt is None or said is None else prompt + said,
        cached=usage.cached if fields.get("cache_read_input_tokens") is not None else None,
        reasoning=whole_number(details.get("thinking_tokens")) if isinstance(details, dict) else None,
    )


_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _tokens_of(step: dict[str, Any]) -> int:
    return sum(whole_number(step.get(name)) or 0 for name in _COUNTS)


def _reason(raw: str) -> FinishReason:
    return "unknown" if raw == "pause_turn" else finish_reason(raw)


def _is_of_another(caller: Any) -> bool:
    """Whether a call was made by code that a server tool runs, instead of by the model."""
    return isinstance(caller, dict) and caller.get("type") not in (None, "direct")
