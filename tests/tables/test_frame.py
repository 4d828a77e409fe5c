from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import msgflux_nb as mf
from tests.tables.scripted_model import Metadata, Response


class City(msgspec.Struct):
    name: str
    people: int | None = None


@dataclasses.dataclass
class Town:
    name: str
    people: int


class Point(NamedTuple):
    x: float
    y: float


def test_structs_become_typed_columns() -> None:
    frame = mf.to_frame([City("Ghent", 265_086), City("Ur")])
    expected = pd.DataFrame(
        {"name": pd.array(["Ghent", "Ur"], dtype="string"), "people": pd.array([265_086, None], dtype="Int64")}
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_any_iterable_is_read() -> None:
    assert len(mf.to_frame(City(name) for name in "abc")) == 3


@pytest.mark.parametrize("value", [City("Ur"), Town("Ur", 1), {"name": "Ur"}, Response(City("Ur"), Metadata())])
def test_a_single_value_is_one_row(value: Any) -> None:
    assert mf.to_frame(value)["name"].tolist() == ["Ur"]


def test_a_response_gives_its_structured_value() -> None:
    frame = mf.to_frame([Response(City("Ur", 1), Metadata()), Response(City("Uruk"), Metadata())])
    assert frame["name"].tolist() == ["Ur", "Uruk"]
    assert frame["people"].dtype == "Int64"


def test_dataclasses_and_named_tuples_are_records() -> None:
    assert mf.to_frame([Town("Ur", 1)]).dtypes.astype(str).to_dict() == {"name": "string", "people": "Int64"}
    assert mf.to_frame([Point(1.0, 2.0)]).dtypes.astype(str).to_dict() == {"x": "Float64", "y": "Float64"}


def test_no_values_are_an_empty_frame() -> None:
    assert mf.to_frame([]).shape == (0, 0)


def test_other_types_are_named_with_their_position() -> None:
    with pytest.raises(TypeError, match="got City at position 0 and Town at position 2"):
        mf.to_frame([City("a"), City("b"), Town("c", 1)])


@pytest.mark.parametrize("value", ["text", b"bytes", 3, None, City, pd.DataFrame()])
def test_what_holds_no_values_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="to_frame: expected"):
        mf.to_frame(value)


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


NOW = datetime.datetime(2024, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([1, None, 2**60 + 1], "Int64"),
        ([1.5, float("nan")], "Float64"),
        ([1, 1.5], "Float64"),
        ([True, None], "boolean"),
        (["a", pd.NA], "string"),
        ([NOW, pd.NaT], "datetime64[us]"),
        ([pd.Timestamp(NOW)], "datetime64[us]"),
        ([np.datetime64(NOW), None], "datetime64[us]"),
        ([NOW.replace(tzinfo=datetime.UTC)], "datetime64[us, UTC]"),
        ([NOW.date()], "datetime64[us]"),
        ([datetime.timedelta(1)], "timedelta64[us]"),
        ([np.int64(3), 4], "Int64"),
        ([Mood.BAD], pd.CategoricalDtype(["good", "bad"])),
        ([2**64], "object"),
        ([True, 1], "object"),
        ([pd.Timestamp("2024-01-01 00:00:00.000000001")], "object"),
        ([[1], {"a": 2}], "object"),
        ([None, None], "object"),
    ],
)
def test_cells_of_dicts_have_the_dtype_they_share(cells: list[Any], dtype: Any) -> None:
    frame = mf.to_frame([{"cell": cell} for cell in cells])
    assert frame["cell"].dtype == dtype
    for found, cell in zip(frame["cell"], cells, strict=True):
        if not isinstance(cell, (list, dict)) and pd.isna(cell):
            assert pd.isna(found)
        elif isinstance(cell, (datetime.date, np.datetime64)):
            assert found == pd.Timestamp(cell)
        else:
            assert found == (cell.value if isinstance(cell, enum.Enum) else cell)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ([np.int64(1), 2], [1, 2]),
        ([np.str_("a")], ["a"]),
        ([np.float64(1.5), None], [1.5, None]),
        ([[np.int64(1)]], [[1]]),
        (np.float32(1.5), 1.5),
        (np.bool_(True), True),
    ],
    ids=str,
)
def test_what_numpy_holds_is_pythons_own_once_it_was_in_a_file(cell: Any, found: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = mf.to_frame([{"a": cell}])
    assert frame["a"].tolist() == [found]
    frame.to_parquet(tmp_path / "a.parquet")
    back = pd.read_parquet(tmp_path / "a.parquet")["a"].tolist()
    assert repr(back) == repr([found])


def test_keys_of_dicts_are_columns_in_order_of_appearance() -> None:
    frame = mf.to_frame([{"b": 1}, {"a": "x", 3: 1.5}])
    assert list(frame.columns) == ["b", "a", 3]
    assert frame["b"].tolist() == [1, pd.NA]


def test_plain_values_are_the_column_value() -> None:
    frame = mf.to_frame([1, 2])
    assert frame["value"].dtype == "Int64"
    assert frame["value"].tolist() == [1, 2]


def test_an_untyped_field_has_the_dtype_its_values_share() -> None:
    class Loose(msgspec.Struct):
        cell: Any

    assert mf.to_frame([Loose(1), Loose(None)])["cell"].dtype == "Int64"


def test_a_class_whose_annotations_cannot_be_read_still_makes_a_table() -> None:
    class Local(msgspec.Struct):
        name: str

    class Holder(msgspec.Struct):
        inner: Local
        number: int

    frame = mf.to_frame([Holder(Local("a"), 1)])
    assert frame["number"].dtype == "Int64"
    assert frame["inner"].tolist() == [Local("a")]


def test_the_values_are_not_changed() -> None:
    values = [{"a": [1]}]
    mf.to_frame(values)["a"][0].append(2)
    assert values == [{"a": [1]}]
    assert list(values[0]) == ["a"]


class Inner(msgspec.Struct, frozen=True):
    word: str
    number: int | None = None


class Everything(msgspec.Struct):
    integer: int
    number: float
    flag: bool
    text: str
    level: Literal["z", "a", "m"]
    mood: Mood
    moment: datetime.datetime
    day: datetime.date
    took: datetime.timedelta
    price: decimal.Decimal
    key: uuid.UUID
    items: list[int]
    pairs: dict[str, int]
    inner: Inner
    maybe_integer: int | None
    maybe_number: float | None
    maybe_flag: bool | None
    maybe_text: str | None
    maybe_level: Literal["q", "b"] | None
    maybe_mood: Mood | None
    maybe_day: datetime.date | None


UTC = st.just(datetime.UTC)
EVERYTHING = st.builds(
    Everything,
    number=st.floats(allow_nan=False),
    text=st.text(st.characters()),
    moment=st.one_of(st.datetimes(), st.datetimes(timezones=UTC)),
    price=st.decimals(allow_nan=False),
    maybe_number=st.none() | st.floats(allow_nan=False),
)


def python_value(cell: Any, example: Any) -> Any:
    """Return a cell as a value of the field's type."""
    if example is None or isinstance(example, (list, dict)):
        return None if example is None and pd.isna(cell) else cell
    if isinstance(example, enum.Enum):
        return type(example)(cell)
    if type(example) is datetime.date:
        return cell.to_pydatetime().date()
    if isinstance(cell, (pd.Timestamp, pd.Timedelta)):
        return cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell.to_pytimedelta()
    return cell


@settings(deadline=None)  # the machine may be busy
@given(st.lists(EVERYTHING, min_size=1, max_size=4))
def test_every_value_of_a_struct_comes_back_out_of_the_frame(values: list[Everything]) -> None:
    frame = mf.to_frame(values)
    assert len(frame) == len(values)
    for position, value in enumerate(values):
        for name in Everything.__struct_fields__:
            if name == "inner":
                inner = frame["inner.word"].iloc[position], frame["inner.number"].iloc[position]
                assert inner[0] == value.inner.word
                assert python_value(inner[1], value.inner.number) == value.inner.number
                continue
            example = getattr(value, name)
            found = python_value(frame[name].iloc[position], example)
            assert found == example
            assert example is None or type(found) is type(example) or found == example


class Dog(msgspec.Struct, tag=True):
    name: str


class Cat(msgspec.Struct, tag=True):
    lives: int


def test_tagged_structs_of_several_types_are_one_table() -> None:
    frame = mf.to_frame([Dog("Rex"), Cat(9)])
    assert frame["type"].tolist() == ["Dog", "Cat"]
    assert frame["lives"].tolist() == [pd.NA, 9]
