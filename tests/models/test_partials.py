"""The structure of an answer while it arrives: instances of its type, of which the last is complete."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.content.depth import refuse_deep
from msgflux_nb.generation.partial import partial_instance
from msgflux_nb.generation.plan import ChainOfThoughts
from msgflux_nb.models import server_quirks
from msgflux_nb.protocol.partial_json import PartialJSON
from tests.models.test_chat import model_at
from tests.scripted import serving, stream

T = TypeVar("T")


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Shape(msgspec.Struct):
    """A shape."""

    name: str
    points: list[Point]
    centre: Point | None = None

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ValueError("a shape has two points")

    def label(self) -> str:
        return self.name.upper()


class Cash(msgspec.Struct, tag="cash"):
    amount: float


class Card(msgspec.Struct, tag="card"):
    number: str


class Payment(msgspec.Struct):
    by: Cash | Card


class Renamed(msgspec.Struct, rename="camel"):
    first_name: str
    born: dt.date | None = None


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str


class Table(msgspec.Struct):
    rows: list[Row]


class Box(msgspec.Struct, Generic[T]):
    held: T


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    counts: dict[str, Point]


@dataclass
class Plain:
    a: int
    b: list[int]


class Typed(TypedDict):
    a: int
    b: str


class Named(NamedTuple):
    a: int
    b: str


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def partials(type_: Any, text: str) -> list[Any]:
    """Return the partial structures of an answer that arrives character by character."""
    with serving(stream(*text)) as server:
        return list(model_at(server.url)("Hi", generation_schema=type_, stream=True).partials())


CASES: list[tuple[Any, str]] = [
    (Point, '{"x": 1, "y": 2}'),
    (Shape, '{"name": "line", "points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}], "centre": {"x": 2, "y": 3}}'),
    (Payment, '{"by": {"type": "card", "number": "1234"}}'),
    (Payment, '{"by": {"type": "cash", "amount": 1.5}}'),
    (Renamed, '{"firstName": "Ada", "born": "1815-12-10"}'),
    (Table, '{"rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}'),
    (Box[Point], '{"held": {"x": 1, "y": 2}}'),
    (Box[list[Point]], '{"held": [{"x": 1, "y": 2}]}'),
    (Tree, '{"name": "a", "children": [{"name": "b", "children": []}]}'),
    (Frozen, '{"counts": [{"key": "a", "value": {"x": 1, "y": 2}}]}'),
    (list[Point], '{"value": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}'),
    (dict[str, int], '{"value": [{"key": "a", "value": 1}, {"key": "b", "value": 2}]}'),
    (int, '{"value": 12}'),
    (str, '{"value": "text"}'),
    (Point | str, '{"value": {"x": 1, "y": 2}}'),
    (tuple[int, str], '{"item_0": 1, "item_1": "a"}'),
    (set[str], '{"value": ["a", "b"]}'),
    (Plain, '{"a": 1, "b": [1, 2]}'),
    (Typed, '{"a": 1, "b": "x"}'),
    (Named, '{"a": 1, "b": "x"}'),
    (
        ChainOfThoughts[int],
        '{"steps": [{"explanation": "Add.", "output": "5"}], "final_answer": 5}',
    ),
]


@pytest.mark.parametrize(("type_", "text"), CASES, ids=lambda value: str(value)[:24])
def test_the_last_part_is_what_consume_returns_and_no_part_fails(type_: Any, text: str) -> None:
    with serving(stream(*text)) as server:
        answer = model_at(server.url)("Hi", generation_schema=type_, stream=True)
        seen = list(answer.partials())
        assert seen[-1] == answer.consume()
    assert seen[-1] == model_value(type_, text)


def model_value(type_: Any, text: str) -> Any:
    with serving(stream(text)) as server:
        return model_at(server.url)("Hi", generation_schema=type_, stream=True).consume()


def is_struct(type_: Any) -> bool:
    cls = getattr(type_, "__origin__", type_)
    return isinstance(cls, type) and issubclass(cls, msgspec.Struct)


@pytest.mark.parametrize(("type_", "text"), [case for case in CASES if is_struct(case[0])])
def test_every_part_is_an_instance_of_the_type(type_: Any, text: str) -> None:
    assert all(isinstance(part, getattr(type_, "__origin__", type_)) for part in partials(type_, text))


def test_what_is_missing_is_none_and_what_is_there_grows() -> None:
    shape = '{"name": "line", "points": [{"x": 1}, {"x": 2'
    parser = PartialJSON()
    parser.feed(shape)
    part = partial_instance(Shape, parser.value)
    assert isinstance(part, Shape)
    assert (part.name, part.centre) == ("line", None)
    assert [isinstance(point, Point) for point in part.points] == [True, True]
    assert (part.points[0].x, part.points[0].y) == (1, None)
    assert part.label() == "LINE"
    assert type(part).__name__ == "Shape"


def test_a_part_is_not_checked_as_the_whole_is() -> None:
    assert partial_instance(Shape, {"name": "dot", "points": []}).points == []
    with pytest.raises(ValueError, match="two points"):
        Shape(name="dot", points=[])


@pytest.mark.parametrize(
    ("value", "cls"),
    [({"type": "card"}, Card), ({"type": "cash", "amount": 1}, Cash), ({}, dict), ({"type": "c"}, dict)],
)
def test_a_branch_of_a_union_is_known_by_its_tag(value: dict[str, Any], cls: type) -> None:
    assert isinstance(partial_instance(Payment, {"by": value}).by, cls)


def test_a_value_that_is_not_yet_a_date_stays_a_text() -> None:
    assert partial_instance(Renamed, {"born": "1815-1"}).born == "1815-1"
    assert partial_instance(Renamed, {"born": "1815-12-10"}).born == dt.date(1815, 12, 10)


def test_a_part_shares_nothing_with_what_was_read() -> None:
    value: dict[str, Any] = {"name": "a", "children": [{"name": "b"}]}
    part = partial_instance(Tree, value)
    value["children"][0]["name"] = "changed"
    value["children"].append({"name": "c"})
    assert [child.name for child in part.children] == ["b"]


def test_hundreds_of_brackets_show_no_part_that_is_too_deep() -> None:
    """They are read up to the limit; the end of the stream raises an error."""
    seen = []
    with serving(stream('{"name": "a", "points": ', "[" * 500)) as server:
        answer = model_at(server.url, profile={"reasks": 0})("A shape.", generation_schema=Shape, stream=True)
        with pytest.raises(mf.ValidationFailedError):
            seen.extend(answer.partials())
    assert {part.name for part in seen} == {"a"}
    for part in seen:
        refuse_deep(part.points, "points", ValueError)


def test_without_a_schema_the_parts_are_the_text_so_far() -> None:
    with serving(stream("one ", "two")) as server:
        seen = list(model_at(server.url)("Hi", stream=True).partials())
    assert seen[-1] == "one two"
    assert all("one two".startswith(part) for part in seen)


def test_the_async_twin_yields_the_same() -> None:
    async def main(url: str) -> list[Any]:
        answer = await model_at(url).acall("Hi", generation_schema=Point, stream=True)
        return [part async for part in answer.partials()]

    with serving(stream('{"x": 1, ', '"y": 2}')) as server:
        seen = asyncio.run(main(server.url))
    assert (seen[0].x, seen[0].y, seen[-1]) == (1, None, Point(1, 2))


def test_prose_around_the_structure_shows_no_part_and_is_decoded_at_the_end() -> None:
    assert partials(Point, 'Here it is:\n```json\n{"x": 1, "y": 2}\n```')[-1] == Point(1, 2)


def test_a_slow_reader_is_not_throttled_for_its_own_time() -> None:
    pauses = [piece for letter in "bcdefgh" for piece in (0.05, letter)]
    with serving(stream('{"held": "a', *pauses, '"}')) as server:
        names = []
        for part in model_at(server.url)("Hi", generation_schema=Box[str], stream=True).partials():
            names.append(part.held)
            time.sleep(0.04)
    assert len(names) >= 4  # if its own time were counted, it would see two


def test_a_long_structure_takes_time_in_proportion() -> None:
    def seconds(rows: int) -> float:
        piece = '{"x": 1, "y": 2}, '
        with serving(stream('{"value": [', *[piece] * rows, '{"x": 1, "y": 2}]}')) as server:
            answer = model_at(server.url)("Hi", generation_schema=list[Point], stream=True)
            began = time.process_time()
            assert len(list(answer.partials())[-1]) == rows + 1
            return time.process_time() - began

    seconds(50)
    few, many = seconds(500), seconds(4_000)
    assert many < 8 * few * 4 + 1  # eight times as much; reading every part again would take sixty-four times
