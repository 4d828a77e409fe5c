"""Prefilling over real HTTP: the request, and that the text holds the prefill exactly once, whatever a server does."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.models.test_chat import Call, both, call_sync, model_at
from tests.scripted import completion, error, serving, stream

PREFILL = "Sure! 1. Red"
WHOLE = "Sure! 1. Red, Blue"
CONTINUES = {"prefill": "continue", "echo": False, "echo_stream": False}
ECHOES = {"prefill": "continue", "echo": True, "echo_stream": True}
UNKNOWN = {"prefill": "continue", "echo": None, "echo_stream": None}


class Colours(msgspec.Struct):
    colours: Annotated[list[Annotated[str, msgspec.Meta(max_length=12)]], msgspec.Meta(max_length=3)]


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def reply(text: str, streamed: bool) -> Any:
    return stream(text) if streamed else completion(text)


# The echo


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("profile", "answer"), [(ECHOES, WHOLE), (CONTINUES, ", Blue")], ids=["echo", "no echo"])
def test_the_text_holds_the_prefill_once(call: Call, streamed: bool, profile: dict[str, Any], answer: str) -> None:
    with serving(reply(answer, streamed)) as server:
        value, response = call(model_at(server.url, profile=profile), "Hi", prefilling=PREFILL, stream=streamed)
    assert value == response.text == WHOLE
    assert response.continuation == ", Blue"
    assert response.metadata.prefill_method == "continued"
    assert response.to_messages() == [{"role": "assistant", "content": WHOLE}]


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("profile", "answer", "found"),
    [(ECHOES, WHOLE, True), (ECHOES, "Red", False), (ECHOES, "Sure! Red", False), (CONTINUES, ", Blue", None)],
)
def test_whether_an_expected_echo_came_is_told(
    call: Call, streamed: bool, profile: dict[str, Any], answer: str, found: bool | None
) -> None:
    with serving(reply(answer, streamed)) as server:
        _, response = call(model_at(server.url, profile=profile), "Hi", prefilling=PREFILL, stream=streamed)
    assert response.metadata.prefill_found is found


@pytest.mark.parametrize("cut", range(len(WHOLE) + 1))
def test_an_echo_is_taken_out_wherever_the_stream_is_cut(cut: int) -> None:
    with serving(stream(WHOLE[:cut], WHOLE[cut:])) as server:
        answer = model_at(server.url, profile=ECHOES)("Hi", prefilling=PREFILL, stream=True)
        assert "".join(answer) == ", Blue"
        assert answer.consume() == WHOLE


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_begins_like_the_prefill_is_kept_whole_where_there_is_no_echo(
    call: Call, streamed: bool
) -> None:
    with serving(reply("haha", streamed)) as server:
        assert call(model_at(server.url, profile=CONTINUES), "Hi", prefilling="ha", stream=streamed)[0] == "hahaha"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("answer", ["Sure", "Sure! 1. Green", ""])
def test_a_server_that_should_echo_and_does_not_loses_nothing(streamed: bool, answer: str) -> None:
    with serving(reply(answer, streamed)) as server:
        value, _ = call_sync(model_at(server.url, profile=ECHOES), "Hi", prefilling=PREFILL, stream=streamed)
    assert value == PREFILL + answer


# The probe


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("probed", "answer"), [("Reference 7391-QX: blue", WHOLE), ("it is blue", ", Blue")])
def test_an_unknown_server_is_tried_once_for_each_kind_of_answer(
    call: Call, streamed: bool, probed: str, answer: str
) -> None:
    replies = [reply(probed, streamed), reply(answer, streamed), reply(answer, streamed)]
    with serving(*replies) as server:
        for number, sent in ((0, 2), (1, 3)):
            value, _ = call(model_at(server.url, profile=UNKNOWN), "Hi", prefilling=PREFILL, stream=streamed)
            assert value == WHOLE, number
            assert len(server.bodies) == sent
        probe = server.bodies[0]
    assert probe["messages"][-1] == {"role": "assistant", "content": "Reference 7391-QX:"}
    assert probe["max_tokens"] == 8
    assert probe.get("stream", False) is streamed


def test_a_probe_says_nothing_of_the_other_kind_of_answer_or_of_another_model() -> None:
    with serving(completion("no echo")) as server:
        model_at(server.url, profile=UNKNOWN)("Hi", prefilling=PREFILL)
        assert len(server.bodies) == 2
        other = mf.Model.chat_completion("another", base_url=server.url, profile=UNKNOWN)
        other("Hi", prefilling=PREFILL)
        assert len(server.bodies) == 4
        server.replies = [stream("no echo")]
        model_at(server.url, profile=UNKNOWN)("Hi", prefilling=PREFILL, stream=True).consume()
        assert len(server.bodies) == 6


@both
def test_what_a_probe_costs_is_counted(call: Call) -> None:
    with serving(completion("no echo", usage=9), completion(", Blue", usage=7)) as server:
        _, response = call(model_at(server.url, profile=UNKNOWN), "Hi", prefilling=PREFILL)
    assert response.metadata.attempts == 2
    assert response.metadata.usage.total_tokens == 16


def test_a_reader_of_the_stream_does_not_see_the_probe() -> None:
    with serving(stream("the probe's words"), stream(", Blue")) as server:
        assert list(model_at(server.url, profile=UNKNOWN)("Hi", prefilling=PREFILL, stream=True)) == [", Blue"]


@both
def test_a_probe_that_fails_fails_the_call(call: Call) -> None:
    with serving(error(401, "no")) as server, pytest.raises(mf.AuthenticationError) as caught:
        call(model_at(server.url, profile=UNKNOWN), "Hi", prefilling=PREFILL)
    assert caught.value.attempts == 1


def test_no_probe_where_there_is_no_prefill() -> None:
    with serving(completion("Hello")) as server:
        model_at(server.url, profile=UNKNOWN)("Hi", prefilling="  \n")
        assert len(server.bodies) == 1


# What is sent


@both
def test_claude_gets_no_white_space_at_the_end_and_the_caller_gets_it_back(call: Call) -> None:
    with serving(completion(" then")) as server:
        model = mf.Model.chat_completion("anthropic/claude-sonnet-4-5", base_url=server.url, api_key="k")
        value, _ = call(model, "Hi", prefilling="x \n")
        assert server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "x"}
    assert value == "x \n then"


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
def test_a_blank_prefill_sends_nothing_and_adds_nothing(blank: str) -> None:
    with serving(completion("Hello")) as server:
        value, response = call_sync(model_at(server.url, profile=CONTINUES), "Hi", prefilling=blank)
        assert server.bodies[0]["messages"] == [{"role": "user", "content": "Hi"}]
    assert value == "Hello"
    assert response.metadata.prefill_method is None


def test_an_assistant_turn_that_is_last_and_a_prefill_become_one_message() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well. "}]
    with serving(completion(", Blue")) as server:
        answer = model_at(server.url, profile=CONTINUES)(messages, prefilling=PREFILL)
        assert server.bodies[0]["messages"][1:] == [{"role": "assistant", "content": "Well. " + PREFILL}]
    assert answer.text == WHOLE
    assert len(messages) == 2


def test_deepseek_is_asked_elsewhere_for_that_call_only() -> None:
    with serving(completion("usual")) as usual, serving(completion(", Blue")) as beta:
        changes = {"prefill_base_url": beta.url}
        model = mf.Model.chat_completion("deepseek/deepseek-chat", base_url=usual.url, api_key="k", profile=changes)
        assert model("Hi", prefilling=PREFILL).text == WHOLE
        assert model("Hi").text == "usual"
        assert (len(usual.bodies), len(beta.bodies)) == (1, 1)
        assert beta.bodies[0]["messages"][-1] == {"role": "assistant", "content": PREFILL, "prefix": True}


def test_a_llama_cpp_server_is_told_not_to_think() -> None:
    with serving(stream(", Blue")) as server:
        model = mf.Model.chat_completion("llamacpp/qwen3", base_url=server.url)
        model("Hi", prefilling=PREFILL, stream=True).consume()
        assert server.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}
        model("Hi", stream=True).consume()
        assert "chat_template_kwargs" not in server.bodies[1]


# What is refused, before anything is sent

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@both
@pytest.mark.parametrize(
    ("name", "options", "keywords", "words"),
    [
        ("mistral/mistral-small-latest", {}, {"tool_schemas": [TOOL]}, "together with tools"),
        ("llamacpp/qwen3", {"reasoning_effort": "high"}, {}, "together with reasoning"),
        ("anthropic/claude-sonnet-4-5", {"reasoning_effort": "high"}, {}, "together with reasoning"),
        ("anthropic/claude-opus-4-6", {}, {}, "not known to continue"),
        ("openai/gpt-4.1", {}, {}, "not known to continue"),
        ("vllm/qwen3", {}, {"generation_schema": Colours}, "does not begin with {"),
    ],
)
def test_a_prefill_that_cannot_be_continued_sends_nothing(
    call: Call, name: str, options: dict[str, Any], keywords: dict[str, Any], words: str
) -> None:
    with serving(completion("never")) as server:
        model = mf.Model.chat_completion(name, base_url=server.url, api_key="k", **options)
        with pytest.raises(mf.PrefillError, match=words):
            call(model, "Hi", prefilling=PREFILL, **keywords)
        assert server.bodies == []


@pytest.mark.parametrize(
    ("prefill", "words"),
    [
        ("Sure!", "does not begin with {"),
        ('{"colors": [', "no field 'colors'"),
        ('{"colours": ["blue"]}', "is complete, so nothing can follow"),
        ('{"colours" ["', "it does not begin|expected|colon"),
    ],
)
def test_a_prefill_that_cannot_begin_the_structure_sends_nothing(prefill: str, words: str) -> None:
    with serving(completion("never")) as server:
        with pytest.raises(mf.PrefillError, match=words):
            model_at(server.url, profile=CONTINUES)("Hi", prefilling=prefill, generation_schema=Colours)
        assert server.bodies == []


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_prefill_and_what_follows_are_decoded_together(call: Call, streamed: bool) -> None:
    with serving(reply('ue"]}', streamed)) as server:
        model = model_at(server.url, profile=CONTINUES)
        value, response = call(model, "Hi", prefilling=' {"colours":["bl', generation_schema=Colours, stream=streamed)
    assert value == Colours(["blue"])
    assert response.text == '{"colours":["blue"]}'


# Emulation, and a server that refuses after all


@both
@pytest.mark.parametrize("answer", [WHOLE, ", Blue"])
def test_an_instruction_takes_its_place_only_where_that_is_asked_for(call: Call, answer: str) -> None:
    with serving(completion(answer)) as server:
        model = mf.Model.chat_completion("openai/gpt-4.1", base_url=server.url, api_key="k", prefill_mode="emulate")
        value, response = call(model, "Hi", prefilling=PREFILL)
        messages = server.bodies[0]["messages"]
    assert value == WHOLE
    assert response.metadata.prefill_method == "emulated"
    assert [message["role"] for message in messages] == ["user"]
    assert f"<<<{PREFILL}>>>" in messages[0]["content"]


def test_an_instruction_follows_a_message_with_parts_as_a_part() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    with serving(completion(WHOLE)) as server:
        model_at(server.url, prefill_mode="emulate")(messages, prefilling=PREFILL)
        assert [part["type"] for part in server.bodies[0]["messages"][0]["content"]] == ["text", "text"]


def test_another_mode_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="prefill_mode"):
        mf.Model.chat_completion(prefill_mode="guess")  # type: ignore[arg-type]  # the mistake under test


@both
@pytest.mark.parametrize(
    "words",
    [
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        "Assistant response prefill is incompatible with enable_thinking.",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
    ],
)
def test_a_server_that_refuses_a_prefill_is_not_asked_otherwise_but_the_way_is_offered(call: Call, words: str) -> None:
    with serving(error(400, words)) as server:
        with pytest.raises(mf.PrefillError, match="emulate") as caught:
            call(model_at(server.url, profile=CONTINUES), "Hi", prefilling=PREFILL)
        assert len(server.bodies) == 1
    assert isinstance(caught.value.__cause__, mf.BadRequestError)
    assert caught.value.attempts == 1


def test_the_same_words_without_a_prefill_are_the_servers_error() -> None:
    with serving(error(400, "prefill is not supported")) as server, pytest.raises(mf.BadRequestError):
        model_at(server.url)("Hi")


# The embedded model, which echoes whole answers and streams without an echo


@pytest.mark.local
@pytest.mark.parametrize("streamed", [False, True])
def test_the_embedded_model_continues(streamed: bool) -> None:
    model = mf.Model.chat_completion(temperature=0, max_tokens=12)
    value, response = call_sync(model, "Name three colours.", prefilling=PREFILL, stream=streamed)
    assert value == PREFILL + response.continuation
    assert response.continuation
    assert not response.continuation.startswith(PREFILL)


@pytest.mark.local
@pytest.mark.parametrize("streamed", [False, True])
def test_the_embedded_model_continues_a_structure(streamed: bool) -> None:
    model = mf.Model.chat_completion(temperature=0, max_tokens=60)
    prefill = '{"colours":["bl'
    value, response = call_sync(
        model, "Name two colours.", prefilling=prefill, generation_schema=Colours, stream=streamed
    )
    assert value.colours[0].startswith("bl")
    assert json.loads(response.text) == {"colours": value.colours}


@pytest.mark.local
def test_the_embedded_model_refuses_a_prefill_that_cannot_begin_the_structure() -> None:
    with pytest.raises(mf.PrefillError):
        asyncio.run(mf.Model.chat_completion().acall("Hi", prefilling="Sure!", generation_schema=Colours))
