"""The sources of a view of tool calls, and how each kind fills the lanes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ...display.figures import dollars, flagged, numbers, status
from ...models.answer import Answer
from ...models.stream import Arriving
from ...protocol.events import ToolCallDelta, ToolKind
from ...protocol.tool_call import ToolCallState
from ...protocol.tool_calls import ToolCallAggregator
from ...reasoning.tool_loop import ToolRun
from .lane_set import LaneSet

__all__ = ["check_source", "figures", "fill", "tools_of"]


def check_source(source: Any) -> None:
    """Raise a TypeError for a source that a view cannot show."""
    if isinstance(source, str | bytes | dict) or not isinstance(source, Answer | ToolCallAggregator | Iterable):
        raise TypeError(
            "ToolCallView: expected a stream, an answer, a ToolCallAggregator, a result of run_tools or a list of "
            f"fragments, got {type(source).__name__}"
        )


def tools_of(source: Any) -> list[dict[str, Any]]:
    """Return the schemas of the tools in an answer's request; empty if unknown."""
    if not isinstance(source, Answer):
        return []
    body = msgspec.json.decode(source.request.body)
    offered = body.get("tools")
    return [tool for tool in offered if _is_tool(tool)] if isinstance(offered, list) else []


def fill(lanes: LaneSet, source: Any) -> None:
    """Fill the lanes with the calls that a source already has."""
    match source:
        case ToolRun():
            for response in source.responses:
                _fill_step(lanes, response.aggregator)
        case Answer():
            calls = source.aggregator
            if isinstance(source, Arriving) and source.state in ("new", "running"):
                _fill_begun(lanes, [] if calls is None else calls.states)
            else:
                _fill_step(lanes, calls)
        case ToolCallAggregator():
            _fill_begun(lanes, source.states)
            _fill_results(lanes, source)
        case _:
            for fragment in source:
                _fill_fragment(lanes, fragment)


def figures(answer: Any) -> tuple[str, ...]:
    """Return the figures of an answer, or of all answers of a run with tools, in short words."""
    if isinstance(answer, ToolRun):
        steps = len(answer.responses)
        tokens = "– tokens" if answer.usage is None else numbers(answer)["tokens"]
        cost = "– cost" if answer.cost is None else dollars(answer.cost)
        return (f"{steps} step{'' if steps == 1 else 's'}", tokens, cost, *flagged(answer))
    return (*status(answer), *flagged(answer)) if isinstance(answer, Answer) else ()


def _is_tool(tool: Any) -> bool:
    inner = tool.get(tool.get("type", "")) if isinstance(tool, dict) else None
    return isinstance(inner, dict) and isinstance(inner.get("name"), str)


def _fill_step(lanes: LaneSet, calls: ToolCallAggregator | None) -> None:
    """Fill a step with a whole answer, whose calls are one fragment each, since its fragments are lost."""
    if calls is None:
        return
    lanes.next_step()
    lanes.end(calls.states)
    _fill_results(lanes, calls)


def _fill_results(lanes: LaneSet, calls: ToolCallAggregator) -> None:
    contents: dict[str, Any] = {}
    for one in calls.get_messages(allow_missing=True):
        if one["role"] in ("tool", "function"):
            contents.setdefault(one.get("tool_call_id", ""), one["content"])
    broken = {state.id for state in calls.states if state.status == "invalid"}
    for call in calls.get_calls():
        content = contents.get(call.id, contents.get(""))
        if content is not None and call.id not in broken:
            lanes.take_result(lanes.find(call, "result"), content, failed=False)


def _fill_begun(lanes: LaneSet, states: Iterable[ToolCallState]) -> None:
    """Fill lanes with calls that may continue; their text so far is one fragment."""
    for delta in _as_deltas(states):
        lanes.take(delta)


def _as_deltas(states: Iterable[ToolCallState]) -> Iterator[ToolCallDelta]:
    places: dict[int, int] = {}
    for state in states:
        place = places[state.choice] = places.get(state.choice, -1) + 1
        kind: ToolKind = "custom" if state.partial == {"input": state.raw} else "function"
        yield ToolCallDelta(place, state.id, state.name, state.raw, state.choice, kind)


def _fill_fragment(lanes: LaneSet, fragment: Any) -> None:
    if isinstance(fragment, ToolCallDelta):
        lanes.take(fragment)
        return
    try:
        call, milliseconds, id_, name, text = fragment
    except (TypeError, ValueError):
        raise TypeError(
            "ToolCallView: expected fragments as (call, milliseconds, id, name, text) or as ToolCallDelta, got "
            f"{type(fragment).__name__}"
        ) from None
    lanes.take(ToolCallDelta(int(call), id_, name, text), int(milliseconds))
