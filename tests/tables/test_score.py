from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.compare import same_cell
from tests.tables.scripted_model import Scripted


class Mood(enum.Enum):
    GOOD = "good"


class Place(msgspec.Struct):
    city: str
    zip: int | None = None


NOON = datetime.datetime(2026, 1, 2, 12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, float("nan")),
        (pd.NA, pd.NaT),
        ("", None),
        (" \n", pd.NA),
        ("New  York\n", " New York"),
        ("e\u0301", "é"),
        (3, 3.0),
        (3, "3"),
        (3.5, "3.5"),
        (np.int64(3), 3),
        (0.1 + 0.2, 0.3),
        (decimal.Decimal("1.10"), 1.1),
        (decimal.Decimal("1.10"), "1.1"),
        (2**60 + 1, str(2**60 + 1)),
        (True, "yes"),
        (True, "True"),
        (False, np.False_),
        (Mood.GOOD, "good"),
        (NOON, pd.Timestamp(NOON)),
        (NOON, np.datetime64(NOON)),
        (NOON, NOON.replace(hour=14, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))),
        (NOON, "2026-01-02T12:00:00Z"),
        (datetime.date(2026, 1, 2), pd.Timestamp("2026-01-02")),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.timedelta(1), pd.Timedelta(days=1)),
        (["a", None], np.array([" a", ""], dtype=object)),
        (("a",), '["a"]'),
        ({"city": "Ur"}, Place("Ur")),
        (Place("Ur", 1), '{"zip": 1, "city": "Ur"}'),
        ([Place("Ur")], [{"city": "Ur", "zip": None}]),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (b"a", b"a"),
    ],
    ids=repr,
)
def test_two_cells_that_say_the_same_are_the_same(one: Any, other: Any) -> None:
    assert same_cell(one, other)
    assert same_cell(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, 0),
        ("a", None),
        ("a", "A"),
        (3, 4),
        (3, "three"),
        (2**60 + 1, 2**60),
        (1.0, 1.0001),
        (True, "no"),
        (True, "maybe"),
        (NOON, "noon"),
        (NOON, NOON.replace(second=1)),
        (["a"], ["a", "b"]),
        (["a", "b"], ["b", "a"]),
        (["a"], "[1]"),
        (["a"], "a"),
        (Place("Ur"), Place("Ur", 1)),
        ({"a": 1}, [1]),
        (3, [3]),
        (1.5, [1.5]),
        (10**400, 1.5),
        (decimal.Decimal("NaN"), "x"),
        (b"a", "a"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_two_cells_that_do_not_are_not(one: Any, other: Any) -> None:
    assert not same_cell(one, other)
    assert not same_cell(other, one)


def test_without_normalising_texts_are_compared_as_they_are() -> None:
    assert not same_cell("a ", "a", None)
    assert same_cell("A", "a", str.casefold)


RESULT = pd.DataFrame(
    {
        "city": pd.array(["Ghent", "Ur", None, "Paris"], dtype="string"),
        "people": pd.array([1, 2, 3, None], dtype="Int64"),
    },
    index=pd.Index(list("abcd"), name="id"),
)
TRUTH = pd.DataFrame({"city": ["Ghent", "Uruk", "Rome", "Paris"], "people": [1, 2, None, None]}, index=list("abcd"))


def test_each_field_has_its_accuracy_and_kinds_of_errors() -> None:
    found = mf.score(RESULT, TRUTH)
    assert list(found.fields) == ["accuracy", "right", "rows", "missing", "extra", "different"]
    assert found.fields.loc["city"].tolist() == [0.5, 2, 4, 1, 0, 1]
    assert found.fields.loc["people", ["accuracy", "missing", "extra", "different"]].tolist() == [0.75, 0, 1, 0]
    assert (found.accuracy, found.rows, found.unmatched) == (0.625, 4, 0)
    assert found.to_frame() is found.fields


def test_the_cells_that_differ_are_under_their_labels_in_the_rows_order() -> None:
    found = mf.score(RESULT, TRUTH).differences
    assert found.index.tolist() == ["b", "c", "c"]
    assert found.index.name == "id"
    assert found["field"].tolist() == ["city", "city", "people"]
    assert found["found"].tolist() == ["Ur", pd.NA, 3]
    assert found["expected"].iloc[:2].tolist() == ["Uruk", "Rome"]


def test_rows_belong_together_by_label_and_not_by_place() -> None:
    assert mf.score(RESULT, RESULT.iloc[::-1]).accuracy == 1.0


def test_a_truth_for_some_rows_will_do() -> None:
    found = mf.score(RESULT, TRUTH.loc[["d", "b"]])
    assert (found.rows, found.unmatched) == (2, 2)
    assert found.differences.index.tolist() == ["b"]


def test_equal_labels_are_compared_in_order() -> None:
    index = pd.Index([7, 7, 8])
    result = pd.DataFrame({"a": ["x", "y", "z"]}, index=index)
    truth = pd.DataFrame({"a": ["z", "x", "q"]}, index=[8, 7, 7])
    assert mf.score(result, result.copy()).accuracy == 1.0
    assert mf.score(result, truth).differences["found"].tolist() == ["y"]


def test_where_one_side_has_more_items_under_a_label_the_rest_differs() -> None:
    result = pd.DataFrame({"a": ["x", "y"]}, index=[7, 7])
    truth = pd.DataFrame({"a": ["x", "p", "q"]}, index=[7, 8, 8])
    found = mf.score(pd.concat([result, pd.DataFrame({"a": ["p"]}, index=[8])]), truth)
    assert found.fields.loc["a", ["right", "missing", "extra"]].tolist() == [2, 1, 1]
    assert found.differences.index.tolist() == [7, 8]


def test_a_multiindex_is_a_label() -> None:
    index = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", "y"])
    found = mf.score(pd.DataFrame({"a": [1, 2]}, index=index), pd.DataFrame({"a": [3]}, index=index[1:]))
    assert found.differences.index.tolist() == [(2, "b")]
    assert found.differences.index.names == ["x", "y"]


def test_a_list_of_structs_is_taken_in_the_results_order() -> None:
    result = pd.DataFrame({"city": ["Ur", "Rome"], "zip": [1, 2]}, index=[7, 7])
    found = mf.score(result, [Place("Ur", 1), Place("Roma", 2)])
    assert found.differences["expected"].tolist() == ["Roma"]


def test_a_series_is_one_field() -> None:
    assert mf.score(RESULT, TRUTH["city"]).fields.index.tolist() == ["city"]


def test_only_the_fields_that_are_named_are_compared() -> None:
    assert mf.score(RESULT, TRUTH, fields=["people"]).fields.index.tolist() == ["people"]


@pytest.mark.parametrize(
    ("truth", "options", "message"),
    [
        (TRUTH.set_axis(range(4)), {}, "no label is in both"),
        (TRUTH.rename(columns=str.upper), {}, "no column is in both"),
        (TRUTH, {"fields": ["zip"]}, "'zip' is not in both"),
        (TRUTH["city"].rename(None), {}, "name of a field"),
        ([Place("Ur")], {}, "as many values as the result has rows, 4, got 1"),
        (TRUTH.set_axis(pd.MultiIndex.from_tuples([(1, n) for n in range(4)])), {}, "of 1 levels, got 2"),
        (pd.concat([TRUTH, TRUTH], axis=1), {}, "several columns 'city'"),
    ],
)
def test_what_cannot_be_compared_is_refused(truth: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mf.score(RESULT, truth, **options)


def extract(texts: list[str], **options: Any) -> pd.DataFrame:
    def script(text: str) -> Any:
        return ValueError("no") if "bad" in text else Place("Ur")

    return mf.extract(texts, Place, model=Scripted(script), progress=False, store=False, **options)


def test_a_row_that_failed_is_wrong_in_every_field() -> None:
    found = mf.score(extract(["good", "bad"]), [Place("Ur"), Place("Ur")])
    assert found.fields["accuracy"].tolist() == [0.5, 0.5]
    assert found.fields["missing"].tolist() == [1, 1]


def test_a_row_that_was_never_sent_is_not_counted() -> None:
    result = extract(["bad", "good"], on_error="stop", max_concurrency=1)
    assert result["_status"].tolist() == ["failed", "pending"]
    found = mf.score(result, [Place("Ur"), Place("Ur")])
    assert (found.rows, found.unanswered) == (1, 1)


def test_a_result_of_which_nothing_is_known_has_no_accuracy() -> None:
    found = mf.score(RESULT.iloc[:0], TRUTH.iloc[:0])
    assert np.isnan(found.accuracy)
    assert repr(found) == "Score(– right, 0 of 0 cells · 0 rows)"
    assert "no cell differs" in found._repr_mimebundle_()["text/html"]


def test_a_score_prints_as_one_line() -> None:
    assert repr(mf.score(RESULT, TRUTH)) == "Score(62.5 % right, 5 of 8 cells · 4 rows)"
    assert "2 without a counterpart" in repr(mf.score(RESULT, TRUTH.iloc[:2]))


def test_the_display_is_text_whatever_it_says() -> None:
    script = "<script>alert(1)</script>"
    result = pd.DataFrame({script: [script, "a"]}, index=[script, "b"])
    shown = mf.score(result, pd.DataFrame({script: ["<b>", "a"]}, index=[script, "b"]))._repr_mimebundle_()["text/html"]
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "1 cells differ" in shown


def test_the_display_is_short_however_much_differs() -> None:
    result = pd.DataFrame({"a": ["x" * 5000] * 500})
    shown = mf.score(result, pd.DataFrame({"a": ["y"] * 500}))._repr_mimebundle_()["text/html"]
    assert len(shown) < 30_000
    assert "… and 480 more" in shown
