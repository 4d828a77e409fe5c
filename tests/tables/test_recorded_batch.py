"""Tests that a batch, its view, an explained row and a grid say which answers came from a recording."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import msgflux_nb as mf
from tests.scripted import completion, model_at, serving

TEXTS = ["Ada", "Bob", "Ada"]  # equal rows are one request


class Person(msgspec.Struct):
    name: str


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, str]:
    """A recording of the rows and of a grid, and its date."""
    path = tmp_path / "rows.jsonl"
    with serving(completion('{"name": "X"}')) as server, mf.record(path):
        model = model_at(server.url)
        assert mf.extract(TEXTS, Person, model=model, progress=False).attrs["report"]["recorded"] == {}
        mf.grid({"short": "Name in {text}"}, ["Ada"], models=model, schema=Person, progress=False)
        answer = model("Hi")
    with mf.replay(path):
        date = model_at("http://127.0.0.1:9/v1")("Hi").metadata.replayed
    assert date is not None
    assert answer.metadata.replayed is None
    return path, date.date


def test_a_report_and_an_explained_row_say_when_the_answers_were_recorded(recorded: tuple[Path, str]) -> None:
    path, date = recorded
    with mf.replay(path, speed=math.inf):
        result = mf.extract(TEXTS, Person, model=model_at("http://127.0.0.1:9/v1"), progress=False)
    assert result.attrs["report"]["recorded"] == {date: 3}
    for row in range(3):
        assert f"the answer was recorded {date}" in (result.mf.explain(row).note or "")


def test_a_run_of_an_earlier_kernel_says_that_its_answers_were_recorded(
    recorded: tuple[Path, str], tmp_path: Path
) -> None:
    path, date = recorded
    store, kept = tmp_path / "run.sqlite", tmp_path / "result.pickle"
    with mf.replay(path, speed=math.inf):
        result = mf.extract(TEXTS, Person, model=model_at("http://127.0.0.1:9/v1"), store=store, progress=False)
    result.to_pickle(kept)
    code = f"import pandas as pd, msgflux_nb as mf; print(pd.read_pickle({str(kept)!r}).mf.explain(0).note)"
    later = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"answers of this run were recorded {date}" in later.stdout


def test_a_view_and_its_twin_say_it(recorded: tuple[Path, str]) -> None:
    path, date = recorded
    with mf.replay(path, speed=math.inf):
        view = mf.ExtractionView(TEXTS, Person, model=model_at("http://127.0.0.1:9/v1"))
        view.run()
        view.wait()
    assert ["recorded", date] in [list(one) for one in view.picture["figures"]]
    assert f"recorded {date}" in view._repr_mimebundle_()[0]["text/html"]


def test_a_view_of_a_live_batch_does_not(recorded: tuple[Path, str]) -> None:
    with serving(completion('{"name": "X"}')) as server:
        view = mf.ExtractionView(["Ada"], Person, model=model_at(server.url))
        view.run()
        view.wait()
    assert ["recorded", "–"] in [list(one) for one in view.picture["figures"]]
    assert "recorded" not in view._repr_mimebundle_()[0]["text/html"]


def test_an_opened_cell_of_a_grid_says_it(recorded: tuple[Path, str]) -> None:
    path, date = recorded
    with mf.replay(path, speed=math.inf):
        model = model_at("http://127.0.0.1:9/v1")
        result = mf.grid({"short": "Name in {text}"}, ["Ada"], models=model, schema=Person, progress=False)
    opened = mf.GridView(result)._board.open(0, 0)
    assert [date, "recorded"] in opened["figures"]
