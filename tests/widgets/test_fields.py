"""Tests the fields of a type for display."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from msgspec import Meta

from msgflux_nb.errors import SchemaError
from msgflux_nb.generation.plan import ChainOfThoughts, TreeOfThoughts
from msgflux_nb.widgets.schema.fields import TypeField, doc_of, fields


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(msgspec.Struct):
    """Where somebody lives.

    Attributes:
        city: the town,
            without its country
        street: Not told.
    """

    city: str
    street: Annotated[str, Meta(description="with the number")]


class Tree(msgspec.Struct):
    label: str
    children: list[Tree] = []


class Zoo(msgspec.Struct, tag_field="kind", tag="zoo"):
    animal: int


class Park(msgspec.Struct, tag_field="kind", tag="park"):
    tree: int


@dataclasses.dataclass
class Point:
    x: int = 0


class Movie(TypedDict):
    title: str


def of(annotation: Any, **more: Any) -> TypeField:
    """Return the only field of a Struct with this type."""
    [field, *_], _ = fields(msgspec.defstruct("One", [("one", annotation, *more.values())]))
    return field


def paths(type_: Any) -> list[tuple[str, int, str]]:
    return [(field.path, field.depth, field.holds) for field in fields(type_)[0]]


def test_nested_fields_follow_the_one_that_holds_them() -> None:
    class Person(msgspec.Struct):
        name: str
        home: Address | None
        former: list[Address]
        by_year: dict[str, Annotated[Address, Meta(description="x")]]
        tags: list[str]

    assert paths(Person) == [
        ("name", 0, "value"),
        ("home", 0, "record"),
        ("home.city", 1, "value"),
        ("home.street", 1, "value"),
        ("former", 0, "list"),
        ("former[].city", 1, "value"),
        ("former[].street", 1, "value"),
        ("by_year", 0, "map"),
        ("by_year[].city", 1, "value"),
        ("by_year[].street", 1, "value"),
        ("tags", 0, "value"),
    ]


def test_a_type_that_holds_itself_is_listed_once() -> None:
    assert paths(Tree) == [("label", 0, "value"), ("children", 0, "value")]


def test_a_union_of_several_records_is_a_value() -> None:
    assert of(Zoo | Park).holds == "value"


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (int, [("value", 0, "value")]),
        (list[Point], [("value", 0, "list"), ("value[].x", 1, "value")]),
        (Point, [("x", 0, "value")]),
        (Movie, [("title", 0, "value")]),
        (
            ChainOfThoughts[int],
            [("steps", 0, "list"), ("steps[].explanation", 1, "value"), ("steps[].output", 1, "value")],
        ),
    ],
)
def test_any_type_has_fields(type_: Any, expected: list[tuple[str, int, str]]) -> None:
    assert paths(type_)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("annotation", "limits"),
    [
        (Annotated[int, Meta(ge=0, lt=10_000)], ("≥ 0", "< 10,000")),
        (Annotated[int, Meta(ge=-5, le=10_000)], ("-5 to 10,000",)),
        (Annotated[int, Meta(gt=0, le=9)] | None, ("> 0", "≤ 9")),
        (Annotated[int, Meta(multiple_of=5)], ("a multiple of 5",)),
        (Annotated[float, Meta(le=1.5)], ("≤ 1.5",)),
        (Annotated[str, Meta(min_length=1)], ("at least 1 character",)),
        (Annotated[str, Meta(max_length=40)], ("at most 40 characters",)),
        (Annotated[str, Meta(min_length=2, max_length=2)], ("2 characters",)),
        (Annotated[str, Meta(min_length=2, max_length=40, pattern="^a")], ("2 to 40 characters", "pattern ^a")),
        (list[Annotated[str, Meta(max_length=3)]], ("each at most 3 characters",)),
        (Annotated[list[int], Meta(min_length=1, max_length=3)], ("1 to 3 items",)),
        (Annotated[dict[str, Annotated[int, Meta(ge=0)]], Meta(max_length=1)], ("at most 1 entry", "each ≥ 0")),
        (Colour, ("'red' | 'blue'",)),
        (Literal["a", "b"], ()),
        (Annotated[datetime.datetime, Meta(tz=True)], ("with its offset",)),
        (Annotated[datetime.time, Meta(tz=False)], ("without an offset",)),
        (Annotated[str, Meta(extra_json_schema={"maxLength": 9})], ("at most 9 characters (a wish)",)),
        (bool, ()),
    ],
)
def test_limits_are_described_in_words(annotation: Any, limits: tuple[str, ...]) -> None:
    assert of(annotation).limits == limits


def test_a_long_choice_is_cut() -> None:
    many = enum.Enum("Many", {f"N{n}": n for n in range(30)})
    assert of(many).limits[0].endswith("| 11 | … 18 more")


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (None, "None"),
        ("x", "'x'"),
        (Colour.RED, "Colour.RED"),
        (msgspec.field(default_factory=list), "[]"),
        (msgspec.field(default_factory=dict), "{}"),
        (msgspec.field(default_factory=datetime.date.today), "today()"),
        ("x" * 100, "'" + "x" * 59 + "…"),
    ],
)
def test_a_default_is_written_as_python_writes_it(default: Any, text: str) -> None:
    field = of(Any, default=default)
    assert (field.required, field.default) == (False, text)


def test_a_field_without_a_default_is_required() -> None:
    assert (of(int).required, of(int).default) == (True, "")


def test_a_description_comes_from_meta_or_from_the_docstring() -> None:
    found = {field.name: field.description for field in fields(Address)[0]}
    assert found == {"city": "the town, without its country", "street": "with the number"}
    assert of(Annotated[int, Meta(description="age")] | None).description == "age"


def test_docstrings_are_inherited() -> None:
    class House(Address):
        rooms: int

    assert fields(House)[0][0].description == "the town, without its country"


@pytest.mark.parametrize(
    ("type_", "doc"),
    [
        (Address, "Where somebody lives."),
        (TreeOfThoughts[int], "Explore a tree of thoughts, score each, then answer from the best path."),
        (Point, ""),
        (list[int], ""),
        (int, ""),
        (Zoo, ""),
    ],
)
def test_a_class_is_described_by_the_first_line_that_somebody_wrote(type_: Any, doc: str) -> None:
    assert doc_of(type_) == doc


def test_the_name_on_the_wire_is_shown() -> None:
    renamed = msgspec.defstruct("R", [("first_name", str)], rename="camel")
    [field], _ = fields(renamed)
    assert (field.name, field.key) == ("first_name", "firstName")


def test_what_is_not_enforced_stands_at_its_field() -> None:
    class Person(msgspec.Struct):
        name: str
        former: list[Address]
        tags: list[str]
        by_year: dict[str, Address]

    said = {
        "$.name": "a",
        "$.former": "b",
        "$.former[].city": "c",
        "$.tags[]": "d",
        "$.by_year.key": "e",
        "$.by_year.value.street": "f",
    }
    found = {field.path: field.unenforced for field in fields(Person, said)[0] if field.unenforced}
    assert found == {
        "name": "a",
        "former": "b",
        "former[].city": "c",
        "tags": "d",
        "by_year": "e",
        "by_year[].street": "f",
    }


def test_more_than_200_fields_are_counted() -> None:
    found, left = fields(msgspec.defstruct("Wide", [(f"f{n}", int) for n in range(250)]))
    assert (len(found), left) == (200, 50)


def test_a_type_that_explodes_ends() -> None:
    type_: Any = msgspec.defstruct("Leaf", [(f"f{n}", int) for n in range(12)])
    for level in range(8):
        type_ = msgspec.defstruct(f"Level{level}", [(f"f{n}", type_) for n in range(12)])
    found, left = fields(type_)
    assert len(found) == 200
    assert left > 0


def test_a_broken_type_is_a_schema_error() -> None:
    class Broken(msgspec.Struct):
        part: NotDefined  # type: ignore[name-defined]  # noqa: F821  the mistake that is tested

    with pytest.raises(SchemaError, match="Broken cannot be"):
        fields(Broken)
