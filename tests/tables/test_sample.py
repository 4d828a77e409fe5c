"""A sample of rows, and the forecast for the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.outcome import STATES
from msgflux_nb.tables.report import forecast_of
from tests.tables.scripted_model import Metadata, Prepared, Scripted


class City(msgspec.Struct):
    name: str


ROWS = [f"row {number}" for number in range(200)]


def model(script: Any = City, **metadata: Any) -> Scripted:
    return Scripted(script, metadata=Metadata(**{"cost": 0.5, **metadata}))


def sampled(data: Any = ROWS, *, by: Scripted | None = None, **options: Any) -> pd.DataFrame:
    return mf.extract(data, City, model=by or model(), sample=20, progress=False, **options)


def test_a_sample_is_some_of_the_rows_in_their_order_and_always_the_same() -> None:
    first, second = sampled(), sampled()
    assert len(first) == 20
    assert first.index.is_monotonic_increasing
    assert first["name"].tolist() == [ROWS[position] for position in first.index]
    assert first.index.tolist() == second.index.tolist() != list(range(20))


def test_a_sample_keeps_the_labels_of_the_index() -> None:
    table = pd.DataFrame({"text": ROWS}, index=[7] * 200)
    frame = sampled(table, prompt="{text}")
    assert frame.index.tolist() == [7] * 20
    assert set(frame["name"]) <= set(ROWS)


@pytest.mark.parametrize("data", [ROWS[:5], iter(ROWS[:5])], ids=["list", "iterator"])
def test_fewer_rows_than_the_sample_are_all_of_them(data: Any) -> None:
    frame = sampled(data)
    assert frame["name"].tolist() == ROWS[:5]
    assert frame.attrs["report"]["forecast"]["rows"] == 0


def test_the_report_forecasts_what_the_rest_will_need() -> None:
    report = sampled().attrs["report"]
    assert json.loads(json.dumps(report)) == report
    assert report["forecast"] == {
        "rows": 180,
        "prompt_tokens": 1_800,
        "completion_tokens": 900,
        "cost": 90.0,
        "failed": 0,
        "failed_at_most": 30,
    }


def test_rows_that_failed_are_billed_and_forecast_too() -> None:
    count = iter(range(100))
    failing = model(lambda text: City(text) if next(count) % 4 else mf.TruncatedError("x"))
    forecast = sampled(by=failing).attrs["report"]["forecast"]
    assert forecast["failed"] == 45
    assert 45 < forecast["failed_at_most"] < 90
    assert forecast["cost"] == 90.0


def test_blank_rows_will_cost_nothing() -> None:
    forecast = sampled([None, "x y"] * 100).attrs["report"]["forecast"]
    assert 0 < forecast["cost"] < 90.0


def test_without_a_price_there_is_no_forecast_of_cost() -> None:
    forecast = sampled(by=model(cost=None)).attrs["report"]["forecast"]
    assert forecast["cost"] is None
    assert forecast["prompt_tokens"] == 1_800


def test_a_sample_that_is_known_already_is_forecast_by_what_it_cost_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prepared, "text", property(lambda self: json.dumps({"name": self.messages})))
    known = Prepared.__init__

    def same_key(self: Any, *arguments: Any) -> None:
        known(self, *arguments)
        self.key = self.question = str(self.messages).encode().ljust(32)[:32]
        self.schema = mf.generation.schema.wire_schema(City)

    monkeypatch.setattr(Prepared, "__init__", same_key)
    first = sampled(store=tmp_path / "run.sqlite").attrs["report"]
    second = sampled(store=tmp_path / "run.sqlite").attrs["report"]
    assert second["states"]["cached"] == 20
    assert second["cost"] == 0
    assert second["forecast"] == first["forecast"]


def test_a_forecast_of_tokens_is_a_whole_number() -> None:
    states = dict.fromkeys(STATES, 0) | {"ok": 3}
    report = {"rows": 3, "states": states, "prompt_tokens": 10, "completion_tokens": 1, "cost": 0.1}
    found = forecast_of(report, 5, {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0})
    assert repr(found["prompt_tokens"]) == "17"
    assert found["cost"] == pytest.approx(0.1 / 3 * 5)


def test_rows_that_were_not_tried_do_not_count_in_a_forecast() -> None:
    states = dict.fromkeys(STATES, 0)
    report = {"rows": 20, "states": {**states, "ok": 5, "pending": 15}, "cost": 1.0} | dict.fromkeys(
        ("prompt_tokens", "completion_tokens"), 50
    )
    nothing: dict[str, float | None] = {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0}
    assert forecast_of(report, 100, nothing)["cost"] == 20.0
    assert forecast_of({**report, "states": {**states, "pending": 20}}, 100, nothing)["failed"] is None


@pytest.mark.parametrize("sample", [0, -1, 2.5, True, "20"])
def test_a_sample_of_no_rows_is_refused(sample: Any) -> None:
    with pytest.raises(ValueError, match="sample: expected a number of at least 1"):
        mf.extract(ROWS, City, model=model(), sample=sample, progress=False)
