"""The loopback server's answers as events of OpenAI's Responses and Anthropic's Messages wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["events_on"]

Event = dict[str, Any]
_RESPONSE = {"id": "resp_68a0f1c2d3e4f5a6b7c8d9e0", "object": "response", "model": "gpt-5-2025-08-07", "output": []}
_MESSAGE = {"id": "msg_01AbCdEfGhIjKlMnOpQrStUv", "type": "message", "role": "assistant", "model": "claude-opus-5"}


def events_on(wire: str, names: tuple[str, ...], pieces: list[str], part: Callable[[int], str]) -> list[Event]:
    """Return the events of an answer: a text, or calls of the tools in ``names``.

    Args:
        wire: ``responses`` or ``messages``.
        names: the names of the called tools; empty for a text.
        pieces: the pieces of the text.
        part: returns the fragment of arguments at an index; those of one call are three apart.
    """
    events = list((_response if wire == "responses" else _message)(names, pieces, part))
    numbered = enumerate(events)
    return [{**event, "sequence_number": number} for number, event in numbered] if wire == "responses" else events


def _response(names: tuple[str, ...], pieces: list[str], part: Callable[[int], str]) -> Iterator[Event]:
    yield {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}}
    items: list[Event] = []
    if names:
        items = [
            {"id": f"fc_{n}", "type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": ""}
            for n, name in enumerate(names)
        ]
        for n, item in enumerate(items):
            yield {"type": "response.output_item.added", "output_index": n, "item": item}
        for place in range(len(pieces)):
            at = {"output_index": place % 3, "item_id": f"fc_{place % 3}"}
            yield {"type": "response.function_call_arguments.delta", **at, "delta": part(place)}
        for n, item in enumerate(items):
            item = items[n] = {**item, "arguments": "".join(map(part, range(n, len(pieces), 3)))}
            yield {"type": "response.output_item.done", "output_index": n, "item": item}
    else:
        at = {"output_index": 0, "item_id": "msg_68a0f1c2d3e4f5a6b7c8d9e0", "content_index": 0}
        yield {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}}
        for piece in pieces:
            yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
        text = "".join(pieces)
        yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
        items = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
        yield {"type": "response.output_item.done", "output_index": 0, "item": items[0]}
    usage = {"input_tokens": 58, "output_tokens": len(pieces), "total_tokens": len(pieces) + 58}
    whole = {**_RESPONSE, "status": "completed", "output": items, "usage": usage}
    yield {"type": "response.completed", "response": whole}


def _message(names: tuple[str, ...], pieces: list[str], part: Callable[[int], str]) -> Iterator[Event]:
    usage = {"input_tokens": 58, "output_tokens": 1}
    yield {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None, "usage": usage}}
    for n, name in enumerate(names):  # this wire sends one call after the other
        block = {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": {}}
        yield {"type": "content_block_start", "index": n, "content_block": block}
        for place in range(n, len(pieces), 3):
            delta = {"type": "input_json_delta", "partial_json": part(place)}
            yield {"type": "content_block_delta", "index": n, "delta": delta}
        yield {"type": "content_block_stop", "index": n}
    if not names:
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for piece in pieces:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop", "index": 0}
    reason = "tool_use" if names else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": len(pieces)}}
    yield {"type": "message_stop"}
