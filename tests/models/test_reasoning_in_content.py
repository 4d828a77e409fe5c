"""A server without a reasoning parser, over real HTTP: its reasoning is separated from the answer."""

from __future__ import annotations

import json

import msgspec
import pytest

import msgflux_nb as mf
from tests.models.test_chat import Call, both, model_at
from tests.scripted import Reply, chunk, completion, serving, stream


class Person(msgspec.Struct):
    name: str
    age: int


THOUGHT = '<think>\nAs an example, {"name": "Bob", "age": 1}.\n</think>\n\n'
ADA = '{"name": "Ada", "age": 36}'


def answer(text: str, streamed: bool) -> Reply:
    return stream(*(text[at : at + 3] for at in range(0, len(text), 3))) if streamed else completion(text)


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_structure_is_read_from_what_follows_the_reasoning(call: Call, streamed: bool) -> None:
    with serving(answer(THOUGHT + ADA, streamed)) as server:
        value, response = call(model_at(server.url), "Ada, 36", generation_schema=Person, stream=streamed)
        assert value == Person("Ada", 36)
        assert response.reasoning == 'As an example, {"name": "Bob", "age": 1}.'
        assert response.text == ADA


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_an_example_in_the_reasoning_is_never_the_answer(call: Call, streamed: bool) -> None:
    with serving(answer(THOUGHT + "Nobody.", streamed)) as server, pytest.raises(mf.ValidationFailedError):
        call(model_at(server.url), "It rained.", generation_schema=Person, stream=streamed)


@both
def test_the_history_is_sent_without_the_marks(call: Call) -> None:
    with serving(completion(THOUGHT + "Hi")) as server:
        model = model_at(server.url)
        turn = call(model, "Hello")[1].to_messages()
        call(model, [*turn, {"role": "user", "content": "Again"}])
        assert "think" not in json.dumps(server.bodies[-1]["messages"])
        assert server.bodies[-1]["messages"][0]["content"] == "Hi"


@both
def test_a_profile_may_say_that_marks_are_words(call: Call) -> None:
    with serving(completion("<think>Hm</think>Hi")) as server:
        model = model_at(server.url, profile={"reasoning_in_content": "never"})
        assert call(model, "Hello")[0] == "<think>Hm</think>Hi"


@pytest.mark.parametrize("name", ["vllm/deepseek-ai/DeepSeek-R1", "sglang/Qwen/QwQ-32B", "Qwen3-4B-Thinking-2507"])
def test_a_model_whose_template_opens_the_reasoning_streams_it_as_reasoning(name: str) -> None:
    with serving(answer("Hm, so.\n</think>\n\nParis", True)) as server:
        response = mf.Model.chat_completion(name, base_url=server.url, api_key="k")("Capital?", stream=True)
        assert "".join(response) == "Paris"
        assert response.reasoning == "Hm, so."
        assert response.metadata.warnings == ()


def test_the_partial_structures_of_a_stream_are_of_the_answer_alone() -> None:
    with serving(answer(THOUGHT + ADA, True)) as server:
        response = mf.Model.chat_completion("m", base_url=server.url)("Ada", generation_schema=Person, stream=True)
        seen = list(response.partials())
        assert seen[-1] == Person("Ada", 36)
        assert {one.name for one in seen if one.name} <= {"Ada", "Ad", "A"}


@both
def test_a_stream_whose_reasoning_was_shown_as_text_says_so(call: Call) -> None:
    with serving(answer("Hm.\n</think>\n\nParis", True)) as server:
        value, response = call(model_at(server.url), "Capital?", stream=True)
        assert value == "Paris"
        assert "streamed as text" in response.metadata.warnings[0]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_limit_that_reasoning_used_up_is_named(call: Call, streamed: bool) -> None:
    cut = stream("<think>\nHm, so", chunk(reason="length"), b"data: [DONE]\n\n", done=False)
    with serving(cut if streamed else completion("<think>\nHm, so", reason="length")) as server:
        with pytest.raises(mf.TruncatedError, match="used up by the model's reasoning"):
            call(model_at(server.url), "Ada", generation_schema=Person, stream=streamed)
        with pytest.raises(mf.EmptyOutputError, match="used up by the model's reasoning"):
            call(model_at(server.url), "Ada", stream=streamed)


@both
@pytest.mark.parametrize("reasoning", [ADA, f"Let me see.\n{ADA}", f"```json\n{ADA}\n```"])
def test_an_answer_in_the_field_of_reasoning_is_named_with_what_to_do(call: Call, reasoning: str) -> None:
    with serving(completion(None, reasoning_content=reasoning)) as server:
        with pytest.raises(mf.EmptyOutputError, match="--reasoning-parser") as caught:
            call(model_at(server.url), "Ada", generation_schema=Person)
        assert "max_tokens" not in str(caught.value)
        table = mf.extract(["Ada"], Person, model=model_at(server.url), progress=False, store=False)
        assert "--reasoning-parser" in table["_error"][0]


def test_a_batch_reads_reasoning_as_a_call_does() -> None:
    with serving(completion(THOUGHT + ADA)) as server:
        table = mf.extract(["Ada, 36"], Person, model=model_at(server.url), progress=False, store=False)
        assert table[["name", "age", "_status"]].to_dict("records") == [{"name": "Ada", "age": 36, "_status": "ok"}]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("provider", "text"), [("vllm", "Hi"), ("anthropic", "<think>Hm</think>Hi<|im_end|>")])
def test_on_another_wire_marks_are_read_unless_the_maker_of_the_wire_answers(
    provider: str, text: str, streamed: bool
) -> None:
    block = {"type": "text", "text": "<think>Hm</think>Hi<|im_end|>"}
    body = {"type": "message", "role": "assistant", "content": [block], "stop_reason": "end_turn", "model": "m"}
    events = [
        {"type": "message_start", "message": {**body, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": letter}}
            for letter in block["text"]
        ),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    whole = Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})
    with serving(
        Reply([f"data: {json.dumps(event)}\n\n".encode() for event in events]) if streamed else whole
    ) as server:
        asked = mf.Model.chat_completion(f"{provider}/m", base_url=server.url, api_key="k", wire="messages")
        answer = asked("Hello", stream=streamed)
        assert answer.consume() == text
        assert bool(answer.metadata.warnings) == (text == "Hi")


def test_a_batch_takes_control_marks_out_and_says_so() -> None:
    with serving(completion("<|begin_of_box|>" + ADA + "<|end_of_box|>")) as server:
        table = mf.extract(["Ada, 36"], Person, model=model_at(server.url), progress=False, store=False)
        assert table[["name", "age", "_status"]].to_dict("records") == [{"name": "Ada", "age": 36, "_status": "ok"}]
        assert "<|begin_of_box|>" in table["_warnings"][0]
