"""ReviewView without a page: its messages in both directions, and what a notebook keeps."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd
import pytest
from PIL import Image

import msgflux_nb as mf
from msgflux_nb.widgets.review import review_view
from msgflux_nb.widgets.review.picture import row_picture, segments_of
from tests.content.sounds import pdf
from tests.tables.scripted_model import Scripted


class Person(msgspec.Struct):
    name: str
    age: int | None = None
    mood: Literal["good", "bad"] | None = None


TEXTS = ["Ada is 1,030 <b>days</b> old.", "Bo is 31 days old.", "Cy is 32 days old."]


def answer(text: str) -> Person:
    name, _, age, *_ = text.split()
    return Person("Nobody" if name == "Cy" else name, int(age.replace(",", "")), "good")


def reviewed(texts: Any = TEXTS, **options: Any) -> mf.ReviewView:
    result = mf.extract(texts, Person, model=Scripted(answer), progress=False, store=False)
    return mf.ReviewView(result, **options)


def hear(view: mf.ReviewView, kind: str, **content: Any) -> None:
    """Deliver a message of the page."""
    view._receive(view, {"type": kind, "position": view.row.get("position"), **content}, [])


def test_the_page_is_sent_one_row_in_pieces_with_the_fields_that_quote_them() -> None:
    view = reviewed(confidence=pd.DataFrame({"name": [0.1, 0.9, 0.9]}), random=0)
    row = view.row
    assert (row["position"], row["label"], row["number"]) == (0, "Row 0", 1)
    [(name, pieces)] = row["texts"]
    assert name == "text"
    assert pieces == [["Ada", [1]], [" is ", []], ["1,030", [2]], [" <b>days</b> old.", []]]
    fields = {field["name"]: field for field in row["fields"]}
    assert fields["name"]["confidence"] == 0.1
    assert fields["mood"]["choices"] == ["good", "bad"]
    assert fields["mood"]["shares"] == [1.0, 0.0]  # of the three answers
    assert (fields["name"]["choices"], fields["name"]["shares"]) == ([], [])
    assert fields["mood"]["found"] == ""


def test_a_value_that_is_not_in_the_text_is_marked_and_comes_first() -> None:
    view = reviewed()
    assert view.row["position"] == 2
    assert [field["found"] for field in view.row["fields"]] == ["no", "yes", ""]


def test_setting_choosing_accepting_and_undoing() -> None:
    view = reviewed()
    seen: list[Any] = []
    view.observe(lambda change: seen.append(len(change["new"])), "value")
    hear(view, "set", field="name", text="Cy")
    hear(view, "set", field="mood", text="bad")
    assert view.row["fields"][0] | {} == view.row["fields"][0]
    assert [field["edited"] for field in view.row["fields"]] == [True, False, True]
    hear(view, "accept")
    assert view.value.to_dict("list") == {"name": ["Cy"], "age": [32], "mood": ["bad"]}
    assert view.status["decided"] == 1
    assert view.row["position"] != 2
    hear(view, "unusable")
    hear(view, "undo")
    hear(view, "undo")
    assert seen == [1, 1, 1, 0]
    assert view.row["position"] == 2
    assert view.status["decided"] == 0


def test_a_key_that_is_pressed_again_before_the_next_row_came_decides_nothing() -> None:
    view = reviewed()
    first = view.row["position"]
    hear(view, "accept")
    hear(view, "accept", position=first)
    assert view.status["decided"] == 1


def test_going_on_and_back_ends_at_the_ends() -> None:
    view = reviewed()
    queue = view.review.order.queue
    for by, number in ((-1, 0), (1, 1), (1, 2), (1, 2), (-1, 1)):
        hear(view, "go", by=by)
        assert view.row["position"] == queue[number]


def test_a_value_that_does_not_fit_is_reported_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    view = reviewed()
    said: list[Any] = []
    monkeypatch.setattr(view, "send", lambda content, **_: said.append(content))
    before = view.row
    hear(view, "set", field="age", text="thirty")
    assert said[0]["type"] == "problem"
    assert "'thirty' cannot be read" in said[0]["message"]
    assert view.row == before


def test_the_twin_escapes_what_rows_hold_and_says_what_is_known() -> None:
    view = reviewed(confidence=pd.DataFrame({"name": [0.1, 0.9, 0.9]}), random=0)
    hear(view, "accept")
    hear(view, "go", by=-1)
    drawn, text = view._drawn()
    assert "&lt;b&gt;days&lt;/b&gt;" in drawn
    assert "<b>days" not in drawn
    assert "accepted" in drawn
    assert text.splitlines()[0] == "ReviewView · reviewed 1 of 3"
    assert text.splitlines()[1].startswith("name: reviewed 1 of 3")


def test_a_picture_is_shown_as_it_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "card.png"
    Image.new("RGB", (40, 30), "red").save(path)
    frame = pd.DataFrame({"photo": [str(path)]})
    model = Scripted(lambda messages: Person("Ada"))
    result = mf.extract(frame, Person, model=model, images="photo", progress=False, store=False)
    view = mf.ReviewView(result)
    [(kind, data)] = view.row["media"]
    assert kind == "image"
    assert data.startswith("data:image/")
    assert [field["found"] for field in view.row["fields"]] == ["", "", ""]
    hear(view, "accept")
    assert view.truth["name"].tolist() == ["Ada"]


def test_a_text_next_to_a_picture_highlights_its_quotes_only(tmp_path: Path) -> None:
    path = tmp_path / "card.png"
    Image.new("RGB", (40, 30), "red").save(path)
    frame = pd.DataFrame({"photo": [str(path), None], "body": ["Ada wrote", "Ada wrote"]})
    model = Scripted(lambda messages: Person("Ada", 7))
    result = mf.extract(frame, Person, model=model, prompt="{body}", images="photo", progress=False, store=False)
    view = mf.ReviewView(result)
    for place, others in enumerate(("", "no")):
        row = row_picture(view.review, place)
        assert row["texts"] == [["body", [["Ada", [1]], [" wrote", []]]]]
        assert [field["found"] for field in row["fields"]][:2] == ["yes", others]


def test_an_address_of_a_picture_is_shown_and_not_loaded() -> None:
    frame = pd.DataFrame({"photo": ["https://example.com/a.png"]})
    model = Scripted(lambda messages: Person("Ada"))
    result = mf.extract(frame, Person, model=model, images="photo", progress=False, store=False)
    assert mf.ReviewView(result).row["media"] == [
        ["words", "an address that is not loaded here: https://example.com/a.png"]
    ]


def test_a_result_without_rows_opens() -> None:
    assert reviewed([]).row == {}


def test_twenty_thousand_rows_open_at_once_and_a_decision_takes_no_longer() -> None:
    texts = [f"Name{number} is {number} days old, and well." for number in range(20_000)]
    result = mf.extract(texts, Person, model=Scripted(answer, parallel=256), progress=False, store=None)
    sure = pd.Series([0.5 + (number % 97) / 200 for number in range(20_000)], name="name")
    began = time.process_time()
    view = mf.ReviewView(result, confidence=sure)
    opened = time.process_time() - began
    began = time.process_time()
    for _ in range(20):
        hear(view, "accept")
    each = (time.process_time() - began) / 20
    began = time.process_time()
    again = mf.ReviewView(result, confidence=sure)
    reopened = time.process_time() - began
    print(f"opened in {opened:.2f} s, {1000 * each:.1f} ms a decision, opened again in {reopened:.2f} s")
    assert again.status["decided"] == 20
    assert opened < 2.4  # generous: about 0.4 on a machine that has nothing else to do
    assert reopened < 4.8
    assert each < 0.08
    assert len(json.dumps([view.row, view.status])) < 5_000


def test_overlapping_quotes_are_cut_into_pieces() -> None:
    assert segments_of("abcdef", [(0, 4, 1), (2, 6, 2)]) == [["ab", [1]], ["cd", [1, 2]], ["ef", [2]]]
    assert segments_of("", []) == [["", []]]


def test_a_pdf_is_shown_as_it_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "card.pdf"
    path.write_bytes(pdf())
    model = Scripted(lambda messages: Person("Ada"))
    frame = pd.DataFrame({"scan": [str(path)]})
    result = mf.extract(frame, Person, model=model, files="scan", progress=False, store=False)
    [(kind, data)] = mf.ReviewView(result).row["media"]
    assert kind == "pdf"
    assert data.startswith("data:application/pdf;base64,")


def test_the_results_own_confidence_orders_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    result = mf.extract(TEXTS, Person, model=Scripted(answer), progress=False, store=False)
    result["_confidence"] = [0.9, 0.2, 0.8]
    sure = pd.DataFrame({"name": [0.9, 0.2, 0.8]}, index=result.index)
    monkeypatch.setattr(type(result.mf), "confidence", lambda self: sure)
    view = mf.ReviewView(result, random=0)
    assert view.row["position"] == 1
    assert view.row["fields"][0]["confidence"] == 0.2


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (None, "Row 0"),
        (pd.RangeIndex(2184, 2186, name="Letter"), "Letter 2,184"),
        (pd.Index(["a", "b"], name="mail"), "mail a"),
    ],
)
def test_a_row_is_called_by_the_name_of_its_index(index: Any, name: str) -> None:
    texts = pd.Series(["Ada, 36", "Bo, 7"], index=index)
    model = Scripted(lambda _: Person("Ada", 36))
    view = mf.ReviewView(mf.extract(texts, Person, model=model, store=False, progress=False))
    rows = [row_picture(view.review, position)["label"] for position in range(2)]
    assert rows[0] == name
    assert name in view._drawn()[0] or rows[1] in view._drawn()[0]


def test_many_rows_are_put_in_another_order_while_the_kernel_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    view = reviewed()
    goes_on, ordered = threading.Event(), threading.Event()
    reorder = view.review.reorder

    def slow(*, random: float) -> None:
        goes_on.wait(20)
        reorder(random=random)
        ordered.set()

    monkeypatch.setattr(review_view, "_AT_ONCE", 2)
    monkeypatch.setattr(view.review, "reorder", slow)
    hear(view, "order", random=1.0)
    assert not ordered.is_set()
    goes_on.set()
    assert ordered.wait(20)
    end = time.monotonic() + 20
    while view.status["random"] != 1.0:
        assert time.monotonic() < end
        time.sleep(0.01)
