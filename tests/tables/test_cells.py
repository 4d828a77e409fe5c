from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from msgflux_nb.tables.cells import CellError, cell_text


class Mood(enum.Enum):
    GOOD = "good"


class City(msgspec.Struct):
    name: str
    people: int | None = None


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no")


BLANK = [
    None,
    float("nan"),
    np.nan,
    np.float32("nan"),
    pd.NA,
    pd.NaT,
    np.datetime64("NaT"),
    msgspec.UNSET,
    "",
    "  \n\t",
    b"",
    b" ",
]


@pytest.mark.parametrize("cell", BLANK, ids=repr)
def test_a_missing_or_blank_cell_is_the_empty_text(cell: Any) -> None:
    assert cell_text(cell) == ""


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (" a ", " a "),
        (2**60 + 1, "1152921504606846977"),
        (np.int64(3), "3"),
        (np.float64(0.1), "0.1"),
        (1.5, "1.5"),
        (True, "True"),
        (np.bool_(False), "False"),
        (np.str_("x"), "x"),
        (decimal.Decimal("1.10"), "1.10"),
        (b"x\xc3\xa9", "xé"),
        (Mood.GOOD, "good"),
        (pd.Timestamp("2024-01-02"), "2024-01-02T00:00:00"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.time(1, 2), "01:02:00"),
        (np.datetime64("2024-01-02"), "2024-01-02"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        ("\ud83d\ude00", "😀"),
        ("y" * 10**6, "y" * 10**6),
        ({"a": 1, 2: [None, float("nan")]}, '{"a": 1, "2": [null, null]}'),
        ([1, 2**70, 0.5, True], "[1, 1180591620717411303424, 0.5, true]"),
        (np.array([1, 2]), "[1, 2]"),
        (("é", Mood.GOOD), '["é", "good"]'),
        ({"when": pd.Timestamp("2024-01-02")}, '{"when": "2024-01-02T00:00:00"}'),
        (City("Ur"), '{"name": "Ur", "people": null}'),
        ({(1, 2): 3}, '{"(1, 2)": 3}'),
        ([], "[]"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_cell_is_written_without_loss(cell: Any, text: str) -> None:
    assert cell_text(cell) == text


def endless() -> list[Any]:
    cell: list[Any] = []
    cell.append(cell)
    return cell


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("\ud800", "a lone surrogate"),
        (["\ud800"], "a lone surrogate"),
        (b"\xff", "bytes that are not UTF-8"),
        (object(), "is not text"),
        ([object()], "is not text"),
        (Silent(), "cannot be written as text: no"),
        ([float("inf")], "cannot be written as text"),
        (endless(), "cannot be written as text"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_cell_without_a_text_says_why(cell: Any, message: str) -> None:
    with pytest.raises(CellError, match=message):
        cell_text(cell)
