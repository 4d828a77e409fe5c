"""Tests that time grows no faster than an answer's length, whatever its content and its pieces."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable

import pytest

from msgflux_nb.errors import MsgfluxError
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.tool_calls import ToolCallAggregator
from tests.thorough import few


def chunk(delta: object, **choice: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, **choice}]}).encode() + b"\n\n"


def tool(index: int, text: str, **call: object) -> bytes:
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": text}, **call}]})


WIRES: dict[str, Callable[[int], bytes]] = {
    "line ends": lambda n: b"\n" * n,
    "carriage returns": lambda n: b"\r" * n,
    "spaces": lambda n: b" " * n,
    "spaces in data": lambda n: b"data: " + b" " * n + b"x\n\n",
    "braces": lambda n: b"{" * n,
    "brackets in data": lambda n: b"data: " + b"[" * n + b"\n\n",
    "fields without a line end": lambda n: b"data: " * (n // 6),
    "empty data": lambda n: b"data:\n" * (n // 6),
    "data of one event": lambda n: b"data: a\n" * (n // 8),
    "lines of JSON": lambda n: b'{"a":1}\n' * (n // 8),
    "values on a line": lambda n: b"data: " + b'{"a":1} ' * (n // 8) + b"\n\n",
    "web pages": lambda n: b"<p>\n" * (n // 4),
    "comments": lambda n: b": ping\n\n" * (n // 8),
    "one large text": lambda n: chunk({"content": "x" * n}),
    "a large whole answer": lambda n: json.dumps({"choices": [{"message": {"content": "x\n" * (n // 2)}}]}).encode(),
    "a padded whole answer": lambda n: b"\n" * n + b'{"choices":[]}',
    "small texts": lambda n: chunk({"content": "a"}) * (n // 80),
    "small texts the long way": lambda n: chunk({"content": "a", "odd": [1]}, odd=[2]) * (n // 80),
    "halves of letters": lambda n: chunk({"content": "\ud83d"}) * (n // 80),
    "fragments of a call": lambda n: tool(0, "", id="c") + tool(0, '"') * (n // 80),
    "calls": lambda n: b"".join(tool(i, "{}", id=f"c{i}") for i in range(n // 120)),
    "calls with one id": lambda n: b"".join(tool(i, f'{{"a":{i}}}', id="c", type="function") for i in range(n // 120)),
    "calls without anything": lambda n: (
        chunk({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}) * (n // 120)
    ),
    "choices": lambda n: b"".join(chunk({"content": "a"}, index=i) for i in range(n // 80)),
    "messages in a stream": lambda n: chunk(None, message={"content": "ab"}) * (n // 80),
    "messages beside deltas": lambda n: chunk({"content": "a"}, message={"content": "a"}) * (n // 100),
    "reasoning details": lambda n: chunk({"reasoning_details": [{"index": 0, "type": "t", "text": "a"}]}) * (n // 120),
    "fields that repeat": lambda n: (b'data: {"citations":["a"],"choices":[]}\n\n') * (n // 40),
    "sound": lambda n: chunk({"audio": {"data": "QUJ"}}) * (n // 90),
    "errors": lambda n: b'data: {"error":{"message":"no"}}\n\n' * (n // 40),
    "deep reasoning": lambda n: b"data: " + b'{"reasoning":' * (n // 13) + b"\n\n",
}


def seconds_for(wire: bytes, size: int) -> float:
    began = time.process_time()
    accumulator = Accumulator()
    for at in range(0, len(wire), size):
        accumulator.feed(wire[at : at + size])
    accumulator.close()
    with contextlib.suppress(MsgfluxError):
        accumulator.finish()
    return time.process_time() - began


@pytest.mark.parametrize("size", [1, 100_000], ids=["bytes", "blocks"])
@pytest.mark.parametrize("name", few(WIRES, 10))
def test_an_answer_four_times_as_long_takes_about_four_times_as_long(name: str, size: int) -> None:
    short, length = WIRES[name](20_000), WIRES[name](80_000)
    # The best of three runs, since the machine does other things too; a quadratic one would be 16 times as long. A long
    # answer is not read again once it was quick enough, since no other run could say otherwise.
    allowed = 10 * max(min(seconds_for(short, size) for _ in range(3)), 1e-3)
    runs: list[float] = []
    while len(runs) < 3 and min(runs, default=allowed) >= allowed:
        runs.append(seconds_for(length, size))
    assert min(runs) < allowed, f"{10 * min(runs) / allowed:.1f} times as long"


def test_looking_at_a_call_again_and_again_costs_what_has_come_since() -> None:
    def seconds(count: int) -> float:
        aggregator = ToolCallAggregator(streaming=True)
        aggregator.process(0, "c1", "f", '{"a":[')
        began = time.process_time()
        for _ in range(count):
            aggregator.process(0, None, None, "1, 2, 3, ")
            assert aggregator.get_calls() == []
        return time.process_time() - began

    assert min(seconds(8_000) for _ in range(3)) / max(min(seconds(2_000) for _ in range(3)), 1e-3) < 12
