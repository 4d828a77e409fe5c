"""Values are written for people: in Python and in a page by the same rules."""

from __future__ import annotations

import datetime
import decimal
import enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.display import values
from msgflux_nb.display.values import beginning, readable
from tests.tables.scripted_model import Scripted


class Colour(enum.Enum):
    RED = "red"


class Tagged(msgspec.Struct):
    name: str
    tags: list[str] = []


class Point(msgspec.Struct):
    x: int


WEST = datetime.timezone(datetime.timedelta(hours=-2))
CASES: list[tuple[Any, str]] = [
    ("19:30:00", "19:30:00"),  # a text is not changed
    (datetime.time(19, 30), "19:30"),
    (datetime.time(19, 30, 5), "19:30:05"),
    (datetime.time(0, 0, 0, 250_000), "00:00:00.250000"),
    (datetime.time(19, 30, tzinfo=datetime.UTC), "19:30 UTC"),
    (datetime.datetime(2026, 3, 14, 19, 30), "2026-03-14 19:30"),
    (datetime.datetime(2026, 3, 14, 8, 5, 1, tzinfo=WEST), "2026-03-14 08:05:01 -02:00"),
    (datetime.date(2026, 3, 14), "2026-03-14"),
    (None, "–"),
    (True, "yes"),
    (False, "no"),
    (6, "6"),
    (0.5, "0.5"),
    (decimal.Decimal("1.50"), "1.50"),
    (Colour.RED, "red"),
    (["2 × vegetarian"], "2 × vegetarian"),
    (["a", "b"], "a, b"),
    (["Ghent, Belgium", "b"], "“Ghent, Belgium”, b"),
    (["", " a", "a\nb"], "“”, “ a”, “a\nb”"),
    (["“a", "b”"], '["“a", "b”"]'),  # commas and these quotes would be ambiguous
    ([datetime.time(8)], "08:00"),
    ([1, None, True], "1, –, yes"),
    ((1.5, 2), "1.5, 2"),
    ([], "none"),
    ([[1, 2]], "[[1, 2]]"),
    ([Point(1)], '[{"x": 1}]'),
    ({"a": 1}, '{"a": 1}'),
]


@pytest.mark.parametrize(("value", "words"), CASES)
def test_a_value_is_written_for_people(value: Any, words: str) -> None:
    assert readable(value) == words


@given(st.lists(st.text("ab, \n"), max_size=60), st.integers(0, 60))
def test_the_beginning_of_a_list_is_enough_for_so_many_characters(items: list[str], length: int) -> None:
    assert readable(beginning(items, length))[:length] == readable(items)[:length]


def test_views_write_only_the_part_of_a_long_list_that_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    listed = values._listed
    monkeypatch.setattr(values, "_listed", lambda items: written.append(len(items)) or listed(items))
    made = mf.grid(
        {"a": "{text}", "b": "Well: {text}"},
        ["x"],
        models=Scripted(lambda _: Tagged("x", ["a"] * 20_000)),
        schema=Tagged,
        store=False,
        progress=False,
    )
    mf.GridView(made)._drawn()
    rows = mf.ExtractionView(["x"], Tagged, model=Scripted(lambda _: Tagged("x", ["a"] * 20_000)), store=False)
    rows.run(wait=True)
    rows._receive(rows, {"type": "only", "state": "ok"}, [])
    review = mf.extract(["x"], Tagged, model=Scripted(lambda _: Tagged("x", ["a"] * 20_000)), store=False)
    mf.ReviewView(review)
    assert len(written) > 3
    assert max(written) <= 7_000
    assert sum(one > 100 for one in written) <= 4  # an open answer, and the row of a review
