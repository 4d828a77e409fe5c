"""Undocumented quirks of servers: each stream in tests/wire, cut at every point."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from msgflux_nb import errors
from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.events import Event, TextDelta
from msgflux_nb.protocol.profile import Wire
from msgflux_nb.protocol.reasoning_marks import ReasoningMarks
from msgflux_nb.protocol.snapshot import Snapshot
from msgflux_nb.protocol.sse import ServerEvent
from msgflux_nb.protocol.wire import reader_of
from tests.thorough import THOROUGH
from tests.wire import made, recorded_on

WIRES: tuple[Wire, ...] = ("chat", "responses", "messages")
MADE = {(wire, name): found for wire in WIRES for name, found in made(wire).items()}
cases = pytest.mark.parametrize("case", MADE, ids=[name if wire == "chat" else f"{wire}-{name}" for wire, name in MADE])
SPLIT_LIMIT = 6_000  # bytes; a longer stream is fed in pieces only
USUAL: dict[str, Any] = {
    "text": "",
    "reasoning": None,
    "refusal": None,
    "calls": [],
    "images": [],
    "annotations": 0,
    "audio": None,
    "logprobs": [],
    "finish": "stop",
}


def marks_on(wire: Wire) -> ReasoningMarks:
    """Return the setting of reasoning marks for the provider that made the wire."""
    return "marked" if wire == "chat" else "never"


class LongWay(Accumulator):
    """Reads each event by the full reading, never on the fast path."""

    def _quick_on_wire(self, item: bytes | ServerEvent, events: list[Event]) -> bool:
        return False


class Answer:
    """Return an answer that is read in these pieces, without our own ids, since they are random."""

    def __init__(self, *pieces: bytes, wire: Wire = "chat", quick: bool = True) -> None:
        accumulator = (Accumulator if quick else LongWay)(reader=reader_of(wire), marks=marks_on(wire))
        self.events: list[Event] = []
        for piece in pieces:
            self.events += accumulator.feed(piece)
        self.events += accumulator.close()
        self.error: errors.MsgfluxError | None = None
        try:
            accumulator.finish()
        except errors.MsgfluxError as error:
            self.error = error
        self.snapshot: Snapshot = accumulator.snapshot
        self.states = accumulator.tool_calls.states

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self._key() == other._key()

    def _key(self) -> tuple[Any, ...]:
        unnamed = [(state.name, state.raw, state.status, state.error, state.repaired) for state in self.states]
        plain = [{**vars_of(choice), "tool_calls": len(choice.tool_calls)} for choice in self.snapshot.choices]
        return (
            self.events,
            plain,
            unnamed,
            self.snapshot.usage,
            self.snapshot.fields,
            type(self.error),
            str(self.error),
        )


def vars_of(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def in_pieces(data: bytes, size: int, wire: Wire) -> Answer:
    return Answer(*(data[at : at + size] for at in range(0, len(data), size)), wire=wire)


@cases
def test_an_odd_stream_means_what_its_author_meant(case: tuple[Wire, str]) -> None:
    data, expected = MADE[case]
    answer = Answer(data, wire=case[0])
    check_error(answer.error, expected.get("error"))
    check_values(answer, expected)
    said = "".join(event.text for event in answer.events if isinstance(event, TextDelta) and event.choice == 0)
    assert said == answer.snapshot.text


@cases
def test_an_odd_stream_reads_the_same_at_every_split_point(case: tuple[Wire, str]) -> None:
    wire, (data, _) = case[0], MADE[case]
    whole = Answer(data, wire=wire)
    for size in (1, 2, 3, 7, 1000) if len(data) < SPLIT_LIMIT else (7, 1000):
        assert in_pieces(data, size, wire) == whole, f"in pieces of {size}"
    # The other wires use the same code to cut bytes into events, so two pieces are tried at fewer places.
    step = (1 if wire == "chat" else 7) * (1 if THOROUGH else 5)
    for cut in range(0, len(data) if len(data) < SPLIT_LIMIT else 0, step):
        assert Answer(data[:cut], data[cut:], wire=wire) == whole, f"cut at byte {cut}"


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_the_quick_way_reads_a_stream_as_the_long_way_does(wire: Wire) -> None:
    streams = [data for data, _ in made(wire).values()]
    streams += [exchange["body"].encode() for exchange in recorded_on(wire)]
    for data in streams:
        assert Answer(data, wire=wire) == Answer(data, wire=wire, quick=False)


@pytest.mark.parametrize("wire", ["responses", "messages"])
def test_half_a_letter_in_a_piece_that_goes_on_waits_for_the_other_half(wire: Wire) -> None:
    delta: Any = '{"type":"response.output_text.delta","output_index":0,"delta":"%s"}'
    if wire == "messages":
        delta = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}'
    data = "".join(f"data: {delta % text}\n\n" for text in ("a", "b\\ud83d", "\\ude00c", "d"))
    assert Answer(data.encode(), wire=wire).snapshot.text == "ab\U0001f600cd"


def check_error(error: errors.MsgfluxError | None, expected: dict[str, Any] | None) -> None:
    if expected is None:
        assert error is None, repr(error)
        return
    assert type(error).__name__ == expected["class"], repr(error)
    assert expected["message"] in str(error)
    for name in ("code", "status"):
        if name in expected:
            assert getattr(error, name) == expected[name]


def check_values(answer: Answer, expected: dict[str, Any]) -> None:
    snapshot, first = answer.snapshot, answer.snapshot.choices[0]
    unended = {"finish": None} if "error" in expected else {}
    usual = {name: value for name, value in {**USUAL, **unended, **expected}.items() if name in USUAL}
    assert {
        "text": first.text,
        "reasoning": first.reasoning,
        "refusal": first.refusal,
        "calls": [[call.id if len(call.id) != 9 else None, call.name, call.arguments] for call in first.tool_calls],
        "images": [image.url for image in first.images],
        "annotations": len(first.annotations),
        "audio": None if first.audio is None else sound_of(first.audio, usual["audio"] or {}),
        "logprobs": [[token.token, token.logprob] for token in first.logprobs],
        "finish": first.finish_reason,
    } == usual
    if "choices" in expected:
        assert [choice.text for choice in snapshot.choices] == expected["choices"]
    if "raw_finish" in expected:
        assert first.raw_finish_reason == expected["raw_finish"]
    if "usage" in expected:
        counted = None if snapshot.usage is None else vars_of(snapshot.usage)
        assert counted == (expected["usage"] and {**(counted or {}), **expected["usage"]})
    for name in ("id", "model"):
        if name in expected:
            assert getattr(snapshot, name) == expected[name]
    assert first.fields == {**first.fields, **expected.get("fields", {})}
    assert snapshot.fields == {**snapshot.fields, **expected.get("answer_fields", {})}


def sound_of(audio: Any, expected: dict[str, Any]) -> dict[str, Any]:
    data = audio.data.hex() if "hex" in expected else audio.data.decode()
    found = {"id": audio.id, "transcript": audio.transcript, "hex" if "hex" in expected else "data": data}
    return {**found, "expires_at": audio.expires_at} if "expires_at" in expected else found


def test_sound_reads_the_same_wherever_its_base64_is_cut() -> None:
    sound = bytes(range(256)) * 3
    letters = base64.b64encode(sound).decode()
    for step in (*range(1, 30), 1000):
        deltas = [letters[at : at + step] for at in range(0, len(letters), step)]
        wire = b"".join(
            b'data: {"choices":[{"index":0,"delta":{"audio":{"id":"a","data":"%b"}}}]}\n\n' % delta.encode()
            for delta in deltas
        )
        audio = Answer(wire, b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n').snapshot.audio
        assert audio is not None
        assert audio.data == sound
