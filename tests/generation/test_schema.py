"""Tests the conversion of types to wire schemas, and of values back."""

from __future__ import annotations

import datetime as dt
import enum
import sys
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import pytest
from msgspec import Meta

from msgflux_nb.errors import SchemaError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.outline import outline
from msgflux_nb.generation.schema import Dialect, WireSchema, wire_schema

from .strict_mode import strict_problems


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    owners: dict[str, int]


class Node(msgspec.Struct):
    """A tree."""

    name: str
    children: list[Node] = []


class Linked(msgspec.Struct):
    name: str
    next: Linked | None


class Limited(msgspec.Struct):
    name: Annotated[str, Meta(description="full name", max_length=40)]
    age: Annotated[int, Meta(ge=0, le=130)]
    ratio: Annotated[float, Meta(ge=0, lt=1)]
    step: Annotated[int, Meta(multiple_of=5)]
    code: Annotated[str, Meta(pattern="[a-z]+", min_length=2)]
    tags: Annotated[set[str], Meta(min_length=1, max_length=3)]
    born: dt.date


class Loose(msgspec.Struct):
    pet: Cat | Dog
    pair: tuple[int, str]
    owners: dict[str, int]
    notes: list[int] = []


def test_the_checker_of_strict_mode_finds_what_msgspec_emits() -> None:
    schema = msgspec.json.schema(Loose)
    problems = "; ".join(strict_problems({**schema["$defs"]["Loose"], "$defs": schema["$defs"]}))
    for word in ("prefixItems", "default", "discriminator", "title", "an open object", "notes is not required"):
        assert word in problems


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}, "$: $ref at the root"),
        ({"type": "array", "items": {"type": "string"}}, "$: the root is no object"),
        ({"a": {"$ref": "#/$defs/A", "description": "d"}}, "$.a: description beside $ref"),
        ({"a": {"enum": ["x"]}}, "$.a: no type"),
        ({"a": {"type": "string", "minLength": 1}}, "$.a: minLength is not allowed"),
        ({"a": {"type": "string", "format": "uri"}}, "$.a: the format uri"),
        ({"a": {"type": "array"}}, "$.a: an array without items"),
        ({"a": {"type": "string", "enum": ["x", None]}}, "$.a: an enum of other values than its type"),
    ],
)
def test_the_checker_of_strict_mode_knows_each_rule(schema: dict[str, Any], problem: str) -> None:
    if "a" in schema:
        schema = {"type": "object", "properties": schema, "required": ["a"], "additionalProperties": False}
        schema["$defs"] = {"A": {"type": "string"}}
    assert problem in strict_problems(schema)


def test_a_struct_becomes_this_schema() -> None:
    class Person(msgspec.Struct):
        """Somebody."""

        name: Annotated[str, msgspec.Meta(description="full name")]
        age: int | None
        tags: list[str] = []

    assert wire_schema(Person).schema == {
        "type": "object",
        "description": "Somebody.",
        "properties": {
            "name": {"type": "string", "description": "full name"},
            "age": {"type": ["integer", "null"]},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": False,
    }


def test_a_limit_that_a_dialect_cannot_enforce_is_described_in_words() -> None:
    fields = wire_schema(Limited, Dialect.OPENAI).schema["properties"]
    assert fields["name"]["description"] == "full name; at most 40 characters"
    assert fields["age"] == {"type": "integer", "minimum": 0, "maximum": 130}
    grammar = wire_schema(Limited, Dialect.GRAMMAR).schema["properties"]
    assert grammar["name"]["maxLength"] == 40
    assert grammar["ratio"] == {"type": "number", "description": "at least 0; less than 1"}
    assert grammar["age"]["maximum"] == 130


UNENFORCED = {
    Dialect.OPENAI: (
        "$.name: at most 40 characters",
        "$.code: at least 2 characters",
        "$.tags: no item twice",
    ),
    Dialect.GRAMMAR: (
        "$.ratio: at least 0; less than 1",
        "$.step: a multiple of 5",
        "$.code: matching the pattern [a-z]+",
        "$.tags: no item twice",
    ),
    Dialect.ANTHROPIC: (
        "$.name: at most 40 characters",
        "$.age: at least 0; at most 130",
        "$.ratio: at least 0; less than 1",
        "$.step: a multiple of 5",
        "$.code: matching the pattern [a-z]+; at least 2 characters",
        "$.tags: at most 3 items; no item twice",
    ),
    Dialect.GEMINI: (
        "$.name: at most 40 characters",
        "$.ratio: less than 1",
        "$.step: a multiple of 5",
        "$.code: matching the pattern [a-z]+; at least 2 characters",
        "$.tags: no item twice",
        "$.born: a date such as 2024-12-31",
    ),
    Dialect.VLLM: (
        "$.step: a multiple of 5",
        "$.code: at least 2 characters",
        "$.tags: no item twice",
    ),
    Dialect.PLAIN: (),
}


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_limits_that_a_dialect_does_not_enforce_are_listed_by_field_and_described_in_the_schema(
    dialect: Dialect,
) -> None:
    wire = wire_schema(Limited, dialect)
    assert wire.unenforced == UNENFORCED[dialect]
    for line in wire.unenforced:
        path, _, words = line.partition(": ")
        assert words in wire.schema["properties"][path.removeprefix("$.")]["description"]


def test_a_keyword_is_sent_only_with_values_that_are_enforced() -> None:
    class Site(msgspec.Struct):
        url: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
        few: Annotated[list[int], Meta(min_length=1)]
        more: Annotated[list[int], Meta(min_length=2)]

    assert wire_schema(Site, Dialect.OPENAI).unenforced == ("$.url: as uri",)
    anthropic = wire_schema(Site, Dialect.ANTHROPIC)
    assert anthropic.schema["properties"]["url"] == {"type": "string", "format": "uri"}
    assert anthropic.unenforced == ("$.more: at least 2 items",)


def test_what_is_not_enforced_inside_others_is_listed_with_its_path() -> None:
    class Order(msgspec.Struct):
        prices: dict[str, list[Annotated[float, Meta(ge=0)]]]

    assert wire_schema(Order, Dialect.GRAMMAR).unenforced == ("$.prices.value[]: at least 0",)


def test_plain_json_schema_keeps_every_limit() -> None:
    class Order(msgspec.Struct):
        amounts: Annotated[dict[int, Annotated[float, Meta(gt=0, multiple_of=0.5)]], Meta(min_length=1)]
        tags: Annotated[set[str], Meta(max_length=3)]

    assert wire_schema(Order, Dialect.PLAIN).schema["properties"] == {
        "amounts": {
            "type": "object",
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
            "propertyNames": {"type": "string", "pattern": "^-?[0-9]+$"},
            "minProperties": 1,
        },
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": True},
    }


@pytest.mark.parametrize("dialect", [Dialect.PLAIN, Dialect.GEMINI, Dialect.ANTHROPIC])
def test_what_has_a_default_may_be_left_out_where_the_dialect_allows(dialect: Dialect) -> None:
    class Search(msgspec.Struct):
        text: str
        limit: int = 5
        before: dt.date | None = None
        colour: Colour | None = Colour.RED

    schema = wire_schema(Search, dialect).schema
    assert schema["required"] == ["text"]
    assert schema["properties"]["limit"] == {"type": "integer"}
    assert "anyOf" not in schema["properties"]["before"]
    assert {"type": "null"} in schema["properties"]["colour"]["anyOf"]


def test_gemini_is_not_asked_for_a_key_that_leads_back_to_its_type() -> None:
    wire = wire_schema(Linked, Dialect.GEMINI)
    assert wire.schema["required"] == ["name"]
    assert wire.unenforced == ("$.next: always given",)
    assert "additionalProperties" not in wire.schema


def test_limits_that_only_the_schema_has_are_sent_too() -> None:
    class Note(msgspec.Struct):
        text: Annotated[str, msgspec.Meta(description="a note", extra_json_schema={"maxLength": 9, "examples": ["x"]})]

    assert wire_schema(Note, Dialect.GRAMMAR).schema["properties"]["text"] == {
        "type": "string",
        "maxLength": 9,
        "description": "a note; for example x",
    }
    assert wire_schema(Note).schema["properties"]["text"]["description"] == (
        "a note; for example x; at most 9 characters"
    )


def test_a_root_other_than_an_object_is_wrapped_and_unwrapped() -> None:
    wire = wire_schema(list[int])
    assert wire.wrapped
    assert decode_answer('{"value": [1, 2]}', wire).value == [1, 2]
    assert decode_answer("[1, 2]", wire).value == [1, 2]


@pytest.mark.parametrize(
    ("type_", "words"), [(object, r"\$: object"), (complex, "complex"), (list[complex], r"\$\[\]")]
)
def test_a_type_without_a_json_form_is_refused_with_its_place(type_: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        wire_schema(type_)


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Unknown(msgspec.Struct):
    fine: int
    broken: list[Nowhere]  # type: ignore[name-defined]  # noqa: F821


class Misspelled(msgspec.Struct):
    broken: msgspec.Nowhere  # type: ignore[name-defined]


class NoPython(msgspec.Struct):
    broken: "no such thing"  # type: ignore[syntax]  # noqa: F722


class Inner(msgspec.Struct):
    bad: Mixed


class Outer(msgspec.Struct):
    inner: list[Inner]


class Around(msgspec.Struct):
    same: Around | None
    many: list[Around]
    bad: Mixed


@pytest.mark.parametrize(
    ("type_", "place"),
    [
        (list[dict[str, int] | Cat], r"\$\[\]"),
        (dict[str, Mixed], r"\$\.value"),
        (dict[Mixed, str], r"\$\.key"),
        (tuple[int, list[int] | set[int]], r"\$\[1\]"),
        (Annotated[str, Meta(ge=0)], r"\$"),
        (Unknown, r"\$\.broken: .*Nowhere"),
        (Misspelled, r"\$\.broken: .*Nowhere"),
        (NoPython, r"\$\.broken: "),
        (
            msgspec.defstruct("Outer", [("inner", list[msgspec.defstruct("Inner", [("bad", Mixed)])])]),
            r"\$\.inner\[\]\.bad",
        ),
    ],
)
def test_what_msgspec_refuses_is_refused_with_its_place(type_: Any, place: str) -> None:
    with pytest.raises(SchemaError, match=rf"^{place}"):
        wire_schema(type_)


def test_the_place_in_a_struct_is_named() -> None:
    class Deep(msgspec.Struct):
        inner: list[dict[str, complex]]

    with pytest.raises(SchemaError, match=r"\$\.inner\[\]\.value"):
        wire_schema(Deep)


def test_two_types_that_look_the_same_as_json_are_refused() -> None:
    class Point(NamedTuple):
        x: int
        y: int

    class Vector(msgspec.Struct):
        x: int
        y: int

    with pytest.raises(SchemaError, match=r"^\$\[\]: two types of this union look the same"):
        wire_schema(list[Point | Vector])


@pytest.mark.parametrize("type_", [Any, msgspec.Raw, list[Any], dict[str, Any], Annotated[Any, Meta(description="d")]])
@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_a_type_that_may_be_anything_is_sent_as_a_wish(type_: Any, dialect: Dialect) -> None:
    assert not wire_schema(type_, dialect).strict


def test_a_type_that_holds_itself_is_a_wish_where_no_schema_may() -> None:
    assert [dialect for dialect in Dialect if not wire_schema(Node, dialect).strict] == [Dialect.ANTHROPIC]


def test_a_description_of_anything_is_sent() -> None:
    class Loose(msgspec.Struct):
        value: Annotated[Any, Meta(description="what it is")]

    for dialect in Dialect:
        assert "what it is" in wire_schema(Loose, dialect).schema["properties"]["value"]["description"]


T = TypeVar("T")


class Holder(msgspec.Struct, Generic[T]):
    content: T
    inner: Holder[T] | None = None


class Described(msgspec.Struct):
    """A part."""

    parts: Annotated[list[Described], Meta(description="inside it")] = []
    of: Annotated[Described | None, Meta(description="around it")] = None


class Machine(msgspec.Struct):
    first: Annotated[Described, Meta(description="the first part")]
    second: Described


def test_a_description_at_a_type_that_holds_itself_is_sent_by_writing_it_out() -> None:
    fields = wire_schema(Machine).schema["properties"]
    assert fields["first"]["description"] == "the first part; A part."
    assert fields["second"] == {"$ref": "#/$defs/Described"}


def test_types_of_one_name_have_definitions_of_their_own() -> None:
    schema = wire_schema(tuple[Holder[int], Holder[str]]).schema
    assert {name: node["properties"]["content"]["type"] for name, node in schema["$defs"].items()} == {
        "Holder": "integer",
        "Holder_2": "string",
    }


def test_a_name_fits_what_providers_allow() -> None:
    class Gültig(msgspec.Struct):
        x: int

    assert wire_schema(Gültig).name == "G_ltig"


def test_the_outline_reads_like_the_json_that_is_wanted() -> None:
    class Person(msgspec.Struct):
        name: Annotated[str, msgspec.Meta(description="full name")]
        age: Annotated[int, msgspec.Meta(ge=0, le=130)]
        colour: Colour
        tags: list[str]

    assert outline(wire_schema(Person, Dialect.GRAMMAR).schema) == (
        '{"name": string (full name), "age": integer (from 0 to 130), "colour": "red" or "blue", "tags": [string, ...]}'
    )


def test_the_outline_names_a_type_that_holds_itself() -> None:
    assert "<Node>" in outline(wire_schema(Node).schema)


# The limits of OpenAI's strict mode


def struct_of(fields: dict[str, Any]) -> Any:
    return msgspec.defstruct("Large", list(fields.items()))


def nested(levels: int) -> Any:
    type_ = msgspec.defstruct("Innermost", [("x", int)])
    for _ in range(levels - 1):
        type_ = msgspec.defstruct("Outer", [("x", type_)])
    return type_


def lists(levels: int) -> Any:
    return list[lists(levels - 1)] if levels else int


def words(count: int, length: int) -> Any:
    return Literal[tuple(f"{i:0{length}}" for i in range(count))]


FITTING = {
    "properties": struct_of({f"f{i}": int for i in range(5_000)}),
    "levels": nested(10),
    "levels of arrays": lists(9),
    "values": struct_of({f"f{i}": words(250, 3) for i in range(4)}),
    "a long enum": words(251, 59),
    "characters": struct_of({f"f{i:099}": int for i in range(1_200)}),
}
TOO_LARGE = {
    "properties": (struct_of({f"f{i}": int for i in range(5_001)}), r"\$\.f5000: .* more than 5,000 properties"),
    "levels": (nested(11), r"\$(\.x){10}: .* more than 10 levels"),
    "levels of arrays": (
        list[list[list[list[list[list[list[list[list[list[int]]]]]]]]]],
        r"\$\.value(\[\]){9}: .* 10 levels",
    ),
    "values": (struct_of({f"f{i}": words(250, 3) for i in range(5)}), r"\$\.f4: .* more than 1,000 values"),
    "a long enum": (words(251, 60), r"\$\.value: .* 15,000 characters in an enum of more than 250"),
    "characters": (
        struct_of({f"f{i:099}": int for i in range(1_201)}),
        r"\$\.f0*1200: .* more than 120,000 characters",
    ),
}


@pytest.mark.parametrize("type_", FITTING.values(), ids=FITTING)
def test_a_schema_at_the_limit_is_taken(type_: Any) -> None:
    assert wire_schema(type_).strict


@pytest.mark.parametrize(("type_", "message"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_schema_above_the_limit_is_refused_with_the_field(type_: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        wire_schema(type_)
    assert "OpenAI's strict mode" in str(caught.value)


class Many(msgspec.Struct):
    kind: Literal[tuple(f"v{i}" for i in range(1_001))]  # type: ignore[valid-type]
    inner: list[Many] = []


def test_a_definition_counts_too() -> None:
    with pytest.raises(SchemaError, match=r"^Many\.kind: .* more than 1,000 values"):
        wire_schema(struct_of({"many": Many}))


@pytest.mark.parametrize(("characters", "fits"), [(120_000, True), (120_001, False)])
def test_the_names_of_definitions_and_of_their_fields_are_counted(characters: int, fits: bool) -> None:
    used = 1_199 * 100 + len("node") + len("Node" + "name" + "children")
    fields = {f"f{i:099}": int for i in range(1_199)} | {"x" * (characters - used): int, "node": Node}
    if fits:
        assert wire_schema(struct_of(fields)).strict
        return
    with pytest.raises(SchemaError, match=r"^Node\.children: .* 120,000 characters"):
        wire_schema(struct_of(fields))


@pytest.mark.parametrize("dialect", [dialect for dialect in Dialect if dialect is not Dialect.OPENAI])
def test_a_dialect_without_limits_takes_a_large_schema(dialect: Dialect) -> None:
    for type_, _ in TOO_LARGE.values():
        assert wire_schema(type_, dialect).schema


def test_a_schema_that_is_only_a_wish_may_be_large() -> None:
    assert not wire_schema(struct_of({"x": Any, **{f"f{i}": int for i in range(5_000)}})).strict


def test_a_type_that_doubles_with_each_level_is_refused_in_time() -> None:
    type_: Any = msgspec.defstruct("Leaf", [("x", int)])
    for _ in range(30):
        type_ = msgspec.defstruct("Twice", [("a", type_), ("b", type_)])
    with pytest.raises(SchemaError, match="more than 50,000 properties"):
        wire_schema(type_, Dialect.PLAIN)


def test_a_wire_schema_can_be_built_from_its_five_first_fields() -> None:
    wire = WireSchema(type=int, name="n", schema={}, wrapped=False, restore=None)
    assert (wire.strict, wire.unenforced) == (True, ())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="msgspec takes the type of the language from 3.12 on")
def test_an_alias_that_msgspec_does_not_know_is_refused_with_its_place() -> None:
    from typing_extensions import TypeAliasType

    with pytest.raises(SchemaError, match=r"^\$\[\]: "):
        wire_schema(list[TypeAliasType("Alias", int)])
