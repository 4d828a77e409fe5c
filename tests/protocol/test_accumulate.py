"""Tests that the bytes of an answer become its events and its value; each stream is cut at every point."""

from __future__ import annotations

import json
from typing import Any

import pytest

from msgflux_nb.errors import MsgfluxError, NotAnApiError, ServerError, StreamInterruptedError
from msgflux_nb.protocol.accumulate import Accumulator, Snapshot
from msgflux_nb.protocol.events import AnswerFields, Event, Finished, ReasoningDelta, TextDelta, Usage, UsageReported

DONE = b"data: [DONE]\n\n"


def delta(reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": fields, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def read(wire: bytes, size: int | None = None, **options: Any) -> tuple[list[Event], Snapshot]:
    accumulator = Accumulator(**options)
    events: list[Event] = []
    step = size or max(len(wire), 1)
    for start in range(0, len(wire), step):
        events += accumulator.feed(wire[start : start + step])
    events += accumulator.close()
    return events, accumulator.finish()


def fails(wire: bytes, size: int | None = None) -> MsgfluxError:
    with pytest.raises(MsgfluxError) as caught:
        read(wire, size)
    return caught.value


def test_text_arrives_as_deltas_and_stands_whole_in_the_snapshot() -> None:
    wire = delta(role="assistant", content="") + delta(content="Hel") + delta(content="lo") + delta("stop") + DONE
    events, snapshot = read(wire)
    assert events == [TextDelta("Hel"), TextDelta("lo"), Finished("stop", "stop")]
    assert snapshot.text == "Hello"
    assert snapshot.finish_reason == "stop"


def test_every_split_point_of_a_hostile_stream_reads_the_same() -> None:
    wire = (
        b'\xef\xbb\xbf: OPENROUTER PROCESSING\r\n\r\ndata:{"choices":[{"index":0,"delta":{"content":"'
        b'\xc3\xa9\xf0\x9f\x98\x80 \xe2\x80\xa8\xc2\x85x"}}]}\r\n\r\nevent: x\rid: 1\rdata: {"choices":[{"index":0,\r'
        b'data: "delta":{"content":"y"},"finish_reason":"stop"}]}\r\rdata: [DONE]'
    )
    whole = read(wire)
    assert whole[1].text == "é😀 \u2028\u0085xy"
    for size in (1, 2, 3, 7):
        assert read(wire, size) == whole
    for cut in range(len(wire)):
        accumulator = Accumulator()
        events = accumulator.feed(wire[:cut]) + accumulator.feed(wire[cut:]) + accumulator.close()
        assert (events, accumulator.finish()) == whole, f"cut at byte {cut}"


def test_reasoning_and_usage_are_kept_beside_the_text() -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 9,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    wire = delta(reasoning_content="hm") + delta(content="Hi") + delta("stop")
    wire += b'data: {"choices":[],"usage":' + json.dumps(usage).encode() + b"}\n\n" + DONE
    events, snapshot = read(wire)
    counted = Usage(prompt_tokens=5, completion_tokens=9, total_tokens=14, cached=3)
    assert events == [ReasoningDelta("hm"), TextDelta("Hi"), Finished("stop", "stop"), UsageReported(counted)]
    assert (snapshot.reasoning, snapshot.text, snapshot.usage) == ("hm", "Hi", counted)


def test_a_list_of_content_parts_is_text_and_thinking_is_reasoning() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}, {"type": "text", "text": "Hi"}]
    _, snapshot = read(delta(content=parts) + delta("stop") + DONE)
    assert (snapshot.text, snapshot.reasoning) == ("Hi", "h")


def test_chunks_without_choices_are_passed_over() -> None:
    wire = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\ndata: {"choices":null}\n\n'
    wire += b'data: {"choices":[{"index":0,"delta":null}]}\n\n' + delta(content="a") + delta("stop") + DONE
    assert read(wire)[1].text == "a"


def test_a_stream_without_reason_and_done_is_interrupted_and_keeps_its_text() -> None:
    error = fails(delta(content="Hel"))
    assert isinstance(error, StreamInterruptedError)
    assert error.snapshot.text == "Hel"


def test_done_without_a_reason_is_complete_for_an_unknown_reason() -> None:
    assert read(delta(content="Hel") + DONE)[1].finish_reason == "unknown"


def test_a_reason_without_done_is_complete() -> None:
    assert read(delta(content="Hel") + delta("end_turn"))[1].finish_reason == "stop"


def test_a_word_for_the_end_that_nobody_knows_is_kept() -> None:
    snapshot = read(delta("banana", content="x") + DONE)[1]
    assert (snapshot.finish_reason, snapshot.raw_finish_reason) == ("unknown", "banana")


ERRORS = {
    "openrouter": b'data: {"error":{"code":502,"message":"gone"},'
    b'"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}\n\n',
    "vllm": b'data: {"object":"error","message":"died","code":500}\n\n',
    "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n',
    "plain": b'data: {"error":"plain"}\n\n',
    "field": b'error: {"error":{"message":"failed to decode"}}\n\n',
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_inside_a_stream_is_raised_with_what_had_arrived(name: str) -> None:
    wire = delta(content="Hel") + ERRORS[name] + delta(content="never") + DONE
    for size in (None, 1, 7):
        error = fails(wire, size)
        assert isinstance(error, ServerError)
        assert error.snapshot.text == "Hel"


def test_the_error_in_a_stream_says_the_providers_words_and_code() -> None:
    error = fails(ERRORS["openrouter"])
    assert "gone" in str(error)
    assert isinstance(error, ServerError)
    assert error.status == 502


def test_a_chunk_that_is_not_json_is_an_error_that_shows_it() -> None:
    assert "surprise" in str(fails(b"data: surprise\n\n"))


def test_chunks_without_blank_lines_between_are_read_one_by_one() -> None:
    wire = delta(content="a").rstrip() + b"\n" + delta(content="b").rstrip() + b"\n" + delta("stop") + DONE
    assert read(wire)[1].text == "ab"


def test_a_whole_answer_reads_like_a_streamed_one() -> None:
    message = {"role": "assistant", "content": "Hello", "refusal": None}
    body = json.dumps({"id": "r1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    for size in (None, 1):
        events, snapshot = read(body, size)
        assert events == [TextDelta("Hello"), Finished("stop", "stop")]
        assert (snapshot.id, snapshot.model) == ("r1", "m")


def test_a_whole_answer_without_a_reason_is_complete() -> None:
    assert read(b'{"choices":[{"message":{"content":"x"}}]}')[1].finish_reason == "unknown"


def test_a_web_page_is_not_an_api_and_the_error_shows_its_title() -> None:
    error = fails(b"<!doctype html><title>Sign in</title>")
    assert isinstance(error, NotAnApiError)
    assert "Sign in" in str(error)


def test_an_error_object_in_a_whole_answer_is_raised() -> None:
    assert "no" in str(fails(b'[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]'))


def test_an_empty_body_is_not_an_api() -> None:
    assert isinstance(fails(b""), NotAnApiError)


@pytest.mark.parametrize(
    ("echoed", "pieces", "expected"),
    [
        (True, ["Sure! 1.", " Red", ", Blue"], "Sure! 1. Red, Blue"),
        (False, [", Blue"], "Sure! 1. Red, Blue"),
        (True, ["Sure! 1. Red"], "Sure! 1. Red"),
        (True, ["Sure", "ly not"], "Sure! 1. RedSurely not"),
        (True, ["Su"], "Sure! 1. RedSu"),
    ],
)
def test_a_prefill_stands_in_the_text_exactly_once(echoed: bool, pieces: list[str], expected: str) -> None:
    wire = b"".join(delta(content=piece) for piece in pieces) + delta("stop") + DONE
    events, snapshot = read(wire, prefill="Sure! 1. Red", echoed=echoed)
    assert snapshot.text == expected
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert "Sure! 1. Red" + said == expected
    assert snapshot.continuation == said


def test_an_answer_that_repeats_the_prefill_by_itself_keeps_it() -> None:
    assert read(delta(content="haha") + delta("stop"), prefill="ha")[1].text == "hahaha"


def test_an_error_text_is_scrubbed_of_keys() -> None:
    accumulator = Accumulator(scrub=lambda text: text.replace("sk-CANARY", "[key]"))
    accumulator.feed(b'data: {"error":{"message":"bad key sk-CANARY"}}\n\n')
    accumulator.close()
    with pytest.raises(ServerError) as caught:
        accumulator.finish()
    assert "CANARY" not in str(caught.value) + repr(caught.value.body)


def test_fields_of_a_further_choice_are_kept_with_it() -> None:
    said = [{"index": index, "message": {"content": "x"}, "safety": index, "finish_reason": "stop"} for index in (0, 1)]
    snapshot = read(json.dumps({"choices": said}).encode())[1]
    assert snapshot.fields == {"safety": 0}
    assert [choice.fields for choice in snapshot.choices] == [{}, {"safety": 1}]

    pieces = [{"index": index, "delta": {"content": "x"}, "safety": index} for index in (0, 1, 0, 1)]
    stream = b"".join(b"data: " + json.dumps({"choices": [one]}).encode() + b"\n\n" for one in pieces)
    events, snapshot = read(stream + DONE)
    assert [event for event in events if isinstance(event, AnswerFields)] == [
        AnswerFields({"safety": 0}),
        AnswerFields({"safety": 1}, 1),
    ]
    assert (snapshot.fields, snapshot.choices[1].fields) == ({"safety": 0}, {"safety": 1})


def test_fields_of_the_only_choice_are_those_of_the_answer_wherever_the_server_starts_to_count() -> None:
    body = {"choices": [{"index": 1, "message": {"content": "x"}, "safety": 1, "finish_reason": "stop"}]}
    snapshot = read(json.dumps(body).encode())[1]
    assert (snapshot.fields, snapshot.choices[0].fields) == ({"safety": 1}, {})
