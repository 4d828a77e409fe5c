"""Tests that all descriptions of a type reach the model, and that all limits of its values are checked afterwards."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
from collections.abc import Callable
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar

import annotated_types as at
import msgspec
import pydantic
import pytest
from msgspec import Meta
from pydantic import Field
from typing_extensions import Doc

from msgflux_nb.errors import SchemaError, ToolCallError, ValidationFailedError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.docs import read_doc
from msgflux_nb.generation.outline import outline
from msgflux_nb.generation.partial import partial_instance
from msgflux_nb.generation.schema import Dialect, wire_schema
from msgflux_nb.generation.tool_schema import Tool

T = TypeVar("T")


class Kind(enum.Enum):
    """What it is; a deposit counts as CREDIT."""

    SALE = "sale"
    """Goods that left the shop."""
    CREDIT = "credit note"


class Grade(enum.IntEnum):
    """How good it is.

    Attributes:
        LOW: not to be sold.
        HIGH: fit for export.
    """

    LOW = 1
    HIGH = 2


class Stars(enum.IntEnum):
    POOR = 1
    GOOD = 2
    BEST = 3
    """Hardly ever given."""


@pytest.mark.parametrize("said", ["1: POOR", "2: GOOD", "3: Hardly ever given."])
def test_the_numbers_of_an_enum_are_named(said: str) -> None:
    assert said in str(wire_schema(Stars).schema)


class Line(msgspec.Struct):
    """One line of an invoice.

    Amounts are in cents. A discount is
    a line of its own.

    Attributes:
        amount: with its sign.
        kind: never a guess.
    """

    amount: Annotated[int, Meta(title="Amount", examples=[-250, 300])]
    kind: Kind
    grade: Grade | None = None
    text: str = ""
    """As it is printed."""


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_word_of_a_struct_reaches_the_model_in_every_dialect(dialect: Dialect) -> None:
    sent = json.dumps(wire_schema(Line, dialect).schema)
    for words in (
        "Amounts are in cents. A discount is a line of its own.",
        "Amount: with its sign.",
        "-250",
        "never a guess.",
        "a deposit counts as CREDIT.",
        "sale: Goods that left the shop.",
        "2: fit for export.",
        "As it is printed.",
    ):
        assert words in sent


def test_the_outline_has_the_same_words_in_one_line() -> None:
    said = outline(wire_schema(Line, Dialect.GRAMMAR).schema)
    assert "One line of an invoice. Amounts are in cents." in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "said", "parts"),
    [
        ("A.\n\nB\nb.\n\nArgs:\n    x: of x\n        y.\n\nC.", "A.\n\nB b.\n\nC.", {"x": "of x y."}),
        ("A.\n\nParameters\n----------\nx : int\n    of x\n\nC is a word.", "A.\n\nC is a word.", {"x": "of x"}),
        (
            "A.\n\nParameters\n----------\na, b : int\n    both\n\nNotes\n-----\nN.",
            "A.\n\nNotes: N.",
            dict.fromkeys("ab", "both"),
        ),
        ("A.\n\n:param x: of x\n:type x: int\n:returns: r\n\nC.", "A.\n\nReturns: r\n\nC.", {"x": "of x"}),
        ("A.\n\nReturns:\n    r\n\nExample:\n    >>> f()\n    1", "A.\n\nReturns: r", {}),
        ("A.\n\n- one\n- two", "A.\n\n- one\n- two", {}),
        ("A.\n\nReferences:\n    B 1999.\n\nC.", "A.\n\nC.", {}),
        ("Note: a colon.", "Note: a colon.", {}),
        (None, "", {}),
    ],
)
def test_nothing_of_a_docstring_is_lost_whatever_its_style(text: str | None, said: str, parts: dict[str, str]) -> None:
    doc = read_doc(text)
    assert (doc.text, doc.parts) == (said, parts)


class Data(TypedDict):
    """A record.

    From the old system.
    """

    x: Annotated[int, "the first"]


class Pair(NamedTuple):
    """A pair.

    Attributes:
        left: on the left.
    """

    left: int


@dataclasses.dataclass
class Box:
    """A box."""

    width: int = dataclasses.field(metadata={"description": "in cm", "examples": [3]})


class Base(msgspec.Struct):
    """A base.

    Attributes:
        name: as in the register.
    """

    name: str


class Derived(Base):
    age: Annotated[int, Doc("in years")]


class Holder(msgspec.Struct, Generic[T]):
    """A holder.

    Attributes:
        held: what it holds.
    """

    held: list[T]


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (Data, ["From the old system.", "the first"]),
        (Pair, ["A pair.", "on the left."]),
        (Box, ["A box.", "in cm; for example 3"]),
        (Derived, ["as in the register.", "in years"]),
        (Holder[Annotated[int, Field(ge=1, description="counted")]], ["A holder.", "what it holds.", "counted"]),
        (list[Annotated[str, Field(title="Code", examples=["A1"])]], ["Code; for example A1"]),
        (Annotated[str, Meta(extra_json_schema={"deprecated": True})], ["deprecated: true"]),
        (Annotated[float, at.Unit("kg")], ["unit: kg"]),
    ],
)
def test_every_kind_of_type_says_what_was_written_for_it(type_: Any, words: list[str]) -> None:
    sent = json.dumps(wire_schema(type_).schema)
    assert [word for word in words if word not in sent] == []


class Limited(msgspec.Struct):
    n: Annotated[int, Field(ge=1, le=7)] = 1
    code: Annotated[str, Field(pattern="^[A-Z]+$")] = "A"
    tags: Annotated[list[str], at.Len(1, 2)] = []
    price: Annotated[decimal.Decimal, at.Gt(0)] = decimal.Decimal(1)
    day: Annotated[dt.date, at.Ge(dt.date(2020, 1, 1))] = dt.date(2020, 1, 1)
    share: Annotated[float | None, at.Interval(ge=0, le=1)] = None
    even: Annotated[int, at.MultipleOf(2)] | None = None
    names: dict[str, Annotated[str, at.MinLen(2)]] = {}
    more: list[Annotated[int, Field(gt=0)]] = []


BREAKS = [
    ('"n": 99', "$.n"),
    ('"n": "99"', "$.n"),
    ('"code": "a1"', "$.code"),
    ('"tags": []', "$.tags"),
    ('"tags": ["a", "b", "c"]', "$.tags"),
    ('"price": "0"', "$.price"),
    ('"day": "2019-12-31"', "$.day"),
    ('"share": 1.5', "$.share"),
    ('"share": "1.5"', "$.share"),
    ('"even": 3', "$.even"),
    ('"more": [1, 0]', "$.more[...]"),
]


@pytest.mark.parametrize(("text", "path"), BREAKS)
@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.GRAMMAR, Dialect.PLAIN])
def test_a_limit_that_others_write_holds_for_what_comes_back(text: str, path: str, dialect: Dialect) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        decode_answer(f"{{{text}}}", wire_schema(Limited, dialect))
    assert caught.value.path == path


def test_a_limit_holds_for_the_values_of_a_dict_however_it_travels() -> None:
    for dialect, text in ((Dialect.PLAIN, '{"a": "b"}'), (Dialect.OPENAI, '[{"key": "a", "value": "b"}]')):
        with pytest.raises(ValidationFailedError, match="length >= 2"):
            decode_answer(f'{{"names": {text}}}', wire_schema(Limited, dialect))


def test_what_keeps_the_limits_is_decoded_as_without_them() -> None:
    text = '{"n": 7, "tags": ["a"], "price": "0.1", "share": null, "even": 4, "more": [1]}'
    value = decode_answer(text, wire_schema(Limited, Dialect.PLAIN)).value
    assert (value.n, value.price, value.share, value.even) == (7, decimal.Decimal("0.1"), None, 4)


def test_the_server_is_told_the_limits_that_its_dialect_has() -> None:
    fields = wire_schema(Limited, Dialect.PLAIN).schema["properties"]
    assert fields["n"] == {"type": "integer", "minimum": 1, "maximum": 7}
    assert fields["tags"]["maxItems"] == 2
    assert fields["price"]["description"].startswith("more than 0; ")
    assert "at least 1" in wire_schema(Limited, Dialect.ANTHROPIC).schema["properties"]["n"]["description"]


def test_a_structure_that_is_not_complete_is_not_checked_yet() -> None:
    wire = wire_schema(Limited)
    assert wire.restore is not None
    assert partial_instance(Limited, wire.restore({"n": 0})).n == 0


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (Annotated[str, at.Predicate(str.islower)], "Predicate"),
        (Annotated[str, Field(ge=1)], r"ge=1.*does not fit"),
        (Annotated[int, Field(ge="a")], r"ge='a' cannot be a limit"),
        (Annotated[str, Field(alias="other")], r"alias='other'.*msgspec.field"),
        (Annotated[str, pydantic.StringConstraints(to_lower=True)], "to_lower"),
        (Annotated[dict[str, int], Field(discriminator="kind")], "discriminator"),
        (Annotated[str, object()], "object object"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_it(type_: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        wire_schema(msgspec.defstruct("Named", [("field", type_)]))
    with pytest.raises(SchemaError, match=r"\$\.field"):
        wire_schema(msgspec.defstruct("Named", [("field", type_)]))


def test_a_model_of_pydantic_is_refused_with_what_to_write() -> None:
    class Person(pydantic.BaseModel):
        name: str

    with pytest.raises(SchemaError, match=r"Person is a model of pydantic; write a msgspec\.Struct"):
        wire_schema(Person)
    with pytest.raises(SchemaError, match=r"\$\[\]: Person is a model of pydantic"):
        wire_schema(list[Person])


def test_field_as_a_default_is_refused_in_a_struct() -> None:
    class Wrong(msgspec.Struct):
        n: int = Field(ge=1)

    with pytest.raises(SchemaError, match=r"\$\.n: Field"):
        wire_schema(Wrong)


def forecast(
    days: Annotated[int, Field(ge=1, le=7, description="how far ahead")],
    city: Annotated[str, Doc("its name")] = "Rome",
    lines: list[Line] | None = None,
) -> int:
    """Foretell.

    For Europe only.

    Args:
        days: not this text.
        lines: what to add.

    Returns:
        Degrees.
    """
    return days


def test_a_tool_says_everything() -> None:
    function = Tool.of(forecast).schema["function"]
    assert function["description"] == "Foretell.\n\nFor Europe only.\n\nReturns: Degrees."
    days, city, lines = function["parameters"]["properties"].values()
    assert days == {"type": "integer", "minimum": 1, "maximum": 7, "description": "how far ahead"}
    assert city["description"] == "its name"
    assert lines["description"] == "what to add."


@pytest.mark.parametrize("days", [0, 99, "99"])
def test_a_tool_is_not_called_with_what_breaks_a_limit(days: Any) -> None:
    with pytest.raises(ToolCallError, match=r"forecast: days: expected integer \(how far ahead; from 1 to 7\), got"):
        Tool.of(forecast).call({"days": days})
    assert Tool.of(forecast).call({"days": 7}) == 7


def by_default(days: int = Field(3, ge=1), city: str = Field(description="its name")) -> tuple[int, str]:
    return days, city


def test_a_tool_reads_field_in_the_place_of_a_default() -> None:
    tool = Tool.of(by_default)
    assert tool.schema["function"]["parameters"]["required"] == ["city"]
    assert tool.call({"city": "Rome", "days": 2}) == (2, "Rome")
    with pytest.raises(ToolCallError, match="days"):
        tool.call({"city": "Rome", "days": 0})


class Node(msgspec.Struct):
    """A node."""

    value: Annotated[int, Field(ge=0)]
    next: Annotated[Node | None, Meta(description="the one after it")] = None


@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.GRAMMAR, Dialect.VLLM])
def test_a_type_that_holds_itself_is_described_and_checked_at_every_depth(dialect: Dialect) -> None:
    wire = wire_schema(Node, dialect)
    assert "the one after it" in json.dumps(wire.schema)
    assert decode_answer('{"value": 1, "next": {"value": 2, "next": null}}', wire).value.next.value == 2
    with pytest.raises(ValidationFailedError, match=">= 0"):
        decode_answer('{"value": 1, "next": {"value": -2, "next": null}}', wire)


def test_limits_of_both_kinds_hold_together() -> None:
    type_ = Annotated[int, Meta(ge=0), Field(le=5)]
    for text in ("-1", "6"):
        with pytest.raises(ValidationFailedError):
            decode_answer(f'{{"value": {text}}}', wire_schema(type_))
    assert decode_answer('{"value": 5}', wire_schema(type_)).value == 5


@pytest.mark.parametrize(
    "wrap", [lambda t: list[t], lambda t: tuple[t, ...], lambda t: t | None, lambda t: dict[str, t]]
)
def test_a_limit_is_found_in_whatever_holds_it(wrap: Callable[[Any], Any]) -> None:
    assert wire_schema(wrap(Annotated[int, at.Gt(0)])).checked is not None
