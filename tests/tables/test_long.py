from __future__ import annotations

import pandas as pd
import pytest

from msgflux_nb.tables.long import to_long

INDEX = pd.MultiIndex.from_tuples([(1, "a"), (1, "a")], names=["x", "y"])
FRAME = pd.DataFrame(
    {
        "city": pd.array(["Ur", None], dtype="string"),
        "people": pd.array([2**60 + 1, 2], dtype="Int64"),
        "_status": "ok",
    },
    index=INDEX,
)


def test_each_cell_is_a_row_under_its_label() -> None:
    found = to_long(FRAME)
    assert found["field"].tolist() == ["city", "people"] * 2
    assert found["value"].tolist() == ["Ur", 2**60 + 1, pd.NA, 2]
    assert found.index.tolist() == [(1, "a")] * 4
    assert found.index.names == ["x", "y"]


def test_the_fields_are_a_category_in_the_columns_order() -> None:
    assert list(to_long(FRAME)["field"].cat.categories) == ["city", "people"]


def test_the_columns_about_the_run_are_there_when_they_are_named() -> None:
    assert to_long(FRAME, fields=["_status"])["value"].tolist() == ["ok", "ok"]
    assert to_long(FRAME, fields="city")["value"].tolist() == ["Ur", pd.NA]
    with pytest.raises(KeyError, match="no column 'town'"):
        to_long(FRAME, fields=["town"])


def test_no_rows_are_an_empty_table() -> None:
    assert to_long(FRAME.iloc[:0]).shape == (0, 2)
