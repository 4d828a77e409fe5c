"""A review of the embedded model's answers to 200 sentences; `benchmarks/review.py --write` asks it again."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pandas as pd

import msgflux_nb as mf
from msgflux_nb.tables.reviewing.estimate import estimate_of
from msgflux_nb.tables.reviewing.review import Review
from tests.tables.scripted_model import Scripted

ROWS = json.loads((Path(__file__).parents[2] / "data" / "review_rows.json").read_text(encoding="utf-8"))
READ = 40


class Person(msgspec.Struct):
    name: str
    city: str
    year: int


def test_the_rows_put_first_hold_three_times_the_errors_and_the_interval_holds_the_truth() -> None:
    answers = {row["text"]: Person(**row["answer"]) for row in ROWS}
    result = mf.extract([row["text"] for row in ROWS], Person, model=Scripted(answers.get), progress=False, store=False)
    wrong = set(mf.score(result, pd.DataFrame([row["truth"] for row in ROWS])).differences.index)
    truth = 1 - len(wrong) / len(ROWS)
    assert 0.05 < 1 - truth < 0.25
    sure = pd.DataFrame([row["confidence"] for row in ROWS])
    ratios, held = [], 0
    for seed in range(100):
        review = Review(result, confidence=sure, seed=seed)
        first = review.order.queue[:READ]
        ratios.append(len(wrong & set(first)) / READ / (1 - truth))
        found = estimate_of(review.order, {position: position not in wrong for position in first})
        held += found.low <= truth <= found.high
    assert min(ratios) >= 3
    assert held >= 93
