"""Tests whether an answer to one structure may be decoded to another one."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.tables.reuse import reusable


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(msgspec.Struct):
    street: str
    city: str


class City(msgspec.Struct):
    city: str


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    name: str


class Node(msgspec.Struct):
    name: str
    children: list[Node] = []


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


class Branch(msgspec.Struct):
    name: str
    next: Branch | None = None


class Twig(msgspec.Struct):
    next: Twig | None = None


def made(*fields: Any, name: str = "Made", **options: Any) -> Any:
    return msgspec.defstruct(name, fields, **options)


def said(kind: Any, description: str) -> Any:
    return Annotated[kind, msgspec.Meta(description=description)]


WAS = made(("name", str), ("age", int), ("tags", list[str]), ("home", Address), ("colour", Colour))

CASES: dict[str, tuple[Any, Any, bool | None]] = {
    "the same": (WAS, WAS, True),
    "another name of the class": (WAS, made(*[("age", int)], name="Human"), True),
    "fewer fields": (WAS, made(("name", str), ("tags", list[str])), True),
    "another order": (WAS, made(("age", int), ("name", str)), True),
    "fewer fields within": (WAS, made(("home", City)), True),
    "one more field": (WAS, made(("name", str), ("height", int)), False),
    "one more field that may be absent": (WAS, made(("name", str), ("height", int | None, None)), False),
    "one more field within": (made(("home", City)), made(("home", Address)), False),
    "a field of another name": (WAS, made(("names", str)), False),
    "null where there was none": (WAS, made(("age", int | None)), True),
    "no null where there was one": (made(("age", int | None)), made(("age", int)), True),
    "a default": (WAS, made(("age", int, 7)), True),
    "a number as a text": (WAS, made(("age", str)), False),
    "a whole number as any": (WAS, made(("age", float)), False),
    "one as several": (WAS, made(("name", list[str])), False),
    "several of another kind": (WAS, made(("tags", list[int])), False),
    "a tree of optional branches": (made(("n", Branch)), made(("n", Twig)), True),
    "a bound": (WAS, made(("age", Annotated[int, msgspec.Meta(ge=0)])), None),
    "a date as a text": (made(("day", datetime.date)), made(("day", str)), None),
    "a description": (WAS, made(("name", said(str, "the family name"))), False),
    "another description": (made(("a", said(str, "one"))), made(("a", said(str, "two"))), False),
    "the same description": (made(("a", said(str, "one")), ("b", int)), made(("a", said(str, "one"))), True),
    "choices by another name": (WAS, made(("colour", Literal["red", "blue"])), True),
    "fewer choices": (WAS, made(("colour", Literal["red"])), False),
    "more choices": (WAS, made(("colour", Literal["red", "blue", "green"])), False),
    "a text instead of choices": (WAS, made(("colour", str)), False),
    "choices and null": (WAS, made(("colour", Colour | None)), True),
    "the same kinds": (made(("pet", Cat | Dog), ("n", int)), made(("pet", Cat | Dog)), True),
    "one kind less": (made(("pet", Cat | Dog)), made(("pet", Cat)), False),
    "a kind more": (made(("pet", Cat)), made(("pet", Cat | Dog)), False),
    "a tree": (Node, Tree, True),
    "a list as a root": (list[int], list[int], True),
    "another root": (list[int], list[str], False),
    "a table as a record": (list[Address], Address, False),
    "a map": (made(("m", dict[str, int])), made(("m", dict[str, int])), True),
    "another map": (made(("m", dict[str, int])), made(("m", dict[str, str])), False),
}
PROFILES = ["openai/gpt-4.1-nano", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "mistral/mistral-small"]


def prepared(schema: Any, model: str = PROFILES[0], **options: Any) -> Any:
    made = mf.Model.chat_completion(model, api_key="sk-0123456789", **options)
    return made.prepare("What is it?", generation_schema=schema)


@pytest.mark.parametrize("model", PROFILES)
@pytest.mark.parametrize("case", CASES)
def test_a_stored_answer_is_decoded_to_another_schema_if_the_request_is_the_same(case: str, model: str) -> None:
    was, wanted, expected = CASES[case]
    found = reusable(prepared(wanted, model).schema, prepared(was, model).request)
    assert found is expected or expected is None


@pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
@pytest.mark.parametrize("method", ["json_schema", "tool"])
def test_what_was_asked_is_read_in_requests_of_every_wire(wire: str, method: str) -> None:
    options = {"wire": wire, "profile": {"schema_methods": [method]}}
    was, fewer = prepared(WAS, **options), prepared(made(("name", str)), **options)
    assert reusable(fewer.schema, was.request)
    assert not reusable(was.schema, fewer.request)


@pytest.mark.parametrize("model", PROFILES)
def test_bounds_may_differ_where_the_dialect_can_say_them(model: str) -> None:
    """In other dialects a bound is part of the description, and so of the request."""
    for case in ("a bound", "a date as a text"):
        was, wanted, _ = CASES[case]
        asked = prepared(wanted, model)
        described = "description" in str(asked.schema.schema) or "description" in str(
            prepared(was, model).schema.schema
        )
        assert reusable(asked.schema, prepared(was, model).request) is not described


@pytest.mark.parametrize("model", PROFILES)
@pytest.mark.parametrize("case", [case for case, (*_, expected) in CASES.items() if expected])
def test_every_answer_that_may_be_decoded_to_another_schema_can_be(case: str, model: str) -> None:
    was, wanted, _ = CASES[case]
    written = written_as(was, EXAMPLES.get(case, EXAMPLE), model)
    assert decode_answer(written, prepared(wanted, model).schema).value is not None


EXAMPLE = {
    "name": "Ada",
    "age": 36,
    "tags": ["a"],
    "home": {"street": "S", "city": "C"},
    "colour": "red",
}
EXAMPLES: dict[str, Any] = {
    "the same description": {"a": "x", "b": 1},
    "no null where there was one": {"age": 1},
    "the same kinds": {"pet": {"type": "cat", "lives": 9}, "n": 1},
    "a tree": {"name": "a", "children": [{"name": "b", "children": []}]},
    "a tree of optional branches": {"n": {"name": "a", "next": {"name": "b", "next": None}}},
    "a list as a root": [1, 2],
    "a map": {"m": {"a": 1}},
}


def written_as(schema: Any, value: Any, model: str) -> str:
    """Return a value as a model writes it: with wrapped roots and maps as pairs if the schema says so."""
    wire = prepared(schema, model).schema.schema
    if schema is list[int]:
        return msgspec.json.encode(
            {next(iter(wire["properties"])): value} if wire["type"] == "object" else value
        ).decode()
    if "m" in (value if isinstance(value, dict) else {}) and "array" in str(wire):
        return msgspec.json.encode({"m": [{"key": "a", "value": 1}]}).decode()
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize("method", ["json_object", "prompt"])
def test_a_structure_that_was_only_described_in_words_is_asked_for_again(method: str) -> None:
    was = prepared(City, profile={"schema_methods": (method,)})
    assert not reusable(prepared(City).schema, was.request)


def test_a_structure_that_was_asked_for_as_a_call_is_read_too() -> None:
    was = prepared(Address, profile={"schema_methods": ("tool",)})
    assert b'"tools"' in was.request
    assert reusable(prepared(City).schema, was.request)
    assert not reusable(prepared(made(("zip", str))).schema, was.request)


@pytest.mark.parametrize("body", [b"{}", b'{"response_format": 3}', b'{"tools": []}', b'{"tools": [{}]}'])
def test_a_request_without_a_structure_is_not_reused(body: bytes) -> None:
    assert not reusable(prepared(City).schema, body)


def test_a_schema_that_names_itself_without_end_is_given_up() -> None:
    loop = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#/$defs/a"}}}}
    loop["response_format"]["json_schema"]["schema"]["$defs"] = {"a": {"$ref": "#/$defs/a"}}  # type: ignore[index]
    assert not reusable(prepared(City).schema, msgspec.json.encode(loop))
