"""Tests that the fast path for a chunk gives the same result as the full reading, for any chunk."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.protocol.accumulate import Accumulator
from tests.thorough import examples
from tests.wire import made, recorded


class LongWay(Accumulator):
    def _quick(self, payload: bytes, events: Any) -> bool:
        return False


class Counting(Accumulator):
    """Counts the chunks on the fast path, and those of them that had to be decoded whole."""

    quick = whole = 0

    def _quick(self, payload: bytes, events: Any) -> bool:
        taken = super()._quick(payload, events)
        self.quick += taken
        return taken

    def _quick_delta(self, *arguments: Any) -> bool:
        self.whole += 1
        return super()._quick_delta(*arguments)


def read(accumulator: Accumulator, wire: bytes, size: int) -> list[Any]:
    """Return all visible state of an answer, after each piece."""
    seen: list[Any] = []
    for at in range(0, len(wire), size):
        seen.append(accumulator.feed(wire[at : at + size]))
        seen.append((accumulator.has_content, accumulator.done, repr(accumulator.failure)))
    seen.append(accumulator.close())
    states = [state for choice in accumulator._visible_choices for state in choice.calls.states]
    return [*seen, repr(accumulator.snapshot), repr(states), repr(accumulator.failure), accumulator.has_content]


def assert_same(wire: bytes, size: int = 10**9, **options: Any) -> None:
    with mock.patch("secrets.choice", lambda letters: letters[0]):  # our own ids are random
        assert read(Accumulator(**options), wire, size) == read(LongWay(**options), wire, size)


GONE = object()
TEXTS = ["a", "é", "😀", "\u2028", '"', "\\", "\n", "", "{", '{"a":', "1}", "{}", "null", "x" * 50]
# Places where a plain chunk may differ, and the values there.
CHANGES: dict[str, list[Any]] = {
    "id": ["r1", "r2", "", None, 1],
    "model": ["m", "", None],
    "created": [1, 1.5, "1", None],
    "system_fingerprint": ["fp", "fq", "", None],
    "service_tier": ["default", "flex", None],
    "provider": ["P", "Q", {"name": "P"}],
    "usage": [None, {}, {"total_tokens": 3}],
    "obfuscation": ["zz", "A1", "", "ü", "a b", '"', None, 1],
    "p": ["ab", "abc"],
    "error": [None, {}, "gone"],
    "odd": [1, None],
    "choices.0.index": [0, 1, 0.0, "0", None, True, GONE],
    "choices.0.finish_reason": [None, "stop", "", "error", GONE],
    "choices.0.logprobs": [None, {"content": [{"token": "a", "logprob": -1}]}],
    "choices.0.native_finish_reason": [None, "end_turn"],
    "choices.0.message": [None, {"content": "all"}],
    "choices.0.odd": [1, None],
    "choices.0.delta": [None, {}, "text", GONE],
    "choices.0.delta.role": ["assistant", "", None, 1],
    "choices.0.delta.content": [*TEXTS, None, ["a"], {"a": 1}, GONE],
    "choices.0.delta.reasoning_content": [*TEXTS, None, {"text": "a"}],
    "choices.0.delta.reasoning": ["a", None],
    "choices.0.delta.refusal": [None, "no"],
    "choices.0.delta.function_call": [None, {"name": "f", "arguments": ""}],
    "choices.0.delta.tool_calls": [None, [], [None], [{}], [{"function": {}}] * 2],
    "choices.0.delta.tool_calls.0.index": [0, 1, "0", 0.0, None, GONE],
    "choices.0.delta.tool_calls.0.id": ["c1", "c2", "null", "", None],
    "choices.0.delta.tool_calls.0.type": ["function", "custom", "FUNCTION", "", None],
    "choices.0.delta.tool_calls.0.extra_content": [{"s": 1}, None],
    "choices.0.delta.tool_calls.0.custom": [{"name": "f", "input": "x"}, None],
    "choices.0.delta.tool_calls.0.function": [None, "f", GONE],
    "choices.0.delta.tool_calls.0.function.name": ["f", "g", "null", "", None],
    "choices.0.delta.tool_calls.0.function.arguments": [*TEXTS, None, {"a": 1}, []],
    "choices.0.delta.tool_calls.1": [
        {"index": 1, "id": "c3", "function": {"name": "f", "arguments": "{}"}},
        {"function": {"name": "f", "arguments": ""}},
    ],
    "choices.1": [{"index": 1, "delta": {"content": "b"}}],
}
PLAIN: list[dict[str, Any]] = [
    {"content": "a"},
    {"content": ""},
    {"reasoning_content": "b"},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1"}}]},
    {"tool_calls": [{"function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}]},
]


def altered(chunk: dict[str, Any], path: str, value: Any) -> None:
    """Put a value into a chunk at a place, if the chunk has this place."""
    *names, last = [int(name) if name.isdecimal() else name for name in path.split(".")]
    place: Any = chunk
    for name, following in pairwise([*names, last]):
        inside = name < len(place) if isinstance(name, int) else name in place
        place = place[name] if inside else None
        if not isinstance(place, list if isinstance(following, int) else dict):
            return
    if isinstance(place, list):
        place[last : last + 1] = [value]
    elif value is GONE:
        place.pop(last, None)
    else:
        place[last] = value


changes = st.sampled_from(sorted(CHANGES)).flatmap(
    lambda path: st.tuples(st.just(path), st.sampled_from(CHANGES[path]))
)


@st.composite
def chunks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a plain chunk with a few changes."""
    delta = json.loads(json.dumps(draw(st.sampled_from(PLAIN))))
    chunk: dict[str, Any] = {"choices": [{"index": 0, "delta": delta}]}
    for path, value in draw(st.lists(changes, max_size=2)):
        altered(chunk, path, value)
    return chunk


def wire_of(parts: list[dict[str, Any]], separators: tuple[str, str] = (",", ":")) -> bytes:
    return b"".join(b"data: " + json.dumps(part, separators=separators).encode() + b"\n\n" for part in parts)


@pytest.mark.parametrize("path", CHANGES)
def test_a_chunk_with_one_thing_changed_reads_the_same_both_ways(path: str) -> None:
    plain = [{"choices": [{"index": 0, "delta": delta}]} for delta in PLAIN]
    for value in CHANGES[path]:
        for chunk in json.loads(json.dumps(plain)):
            altered(chunk, path, value)
            for before in (plain[0], plain[-1]):
                assert_same(wire_of([before, chunk, chunk, *plain]))


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(chunks(), max_size=8), st.booleans(), st.sampled_from([10**9, 40, 7]), st.sampled_from(["", "a", "aé"]))
def test_any_chunks_read_the_same_both_ways(parts: list[Any], spaced: bool, size: int, prefill: str) -> None:
    wire = wire_of(parts, (", ", ": ") if spaced else (",", ":"))
    assert_same(wire, size, prefill=prefill, echoed=True)


@pytest.mark.parametrize(
    "delta",
    [
        b'{"content":"%b"}',
        b'{"content": "%b"}',
        b'{"content" : "%b"}',
        b'{"content":"x","content":"%b"}',
        b'{"content":"%b","content":"x"}',
        b'{"content":"%b","content":null}',
        b'{"role":"content","content":"%b"}',
        b'{"content":"%b","reasoning_content":"%b"}',
        b'{"content":"","reasoning_content":"%b","role":"assistant"}',
        b'{"tool_calls":[{"index":0,"function":{"arguments":"%b"}}]}',
        b'{"tool_calls":[{"index":0,"function":{"arguments":"x","arguments":"%b"}}],"content":""}',
        b'{"tool_calls":[{"index":0,"id":"%b","function":{"arguments":"x"}}]}',
        b'{"tool_calls":[{"index":0,"function":{"name":"%b","arguments":"x"}}]}',
    ],
)
def test_chunks_that_differ_in_one_text_read_the_same_both_ways(delta: bytes) -> None:
    texts = [
        b"x",
        b"a",
        b"a",
        b"",
        b"\\n",
        b"\\u00e9",
        "é".encode(),
        b'\\"',
        b"\\\\",
        b"\\ud83d",
        b"\\ude00",
        b"\xff",
        b"a",
    ]
    broken = [b'","x":"', b'"', b'a"}}]} {"choices":[', b"\n", b"null", b"\\", b'\\","content":"b']
    wire = b'data: {"choices":[{"delta":{"content":"Hi","reasoning_content":"hm"}}],"provider":"P"}\n\n'
    for top in (
        b"",
        b',"obfuscation":"A%b"',
        b',"p": "b%b"',
        b',"obfuscation":"a","id":"%b"',
        b',"provider":"P"',
        b',"provider":"Q"',
        b',"provider":"P"',
        b"",
    ):
        wire += b"".join(
            b'data: {"choices":[{"index":0,"delta":%b}]%b}\n\n' % (delta.replace(b"%b", text), top.replace(b"%b", text))
            for text in texts
        )
    assert_same(wire)
    for text in broken:
        assert_same(wire + b'data: {"choices":[{"index":0,"delta":%b}]}\n\n' % delta.replace(b"%b", text))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            b'{"choices":[{"delta":{"content":"a"}}],"p":"A"}',
            b'{"choices":[{"delta":{"content":"b"}}],"p":"A","odd":"x"}',
        ),
        (
            b'{"choices":[{"delta":{"content":"a"}}],"p":"A"}',
            b'{"choices":[{"delta":{"content":"b"}}],"p":"","id":"x"}',
        ),
        (b'{"choices":[{"delta":{"content":"a"}}],"p":"A"}', b'{"choices":[{"delta":{"content":"b"}}],"p":"\\"}'),
        (
            b'{"choices":[{"delta":{"content":"a"}}],"id":"%b","p":"A"}' % (b"i" * 90),
            b'{"choices":[{"delta":{"content":"%b"}' % (b"b" * 200),
        ),
        (b'{"choices":[{"delta":{"content":"\\u00e9"}}]}', b'{"choices":[{"delta":{"content":"x"0e9"}}]}'),
        (b'{"choices":[{"delta":{"content" :"a"}}]}', b'{"choices":[{"delta":{"content" :"b"}}]}'),
    ],
    ids=["more behind", "no padding", "broken padding", "cut", "escaped", "space"],
)
def test_a_chunk_that_only_looks_like_the_one_before_reads_the_same_both_ways(first: bytes, second: bytes) -> None:
    assert_same(b"data: %b\n\ndata: %b\n\ndata: %b\n\ndata: %b\n\n" % (first, first, first, second))


STREAMS = [
    one["body"].encode() for one in recorded() if one["body"].lstrip()[:1] in ("d", ":") and len(one["body"]) < 60_000
]
STREAMS += [wire for wire, _ in made().values() if b"data:" in wire and len(wire) < 10_000]


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_streams_with_something_changed_read_the_same_both_ways(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(STREAMS)).split(b"\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at : at + 1] = data.draw(st.sampled_from([changed, twice, without]))(lines[at], data)
    assert_same(b"\n".join(lines))


def changed(line: bytes, data: st.DataObject) -> list[bytes]:
    start = data.draw(st.integers(0, len(line)))
    put = data.draw(st.sampled_from([b"", b'"', b"null", b"0", b"{}", b"[]", b"\xff", b"\\ud83d", b"true", b","]))
    return [line[:start] + put + line[start + data.draw(st.integers(0, 8)) :]]


def twice(line: bytes, data: st.DataObject) -> list[bytes]:
    return [line, b"", line]


def without(line: bytes, data: st.DataObject) -> list[bytes]:
    values = list(re.finditer(rb'"\w+":\s*(?:"[^"\\]*"|null|\d+|true|false)(?:,\s*)?', line))
    if not values:
        return []
    gone = data.draw(st.sampled_from(values))
    return [line[: gone.start()] + line[gone.end() :]]


@pytest.mark.parametrize("wire", STREAMS, ids=range(len(STREAMS)))
def test_whole_streams_read_the_same_both_ways(wire: bytes) -> None:
    assert_same(wire)
    assert_same(wire, 64)


@pytest.mark.parametrize("padding", [b"", b',"obfuscation":"%x"', b',"p":"%x"'], ids=["plain", "OpenAI", "Mistral"])
def test_nearly_all_chunks_of_a_usual_stream_go_the_quick_way(padding: bytes) -> None:
    chunk = b'data: {"id":"a","model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":%b}]%b}\n\n'
    parts = [b'{"role":"assistant","content":""}', b'{"reasoning_content":"a"}', b'{"content":"a"}']
    parts += [b'{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}']
    parts += [b'{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}'] * 5 + [b'{"content":"a"}'] * 5
    accumulator = Counting()
    for number, part in enumerate(parts):
        accumulator.feed(chunk % (part, padding % number if padding else b""))
    assert accumulator.quick == len(parts) - 2  # all but the first one, and the first that says something
    assert accumulator.whole == 3  # one text, one call's begin, one fragment; of the others only the text is decoded


def test_frames_are_given_up_where_no_chunk_has_one_again() -> None:
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}],"obfuscation":"%d-"}\n\n'
    accumulator = Counting()
    for number in range(100):
        accumulator.feed(chunk % number)
    assert accumulator.whole == 99
    assert accumulator._frames.known == []
