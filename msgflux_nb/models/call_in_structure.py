"""A forced call that was asked for as a structure, read from the answer's text; pure."""

from __future__ import annotations

from ..generation.decode import decode_json
from ..protocol.tool_calls import ToolCallAggregator

__all__ = ["call_in_structure"]


def call_in_structure(text: str) -> ToolCallAggregator | None:
    """Return the call that an answer's text holds, or None where it holds none."""
    try:
        found = decode_json(text)
    except ValueError:
        return None
    call = found.get("call", found) if isinstance(found, dict) else {}
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None
    aggregator = ToolCallAggregator()
    aggregator.process(0, None, call["name"], call.get("arguments") or {})
    return aggregator
