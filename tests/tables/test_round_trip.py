from __future__ import annotations

import copy
import datetime
import decimal
import io
import json
import pickle
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.tables.formats.coded import decoded, encoded
from msgflux_nb.tables.frame import frame_from_columns
from msgflux_nb.tables.frames.given_back import given_back
from tests.tables.kinds import KINDS, documented, frame_of

pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
# Dask's own, with pandas 3.1.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def by_parquet(frame: pd.DataFrame) -> pd.DataFrame:
    file = io.BytesIO()
    frame.to_parquet(file)
    return pd.read_parquet(file)


def by_feather(frame: pd.DataFrame) -> pd.DataFrame:
    file = io.BytesIO()
    frame.to_feather(file)
    file.seek(0)
    return pd.read_feather(file)


WAYS = {
    "parquet": by_parquet,
    "feather": by_feather,
    "pickle": lambda frame: pickle.loads(pickle.dumps(frame)),
    "copy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_each_kind_comes_back_equal(kind: str, way: str) -> None:
    frame = frame_of(kind)
    back = WAYS[way](frame)
    pd.testing.assert_frame_equal(back, frame)
    for name in frame:
        assert list(map(type, back[name])) == list(map(type, frame[name]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_each_kind_comes_back_equal_from_dask(kind: str, tmp_path: Path) -> None:
    frame = frame_of(kind)
    if kind == "list of integers":  # a partition has to hold what the schema says; see the next test
        frame = frame.head(1)
    with dask.config.set({"dataframe.convert-string": False}):
        dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path)
        pd.testing.assert_frame_equal(dd.read_parquet(tmp_path).compute(), frame)


def test_a_partition_with_a_cell_that_its_type_does_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"too large|too big"):
        dd.from_pandas(frame_of("list of integers"), npartitions=1).to_parquet(tmp_path)


def test_partitions_with_nothing_but_missing_lists_have_the_types_of_the_others(tmp_path: Path) -> None:
    frame = frame_of("list of records")
    dd.from_pandas(frame, npartitions=3).to_parquet(tmp_path)
    assert pd.read_parquet(tmp_path)["value"].tolist() == frame["value"].tolist()


STORED: dict[str, list[Any]] = {
    "list of texts": [["a", "b"], [], None],
    "list of records": [[{"name": "a", "price": 1.5}, {"name": "b", "price": None}], [], None],
    "bytes": [b"a\xff\x00", b"", None],
    "Decimal": ["1.10", "2", "1E+50", None],
    "dict": ['{"a": 1}', '{"b": 2}', "{}", None],
    "int or str": ["1", '"a"', None],
}


@pytest.fixture(scope="module")
def read_without_this_package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the cells of each kind as a process without this package reads them; one process reads all files."""
    paths = {kind: tmp_path_factory.mktemp("stored") / "a.parquet" for kind in STORED}
    for kind, path in paths.items():
        frame_of(kind).to_parquet(path)
    code = (
        "import pandas, sys\nfor path in sys.argv[1:]:\n    cells = pandas.read_parquet(path)['value'].tolist()\n"
        "    print([cell.tolist() if hasattr(cell, 'tolist') else None if cell != cell else cell for cell in cells])\n"
        "assert 'msgflux_nb' not in sys.modules"
    )
    command = [sys.executable, "-c", code, *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return dict(zip(paths, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("kind", STORED)
def test_without_this_package_a_column_has_its_stored_type(
    kind: str, read_without_this_package: dict[str, str]
) -> None:
    assert read_without_this_package[kind] == str(STORED[kind])


def test_without_this_package_our_arrow_table_is_a_plain_one(tmp_path: Path) -> None:
    schema, cells = KINDS["list of texts"]
    record = msgspec.defstruct("Row", [("value", schema)])
    table = given_back(
        frame_from_columns(record, [record(cell) for cell in cells], pd.RangeIndex(3)), "pyarrow", record
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    code = "import pandas, sys; print([type(cell).__name__ for cell in pandas.read_parquet(sys.argv[1])['value']])"
    command = [sys.executable, "-c", code, str(tmp_path / "a.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "['ndarray', 'ndarray', 'NoneType']"


def test_importing_the_package_is_enough_to_read_a_column_back(tmp_path: Path) -> None:
    frame_of("dict").to_parquet(tmp_path / "a.parquet")
    code = "import sys, pandas, msgflux_nb; print(pandas.read_parquet(sys.argv[1])['value'].tolist())"
    command = [sys.executable, "-c", code, str(tmp_path / "a.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[{'a': 1}, {'b': 2}, {}, None]"


@pytest.mark.parametrize("cells", [[["a"], ["b", "c"]], [[1], None], [[], []], [[datetime.date(2026, 1, 2)], []]])
def test_lists_in_dicts_are_stored_as_lists(cells: list[Any]) -> None:
    frame = mf.to_frame([{"a": cell} for cell in cells])
    assert frame["a"].dtype.stored == "arrow"  # type: ignore[union-attr]  # ours
    assert by_parquet(frame)["a"].tolist() == cells


@pytest.mark.parametrize(
    "cell", [decimal.Decimal("1.10"), uuid.UUID(int=7), b"\xff", datetime.time(1, 2), 1 + 2j, frozenset([1])]
)
def test_a_value_in_a_dict_comes_back_as_what_it_was(cell: Any) -> None:
    back = by_parquet(mf.to_frame([{"a": cell}, {"a": None}]))["a"]
    assert back.tolist() == [cell, None]
    assert type(back[0]) is type(cell)


def test_a_report_survives_and_stops_no_file() -> None:
    frame = frame_of("list of records")
    frame.attrs["report"] = {"rows": 3, "states": {"ok": 3}, "cost": None, "model": "a"}
    for way in WAYS.values():
        assert way(frame).attrs == frame.attrs


def test_the_table_in_the_docs_says_what_the_formats_do() -> None:
    pytest.importorskip("openpyxl")
    page = Path(__file__).parents[2] / "docs" / "tables.md"
    assert documented() in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("orient", ["records", "split", "columns", "index", "values", "table"])
@pytest.mark.parametrize("kind", ["bytes", "UUID", "lone surrogate", "int beyond 64 bits", "dict", "set"])
def test_json_can_be_written_in_every_form(kind: str, orient: Any) -> None:
    json.loads(frame_of(kind).to_json(orient=orient))


# As an object column


def lists() -> pd.DataFrame:
    return mf.to_frame([{"name": "a", "tags": ["x", "y"]}, {"name": "b", "tags": []}, {"name": "c", "tags": None}])


def test_a_cell_is_a_list_and_can_be_exploded_counted_and_reached_into() -> None:
    frame = lists()
    assert frame["tags"].iloc[0] == ["x", "y"]
    assert frame["tags"].str.len().tolist()[:2] == [2, 0]
    assert frame["tags"].str[0].tolist()[0] == "x"
    exploded = frame.explode("tags")
    assert exploded["name"].tolist() == ["a", "a", "b", "c"]
    assert exploded["tags"].tolist()[:2] == ["x", "y"]
    assert exploded["tags"].isna().tolist() == [False, False, True, True]


def test_a_cell_can_be_set() -> None:
    frame = lists()
    frame.at[0, "tags"] = ["z"]
    frame.loc[frame["name"] == "b", "tags"] = pd.Series([["q", "r"]], index=[1])
    assert frame["tags"].tolist() == [["z"], ["q", "r"], None]
    frame.loc[[1, 2], "tags"] = None
    assert frame["tags"].isna().tolist() == [False, True, True]


def test_frames_can_be_put_together_and_keep_their_dtype() -> None:
    frame = lists()
    dtype = frame["tags"].dtype
    assert pd.concat([frame, frame])["tags"].dtype == dtype
    assert frame.merge(frame[["name", "tags"]], on="name")["tags_y"].dtype == dtype
    assert frame.reindex([0, 9])["tags"].dtype == dtype
    mixed = pd.concat([frame_of("Decimal"), frame_of("list of texts")], ignore_index=True)
    assert mixed["value"].dtype.stored == "json"  # type: ignore[union-attr]  # ours
    pd.testing.assert_frame_equal(by_parquet(mixed), mixed)


def test_values_that_can_be_counted_and_grouped_are() -> None:
    frame = mf.to_frame([{"a": cell} for cell in (2**70, 1, "x", 1)])
    assert frame["a"].head(2).sum() == 2**70 + 1
    assert (frame["a"].head(2) * 2).tolist() == [2**71, 2]
    assert frame.groupby("a").size().loc[1] == 2
    assert frame["a"].value_counts().loc[1] == 2
    assert (frame["a"] == 1).tolist() == [False, True, False, True]


def test_it_prints_as_an_object_column() -> None:
    frame = lists()
    assert str(frame["tags"].dtype) == repr(frame["tags"].dtype) == "object"
    assert frame["tags"].dtype == "object"
    assert "tags" in repr(frame.dtypes)
    assert "x" in frame.to_html()
    frame.info(buf=io.StringIO())


# The JSON text of any value

JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers() | st.text(), inner)
        | st.lists(inner).map(tuple)
        | st.sampled_from(["$decimal", "$dict", "$", "$text"]).map(lambda key: {key: "1"})
        | st.frozensets(st.integers())
    ),
    max_leaves=8,
)


@given(value=JSON_LIKE)
@settings(deadline=None)
def test_a_value_comes_back_from_its_text(value: Any) -> None:
    back = decoded(encoded(value))
    assert back == value
    assert type(back) is type(value)


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (Point(1), {"x": 1}),
        (np.float64(1.5), 1.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (pd.Timestamp("2026-01-02T03:04"), datetime.datetime(2026, 1, 2, 3, 4)),
        (pd.Timedelta("1s"), datetime.timedelta(seconds=1)),
        (object, "<class 'object'>"),
    ],
    ids=str,
)
def test_what_json_has_no_word_for_is_the_nearest_plain_value(value: Any, back: Any) -> None:
    assert decoded(encoded([value])) == [back]
