"""Fuzz targets: functions that take any bytes and raise only if the tested code has a fault."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import msgspec

from msgflux_nb.errors import MsgfluxError, ToolCallError, ValidationFailedError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import WireSchema, wire_schema
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.partial_json import PartialJSON
from msgflux_nb.protocol.profile import Wire
from msgflux_nb.protocol.sse import ServerEvent, SSEDecoder
from msgflux_nb.protocol.tool_calls import ToolCallAggregator
from msgflux_nb.protocol.wire import reader_of
from tests.http.readers import READERS, Read

from .failure_targets import FAILURE_TARGETS
from .media import MEDIA_TARGETS
from .reference import events_of

__all__ = ["TARGETS", "Stream"]

SECONDS = 2.0  # no input is so large that reading it may take longer, even on a busy machine


class Stream:
    """Reads bytes as decisions: how to cut, what to do next."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, below: int) -> int:
        """Return a number from 0; 0 at the end of the bytes."""
        self.at += 1
        return self.data[self.at - 1] % below if self.at <= len(self.data) else 0

    def rest(self) -> bytes:
        rest, self.at = self.data[self.at :], len(self.data)
        return rest

    def text(self) -> str:
        """Return a few bytes as text."""
        length = self.number(24)
        piece = self.data[self.at : self.at + length]
        self.at += length
        return piece.decode("utf-8", "surrogatepass" if length % 2 else "replace") if is_utf8(piece) else repr(piece)

    @property
    def ended(self) -> bool:
        return self.at >= len(self.data)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def cut(stream: Stream) -> list[bytes]:
    """Return the remaining bytes in pieces: in one, in single bytes, or cut at a few places."""
    sizes = [stream.number(256) for _ in range(stream.number(4))]
    data = stream.rest()
    if sizes == [0]:
        return [data[at : at + 1] for at in range(len(data))]
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def sse(data: bytes) -> None:
    """Check that the decoder reads any bytes in any pieces as the slow decoder does."""
    pieces = cut(Stream(data))
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
    assert events == events_of(b"".join(pieces))


class LongWay(Accumulator):
    def _quick(self, payload: bytes | ServerEvent, events: list[Any]) -> bool:
        return False

    _quick_on_wire = _quick


def accumulator(data: bytes) -> None:
    """Check that bytes never raise, that the end raises only our errors, and that all pieces give the same result."""
    stream = Stream(data)
    choice = stream.number(8)
    options = {"prefill": ["", "a", "Hi", '{"'][choice % 4], "echoed": choice > 3, "needs_end": stream.number(2) == 0}
    pieces = cut(stream)
    whole = b"".join(pieces)
    assert read(Accumulator(**options), pieces) == read(Accumulator(**options), [whole])
    assert read(LongWay(**options), [whole]) == read(Accumulator(**options), [whole])


def on_wire(wire: Wire) -> Callable[[bytes], None]:
    """Check the same for the readers of another wire."""

    def target(data: bytes) -> None:
        pieces = cut(Stream(data))
        whole = b"".join(pieces)
        found = read(Accumulator(reader=reader_of(wire)), pieces)
        assert found == read(Accumulator(reader=reader_of(wire)), [whole])
        assert found == read(LongWay(reader=reader_of(wire)), [whole])

    return target


def read(reader: Accumulator, pieces: list[bytes]) -> list[Any]:
    began = time.process_time()
    with mock.patch("secrets.choice", lambda letters: letters[0]):
        events = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
        error: MsgfluxError | None = None
        try:
            reader.finish()
        except MsgfluxError as raised:
            error = raised
        snapshot = reader.snapshot
    for text in (str(error), snapshot.text, snapshot.reasoning or "", snapshot.refusal or ""):
        text.encode()  # what cannot be encoded cannot be shown
    msgspec.json.encode(snapshot.choices[0].fields)  # what goes back into the history
    assert time.process_time() - began < SECONDS
    return [repr(events), repr(snapshot), repr(error), reader.has_content, reader.done]


ARGUMENTS = [
    "{",
    "}",
    '{"a":',
    "1}",
    '{"a":1}',
    "{}",
    "null",
    "[]",
    '"',
    '"{\\"a\\":1}"',
    ":",
    " ",
    "\ud83d",
    "\ude00",
    "é",
]


def aggregator(data: bytes) -> None:
    """Check that any fragments, inspected at any time, become a history that a provider takes."""
    stream = Stream(data)
    calls = ToolCallAggregator(streaming=stream.number(2) == 0)
    while not stream.ended:
        if stream.number(8) == 7:
            look_at(calls)
            continue
        picks = (
            [None, 0, 1, 2][stream.number(4)],
            [None, "", "c1", "c2", "null", stream.text()][stream.number(6)],
            [None, "", "f", "g", "null", stream.text()][stream.number(6)],
            [None, "", *ARGUMENTS, {"a": 1}, [], {}, 7, stream.text()][stream.number(len(ARGUMENTS) + 7)],
        )
        kind = ("function", "function", "custom", "function_call")[stream.number(4)]
        calls.process(*picks, kind=kind, extra={"s": 1} if stream.number(9) == 8 else None)  # type: ignore[arg-type]
    calls.finish()
    look_at(calls)
    calls.insert_results({call.id: results(call.id) for call in calls.get_calls()})
    check_history(calls.get_messages(), calls)
    assert calls.get_messages() == calls.get_messages()


def results(call_id: str) -> Any:
    return [None, "text", {"a": [1]}, 1.5, "\ud83d"][len(call_id) % 5]


def look_at(calls: ToolCallAggregator) -> None:
    assert len(calls) == len(calls.states)
    repr(calls)
    assert all(isinstance(call.arguments, dict) for call in calls.get_calls())
    calls.get_messages(allow_missing=True)
    try:
        calls.get_calls(strict=True)
    except ToolCallError as error:
        str(error)


def check_history(messages: list[dict[str, Any]], calls: ToolCallAggregator) -> None:
    json.dumps(messages)
    msgspec.json.encode(messages)  # as a request is encoded
    if not len(calls):
        assert messages == []
        return
    turn, *answers = messages
    if "function_call" in turn:
        assert [answer["role"] for answer in answers] == ["function"]
        assert isinstance(json.loads(turn["function_call"]["arguments"]), dict)
        return
    ids = [call["id"] for call in turn["tool_calls"]]
    assert len(ids) == len(set(ids)) == len(calls)
    assert [answer["tool_call_id"] for answer in answers] == ids
    for call in turn["tool_calls"]:
        if call["type"] == "function":
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            assert call["function"]["name"]


def partial_json(data: bytes) -> None:
    """Check that a document in any pieces gives the value of ``json``, or an error if ``json`` raises one."""
    stream = Stream(data)
    sizes = [stream.number(16) for _ in range(stream.number(6))]
    text = stream.rest().decode("utf-8", "replace")
    parser = PartialJSON()
    left = text
    for size in sizes:
        parser.feed(left[:size])
        left = left[size:]
        repr(parser.value)
        parser.open_string()
    parser.feed(left)
    parser.close()
    try:
        expected = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        assert not parser.complete or parser.error is not None or deep(text)
        return
    assert deep(text) or (parser.complete and parser.error is None and repr(parser.value) == repr(expected))


def refuse(word: str) -> Any:
    raise ValueError(word)


def deep(text: str) -> bool:
    return text.count("[") + text.count("{") > 500


class Item(msgspec.Struct):
    """One item of a list."""

    name: str
    count: int = 0
    notes: list[str] = []


class Order(msgspec.Struct):
    """A structure with most kinds of fields."""

    items: list[Item]
    total: float | None = None
    when: str | None = None
    table: dict[str, int] = {}


def schemas() -> Iterator[WireSchema]:
    for type_ in (Item, Order, int, list[str], dict[str, Any], Any):
        yield wire_schema(type_)


SCHEMAS = list(schemas())


def decoding(data: bytes) -> None:
    """Check that any text is a structure or does not fit, in time that its length bounds."""
    stream = Stream(data)
    schema = SCHEMAS[stream.number(len(SCHEMAS))]
    rest = stream.rest()
    text = rest.decode("utf-8", "surrogatepass" if is_utf8(rest) else "replace")
    began = time.process_time()
    with contextlib.suppress(ValidationFailedError):
        decode_answer(text, schema)
    assert time.process_time() - began < SECONDS


def http(data: bytes) -> None:
    """Check that any bytes are an answer, or no HTTP, in any pieces."""
    pieces = cut(Stream(data))
    for reader in READERS.values():
        assert answered(reader, pieces) == answered(reader, [b"".join(pieces)])


def answered(reader: Callable[..., Read], pieces: list[bytes]) -> tuple[Any, ...]:
    read = reader(pieces)
    return ("no HTTP",) if read.error is not None else (read.status, read.headers, read.body)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "sse": sse,
    "accumulator": accumulator,
    "responses": on_wire("responses"),
    "messages": on_wire("messages"),
    "aggregator": aggregator,
    "partial_json": partial_json,
    "decoding": decoding,
    "http": http,
    **MEDIA_TARGETS,
    **FAILURE_TARGETS,
}
