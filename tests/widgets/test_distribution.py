"""Tests the distribution of a column: it is counted as rows arrive, has a bounded size, and is right."""

from __future__ import annotations

import datetime
import enum
import math
import random
import sys
from typing import Any, Literal

import msgspec
import pytest

from msgflux_nb.tables.dtypes import columns
from msgflux_nb.widgets.extraction.distribution import Distribution, Histogram, distribution_of, type_word


class Kind(enum.Enum):
    TOWN = "town"
    CITY = "city"


class Row(msgspec.Struct):
    text: str
    whole: int
    real: float
    truth: bool
    choice: Literal["b", "a", "c"]
    member: Kind
    day: datetime.date
    moment: datetime.datetime
    length: datetime.timedelta
    items: list[int]
    thing: dict[str, int]


def of(name: str) -> Distribution:
    return distribution_of(next(column for column in columns(Row) if column.name == name))


def drawn(name: str, *chunks: list[Any]) -> dict[str, Any]:
    found = of(name)
    for chunk in chunks:
        found.add(chunk)
    return found.drawn()


def test_types_are_named_in_one_word() -> None:
    words = {column.name: type_word(column) for column in columns(Row)}
    assert words == {
        "text": "str",
        "whole": "int",
        "real": "float",
        "truth": "bool",
        "choice": "choice",
        "member": "choice",
        "day": "date",
        "moment": "time",
        "length": "duration",
        "items": "list",
        "thing": "",
    }


def test_texts_are_shares_the_most_frequent_first() -> None:
    told = drawn("text", ["teal", "robin", "teal", None], ["robin", "teal", "wren", None])
    assert told["shares"] == [["teal", 3], ["robin", 2], ["wren", 1]]
    assert (told["missing"], told["others"], told["distinct"]) == (0.25, 0, 3)


def test_choices_keep_the_order_of_their_declaration() -> None:
    assert drawn("choice", ["c", "a", "a", "b"])["shares"] == [["b", 1], ["a", 2], ["c", 1]]
    assert drawn("member", [Kind.CITY, Kind.TOWN, Kind.CITY])["shares"] == [["town", 1], ["city", 2]]
    assert drawn("truth", [False, True, False])["shares"] == [["yes", 1], ["no", 2]]


def test_more_texts_than_are_shown_stand_together() -> None:
    told = drawn("text", [f"name {n % 10}" for n in range(35)])
    assert [count for _, count in told["shares"]] == [4, 4, 4, 4, 4, 3, 3]
    assert (told["others"], told["distinct"], told["all_differ"]) == (9, 10, False)
    assert drawn("text", [f"name {n}" for n in range(35)])["all_differ"]


def test_whole_numbers_have_a_bar_each_while_there_are_few() -> None:
    told = drawn("whole", [1, 1, 1, 2, 4])
    assert (told["bars"], told["ends"]) == ([3, 1, 0, 1], ["1", "4"])


def test_one_number_is_one_bar() -> None:
    assert drawn("whole", [7, 7])["bars"] == [2]
    assert drawn("real", [0.5, 0.5, 0.5])["bars"] == [3]


def test_every_number_is_in_a_bar_however_many_there_are() -> None:
    chance = random.Random(1)
    numbers = [chance.gauss(0, 1) for _ in range(30_000)]
    told = drawn("real", numbers[:7], numbers[7:20_000], numbers[20_000:])
    assert sum(told["bars"]) == 30_000
    exact = [0] * 16
    low, high = min(numbers), max(numbers)
    for number in numbers:
        exact[min(15, int((number - low) / (high - low) * 16))] += 1
    assert sum(abs(one - other) for one, other in zip(told["bars"], exact, strict=True)) < 0.05 * 30_000


def test_a_histogram_takes_the_same_room_for_any_amount_of_numbers() -> None:
    found = of("real")
    assert isinstance(found, Histogram)
    found.add([10.0**power for power in range(-300, 280)] * 3)
    assert len(found._places) <= 512
    assert sum(found.drawn()["bars"]) == 1_740


def test_a_few_numbers_far_away_do_not_flatten_the_others() -> None:
    told = drawn("whole", [1, 2, 3, 4, 5] * 40 + [9_000])
    assert told["bars"] == [40, 40, 40, 40, 41]
    assert told["ends"] == ["1", "5+"]


def test_numbers_that_cannot_be_drawn_do_no_harm() -> None:
    told = drawn("real", [math.inf, -math.inf, math.nan, sys.float_info.max, 5e-324, 1.0])
    assert sum(told["bars"]) == 2
    assert told["missing"] == pytest.approx(1 / 6)
    assert sum(drawn("whole", [10**400, 3])["bars"]) == 1


def test_days_moments_and_lengths_are_measured() -> None:
    day, moment = datetime.date(2026, 3, 1), datetime.datetime(2026, 3, 1, 12)
    assert drawn("day", [day, datetime.date(2026, 3, 4)])["ends"] == ["2026-03-01", "2026-03-04"]
    assert drawn("moment", [moment, moment.replace(day=9)])["ends"] == ["2026-03-01", "2026-03-09"]
    aware = moment.replace(tzinfo=datetime.UTC)
    assert drawn("moment", [aware, aware.replace(year=2027)])["ends"] == ["2026-03-01", "2027-03-01"]
    assert drawn("length", [datetime.timedelta(hours=1), datetime.timedelta(hours=2)])["ends"] == ["1:00:00", "2:00:00"]
    assert drawn("items", [[1, 2], [], [1]])["bars"] == [1, 1, 1]
    assert drawn("thing", [{}, None]) == {"missing": 0.5}


def test_before_the_first_value_there_is_no_picture() -> None:
    assert drawn("whole")["bars"] == []
    assert drawn("text")["shares"] == []
    assert drawn("text")["missing"] == 0


def test_many_texts_take_bounded_room() -> None:
    told = drawn("text", [f"name {n}" for n in range(5_000)])
    assert told["others"] + sum(count for _, count in told["shares"]) == 5_000
    assert told["uncounted"]
    assert len(msgspec.json.encode(told)) < 600


def test_a_long_text_is_cut() -> None:
    assert drawn("text", ["é" * 500])["shares"] == [["é" * 24 + "…", 1]]
