"""A turn in the next request: its author gets the fields that only it understands, other providers do not."""

from __future__ import annotations

import base64
import copy
import json
import re
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.models.test_chat import Call, both
from tests.scripted import Reply, chunk, completion, error, serving, stream

CALL = {"id": "call_0123456789", "type": "function", "function": {"name": "get_time", "arguments": '{"city": "Bern"}'}}
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
HI = {"role": "user", "content": "Hi"}
NAMES = {
    "deepseek": "deepseek/deepseek-v4-pro",
    "groq": "groq/openai/gpt-oss-20b",
    "cerebras": "cerebras/gpt-oss-120b",
    "openrouter": "openrouter/anthropic/claude-sonnet-4.5",
    "gemini": "gemini/gemini-3-flash-preview",
    "mistral": "mistral/mistral-small-latest",
    "openai": "openai/gpt-audio",
}
DETAILS = [
    {"type": "reasoning.text", "text": "They want ", "signature": None, "format": "anthropic-v1", "index": 0},
    {"type": "reasoning.text", "text": "the time.", "signature": "U0lH", "format": "anthropic-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "b2s=", "id": "r1", "format": "anthropic-v1", "index": 1},
]


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def model(provider: str, url: str) -> mf.ChatCompletion:
    return mf.Model.chat_completion(NAMES[provider], base_url=url, api_key="k")


def turn_of(provider: str, reply: Reply, **keywords: Any) -> list[dict[str, Any]]:
    """Return the messages of one answered turn, with the results of calls."""
    with serving(reply) as server:
        answer = model(provider, server.url)("Hi", **keywords)
        value = answer.consume()
        if isinstance(value, mf.ToolCallAggregator):
            value.insert_results({one.id: "12:00" for one in value.get_calls()})
        return answer.to_messages()


def sent_to(provider: str, turn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the same turn as it is sent; check that the caller's messages do not change."""
    messages = [HI, *turn]
    before = copy.deepcopy(messages)
    with serving(completion("Noon.")) as server:
        model(provider, server.url)(messages)
        sent = server.bodies[0]["messages"]
    assert messages == before
    assert "_msgflux" not in json.dumps(sent)
    return sent[1:]


REASONED = {
    "deepseek": {"reasoning_content": "They want the time."},
    "groq": {"reasoning": "They want the time."},
    "cerebras": {"reasoning": "They want the time."},
    "openrouter": {"reasoning": "They want the time.", "reasoning_details": DETAILS},
}


@pytest.mark.parametrize(
    ("provider", "carried"),
    [
        ("deepseek", {"reasoning_content": "They want the time."}),
        ("groq", {}),
        ("cerebras", {"reasoning": "They want the time."}),
        ("openrouter", {"reasoning": "They want the time.", "reasoning_details": DETAILS}),
    ],
)
def test_a_tool_turn_goes_back_with_the_reasoning_that_its_provider_wants(
    provider: str, carried: dict[str, Any]
) -> None:
    turn = turn_of(provider, completion(None, reason="tool_calls", tool_calls=[CALL], **REASONED[provider]))
    assert turn[0]["reasoning"] == "They want the time."
    assistant, result = sent_to(provider, turn)
    assert assistant == {"role": "assistant", "content": None, "tool_calls": [CALL], **carried}
    assert result == {"role": "tool", "tool_call_id": CALL["id"], "content": "12:00"}


@pytest.mark.parametrize(("provider", "carried"), [("deepseek", set()), ("groq", set()), ("cerebras", {"reasoning"})])
def test_a_turn_without_calls_goes_back_with_reasoning_only_where_it_is_always_wanted(
    provider: str, carried: set[str]
) -> None:
    (assistant,) = sent_to(provider, turn_of(provider, completion("Noon.", **REASONED[provider])))
    assert set(assistant) == {"role", "content", *carried}


@pytest.mark.parametrize("source", REASONED)
@pytest.mark.parametrize("target", NAMES)
def test_a_turn_that_moves_carries_no_foreign_field(source: str, target: str) -> None:
    call = {**CALL, "extra_content": {"google": {"thought_signature": "U0lH"}}}
    turn = turn_of(source, completion(None, reason="tool_calls", tool_calls=[call], **REASONED[source]))
    if source == target:
        return
    assistant, _ = sent_to(target, turn)
    added = {"deepseek": {"reasoning_content"}}.get(target, set())
    assert set(assistant) == {"role", "content", "tool_calls", *added}
    assert assistant.get("reasoning_content", "") == ""
    assert "U0lH" not in json.dumps(assistant)


def test_another_model_of_the_same_provider_gets_no_foreign_field_either() -> None:
    turn = turn_of("openrouter", completion("Noon.", **REASONED["openrouter"]))
    with serving(completion("Yes.")) as server:
        mf.Model.chat_completion("openrouter/google/gemini-3", base_url=server.url, api_key="k")([HI, *turn, HI])
        assert set(server.bodies[0]["messages"][1]) == {"role", "content"}


def test_messages_that_a_person_wrote_are_sent_as_they_are() -> None:
    mine = {"role": "assistant", "content": "Noon.", "name": "clock", "made_up": [1]}
    assert sent_to("groq", [mine]) == [mine]
    noted = {"role": "user", "content": "Hi", "_msgflux": {"provider": "x", "model": "y"}}
    assert sent_to("groq", [noted]) == [HI]


# OpenRouter


@both
def test_openrouters_details_of_a_whole_answer_go_back_unmodified(call: Call) -> None:
    with serving(completion("Noon.", reasoning_details=DETAILS)) as server:
        _, response = call(model("openrouter", server.url), "Hi")
    assert response.to_messages()[0]["reasoning_details"] == DETAILS
    assert response.reasoning == "They want the time."


@both
def test_openrouters_details_of_a_stream_are_joined_by_type_and_index(call: Call) -> None:
    pieces = [chunk(reasoning="x", reasoning_details=[detail]) for detail in DETAILS]
    with serving(stream(*pieces, "Noon.")) as server:
        _, response = call(model("openrouter", server.url), "Hi", stream=True)
    first = {**DETAILS[0], "text": "They want the time.", "signature": "U0lH"}
    assert response.to_messages()[0]["reasoning_details"] == [first, DETAILS[2]]


# Gemini

SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "U0lH"}}}
DUMMY = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def signed_stream() -> Reply:
    return stream(
        chunk(tool_calls=[{key: value for key, value in CALL.items() if key != "index"}]),
        chunk(tool_calls=[{"function": {}, "extra_content": SIGNED["extra_content"]}]),
    )


@pytest.mark.parametrize("streamed", [False, True])
def test_geminis_signature_goes_back_in_its_call(streamed: bool) -> None:
    reply = signed_stream() if streamed else completion(None, reason="tool_calls", tool_calls=[SIGNED])
    assistant, _ = sent_to("gemini", turn_of("gemini", reply, stream=streamed))
    assert assistant["tool_calls"] == [SIGNED]


def test_of_parallel_calls_the_first_alone_is_signed_and_stays_so() -> None:
    second = {**CALL, "id": "call_2"}
    turn = turn_of("gemini", completion(None, reason="tool_calls", tool_calls=[SIGNED, second]))
    assert sent_to("gemini", turn)[0]["tool_calls"] == [SIGNED, second]


def test_a_call_that_another_model_wrote_gets_the_text_that_google_documents_for_it() -> None:
    second = {**CALL, "id": "call_2"}
    turn = turn_of("openai", completion(None, reason="tool_calls", tool_calls=[CALL, second]))
    assert sent_to("gemini", turn)[0]["tool_calls"] == [{**CALL, "extra_content": DUMMY}, second]


@both
@pytest.mark.parametrize("words", ["Corrupted thought signature.", "Invalid thought_signature in functionCall"])
def test_a_signature_that_is_refused_is_dropped_once(call: Call, words: str) -> None:
    turn = turn_of("gemini", completion(None, reason="tool_calls", tool_calls=[SIGNED]))
    refusal = Reply(
        [json.dumps([{"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}]).encode()], 400
    )
    with serving(refusal, completion("Noon.")) as server:
        value, response = call(model("gemini", server.url), [HI, *turn])
        first, second = (body["messages"][1]["tool_calls"][0]["extra_content"] for body in server.bodies)
    assert value == "Noon."
    assert (first, second) == (SIGNED["extra_content"], DUMMY)
    assert response.metadata.attempts == 2
    assert turn[0]["tool_calls"] == [SIGNED]


@both
def test_where_that_does_not_help_the_first_refusal_is_raised(call: Call) -> None:
    turn = turn_of("gemini", completion(None, reason="tool_calls", tool_calls=[SIGNED]))
    with serving(error(400, "Corrupted thought signature."), error(400, "missing a thought_signature")) as server:
        with pytest.raises(mf.BadRequestError, match="Corrupted") as caught:
            call(model("gemini", server.url), [HI, *turn])
        assert len(server.bodies) == caught.value.attempts == 2


# Mistral


def test_mistral_gets_ids_of_nine_letters_that_fit_together_while_the_history_keeps_its_own() -> None:
    second = {**CALL, "id": "toolu_01ABC-xyz"}
    turn = turn_of("openai", completion(None, reason="tool_calls", tool_calls=[CALL, second]))
    assistant, *results = sent_to("mistral", turn)
    ids = [one["id"] for one in assistant["tool_calls"]]
    assert [result["tool_call_id"] for result in results] == ids
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[A-Za-z0-9]{9}", one) for one in ids)
    assert sent_to("mistral", turn)[0]["tool_calls"][0]["id"] == ids[0]
    assert [one["id"] for one in turn[0]["tool_calls"]] == [CALL["id"], second["id"]]


def test_an_id_that_mistral_takes_is_left_alone() -> None:
    turn = turn_of("mistral", completion(None, reason="tool_calls", tool_calls=[{**CALL, "id": "Abc123xyz"}]))
    assert sent_to("mistral", turn)[0]["tool_calls"][0]["id"] == "Abc123xyz"


def test_mistrals_thinking_is_reasoning_and_not_text() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Noon?"}]}, {"type": "text", "text": "Noon."}]
    with serving(Reply([json.dumps({"choices": [{"message": {"content": parts}}]}).encode()])) as server:
        answer = model("mistral", server.url)("Hi")
    assert (answer.text, answer.reasoning) == ("Noon.", "Noon?")
    assert sent_to("mistral", answer.to_messages()) == [{"role": "assistant", "content": "Noon."}]


# Sound and images

SOUND = {"id": "audio_1", "data": base64.b64encode(b"RIFF").decode(), "transcript": "Noon.", "expires_at": 1}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def test_sound_goes_back_to_its_provider_by_its_name_and_to_others_as_its_words() -> None:
    turn = turn_of("openai", completion(None, audio=SOUND))
    assert turn[0]["content"] == "Noon."
    assert sent_to("openai", turn) == [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}]
    assert sent_to("groq", turn) == [{"role": "assistant", "content": "Noon."}]


@pytest.mark.parametrize(("text", "left"), [("Here.", "Here."), ("", "[image]")])
def test_an_image_goes_back_to_its_provider_and_to_others_as_what_is_left(text: str, left: str) -> None:
    turn = turn_of("openrouter", completion(text, images=[PICTURE]))
    assert sent_to("openrouter", turn) == [{"role": "assistant", "content": text, "images": [PICTURE]}]
    assert sent_to("groq", turn) == [{"role": "assistant", "content": left}]


def test_a_refusal_goes_back_as_the_text_that_it_is() -> None:
    with serving(completion(None, refusal="No.")) as server:
        turn = model("openai", server.url)("Hi").to_messages()
    assert sent_to("groq", turn) == [{"role": "assistant", "content": "No."}]
