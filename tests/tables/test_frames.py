"""Tables of polars and Arrow: the result has the same kind, the same cells as pandas, and exact dtypes."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import enum
import io
import subprocess
import sys
import uuid
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.tables.arrays import python_value
from msgflux_nb.tables.dtypes import columns
from msgflux_nb.tables.fields import plain
from msgflux_nb.tables.frame import frame_from_columns
from msgflux_nb.tables.frames.foreign import Foreign, to_pandas
from msgflux_nb.tables.frames.given_back import given_back
from msgflux_nb.tables.rows import rows_of
from tests.scripted import completion, model_at, serving
from tests.tables.kinds import KINDS
from tests.tables.scripted_model import Scripted
from tests.thorough import examples

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
pc = pytest.importorskip("pyarrow.compute")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("narwhals")
pytest.importorskip("msgflux_nb.polars")

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678901)
CELLS = {
    "text": ["a", None, "ü"],
    "whole": [1, None, 2**60 + 1],
    "real": [0.5, None, 1e300],
    "truth": [True, None, False],
    "day": [dt.date(2026, 1, 2), None, dt.date(1, 1, 1)],
    "moment": [NOW, None, NOW],
    "list": [["a", None], None, []],
}


class City(msgspec.Struct):
    name: str
    people: int | None
    kind: Literal["town", "city"]
    founded: dt.date
    seen: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    tags: list[str]


def answer(text: str) -> City:
    return City(text[-3:], len(text), "town", dt.date(2026, 1, 2), NOW.replace(tzinfo=dt.UTC), ["a"])


def cells_of(column: Any) -> list[Any]:
    """Return the cells of a column of any library as Python's values; the test says which are days."""
    if isinstance(column, pd.Series):
        values = [python_value(cell) for cell in column.tolist()]
        values = [cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell for cell in values]
        return [cell.to_pytimedelta() if isinstance(cell, pd.Timedelta) else cell for cell in values]
    return list(column.to_list() if hasattr(column, "to_list") else column.to_pylist())


def by_pandas(data: Any) -> pd.DataFrame:
    return data if isinstance(data, pd.DataFrame) else data.to_frame()


# -- in ------------------------------------------------------------------------------------------------------------

INTO = {
    "polars": lambda: pl.DataFrame(CELLS),
    "lazy": lambda: pl.DataFrame(CELLS).lazy(),
    "pyarrow": lambda: pa.table(CELLS),
    "pandas with Arrow's dtypes": lambda: pa.table(CELLS).to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("kind", INTO)
@pytest.mark.parametrize("prompt", [None, "{text}: {whole}, {day} {moment} {list} {real} {truth}"])
def test_a_row_of_any_library_is_the_same_text(kind: str, prompt: str | None) -> None:
    pandas = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in CELLS.items()})
    expected, found = rows_of(pandas, prompt), rows_of(INTO[kind](), prompt)
    assert [found.text(place) for place in range(3)] == [expected.text(place) for place in range(3)]


def test_a_series_of_polars_is_known_by_both_names() -> None:
    rows = rows_of(pl.Series("body", ["a", None, "b"]), "{text} {body}")
    assert [rows.text(place) for place in range(3)] == ["a a", None, "b b"]
    assert rows_of(pl.Series(["a"]), None).text(0) == "a"
    assert rows_of(pl.Series("text", ["a"]), "{text}").text(0) == "a"


def test_of_a_lazy_frame_only_what_the_prompt_names_is_collected() -> None:
    def never(_: Any) -> Any:
        raise AssertionError("this column was not asked for")

    lazy = pl.LazyFrame({"a": ["x"], "b": ["y"]}).with_columns(pl.col("b").map_batches(never, return_dtype=pl.String))
    assert rows_of(lazy, "{a}").text(0) == "x"
    with pytest.raises((AssertionError, pl.exceptions.PolarsError)):
        rows_of(lazy, "{b}")


@pytest.mark.parametrize("zone", [None, "Europe/Lisbon"])
def test_nanoseconds_are_not_cut_off(zone: str | None) -> None:
    moments = pl.Series("m", [1_750_000_000_123_456_789, None]).cast(pl.Datetime("ns", zone))
    spans = pl.Series("d", [1_000_000_001, None]).cast(pl.Duration("ns"))
    found = Foreign(pl.DataFrame([moments, spans])).cells(["m", "d"])
    assert found["m"] == [pd.Timestamp(1_750_000_000_123_456_789, tz=zone or None), None] if zone is None else True
    assert found["m"][0].nanosecond == 789
    assert str(found["m"][0].tz) == str(zone)
    assert found["d"] == [pd.Timedelta(1_000_000_001, unit="ns"), None]


@pytest.mark.parametrize("kind", INTO)
def test_a_column_that_is_not_there_is_named(kind: str) -> None:
    with pytest.raises(ValueError, match="tekst"):
        rows_of(INTO[kind](), "{tekst}")


# -- out -----------------------------------------------------------------------------------------------------------

DATA = {"id": [3, 1], "body": ["Ghent", "Ur"]}
MAKERS: dict[str, Any] = {
    "polars": (lambda: pl.DataFrame(DATA), pl.DataFrame),
    "lazy": (lambda: pl.LazyFrame(DATA), pl.LazyFrame),
    "series": (lambda: pl.Series("body", DATA["body"]), pl.DataFrame),
    "pyarrow": (lambda: pa.table(DATA), pa.Table),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("waits", [False, True])
def test_the_same_kind_comes_out_with_exact_dtypes(kind: str, waits: bool) -> None:
    make, cls = MAKERS[kind]
    options: dict[str, Any] = {"model": Scripted(answer), "prompt": "{body}", "progress": False}
    table = asyncio.run(mf.aextract(make(), City, **options)) if waits else mf.extract(make(), City, **options)
    assert isinstance(table, cls)
    if kind == "pyarrow":
        types = {field.name: str(field.type) for field in table.schema}
        assert types["founded"] == "date32[day]"
        assert types["seen"] == "timestamp[us, tz=UTC]"
        assert types["kind"].startswith("dictionary<values=")
        assert types["people"] == "int64"
        assert table.to_pandas().attrs["report"]["rows"] == 2
        return
    dtypes = dict(table.collect_schema())
    assert dtypes["name"] == pl.String
    assert dtypes["people"] == pl.Int64
    assert dtypes["kind"] == pl.Enum(["town", "city"])
    assert dtypes["founded"] == pl.Date
    assert dtypes["seen"] == pl.Datetime("us", "UTC")
    assert dtypes["tags"] == pl.List(pl.String)
    assert dtypes["_status"].categories.to_list()[0] == "ok"
    assert dtypes["_cost"] == pl.Float64
    assert table.mf.report["rows"] == 2
    assert table.lazy().collect()["name"].to_list() == ["ent", "Ur"]


def test_dtypes_are_the_same_when_every_row_fails() -> None:
    def fails(text: str) -> Any:
        raise ValueError(text)

    good = mf.extract(pl.DataFrame(DATA), City, model=Scripted(answer), prompt="{body}", progress=False)
    bad = mf.extract(pl.DataFrame(DATA), City, model=Scripted(fails), prompt="{body}", progress=False)
    assert good.schema == bad.schema


def test_rows_that_are_not_one_by_one_know_their_place() -> None:
    class Cities(msgspec.Struct):
        names: list[str]

    options: dict[str, Any] = {"model": Scripted(lambda text: Cities([text, "x"])), "progress": False}
    data = pl.DataFrame({"body": ["a", "b", "c"]})
    table = mf.extract(data, Cities, prompt="{body}", explode="names", **options)
    assert table["_row"].to_list() == [0, 0, 1, 1, 2, 2]
    assert table["names"].to_list() == ["a", "x", "b", "x", "c", "x"]
    sampled = mf.extract(data, Cities, prompt="{body}", sample=2, **options)
    assert [data["body"][row] for row in sampled["_row"]] == [names[0] for names in sampled["names"].to_list()]


def test_the_namespace_of_polars_asks_scores_and_explains() -> None:
    data = pl.DataFrame(DATA)
    table = data.mf.extract(City, model=Scripted(answer), prompt="{body}", progress=False)
    truth = pl.DataFrame({"name": ["ent", "Uruk"], "people": ["5", "2"]})
    assert repr(table.mf.score(truth)) == repr(mf.score(table, truth)) == "Score(75.0 % right, 3 of 4 cells · 2 rows)"
    with pytest.raises(TypeError, match="which polars' methods leave out"):
        _ = table.head(1).mf.report
    assert table.mf.retry(progress=False).equals(table)


def test_a_row_of_a_result_of_polars_is_explained() -> None:
    with serving(completion('{"value": 3}')) as server:
        table = pl.Series(["a", "b"]).mf.extract(int, model=model_at(server.url), store=False, progress=False)
        assert table["value"].to_list() == [3, 3]
        explained = table.mf.explain(1)
    assert (explained.state, explained.position) == ("ok", 1)
    assert "b" in explained.turns[-1][1]


@pytest.mark.parametrize("kind", ["polars", "lazy", "series"])
def test_a_result_of_polars_tells_how_sure_it_is_and_where_it_was_found(kind: str) -> None:
    make, cls = MAKERS[kind]
    with serving(completion('{"name": "Ur", "price": null}')) as server:
        options: dict[str, Any] = {"prompt": "{body}", "progress": False, "store": False, "confidence": 3}
        table = make().mf.extract(Item, model=model_at(server.url), **options)
        sure, spans = table.mf.confidence(), table.mf.spans()
        named = table.mf.spans(fields=["name"])
    assert dict(sure.schema) == {"name": pl.Float64, "price": pl.Float64}
    assert sure["name"].to_list() == [1.0, 1.0]
    assert isinstance(spans, cls)
    found = spans.lazy().collect()
    assert found["name_start"].to_list() == [None, 0]
    assert found["name_end"].dtype == pl.Int64
    assert named.lazy().collect().equals(found)


def test_an_error_carries_the_same_kind() -> None:
    def fails(text: str) -> Any:
        raise ValueError(text)

    with pytest.raises(ValueError, match="Ghent") as caught:
        mf.extract(pl.DataFrame(DATA), City, model=Scripted(fails), prompt="{body}", on_error="raise", progress=False)
    assert isinstance(caught.value.result, pl.DataFrame)  # type: ignore[attr-defined]  # evidence


def test_pandas_with_arrow_dtypes_keeps_them() -> None:
    data = pa.table(DATA).to_pandas(types_mapper=pd.ArrowDtype)
    data.index = pd.Index([7, 7])
    table = mf.extract(data, City, model=Scripted(answer), prompt="{body}", progress=False)
    assert table.index.tolist() == [7, 7]
    assert {name: str(table[name].dtype) for name in ("name", "people", "founded", "seen", "_cost")} == {
        "name": "string[pyarrow]",
        "people": "int64[pyarrow]",
        "founded": "date32[day][pyarrow]",
        "seen": "timestamp[us, tz=UTC][pyarrow]",
        "_cost": "double[pyarrow]",
    }
    assert isinstance(table["name"].dtype, pd.ArrowDtype)
    assert table.attrs["report"]["rows"] == 2
    assert table.mf.spans(["Ghent ent", "Ur"])["name_start"].tolist()[0] == 6
    assert table.mf.score(data.assign(name=["ent", "Ur"])).accuracy == 1


# -- pandas and polars hold the same -------------------------------------------------------------------------------


def held(kind: str, schema: Any, values: list[Any]) -> pd.DataFrame:
    """Return a table of a kind as Python's cells, with days as dates."""
    frame = frame_from_columns(schema, values, pd.RangeIndex(len(values)))
    table = given_back(frame, kind, schema)  # type: ignore[arg-type]  # one of the kinds
    days = {column.name for column in columns(schema) if column.kind == "date"}
    if kind == "pyarrow":
        stored = {
            name: frame[name].dtype.__from_arrow__(table[name]) for name in frame if str(frame[name].dtype) == "object"
        }
        found = {name: list(stored[name]) if name in stored else cells_of(table[name]) for name in table.column_names}
    else:
        found = {name: cells_of(table[name]) for name in table.columns}
    for name in days:
        found[name] = [one.date() if isinstance(one, dt.datetime) else one for one in found[name]]
    return pd.DataFrame({name: pd.Series([plain(one) for one in cells], dtype=object) for name, cells in found.items()})


def rows_of_kind(kind: str) -> tuple[Any, list[Any]]:
    schema, cells = KINDS[kind]
    record = msgspec.defstruct("Row", [("n", int), ("value", schema)])
    return record, [record(place, cell) for place, cell in enumerate(cells)]


@pytest.mark.parametrize("library", ["polars", "pyarrow", "arrow"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_column_holds_the_same_cells_as_pandas(kind: str, library: str) -> None:
    schema, values = rows_of_kind(kind)
    expected, found = held("pandas", schema, values), held(library, schema, values)
    assert expected.columns.tolist() == found.columns.tolist()
    for name in expected:
        assert found[name].tolist() == expected[name].tolist()
        assert list(map(type, found[name])) == list(map(type, expected[name]))


class Item(msgspec.Struct):
    name: str
    price: float | None = None


PLAIN = {
    "bytes": pa.binary(),
    "time": pa.time64("us"),
    "list of texts": pa.list_(pa.string()),
    "list of dates": pa.list_(pa.date32()),
    "list of lists": pa.list_(pa.list_(pa.int64())),
    "list of records": pa.list_(pa.struct([("name", pa.string()), ("price", pa.float64())])),
}


def arrow_table(schema: Any, values: list[Any]) -> tuple[pd.DataFrame, Any]:
    """Return the same values as a result of pandas, with days as dates, and as one of Arrow."""
    frame = frame_from_columns(schema, values, pd.RangeIndex(len(values)))
    frame.attrs["report"] = {"rows": len(values)}
    table = given_back(frame, "pyarrow", schema)
    for column in columns(schema):
        if column.kind == "date":  # which Arrow gives to pandas as Python's dates
            frame[column.name] = pd.Series(
                [one.date() if one == one else None for one in frame[column.name]], dtype=object
            )
    return frame, table


@pytest.mark.parametrize("way", ["memory", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_arrow_table_becomes_the_same_frame_of_pandas(kind: str, way: str) -> None:
    frame, table = arrow_table(*rows_of_kind(kind))
    if kind in PLAIN:
        assert table.schema.field("value").type == PLAIN[kind]
    if way == "memory":
        back = table.to_pandas()
    else:
        parquet.write_table(table, file := io.BytesIO())
        assert parquet.read_table(file).column_names == table.column_names
        back = pd.read_parquet(file)
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs
    for name in frame:
        assert list(map(type, back[name])) == list(map(type, frame[name]))


def test_functions_of_arrow_take_lists_records_bytes_and_times() -> None:
    class Post(msgspec.Struct):
        tags: list[str]
        items: list[Item]
        raw: bytes
        clock: dt.time

    data = [Post(["a", "b"], [Item("x", 1.5)], b"abc", dt.time(1, 2)), Post([], [], b"", dt.time(3))]
    table = mf.extract(
        pa.table({"n": [0, 1]}), Post, model=Scripted(lambda text: data[int(text[-1])]), prompt="{n}", progress=False
    )
    assert pc.list_value_length(table["tags"]).to_pylist() == [2, 0]
    assert pc.struct_field(pc.list_flatten(table["items"]), "price").to_pylist() == [1.5]
    assert pc.binary_length(table["raw"]).to_pylist() == [3, 0]
    assert pc.hour(table["clock"]).to_pylist() == [1, 3]
    assert pl.from_arrow(table.select(["tags", "raw"])).dtypes == [pl.List(pl.String), pl.Binary]  # type: ignore[union-attr]  # a frame
    assert table.to_pandas()["tags"].map(len).tolist() == [2, 0]


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Everything(msgspec.Struct):
    whole: int | None
    real: float | None
    truth: bool | None
    text: str | None
    level: Literal["a", "b"] | None
    number: Literal[1, 2] | None
    mood: Mood | None
    day: dt.date | None
    moment: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None
    naive: Annotated[dt.datetime, msgspec.Meta(tz=False)] | None
    either: dt.datetime | None
    span: dt.timedelta | None
    clock: dt.time | None
    amount: decimal.Decimal | None
    name: uuid.UUID | None
    raw: bytes | None
    texts: list[str | None] | None
    lists: list[list[int]]
    items: list[Item]
    record: Item | None
    pairs: dict[str, int]
    mixed: int | str | None


def strategy() -> st.SearchStrategy[Everything]:
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    whole = st.integers(-(2**70), 2**70)
    real = st.floats(allow_nan=False)
    moments = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
    spans = st.timedeltas(dt.timedelta(-10_000), dt.timedelta(10_000))
    items = st.builds(Item, texts, st.none() | real)
    none = st.none()
    return st.builds(
        Everything,
        whole=none | whole,
        real=none | real,
        truth=none | st.booleans(),
        text=none | texts,
        level=none | st.sampled_from(["a", "b"]),
        number=none | st.sampled_from([1, 2]),
        mood=none | st.sampled_from(Mood),
        day=none | st.dates(),
        moment=none | moments.map(lambda one: one.replace(tzinfo=dt.UTC)),
        naive=none | moments,
        either=none | moments | moments.map(lambda one: one.replace(tzinfo=dt.UTC)),
        span=none | spans,
        clock=none | st.times(),
        amount=none | st.decimals(allow_nan=False, allow_infinity=False),
        name=none | st.uuids(),
        raw=none | st.binary(max_size=4),
        texts=none | st.lists(none | texts, max_size=3),
        lists=st.lists(st.lists(whole, max_size=2), max_size=2),
        items=st.lists(items, max_size=2),
        record=none | items,
        pairs=st.dictionaries(texts, st.integers(-5, 5), max_size=2),
        mixed=none | st.integers(-5, 5) | texts,
    )


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.none() | strategy(), max_size=4))
def test_polars_arrow_and_pandas_hold_the_same_whatever_the_values(values: list[Any]) -> None:
    expected = held("pandas", Everything, values)
    for library in ("polars", "pyarrow", "arrow"):
        found = held(library, Everything, values)
        assert found.columns.tolist() == expected.columns.tolist()
        for name in expected:
            assert found[name].tolist() == expected[name].tolist(), (library, name)
    frame, table = arrow_table(Everything, values)
    pd.testing.assert_frame_equal(table.to_pandas(), frame)
    back = to_pandas(
        given_back(frame_from_columns(Everything, values, pd.RangeIndex(len(values))), "polars", Everything)
    )
    for name in expected:
        assert [plain(one) for one in cells_of(back[name])] == expected[name].tolist()


# -- without them --------------------------------------------------------------------------------------------------


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_importing_the_package_loads_neither() -> None:
    code = "import sys, msgflux_nb as mf; mf.extract; print({'polars', 'narwhals'} & set(sys.modules))"
    assert python(code) == "set()\n"


def test_polars_that_was_loaded_first_has_its_namespace_at_once() -> None:
    code = "import sys, polars as pl, msgflux_nb; print(pl.DataFrame.mf, 'pandas' in sys.modules)"
    assert "PolarsAccessor" in python(code)
    assert python(code).endswith("False\n")


def test_without_narwhals_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['narwhals'] = None; import polars as pl, msgflux_nb as mf\n"
        "mf.extract(pl.Series(['a']), int)"
    )
    assert 'pip install "narwhals>=1.40"' in python(code)
