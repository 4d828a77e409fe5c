"""Tests that Dask's local schedulers use a recording; others raise an error and send nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.recordings.recording import Recording
from tests.scripted import completion, model_at, serving

dd = pytest.importorskip("dask.dataframe")
import msgflux_nb.dask  # noqa: E402  # after Dask


class Person(msgspec.Struct):
    name: str


def frame(*names: str) -> Any:
    return dd.from_pandas(pd.DataFrame({"text": list(names)}), npartitions=2)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_a_local_scheduler_records_and_replays(tmp_path: Path, scheduler: str) -> None:
    path = tmp_path / "dask.jsonl"
    names = ["Ada", "Bob", "Cy", "Di"]
    with serving(completion('{"name": "X"}')) as server, mf.record(path):
        rows = frame(*names).mf.extract(Person, model=model_at(server.url), prompt="{text}")
        rows.compute(scheduler=scheduler)
    asked = {line.body["messages"][-1]["content"] for line in Recording(path).exchanges}
    assert asked == set(names)
    with mf.replay(path, speed=math.inf):
        model = model_at("http://127.0.0.1:9/v1")
        again = frame(*names).mf.extract(Person, model=model, prompt="{text}").compute(scheduler=scheduler)
    assert list(again["name"]) == ["X"] * 4
    assert list(again["_status"]) == ["ok"] * 4


def test_a_recording_as_a_model_travels(tmp_path: Path) -> None:
    path = tmp_path / "dask.jsonl"
    with serving(completion('{"name": "X"}')) as server, mf.record(path):
        mf.extract(["Ada", "Bob"], Person, model=model_at(server.url), prompt="{text}", progress=False)
    model = mf.Model.chat_completion(f"replay/{path}")
    again = frame("Ada", "Bob").mf.extract(Person, model=model, prompt="{text}").compute(scheduler="synchronous")
    assert list(again["name"]) == ["X", "X"]


def test_what_was_made_inside_a_replay_asks_nobody_outside_of_it(tmp_path: Path) -> None:
    path = tmp_path / "dask.jsonl"
    with serving(completion('{"name": "X"}')) as server:
        with mf.record(path):
            mf.extract(["Ada"], Person, model=model_at(server.url), prompt="{text}", progress=False)
        with mf.replay(path):
            rows = frame("Ada", "Bob").mf.extract(Person, model=model_at(server.url), prompt="{text}")
        with pytest.raises(mf.RecordingError, match=r"made inside mf\.replay"):
            rows.compute(scheduler="synchronous")
        assert len(server.bodies) == 1
