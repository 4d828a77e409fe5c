"""Tools over real HTTP: how a call is forced, what happens if none comes, and how calls that come are read."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from msgflux_nb.protocol.events import ToolCallDelta
from tests.models.test_chat import Call, both, call_sync, model_at
from tests.scripted import Reply, chunk, completion, error, serving, stream


class Person(msgspec.Struct):
    name: str


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], **parameters}
    return {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": schema}}


TOOLS = [tool("get_weather"), tool("get_time")]


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def fragment(index: int, name: str, arguments: str, **extra: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function, **extra}


def called(*calls: dict[str, Any], streamed: bool = False, text: str | None = None, **message: Any) -> Reply:
    if not streamed:
        return completion(text, reason="tool_calls", tool_calls=list(calls), **message)
    return stream(chunk(text or "", **message), *(chunk(tool_calls=[one]) for one in calls), chunk(reason="tool_calls"))


OSLO = fragment(0, "get_weather", '{"city": "Oslo"}')
BERN = fragment(1, "get_time", '{"city": "Bern"}')


# How a call is asked for


@pytest.mark.parametrize(
    ("name", "choice", "sent", "offered"),
    [
        ("openai/gpt-4.1", None, None, 2),
        ("openai/gpt-4.1", "auto", "auto", 2),
        ("openai/gpt-4.1", "none", "none", 2),
        ("openai/gpt-4.1", "required", "required", 2),
        ("openai/gpt-4.1", "get_time", {"type": "function", "function": {"name": "get_time"}}, 2),
        ("mistral/mistral-small-latest", "required", "any", 2),
        ("mistral/mistral-small-latest", "get_time", {"type": "function", "function": {"name": "get_time"}}, 2),
        ("llamacpp/qwen3", "required", "required", 2),
        ("llamacpp/qwen3", "get_time", "required", 1),
        ("lmstudio/qwen3", "get_time", "required", 1),
        ("deepseek/deepseek-chat", "required", "required", 2),
        ("deepseek/deepseek-v4-pro", "required", "auto", 2),
        ("deepseek/deepseek-v4-pro", "get_time", "auto", 1),
        ("anthropic/claude-fable-5", "get_time", {"type": "auto"}, 1),
        ("anthropic/claude-sonnet-4-5", "get_time", {"type": "tool", "name": "get_time"}, 2),
        ("openai/gpt-5", "get_time", {"type": "function", "name": "get_time"}, 2),
    ],
)
def test_a_tool_choice_is_sent_in_the_providers_form(name: str, choice: str | None, sent: Any, offered: int) -> None:
    with serving(called(OSLO)) as server:
        model = mf.Model.chat_completion(name, base_url=server.url, api_key="k")
        model("Hi", tool_schemas=TOOLS, tool_choice=choice)
        body = server.bodies[0]
    assert body.get("tool_choice") == sent
    assert [one.get("function", one)["name"] for one in body["tools"]] == ["get_weather", "get_time"][2 - offered :]


@both
@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"tool_schemas": TOOLS, "tool_choice": "get_wether"}, "get_weather, get_time; got 'get_wether'"),
        ({"tool_choice": "required"}, "has no tools"),
        ({"tool_schemas": [], "tool_choice": "get_time"}, "has no tools"),
    ],
)
def test_a_choice_of_nothing_is_refused_before_sending(call: Call, keywords: dict[str, Any], words: str) -> None:
    with serving(completion("never")) as server:
        with pytest.raises(mf.BadRequestError, match=words):
            call(model_at(server.url), "Hi", **keywords)
        assert server.bodies == []


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_without_tools_the_request_does_not_mention_them(choice: str | None) -> None:
    with serving(completion("Hello")) as server:
        model_at(server.url)("Hi", tool_choice=choice)
        assert not {"tools", "tool_choice"} & set(server.bodies[0])


SEARCH = {"type": "web_search_preview", "search_context_size": "low"}
THE_TIME = {"type": "function", "function": {"name": "get_time"}}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": []}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("web_search_preview", {"type": "web_search_preview"}),
        (THE_TIME, THE_TIME),
        ({"type": "function", "name": "get_time"}, THE_TIME),
        ({"type": "tool", "name": "get_time"}, THE_TIME),
        ({"type": "any"}, "required"),
        ("any", "required"),
        (ALLOWED, ALLOWED),
        ("required", "required"),
    ],
)
@both
def test_a_tool_of_the_provider_goes_along_and_can_be_chosen(call: Call, choice: Any, sent: Any) -> None:
    with serving(called(BERN, text="Found.")) as server:
        model = mf.Model.chat_completion("openai/gpt-4.1", base_url=server.url, api_key="k")
        calls, _ = call(model, "Hi", tool_schemas=[*TOOLS, SEARCH], tool_choice=choice)
        [body] = server.bodies
    assert body["tools"] == [*TOOLS, SEARCH]
    assert body["tool_choice"] == sent
    assert [one.name for one in calls.get_calls()] == ["get_time"]


@both
def test_a_provider_that_searched_has_made_no_forced_call(call: Call) -> None:
    with serving(completion("Found.")) as server:
        model = model_at(server.url)
        answer, _ = call(model, "Hi", tool_schemas=[SEARCH, TOOLS[0]], tool_choice="required")
    assert answer == "Found."


@both
def test_a_choice_one_letter_off_is_told_what_was_meant(call: Call) -> None:
    with serving() as server, pytest.raises(mf.BadRequestError, match="Did you mean 'get_weather'"):
        call(model_at(server.url), "Hi", tool_schemas=TOOLS, tool_choice="get_wether")


def test_gemini_gets_no_keyword_that_it_refuses_and_keeps_properties_of_the_same_name() -> None:
    inner = {"type": "object", "properties": {"title": {"type": "string", "title": "T"}}, "additionalProperties": False}
    given = tool("f", title="F", properties={"a": {"type": "array", "items": inner}}, additionalProperties=False)
    before = copy.deepcopy(given)
    with serving(completion("Hello")) as server:
        mf.Model.chat_completion("gemini/gemini-2.5-flash", base_url=server.url, api_key="k")(
            "Hi", tool_schemas=[given]
        )
        sent = server.bodies[0]["tools"][0]["function"]["parameters"]
    assert sent["properties"]["a"]["items"] == {"type": "object", "properties": {"title": {"type": "string"}}}
    assert not {"title", "additionalProperties"} & set(sent)
    assert given == before


# A call that does not come


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("choice", ["required", "get_time"])
@pytest.mark.parametrize("text", ["It is noon.", ""])
def test_prose_in_place_of_a_forced_call_is_an_error_with_the_prose(
    call: Call, streamed: bool, choice: str, text: str
) -> None:
    with serving(stream(text) if streamed else completion(text)) as server:
        with pytest.raises(mf.ToolNotCalledError) as caught:
            call(model_at(server.url), "Hi", tool_schemas=TOOLS, tool_choice=choice, stream=streamed)
        assert len(server.bodies) == 1
    assert caught.value.snapshot.text == text
    assert caught.value.attempts == 1


@both
def test_a_refusal_of_a_forced_call_is_a_refusal(call: Call) -> None:
    with serving(completion(None, refusal="No.")) as server, pytest.raises(mf.RefusedError):
        call(model_at(server.url), "Hi", tool_schemas=TOOLS, tool_choice="required")


@both
def test_prose_is_an_answer_where_no_call_was_forced(call: Call) -> None:
    with serving(completion("It is noon.")) as server:
        assert call(model_at(server.url), "Hi", tool_schemas=TOOLS, tool_choice="auto")[0] == "It is noon."


AS_STRUCTURE = '{"call": {"name": "get_time", "arguments": {"city": "Bern"}}}'
FALLS_BACK = {"forced_call_fallback": True}


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_where_the_profile_says_so_it_is_asked_for_as_a_structure(call: Call, streamed: bool) -> None:
    replies = [stream("Noon."), stream(AS_STRUCTURE)] if streamed else [completion("Noon."), completion(AS_STRUCTURE)]
    with serving(*replies) as server:
        model = model_at(server.url, profile=FALLS_BACK)
        value, response = call(model, "Hi", tool_schemas=TOOLS, tool_choice="get_time", stream=streamed)
        form = server.bodies[1]["response_format"]["json_schema"]["schema"]["properties"]["call"]
        assert "tools" not in server.bodies[1]
    assert form["properties"]["name"]["enum"] == ["get_time"]
    assert form["properties"]["arguments"] == TOOLS[1]["function"]["parameters"]
    assert [(one.name, one.arguments) for one in value.get_calls()] == [("get_time", {"city": "Bern"})]
    assert response.response_type == "tool_call"
    assert response.metadata.attempts == 2
    assert streamed or response.metadata.usage.total_tokens == 14


def test_a_call_that_came_as_a_structure_is_answered_like_any_other() -> None:
    with serving(completion("Noon."), completion(AS_STRUCTURE)) as server:
        response = model_at(server.url, profile=FALLS_BACK)("Hi", tool_schemas=TOOLS, tool_choice="get_time")
    aggregator = response.consume()
    assert response.aggregator is aggregator
    assert [one.id for one in response.tool_calls] == [one.id for one in aggregator.get_calls()]
    aggregator.insert_results({response.tool_calls[0].id: "12:00"})
    assistant, result = response.to_messages()
    assert assistant["content"] is None
    assert result == {"role": "tool", "tool_call_id": assistant["tool_calls"][0]["id"], "content": "12:00"}


def test_any_of_the_tools_will_do_where_none_was_named() -> None:
    with serving(completion("Noon."), completion(AS_STRUCTURE)) as server:
        model_at(server.url, profile=FALLS_BACK)("Hi", tool_schemas=TOOLS, tool_choice="required").consume()
        forms = server.bodies[1]["response_format"]["json_schema"]["schema"]["properties"]["call"]["anyOf"]
    assert [form["properties"]["name"]["enum"] for form in forms] == [["get_weather"], ["get_time"]]


def test_a_server_without_schemas_is_told_the_form_in_words() -> None:
    profile = {**FALLS_BACK, "schema_methods": ["json_object", "prompt"]}
    with serving(completion("Noon."), completion(AS_STRUCTURE)) as server:
        model_at(server.url, profile=profile)("Hi", tool_schemas=TOOLS, tool_choice="get_time").consume()
        assert server.bodies[1]["response_format"] == {"type": "json_object"}
        assert '"enum":["get_time"]' in server.bodies[1]["messages"][0]["content"]


@both
@pytest.mark.parametrize("second", [completion("Still noon."), completion("[1]"), error(500, retry_after_ms="1")])
def test_where_that_does_not_help_the_call_was_not_made(call: Call, second: Reply) -> None:
    with serving(completion("Noon."), second) as server:
        model = model_at(server.url, profile=FALLS_BACK, max_retries=0)
        with pytest.raises(mf.ToolNotCalledError) as caught:
            call(model, "Hi", tool_schemas=TOOLS, tool_choice="get_time")
    assert caught.value.attempts == 2


def test_a_reader_of_the_stream_sees_the_prose_and_consume_has_the_call() -> None:
    with serving(stream("Noon."), stream(AS_STRUCTURE)) as server:
        answer = model_at(server.url, profile=FALLS_BACK)("Hi", tool_schemas=TOOLS, tool_choice="get_time", stream=True)
        assert list(answer) == ["Noon."]
        assert answer.text == "Noon."
        assert [one.name for one in answer.consume().get_calls()] == ["get_time"]


# Calls that come


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("reason", ["tool_calls", "stop", "length"])
def test_calls_win_over_a_structure_and_a_text_whatever_the_reason(call: Call, streamed: bool, reason: str) -> None:
    whole = completion('{"name": "Ada"}', reason=reason, tool_calls=[OSLO, BERN])
    pieces = stream(
        '{"name": "Ada"}', chunk(tool_calls=[OSLO]), chunk(tool_calls=[BERN]), chunk(reason=reason), done=False
    )
    with serving(pieces if streamed else whole) as server:
        value, response = call(
            model_at(server.url), "Hi", generation_schema=Person, tool_schemas=TOOLS, stream=streamed
        )
    assert isinstance(value, mf.ToolCallAggregator)
    assert [one.name for one in value.get_calls()] == ["get_weather", "get_time"]
    assert response.response_type == "tool_call"
    assert response.text == '{"name": "Ada"}'


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_broken_call_is_seen_not_executed_and_answered_by_its_error(call: Call, streamed: bool) -> None:
    broken = fragment(1, "get_time", '{"city": ')
    with serving(called(OSLO, broken, streamed=streamed)) as server:
        value, response = call(model_at(server.url), "Hi", tool_schemas=TOOLS, stream=streamed)
    assert [(one.id, one.arguments) for one in response.tool_calls] == [("call_0", {"city": "Oslo"}), ("call_1", None)]
    assert [one.id for one in value.get_calls()] == ["call_0"]
    with pytest.raises(mf.ToolCallError, match="call_1"):
        value.get_calls(strict=True)
    value.insert_results({"call_0": {"degrees": 4}})
    assistant, good, bad = response.to_messages()
    assert [json.loads(one["function"]["arguments"]) for one in assistant["tool_calls"]] == [{"city": "Oslo"}, {}]
    assert (good["tool_call_id"], json.loads(good["content"])) == ("call_0", {"degrees": 4})
    assert bad["tool_call_id"] == "call_1"
    assert "error" in json.loads(bad["content"])


@both
def test_messages_before_the_results_name_what_is_missing(call: Call) -> None:
    with serving(called(OSLO, BERN)) as server:
        value, response = call(model_at(server.url), "Hi", tool_schemas=TOOLS)
    value.insert_results({"call_1": None})
    with pytest.raises(mf.ToolCallError, match=r"call_0 \(get_weather\)"):
        response.to_messages()
    assistant, result = value.get_messages(allow_missing=True)
    assert [one["id"] for one in assistant["tool_calls"]] == ["call_1"]
    assert result["content"] == "null"


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_turn_with_calls_keeps_its_text_and_its_reasoning(call: Call, streamed: bool) -> None:
    reply = called(OSLO, streamed=streamed, text="Let me look.", reasoning_content="They want the weather.")
    with serving(reply) as server:
        value, response = call(model_at(server.url), "Hi", tool_schemas=TOOLS, stream=streamed)
    value.insert_results({"call_0": "4 °C"})
    for messages in (value.get_messages(), response.to_messages()):
        assert messages[0]["content"] == "Let me look."
        assert messages[0]["reasoning"] == "They want the weather."
        assert messages[0]["_msgflux"] == {"provider": "openai-compatible", "model": "scripted"}
    assert response.reasoning == "They want the weather."


def test_the_calls_of_another_choice_count_where_the_first_has_none() -> None:
    choices = [
        {"index": 0, "message": {"content": "Hm."}, "finish_reason": "stop"},
        {"index": 1, "message": {"tool_calls": [OSLO]}, "finish_reason": "tool_calls"},
    ]
    with serving(Reply([json.dumps({"choices": choices}).encode()])) as server:
        response = model_at(server.url)("Hi", tool_schemas=TOOLS)
    assert [one.name for one in response.tool_calls] == ["get_weather"]
    assert [one.name for one in response.consume().get_calls()] == ["get_weather"]


@pytest.mark.parametrize(
    ("message", "sent_back"),
    [
        (
            {"function_call": {"name": "get_time", "arguments": "{}"}},
            {"role": "function", "name": "get_time", "content": "12:00"},
        ),
        (
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "12:00"},
        ),
    ],
)
def test_older_and_custom_calls_are_answered_in_their_own_form(
    message: dict[str, Any], sent_back: dict[str, Any]
) -> None:
    with serving(completion(None, reason="function_call", **message), completion("Noon.")) as server:
        model = model_at(server.url)
        response = model("Hi", tool_schemas=TOOLS)
        response.consume().insert_results({response.tool_calls[0].id: "12:00"})
        model([{"role": "user", "content": "Hi"}, *response.to_messages()])
        assistant, result = server.bodies[1]["messages"][1:]
    assert {name: assistant[name] for name in message} == message
    assert result == sent_back


# The embedded model, whose calls are forced by a prefill of ours


@pytest.mark.local
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("choice", ["required", "get_weather"])
def test_the_embedded_model_calls_when_it_has_to(streamed: bool, choice: str) -> None:
    model = mf.Model.chat_completion(temperature=0, max_tokens=80)
    messages = "What is the weather in Oslo?"
    value, _ = call_sync(model, messages, tool_schemas=TOOLS[:1], tool_choice=choice, stream=streamed)
    assert [(one.name, one.arguments) for one in value.get_calls()] == [("get_weather", {"city": "Oslo"})]


@pytest.mark.local
def test_a_call_of_the_embedded_model_is_seen_to_grow() -> None:
    model = mf.Model.chat_completion(temperature=0, max_tokens=80)
    answer = model("What is the weather in Oslo?", tool_schemas=TOOLS[:1], tool_choice="required", stream=True)
    partial = []
    for event in answer.events():
        if isinstance(event, ToolCallDelta):
            partial.append(answer.aggregator.states[0].partial)  # type: ignore[union-attr]  # there is one by now
    assert len(partial) > 2
    assert partial[-1] == {"city": "Oslo"}
    assert answer.response_type == "tool_call"


@pytest.mark.local
def test_a_forced_call_and_a_prefill_exclude_each_other() -> None:
    with pytest.raises(mf.PrefillError, match="a prefill of its own"):
        mf.Model.chat_completion()("Hi", tool_schemas=TOOLS, tool_choice="required", prefilling="Sure")
