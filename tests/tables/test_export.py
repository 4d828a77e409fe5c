from __future__ import annotations

import csv
import datetime
import decimal
import io
import sys
import uuid
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from msgflux_nb.tables.formats.export import to_csv, to_excel
from msgflux_nb.tables.frame import frame_from_columns

LIVE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\ufeff@a", "\uff1d1", "=\n", "-"]
TAME = ["a=1", "1+1", "'=1", "(=1)", "  a", "#REF!", "ünï 😀", 'quo"te', "a,b;c", "two\nlines", "0012"]


def objects(*cells: Any) -> pd.Series:
    return pd.Series(cells, dtype=object)


def read_csv(frame: pd.DataFrame, **options: Any) -> list[list[str]]:
    text = to_csv(frame, **options)
    assert text is not None
    return list(csv.reader(io.StringIO(text, newline="")))


UNSEEN = (
    "\u200e\u200f\u202a\u2066\u00ad\u061c\u180e\u2061\u206a\ufe0f\u034f\u115f\u3164\uffa0\u2800"
    "\u00a0\u3000\u2028\x07\x1b\U000e0020"
)
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u2212"


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_a_formula_behind_what_is_not_drawn_is_defused(unseen: str) -> None:
    for text in (f"{unseen}=1", f"{unseen}{unseen} @a", f" {unseen}+1"):
        assert read_csv(pd.DataFrame({"a": objects(text)}), index=False)[1][0].startswith("'")


@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
def test_every_form_of_a_sign_that_begins_a_formula_is_defused(sign: str) -> None:
    assert read_csv(pd.DataFrame({"a": objects(f"\u200e{sign}1")}), index=False)[1] == [f"'\u200e{sign}1"]


@pytest.mark.parametrize("text", ["\u200ea=1", "\u3164", "\u200e", "´=1", "٪=1", "é", ""], ids=ascii)
def test_a_text_that_begins_with_anything_drawn_is_as_it_is(text: str) -> None:
    assert read_csv(pd.DataFrame({"a": objects(text), "b": 1}), index=False)[1][0] == text


def test_a_numpy_cell_in_a_column_of_texts_is_written_as_its_value() -> None:
    cells = [np.int64(3), np.float64(1.5), np.bool_(True), np.datetime64("2026-01-02"), "a", np.float64("nan")]
    frame = pd.DataFrame({"a": objects(*cells)})
    assert [row[0] for row in read_csv(frame, index=False)[1:]] == [
        "3",
        "1.5",
        "True",
        "2026-01-02T00:00:00",
        "a",
        "",
    ]
    found = [row[0].value for row in read_excel(frame.assign(b=1), index=False)[1:]]
    assert found == [3, 1.5, True, datetime.datetime(2026, 1, 2), "a", None]
    assert [type(cell) for cell in found[:3]] == [int, float, bool]


# CSV


@pytest.mark.parametrize("text", LIVE, ids=repr)
@pytest.mark.parametrize("dtype", ["string", object, "category"])
def test_a_text_that_a_spreadsheet_would_run_has_an_apostrophe_in_front(text: str, dtype: Any) -> None:
    assert read_csv(pd.DataFrame({"a": pd.Series([text], dtype=dtype)}), index=False)[1] == [
        f"'{text}".replace("\r", "\n")
    ]


def test_a_carriage_return_in_a_text_begins_no_row() -> None:
    frame = pd.DataFrame({"a": objects("x\r=1", "y\r\n=1")})
    text = to_csv(frame, index=False)
    assert text is not None
    assert "\r" not in text
    assert read_csv(frame, index=False)[1:] == [["x\n=1"], ["y\n=1"]]


@pytest.mark.parametrize("text", TAME, ids=repr)
def test_any_other_text_is_as_it_is(text: str) -> None:
    assert read_csv(pd.DataFrame({"a": objects(text)}), index=False)[1] == [text]


def test_names_and_labels_are_defused_too() -> None:
    index = pd.MultiIndex.from_tuples([("=1", -1)], names=["@n", None])
    rows = read_csv(pd.DataFrame([[1]], columns=["+a"], index=index))
    assert rows == [["'@n", "", "'+a"], ["'=1", "-1", "1"]]


def test_levels_that_are_alike_once_defused_stay_two_texts() -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["=1", "'=1"])})
    assert read_csv(frame, index=False)[1:] == [["'=1"], ["'=1"]]


def test_numbers_and_moments_are_as_pandas_writes_them() -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([-(2**60) - 1, None], dtype="Int64"),
            "f": [-1.5, np.nan],
            "b": pd.array([True, None], dtype="boolean"),
            "m": pd.to_datetime(["2026-01-02", None]),
            "z": pd.to_datetime(["2026-01-02T03:04:05Z", None]),
            "d": objects(decimal.Decimal("-1.10"), None),
        }
    )
    assert to_csv(frame) == frame.to_csv()


class Place(msgspec.Struct):
    city: str


class Trip(msgspec.Struct):
    places: list[Place]
    words: list[str]


def test_lists_and_records_are_json() -> None:
    frame = frame_from_columns(Trip, [Trip([Place("=Ür")], ["a", "b"]), None], pd.RangeIndex(2))
    assert read_csv(frame, index=False)[1:] == [['[{"city": "=Ür"}]', '["a", "b"]'], ["", ""]]
    records = pd.DataFrame({"r": objects(Place("Ur"), {"a": 1}, b"x", b"\xff", float("inf"))})
    assert [row[0] for row in read_csv(records, index=False)[1:]] == [
        '{"city": "Ur"}',
        '{"a": 1}',
        "x",
        "b'\\xff'",
        "inf",
    ]


def test_the_options_of_pandas_are_taken(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["x", None], "b": [1.25, 2.5]})
    path = tmp_path / "a.csv"
    assert to_csv(frame, path, sep=";", na_rep="-", float_format="%.1f", index=False, lineterminator="\n") is None
    assert path.read_text() == "a;b\nx;1.2\n-;2.5\n"


def test_half_a_surrogate_pair_can_be_written_to_a_file(tmp_path: Path) -> None:
    to_csv(pd.DataFrame({"a": objects("x\ud800")}), tmp_path / "a.csv", index=False)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1] == "x\ufffd"


def test_the_frame_is_not_changed_and_columns_may_share_a_name() -> None:
    frame = pd.DataFrame([["=1", "=2"]], columns=["a", "a"], index=[7])
    before = frame.copy()
    assert read_csv(frame) == [["", "a", "a"], ["7", "'=1", "'=2"]]
    pd.testing.assert_frame_equal(frame, before)


def test_an_empty_frame_has_its_head() -> None:
    assert read_csv(frame_from_columns(Place, [], pd.RangeIndex(0)), index=False) == [["city"]]


# Excel


def read_excel(frame: pd.DataFrame, **options: Any) -> list[list[Any]]:
    """Return the cells as openpyxl reads them."""
    openpyxl = pytest.importorskip("openpyxl")
    file = io.BytesIO()
    to_excel(frame, file, **options)
    return [list(row) for row in openpyxl.load_workbook(file).active.iter_rows()]


def excel_cell(cell: Any, dtype: Any = object) -> Any:
    return read_excel(pd.DataFrame({"a": pd.Series([cell], dtype=dtype), "b": 1}), index=False)[1][0]


@pytest.mark.parametrize("text", [text for text in LIVE + TAME if "\r" not in text], ids=repr)
def test_a_text_is_a_text_in_excel_and_stays_as_it_is(text: str) -> None:
    found = excel_cell(text)
    assert (found.data_type, found.value) == ("s", text)
    assert found.quotePrefix == (text in LIVE)


def test_names_and_labels_are_texts_in_excel_too() -> None:
    index = pd.MultiIndex.from_tuples([("=1", -1)], names=["@n", None])
    rows = read_excel(pd.DataFrame([[1]], columns=["+a"], index=index))
    assert [[cell.value for cell in row] for row in rows] == [["@n", None, "+a"], ["=1", -1, 1]]
    assert [cell.data_type for cell in rows[1]] == ["s", "n", "n"]
    assert [cell.quotePrefix for cell in rows[0]] == [True, False, True]


@pytest.mark.parametrize(
    ("cell", "dtype", "value"),
    [
        (-3, "Int64", -3),
        (2**60 + 1, "Int64", "1152921504606846977"),
        (1.5, "Float64", 1.5),
        (float("inf"), float, "inf"),
        (True, "boolean", True),
        (None, "Int64", None),
        (pd.NaT, "datetime64[us]", None),
        (decimal.Decimal("-1.10"), object, -1.1),
        (decimal.Decimal("1.1234567890123456789"), object, "1.1234567890123456789"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "datetime64[us]", datetime.datetime(2026, 1, 2, 3, 4, 5)),
        (datetime.datetime(1815, 12, 10), "datetime64[us]", "1815-12-10"),
        (pd.Timestamp("2026-01-02T03:00+02:00"), None, datetime.datetime(2026, 1, 2, 1)),
        (datetime.time(1, 2), object, datetime.time(1, 2)),
        (datetime.timedelta(hours=30), "timedelta64[us]", datetime.timedelta(hours=30)),
        (datetime.timedelta(-1), "timedelta64[us]", "-1 days +00:00:00"),
        (["a", 1], object, '["a", 1]'),
        (Place("Ur"), object, '{"city": "Ur"}'),
        ("a\x00b\ud800", object, "a\ufffdb\ufffd"),
        ("a\r\nb\rc", object, "a\nb\nc"),
        ("c", "category", "c"),
    ],
    ids=repr,
)
def test_a_cell_is_written_exactly_or_as_text(cell: Any, dtype: Any, value: Any) -> None:
    found = excel_cell(cell, dtype)
    assert found.value == value
    assert type(found.value) is type(value)


ESCAPED = {
    "_x0041_": "_x005F_x0041_",
    "a _x000D_ b _xd83d__xde00_": "a _x005F_x000D_ b _x005F_xd83d__x005F_xde00_",
    "_x005F_": "_x005F_x005F_",
    "=_x0041_": "=_x005F_x0041_",
    "_x004_ _y0041_ x0041_ __x": "_x004_ _y0041_ x0041_ __x",
}


@pytest.mark.parametrize(("text", "written"), ESCAPED.items())
def test_a_text_that_excel_would_read_as_an_escape_is_escaped(text: str, written: str) -> None:
    assert excel_cell(text).value == written
    assert [cell.value for cell in read_excel(pd.DataFrame({text: [1]}), index=False)[0]] == [written]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (datetime.time(1, 2, tzinfo=datetime.UTC), "01:02:00+00:00"),
        (2**53 + 1, "9007199254740993"),
        (-(10**15), "-1000000000000000"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 678000), datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)),
    ],
)
def test_what_excel_has_no_type_for_is_text_and_milliseconds_are_kept(cell: Any, value: Any) -> None:
    assert excel_cell(cell).value == value


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a:b", "[a]", "a?", "a*", "a\\b", "'a", "a'", "x" * 32, "History", "\x07"]
)
def test_a_name_that_no_sheet_can_have_is_refused(name: str) -> None:
    pytest.importorskip("openpyxl")
    with pytest.raises(ValueError, match="sheet_name: expected 1 to 31 characters"):
        to_excel(pd.DataFrame({"a": [1]}), io.BytesIO(), sheet_name=name)


@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 32_767, True), ("x" * 32_768, False), ("😀" * 16_383, True), ("😀" * 16_384, False)]
)
def test_the_limit_of_excel_counts_an_emoji_as_two(text: str, fits: bool) -> None:
    pytest.importorskip("openpyxl")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = excel_cell(text).value
    assert (found == text) is fits
    assert len(found.encode("utf-16-le")) // 2 <= 32_767
    assert bool(said) is not fits


def test_a_column_of_days_shows_no_time() -> None:
    assert excel_cell(datetime.datetime(2026, 1, 2), "datetime64[us]").number_format == "yyyy-mm-dd"
    assert "hh" in excel_cell(datetime.datetime(2026, 1, 2, 1), "datetime64[us]").number_format


def test_a_text_that_is_too_long_for_excel_is_cut_with_a_warning() -> None:
    pytest.importorskip("openpyxl")
    with pytest.warns(UserWarning, match="1 cells were longer"):
        assert len(excel_cell("x" * 40_000).value) == 32_767


def test_more_rows_than_a_sheet_has_are_refused() -> None:
    pytest.importorskip("openpyxl")
    with pytest.raises(ValueError, match="at most 1,048,575 rows"):
        to_excel(pd.DataFrame(index=range(1_048_576)), io.BytesIO())


def test_a_file_is_written(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    to_excel(pd.DataFrame({"a": [1]}), tmp_path / "a.xlsx", sheet_name="rows", index=False)
    assert pd.read_excel(tmp_path / "a.xlsx", sheet_name="rows")["a"].tolist() == [1]


def test_without_openpyxl_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r"to_excel needs openpyxl.*pip install .openpyxl"):
        to_excel(pd.DataFrame(), "a.xlsx")


@pytest.mark.parametrize(
    "options",
    [
        {"lineterminator": "\r"},
        {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
        {"quotechar": "'"},
        {"doublequote": False, "escapechar": "\\"},
        {"errors": "ignore", "encoding": "latin-1"},
    ],
    ids=str,
)
def test_an_option_with_which_a_text_begins_a_new_cell_is_refused(options: dict[str, Any]) -> None:
    frame = pd.DataFrame({"a": ["x\n=1", 'x",=1', "\u4e2d=1"], "b": [1, 2, 3]})
    with pytest.raises(ValueError, match=f"to_csv: with {next(iter(options))}="):
        to_csv(frame, **options)
    assert to_csv(frame, quoting=csv.QUOTE_ALL, lineterminator="\r\n", errors="replace") is not None
