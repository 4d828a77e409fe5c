"""Types to wire schemas and back."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgflux_nb.errors import SchemaError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.outline import outline
from msgflux_nb.generation.schema import Dialect, wire_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    owners: dict[str, int]


class Node(msgspec.Struct):
    """A tree."""

    name: str
    weights: tuple[int, str]
    children: list[Node] = []


class Point(msgspec.Struct, array_like=True):
    x: int
    y: int = 0


class Pair(NamedTuple):
    left: int
    right: str


class Size(TypedDict):
    width: int


@dataclass
class Maker:
    country: str
    since: int = 1900


class Everything(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(description="full name", max_length=40)]
    age: Annotated[int, msgspec.Meta(ge=0, le=130)]
    ratio: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    colour: Colour
    level: Level
    mood: Literal["good", "bad", 3, None]
    nickname: str | None
    counts: dict[str, int]
    by_number: dict[int, float]
    pair: tuple[int, str]
    tags: set[str]
    flags: list[bool]
    raw: bytes
    price: decimal.Decimal
    seen: dt.datetime
    born: dt.date
    at: dt.time
    id: uuid.UUID
    pet: Cat | Dog
    tree: Node
    point: Point
    named: Pair
    size: Size
    maker: Maker
    mixed: int | str | None
    many: list[Cat | Dog]
    notes: list[int] = []
    kept: int = 5
    maybe: dict[str, int] | None = None


ALLOWED_WORDS = frozenset(
    [
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "required",
        "type",
    ]
)


def strict_problems(schema: Any, path: str = "$", *, root: bool = True) -> list[str]:
    """What OpenAI's documented rules for strict mode forbid in a schema."""
    found = [f"{path}: {word}" for word in schema if word not in ALLOWED_WORDS]
    if root and ("$ref" in schema or schema.get("type") != "object"):
        found.append("the root is no object")
    if "$ref" in schema and len(schema) > 1:
        found.append(f"{path}: siblings of $ref")
    if not {"type", "anyOf", "$ref"} & set(schema):
        found.append(f"{path}: no type")
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            found.append(f"{path}: open object")
        if set(schema.get("required", [])) != set(properties):
            found.append(f"{path}: a key that is not required")
    inner = {**schema.get("properties", {}), **schema.get("$defs", {})}
    inner |= {f"anyOf[{i}]": branch for i, branch in enumerate(schema.get("anyOf", []))}
    inner |= {"[]": schema["items"]} if isinstance(schema.get("items"), dict) else {}
    for name, node in inner.items():
        found += strict_problems(node, f"{path}.{name}", root=False)
    return found


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "type_", [Everything, Node, list[Node], int, dict[str, Node], Cat | Dog, Point, Size, Maker, Pair]
)
def test_every_schema_keeps_the_rules_of_strict_mode(type_: Any, dialect: Dialect) -> None:
    allowed = {"minLength", "maxLength"} if dialect is Dialect.GRAMMAR else set()
    problems = strict_problems(wire_schema(type_, dialect).schema)
    assert [p for p in problems if p.rpartition(": ")[2] not in allowed] == []


def test_the_checker_of_strict_mode_finds_what_msgspec_emits() -> None:
    schema = msgspec.json.schema(Everything)
    problems = "".join(strict_problems({**schema["$defs"]["Everything"], "$defs": schema["$defs"]}))
    for word in ("prefixItems", "default", "discriminator", "open object", "not required"):
        assert word in problems


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


def test_a_limit_that_a_dialect_cannot_enforce_is_said_in_words() -> None:
    fields = wire_schema(Everything, Dialect.OPENAI).schema["properties"]
    assert fields["name"]["description"] == "full name; at most 40 characters"
    assert fields["age"] == {"type": "integer", "minimum": 0, "maximum": 130}
    grammar = wire_schema(Everything, Dialect.GRAMMAR).schema["properties"]
    assert grammar["name"]["maxLength"] == 40
    assert grammar["ratio"] == {"type": "number", "description": "at least 0; less than 1"}
    assert grammar["age"]["maximum"] == 130


def test_limits_that_only_the_schema_has_are_sent_too() -> None:
    class Note(msgspec.Struct):
        text: Annotated[str, msgspec.Meta(description="a note", extra_json_schema={"maxLength": 9, "examples": ["x"]})]

    assert wire_schema(Note, Dialect.GRAMMAR).schema["properties"]["text"] == {
        "type": "string",
        "maxLength": 9,
        "description": "a note",
    }
    assert wire_schema(Note).schema["properties"]["text"]["description"] == "a note; at most 9 characters"


def test_a_root_that_is_no_object_is_wrapped_and_unwrapped() -> None:
    wire = wire_schema(list[int])
    assert wire.wrapped
    assert decode_answer('{"value": [1, 2]}', wire).value == [1, 2]
    assert decode_answer("[1, 2]", wire).value == [1, 2]


def test_a_null_for_a_field_with_a_default_gives_the_default() -> None:
    class Record(msgspec.Struct):
        x: int
        z: list[int] = []
        n: int | None = 4

    assert decode_answer('{"x": 1, "z": null, "n": null}', wire_schema(Record)).value == Record(1, [], None)


@pytest.mark.parametrize(
    ("type_", "words"), [(object, "object"), (complex, "complex"), (Any, "Any"), (list[Any], r"\$\[\]")]
)
def test_a_type_without_a_json_form_is_refused_with_its_place(type_: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        wire_schema(type_)


def test_the_place_in_a_struct_is_named() -> None:
    class Loose(msgspec.Struct):
        inner: list[dict[str, Any]]

    with pytest.raises(SchemaError, match=r"\$\.inner\[\]\.value"):
        wire_schema(Loose)


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


# On the wire an instance looks as the schema says; this is what a perfect model would write.


def as_wire(value: Any, schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        fitting = [branch for branch in schema["anyOf"] if fits(value, branch, defs)]
        return as_wire(value, fitting[0], defs) if fitting else value
    if schema.get("type") == "array":
        if isinstance(value, dict):
            item = schema["items"]["properties"]
            return [
                {"key": as_wire(plain_key(k, item["key"]), item["key"], defs), "value": as_wire(v, item["value"], defs)}
                for k, v in value.items()
            ]
        return [as_wire(item, schema["items"], defs) for item in value]
    if "properties" in schema:
        if isinstance(value, list):
            value = dict(zip(schema["properties"], value, strict=True))
        return {name: as_wire(value[name], node, defs) for name, node in schema["properties"].items()}
    return value


def plain_key(key: str, schema: dict[str, Any]) -> Any:
    return int(key) if schema["type"] == "integer" else key


def fits(value: Any, schema: dict[str, Any], defs: dict[str, Any]) -> bool:
    schema = defs.get(schema.get("$ref", "").rpartition("/")[2], schema)
    kinds = {
        "string": str,
        "integer": int,
        "number": float,
        "null": type(None),
        "array": list | dict,
        "object": dict | list,
    }
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if "properties" in schema and isinstance(value, dict):
        tags = {k: s["enum"][0] for k, s in schema["properties"].items() if len(s.get("enum", ())) == 1}
        return set(value) == set(schema["properties"]) and all(value[k] == tag for k, tag in tags.items())
    return value in schema["enum"] if "enum" in schema else True


nodes = st.recursive(
    st.builds(Node, st.text(), st.tuples(st.integers(-9, 9), st.text())),
    lambda inner: st.builds(Node, st.text(), st.tuples(st.integers(-9, 9), st.text()), st.lists(inner, max_size=2)),
    max_leaves=4,
)
pets = st.builds(Cat, st.integers(-9, 9)) | st.builds(Dog, st.dictionaries(st.text(), st.integers(-9, 9)))
small = st.integers(-(2**40), 2**40)
everything = st.builds(
    Everything,
    name=st.text(max_size=40),
    age=st.integers(0, 130),
    ratio=st.floats(0, 0.99),
    colour=st.sampled_from(Colour),
    level=st.sampled_from(Level),
    mood=st.sampled_from(["good", "bad", 3, None]),
    nickname=st.none() | st.text(),
    counts=st.dictionaries(st.text(), small),
    by_number=st.dictionaries(small, st.floats(allow_nan=False, allow_infinity=False)),
    pair=st.tuples(small, st.text()),
    tags=st.sets(st.text()),
    flags=st.lists(st.booleans()),
    raw=st.binary(),
    price=st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-999, max_value=999),
    seen=st.datetimes(),
    born=st.dates(),
    at=st.times(),
    id=st.uuids(),
    pet=pets,
    tree=nodes,
    point=st.builds(Point, small, small),
    named=st.builds(Pair, small, st.text()),
    size=st.fixed_dictionaries({"width": small}),
    maker=st.builds(Maker, st.text(), small),
    mixed=st.none() | small | st.text(),
    many=st.lists(pets, max_size=3),
    notes=st.lists(small, max_size=3),
    kept=small,
    maybe=st.none() | st.dictionaries(st.text(), small),
)


@pytest.mark.parametrize("dialect", list(Dialect))
@settings(max_examples=150, deadline=None)
@given(value=everything)
def test_any_instance_survives_the_wire_form_of_every_dialect(dialect: Dialect, value: Everything) -> None:
    wire = wire_schema(Everything, dialect)
    sent = as_wire(msgspec.json.decode(msgspec.json.encode(value)), wire.schema, wire.schema["$defs"])
    assert decode_answer(msgspec.json.encode(sent).decode(), wire).value == value
