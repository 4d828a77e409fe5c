"""Tool calls of real providers: recorded exchanges, found at MSGFLUX_WIRE, read as their ``expected`` says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from msgflux_nb.protocol.sse import SSEDecoder
from msgflux_nb.protocol.tool_calls import ToolCallAggregator

FOLDER = Path(os.environ.get("MSGFLUX_WIRE") or Path(__file__).parents[3] / "shared" / "wire")
RECORDED = FOLDER / "exchanges.jsonl"


def exchanges() -> list[Any]:
    if not RECORDED.exists():
        why = "no recorded exchanges here; MSGFLUX_WIRE names their folder"
        return [pytest.param(None, id="none", marks=pytest.mark.skip(reason=why))]
    found = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    calling = [one for one in found if any(c.get("tool_calls") for c in one["expected"].get("choices") or ())]
    return [pytest.param(one, id=one["id"]) for one in calling]


def payloads(body: bytes, size: int) -> list[Any]:
    if body.lstrip()[:1] == b"{":
        return [json.loads(body)]
    decoder = SSEDecoder()
    events = [event for at in range(0, len(body), size) for event in decoder.feed(body[at : at + size])]
    return [json.loads(event.data) for event in events + decoder.close() if event.data != b"[DONE]"]


def fed(chunks: list[Any]) -> ToolCallAggregator:
    aggregator = ToolCallAggregator(streaming=True)
    for choice in (choice for chunk in chunks for choice in chunk.get("choices") or ()):
        message = choice["delta"] if isinstance(choice.get("delta"), dict) else choice.get("message") or {}
        number = choice.get("index") or 0
        for call in message.get("tool_calls") or ():
            custom = call.get("type") == "custom"
            body = call.get("custom" if custom else "function") or {}
            arguments = body.get("input" if custom else "arguments")
            kind = "custom" if custom else "function"
            aggregator.process(call.get("index"), call.get("id"), body.get("name"), arguments, choice=number, kind=kind)
        legacy = message.get("function_call")
        if legacy:
            aggregator.process(None, None, legacy["name"], legacy["arguments"], choice=number, kind="function_call")
    aggregator.finish()
    return aggregator


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("exchange", exchanges())
def test_recorded_tool_calls_read_as_expected(exchange: dict[str, Any], size: int) -> None:
    expected = [call for choice in exchange["expected"]["choices"] for call in choice["tool_calls"]]
    states = fed(payloads(exchange["body"].encode(), size)).states
    assert [state.name for state in states] == [call["name"] for call in expected]
    for state, call in zip(states, expected, strict=True):
        assert call["id"] in (None, state.id)
        if call.get("args_valid_json", True):
            # null are the arguments of a function without parameters: an object without members.
            assert (state.status, state.partial) == ("complete", {} if call["args"] is None else call["args"])
        elif state.partial == {"input": call.get("args_raw")}:
            assert state.status == "complete"  # a custom tool's text is none of our business
        else:
            assert state.status == "invalid"
