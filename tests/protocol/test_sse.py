"""Tests the decoding of bytes to server-sent events, cut at every point."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.protocol.sse import DONE, ServerEvent, SSEDecoder, json_values
from tests.fuzz.reference import events_of

STREAMS = {
    "lf": (b"data: a\n\ndata: b\n\n", ["a", "b"]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    "cr": (b"data: a\r\rdata: b\r\r", ["a", "b"]),
    "mixed line ends": (b"data: a\r\n\ndata: b\r\r\ndata: c\n\r", ["a", "b", "c"]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    "comments and unknown fields": (b": hello\nretry: 3\nid: 7\ndata: a\n\n: ping\n\n", ["a"]),
    "no space after the colon": (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
    "several data lines are one event": (b"data: a\ndata: b\n\n", ["a\nb"]),
    "several data lines with crlf": (b"data: a\r\ndata: b\r\n\r\n", ["a\nb"]),
    "done under the last chunk": (b"data: a\ndata: [DONE]\n\n", ["a", "[DONE]"]),
    "no blank line at the end": (b"data: a\n\ndata: b\n", ["a", "b"]),
    "no line end at the end": (b"data: a\n\ndata: b", ["a", "b"]),
    "letters that other splitters take for line ends": (
        "data: x\u2028y\u0085z\x0b\x0c\x1cé😀\n\n".encode(),
        ["x\u2028y\u0085z\x0b\x0c\x1cé😀"],
    ),
    "empty data": (b"data\n\ndata:\n\n", ["", ""]),
    "blank lines only": (b"\n\n\r\n\r", []),
}

ENDS = [b"\n", b"\n\n", b"\r\n", b"\r"]
LINES = (
    b'data: a|data:b|data|data: {}|data: {|data: [DONE]|: hi|event: e|error: x|x|{"a":1}| {|<p>|}|id: 1|\xef\xbb\xbf| '
)


def decoded(pieces: list[bytes]) -> list[bytes | ServerEvent]:
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def texts_of(pieces: list[bytes]) -> list[str]:
    return [(event if isinstance(event, bytes) else event.data).decode() for event in decoded(pieces)]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_reads_the_same_at_every_split_point(name: str) -> None:
    wire, expected = STREAMS[name]
    for cut in range(len(wire) + 1):
        assert texts_of([wire[:cut], wire[cut:]]) == expected, f"cut at byte {cut}"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_reads_the_same_in_pieces_of_any_size(name: str, size: int) -> None:
    wire, expected = STREAMS[name]
    pieces = [wire[i : i + size] for i in range(0, len(wire), size)]
    assert texts_of(pieces) == expected


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)),
    st.data(),
)
def test_any_text_in_any_pieces_comes_out_whole(texts: list[str], data: st.DataObject) -> None:
    texts = [text for text in texts if text != "[DONE]"]
    wire = b"".join(b"data: " + text.encode() + b"\n\n" for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert texts_of(pieces) == texts


def test_an_event_keeps_its_name_and_the_next_has_none() -> None:
    assert decoded([b"event: error\ndata: x\n\ndata: y\n\n"]) == [ServerEvent(b"x", "error"), b"y"]


def test_an_error_field_is_an_event_named_error() -> None:
    assert decoded([b'error: {"a":1}\n\n']) == [ServerEvent(b'{"a":1}', "error")]


def test_a_chunk_is_out_as_soon_as_the_next_begins_where_no_blank_lines_come() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b'data: {"a":1}\n') == []
    assert decoder.feed(b'data: {"a":2}\n') == [b'{"a":1}']
    assert decoder.feed(b"data: [DONE]\n") == [b'{"a":2}']
    assert decoder.close() == [DONE]


def test_lines_of_json_are_out_as_soon_as_the_next_begins() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b'{"a":1}\n') == []
    assert decoder.feed(b'{"a":2}\n') == [b'{"a":1}']
    assert decoder.close() == [b'{"a":2}']


@given(
    st.lists(
        st.sampled_from(
            [*LINES.split(b"|"), *ENDS, *ENDS],
        )
        | st.binary(max_size=4)
    ),
    st.data(),
)
def test_any_bytes_in_any_pieces_read_as_the_standard_says(parts: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert decoded(pieces) == events_of(wire)


@pytest.mark.parametrize(
    ("data", "values", "rest"),
    [
        (b'{"a":1}', [{"a": 1}], ""),
        (b'{"a":1}{"a":2}', [{"a": 1}, {"a": 2}], ""),
        (b'{"a":1}\n{"a":2},', [{"a": 1}, {"a": 2}], ""),
        (b'data: {"a":1} data:[DONE]', [{"a": 1}, "[DONE]"], ""),
        (b'{"a":-Infinity}', [{"a": float("-inf")}], ""),
        (b'{"a":"x\ny\xff"}', [{"a": "x\ny\ufffd"}], ""),
        (
            b'{"a":"\\ud83d","content":"\\ud83d","b":"\\ud83d\\ude00"}',
            [{"a": "\ufffd", "content": "\ufffd", "b": "😀"}],
            "",
        ),
        (b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', [{"choices": [{"delta": {"content": "\ud83d"}}]}], ""),
        (b'{"a":1}\0\0', [{"a": 1}], ""),
        (b'{"a":1} oops', [{"a": 1}], "oops"),
        (b"oops", [], "oops"),
        (b'{"a', [], '{"a'),
        (b"", [], ""),
        (b"[" * 100_000, [], "[" * 100_000),
        (b"1" * 5_000, [], "1" * 5_000),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_only_looks_like_json_is_read_as_it_was_meant(data: bytes, values: list[Any], rest: str) -> None:
    assert json_values(data) == (values, rest)
