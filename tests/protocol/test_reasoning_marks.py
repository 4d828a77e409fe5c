"""Tests that reasoning in the content is separated from the answer, whatever its pieces."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.protocol.accumulate import Accumulator
from msgflux_nb.protocol.content_reader import ContentReader
from msgflux_nb.protocol.events import ReasoningDelta, TextDelta
from msgflux_nb.protocol.pieces import TextPieces
from msgflux_nb.protocol.plain import plain_on
from msgflux_nb.protocol.reasoning_marks import ReasoningFilter, split_at_lone_mark
from msgflux_nb.protocol.snapshot import Choice, Snapshot
from msgflux_nb.protocol.sse import joined
from msgflux_nb.protocol.wire import reader_of

APART = {
    "deepseek": ("<think>\nHm, {1}.\n</think>\n\nParis", "Hm, {1}.", "Paris"),
    "qwen without thinking": ("<think>\n\n</think>\n\nParis", None, "Paris"),
    "white space in front": ("\n \n<think>Hm</think>Paris", "Hm", "Paris"),
    "capitals": ("<Think>Hm</THINK>Paris", "Hm", "Paris"),
    "thinking": ("<thinking>Hm < 3</thinking>Paris", "Hm < 3", "Paris"),
    "exaone": ("<thought>\nHm\n</thought>\n\nParis", "Hm", "Paris"),
    "reasoning": ("<reasoning>Hm</reasoning>\n<b>Paris</b>", "Hm", "<b>Paris</b>"),
    "seed": ("<seed:think>Hm</seed:think>Paris", "Hm", "Paris"),
    "kimi": ("◁think▷Hm ◁ ▷◁/think▷Paris", "Hm ◁ ▷", "Paris"),
    "magistral": ("[THINK]Hm [1]: [/x][/THINK]Paris", "Hm [1]: [/x]", "Paris"),
    "open thoughts": ("<|begin_of_thought|>Hm<|end_of_thought|>\n<|begin_of_solution|>Paris", "Hm", "Paris"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Paris",
        "Hm",
        "Paris",
    ),
    "gpt-oss without an end": ("<|channel|>analysis<|message|>Hm<|channel|>final<|message|>Paris", "Hm", "Paris"),
    "gpt-oss without reasoning": ("<|channel|>final<|message|>Paris", None, "Paris"),
    "gemma": ("<|channel>thought\nHm\n<channel|>Paris", "Hm", "Paris"),
    "cohere": ("<|START_THINKING|>Hm<|END_THINKING|><|START_RESPONSE|>Paris", "Hm", "Paris"),
    "granite": ("Here is my thought process:\nHm\n\nHere is my response: Paris", "Hm", "Paris"),
    "nested": ("<think>a <think>b</think> c</think>Paris", "a <think>b</think> c", "Paris"),
    "nested twice": (
        "<think>a <think>b<think>x</think>.</think> c</think>\n\nParis",
        "a <think>b<think>x</think>.</think> c",
        "Paris",
    ),
    "opened twice": ("<think>\n<think>\nHm</think>Paris", "<think>\nHm", "Paris"),
    "a mark named in the reasoning": ("<think>A <think> tag?</think>It is.", "A <think> tag?", "It is."),
    "a mark named in both": (
        "<think>A <think> tag?</think>It ends with `</think>`; </think> it is.",
        "A <think> tag?",
        "It ends with `</think>`; </think> it is.",
    ),
    "twice": ("<think>Hm</think>\n<think>So</think>Paris", "HmSo", "Paris"),
    "half a mark in the reasoning": ("<think>a </thin b </ c</think>Paris", "a </thin b </ c", "Paris"),
}
WITH_HEADS = {"open thoughts", "gpt-oss", "gpt-oss without reasoning", "cohere"}
AS_IT_IS = [
    "Paris",
    "",
    "  indented",
    "<thin ice",
    "<",
    "[1, 2]",
    "[THIN",
    "<b>bold</b>",
    "Models write <think> and </think> around it.\n\nSo do not.",
    "The mark `</think>` ends it.",
    'He wrote "</think>" there.',
    "The tag </think> ends it.",
    "```\n</think>\n```\nThat is it.",
    '{"a": "x</think>\\n y"}',
    "`<think>` is a tag",
    "Here is my thought, Sir.",
    "<think> is a tag that some models write.",
    "<think>, for one",
    "Here is my thought process: first flour, then eggs.",
]
LONE = {
    "deepseek": ("Hm.\n</think>\n\nParis", "Hm.", "Paris"),
    "in one line": ("So it is 4.</think>4", "So it is 4.", "4"),
    "after a sentence": ("Okay. </think> Paris", "Okay.", "Paris"),
    "json": ('{1} is a set? No.\n</think>\n{"a": 1}'.replace("{1}", "A set"), "A set is a set? No.", '{"a": 1}'),
    "kimi": ("Hm◁/think▷Paris", "Hm", "Paris"),
    "magistral": ("Hm\n[/THINK]\nParis", "Hm", "Paris"),
    "a pair in it": ("Hm <think>so</think> then.\n</think>\nParis", "Hm <think>so</think> then.", "Paris"),
    "two": ("Hm.\n</think>\nSo.\n</think>\nParis", "Hm.\n\nSo.", "Paris"),
    "a quoted one first": ("Is it `</think>`?\n</think>\nParis", "Is it `</think>`?", "Paris"),
}


def whole(content: str, finish: str = "stop", **options: Any) -> Snapshot:
    message = {"role": "assistant", "content": content}
    accumulator = Accumulator(**options)
    accumulator.feed(json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode())
    accumulator.close()
    return accumulator.finish()


def streamed(pieces: list[str], finish: str = "stop", index: int = 0, **options: Any) -> tuple[Snapshot, list[Any]]:
    accumulator = Accumulator(**options)
    events: list[Any] = []
    for piece in pieces:
        events += accumulator.feed(said({"content": piece}, None, index))
    events += accumulator.feed(said({}, finish, index))
    events += accumulator.close()
    return accumulator.finish(), events


def said(delta: dict[str, Any], finish: str | None, index: int) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': index, 'delta': delta, 'finish_reason': finish}]})}\n\n".encode()


def at_every_cut(content: str) -> list[list[str]]:
    return [[content[:cut], content[cut:]] for cut in range(len(content) + 1)] + [list(content)]


def parts(choice: Choice | Snapshot) -> tuple[str | None, str]:
    return choice.reasoning, choice.text


@pytest.mark.parametrize("name", APART)
def test_reasoning_between_marks_stands_apart_wherever_the_content_is_cut(name: str) -> None:
    content, reasoning, text = APART[name]
    assert parts(whole(content)) == (reasoning, text)
    for pieces in at_every_cut(content):
        snapshot, events = streamed(pieces)
        assert parts(snapshot) == (reasoning, text)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text
        assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)).strip() == (reasoning or "")
        assert bool(snapshot.warnings) == (name in WITH_HEADS)


@pytest.mark.parametrize("content", AS_IT_IS)
def test_a_content_that_only_speaks_of_marks_stays_as_it_is(content: str) -> None:
    assert parts(whole(content)) == (None, content)
    for pieces in at_every_cut(content):
        snapshot, events = streamed(pieces)
        assert parts(snapshot) == (None, content)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == content


@pytest.mark.parametrize("name", LONE)
def test_a_closing_mark_alone_ends_reasoning_that_the_template_opened(name: str) -> None:
    content, reasoning, text = LONE[name]
    assert parts(whole(content)) == (reasoning, text)
    assert whole(content).warnings == ()
    for pieces in at_every_cut(content):
        snapshot, events = streamed(pieces)
        assert parts(snapshot) == (reasoning, text)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == content
        assert len(snapshot.warnings) == 1
        assert "reasoning_in_content" in snapshot.warnings[0]


@pytest.mark.parametrize("name", [*LONE, *APART])
def test_a_model_that_always_reasons_first_is_held_as_reasoning_from_the_start(name: str) -> None:
    content, reasoning, text = {**LONE, **APART}[name]
    if name == "granite":
        return
    more_ends = name in ("a quoted one first", "two")
    for pieces in at_every_cut(content):
        snapshot, events = streamed(pieces, marks="begun")
        assert snapshot.text == text
        assert more_ends or "".join(event.text for event in events if isinstance(event, TextDelta)) == text
        assert bool(snapshot.warnings) == (name in WITH_HEADS or more_ends)
        assert name == "a quoted one first" or snapshot.reasoning == reasoning


@pytest.mark.parametrize("content", ["<think>Hm</think>\n</think>\nParis", "<think>Hm</think>So.\n</think>\n\nParis"])
def test_surplus_closing_marks_are_removed_from_the_text_with_a_warning(content: str) -> None:
    for snapshot in [whole(content), *(streamed(pieces)[0] for pieces in at_every_cut(content))]:
        assert snapshot.text == "Paris"
        assert "more marks that end reasoning" in snapshot.warnings[0]


@pytest.mark.parametrize("content", ["Paris", '{"a": 1}', "```json\n{}\n```"])
def test_an_answer_without_a_mark_is_text_in_the_end_though_reasoning_was_expected(content: str) -> None:
    for pieces in at_every_cut(content):
        snapshot, events = streamed(pieces, marks="begun")
        assert parts(snapshot) == (None, content)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == content


def test_content_beside_a_field_of_reasoning_is_text_at_once() -> None:
    accumulator = Accumulator(marks="begun")
    accumulator.feed(said({"reasoning_content": "Hm"}, None, 0))
    assert accumulator.feed(said({"content": "Paris"}, None, 0)) == [TextDelta("Paris")]


@pytest.mark.parametrize(("marks", "content"), [("marked", "<think>\nHm, so"), ("begun", "Hm, so")])
def test_reasoning_that_was_cut_at_the_limit_is_reasoning_and_no_text(marks: str, content: str) -> None:
    assert parts(whole(content, "length", marks=marks)) == ("Hm, so", "")
    for pieces in at_every_cut(content):
        assert parts(streamed(pieces, "length", marks=marks)[0]) == ("Hm, so", "")


def test_reasoning_that_is_never_closed_stays_reasoning_although_the_model_ended_by_itself() -> None:
    assert parts(whole('<think>\nSay {"a": 1}')) == ('Say {"a": 1}', "")


def test_marks_are_words_where_the_profile_says_so() -> None:
    for pieces in at_every_cut("<think>Hm</think>Hi"):
        assert parts(streamed(pieces, marks="never")[0]) == (None, "<think>Hm</think>Hi")


@pytest.mark.parametrize("index", [0, 1])
def test_every_choice_is_read(index: int) -> None:
    accumulator = Accumulator()
    for at in (0, 1):
        accumulator.feed(said({"content": f"<think>{at}</think>{at + 5}"}, None, at) + said({}, "stop", at))
    accumulator.close()
    assert parts(accumulator.finish().choices[index]) == (str(index), str(index + 5))


@pytest.mark.parametrize(
    ("prefill", "echoed", "content", "expected"),
    [
        ("<think>\nOkay", False, ", so.\n</think>\n\nParis", ("Okay, so.", "Paris")),
        ("<think>\nOkay", True, "<think>\nOkay, so.\n</think>\n\nParis", ("Okay, so.", "Paris")),
        ("<think>\n\n</think>\n\n", False, "Paris", (None, "Paris")),
        ("<think>\n\n</think>\n\n{", False, '"a": 1}', (None, '{"a": 1}')),
        ("{", True, '<think>\nHm\n</think>\n{"a": 1}', ("Hm", '{"a": 1}')),
        ("The", False, " end.\n</think>\nIt is.", (None, "The end.\n</think>\nIt is.")),
        ("The", False, "<think>", (None, "The<think>")),
    ],
)
def test_a_prefill_may_hold_reasoning_or_stand_behind_it(
    prefill: str, echoed: bool, content: str, expected: tuple[str | None, str]
) -> None:
    for pieces in at_every_cut(content):
        assert parts(streamed(pieces, prefill=prefill, echoed=echoed)[0]) == expected


def test_a_stream_of_growing_messages_is_read_once() -> None:
    accumulator = Accumulator()
    for content in ("<think>Hm", "<think>Hm</think>Pa", "<think>Hm</think>Paris"):
        choice = {"index": 0, "message": {"role": "assistant", "content": content}}
        accumulator.feed(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    accumulator.feed(b"data: [DONE]\n\n")
    accumulator.close()
    assert parts(accumulator.finish()) == ("Hm", "Paris")


MARKS = [
    "<think>",
    "</think>",
    "think>",
    "<",
    "</",
    "◁think▷",
    "◁/think▷",
    "[THINK]",
    "[/THINK]",
    "<|channel|>",
    "<|end|>",
]
WORDS = ["a", " ", "\n", ".", '{"a": 1}', "`", "```", "analysis", "<|message|>", "final", "Here is my thought process:"]
PIECES = st.sampled_from([*MARKS, *WORDS])


@given(st.lists(PIECES, max_size=9).map("".join), st.sampled_from(["marked", "begun", "never"]))
def test_the_quick_way_reads_what_the_long_way_reads(content: str, marks: Any) -> None:
    body = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()
    found = plain_on("chat", body, marks)
    if found is not None:
        assert found.text == whole(content, marks=marks).text


@given(st.lists(PIECES, max_size=9), st.sampled_from(["marked", "begun", "never"]))
def test_pieces_of_any_size_say_the_same(pieces: list[str], marks: Any) -> None:
    one = streamed(["".join(pieces)], marks=marks)[0]
    assert parts(streamed(pieces, marks=marks)[0]) == parts(one)
    assert parts(streamed(list("".join(pieces)), marks=marks)[0]) == parts(one)


@pytest.mark.parametrize(
    "piece",
    ["<", "</think", " ", "◁", "</think> `", "[/", "```</think>`", "<|im_end|>", "<|begin_of_box|>x<|end_of_box|>"],
)
def test_long_contents_take_time_in_proportion(piece: str) -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        said = TextPieces()
        reader = ContentReader("", echoed=False, marks="marked", said=said)
        for _ in range(count):
            for part in reader.feed(piece):
                said.add(part.text)
        reader.close()
        reader = ContentReader("", echoed=False, marks="marked")
        reader.feed("<think>" + piece * count)
        split_at_lone_mark("x" + piece * count)
        return time.process_time() - began

    assert seconds(50_000) < 30 * max(seconds(5_000), 0.005)


@pytest.mark.parametrize("asked", ["chat", "responses", "messages"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_gateway_that_answers_as_a_chat_completion_is_read_as_one(asked: Any, streamed: bool) -> None:
    """This holds for a request on any wire."""
    accumulator = Accumulator(reader=reader_of(asked))
    texts = ["<think>hm", ", 3?</think>\n\n", "4"]
    if streamed:
        for text in texts:
            chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}
            accumulator.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        accumulator.feed(b"data: [DONE]\n\n")
    else:
        choice = {"message": {"content": "".join(texts)}, "finish_reason": "stop"}
        accumulator.feed(json.dumps({"object": "chat.completion", "choices": [choice]}).encode())
    accumulator.close()
    assert accumulator.is_chat
    assert (accumulator.snapshot.continuation, accumulator.snapshot.reasoning) == ("4", "hm, 3?")


@pytest.mark.parametrize(
    "text", ["<think>" * 9_000, "<think></think>" * 9_000, "<bos>" * 9_000, "[think]a[/think]" * 999]
)
def test_marks_without_end_are_read_in_few_steps(text: str) -> None:
    reader = ReasoningFilter("marked")
    parts = [*reader.feed(text), *reader.close()]
    assert len(parts) + len(reader.dropped) <= 200
    assert len("".join(part.text for part in parts)) >= len(text) - 64 * len("[think][/think]")


@given(st.text(st.sampled_from("\ud800\udbff\udc00\udfffa\U0001f600")))
def test_halves_of_letters_are_joined_and_lone_ones_replaced(text: str) -> None:
    assert joined(text) == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
