"""Tests that wrong arguments raise our errors at once: nothing is sent, and no inner exception of a library escapes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd
import pydantic
import pytest

import msgflux_nb as mf
from tests.models.test_chat import Call, both, model_at
from tests.scripted import completion, serving


class Person(msgspec.Struct):
    name: str


class Pydantic(pydantic.BaseModel):
    name: str


def user(*content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}]


TURN = {"role": "assistant", "content": None}

NO_MESSAGES: list[tuple[Any, str]] = [
    (123, "expected a text or a list of messages, got int"),
    (None, "got NoneType"),
    (b"hi", "got bytes"),
    ([], "messages is empty"),
    ("", "the text is empty"),
    (["hi"], "messages[0]: expected a dict with role and content, got str"),
    (pd.DataFrame({"a": [1]}), 'got DataFrame; mf.ChatBlock.user("Hello") builds one. mf.extract(data'),
    (pd.Series(["a"]), "mf.extract(data"),
    (Person("Ada"), "got Person"),
    (mf.ChatBlock.text("x"), "messages[0]: this is a content part of type 'text', not a message"),
    ([mf.ChatBlock.text("x")], "mf.ChatBlock.user(text, media=[part])"),
    ([{"role": "usr", "content": "x"}], "Did you mean 'user'?"),
    ([{"role": "asistant", "content": "x"}], "Did you mean 'assistant'?"),
    ([{"role": "User", "content": "x"}], "Did you mean 'user'?"),
    ([{"content": "x"}], "messages[0]: expected a role"),
    ([{"role": 3, "content": "x"}], "got role 3"),
    ([{"role": "user"}], "expected content in the message of role"),
    ([{"role": "assistant"}], "expected content in the message of role"),
    ([{"role": "user", "content": 3}], "messages[0].content: expected a text or a list of content parts, got int"),
    ([{"role": "user", "content": {"type": "text", "text": "x"}}], "got dict"),
    ([{"role": "tool", "content": "x"}], "tool_call_id is missing"),
    (user("x"), 'Write {"type": "text"'),
    (user({"text": "x"}), "messages[0].content[0]: expected a content part, a dict with a type, got a dict with text"),
    (user({"type": "image_ulr", "image_url": {"url": "https://a.b/c.png"}}), "Did you mean 'image_url'?"),
    (user({"type": "hologram"}), "no content part is of type 'hologram'"),
    (user({"type": "image_url", "image_url": 3}), "expected image_url in a part of type 'image_url'"),
    (user({"type": "image_url", "image_url": {"link": "x"}}), "expected image_url in a part"),
    (user({"type": "text"}), "expected text in a part of type 'text'"),
    (user({"type": "input_audio", "input_audio": "x"}), "expected input_audio"),
    ([{**TURN, "tool_calls": "x"}], "messages[0].tool_calls: expected a list"),
    ([{**TURN, "tool_calls": [{"id": "c", "name": "f"}]}], "response.to_messages() writes the turn"),
]


@pytest.mark.parametrize(("messages", "words"), NO_MESSAGES)
@both
def test_a_value_that_is_not_a_message_is_refused_before_anything_is_sent(
    call: Call, messages: Any, words: str
) -> None:
    with serving() as server:
        for keywords in ({}, {"stream": True}, {"generation_schema": Person}):
            with pytest.raises(mf.BadRequestError, match=re.escape(words)):
                call(model_at(server.url), messages, **keywords)
        assert server.bodies == []


@pytest.mark.parametrize(("messages", "words"), NO_MESSAGES)
def test_run_tools_and_batches_say_the_same(messages: Any, words: str) -> None:
    with serving() as server:
        model = model_at(server.url)
        with pytest.raises(mf.BadRequestError, match=re.escape(words)):
            mf.run_tools(model, messages, tools=[])
        with pytest.raises(mf.BadRequestError, match=re.escape(words)):
            asyncio.run(mf.arun_tools(model, messages, tools=[]))
        with pytest.raises(mf.BadRequestError, match=re.escape(words)):
            model.prepare(messages, generation_schema=Person)
        assert server.bodies == []


@pytest.mark.parametrize(
    "messages",
    [
        "Hi",
        {"role": "user", "content": "Hi"},
        ({"role": "user", "content": one} for one in ["Hi"]),
        user({"type": "text", "text": ""}),
        user({"type": "input_text", "text": "x"}, {"type": "document", "source": {}}),
        [{"role": "user", "content": "Hi"}, TURN, {"role": "user", "content": ""}],
        [{"role": "developer", "content": "Hi"}],
        [{"role": "function", "name": "f", "content": "1"}],
        [{"role": "assistant", "audio": {"id": "a1"}}, {"role": "user", "content": "Hi"}],
    ],
)
def test_what_some_provider_takes_goes_through(messages: Any) -> None:
    with serving(completion("Hello")) as server:
        assert model_at(server.url)(messages).text == "Hello"


def test_a_part_of_a_server_of_ones_own_goes_through_where_the_profile_has_it() -> None:
    with serving(completion("Hello")) as server:
        model = mf.Model.chat_completion("m", base_url=server.url, profile={"parts": ["hologram"]})
        assert model(user({"type": "hologram", "data": "x"})).text == "Hello"
        assert server.bodies[0]["messages"][0]["content"][0]["type"] == "hologram"


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"generation_schema": Person("Ada")}, mf.SchemaError, "got an instance of it"),
        ({"generation_schema": {"type": "object"}}, mf.SchemaError, "expected a msgspec.Struct class"),
        ({"generation_schema": "Person"}, mf.SchemaError, "expected a msgspec.Struct class"),
        ({"stream": "yes"}, TypeError, "stream: expected True or False, got 'yes'"),
        ({"system_prompt": ["x"]}, TypeError, "system_prompt: expected a str or None, got list"),
        ({"prefilling": 3}, TypeError, "prefilling: expected a str"),
        ({"tool_choice": "add"}, mf.BadRequestError, "the request has no tools"),
        ({"tool_schemas": 3}, mf.SchemaError, "expected a list of Python functions"),
        ({"temprature": 1}, TypeError, "Model.chat_completion(name, temperature=...)"),
        ({"tools": []}, TypeError, "Did you mean 'tool_schemas'?"),
        ({"sytem_prompt": "x"}, TypeError, "Did you mean 'system_prompt'?"),
    ],
)
@both
def test_a_wrong_keyword_or_value_of_a_call_is_refused_by_us(
    call: Call, keywords: dict[str, Any], error: type[Exception], words: str
) -> None:
    with serving() as server:
        with pytest.raises(error, match=re.escape(words)):
            call(model_at(server.url), "Hi", **keywords)
        assert server.bodies == []


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"temperature": "hot"}, TypeError, "temperature: expected a number, got 'hot'"),
        ({"temperature": float("nan")}, ValueError, "which JSON does not have"),
        ({"top_p": True}, TypeError, "top_p: expected a number"),
        ({"max_tokens": 1.5}, TypeError, "max_tokens: expected a whole number"),
        ({"stop": 5}, TypeError, "stop: expected a str or a list of str"),
        ({"stop": [5]}, TypeError, "stop: expected a str or a list of str"),
        ({"timeout": "5"}, TypeError, "timeout: expected seconds"),
        ({"max_retries": -1}, ValueError, "max_retries: expected 0 or more"),
        ({"extra_headers": {"a": 3}}, TypeError, "extra_headers: expected str for each header"),
        ({"extra_body": []}, TypeError, "extra_body: expected a dict"),
        ({"base_url": 3}, TypeError, "base_url: expected a str"),
        ({"cache": 3}, TypeError, "cache: expected a path"),
        ({"api_key": 3}, TypeError, "api_key: expected a str"),
        ({"temprature": 1}, TypeError, "Did you mean 'temperature'?"),
        ({"max_completion_tokens": 1}, TypeError, "Did you mean 'max_tokens'?"),
    ],
)
def test_a_wrong_option_is_reported_when_a_model_is_made(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        mf.Model.chat_completion("openai/gpt-4.1", **options)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("opneai/gpt-4o", mf.NotFoundError, "Did you mean 'openai'?"),
        ("anthropc/claude-3", mf.NotFoundError, "Did you mean 'anthropic'?"),
        ("local/smolm2-135m", mf.NotFoundError, "Did you mean 'smollm2-135m'?"),
        ("openai", mf.NotFoundError, "is a provider without a model"),
        (["x"], TypeError, "name: expected a str"),
    ],
)
def test_a_name_one_letter_off_is_told_what_was_meant(name: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        mf.Model.chat_completion(name)


TABLE = pd.DataFrame({"title": ["a"], "photo": ["b"]})


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"prompt": ["{title}"]}, TypeError, "prompt: expected a text"),
        ({"prompt": "{titel}"}, ValueError, "Did you mean 'title'?"),
        ({"images": "foto"}, ValueError, "Did you mean 'photo'?"),
        ({"images": 3}, TypeError, "images: expected the name of a column"),
        ({"on_error": "kepp"}, ValueError, "Did you mean 'keep'?"),
        ({"max_concurrency": 0}, ValueError, "max_concurrency"),
        ({"sample": -1}, ValueError, "sample"),
        ({"system_prompt": 3}, TypeError, "system_prompt: expected a str"),
        ({"examples": 3}, TypeError, "examples: expected a list"),
        ({"store": 3}, TypeError, "store: expected a path"),
        ({"promt": "x"}, TypeError, "Did you mean 'prompt'?"),
        ({"schema": Person("Ada")}, mf.SchemaError, "expected a type"),
        ({"schema": Pydantic}, mf.SchemaError, "Pydantic is a model of pydantic; write a msgspec.Struct"),
        ({"schema": list[Pydantic]}, mf.SchemaError, "Pydantic is a model of pydantic"),
        ({"schema": msgspec.defstruct("Wave", [("phase", complex)])}, mf.SchemaError, "complex has no JSON form"),
        ({"schema": object}, mf.SchemaError, "object has no JSON form"),
        ({"data": 3}, TypeError, "data: expected a DataFrame"),
        ({"model": 3}, TypeError, "model: expected"),
    ],
)
def test_a_batch_says_what_is_wrong_before_its_first_row(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with serving() as server:
        given: dict[str, Any] = {"model": model_at(server.url), "progress": False, "data": TABLE, "schema": Person}
        given |= options
        data, schema = given.pop("data"), given.pop("schema")
        with pytest.raises(error, match=re.escape(words)):
            mf.extract(data, schema, **given)
        with pytest.raises(error, match=re.escape(words)):
            asyncio.run(mf.aextract(data, schema, **given))
        assert server.bodies == []


def add(a: int) -> int:
    return a


MODEL = mf.Model.chat_completion("m", base_url="http://127.0.0.1:9/v1")

ELSEWHERE: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: mf.run_tools(MODEL, "x", tools=3), mf.SchemaError, "tools: expected a list"),  # type: ignore[arg-type]
    (lambda: mf.run_tools(MODEL, "x", tools=[3]), mf.SchemaError, "expected a function"),
    (lambda: mf.run_tools("openai/gpt-4o", "x", tools=[add]), TypeError, "model: expected mf.Model.chat_completion"),
    (lambda: mf.run_tools(MODEL, "x", tools=[add], on_reqest=add), TypeError, "Did you mean 'on_request'?"),  # type: ignore[arg-type]
    (lambda: mf.run_tools(MODEL, "x", tools=[add], on_request=3), TypeError, "on_request: expected a function"),  # type: ignore[arg-type]
    (lambda: mf.ChatBlock.user(123), TypeError, "the text is a str"),  # type: ignore[arg-type]
    (lambda: mf.ChatBlock.tool(3, "x"), TypeError, "call_id is the id of a call"),  # type: ignore[arg-type]
    (lambda: mf.ToolCallAggregator().process("a", None, None, "x"), TypeError, "call_index: expected int"),  # type: ignore[arg-type]
    (lambda: mf.ToolCallAggregator().process(0, "a", 5, "x"), TypeError, "name: expected str"),  # type: ignore[arg-type]
    (lambda: mf.ToolCallAggregator().process(0, "a", "b", object()), TypeError, "arguments: expected a text, a dict"),
    (lambda: mf.ToolCallAggregator().insert_results([1]), TypeError, "expected a dict of results"),  # type: ignore[arg-type]
    (lambda: mf.MessageBuilder(3), TypeError, "expected a list of messages"),  # type: ignore[arg-type]
    (lambda: mf.MessageBuilder([{"role": "usr", "content": "x"}]), mf.BadRequestError, "Did you mean 'user'?"),
    (lambda: mf.Playground(3), TypeError, "expected a model or its name"),
    (lambda: mf.Playground(MODEL, tools=3), mf.SchemaError, "tools: expected a list"),  # type: ignore[arg-type]
    (lambda: mf.Playground(MODEL, messages=3), TypeError, "expected a list of messages"),  # type: ignore[arg-type]
    (lambda: mf.Playground(MODEL, prompt=3), TypeError, "prompt is a str"),  # type: ignore[arg-type]
    (lambda: mf.Playground(MODEL, system_prompt=3), TypeError, "system_prompt is a str or None"),  # type: ignore[arg-type]
    (lambda: mf.Playground(MODEL, schemas=Person), TypeError, "schemas: expected types"),
    (lambda: mf.Playground(MODEL, models=MODEL), TypeError, "models: expected a list of models"),  # type: ignore[arg-type]
    (lambda: mf.MessageBuilder([], variables=["a"]), TypeError, "variables: expected texts by name"),  # type: ignore[arg-type]
    (lambda: mf.PrefillEditor(MODEL, 5), TypeError, "value: expected the start of an answer"),  # type: ignore[arg-type]
    (lambda: mf.PrefillEditor(MODEL, presets=5), TypeError, "presets: expected texts"),  # type: ignore[arg-type]
    (lambda: mf.SchemaPicker(MODEL, schemas=Person), TypeError, "schemas: expected types"),
    (lambda: mf.ToolCallView(approve=TABLE), ValueError, 'approve: expected "ask" or "auto"'),  # type: ignore[arg-type]
    (lambda: mf.ExtractionView(3, Person), TypeError, "data: expected a DataFrame"),
    (lambda: mf.ExtractionView("a", Person), TypeError, "put a single text into a list"),
    (lambda: mf.GridView(MODEL, 5), TypeError, "data: expected a DataFrame"),
    (lambda: mf.grid(["{text}"], ["a"], models=MODEL, score=5), TypeError, "score: expected right answers"),
    (lambda: mf.extract(["a"], Person, model=MODEL, chunk=add), TypeError, "chunk: expected mf.Chunk"),  # type: ignore[arg-type]
    (lambda: mf.extract(["a"], Person, model=MODEL, on_error=TABLE), ValueError, "on_error: expected one of"),  # type: ignore[arg-type]
    (lambda: mf.record("r.jsonl", scrub=5), TypeError, "scrub: expected texts, patterns or functions"),  # type: ignore[arg-type]
    (lambda: mf.record("r.jsonl", scrub=[5]), TypeError, "scrub: expected a text, a pattern or a function"),  # type: ignore[list-item]
    (lambda: mf.record("r.jsonl", "key"), TypeError, "pass them as scrub="),  # type: ignore[arg-type]
    (lambda: mf.ToolCallView(approve="x"), ValueError, 'approve: expected "ask" or "auto"'),
]


@pytest.mark.parametrize(("do", "error", "words"), ELSEWHERE)
def test_tools_blocks_calls_and_widgets_report_a_wrong_argument_too(
    do: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        do()


@pytest.mark.parametrize(("path", "got"), [(5, "got int"), (None, "got NoneType"), ("", "got an empty text")])
@pytest.mark.parametrize("door", [mf.record, mf.replay])
def test_a_recording_needs_a_path(door: Callable[[Any], Any], path: Any, got: str) -> None:
    with pytest.raises(TypeError, match=f"expected the path of a recording, {got}"):
        door(path)


PLANS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    *(
        (name, (MODEL, task), {}, mf.BadRequestError, words)
        for name in ("react", "self_consistency", "tree_of_thoughts")
        for task, words in [
            (5, "expected a text or a list of messages, got int"),
            (None, "got NoneType"),
            ([3], "messages[0]: expected a dict"),
            ({"role": "usr", "content": "x"}, "Did you mean 'user'?"),
        ]
    ),
    *(
        (name, (other, "x"), {}, TypeError, "model: expected")
        for name in ("react", "self_consistency", "tree_of_thoughts")
        for other in (5, "openai/gpt-4.1", [MODEL])
    ),
    ("tree_of_thoughts", (add, "x"), {}, TypeError, "model: expected mf.Model.chat_completion"),
    *(
        (name, (MODEL, "x"), {"prompts": prompts}, TypeError, "prompts: expected mf.plan.Prompts")
        for name in ("react", "self_consistency", "tree_of_thoughts")
        for prompts in (5, "x", {"react": "x"}, TABLE)
    ),
    ("react", (MODEL, "x"), {"answer_tool": "yes"}, TypeError, "answer_tool: expected True or False"),
    ("react", (MODEL, "x"), {"result_max_characters": None}, ValueError, "result_max_characters: expected at least 1"),
    ("self_consistency", (MODEL, "x"), {"before": 5}, TypeError, "before: expected the result of self_consistency"),
    ("self_consistency", (MODEL, "x"), {"temperature": "hot"}, TypeError, "temperature: expected a number"),
    ("self_consistency", (MODEL, "x"), {"stop": TABLE}, ValueError, "stop: expected"),
    ("tree_of_thoughts", (MODEL, "x"), {"breadth": "3"}, ValueError, "breadth: expected at least 1"),
]


@both
@pytest.mark.parametrize(("name", "given", "keywords", "error", "words"), PLANS)
def test_plans_report_a_wrong_argument_too(
    call: Call, name: str, given: tuple[Any, ...], keywords: dict[str, Any], error: type[Exception], words: str
) -> None:
    keywords = {**keywords, **({"tools": [add]} if name == "react" else {})}
    do = getattr(mf.plan, f"a{name}" if "async" in call.__name__ else name)
    with pytest.raises(error, match=re.escape(words)):
        _ = asyncio.run(do(*given, **keywords)) if do.__name__.startswith("a") else do(*given, **keywords)


@pytest.mark.parametrize("name", ["aself_consistency", "atree_of_thoughts"])
@pytest.mark.parametrize("number", [0, "8", None])
def test_how_many_calls_run_side_by_side_is_a_number(name: str, number: Any) -> None:
    with pytest.raises(ValueError, match="max_concurrency: expected at least 1"):
        asyncio.run(getattr(mf.plan, name)(MODEL, "x", max_concurrency=number))
