"""The rows of an arriving list: on every wire, for every way to ask for a structure, sync and async; broken items."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.item_texts import ItemTexts
from msgflux_nb.models import server_quirks
from tests.scripted import Reply, chunk, error, model_at, serving, stream

REFUSALS = [
    "This model does not support response format `json_schema`. See supported models",
    "registry.ollama.ai/library/gemma does not support tools",
    "'response_format.type' must be 'json_schema' or 'text'",
]


class Person(msgspec.Struct):
    """A person."""

    name: str
    age: Annotated[int, msgspec.Meta(ge=0)]
    tags: dict[str, int] = {}


class People(msgspec.Struct, rename="camel"):
    page_title: str
    all_people: list[Person]


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def rows_sync(model: mf.ChatCompletion, schema: Any) -> Any:
    answer = model("Hi", generation_schema=schema, stream=True)
    return list(answer.rows()), answer.consume(), answer


def rows_async(model: mf.ChatCompletion, schema: Any) -> Any:
    async def main() -> Any:
        answer = await model.acall("Hi", generation_schema=schema, stream=True)
        return [row async for row in answer.rows()], await answer.consume(), answer

    return asyncio.run(main())


both = pytest.mark.parametrize("rows", [rows_sync, rows_async], ids=["sync", "async"])
Rows = Callable[[mf.ChatCompletion, Any], Any]
TEXT = (
    '{"value": [{"name": "A[d]a, \\"x\\"", "age": 36}, {"name": "Bo", "age": 1, "tags": [{"key": "b", "value": 2}]}]}'
)
WANTED = [Person('A[d]a, "x"', 36), Person("Bo", 1, {"b": 2})]


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def as_tool(text: str, name: str) -> Reply:
    begin = {"index": 0, "id": "call_0", "type": "function", "function": {"name": name, "arguments": ""}}
    parts = [chunk(tool_calls=[begin])]
    parts += [chunk(tool_calls=[{"index": 0, "function": {"arguments": part}}]) for part in pieces(text, 5)]
    return stream(*parts, chunk(reason="tool_calls"))


def events(kinds: list[tuple[str, dict[str, Any]]]) -> Reply:
    wire: list[bytes | float] = [
        f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode() for kind, body in kinds
    ]
    return Reply(wire, headers={"Content-Type": "text/event-stream"})


def on_responses(text: str) -> Reply:
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
    done = {**message, "content": [{"type": "output_text", "text": text, "annotations": []}]}
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    whole = {"id": "r", "model": "scripted", "status": "completed", "output": [done]}
    return events(
        [
            ("response.created", {"response": {"id": "r", "status": "in_progress", "output": []}}),
            ("response.output_item.added", {"output_index": 0, "item": {**message, "content": []}}),
            *[("response.output_text.delta", {**at, "delta": part}) for part in pieces(text, 4)],
            ("response.output_item.done", {"output_index": 0, "item": done}),
            ("response.completed", {"response": whole}),
        ]
    )


def on_messages(text: str) -> Reply:
    start = {"id": "m", "role": "assistant", "content": [], "model": "scripted", "usage": {"input_tokens": 1}}
    return events(
        [
            ("message_start", {"message": start}),
            ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            *[
                ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": part}})
                for part in pieces(text, 3)
            ],
            ("content_block_stop", {"index": 0}),
            ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}),
            ("message_stop", {}),
        ]
    )


@both
@pytest.mark.parametrize("refused", range(4), ids=["json_schema", "tool", "json_object", "prompt"])
def test_rows_come_in_every_way_of_asking(rows: Rows, refused: int) -> None:
    answer = as_tool(TEXT, "list") if refused == 1 else stream(*pieces(TEXT, 3))
    with serving(*[error(400, why) for why in REFUSALS[:refused]], answer) as server:
        if refused == 1:  # the tool's name is told by the first request
            answer.pieces[:] = as_tool(TEXT, tool_name()).pieces
        found, whole, response = rows(model_at(server.url), list[Person])
    assert found == whole == WANTED
    assert response.metadata.schema_method == ["json_schema", "tool", "json_object", "prompt"][refused]


def tool_name() -> str:
    from msgflux_nb.generation.schema import wire_schema

    return wire_schema(list[Person]).name


@both
@pytest.mark.parametrize(("wire", "reply"), [("responses", on_responses), ("messages", on_messages)])
def test_rows_come_on_every_wire(rows: Rows, wire: Any, reply: Callable[[str], Reply]) -> None:
    with serving(reply(TEXT)) as server:
        found, whole, response = rows(model_at(server.url, wire=wire), list[Person])
    assert found == whole == WANTED
    assert response.metadata.wire == wire


def test_a_row_comes_before_the_next_has_begun() -> None:
    first = '{"value": [{"name": "Ada", "age": 36, "tags": []},'
    with serving(stream(first, 30.0, "]}")) as server:
        answer = model_at(server.url)("Hi", generation_schema=list[Person], stream=True)
        with answer:
            assert next(answer.rows()) == Person("Ada", 36)
        assert server.left.wait(5)


@both
def test_a_struct_with_one_list_gives_the_items_of_it(rows: Rows) -> None:
    people = [{"name": "Ada", "age": 36, "tags": []}, {"name": "Bo", "age": 1, "tags": []}]
    text = json.dumps({"pageTitle": "allPeople: [1, 2]", "allPeople": people})
    with serving(stream(*text)) as server:
        found, whole, _ = rows(model_at(server.url), People)
    assert found == whole.all_people == [Person("Ada", 36), Person("Bo", 1)]


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (list[int], '{"value": [1, 2 ,3]}', [1, 2, 3]),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], '{"value": []}', []),
        (list[str], '{"value": ["a,]", "\\"", "\\\\"]}', ["a,]", '"', "\\"]),
        (list[list[int]], '{"value": [[1, 2], [], [3]]}', [[1, 2], [], [3]]),
        (tuple[int, ...], '{"value": [1, 2]}', [1, 2]),
        (set[int], '{"value": [1, 2, 1]}', [1, 2]),
        (Annotated[list[int], msgspec.Meta(min_length=2)], '{"value": [1, 2]}', [1, 2]),
        (list[int], 'Sure:\n```json\n{"value": [1, 2]}\n```', [1, 2]),
        (list[int], 'I was given [7, 8]. So: {"value": [1, 2]}', [1, 2]),
        (list[int], "{'value': [1, 2,]}", [1, 2]),
    ],
)
def test_the_rows_are_the_items_of_the_whole(schema: Any, text: str, expected: list[Any]) -> None:
    with serving(stream(*text)) as server:
        found, whole, _ = rows_sync(model_at(server.url), schema)
    assert found == expected
    assert sorted(map(str, whole)) == sorted(map(str, expected))


def item(name: str, age: Any) -> str:
    return json.dumps({"name": name, "age": age, "tags": []})


@both
def test_a_broken_item_is_an_error_that_carries_the_others(rows: Rows) -> None:
    text = f'{{"value": [{item("a", 1)}, {item("b", "old")}, {item("c", 3)}]}}'
    with serving(stream(*text)) as server, pytest.raises(mf.ValidationFailedError) as caught:
        rows(model_at(server.url, profile={"reasks": 0}), list[Person])
    assert caught.value.rows == [Person("a", 1), Person("c", 3)]
    assert caught.value.path == "$[1].age"
    assert caught.value.raw == text


def test_a_broken_item_that_is_corrected_comes_last() -> None:
    bad = f'{{"value": [{item("a", 1)}, {item("b", "old")}, {item("c", 3)}]}}'
    good = bad.replace('"old"', "2")
    with serving(stream(*pieces(bad, 9)), stream(good)) as server:
        found, whole, _ = rows_sync(model_at(server.url), list[Person])
    assert [row.name for row in found] == ["a", "c", "b"]
    assert [row.name for row in whole] == ["a", "b", "c"]


@both
def test_a_stream_that_is_cut_carries_what_came(rows: Rows) -> None:
    text = f'{{"value": [{item("a", 1)}, {item("b", 2)}, {{"name": "c'
    with serving(stream(text, done=False, cut=True)) as server, pytest.raises(mf.MsgfluxError) as caught:
        rows(model_at(server.url), list[Person])
    assert caught.value.rows == [Person("a", 1), Person("b", 2)]


def test_an_answer_that_was_read_before_gives_all_rows() -> None:
    with serving(stream(TEXT)) as server:
        answer = model_at(server.url)("Hi", generation_schema=list[Person], stream=True)
        answer.consume()
        assert list(answer.rows()) == WANTED


@pytest.mark.parametrize("schema", [Person, dict[str, int], int, None])
def test_what_has_no_list_or_several_is_refused_before_anything_is_sent(schema: Any) -> None:
    class Two(msgspec.Struct):
        a: list[int]
        b: list[str]

    with serving(stream("x")) as server:
        for kind in (schema, Two):
            with pytest.raises(mf.SchemaError, match=r"list\[\.\.\.\]"):
                model_at(server.url)("Hi", generation_schema=kind, stream=True).rows()
        assert not server.bodies


@pytest.mark.parametrize("size", range(1, 12))
def test_the_pieces_make_no_difference(size: int) -> None:
    text = '```json\n{"a": {"value": [9]}, "b": "value", "value": [{"x": "]\\\\\\"["}, [1, {}], 2.5, "a,b"], "c": [3]}'
    texts, found = ItemTexts("value", bare=True), []
    for piece in pieces(text, size):
        found += texts.feed(piece)
    assert found == ['{"x": "]\\\\\\"["}', "[1, {}]", "2.5", '"a,b"']


def test_a_long_list_takes_time_in_proportion() -> None:
    def seconds(rows: int) -> float:
        texts = ItemTexts("value")
        texts.feed('{"value": [')
        began = time.process_time()
        for _ in range(rows):
            assert texts.feed('{"x": "yyyyyyyyyy"},') == ['{"x": "yyyyyyyyyy"}']
        return time.process_time() - began

    seconds(500)
    assert seconds(40_000) < 8 * seconds(5_000) * 4 + 0.5  # each character again and again would be sixty-four times
