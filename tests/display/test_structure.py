"""Tests structures as rows, and the types that are offered."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from msgflux_nb.display.structure import StructureRow, rows, type_name
from msgflux_nb.errors import SchemaError
from msgflux_nb.generation.plan import ChainOfThoughts, Step
from msgflux_nb.widgets.base.notebook import notebook_namespace
from msgflux_nb.widgets.schema.offers import offers


class Colour(enum.Enum):
    RED = "red"


class Address(msgspec.Struct):
    city: str
    zip_code: int | None


class Person(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=40)]
    born: datetime.date
    colour: Colour
    kind: Literal["a", "b"]
    home: Address | None
    former: list[Address]
    by_year: dict[str, Address]
    tags: list[str]


class Tree(msgspec.Struct):
    label: str
    children: list[Tree]


@dataclasses.dataclass
class Point:
    x: int


class Movie(TypedDict):
    title: str


PERSON = Person(
    name="Bö",
    born=datetime.date(2020, 1, 2),
    colour=Colour.RED,
    kind="a",
    home=Address("Ghent", None),
    former=[Address("Ur", 1), Address("Uruk", 2)],
    by_year={"1990": Address("Kish", 3)},
    tags=["x", "ü"],
)


def test_a_type_is_listed_field_by_field_with_python_types() -> None:
    assert [(row.field, row.type) for row in rows(Person)] == [
        ("name", "str"),
        ("born", "date"),
        ("colour", "Colour"),
        ("kind", "'a' | 'b'"),
        ("home", "Address | None"),
        ("former[].city", "str"),
        ("former[].zip_code", "int | None"),
        ("by_year[].city", "str"),
        ("by_year[].zip_code", "int | None"),
        ("tags", "list[str]"),
    ]
    assert {row.value for row in rows(Person)} == {None}


def test_a_value_is_listed_at_paths_that_python_understands() -> None:
    assert [(row.field, row.value) for row in rows(Person, PERSON)] == [
        ("name", "Bö"),
        ("born", "2020-01-02"),
        ("colour", "red"),
        ("kind", "a"),
        ("home.city", "Ghent"),
        ("home.zip_code", "–"),
        ("former[0].city", "Ur"),
        ("former[0].zip_code", "1"),
        ("former[1].city", "Uruk"),
        ("former[1].zip_code", "2"),
        ("by_year['1990'].city", "Kish"),
        ("by_year['1990'].zip_code", "3"),
        ("tags", "x, ü"),
    ]


def test_a_record_that_is_absent_is_none_and_an_empty_list_is_empty() -> None:
    person = msgspec.structs.replace(PERSON, home=None, former=[])
    found = {row.field: row.value for row in rows(Person, person)}
    assert (found["home"], found["former"]) == ("–", "none")


def test_a_plan_without_brackets_answers_with_text() -> None:
    assert rows(ChainOfThoughts)[-1] == StructureRow("final_answer", None, "str")
    value = ChainOfThoughts(steps=[Step(explanation="add", output="42")], final_answer="42")
    assert rows(ChainOfThoughts, value) == [
        StructureRow("steps[0].explanation", "add", "str"),
        StructureRow("steps[0].output", "42", "str"),
        StructureRow("final_answer", "42", "str"),
    ]


def test_a_plan_with_brackets_answers_with_their_type() -> None:
    assert rows(ChainOfThoughts[int])[-1] == StructureRow("final_answer", None, "int")


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (int, 3, [StructureRow("value", "3", "int")]),
        (bool, False, [StructureRow("value", "no", "bool")]),
        (list[int], [1, 2], [StructureRow("value", "1, 2", "list[int]")]),
        (list[Point], [Point(7)], [StructureRow("value[0].x", "7", "int")]),
        (Point, Point(7), [StructureRow("x", "7", "int")]),
        (Movie, {"title": "Alien"}, [StructureRow("title", "Alien", "str")]),
        (dict[str, int], {"a": 1}, [StructureRow("value", '{"a": 1}', "dict[str, int]")]),
    ],
)
def test_a_type_other_than_a_struct_has_rows_too(type_: Any, value: Any, expected: list[StructureRow]) -> None:
    assert rows(type_, value) == expected


def test_a_type_that_holds_itself_is_listed_once_and_its_value_whole() -> None:
    assert [row.field for row in rows(Tree)] == ["label", "children[]"]
    tree = Tree("a", [Tree("b", [Tree("c", [])])])
    assert [row.field for row in rows(Tree, tree)] == [
        "label",
        "children[0].label",
        "children[0].children[0].label",
        "children[0].children[0].children",
    ]


def test_more_than_200_rows_are_counted() -> None:
    found = rows(list[Point], [Point(n) for n in range(1234)])
    assert len(found) == 201
    assert found[-1] == StructureRow("…", "1,034 more rows", "")


def test_a_broken_type_is_a_schema_error() -> None:
    class Broken(msgspec.Struct):
        part: NotDefined  # type: ignore[name-defined]  # noqa: F821  the mistake that is tested

    with pytest.raises(SchemaError, match="Broken cannot be a generation_schema"):
        rows(Broken)


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (Person, "Person"),
        (ChainOfThoughts[int], "ChainOfThoughts[int]"),
        (ChainOfThoughts[list[Person]], "ChainOfThoughts[list[Person]]"),
        (list[int], "list[int]"),
        (int | None, "int | None"),
        (tuple[int, str], "tuple[int, str]"),
        (set[str], "set[str]"),
        (Any, "Any"),
    ],
)
def test_a_type_is_named_as_it_is_written(type_: Any, name: str) -> None:
    assert type_name(type_) == name


PLANS = ["ChainOfThoughts", "ReAct", "SelfConsistency", "TreeOfThoughts"]


def test_the_plans_are_always_offered() -> None:
    assert [(offer.name, offer.group) for offer in offers(None, {})] == [(name, "plans") for name in PLANS]


def test_given_types_come_first_then_the_notebooks_then_plans() -> None:
    found = offers([Address], {"Person": Person})
    assert [(offer.name, offer.group) for offer in found][:2] == [("Address", "given"), ("Person", "notebook")]
    assert [offer.name for offer in found][2:] == PLANS


def test_types_can_be_given_by_name() -> None:
    [offer, *_] = offers({"A number": int}, {})
    assert (offer.name, offer.group, offer.type) == ("A number", "given", int)


def test_a_type_is_offered_once() -> None:
    namespace = {"Person": Person, "Human": Person}
    assert [offer.name for offer in offers([Person], namespace)] == ["Person", *PLANS]


def test_only_structs_of_the_users_own_are_found() -> None:
    namespace = {
        "Person": Person,
        "_Hidden": Address,
        "ChainOfThoughts": ChainOfThoughts,
        "Step": Step,
        "Struct": msgspec.Struct,
        "number": 3,
        "int": int,
        "person": PERSON,
    }
    assert [offer.name for offer in offers(None, namespace) if offer.group == "notebook"] == ["Person"]


def test_a_plan_with_brackets_in_the_notebook_is_the_users_own() -> None:
    found = offers(None, {"Sum": ChainOfThoughts[int]})
    assert [(offer.name, offer.type) for offer in found if offer.group == "notebook"] == [("Sum", ChainOfThoughts[int])]


def test_without_a_notebook_the_main_script_is_searched() -> None:
    assert "__name__" in notebook_namespace()


class Inner(msgspec.Struct):
    size: Literal["small", "medium", "large"]


class Choices(msgspec.Struct):
    size: Literal["small", "medium", "large"]
    back: Literal["large", "medium", "small"]
    many: list[Annotated[Literal["low", "high"], msgspec.Meta(description="how")]] | None
    inner: dict[str, Inner]
    number: Literal[3, 1, 2]


def test_choices_stand_in_the_order_in_which_they_are_written() -> None:
    assert [row.type for row in rows(Choices)] == [
        "'small' | 'medium' | 'large'",
        "'large' | 'medium' | 'small'",
        "list['low' | 'high'] | None",
        "'small' | 'medium' | 'large'",
        "3 | 1 | 2",
    ]
    assert type_name(Literal["b", "a"]) == "'b' | 'a'"
