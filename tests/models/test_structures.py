"""Asking for structures over real HTTP: the ways to ask, what is remembered of a server, tools with a structure."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.models.test_chat import Call, both, call_sync, model_at
from tests.scripted import Reply, chunk, completion, error, serving, stream

TEXT = '{"name": "Ada", "age": 36}'
TOOL = {
    "type": "function",
    "function": {"name": "get_age", "parameters": {"type": "object", "properties": {"name": {"type": "string"}}}},
}


class Person(msgspec.Struct):
    name: str
    age: int


ADA = Person("Ada", 36)


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def called(*calls: tuple[str, str], streamed: bool = False, text: str | None = None) -> Reply:
    """Return an answer that calls tools by name with arguments."""
    fragments = [
        {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    if not streamed:
        return completion(text, reason="tool_calls", tool_calls=fragments)
    return stream(*(chunk(tool_calls=[fragment]) for fragment in fragments), chunk(reason="tool_calls"))


def answer(method: str, text: str = TEXT, streamed: bool = False) -> Reply:
    if method == "tool":
        return called(("Person", text), streamed=streamed)
    return stream(text) if streamed else completion(text)


def way(body: dict[str, Any]) -> str:
    """Return how a request asks for a structure."""
    if "response_format" in body:
        return str(body["response_format"]["type"])
    return "tool" if any(tool["function"]["name"] == "Person" for tool in body.get("tools", [])) else "prompt"


# The ladder

NO_FORMAT = "This model does not support response format `json_schema`. See supported models"
NO_TOOLS = "registry.ollama.ai/library/gemma does not support tools"
NO_JSON = "'response_format.type' must be 'json_schema' or 'text'"


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("refusals", "method"),
    [
        ([], "json_schema"),
        ([NO_FORMAT], "tool"),
        ([NO_FORMAT, NO_TOOLS], "json_object"),
        ([NO_FORMAT, NO_TOOLS, NO_JSON], "prompt"),
    ],
)
def test_a_way_that_is_refused_is_followed_by_the_next(
    call: Call, streamed: bool, refusals: list[str], method: str
) -> None:
    with serving(*(error(400, words) for words in refusals), answer(method, streamed=streamed)) as server:
        value, response = call(model_at(server.url), "Hi", generation_schema=Person, stream=streamed)
        ways = [way(body) for body in server.bodies]
    assert value == ADA
    assert ways == ["json_schema", "tool", "json_object", "prompt"][: len(refusals) + 1]
    assert response.metadata.schema_method == method
    assert response.metadata.attempts == len(refusals) + 1
    assert response.response_type == "structured"


def test_the_form_is_described_in_words_where_the_server_gets_no_schema() -> None:
    with serving(error(400, NO_FORMAT), error(400, NO_TOOLS), completion(TEXT)) as server:
        model_at(server.url)("Hi", generation_schema=Person)
        assert [("JSON of this form" in body["messages"][0]["content"]) for body in server.bodies] == [
            False,
            False,
            True,
        ]


@both
def test_what_a_server_refuses_is_asked_of_it_once(call: Call) -> None:
    with serving(error(400, NO_FORMAT), called(("Person", TEXT))) as server:
        for _ in range(3):
            assert call(model_at(server.url), "Hi", generation_schema=Person)[0] == ADA
        assert [way(body) for body in server.bodies] == ["json_schema", "tool", "tool", "tool"]


def test_what_is_remembered_holds_for_that_model_and_kind_of_request_only() -> None:
    with serving(error(400, NO_FORMAT), called(("Person", TEXT))) as server:
        model_at(server.url)("Hi", generation_schema=Person)
        server.replies = [completion(TEXT)]
        mf.Model.chat_completion("another", base_url=server.url)("Hi", generation_schema=Person)
        model_at(server.url)("Hi", generation_schema=Person, tool_schemas=[TOOL])
        server.replies = [stream(TEXT)]
        model_at(server.url)("Hi", generation_schema=Person, stream=True).consume()
        assert [way(body) for body in server.bodies[2:]] == ["json_schema"] * 3


def test_a_structure_that_is_only_in_the_prompt_next_to_tools_is_enforced_without_them() -> None:
    profile = {"tools_with_schema": False}
    with serving(completion(TEXT)) as server:
        model = model_at(server.url, profile=profile)
        model("Hi", generation_schema=Person, tool_schemas=[TOOL])
        model("Hi", generation_schema=Person)
        assert [way(body) for body in server.bodies] == ["prompt", "json_schema"]


@both
def test_where_every_way_is_refused_the_first_refusal_is_raised_and_nothing_is_remembered(call: Call) -> None:
    refusals = [error(400, words) for words in (NO_FORMAT, NO_TOOLS, NO_JSON, "no prompt either, by this schema")]
    with serving(*refusals, completion(TEXT)) as server:
        with pytest.raises(mf.BadRequestError, match="does not support response format") as caught:
            call(model_at(server.url), "Hi", generation_schema=Person)
        assert len(server.bodies) == caught.value.attempts == 4
        assert call(model_at(server.url), "Hi", generation_schema=Person)[0] == ADA
        assert way(server.bodies[-1]) == "json_schema"


@both
@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "temperature: must be at most 2", mf.BadRequestError),
        (400, "Invalid schema for function 'get_age': ...", mf.BadRequestError),
        (400, "an assistant message with 'tool_calls' must be followed by tool messages", mf.BadRequestError),
        (400, "This model's maximum context length is 4096 tokens, your schema is longer", mf.ContextLengthError),
        (401, "bad key for response_format", mf.AuthenticationError),
        (404, "no such model json_schema", mf.NotFoundError),
    ],
)
def test_an_error_about_something_else_is_raised_at_once_as_it_came(
    call: Call, status: int, words: str, kind: type
) -> None:
    with serving(error(status, words)) as server:
        with pytest.raises(kind) as caught:
            call(model_at(server.url), "Hi", generation_schema=Person)
        assert len(server.bodies) == 1
    assert words in str(caught.value)
    assert caught.value.body == {"error": {"message": words}}


@pytest.mark.parametrize(
    "words",
    [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "This response_format type is unavailable now",
        "Function calling with a response mime type: 'application/json' is unsupported",
        '"tools" is incompatible with "response_format"',
        "Grammar error: Unimplemented keys",
        "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.",
    ],
)
def test_what_servers_say_of_formats_is_understood(words: str) -> None:
    with serving(error(400, words), called(("Person", TEXT))) as server:
        assert model_at(server.url)("Hi", generation_schema=Person).consume() == ADA


@pytest.mark.parametrize(
    "words",
    [
        "deepseek-reasoner does not support this tool_choice",
        "tool_choice 'required' is not supported",
        "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
        "Tool calling is not supported for this model",
    ],
)
def test_what_servers_say_of_tools_is_understood(words: str) -> None:
    profile = {"schema_methods": ["tool", "prompt"]}
    with serving(error(400, words), completion(TEXT)) as server:
        assert model_at(server.url, profile=profile)("Hi", generation_schema=Person).consume() == ADA


def test_groq_is_asked_by_a_tool_where_the_answer_is_streamed() -> None:
    model = mf.Model.chat_completion("groq/llama-3.3-70b-versatile", base_url="http://127.0.0.1:1", api_key="k")
    with serving(called(("Person", TEXT), streamed=True), completion(TEXT)) as server:
        model = mf.Model.chat_completion("groq/openai/gpt-oss-20b", base_url=server.url, api_key="k")
        assert model("Hi", generation_schema=Person, stream=True).consume() == ADA
        assert model("Hi", generation_schema=Person).consume() == ADA
        assert [way(body) for body in server.bodies] == ["tool", "json_schema"]
        assert server.bodies[1]["response_format"]["json_schema"]["strict"] is True


# A structure that is a call


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_a_structure_that_came_as_a_call_is_not_a_call_of_the_answer(call: Call, streamed: bool) -> None:
    profile = {"schema_methods": ["tool"]}
    with serving(called(("Person", TEXT), streamed=streamed)) as server:
        value, response = call(model_at(server.url, profile=profile), "Hi", generation_schema=Person, stream=streamed)
        assert server.bodies[0]["tool_choice"] == {"type": "function", "function": {"name": "Person"}}
    assert value == ADA
    assert response.tool_calls == []
    assert response.to_messages() == [{"role": "assistant", "content": TEXT}]


def test_its_parts_are_shown_while_it_arrives() -> None:
    pieces = [
        {"index": 0, "id": "c", "type": "function", "function": {"name": "Person", "arguments": ""}},
        *({"index": 0, "function": {"arguments": piece}} for piece in ('{"name": "A', 'da", "age"', ": 36}")),
    ]
    reply = stream(*(chunk(tool_calls=[piece]) for piece in pieces))
    with serving(reply) as server:
        model = model_at(server.url, profile={"schema_methods": ["tool"]})
        seen = list(model("Hi", generation_schema=Person, stream=True).partials())
    assert [(person.name, person.age) for person in seen] == [("A", None), ("Ada", None), ("Ada", 36)]
    assert seen[-1] == ADA


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_the_callers_tools_may_be_called_instead(call: Call, streamed: bool) -> None:
    profile = {"schema_methods": ["tool"]}
    with serving(called(("get_age", '{"name": "Ada"}'), streamed=streamed)) as server:
        model = model_at(server.url, profile=profile)
        value, response = call(model, "Hi", generation_schema=Person, tool_schemas=[TOOL], stream=streamed)
        assert [tool["function"]["name"] for tool in server.bodies[0]["tools"]] == ["get_age", "Person"]
        assert server.bodies[0]["tool_choice"] == "required"
    assert response.response_type == "tool_call"
    assert [one.name for one in value.get_calls()] == ["get_age"]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_of_a_call_and_the_structure_at_once_the_call_wins_and_can_be_answered(call: Call, streamed: bool) -> None:
    profile = {"schema_methods": ["tool"]}
    with serving(called(("Person", TEXT), ("get_age", '{"name": "Ada"}'), streamed=streamed)) as server:
        model = model_at(server.url, profile=profile)
        value, response = call(model, "Hi", generation_schema=Person, tool_schemas=[TOOL], stream=streamed)
    assert [(one.id, one.name) for one in value.get_calls()] == [("call_1", "get_age")]
    value.insert_results({"call_1": 36})
    assert response.aggregator is value
    assistant, result = response.to_messages()
    assert assistant["content"] == TEXT
    assert [one["id"] for one in assistant["tool_calls"]] == [result["tool_call_id"]]


def test_only_the_structures_own_arguments_are_its_parts() -> None:
    fragments = [
        {"index": 0, "id": "a", "function": {"name": "get_age", "arguments": '{"name": "Bob"}'}},
        {"index": 1, "id": "b", "function": {"name": "Person", "arguments": TEXT[:15]}},
        {"index": 1, "function": {"arguments": TEXT[15:]}},
    ]
    with serving(stream(*(chunk(tool_calls=[fragment]) for fragment in fragments))) as server:
        model = model_at(server.url, profile={"schema_methods": ["tool"]})
        seen = list(model("Hi", generation_schema=Person, tool_schemas=[TOOL], stream=True).partials())
    assert [person.name for person in seen[:-1]] == ["Ada"]
    assert isinstance(seen[-1], mf.ToolCallAggregator)


@both
@pytest.mark.parametrize(("together", "expected"), [(True, "json_schema"), (False, "prompt")])
def test_tools_and_a_structure_are_asked_for_at_once_as_the_provider_allows(
    call: Call, together: bool, expected: str
) -> None:
    with serving(completion(TEXT)) as server:
        model = model_at(server.url, profile={"tools_with_schema": together})
        value, response = call(model, "Hi", generation_schema=Person, tool_schemas=[TOOL])
        assert way(server.bodies[0]) == expected
        assert len(server.bodies[0]["tools"]) == 1
    assert (value, response.metadata.schema_method) == (ADA, expected)


# What is decoded


@both
@pytest.mark.parametrize("method", ["json_schema", "tool", "json_object", "prompt"])
@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (int, '{"value": 3}', 3),
        (dict[str, int], '{"value": [{"key": "a", "value": 1}]}', {"a": 1}),
    ],
)
def test_a_root_other_than_an_object_is_wrapped_on_the_wire_only(
    call: Call, method: str, type_: Any, text: str, value: Any
) -> None:
    with serving(completion(text)) as server:
        model = model_at(server.url, profile={"schema_methods": [method]})
        if method == "tool":
            name = json.loads(json.dumps({"list[int]": "list"})).get(str(type_), type_.__name__)
            server.replies = [called((name, text))]
        assert call(model, "Hi", generation_schema=type_)[0] == value


@both
@pytest.mark.parametrize(("text", "lax"), [(TEXT, False), ('{"name": "Ada", "age": "36"}', True)])
def test_a_structure_that_fits_after_conversion_only_is_flagged(call: Call, text: str, lax: bool) -> None:
    with serving(completion(text)) as server:
        value, response = call(model_at(server.url), "Hi", generation_schema=Person)
    assert (value, response.metadata.lax) == (ADA, lax)


def test_a_text_has_no_method() -> None:
    with serving(completion("Hello")) as server:
        assert call_sync(model_at(server.url), "Hi")[1].metadata.schema_method is None
