from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import typing
import uuid
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pandas as pd
import pytest

from msgflux_nb.errors import SchemaError
from msgflux_nb.tables.dtypes import columns
from msgflux_nb.tables.formats import arrow
from msgflux_nb.tables.formats.values import ValuesDtype, values_dtype
from msgflux_nb.tables.frame import frame_from_columns

T = TypeVar("T")
Age = NewType("Age", int)


class Mood(enum.Enum):
    SUNNY = "sunny"
    BAD = "bad"
    GLOOMY = "bad"  # noqa: PIE796  an alias, which is no level of its own
    MILD = "mild"


class Rank(enum.IntEnum):
    LAST = 3
    FIRST = 1


class Place(msgspec.Struct):
    city: str
    zip: int | None = None


class Person(msgspec.Struct):
    name: str
    age: Age
    height: float
    alive: bool
    size: Literal["small", "large", "medium"]
    mood: Mood
    rank: Rank
    born: datetime.date
    seen: datetime.datetime
    zoned: Annotated[datetime.datetime, msgspec.Meta(tz=True, description="with an offset")]
    plain: Annotated[datetime.datetime, msgspec.Meta(tz=False)]
    took: datetime.timedelta
    price: decimal.Decimal
    key: uuid.UUID
    tags: list[str]
    notes: dict[str, int]
    number: int | float
    either: int | str
    anything: Any
    count: Annotated[int, msgspec.Meta(ge=0, le=10)]
    unset: int | msgspec.UnsetType = msgspec.UNSET


DTYPES = {
    "name": "string",
    "age": "Int64",
    "height": "Float64",
    "alive": "boolean",
    "size": pd.CategoricalDtype(["small", "large", "medium"]),
    "mood": pd.CategoricalDtype(["sunny", "bad", "mild"]),
    "rank": pd.CategoricalDtype([3, 1]),
    "born": "datetime64[us]",
    "seen": "datetime64[us, UTC]",
    "zoned": "datetime64[us, UTC]",
    "plain": "datetime64[us]",
    "took": "timedelta64[us]",
    "price": ValuesDtype("decimal"),
    "key": ValuesDtype("uuid"),
    "tags": values_dtype(msgspec.inspect.type_info(list[str])),
    "notes": ValuesDtype(),
    "number": "Float64",
    "either": ValuesDtype(),
    "anything": ValuesDtype(),
    "count": "Int64",
    "unset": "Int64",
}


def optional(schema: type[msgspec.Struct]) -> Any:
    hints = typing.get_type_hints(schema, include_extras=True)
    return msgspec.defstruct("AllOptional", [(name, hint | None, None) for name, hint in hints.items()])


STORED = {"price": "decimal", "key": "uuid", "tags": "arrow", "notes": "json", "either": "json", "anything": "json"}


@pytest.mark.parametrize(("name", "stored"), STORED.items())
def test_a_column_of_values_says_how_arrow_stores_it(name: str, stored: str) -> None:
    pytest.importorskip("pyarrow")
    for frame in (
        frame_from_columns(Person, [], pd.RangeIndex(0)),
        frame_from_columns(Person, [None], pd.RangeIndex(1)),
    ):
        assert frame[name].dtype.stored == stored  # type: ignore[union-attr]  # ours


@pytest.mark.parametrize("name", DTYPES)
def test_a_field_has_its_dtype_when_there_are_no_rows(name: str) -> None:
    frame = frame_from_columns(Person, [], pd.RangeIndex(0))
    assert frame[name].dtype == DTYPES[name]


@pytest.mark.parametrize("name", DTYPES)
def test_a_field_has_its_dtype_when_every_value_is_missing(name: str) -> None:
    frame = frame_from_columns(Person, [None, None], pd.RangeIndex(2))
    assert frame[name].dtype == DTYPES[name]
    assert frame[name].isna().all()


@pytest.mark.parametrize("name", DTYPES)
def test_an_optional_field_has_the_dtype_of_what_it_may_hold(name: str) -> None:
    frame = frame_from_columns(optional(Person), [], pd.RangeIndex(0))
    assert frame[name].dtype == DTYPES[name]


@pytest.mark.parametrize("name", ["size", "mood", "rank"])
def test_categories_are_in_declared_order(name: str) -> None:
    dtype = frame_from_columns(Person, [], pd.RangeIndex(0))[name].dtype
    assert list(dtype.categories) == list(DTYPES[name].categories)


def test_a_literal_with_none_is_a_category_of_the_rest() -> None:
    frame = frame_from_columns(Literal["z", None, "a"], ["a", None], pd.RangeIndex(2))
    assert list(frame["value"].cat.categories) == ["z", "a"]
    assert frame["value"].isna().tolist() == [False, True]


def test_a_literal_of_mixed_types_keeps_each_level() -> None:
    frame = frame_from_columns(Literal["q", 1], [1, "q"], pd.RangeIndex(2))
    assert frame["value"].tolist() == [1, "q"]
    assert list(frame["value"].cat.categories) == ["q", 1]


def test_levels_that_are_equal_are_an_object_column() -> None:
    frame = frame_from_columns(Literal[1, True], [True, 1], pd.RangeIndex(2))
    assert frame["value"].dtype == ValuesDtype()
    assert [type(cell) for cell in frame["value"]] == [bool, int]


class Step(msgspec.Struct, Generic[T]):
    answer: T
    thought: str


class Chosen(Step[Literal["so", "no"]]):
    sure: bool


def test_a_generic_struct_has_the_dtypes_of_its_parameters() -> None:
    assert frame_from_columns(Step[int], [], pd.RangeIndex(0))["answer"].dtype == "Int64"


def test_a_literal_given_as_a_parameter_keeps_its_order() -> None:
    assert columns(Step[Literal["yes", "maybe", "no"]])[0].levels == ("yes", "maybe", "no")


def test_a_literal_given_to_a_base_class_keeps_its_order() -> None:
    assert columns(Chosen)[0].levels == ("so", "no")


class Visit(msgspec.Struct):
    where: Place
    home: Place | None
    all: list[Place]


def test_a_nested_struct_is_a_column_a_field() -> None:
    found = frame_from_columns(Visit, [Visit(Place("Ur", 1), None, [])], pd.RangeIndex(1))
    assert list(found.columns) == ["where.city", "where.zip", "home.city", "home.zip", "all"]
    assert found.iloc[0].tolist()[:2] == ["Ur", 1]
    assert found[["home.city", "home.zip"]].isna().all(axis=None)
    assert found["home.zip"].dtype == "Int64"


class Tree(msgspec.Struct):
    name: str
    child: Tree | None = None


def test_a_recursive_struct_ends_in_an_object_column() -> None:
    frame = frame_from_columns(Tree, [Tree("a", Tree("b"))], pd.RangeIndex(1))
    assert list(frame.columns) == ["name", "child"]
    assert frame["child"].tolist() == [Tree("b")]


class Pair(NamedTuple):
    left: int
    right: str


class Keyed(TypedDict):
    left: int
    right: str


@dataclasses.dataclass
class Data:
    left: int
    right: str


@pytest.mark.parametrize(
    ("schema", "value"), [(Pair, Pair(1, "a")), (Keyed, Keyed(left=1, right="a")), (Data, Data(1, "a"))]
)
def test_every_kind_of_record_has_a_column_a_field(schema: Any, value: Any) -> None:
    frame = frame_from_columns(schema, [value, None], pd.RangeIndex(2))
    assert frame.dtypes.astype(str).to_dict() == {"left": "Int64", "right": "string"}
    assert frame.iloc[0].tolist() == [1, "a"]


@pytest.mark.parametrize(("schema", "dtype"), [(int, "Int64"), (dict[str, Place], "object"), (Place | int, "object")])
def test_a_schema_other_than_a_record_is_the_column_value(schema: Any, dtype: str) -> None:
    frame = frame_from_columns(schema, [], pd.RangeIndex(0))
    assert frame.dtypes.astype(str).to_dict() == {"value": dtype}


def test_a_value_that_is_not_a_type_is_refused() -> None:
    with pytest.raises(SchemaError, match="expected a type"):
        columns("Person")


def test_two_fields_that_would_share_a_column_are_refused() -> None:
    clashing = TypedDict("clashing", {"where.city": str, "where": Place})
    with pytest.raises(SchemaError, match=r"both be the column 'where\.city'"):
        columns(clashing)


# What a dtype cannot hold exactly


def cells(schema: Any, *values: Any) -> pd.Series:
    return frame_from_columns(schema, values, pd.RangeIndex(len(values)))["value"]


def test_an_integer_next_to_a_missing_one_stays_exact() -> None:
    assert cells(int, 2**60 + 1, None).tolist() == [2**60 + 1, pd.NA]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**200])
def test_an_integer_beyond_64_bits_stays_exact(number: int) -> None:
    found = cells(int, number, 1, None)
    assert found.dtype == ValuesDtype()
    assert found.tolist() == [number, 1, None]


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_the_last_integers_of_64_bits_are_still_int64(number: int) -> None:
    found = cells(int, number)
    assert found.dtype == "Int64"
    assert found[0] == number


def test_an_integer_that_no_float_holds_makes_a_float_column_object() -> None:
    assert cells(float, 0.5, 2**60 + 1).tolist() == [0.5, 2**60 + 1]


def test_datetimes_with_a_zone_become_utc() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    found = cells(datetime.datetime, datetime.datetime(2024, 5, 1, 12, tzinfo=zone), None)
    assert found.dtype == "datetime64[us, UTC]"
    assert found[0] == pd.Timestamp("2024-05-01 10:00", tz="UTC")


def test_naive_and_zoned_datetimes_together_are_kept_as_they_are() -> None:
    mixed = [datetime.datetime(2024, 5, 1), datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)]
    found = cells(datetime.datetime, *mixed)
    assert found.dtype == ValuesDtype()
    assert found.tolist() == mixed


@pytest.mark.parametrize("moment", [datetime.datetime.min, datetime.datetime.max, datetime.datetime(1500, 1, 1)])
def test_a_datetime_far_from_now_is_exact(moment: datetime.datetime) -> None:
    found = cells(datetime.datetime, moment)
    assert found.dtype == "datetime64[us]"
    assert found[0].to_pydatetime() == moment


def test_a_zoned_datetime_that_utc_cannot_express_is_kept_as_it_is() -> None:
    first = datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert cells(datetime.datetime, first).tolist() == [first]


def test_a_date_is_midnight() -> None:
    found = cells(datetime.date, datetime.date(1815, 12, 10), None)
    assert found.dtype == "datetime64[us]"
    assert found[0] == pd.Timestamp("1815-12-10")


def test_a_duration_beyond_64_bits_is_kept_as_it_is() -> None:
    assert cells(datetime.timedelta, datetime.timedelta.max).tolist() == [datetime.timedelta.max]


def test_a_value_outside_the_levels_is_kept_and_not_blanked() -> None:
    found = cells(Literal["a", "b"], "a", "c")
    assert found.dtype == ValuesDtype()
    assert found.tolist() == ["a", "c"]


def test_a_boolean_in_an_integer_field_stays_a_boolean() -> None:
    assert [type(cell) for cell in cells(int, 1, True)] == [int, bool]


def test_half_a_surrogate_pair_survives_a_string_column() -> None:
    assert cells(str, "\ud800").tolist() == ["\ud800"]


def test_lists_of_equal_length_stay_one_cell_each() -> None:
    assert cells(list[int], [1, 2], [3, 4]).tolist() == [[1, 2], [3, 4]]


def test_texts_in_an_object_column_stay_object() -> None:
    assert cells(int | str, "a", "b").dtype == ValuesDtype()


def test_an_enum_is_a_category_of_its_values() -> None:
    assert cells(Mood, Mood.GLOOMY, None).tolist()[0] == "bad"


def test_duplicate_labels_and_a_multiindex_are_kept() -> None:
    for index in (pd.Index([7, 7, 8], name="k"), pd.MultiIndex.from_tuples([(1, "a"), (1, "a"), (2, "b")])):
        frame = frame_from_columns(int, [1, None, 3], index)
        pd.testing.assert_index_equal(frame.index, index, exact=True)
        assert frame["value"].tolist() == [1, pd.NA, 3]


# Moments


PARIS = datetime.timezone(datetime.timedelta(hours=2))
NOON = datetime.datetime(2026, 5, 6, 12)


def test_moments_without_a_zone_have_none() -> None:
    assert cells(datetime.datetime, NOON, None).dtype == "datetime64[us]"


def test_moments_with_zones_are_the_same_moments_in_utc() -> None:
    found = cells(datetime.datetime, NOON.replace(tzinfo=PARIS), NOON.replace(tzinfo=datetime.UTC), None)
    assert found.dtype == "datetime64[us, UTC]"
    assert found[0] == NOON.replace(tzinfo=PARIS)
    assert found.isna().tolist() == [False, False, True]


@pytest.mark.parametrize("declared", [True, False])
def test_a_moment_that_is_not_as_declared_is_kept_as_it_is(declared: bool) -> None:
    moment = NOON if declared else NOON.replace(tzinfo=PARIS)
    found = cells(Annotated[datetime.datetime, msgspec.Meta(tz=declared)], moment)
    assert found.dtype == ValuesDtype()
    assert found.tolist() == [moment]


# Lists


class Line(msgspec.Struct):
    name: str
    price: float | None = None
    size: Literal["s", "l"] | None = None


LINES = [[Line("a", 1.5, "s"), Line("b")], [], None]
LINE_CELLS = [[{"name": "a", "price": 1.5, "size": "s"}, {"name": "b", "price": None, "size": None}], []]


@pytest.fixture(params=["arrow", "object"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With pyarrow and without."""
    if request.param == "object":
        monkeypatch.setattr(arrow, "pa", None)
    else:
        pytest.importorskip("pyarrow")
    return str(request.param)


def test_a_list_of_records_has_the_same_cells_with_pyarrow_and_without(storage: str) -> None:
    found = cells(list[Line], *LINES)
    assert found.dtype.stored == ("arrow" if storage == "arrow" else "json")
    assert found.tolist()[:2] == LINE_CELLS
    assert found.isna().tolist() == [False, False, True]


class Colour(enum.Enum):
    RED = "red"


class Marked(msgspec.Struct, tag="marked"):
    lines: list[Line]
    seen: list[Annotated[datetime.datetime, msgspec.Meta(tz=True)]] = []
    colours: tuple[Colour, ...] = ()
    word: str | msgspec.UnsetType = msgspec.UNSET


def test_a_list_may_hold_lists_records_levels_and_moments(storage: str) -> None:
    moment = NOON.replace(tzinfo=PARIS)
    (found,) = cells(list[Marked], [Marked([Line("a")], [moment], (Colour.RED,))])
    expected = {
        "type": "marked",
        "lines": [{"name": "a", "price": None, "size": None}],
        "seen": [moment],
        "colours": ["red"],
        "word": None,
    }
    assert found == [expected]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (int, "int64"),
        (float, "double"),
        (bool, "bool"),
        (bytes, "binary"),
        (datetime.date, "date32[day]"),
        (datetime.timedelta, "duration[us]"),
        (Literal["b", "a"], "string"),
        (Rank, "int64"),
        (list[int], "list<item: int64>"),
        (int | None, "int64"),
        (Annotated[datetime.datetime, msgspec.Meta(tz=False)], "timestamp[us]"),
    ],
    ids=str,
)
def test_a_list_has_its_dtype_when_every_value_is_missing(kind: Any, name: str) -> None:
    pytest.importorskip("pyarrow")
    assert str(cells(list[kind], None).dtype.arrow_type) == f"list<item: {name}>"


DECIMAL = decimal.Decimal("1.10")
BOTH = [NOON, NOON.replace(tzinfo=PARIS)]


@pytest.mark.parametrize(
    ("schema", "cell"),
    [
        (list[decimal.Decimal], [DECIMAL]),
        (list[datetime.datetime], BOTH),
        (list[Annotated[datetime.datetime, msgspec.Meta(tz=True)]], BOTH),
        (list[Annotated[datetime.datetime, msgspec.Meta(tz=False)]], BOTH),
        (list[int | str], [1, "a"]),
        (list[int], [2**64]),
        (list[int], [1.5]),
        (list[int], [True]),
        (list[float], [2**60 + 1]),
        (list[str], ["\ud800"]),
        (list[datetime.date], [NOON]),
        (list[Any], [1, "a"]),
        (list, [1, "a"]),
    ],
    ids=str,
)
def test_a_list_that_arrow_would_change_is_kept_as_it_is(schema: Any, cell: Any) -> None:
    found = cells(schema, cell, None)
    assert found.tolist() == [cell, None]
    assert list(map(type, found[0])) == list(map(type, cell))


def test_a_list_of_recursive_records_is_an_object_column() -> None:
    assert cells(list[Tree], [Tree("a", Tree("b"))]).tolist() == [
        [{"name": "a", "child": {"name": "b", "child": None}}]
    ]


# Tagged unions


class Circle(msgspec.Struct, tag="circle"):
    size: int
    colour: Literal["red", "blue"]
    name: str


class Square(msgspec.Struct, tag="square"):
    size: float
    colour: Literal["green", "red"]
    corner: Place


def test_a_union_has_the_tag_and_every_members_fields() -> None:
    schema, values = Circle | Square | None, [Circle(1, "red", "c"), Square(0.5, "green", Place("Ur", 1)), None]
    found = frame_from_columns(schema, values, pd.RangeIndex(3))
    assert list(found.columns) == ["type", "size", "colour", "name", "corner.city", "corner.zip"]
    assert found["type"].tolist()[:2] == ["circle", "square"]
    assert found["size"].tolist()[:2] == [1.0, 0.5]
    assert found["corner.zip"].tolist() == [pd.NA, 1, pd.NA]
    assert found.iloc[2].isna().all()


def test_a_union_has_its_dtypes_when_every_value_is_missing() -> None:
    found = frame_from_columns(Square | Circle, [None], pd.RangeIndex(1))
    assert found["type"].dtype == pd.CategoricalDtype(["square", "circle"])
    assert found["size"].dtype == "Float64"
    assert found["colour"].dtype == pd.CategoricalDtype(["green", "red", "blue"])


class Shown(msgspec.Struct):
    shape: Circle | Square
    shapes: list[Circle | Square] = []


def test_a_union_in_a_field_is_told_by_dotted_names() -> None:
    found = frame_from_columns(Shown, [Shown(Circle(1, "red", "c"))], pd.RangeIndex(1))
    assert list(found.columns)[:4] == ["shape.type", "shape.size", "shape.colour", "shape.name"]
    assert found["shape.type"].tolist() == ["circle"]


class Left(msgspec.Struct, tag="left"):
    value: int


class Right(msgspec.Struct, tag="right"):
    @property
    def value(self) -> int:
        return 1


def test_a_property_is_not_taken_for_a_field_of_another_member() -> None:
    found = frame_from_columns(Left | Right, [Left(5), Right()], pd.RangeIndex(2))
    assert found["value"].tolist() == [5, pd.NA]


def test_fields_of_a_union_that_have_nothing_in_common_are_an_object_column() -> None:
    class Text(msgspec.Struct, tag=True):
        value: str

    found = frame_from_columns(Left | Text, [Left(5), Text("a")], pd.RangeIndex(2))
    assert found["value"].tolist() == [5, "a"]
