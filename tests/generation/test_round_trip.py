"""Tests that each type that msgspec takes can be written in every dialect, and that its values come back equal."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import attrs
import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec import Meta

from msgflux_nb.errors import ValidationFailedError
from msgflux_nb.generation.decode import decode_answer
from msgflux_nb.generation.schema import Dialect, WireSchema, wire_schema
from tests.each import each
from tests.thorough import examples

from .strict_mode import strict_problems, walk
from .wires import Cat, Colour, Dog, Level, Node, Suit, to_wire, types, values_of

T = TypeVar("T")
UserId = NewType("UserId", int)


class Plain(msgspec.Struct):
    name: str
    count: int = 3
    notes: list[int] = []
    maybe: float | None = None
    either: int | None = 4


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    first: int = 1
    second: str


class Renamed(msgspec.Struct, rename="camel"):
    first_name: str
    last_name: str = msgspec.field(name="family", default="?")


class Row(msgspec.Struct, array_like=True):
    x: int
    y: int = 7
    z: list[int] = []


class TaggedRow(msgspec.Struct, array_like=True, tag="row"):
    x: int
    y: int = 7


class OtherRow(msgspec.Struct, array_like=True, tag="other"):
    x: int


class Box(msgspec.Struct, Generic[T]):
    content: T
    inner: Box[T] | None = None


class Left(msgspec.Struct):
    right: Right | None = None


class Right(msgspec.Struct):
    lefts: list[Left]


class Described(msgspec.Struct):
    """A part."""

    parts: Annotated[list[Described], Meta(description="inside it")] = []
    of: Annotated[Described | None, Meta(description="around it")] = None


class Unset(msgspec.Struct):
    x: int | msgspec.UnsetType = msgspec.UNSET
    y: int = 2


class Entry(msgspec.Struct):
    key: str
    value: int


class Size(TypedDict):
    width: int
    height: NotRequired[int]


class Loose(TypedDict, total=False):
    width: int
    tags: list[str]


class Pair(NamedTuple):
    left: int
    right: str = "r"
    more: list[int] = []  # noqa: RUF012  msgspec copies it


@dataclass
class Maker:
    country: str
    since: int = 1900
    names: list[str] = field(default_factory=list)


@attrs.define
class Part:
    name: str
    _weight: float = 1.0


class Limits(msgspec.Struct):
    at_least: Annotated[int, Meta(ge=0, le=9)]
    more_than: Annotated[int, Meta(gt=0, lt=9)]
    step: Annotated[int, Meta(ge=0, multiple_of=5)]
    ratio: Annotated[float, Meta(ge=0, le=1)]
    open: Annotated[float, Meta(gt=0, lt=2)]
    short: Annotated[str, Meta(min_length=1, max_length=4)]
    code: Annotated[str, Meta(pattern="^[a-z]{2}[0-9]$")]
    few: Annotated[list[int], Meta(min_length=1, max_length=2)]
    named: Annotated[dict[str, int], Meta(max_length=1, min_length=1)]
    some: Annotated[set[int], Meta(max_length=2, title="t", description="d", examples=[1])]


TYPES: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "None": type(None),
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "datetime": dt.datetime,
    "datetime, aware": Annotated[dt.datetime, Meta(tz=True)],
    "datetime, naive": Annotated[dt.datetime, Meta(tz=False)],
    "date": dt.date,
    "time": dt.time,
    "time, aware": Annotated[dt.time, Meta(tz=True)],
    "time, naive": Annotated[dt.time, Meta(tz=False)],
    "timedelta": dt.timedelta,
    "UUID": uuid.UUID,
    "Decimal": decimal.Decimal,
    "Enum": Colour,
    "IntEnum": Level,
    "StrEnum": Suit,
    "Literal": Literal["a", "b"],
    "Literal, mixed with None": Literal["a", 3, None],
    "NewType": UserId,
    "Optional": str | None,
    "Optional Enum": Colour | None,
    "union of scalars": int | str | bool | None,
    "union of floats and text": float | str,
    "union of tagged structs": Cat | Dog,
    "union of tagged structs and None": Cat | Dog | None,
    "union of tagged rows": TaggedRow | OtherRow,
    "union of a named tuple and a struct": Pair | Cat,
    "union of a list and a dict": list[int] | dict[str, int],
    "union of a list of pairs and a dict": list[Entry] | dict[str, int],
    "union of a tuple and a struct": tuple[int, str] | Cat,
    "union of a tuple and a dict": tuple[int, str] | None | int,
    "list": list[int],
    "list of tuples": list[tuple[int, str]],
    "Sequence": Sequence[int],
    "set": set[str],
    "set of dates": set[dt.date],
    "frozenset": frozenset[int],
    "tuple, even": tuple[float, float],
    "tuple, uneven": tuple[int, str, list[bool]],
    "tuple, empty": tuple[()],
    "tuple, any length": tuple[str, ...],
    "dict of str": dict[str, float],
    "dict of int": dict[int, str],
    "dict of float": dict[float, int],
    "dict of Enum": dict[Colour, int],
    "dict of IntEnum": dict[Level, int],
    "dict of Literal": dict[Literal["a", "b"], int],
    "dict of dates": dict[dt.date, int],
    "dict of bounded int": dict[Annotated[int, Meta(ge=0)], int],
    "dict of bool": dict[bool, int],
    "dict of tuples": dict[tuple[int, str], int],
    "dict of structs": dict[str, Node],
    "dict of dicts of tuples": dict[str, dict[int, tuple[int, str]]],
    "Struct": Plain,
    "Struct, frozen": Frozen,
    "Struct, renamed": Renamed,
    "Struct as array": Row,
    "Struct as array, tagged": TaggedRow,
    "Struct, tagged": Cat,
    "Struct, generic": Box[int],
    "Struct, generic in two types": tuple[Box[int], Box[str]],
    "Struct, recursive": Node,
    "Struct, recursive and described": Described,
    "Structs that hold each other": Left,
    "Struct, unset": Unset,
    "Struct, limited": Limits,
    "TypedDict": Size,
    "TypedDict, not total": Loose,
    "NamedTuple": Pair,
    "dataclass": Maker,
    "attrs": Part,
    "list of recursive structs": list[Node],
    "Any": Any,
    "list of Any": list[Any],
    "dict of Any": dict[str, Any],
    "bare dict": dict,
    "bare list": list,
    "Raw": msgspec.Raw,
    "list of Raw": list[msgspec.Raw],
    "Any or int": int | Any,
}
if sys.version_info >= (3, 12):
    from typing import TypeAliasType

    TYPES["TypeAliasType"] = TypeAliasType("TypeAliasType", list[int])

# The grammar of the embedded model must stay as it was when it was measured.
BEYOND_THE_GRAMMAR = {"time, aware", "union of a list and a dict", "union of a list of pairs and a dict"}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]  # of values that hold themselves
DIALECTS = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)


def check(value: Any, type_: Any, dialect: Dialect, wire: WireSchema) -> None:
    sent = to_wire(value, type_, dialect)
    if wire.strict or dialect is not Dialect.PLAIN:  # for Any, PLAIN lists the types down to arrays in arrays
        jsonschema.Draft202012Validator(wire.schema).validate(sent)
    decoded = decode_answer(msgspec.json.encode(sent).decode(), wire)
    assert decoded.value == value
    assert not decoded.lax


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=examples(12), deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_values_of_every_type_come_back_from_every_dialect(name: str, data: st.DataObject) -> None:
    value = data.draw(values_of(TYPES[name]))  # drawn once for all tests: drawing takes longer than the tests
    for dialect in Dialect:
        if dialect is not Dialect.GRAMMAR or name not in BEYOND_THE_GRAMMAR:
            note(dialect.value)
            check(value, TYPES[name], dialect, wires_of(name)[dialect])


@functools.cache
def wires_of(name: str) -> dict[Dialect, WireSchema]:
    return {dialect: wire_schema(TYPES[name], dialect) for dialect in Dialect}


def test_types_that_the_grammar_cannot_tell_apart() -> None:
    assert decode_answer('{"value": []}', wire_schema(list[int] | dict[str, int], Dialect.GRAMMAR)).value == {}
    aware = Annotated[dt.time, Meta(tz=True)]
    assert wire_schema(aware, Dialect.GRAMMAR).schema == wire_schema(dt.time, Dialect.GRAMMAR).schema


@DIALECTS
@settings(max_examples=examples(60), deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_values_of_any_combination_of_types_come_back(dialect: Dialect, data: st.DataObject) -> None:
    type_ = data.draw(types(dialect))
    wire = wire_schema(type_, dialect)
    check(data.draw(values_of(type_)), type_, dialect, wire)
    assert rule_breaks(wire, dialect) == []


@DIALECTS
def test_every_schema_keeps_the_rules_of_its_dialect(dialect: Dialect) -> None:
    def check_rules(type_: Any) -> None:
        assert rule_breaks(wire_schema(type_, dialect), dialect) == []

    each(TYPES.items(), check_rules)


def rule_breaks(wire: WireSchema, dialect: Dialect) -> list[str]:
    nodes = list(walk(wire.schema))
    found = [] if wire.schema["type"] == "object" else ["the root is no object"]
    found += [f"{path}: no type" for path, node in nodes if not {"type", "anyOf", "$ref"} & set(node)]
    found += [f"{path}: siblings of $ref" for path, node in nodes if "$ref" in node and len(node) > 1]
    found += [f"{path}: {word}" for path, node in nodes for word in set(node) & FORBIDDEN[dialect]]
    if dialect is Dialect.OPENAI and wire.strict:
        found += strict_problems(wire.schema)
    if dialect is Dialect.ANTHROPIC:
        found += [
            f"{p}: open" for p, n in nodes if n.get("type") == "object" and n["additionalProperties"] is not False
        ]
        found += [f"{p}: minItems" for p, n in nodes if n.get("minItems", 0) > 1]
    if dialect in (Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.PLAIN):
        found += [f"{path}: a list of types" for path, node in nodes if isinstance(node.get("type"), list)]
    if dialect is Dialect.GEMINI:
        found += [f"{p}: a cycle in {name}" for p, n in nodes for name in n.get("required", ()) if cyclic(n, name)]
    return found


def cyclic(node: dict[str, Any], name: str) -> bool:
    return leads_back(node["properties"][name])


def leads_back(node: dict[str, Any]) -> bool:
    inner = [node["properties"][name] for name in node.get("required", ())]
    inner += [*node.get("anyOf", ()), *filter(None, [node.get("items")])]
    return "$ref" in node or any(map(leads_back, inner))


ANYWHERE = {"oneOf", "allOf", "not", "prefixItems", "discriminator", "title", "default", "const"}
LENGTHS = {"minLength", "maxLength"}
NUMBERS = {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
OBJECTS = {"minProperties", "maxProperties", "propertyNames", "uniqueItems"}
FORBIDDEN = {
    Dialect.OPENAI: ANYWHERE | LENGTHS | OBJECTS,
    Dialect.GRAMMAR: ANYWHERE | OBJECTS | {"multipleOf"},
    Dialect.ANTHROPIC: ANYWHERE | LENGTHS | NUMBERS | OBJECTS | {"minimum", "maximum", "maxItems", "pattern"},
    Dialect.GEMINI: ANYWHERE | LENGTHS | NUMBERS | OBJECTS | {"additionalProperties", "pattern"},
    Dialect.VLLM: ANYWHERE | OBJECTS | {"multipleOf"},
    Dialect.PLAIN: ANYWHERE,
}


@DIALECTS
def test_a_null_for_a_field_with_a_default_gives_the_default(dialect: Dialect) -> None:
    class Record(msgspec.Struct):
        x: int
        z: list[int] = []
        n: int | None = 4

    wire = wire_schema(Record, dialect)
    assert decode_answer('{"x": 1, "z": null}', wire).value == Record(1, [], 4)
    assert decode_answer('{"x": 1, "z": null, "n": null}', wire).value == Record(1, [], None)


@DIALECTS
def test_a_row_whose_middle_is_left_to_its_default_keeps_its_columns(dialect: Dialect) -> None:
    assert decode_answer('{"x": 1, "y": null, "z": [5]}', wire_schema(Row, dialect)).value == Row(1, 7, [5])
    assert decode_answer('{"x": 1, "z": [5]}', wire_schema(Row, dialect)).value == Row(1, 7, [5])


@DIALECTS
def test_a_row_without_a_required_column_is_refused_and_not_shifted(dialect: Dialect) -> None:
    with pytest.raises(ValidationFailedError):
        decode_answer('{"y": 5}', wire_schema(Row, dialect))


@DIALECTS
def test_a_row_with_an_unknown_column_is_refused(dialect: Dialect) -> None:
    with pytest.raises(ValidationFailedError):
        decode_answer('{"x": 1, "q": 5}', wire_schema(Row, dialect))


@DIALECTS
def test_a_list_beside_a_dict_is_told_from_pairs(dialect: Dialect) -> None:
    type_ = list[tuple[int, str]] | dict[str, int]
    value = [(1, "a")]
    sent = msgspec.json.encode(to_wire(value, type_, dialect)).decode()
    assert decode_answer(sent, wire_schema(type_, dialect)).value == value
