"""Tests that an answer with millions of values is refused before they become objects; long real answers are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from msgflux_nb.errors import NotAnApiError
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.bulk import check_keys, check_values

LARGE = bytes(500_001)


def test_the_keys_are_counted_before_anything_is_decoded() -> None:
    check_keys(b'"a":' * 1_500_000)
    with pytest.raises(NotAnApiError, match="more than 1,500,000 keys"):
        check_keys(b'"a":' * 1_500_001)
    with pytest.raises(NotAnApiError, match="more than 1,500,000 objects and lists"):
        check_keys(b"{}[]" * 750_001)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"choices": [{"message": {str(n): n for n in range(10_001)}}]}, "10,000 fields in one object"),
        ({"choices": [{}] * 1_025}, "1,024 items in choices"),
        ({"choices": [{"message": {"tool_calls": [{}] * 10_001}}]}, "10,000 items in tool_calls"),
        ({"output": [{}] * 10_001}, "10,000 items in output"),
        ({"content": [{"type": "tool_use"}] * 20_001}, "20,000 parts in content"),
        ({"choices": [{"message": {"annotations": [{}] * 100_001}}]}, "100,000 items in annotations"),
        ([[]] * 100_001, "100,000 items in one list"),
    ],
)
def test_long_lists_and_wide_objects_are_refused_by_name(value: Any, said: str) -> None:
    with pytest.raises(NotAnApiError, match=said):
        check_values(LARGE, value)
    check_values(b"short", value)


def test_the_probabilities_of_a_long_answer_do_not_count_as_parts() -> None:
    check_values(LARGE, {"choices": [{"logprobs": {"content": [{"token": "a", "top_logprobs": [{}] * 20}] * 30_000}}]})


def test_choices_are_counted_over_a_whole_stream() -> None:
    answer = Accumulator()
    for index in range(1_024):
        answer.feed(b'data: {"choices":[{"index":%d,"delta":{"content":"a"}}]}\n\n' % index)
    with pytest.raises(NotAnApiError, match="more than 1,024 choices"):
        answer.feed(b'data: {"choices":[{"index":5000,"delta":{"content":"a"}}]}\n\n')


def test_calls_and_fields_are_counted_over_a_whole_stream() -> None:
    answer = Accumulator()
    call = b'{"index":%d,"id":"c%d","function":{"name":"f","arguments":"{}"}}'
    calls = [call % (index, index) for index in range(10_001)]
    chunk = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[%b]}}]}\n\n'
    for start in range(0, 10_000, 100):
        answer.feed(chunk % b",".join(calls[start : start + 100]))
    with pytest.raises(NotAnApiError, match="more than 10,000 tool_calls"):
        answer.feed(chunk % calls[-1])

    answer = Accumulator()
    delta = b'data: {"choices":[{"index":0,"delta":{%b}}]}\n\n'
    for start in range(0, 10_000, 100):
        answer.feed(delta % b",".join(b'"f%d":1' % field for field in range(start, start + 100)))
    answer.feed(delta % b'"f1":2')
    with pytest.raises(NotAnApiError, match="more than 10,000 fields"):
        answer.feed(delta % b'"f10000":1')


@pytest.mark.parametrize("around", [b"%b", b"data: %b\n\n"])
def test_an_answer_is_refused_where_it_is_read(around: bytes) -> None:
    call = {"id": "c" * 50, "function": {"name": "f", "arguments": "{}"}}
    choices = [{"index": 0, "message": {"content": None, "tool_calls": [call] * 10_001}}]

    def read() -> None:
        answer = Accumulator()
        answer.feed(around % json.dumps({"choices": choices}).encode())
        answer.close()

    with pytest.raises(NotAnApiError, match="10,000 items in tool_calls"):
        read()
