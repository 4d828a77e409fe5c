"""Tests that the description of how a structure is asked for agrees with the request."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

import msgflux_nb as mf
from msgflux_nb.errors import SchemaError
from msgflux_nb.models import server_quirks
from msgflux_nb.widgets.schema.sending import sending
from tests.scripted import error, model_at, serving, stream


class Person(msgspec.Struct):
    name: Annotated[str, Meta(max_length=40)]
    age: int


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def named(name: str) -> mf.ChatCompletion:
    return mf.Model.chat_completion(name, api_key="k")


@pytest.mark.parametrize(
    ("name", "way", "titles"),
    [
        (
            "openai/gpt-4.1",
            "openai/gpt-4.1 is held to this by its server; if it refuses, it is asked by a tool call, then as JSON.",
            ["response_format", "written in descriptions only, and checked after decoding"],
        ),
        (
            "deepseek/deepseek-chat",
            "deepseek/deepseek-chat is asked for this by a tool call, and its server does not enforce it; "
            "if it refuses, it is asked as JSON, then in words.",
            ["the last of tools", "tool_choice", "written in descriptions only, and checked after decoding"],
        ),
        (
            "vllm/qwen",
            "vllm/qwen is held to this by its server; if it refuses, it is asked by a tool call, then as JSON, then in "
            "words.",
            ["response_format", "in the messages"],
        ),
        (
            "anthropic/claude-mythos-1",
            "anthropic/claude-mythos-1 is held to this by its server; if it refuses, it is asked in words.",
            ["output_config.format", "written in descriptions only, and checked after decoding"],
        ),
        (
            "openai/gpt-5",
            "openai/gpt-5 is held to this by its server; if it refuses, it is asked by a tool call, then as JSON.",
            ["text.format", "written in descriptions only, and checked after decoding"],
        ),
    ],
)
def test_each_provider_is_described_by_its_own_rules(name: str, way: str, titles: list[str]) -> None:
    found = sending(named(name), Person)
    assert found.way == way
    assert [title for title, _ in found.parts] == titles


def test_the_text_shown_is_the_one_that_is_sent() -> None:
    with serving(stream('{"name": "Al", "age": 3}')) as server:
        model = model_at(server.url)
        model("Hi", generation_schema=Person, stream=True).consume()
        shown = dict(sending(model, Person).parts)
        assert json.loads(shown["response_format"]) == server.bodies[0]["response_format"]


def test_a_way_that_the_server_has_refused_is_not_shown_any_more() -> None:
    refusal = error(400, "response_format is not supported")
    with serving(refusal, stream('{"name": "Al", "age": 3}')) as server:
        model = model_at(server.url, profile={"schema_methods": ["json_schema", "prompt"]})
        assert "if it refuses, it is asked in words" in sending(model, Person).way
        model("Hi", generation_schema=Person, stream=True).consume()
        assert sending(model, Person).way.endswith("is asked for this in words, and its server does not enforce it.")


def test_what_is_not_enforced_is_listed_by_its_place() -> None:
    found = sending(named("openai/gpt-4.1"), Person)
    assert found.unenforced == {"$.name": "at most 40 characters"}
    assert (
        "$.name: at most 40 characters" in dict(found.parts)["written in descriptions only, and checked after decoding"]
    )


def test_where_everything_is_enforced_nothing_is_marked() -> None:
    found = sending(named("vllm/qwen"), Person)
    assert found.unenforced == {}
    assert len(found.notes) == 1


def test_where_nothing_is_enforced_nothing_is_marked_either() -> None:
    model = mf.Model.chat_completion("openai/gpt-5", api_key="k", profile={"schema_methods": ["prompt"]})
    found = sending(model, Person)
    assert found.unenforced == {}
    assert "its server does not enforce it" in found.way


@pytest.mark.parametrize(
    ("reasks", "said"),
    [
        (0, "is a ValidationFailedError; this model is not asked again."),
        (1, "goes back with its error, once."),
        (3, "goes back with its error, at most 3 times."),
    ],
)
def test_the_sentences_say_how_often_an_answer_goes_back(reasks: int, said: str) -> None:
    model = model_at("http://127.0.0.1:1/v1", profile={"reasks": reasks})
    assert said in sending(model, Person).notes[-1]


def test_the_sentences_say_that_a_root_other_than_an_object_is_wrapped() -> None:
    found = sending(named("openai/gpt-4.1"), list[int])
    assert found.wrapped
    assert any('the answer travels under "value"' in note for note in found.notes)
    assert not sending(named("openai/gpt-4.1"), Person).wrapped


def test_limits_that_a_schema_cannot_express_are_named() -> None:
    class Free(msgspec.Struct):
        anything: Any

    found = sending(named("openai/gpt-4.1"), Free)
    assert any("Any" in note for note in found.notes)
    assert "does not enforce it" in found.way


def test_further_keywords_of_the_call_count() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    model = named("groq/llama-3.3-70b-versatile")
    assert "tool call" in sending(model, Person).way
    assert sending(model, Person, {"tool_schemas": [tool]}).way.endswith(
        "in words, and its server does not enforce it."
    )
    assert "tool call" in sending(model, Person, {"prefilling": "Hello"}).way  # which is impossible, and told elsewhere
    assert "tool call" not in sending(model, Person, {"prefilling": "{"}).way


def test_the_callers_tools_are_not_shown_as_ours() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    parts = dict(sending(named("deepseek/deepseek-chat"), Person, {"tool_schemas": [tool]}).parts)
    assert json.loads(parts["the last of tools"])["function"]["name"] == "Person"


def test_a_broken_type_is_a_schema_error() -> None:
    with pytest.raises(SchemaError, match="complex"):
        sending(named("openai/gpt-4.1"), complex)


def test_a_huge_schema_is_cut() -> None:
    wide = msgspec.defstruct("Wide", [(f"field_{n}", int) for n in range(4_000)])
    [(_, text), *_] = sending(named("vllm/qwen"), wide).parts
    assert len(text) < 200_100
    assert text.endswith("more characters")
