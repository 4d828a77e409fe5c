from __future__ import annotations

import datetime
import json
import random
import re
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import open_store
from msgflux_nb.storage.batches import BatchRecords
from msgflux_nb.tables.reviewing.estimate import estimate_of
from msgflux_nb.tables.reviewing.review import Review
from msgflux_nb.tables.reviewing.written import read_value, shown_value, writings_of
from tests.scripted import completion
from tests.tables.counting import Counting, counting, restart_kernel
from tests.tables.scripted_model import Scripted

__all__ = ["counting"]


class Person(msgspec.Struct):
    name: str
    age: int | None = None
    mood: Literal["good", "bad"] | None = None


TEXTS = pd.Series(
    [f"{name} is {age} and well." for name, age in zip(["Ada", "Bo", "Cy", "Di"], range(30, 34), strict=True)]
)


def answered(
    counting: Counting, store: Path | None = None, *, wrong: tuple[str, ...] = (), **options: Any
) -> pd.DataFrame:
    def reply(text: str) -> Any:
        name, age = re.findall(r"^(\w+) is (\d+)", text)[0]
        return completion(json.dumps({"name": "Zed" if name in wrong else name, "age": int(age), "mood": "good"}))

    counting.reply = reply
    return counting.extract(TEXTS, Person, store=store, **options)


def test_a_row_is_accepted_as_it_stands(counting: Counting) -> None:
    review = Review(answered(counting))
    review.accept(1)
    assert review.truth.to_dict("list") == {"name": ["Bo"], "age": [31], "mood": ["good"]}
    assert review.truth.index.tolist() == [1]
    assert str(review.truth["age"].dtype) == "Int64"


def test_a_value_that_is_not_in_its_text_comes_first_where_no_confidence_is_known(counting: Counting) -> None:
    review = Review(answered(counting, wrong=("Cy",)))
    assert review.order.queue[0] == 2


def test_what_is_set_in_a_row_is_kept_with_it_and_in_every_later_run(counting: Counting, tmp_path: Path) -> None:
    store = tmp_path / "run.sqlite"
    review = Review(answered(counting, store, wrong=("Cy",)))
    review.set_field(2, "name", "Cy")
    review.set_field(2, "age", "33 years")
    assert review.decided == {}
    review.accept(2)
    assert review.truth["age"].tolist() == [33]
    assert review.result()["name"].tolist() == ["Ada", "Bo", "Cy", "Di"]
    again = answered(counting, store, wrong=("Cy",))
    assert again["name"].tolist() == ["Ada", "Bo", "Cy", "Di"]
    assert again.mf.corrections()["field"].tolist() == ["name", "age"]
    assert again.mf.examples() == [(TEXTS[2], Person("Cy", 33, "good"))]


def test_decisions_survive_a_restart_a_rerun_and_another_model(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "run.sqlite"
    review = Review(answered(counting, store, wrong=("Cy",)))
    review.set_field(2, "name", "Cy")
    review.accept(2)
    review.accept(0)
    review.reject(3)
    restart_kernel(monkeypatch)
    later = Review(answered(counting, store, wrong=("Cy",)))
    assert {position: one.state for position, one in later.decided.items()} == {
        0: "accepted",
        2: "accepted",
        3: "unusable",
    }
    other = answered(counting, store, model=counting.model(temperature=0.5), wrong=("Ada",))
    assert Review(other).truth["name"].tolist() == ["Ada", "Cy"]


def test_the_truth_is_held_against_what_the_model_answered(counting: Counting, tmp_path: Path) -> None:
    store = tmp_path / "run.sqlite"
    result = answered(counting, store, wrong=("Cy",))
    review = Review(result)
    review.set_field(2, "name", "Cy")
    review.accept(2)
    review.accept(0)
    for table in (result, answered(counting, store, wrong=("Cy",))):
        score = table.mf.score(review.truth)
        assert score.fields["right"].tolist() == [1, 2, 2]
    other = answered(counting, store, model=counting.model(temperature=0.5), wrong=("Ada", "Cy"))
    assert other.mf.score(review.truth).fields["right"].tolist() == [0, 2, 2]


def test_undo_takes_the_last_decision_back_with_its_corrections(counting: Counting, tmp_path: Path) -> None:
    result = answered(counting, tmp_path / "run.sqlite", wrong=("Cy",))
    result = result.mf.correct(2, "age", 40)
    review = Review(result)
    review.accept(0)
    review.set_field(2, "name", "Cy")
    review.set_field(2, "age", "41")
    review.accept(2)
    assert review.undo() == 2
    assert review.value(2) == Person("Zed", 40, "good")
    assert result.mf.corrections()["now"].tolist() == [40]
    assert list(review.decided) == [0]
    assert (review.undo(), review.undo()) == (0, None)


def test_a_second_decision_about_a_row_takes_the_place_of_the_first(counting: Counting) -> None:
    review = Review(answered(counting))
    review.set_field(1, "name", "B")
    review.accept(1)
    review.set_field(1, "name", "Bo")
    review.accept(1)
    assert review.truth["name"].tolist() == ["Bo"]
    assert len(review.run.corrections.of_row(1)) == 0


def test_a_row_that_failed_comes_first_and_can_be_filled_in(counting: Counting) -> None:
    counting.reply = lambda text: completion("no json" if "Cy" in text else '{"name": "x"}')
    review = Review(counting.extract(TEXTS, Person))
    assert review.order.queue[0] == 2
    with pytest.raises(ValueError, match="no whole answer yet"):
        review.accept(2)
    review.set_field(2, "name", "Cy")
    review.accept(2)
    assert review.truth.loc[2, "name"] == "Cy"
    assert review.estimate().right == 0


def test_accuracy_is_told_by_field_with_its_interval(counting: Counting) -> None:
    review = Review(answered(counting, wrong=("Cy",)))
    for position in range(4):
        if position == 2:
            review.set_field(2, "name", "Cy")
        review.accept(position)
    table = review.accuracy()
    assert table.index.tolist() == ["all of a row", "name", "age", "mood"]
    assert table["accuracy"].tolist() == [0.75, 0.75, 1.0, 1.0]
    assert str(review.estimate()) == "reviewed 4 of 4: 75% right (75–75)"


def test_a_part_of_a_result_is_reviewed_by_its_labels(counting: Counting) -> None:
    result = answered(counting)
    review = Review(result.iloc[[3, 1]])
    assert sorted(review.order.queue) == [1, 3]


def test_a_budget_says_how_many_rows_are_left(counting: Counting) -> None:
    review = Review(answered(counting), budget=3)
    review.accept(0)
    assert review.left == 2
    with pytest.raises(ValueError, match="budget: expected a number of rows"):
        Review(answered(counting), budget=0)


def test_a_confidence_orders_the_rows_by_their_least_sure_field(counting: Counting) -> None:
    result = answered(counting)
    sure = pd.DataFrame({"name": [0.9, 0.9, 0.4, 0.9], "age": [0.95, 0.2, 0.95, 0.95]})
    review = Review(result, confidence=sure, random=0)
    assert review.order.queue[:2] == [1, 2]
    assert review.confidence(1) == {"name": 0.9, "age": 0.2}
    with pytest.raises(ValueError, match="expected the labels of the result"):
        Review(result, confidence=sure.set_axis(list("abcd")))


def test_decisions_are_merged_with_their_store(counting: Counting, tmp_path: Path) -> None:
    Review(answered(counting, tmp_path / "one.sqlite")).accept(0)
    Review(answered(counting, tmp_path / "two.sqlite")).reject(1)
    BatchRecords(open_store(tmp_path / "one.sqlite")).merge(BatchRecords(open_store(tmp_path / "two.sqlite")))
    assert set(Review(answered(counting, tmp_path / "one.sqlite")).decided) == {0, 1}


def test_equal_rows_are_decided_together_after_the_next_look(counting: Counting, tmp_path: Path) -> None:
    twice = pd.Series([TEXTS[0], TEXTS[0]])
    counting.reply = lambda text: completion('{"name": "Ada"}')
    review = Review(counting.extract(twice, Person))
    review.accept(0)
    assert set(Review(counting.extract(twice, Person)).decided) == {0, 1}


# Two hundred rows with known truth and planted errors


def planted(counting: Counting, store: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return two hundred rows, one in eight of them wrong, and their confidences, which are lower for wrong rows."""
    chance = random.Random(7)
    names = [f"Name{number}" for number in range(200)]
    wrong = set(chance.sample(names, 25))
    counting.reply = lambda text: completion(
        json.dumps({"name": "Nobody" if text.split()[0] in wrong else text.split()[0]})
    )
    result = counting.extract([f"{name} lives here." for name in names], Person, store=store)
    sure = [chance.betavariate(2, 4) if name in wrong else chance.betavariate(6, 2) for name in names]
    return result, pd.DataFrame({"name": sure}), names


def test_rows_put_first_hold_three_times_the_errors_and_the_interval_holds_the_truth(
    counting: Counting, tmp_path: Path
) -> None:
    result, sure, names = planted(counting, tmp_path / "run.sqlite")
    truth = float(np.mean([found == name for found, name in zip(result["name"], names, strict=True)]))
    assert truth == 0.875
    held, ratios = 0, []
    for seed in range(100):
        review = Review(result, confidence=sure, seed=seed)
        first = review.order.queue[:40]
        wrong = [position for position in first if result["name"].iloc[position] != names[position]]
        ratios.append(len(wrong) / 40 / (1 - truth))
        verdicts = {position: position not in wrong for position in first}
        found = estimate_of(review.order, verdicts)
        held += found.low <= truth <= found.high
    assert min(ratios) >= 3
    assert held >= 93


class Stay(msgspec.Struct):
    name: str
    year: int
    price: float
    day: datetime.date


@pytest.mark.parametrize("field", ["name", "year", "price", "day"])
@pytest.mark.parametrize("agreed", [False, True])
def test_without_a_confidence_or_among_equal_ones_what_the_text_does_not_hold_comes_first(
    field: str, agreed: bool
) -> None:
    """A number or a date counts as in the text, however the text writes it."""
    other = {"name": "Nobody", "year": 1733, "price": 3.25, "day": datetime.date(2014, 6, 27)}
    texts, answers, wrong = [], {}, set()
    for number in range(200):
        right = Stay(f"Name{number}", 1_200 + number, 99_000.5 + number, datetime.date(2025, 1, 1 + number % 28))
        text = f"{right.name}: {right.year:,} nights from {right.day:%d %B %Y} at {right.price:,.2f}."
        texts.append(text)
        if number % 8 == 3:
            wrong.add(number)
            right = msgspec.structs.replace(right, **{field: other[field]})
        answers[text] = right
    result = mf.extract(texts, Stay, model=Scripted(answers.get), progress=False, store=False)
    equal = pd.Series(0.5, result.index)
    review = Review(result, confidence=equal if agreed else None)
    assert set(review.order.doubtful[: len(wrong)]) == wrong
    if agreed:
        sure = equal.where(~equal.index.isin(range(8, 16)), 0.4)
        first = Review(result, confidence=sure).order.doubtful
        assert (first[0], set(first[:8])) == (11, set(range(8, 16)))


# What a person writes


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1,911", int, 1911),
        ("400 €", int, 400),
        ("2,5", float, 2.5),
        ("3.25", float, 3.25),
        ("", int | None, None),
        ("5", str, "5"),
        ("null", str | None, "null"),
        ("true", bool, True),
        ("2026-01-02", datetime.date, datetime.date(2026, 1, 2)),
        ("2 January 2026", datetime.date, datetime.date(2026, 1, 2)),
        ('["a"]', list[str], ["a"]),
        ("bad", Literal["good", "bad"] | None, "bad"),
    ],
)
def test_what_is_written_becomes_a_value_of_the_type(text: str, kind: Any, value: Any) -> None:
    assert read_value(text, kind) == value


@pytest.mark.parametrize(("text", "kind"), [("four", int), ("good", Literal["a"]), ("[", list[int]), ("3 or 4", int)])
def test_an_unreadable_text_is_refused_and_quoted(text: str, kind: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        read_value(text, kind)


@pytest.mark.parametrize("value", ["a", 3, 2.5, True, None, datetime.date(2026, 1, 2), ["a"], {"a": 1}])
def test_what_is_shown_is_read_back_as_the_same(value: Any) -> None:
    kind = type(value) | None if value is not None else str | None
    assert read_value(shown_value(value), kind) == value


def test_a_number_is_looked_for_as_texts_write_it() -> None:
    assert "265,086" in writings_of(265_086)
    assert "2 January 2026" in writings_of(datetime.date(2026, 1, 2))
    assert mf.__name__ == "msgflux_nb"


def test_a_result_of_polars_is_reviewed(counting: Counting) -> None:
    polars = pytest.importorskip("polars")
    counting.reply = lambda text: completion('{"name": "Ada", "age": 30}')
    review = Review(counting.extract(polars.DataFrame({"text": ["Ada is 30", "Ada is 30 too"]}), Person))
    review.accept(1)
    assert review.truth["name"].tolist() == ["Ada"]
    assert review.truth.index.tolist() == [1]
