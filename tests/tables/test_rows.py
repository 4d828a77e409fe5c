from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.rows import Rows, rows_of
from tests.content.pictures import to_bytes, two_halves

FRAME = pd.DataFrame({"title": ["A", None, " "], "body": ["a", "b", None], "n": [1, 2, None]}, dtype=object)


def texts(rows: Rows) -> list[str | None]:
    return [rows.text(position) for position in range(len(rows))]


def test_a_template_is_filled_from_the_columns() -> None:
    assert texts(rows_of(FRAME, "{title}: {body}")) == ["A: a", ": b", None]


def test_without_a_template_a_row_is_lines_of_names_and_values() -> None:
    assert texts(rows_of(FRAME, None)) == ["title: A\nbody: a\nn: 1", "body: b\nn: 2", None]


@pytest.mark.parametrize("data", [["a", "b"], ("a", "b"), iter("ab"), np.array(["a", "b"]), pd.Index(["a", "b"])])
def test_any_iterable_is_rows_of_text(data: Any) -> None:
    rows = rows_of(data, "<{text}>")
    rows.read(10)
    assert texts(rows) == ["<a>", "<b>"]
    pd.testing.assert_index_equal(rows.index, pd.RangeIndex(2))


def test_without_a_template_a_single_cell_is_sent_alone() -> None:
    assert texts(rows_of(pd.Series([{"a": 1}, 2]), None)) == ['{"a": 1}', "2"]


@pytest.mark.parametrize("prompt", ["{text}", "{review}"])
def test_a_series_is_known_as_text_and_by_its_name(prompt: str) -> None:
    assert texts(rows_of(pd.Series(["x"], name="review"), prompt)) == ["x"]


def test_a_series_keeps_its_index() -> None:
    index = pd.MultiIndex.from_tuples([(1, "a"), (1, "a")], names=["x", "y"])
    pd.testing.assert_index_equal(rows_of(pd.Series(["a", "b"], index=index), None).index, index, exact=True)


def test_columns_with_a_common_type_keep_their_own() -> None:
    frame = pd.DataFrame({"n": pd.array([2**60 + 1], dtype="Int64"), "x": [0.5]})
    assert texts(rows_of(frame, "{n} {x}")) == ["1152921504606846977 0.5"]


def test_columns_need_not_have_texts_as_names() -> None:
    assert texts(rows_of(pd.DataFrame([["a", "b"]]), "{1}{0}")) == ["ba"]


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="2 columns named 'a'"):
        rows_of(pd.DataFrame([["x", "y", "z"]], columns=["a", "a", "b"]), "{a}")


def test_a_column_that_is_there_twice_is_accepted_if_the_prompt_does_not_name_it() -> None:
    assert texts(rows_of(pd.DataFrame([["x", "y", "z"]], columns=["a", "a", "b"]), "{b}")) == ["z"]


def test_the_rows_are_those_of_the_moment() -> None:
    data = ["a"]
    rows = rows_of(data, None)
    data[0] = "b"
    assert texts(rows) == ["a"]


class City(msgspec.Struct):
    name: str


@pytest.mark.parametrize("data", ["text", b"x", {"a": 1}, City("Ur"), 3, None])
def test_what_holds_no_rows_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="put a single text into a list"):
        rows_of(data, None)


def test_a_table_of_another_library_is_refused_with_what_to_call() -> None:
    class Table(list):
        def to_pandas(self) -> None: ...

    with pytest.raises(TypeError, match=r"call \.to_pandas\(\) on it first"):
        rows_of(Table(), None)


def test_a_prompt_other_than_text_is_refused() -> None:
    with pytest.raises(TypeError, match="prompt: expected a text"):
        rows_of(["a"], 3)  # type: ignore[arg-type]  # what is tested


def test_a_parquet_column_of_lists_gives_each_of_its_pictures(tmp_path: Path) -> None:
    picture, path = to_bytes(two_halves()), tmp_path / "rows.parquet"
    (tmp_path / "a.png").write_bytes(picture)
    paths = pd.Series([[str(tmp_path / "a.png")] * 2, [], [str(tmp_path / "a.png"), None]])
    pd.DataFrame({"t": ["x", "y", "z"], "paths": paths, "stored": [{"bytes": picture, "path": None}] * 3}).to_parquet(
        path
    )
    frame = pd.read_parquet(path)
    rows = rows_of(frame, "{t}", images=["paths", "stored"])
    counts = [[part["type"] for part in rows.message(n)[-1]["content"]].count("image_url") for n in range(3)]  # type: ignore[index]
    assert counts == [3, 1, 2]


@pytest.mark.parametrize("cell", [{"bytes": None, "path": None}, 3, {"a": 1}])
def test_a_cell_that_is_not_a_picture_is_a_media_error(cell: Any) -> None:
    rows = rows_of(pd.DataFrame({"t": ["x"], "i": [cell]}), "{t}", images="i")
    with pytest.raises(mf.MediaError):
        rows.message(0)
