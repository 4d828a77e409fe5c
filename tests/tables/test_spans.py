from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import msgflux_nb as mf
from msgflux_nb.tables.review import spans
from msgflux_nb.tables.spans import span_of, with_spans
from tests.tables.scripted_model import Scripted, bare


@pytest.mark.parametrize(
    ("text", "quote", "span"),
    [
        ("Ur", "Ur", (0, 2)),
        ("in Ur.", "Ur", (3, 5)),
        ("Ursula lives in Ur", "Ur", (16, 18)),
        ("bazaar Azur", "zur", (8, 11)),
        ("Ursula", "Ur", (0, 2)),
        ("aaa aa", "aa", (4, 6)),
        ("Ur and Ur", "Ur", (0, 2)),
        ("京都と東京", "東京", (3, 5)),
        ("😀 Ur", "Ur", (2, 4)),
        ("line\nbreak here", "break", (5, 10)),
        ("(C++)", "C++", (1, 4)),
        ("New\nYork", "New York", None),
        ("ur", "Ur", None),
        ("e\u0301", "é", None),
        ("text", "", None),
        ("text ", " ", None),
        (None, "Ur", None),
        ("Ur", None, None),
        ("3", 3, None),
        (pd.NA, pd.NA, None),
    ],
)
def test_a_quote_is_found_exactly_or_not_at_all(text: Any, quote: Any, span: Any) -> None:
    assert span_of(text, quote) == span


@given(st.text("ab é京", max_size=12), st.text("ab é京", max_size=3))
def test_a_span_is_the_quote_and_is_found_wherever_there_is_one(text: str, quote: str) -> None:
    span = span_of(text, quote)
    assert (span is not None) == (quote in text and bool(quote.strip()))
    assert span is None or text[slice(*span)] == quote


FRAME = pd.DataFrame(
    {
        "city": pd.array(["Ur", "Rome", None], dtype="string"),
        "people": pd.array([1, 2, 3], dtype="Int64"),
        "size": pd.Categorical(["s", "l", "s"]),
        "_error": pd.array(["Ur"] * 3, dtype="string"),
    },
    index=[7, 7, 8],
)


def test_each_text_field_has_two_columns_more() -> None:
    found = with_spans(FRAME, ["in Ur", "nowhere", "x"])
    assert list(found.columns) == [*FRAME.columns, "city_start", "city_end"]
    assert found["city_start"].tolist() == [3, pd.NA, pd.NA]
    assert found["city_end"].dtype == "Int64"
    pd.testing.assert_frame_equal(found[list(FRAME.columns)], FRAME)


def test_texts_are_found_by_label_however_they_are_sorted() -> None:
    texts = pd.Series({8: "x", 7: "Rome or Ur", 9: "y"})
    assert with_spans(FRAME, texts)["city_start"].tolist() == [8, 0, pd.NA]


def test_texts_with_the_same_labels_are_taken_in_order() -> None:
    assert with_spans(FRAME, pd.Series(["Ur", "Rome", "z"], index=FRAME.index))["city_start"].tolist() == [0, 0, pd.NA]


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        (["a"], {}, ValueError, "expected 3, one for each row, got 1"),
        (pd.Series(["a", "b"], index=[7, 7]), {}, ValueError, "duplicate labels"),
        (["a"] * 3, {"fields": ["town"]}, KeyError, "no column 'town'"),
    ],
)
def test_what_does_not_belong_together_is_refused(texts: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        with_spans(FRAME, texts, **options)


def test_a_column_that_is_there_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="has a column city_start already"):
        with_spans(with_spans(FRAME, ["a"] * 3), ["a"] * 3)


class Place(msgspec.Struct):
    city: str
    words: list[str] = []


def extract(data: Any, **options: Any) -> pd.DataFrame:
    def script(text: str) -> Place:
        words = bare(text).split()
        return Place("Ur" if "Ur" in words else words[-1], words)

    return mf.extract(data, Place, model=Scripted(script), progress=False, store=False, **options)


def test_a_result_knows_the_texts_that_it_came_from() -> None:
    found = spans(extract(["lives in Ur", "Rome"]))
    assert found["city_start"].tolist() == [9, 0]
    assert found.attrs["report"]["rows"] == 2


def test_one_of_several_columns_is_named() -> None:
    frame = pd.DataFrame({"title": ["t"], "body": ["in Ur"]})
    result = extract(frame, prompt="{title} {body}")
    assert spans(result, "body")["city_start"].tolist() == [3]
    assert spans(result, frame["body"])["city_start"].tolist() == [3]
    with pytest.raises(ValueError, match=r"one of the columns \['title', 'body'\], got None"):
        spans(result)


def test_the_items_of_a_list_have_spans_once_they_are_exploded() -> None:
    found = spans(extract(["one two"], explode="words"))
    assert found["words_start"].tolist() == [0, 4]


def test_only_the_fields_that_are_named_have_spans() -> None:
    assert "city_start" not in spans(extract(["one two"], explode="words"), fields=["words"])


@pytest.mark.parametrize("odd", [b"\xff\xfe", "\ud800", object()])
def test_a_row_whose_cell_has_no_text_has_no_spans_and_can_be_reviewed(odd: Any) -> None:
    City = msgspec.defstruct("City", [("name", str)])
    data = pd.DataFrame({"body": pd.Series([odd, "in Ur"], dtype=object)})
    result = mf.extract(data, City, model=Scripted(lambda text: City("Ur")), prompt="{body}", progress=False)
    assert result["_status"].tolist() == ["failed", "ok"]
    assert result.mf.spans()["name_start"].tolist() == [pd.NA, 3]
    review = mf.ReviewView(result).review
    assert review.order.queue[0] == 0
    if type(odd) is not object:  # which nothing tells from another one
        review.reject(0)
        assert set(mf.ReviewView(result).review.decided) == {0}


def test_no_rows_have_no_spans() -> None:
    assert spans(extract([]))["city_start"].dtype == "Int64"
