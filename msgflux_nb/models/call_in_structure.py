"""Reads a forced tool call that was asked for as a structure from the answer's text; pure."""

from __future__ import annotations

from ..generation.decode import decode_json
from ..protocol.tool_calls import ToolCallAggregator

__all__ = ["call_in_structure", "callers_calls"]


def call_in_structure(text: str) -> ToolCallAggregator | None:
    """Return the tool call in an answer's text, or None."""
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


def callers_calls(calls: ToolCallAggregator, structure: str | None) -> ToolCallAggregator | None:
    """Return the calls of the caller's tools, or None if there are none.

    Args:
        calls: all calls of the answer.
        structure: the name of our tool whose arguments are the structure, or None; the caller did not offer this tool.
    """
    others = [state for state in calls.states if state.name != structure] if structure is not None else []
    if not len(calls) or (structure is not None and not others):
        return None
    if structure is None or len(others) == len(calls):
        return calls
    apart = ToolCallAggregator()
    for state in others:
        apart.process(None, state.id, state.name, state.raw, choice=state.choice)
    return apart
