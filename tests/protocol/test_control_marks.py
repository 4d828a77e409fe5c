"""Tests that control marks of a template are removed from an answer with a warning, unless the text mentions them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.control_marks import MarkFilter
from msgflux_nb.protocol.events import TextDelta
from msgflux_nb.protocol.pieces import TextPieces
from msgflux_nb.protocol.plain import plain_on
from msgflux_nb.protocol.wire import reader_of
from tests.protocol.test_reasoning_marks import at_every_cut, streamed, whole

TAKEN_OUT = {
    "chatml": ("Paris.<|im_end|>\n", "Paris.", "<|im_end|>"),
    "llama 2": ("Paris</s>", "Paris", "</s>"),
    "llama 3": ("<|start_header_id|>assistant<|end_header_id|>\n\nParis<|eot_id|>", "Paris", "<|eot_id|>"),
    "deepseek": ("Paris<\uff5cend\u2581of\u2581sentence\uff5c>", "Paris", "sentence"),
    "gemma": ("Paris<end_of_turn>\n", "Paris", "<end_of_turn>"),
    "exaone": ("[|assistant|]Paris[|endofturn|]", "Paris", "[|endofturn|]"),
    "minimax": ("Paris[e~[", "Paris", "[e~["),
    "glm": ("<|begin_of_box|>42<|end_of_box|>", "42", "<|begin_of_box|>, <|end_of_box|>"),
    "glm in a sentence": ("It is <|begin_of_box|>42<|end_of_box|>, I think.", "It is 42, I think.", "<|end_of_box|>"),
    "cohere": ("<|START_RESPONSE|>Paris<|END_RESPONSE|><|END_OF_TURN_TOKEN|>", "Paris", "<|END_OF_TURN_TOKEN|>"),
    "a part after it": ("<|begin_of_solution|>4<|end_of_solution|>\nBye", "4\nBye", "<|end_of_solution|>"),
    "json": ('{"a": "<|im_end|>"}<|im_end|>', '{"a": "<|im_end|>"}', "<|im_end|>"),
    "behind a sentence": ("Paris. <|return|>", "Paris. ", "<|return|>"),
    "code and text": ("Use `x`.<|im_end|>", "Use `x`.", "<|im_end|>"),
}
SPOKEN_OF = [
    "The mark that ends a turn is <|im_end|>",
    "The mark is:\n<|im_end|>",
    "<|im_end|>",
    "<|im_start|>assistant, that is how it begins",
    "It ends with `<|im_end|>`",
    "```\nHi<|im_end|>\n```",
    "```\nHi<|im_end|>",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>",
    "Say <|end|> and go on.",
    'The text "<|begin_of_box|>" begins it',
    "It writes <|begin_of_box|> and <|end_of_box|> around it.",
    "It writes `<|begin_of_box|>42<|end_of_box|>`",
    '{"a": "<|begin_of_box|>42<|end_of_box|>"}',
    "Now <s>10</s>",
    "a < b and c[1] <b>d</b>",
    "[1, 2]",
]


@pytest.mark.parametrize("name", TAKEN_OUT)
def test_marks_where_a_template_puts_them_are_taken_out_and_named_wherever_the_text_is_cut(name: str) -> None:
    content, text, mark = TAKEN_OUT[name]
    for snapshot, told in [(whole(content), text), *((one, said(events)) for one, events in cut(content))]:
        assert snapshot.text == told == text
        assert len(snapshot.warnings) == 1
        assert mark in snapshot.warnings[0]


@pytest.mark.parametrize("content", SPOKEN_OF)
def test_a_text_that_speaks_of_marks_keeps_them_wherever_it_is_cut(content: str) -> None:
    for snapshot, told in [(whole(content), content), *((one, said(events)) for one, events in cut(content))]:
        assert snapshot.text == told == content
        assert snapshot.warnings == ()


def test_an_answer_of_reasoning_and_a_mark_has_no_text() -> None:
    assert whole("<think>Hm</think>\n<|im_end|>").text == ""


def test_marks_are_words_where_the_profile_says_so() -> None:
    for pieces in at_every_cut("Paris<|im_end|>"):
        assert streamed(pieces, marks="never")[0].text == "Paris<|im_end|>"


BODIES: dict[str, dict[str, Any]] = {
    "chat": {"choices": [{"message": {"content": "TEXT"}, "finish_reason": "stop"}]},
    "responses": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "TEXT"}]}],
    },
    "messages": {
        "type": "message",
        "role": "assistant",
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "TEXT"}],
    },
}


@pytest.mark.parametrize("wire", BODIES)
@pytest.mark.parametrize(
    "content", ["<think>Hm</think>Paris", "Paris<|im_end|>", "<|begin_of_box|>Paris<|end_of_box|>"]
)
def test_marks_are_read_on_every_wire_and_the_quick_way_agrees(wire: Any, content: str) -> None:
    body = json.dumps(BODIES[wire]).replace("TEXT", content).encode()
    accumulator = Accumulator(reader=reader_of(wire))
    accumulator.feed(body)
    accumulator.close()
    assert accumulator.finish().text == "Paris"
    quick = plain_on(wire, body)
    assert quick is None or (quick.text == "Paris" and not accumulator.finish().warnings)


PIECES = ["<|im_end|>", "</s>", "<|begin_of_box|>", "<|end_of_box|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", "[e~["]
WORDS = ["a", " ", "\n", ".", ":", "`", "```", '"', "<", "[", "<think>", "</think>", "{"]


@given(st.lists(st.sampled_from([*PIECES, *WORDS]), max_size=9))
def test_pieces_of_any_size_say_the_same(pieces: list[str]) -> None:
    one, events = streamed(["".join(pieces)])
    for other, said_so in (streamed(pieces), streamed(list("".join(pieces)))):
        assert (other.text, other.reasoning, other.warnings) == (one.text, one.reasoning, one.warnings)
        assert said(said_so) == said(events)
    alone = whole("".join(pieces))
    assert (alone.text, alone.reasoning) == (one.text, one.reasoning)
    body = json.dumps({"choices": [{"message": {"content": "".join(pieces)}, "finish_reason": "stop"}]}).encode()
    quick = plain_on("chat", body)
    assert quick is None or (quick.text, ()) == (alone.text, alone.warnings)


def cut(content: str) -> list[tuple[Any, list[Any]]]:
    return [streamed(pieces) for pieces in at_every_cut(content)]


def said(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("pieces", [["[", "1, ", "2]"], ['{"a": ["', 'b", ', '"c"]}'], ["x[", "i] = 1"], ["[e", "nd]"]])
def test_a_list_is_not_held_back_longer_than_a_mark_may_begin(pieces: list[str]) -> None:
    reader = MarkFilter(TextPieces())
    for piece in pieces:
        reader.feed(piece)
        assert reader.holds is (piece in ("[", "x[", "[e"))


@pytest.mark.parametrize("unit", ["<think>a</think>", "<|im_start|>a", "<a>", "a </think> b", "[/aaaaaaaaaa]"])
def test_a_text_of_eight_megabytes_of_marks_is_read_in_a_second_or_two(unit: str) -> None:
    content = unit * (8_000_000 // len(unit))
    began = time.thread_time()
    assert whole(content).text.endswith(unit.strip())
    assert time.thread_time() - began < 2
