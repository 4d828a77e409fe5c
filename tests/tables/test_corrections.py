"""A person's corrections of a result: at once, in every later run of the same rows, and as examples."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.errors import StoreError
from msgflux_nb.storage.answers import open_store
from msgflux_nb.storage.batches import BatchRecords
from msgflux_nb.tables.review import correct, corrections, examples
from tests.scripted import completion
from tests.tables.counting import Counting, Person, counting, named, restart_kernel
from tests.tables.scripted_model import Scripted

__all__ = ["counting"]

T = TypeVar("T")


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Point(NamedTuple):
    x: int
    y: int


class Home(msgspec.Struct):
    city: str
    zip: int | None = None


class Circle(msgspec.Struct, tag="circle", frozen=True):
    size: int


class Square(msgspec.Struct, tag="square"):
    corner: Home | None = None


class Box(msgspec.Struct, Generic[T], frozen=True):
    inside: T


class Entry(msgspec.Struct, rename="camel"):
    name: str
    born_on: datetime.date | None = None
    seen_at: datetime.datetime | None = None
    mood: Mood | None = None
    size: Literal["s", "l"] | None = None
    price: Annotated[float, msgspec.Meta(ge=0)] | None = None
    tags: list[str] = []
    home: Home | None = None
    homes: list[Home] = []
    shape: Circle | Square = Circle(1)
    point: Point = Point(1, 2)
    box: Box[int] = Box(1)


def extract(data: Any, schema: Any = Entry, answer: Callable[[str], Any] | None = None, **options: Any) -> pd.DataFrame:
    model = Scripted(answer or (lambda text: Entry(text)), **options.pop("scripted", {}))
    return mf.extract(data, schema, model=model, progress=False, store=options.pop("store", False), **options)


# One cell


@pytest.mark.parametrize(
    ("field", "value", "cell"),
    [
        ("name", "b", "b"),
        ("born_on", "2026-01-02", pd.Timestamp("2026-01-02")),
        ("born_on", datetime.date(2026, 1, 2), pd.Timestamp("2026-01-02")),
        ("born_on", pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-02")),
        ("born_on", None, pd.NaT),
        ("seen_at", pd.Timestamp("2026-01-02T03:04Z"), pd.Timestamp("2026-01-02T03:04Z")),
        ("mood", Mood.BAD, "bad"),
        ("mood", "good", "good"),
        ("size", "l", "l"),
        ("size", pd.NA, None),
        ("price", np.float64(1.5), 1.5),
        ("price", 3, 3.0),
        ("tags", ["a", "b"], ["a", "b"]),
        ("tags", np.array(["a"]), ["a"]),
        ("home.city", "Ur", "Ur"),
        ("home.zip", 7, 7),
        ("homes", [Home("Ur")], [{"city": "Ur", "zip": None}]),
        ("shape.size", 5, 5),
        ("point.x", 5, 5),
        ("box.inside", 5, 5),
    ],
)
def test_a_cell_is_set_right_and_the_rest_stays(field: str, value: Any, cell: Any) -> None:
    result = extract(["a", "b"], answer=lambda text: Entry(text, home=Home("Rome", 1)))
    found = correct(result, 0, field, value)
    assert found[field].tolist()[0] == cell or (pd.isna(found[field].tolist()[0]) and pd.isna(cell))
    assert found[field].dtype == result[field].dtype
    rest = result.drop(columns=field)
    pd.testing.assert_frame_equal(found.drop(columns=field), rest)
    assert found.iloc[1].tolist()[:4] == result.iloc[1].tolist()[:4]


def test_the_result_itself_is_not_changed() -> None:
    result = extract(["a"])
    before = result.copy()
    assert correct(result, 0, "name", "b").attrs["report"] == before.attrs["report"]
    pd.testing.assert_frame_equal(result, before)


def test_a_record_is_set_right_as_a_whole() -> None:
    found = correct(extract(["a"]), 0, "home", Home("Ur", 7))
    assert found[["home.city", "home.zip"]].iloc[0].tolist() == ["Ur", 7]
    assert correct(found, 0, "home", {"city": "Uruk"})["home.zip"].isna().all()


def test_a_record_of_another_type_is_set_right_as_a_whole() -> None:
    found = correct(extract(["a"]), 0, "shape", Square(Home("Ur")))
    assert found["shape.type"].tolist() == ["square"]
    assert found["shape.size"].isna().all()
    assert correct(found, 0, "shape.corner.city", "Uruk")["shape.corner.city"].tolist() == ["Uruk"]


def test_an_answer_is_set_right_as_a_whole() -> None:
    found = correct(extract(["a"], Circle | Square, lambda _: Circle(1)), 0, None, Square())
    assert found["type"].tolist() == ["square"]


def test_a_schema_other_than_a_record_is_the_field_value() -> None:
    assert correct(extract(["a"], int, len), 0, "value", 5)["value"].tolist() == [5]


def test_a_value_that_the_dtype_does_not_hold_is_exact_all_the_same() -> None:
    found = correct(extract(["a", "b"], int, len), 0, "value", 2**70)
    assert found["value"].tolist() == [2**70, 1]


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("nothing", 1, KeyError, "no field 'nothing'; the fields: name, born_on"),
        ("_status", "ok", KeyError, "no field '_status'"),
        ("name", 5, ValueError, "5 does not fit the field 'name': Expected `str`, got `int`"),
        ("name", None, ValueError, "does not fit the field 'name'"),
        ("price", -1, ValueError, "Expected `float` >= 0"),
        ("size", "m", ValueError, "Invalid enum value 'm'"),
        ("shape.type", "square", ValueError, "correct the whole record"),
        ("name", object(), ValueError, "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(field: str, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        correct(extract(["a"]), 0, field, value)


# Which row


def test_a_label_that_is_there_twice_needs_a_position() -> None:
    result = extract(pd.Series(["a", "b", "c"], index=[7, 7, 8]))
    with pytest.raises(ValueError, match="7 is the label of 2 rows; give one of their positions: position=0, 1"):
        correct(result, 7, "name", "x")
    assert correct(result, None, "name", "x", position=1)["name"].tolist() == ["a", "x", "c"]
    assert correct(result.iloc[[2, 0]], None, "name", "x", position=-1)["name"].tolist() == ["x", "a"]
    with pytest.raises(ValueError, match="the label of 2 rows"):
        correct(result.iloc[[1, 0]], None, "name", "x", position=0)
    with pytest.raises(IndexError):
        correct(result, None, "name", "x", position=3)


@pytest.mark.parametrize(("row", "position"), [(None, None), (7, 1)])
def test_a_row_is_named_in_one_way_only(row: Any, position: int | None) -> None:
    with pytest.raises(TypeError, match="expected either a row's label or its position="):
        correct(extract(pd.Series(["a", "b"], index=[7, 8])), row, "name", "x", position=position)


@pytest.mark.parametrize("row", [9, "a", [8]])
def test_a_label_that_is_not_there_is_refused(row: Any) -> None:
    with pytest.raises(KeyError, match="no row has the label"):
        correct(extract(pd.Series(["a", "b"], index=[7, 8])), row, "name", "x")


def test_a_multiindex_has_tuples() -> None:
    index = pd.MultiIndex.from_tuples([(1, "a"), (1, "b")])
    found = correct(extract(pd.Series(["a", "b"], index=index)), (1, "b"), "name", "x")
    assert found["name"].tolist() == ["a", "x"]


def test_a_result_may_be_filtered_and_sorted(counting: Counting) -> None:
    texts = pd.Series(["a", "b", "c"], index=[5, 6, 7])
    result = counting.extract(texts)
    correct(result.iloc[[2, 1]], 7, "name", "x")
    assert counting.extract(texts)["name"].tolist() == ["a", "b", "x"]


def test_a_table_that_is_not_a_result_is_refused() -> None:
    for function in (corrections, examples):
        with pytest.raises(TypeError, match="expected the name of a run"):
            function(pd.DataFrame({"name": ["a"]}))


def test_a_result_of_another_kernel_is_refused(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = counting.extract(["a"], store=tmp_path / "run.sqlite")
    restart_kernel(monkeypatch)
    with pytest.raises(StoreError, match="Repeat the call first"):
        correct(result, 0, "name", "x")


def test_the_rows_of_an_exploded_result_are_refused() -> None:
    result = extract(["a"], answer=lambda text: Entry(text, tags=["x", "y"]), explode="tags")
    with pytest.raises(ValueError, match="without explode="):
        correct(result, 0, "tags", "z")


# Every later run


def test_the_same_call_comes_back_corrected_and_asks_nothing(counting: Counting) -> None:
    correct(counting.extract(["a", "b"]), 0, "name", "x")
    again = counting.extract(["a", "b"])
    assert again["name"].tolist() == ["x", "b"]
    assert again["_status"].tolist() == ["cached", "cached"]
    assert counting.calls == 2


def test_a_correction_is_in_the_store_and_survives_the_kernel(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.sqlite"
    correct(counting.extract(["a", "b"], store=path), 1, "age", 40)
    restart_kernel(monkeypatch)
    again = counting.extract(["a", "b"], store=path)
    assert again["age"].tolist() == [1, 40]
    assert corrections(again).to_dict("records") == [{"field": "age", "was": 1, "now": 40}]


def test_without_a_store_it_holds_for_the_result_alone() -> None:
    found = correct(correct(extract(["a"]), 0, "name", "x"), 0, "name", "y")
    assert found["name"].tolist() == ["y"]
    assert corrections(found)[["was", "now"]].iloc[0].tolist() == ["a", "y"]
    assert extract(["a"])["name"].tolist() == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        {"system_prompt": "Be exact."},
        {"prompt": "Read this: {t}"},
        {"examples": [("Ada, 36", Person("Ada", 36))]},
        {"model": "another"},
    ],
    ids=str,
)
def test_a_correction_belongs_to_the_row_and_not_to_the_request(counting: Counting, change: dict[str, Any]) -> None:
    correct(counting.extract(pd.DataFrame({"t": ["a", "b"]}), prompt="{t}"), 0, "age", 40)
    if "model" in change:
        change = {"model": counting.model("another")}
    rows = pd.DataFrame({"t": ["b", "a"]}, index=[8, 9])
    assert counting.extract(rows, **{"prompt": "{t}", **change})["age"].loc[9] == 40


def test_equal_rows_are_all_set_right(counting: Counting) -> None:
    texts = ["a", "b", "a"]
    correct(counting.extract(texts), 0, "age", 40)
    assert counting.extract(texts)["age"].tolist() == [40, 1, 40]


def test_other_rows_and_other_schemas_are_not(counting: Counting) -> None:
    class Other(msgspec.Struct):
        name: str
        age: int

    correct(counting.extract(["a"]), 0, "age", 40)
    assert counting.extract(["a."])["age"].tolist() == [2]
    assert counting.extract(["a"], Other)["age"].tolist() == [1]


def test_the_columns_of_a_row_are_told_apart(counting: Counting) -> None:
    first, second = pd.DataFrame({"t": ["a"], "u": ["b"]}), pd.DataFrame({"t": ["b"], "u": ["a"]})
    correct(counting.extract(first), 0, "age", 40)
    assert counting.extract(second)["age"].tolist() != [40]


def test_a_row_without_an_answer_can_be_set_right(counting: Counting) -> None:
    counting.reply = lambda text: completion("no JSON") if text == "bad" else named(text)
    result = counting.extract(["bad", "good"])
    found = correct(result, 0, "name", "x")
    assert found["name"].tolist() == ["x", "good"]
    assert found["_status"].tolist() == ["invalid", "ok"]
    again = counting.extract(["bad", "good"])
    assert again["name"].tolist() == ["x", "good"]
    assert again["age"].tolist() == [pd.NA, 4]
    assert again.dtypes["name"] == "string"


def test_what_does_not_fit_a_changed_schema_is_left_as_it_was(counting: Counting) -> None:
    changed = msgspec.defstruct("Person", [("name", str), ("age", bool | int | None, None)])
    narrow = msgspec.defstruct("Person", [("name", Literal["a"])])
    first = msgspec.defstruct("Person", [("name", str), ("age", int | None, None)])
    result = counting.extract(["a"], first)
    correct(correct(result, 0, "age", 40), 0, "name", "x")
    assert counting.extract(["a"], changed)["age"].tolist() == [40]
    assert counting.extract(["a"], narrow)["name"].tolist() == ["a"]


def test_a_row_of_an_iterator_is_known_by_its_request(counting: Counting) -> None:
    correct(counting.extract(iter(["a", "b"])), 1, "age", 40)
    assert counting.extract(iter(["a", "b"]))["age"].tolist() == [1, 40]


def test_a_row_that_was_not_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="was not kept"):
        correct(extract(iter(["a"])), 0, "name", "x")


def test_an_exploded_result_is_corrected_too(counting: Counting) -> None:
    class Tagged(msgspec.Struct):
        tags: list[str]

    counting.reply = lambda text: completion(json.dumps({"tags": [text, "y"]}))
    correct(counting.extract(["a"], Tagged), 0, "tags", ["p", "q", "r"])
    assert counting.extract(["a"], Tagged, explode="tags")["tags"].tolist() == ["p", "q", "r"]
    assert counting.calls == 1


def test_two_fields_of_a_row_and_the_latest_of_one_field_count(counting: Counting) -> None:
    result = counting.extract(["a"])
    for age in (40, 41):
        result = correct(result, 0, "age", age)
    result = correct(result, 0, "name", "x")
    again = counting.extract(["a"])
    assert (again["name"].tolist(), again["age"].tolist()) == (["x"], [41])
    assert corrections(again).to_dict("records") == [
        {"field": "age", "was": 1, "now": 41},
        {"field": "name", "was": "a", "now": "x"},
    ]


# Examples


def test_corrected_rows_are_examples(counting: Counting) -> None:
    result = correct(counting.extract(["a", "b"]), 1, "name", "x")
    assert examples(result) == [("b", Person("x", 1))]
    counting.extract(["c"], examples=examples(result))
    sent = counting.server.bodies[-1]["messages"]
    assert json.loads(next(one["content"] for one in sent if one["role"] == "assistant")) == {"name": "x", "age": 1}


def test_an_example_of_several_columns_has_them_by_name(counting: Counting) -> None:
    frame = pd.DataFrame({"t": ["a"], "u": ["b"]})
    result = correct(counting.extract(frame, prompt="{t} and {u}"), 0, "name", "x")
    assert examples(result)[0][0] == {"t": "a", "u": "b"}
    counting.extract(frame, prompt="{t} and {u}!", examples=examples(result))
    assert any("a and b!" in str(one["content"]) for one in counting.server.bodies[-1]["messages"][:-1])


def test_a_row_that_is_known_in_part_is_not_an_example(counting: Counting) -> None:
    counting.reply = lambda text: completion("no JSON")
    result = counting.extract(["a"])
    result = correct(result, 0, "age", 4)
    assert examples(result) == []
    assert examples(correct(result, 0, "name", "x")) == [("a", Person("x", 4))]


def test_a_result_without_corrections_has_no_examples(counting: Counting) -> None:
    result = counting.extract(["a"])
    assert examples(result) == []
    assert corrections(result).empty


def test_stores_that_are_merged_share_their_corrections(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tmp_path / "one.sqlite", tmp_path / "other.sqlite"
    for path, age in ((one, 40), (other, 50)):
        correct(counting.extract(["a"], store=path), 0, "age", age)
    correct(counting.extract(["b"], store=other), 0, "age", 60)
    BatchRecords(open_store(one)).merge(BatchRecords(open_store(other)))
    restart_kernel(monkeypatch)
    assert counting.extract(["a", "b"], store=one)["age"].tolist() == [40, 60]


def test_a_result_offers_all_of_it_itself(counting: Counting, tmp_path: Path) -> None:
    counting.reply = lambda text: named("=1")
    result = counting.extract(["=1", "b"])
    result = result.mf.correct(1, "name", "b")
    assert result.mf.corrections()["now"].tolist() == ["b"]
    assert result.mf.examples()[0][0] == "b"
    assert result.mf.spans()["name_end"].tolist() == [2, 1]
    assert result.mf.score(pd.DataFrame({"name": ["=1", "b"]})).accuracy == 1.0
    assert result.mf.to_long()["field"].tolist() == ["name", "age"] * 2
    assert result.mf.to_csv(index=False).splitlines()[1].startswith("'=1,")
    result.mf.to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").exists()
    pytest.importorskip("openpyxl")
    result.mf.to_excel(tmp_path / "a.xlsx")
    assert pd.read_excel(tmp_path / "a.xlsx")["name"].tolist() == ["=1", "b"]
