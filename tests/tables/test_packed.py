"""Tests that the fast ways to make an array are exact, and return None for cells of another type."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgflux_nb.tables import packed

ZONES = st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)))
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)


@given(st.lists(st.floats()))
def test_floats_are_exact(cells: list[float]) -> None:
    found = packed.floats(cells)
    assert found is not None
    np.testing.assert_array_equal(found, np.array(cells, dtype=np.float64))


@given(st.lists(st.sampled_from([True, False, None])))
def test_truth_values_are_exact(cells: list[bool | None]) -> None:
    found = packed.booleans(cells)
    assert found is not None
    assert [None if missing else bool(value) for value, missing in zip(*found, strict=True)] == cells


YEARS = [(1, 1969), (1970, 2105), (2106, 2513), (2515, 9998), (1, 9998)]
MOMENTS = st.sampled_from(YEARS).flatmap(
    lambda years: st.tuples(
        st.booleans(),
        st.lists(
            st.datetimes(datetime.datetime(years[0], 1, 2), datetime.datetime(years[1], 12, 30), timezones=ZONES),
            min_size=1,
        ),
    )
)


@given(MOMENTS)
def test_moments_are_exact_or_left_alone(drawn: tuple[bool, list[datetime.datetime]]) -> None:
    whole, cells = drawn
    cells = [cell.replace(microsecond=0) if whole else cell for cell in cells]
    found = packed.microseconds(cells)
    assert found is None or found.tolist() == [(cell - EPOCH) // MICROSECOND for cell in cells]


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 2105, 2200, 2513, 2600, 9998])
@pytest.mark.parametrize("microsecond", [0, 5])
def test_moments_that_are_alike_are_read_at_once(year: int, microsecond: int) -> None:
    cells = [NOON.replace(year=year, microsecond=microsecond)] * 3
    found = packed.microseconds(cells)
    assert found is not None
    assert found.tolist() == [(cells[0] - EPOCH) // MICROSECOND] * 3


OTHERS: list[Any] = [
    1,
    True,
    None,
    "x",
    b"12345678",
    NOON.replace(tzinfo=None),
    msgspec.UNSET,
    object(),
    2**70,
    2**60,
    "12345",
    [1.5],
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda cell: type(cell).__name__)
def test_a_cell_of_another_type_is_seen_wherever_it_is(other: Any) -> None:
    for place in range(3):
        numbers, moments, truths = [[kind] * 3 for kind in (0.5, NOON, True)]
        for cells in (numbers, moments, truths):
            cells[place] = other
        assert packed.floats(numbers) is None
        assert packed.microseconds(moments) is None
        assert (packed.booleans(truths) is None) == (other is not True and other is not None)


def test_nanoseconds_are_not_cut_off() -> None:
    assert packed.microseconds([pd.Timestamp("2026-01-02T00:00:00.000000001Z")]) is None


@pytest.mark.parametrize("count", [0, 15, 16, 65_535, 65_536])
def test_any_number_of_cells_is_read(count: int) -> None:
    cells = [number / 7 for number in range(count)]
    found = packed.floats(cells)
    assert found is not None
    assert found.tolist() == cells
