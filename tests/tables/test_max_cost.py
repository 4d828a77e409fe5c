"""Tests that ``max_cost`` counts every request: of a row, its corrections, its further answers, also on Dask."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import dask.dataframe as dd
import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.gate import FirstAlone
from tests.moments import LONG
from tests.scripted import Reply, completion
from tests.tables.counting import Counting, Person, counting

__all__ = ["counting"]

Numbered = msgspec.defstruct("Numbered", [("name", int)])
ROWS = pd.DataFrame({"text": [f"row {number}" for number in range(20)]})


def a_reply(text: str, cost: float = 1.0) -> Reply:
    """Return an answer that fits ``Person`` but not ``Numbered``."""
    body = json.loads(completion(json.dumps({"name": text, "age": 1})).pieces[0])
    bill = {"prompt_tokens": 4, "completion_tokens": 3, "cost": cost}
    return Reply([json.dumps(body | {"usage": bill}).encode(), 0.01], headers={"Content-Type": "application/json"})


@pytest.fixture
def model(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> mf.ChatCompletion:
    """Return a model that asks once more if an answer does not fit."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "none")
    counting.reply = a_reply
    return counting.model("openrouter/scripted", api_key=None, profile={"reasks": 1})


@pytest.mark.parametrize("most", [1.0, 7.0])
@pytest.mark.parametrize("parts", [0, 4])
@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize(("schema", "options"), [(Person, {}), (Person, {"confidence": 3}), (Numbered, {})])
def test_no_request_is_sent_that_the_budget_does_not_cover(
    counting: Counting,
    model: mf.ChatCompletion,
    schema: Any,
    options: dict[str, Any],
    concurrency: int,
    parts: int,
    most: float,
) -> None:
    data: Any = dd.from_pandas(ROWS, npartitions=parts) if parts else ROWS
    options = {**options, "max_cost": most, "max_concurrency": concurrency, "store": False, "progress": False}
    frame: Any = mf.extract(data, schema, model=model, **options)
    frame = frame.compute(scheduler="threads") if parts else frame
    assert counting.calls == most
    assert frame["_cost"].sum() == most
    assert frame["_error"].dropna().str.contains("max_cost").any()


@pytest.mark.parametrize("parts", [0, 4])
def test_a_model_that_costs_nothing_is_not_asked_one_row_after_the_other(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "none")
    monkeypatch.setattr("msgflux_nb.tables.gate._ALONE_SECONDS", LONG)
    under_way = 0
    most = 0

    def free(text: str) -> Reply:
        nonlocal under_way, most
        with counting.server.lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with counting.server.lock:
            under_way -= 1
        return a_reply(text, cost=0.0)

    counting.reply = free
    data: Any = dd.from_pandas(ROWS, npartitions=parts) if parts else ROWS
    model = counting.model("openrouter/scripted", api_key=None)
    frame: Any = mf.extract(data, Person, model=model, max_cost=1.0, store=False, progress=False)
    frame = frame.compute(scheduler="threads") if parts else frame
    assert frame["_status"].eq("ok").all()
    assert most > 3


def test_a_row_that_lacks_an_answer_says_what_was_paid_and_is_asked_for_the_rest(
    counting: Counting, model: mf.ChatCompletion
) -> None:
    asked = {"model": model, "confidence": 3, "max_concurrency": 1, "progress": False}
    first = mf.extract(ROWS[:3], Person, max_cost=5.0, **asked)
    assert first["_status"].tolist() == ["ok", "interrupted", "pending"]
    assert first["_cost"].fillna(0).tolist() == [3.0, 2.0, 0.0]
    assert first["_error"][1].startswith("interrupted after answers for $2.0000;")
    whole = mf.resume(first, max_cost=9.0, progress=False)
    assert whole["_status"].tolist() == ["ok"] * 3
    assert (counting.calls, whole["_cost"].sum()) == (9, 9.0)


def test_a_continued_run_knows_what_an_answer_costs(counting: Counting, model: mf.ChatCompletion) -> None:
    """It knows this before its first answer: four rows may begin at once, and the money is enough for one."""
    first = mf.extract(ROWS, Person, model=model, max_cost=5.0, max_concurrency=4, progress=False)
    assert (counting.calls, first["_cost"].sum()) == (5, 5.0)
    again = mf.resume(first, max_cost=6.5, progress=False)
    assert (counting.calls, again["_cost"].sum()) == (6, 6.0)


def test_all_models_of_a_grid_share_the_budget_with_their_corrections(
    counting: Counting, model: mf.ChatCompletion
) -> None:
    prompts = {"one": "Read {text}", "two": "Who is {text}?"}
    other = counting.model("openrouter/another", api_key=None, profile={"reasks": 1})
    asked = {"models": [model, other], "schema": Numbered, "max_cost": 6.0}
    mf.grid(prompts, ROWS[:4], progress=False, **asked)
    assert counting.calls == 6


def test_a_request_that_hangs_keeps_the_others_only_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgflux_nb.tables.gate._ALONE_SECONDS", 0.02)

    async def begun() -> bool:
        first = FirstAlone()
        await first.begin()
        second = asyncio.ensure_future(first.begin())
        await asyncio.sleep(0)
        waits = not second.done()
        await second
        return waits

    assert asyncio.run(asyncio.wait_for(begun(), LONG))
