"""A forced call that was asked for as a structure, read from the answer's text; pure."""

from __future__ import annotations

from ..generation.decode import decode_json
from ..protocol.tool_calls import ToolCallAggregator

__all__ = ["call_in_structure", "callers_calls"]


def call_in_structure(text: str) -> ToolCallAggregator | None:
    """Return the call that an answer's text holds, or None if it holds none."""
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
        calls: all that came.
        structure: the tool whose arguments are the structure, which nobody could answer; None if there is none.
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
