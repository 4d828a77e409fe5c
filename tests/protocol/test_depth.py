"""Tests that JSON that is nested too deep is refused, since servers and our own reader would fail on it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from msgflux_nb.content import depth
from msgflux_nb.content.depth import DEEPEST, is_too_deep
from msgflux_nb.errors import BadRequestError, ValidationFailedError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import wire_schema
from msgflux_nb.models.profiles import PROFILES
from msgflux_nb.protocol.request import build_request
from msgflux_nb.protocol.tool_calls import ToolCallAggregator


def nested(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def call_with(arguments: Any) -> list[dict[str, Any]]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [call]}]


DEEP = 40_000
REQUESTS: dict[str, dict[str, Any]] = {
    "arguments as text": {"messages": call_with('{"a":' + "[" * DEEP + "]" * DEEP + "}")},
    "arguments that were cut": {"messages": call_with('{"a":' * DEEP)},
    "arguments as values": {"messages": call_with({"a": nested(DEEP)})},
    "a custom call": {
        "messages": [
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "[" * DEEP}}],
            }
        ]
    },
    "content": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "own": nested(DEEP)}]}]},
    "a field of a message": {"messages": [{"role": "user", "content": "a", "own": nested(DEEP)}]},
    "a tool's schema": {
        "messages": "a",
        "tool_schemas": [{"type": "function", "function": {"name": "f", "parameters": {"properties": nested(DEEP)}}}],
    },
    "extra_body": {"messages": "a", "extra_body": {"own": nested(DEEP)}},
}


def build(messages: Any, **asked: Any) -> Any:
    return build_request(messages, model="m", profile=PROFILES["local"], options={}, **asked)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_is_too_deep_is_refused(name: str) -> None:
    with pytest.raises(BadRequestError, match=r"nested more than 200 levels deep.*Nothing was sent"):
        build(**REQUESTS[name])


def test_what_an_answer_may_hold_may_be_sent_back() -> None:
    calls = ToolCallAggregator()
    calls.process(0, "c", "f", '{"a":' + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1) + "}")
    calls.finish()
    assert len(calls.get_calls()) == 1
    build([{"role": "user", "content": "a"}, *calls.get_messages(allow_missing=True)])


def test_brackets_in_texts_do_not_count_as_levels() -> None:
    assert not is_too_deep('{"a": "' + "[" * 600 + '"}')
    assert is_too_deep('{"a": "' + "[" * 600 + '", "b": ' + "[" * DEEPEST)
    build(call_with('{"a": "' + "[" * 600 + '"}'))
    build("[" * 5_000)


@pytest.mark.parametrize(
    "text", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, '{"title": [' + "[" * DEEP]
)
def test_an_answer_that_is_too_deep_does_not_fit(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(ValidationFailedError):
        decode_answer(text, wire_schema(dict[str, str]))
    assert time.thread_time() - began < 5


def test_only_the_beginning_of_eight_megabytes_of_objects_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = depth._MARK
    read = 0

    class Counted:
        @staticmethod
        def finditer(text: str) -> Iterator[re.Match[str]]:
            nonlocal read
            for found in marks.finditer(text):
                read += 1
                yield found

    monkeypatch.setattr(depth, "_MARK", Counted)
    assert is_too_deep('{"name":' * 1_000_000)
    assert 0 < read < 1_000
