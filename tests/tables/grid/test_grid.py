from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables.reviewing.intervals import wilson
from tests.scripted import Reply, Server, completion, error, model_at, running, serving
from tests.tables.counting import restart_kernel
from tests.tables.scripted_model import Metadata, Scripted


class Triage(msgspec.Struct):
    topic: Literal["billing", "account"]
    urgent: bool


class Answering(Server):
    """Answers rightly to a prompt that says "well", and "billing" to any other."""

    request_queue_size = 512

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
        asked = body["messages"][-1]["content"]
        topic = "account" if "well" in asked and "login" in asked else "billing"
        structured = "response_format" in body
        return completion(json.dumps({"topic": topic, "urgent": False}) if structured else f"{topic}: {len(asked)}")


@pytest.fixture
def server() -> Any:
    with running(Answering([])) as server:
        yield server


INPUTS = pd.Series(["my login fails", "an invoice", "login again"], index=["a", "b", "c"], name="mail")
PROMPTS = {"plain": "Which topic? {text}", "rules": "Which topic? Think well. {text}"}


def quiet(*args: Any, **options: Any) -> pd.DataFrame:
    return mf.grid(*args, **{"store": False, "progress": False, **options})


def models_at(server: Server) -> dict[str, mf.ChatCompletion]:
    return {"one": model_at(server.url), "two": model_at(server.url, temperature=0.5)}


def test_inputs_are_rows_and_prompts_and_models_are_columns(server: Server) -> None:
    result = quiet(PROMPTS, INPUTS, models=models_at(server))
    assert list(result.columns) == [("plain", "one"), ("plain", "two"), ("rules", "one"), ("rules", "two")]
    assert result.columns.names == ["prompt", "model"]
    assert result.index.equals(INPUTS.index)
    assert set(map(str, result.dtypes)) == {"string"}
    assert result["rules", "two"].str.split(":").str[0].tolist() == ["account", "billing", "account"]
    assert len(server.bodies) == 12


def test_a_schema_gives_typed_columns_a_level_deeper(server: Server) -> None:
    result = quiet(PROMPTS, INPUTS, models=models_at(server), schema=Triage)
    assert result.columns.names == ["prompt", "model", "field"]
    part = result["rules", "one"]
    assert part["topic"].tolist() == ["account", "billing", "account"]
    assert part["topic"].dtype == pd.CategoricalDtype(["billing", "account"])
    assert str(part["urgent"].dtype) == "boolean"


def test_a_truth_scores_prompts_and_models_with_intervals_cost_and_time(server: Server) -> None:
    truth = pd.DataFrame({"topic": ["account", "billing", "account"]}, index=["a", "b", "c"])
    result = quiet(PROMPTS, INPUTS, models=models_at(server), schema=Triage, score=truth)
    scores = result.mf.scores()
    assert list(scores.columns) == ["score", "low", "high", "right", "answers", "failed", "cost", "seconds"]
    assert scores.loc[("rules", "one"), "score"] == 1.0
    plain = scores.loc[("plain", "two")]
    assert (plain["score"], plain["right"], plain["answers"]) == (pytest.approx(1 / 3), 1.0, 3)
    assert (plain["low"], plain["high"]) == pytest.approx(wilson(1, 3))
    assert 0 < plain["seconds"] < 5


def test_a_function_scores_by_the_answer_and_its_input(server: Server) -> None:
    def right(answer: str, asked: str) -> bool:
        return answer.startswith("account") == ("login" in asked)

    result = quiet(PROMPTS, INPUTS, models=model_at(server.url), score=right)
    assert result.mf.scores()["right"].tolist() == [1.0, 3.0]
    other = result.mf.scores(lambda answer: 0.5)
    assert other["score"].tolist() == [0.5, 0.5]


def test_a_score_function_that_fails_costs_no_answer(server: Server) -> None:
    with pytest.raises(ValueError, match="number from 0 to 1, got 7") as caught:
        quiet(PROMPTS, INPUTS, models=model_at(server.url), score=lambda answer: 7)
    assert caught.value.result.shape == (3, 2)  # type: ignore[attr-defined]


def test_a_truth_that_does_not_belong_is_refused_before_anything_is_sent(server: Server) -> None:
    with pytest.raises(ValueError, match="as many right answers as inputs, 3, got 2"):
        quiet(PROMPTS, INPUTS, models=model_at(server.url), score=["billing", "account"])
    assert server.bodies == []


def test_several_answers_are_asked_for_and_kept_each(server: Server, tmp_path: Path) -> None:
    store = tmp_path / "run.sqlite"
    result = quiet("{text}!", INPUTS, models=model_at(server.url), n=3, store=store)
    assert len(server.bodies) == 9
    assert result.index.names == [None, "sample"]
    assert result.index.tolist()[:4] == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]
    quiet("{text}!", INPUTS, models=model_at(server.url), n=4, store=store)
    assert len(server.bodies) == 12


def test_an_extract_with_the_same_prompt_finds_the_answers_of_the_grid(server: Server, tmp_path: Path) -> None:
    store, model = tmp_path / "run.sqlite", model_at(server.url)
    quiet(PROMPTS, INPUTS, models=model, schema=Triage, store=store)
    asked = len(server.bodies)
    table = mf.extract(INPUTS, Triage, model=model, prompt=PROMPTS["rules"], store=store, progress=False)
    assert len(server.bodies) == asked
    assert table["topic"].tolist() == ["account", "billing", "account"]


def test_a_list_of_messages_is_a_prompt(server: Server) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well: {mail}"}]
    quiet({"turns": turns}, INPUTS, models=model_at(server.url))
    sent = server.bodies[0]["messages"]
    assert sent[0] == turns[0]
    assert "login" in sent[1]["content"] or "invoice" in sent[1]["content"]
    with pytest.raises(ValueError, match="expected a column in braces"):
        quiet({"turns": [turns[0]]}, INPUTS, models=model_at(server.url))


def test_prompts_of_a_list_are_numbered_and_models_of_one_name_told_apart(server: Server) -> None:
    result = quiet(["A {text}", "B {text}"], ["x"], models=[model_at(server.url), model_at(server.url, temperature=0)])
    assert result.columns.tolist() == [
        (prompt, name) for prompt in ("prompt 1", "prompt 2") for name in ("scripted", "scripted temperature=0")
    ]


def test_a_wrong_prompt_is_named(server: Server) -> None:
    with pytest.raises(ValueError, match="prompt 'two': prompt: there is no column 'txt'"):
        quiet({"one": "{text}", "two": "{txt}"}, INPUTS, models=model_at(server.url))


def test_a_failed_answer_counts_as_wrong_and_is_reported() -> None:
    with serving(error(400, "no")) as server:
        result = quiet("Say {text}", ["a", "b"], models=model_at(server.url), score=["x", "y"])
    scores = result.mf.scores()
    assert scores["score"].tolist() == [0.0]
    assert scores["failed"].tolist() == [2]
    assert result.mf.cells()["_status"].tolist() == ["failed", "failed"]


def test_a_model_that_stops_does_not_stop_the_others(server: Server) -> None:
    with serving(error(401, "bad key")) as refusing:
        models = {"good": model_at(server.url), "bad": model_at(refusing.url, api_key="k")}
        result = quiet("Say {text}", [str(number) for number in range(40)], models=models)
    cells = result.mf.cells()
    assert (cells[cells["model"] == "good"]["_status"] == "ok").all()
    bad = cells[cells["model"] == "bad"]["_status"]
    assert set(bad) == {"failed", "pending"}
    assert "bad" in result.attrs["report"]["stopped"]


def test_max_cost_counts_all_models_together() -> None:
    priced = {name: Scripted(lambda text: "said", metadata=Metadata(cost=0.25), parallel=2) for name in ("a", "b")}
    result = quiet("Say {text}", [str(number) for number in range(30)], models=priced, max_cost=2.0)
    cells = result.mf.cells()
    assert 1.5 <= cells["_cost"].sum() <= 2.0
    assert set(cells[cells["_status"] == "ok"]["model"]) == {"a", "b"}
    assert "max_cost of $2.0000" in result.attrs["report"]["stopped"]
    assert result.mf.scores()["cost"].sum() == cells["_cost"].sum()


def test_the_async_twin_gives_the_same(server: Server) -> None:
    made = asyncio.run(mf.agrid(PROMPTS, INPUTS, models=models_at(server), store=False, progress=False))
    pd.testing.assert_frame_equal(made, quiet(PROMPTS, INPUTS, models=models_at(server)), check_like=True)


def test_six_prompts_two_models_and_fifty_inputs_interrupted_ask_600_calls(server: Server, tmp_path: Path) -> None:
    prompts = {f"p{number}": f"Prompt {number}: {{text}}" for number in range(6)}
    inputs = [f"input {number}" for number in range(50)]
    options: dict[str, Any] = {"models": models_at(server), "store": tmp_path / "run.sqlite", "schema": Triage}

    def interrupt() -> None:
        while len(server.bodies) < 200:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    first = quiet(prompts, inputs, **options)
    states = first.mf.cells()["_status"].value_counts()
    assert states["ok"] >= 100
    assert states["pending"] >= 100
    interrupted = int(states["interrupted"])
    second = quiet(prompts, inputs, **options)
    assert set(second.mf.cells()["_status"]) == {"ok", "cached"}
    # What was in flight when the person interrupted had been sent, and is sent once more.
    assert len(server.bodies) - interrupted <= 600
    assert len({json.dumps(body, sort_keys=True) for body in server.bodies}) == 600
    third = quiet(prompts, inputs, **options)
    assert len(server.bodies) - interrupted <= 600
    assert set(third.mf.cells()["_status"]) == {"cached"}
    assert third.shape == (50, 24)


@pytest.mark.parametrize("name", ["mail", ""])
def test_a_table_or_a_column_of_polars_is_an_input(server: Server, name: str) -> None:
    polars = pytest.importorskip("polars")
    column = polars.Series(name, ["my login fails", "an invoice"])
    one = quiet("Think well: {text}", column, models=model_at(server.url))
    assert one.iloc[:, 0].str.split(":").str[0].tolist() == ["account", "billing"]
    if name:
        other = quiet("Think well: {mail}", polars.DataFrame({"mail": column}), models=model_at(server.url))
        pd.testing.assert_frame_equal(one, other)


def test_a_grid_that_is_cancelled_keeps_what_has_come() -> None:
    async def cancelled() -> Any:
        slow = Scripted(lambda text: "said", delay=lambda text: 0.0 if text.startswith("A") else 20.0)
        task = asyncio.ensure_future(
            mf.agrid(["A {text}", "B {text}"], ["x"], models=slow, store=False, progress=False)
        )
        await asyncio.sleep(0.4)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error.result  # type: ignore[attr-defined]
        return None

    table = asyncio.run(cancelled())
    assert table["prompt 1", "scripted/one"].tolist() == ["said"]
    assert table.mf.cells()["_status"].tolist() == ["ok", "interrupted"]


# Listed, and gone on with


def slowly(text: str) -> str:
    return f"said {text}"


def test_a_grid_is_listed_while_it_runs_and_afterwards(server: Server, tmp_path: Path) -> None:
    store = tmp_path / "grid.sqlite"
    result = quiet(PROMPTS, INPUTS, models=model_at(server.url), store=store)
    row = mf.runs(store).iloc[-1]
    assert row["run"] == result.attrs["report"]["run"]
    told = [row[name] for name in ("task", "state", "prompt", "rows", "done", "failed", "left")]
    assert told == ["grid", "complete", "plain, rules", 6, 6, 0, 0]
    held = threading.Event()
    model = Scripted(slowly, delay=lambda text: 0.0 if held.is_set() or int(text) < 3 else 0.5)
    made: list[pd.DataFrame] = []
    thread = threading.Thread(target=lambda: made.append(quiet("{text}", [str(n) for n in range(40)], models=model)))
    thread.start()
    while not (len(mf.runs()) and mf.runs().iloc[-1]["state"] == "running" and mf.runs().iloc[-1]["done"] > 0):
        assert thread.is_alive()
        time.sleep(0.01)
    held.set()
    thread.join()
    assert mf.runs().iloc[-1][["state", "done"]].tolist() == ["complete", 40]


def test_a_grid_goes_on_with_what_is_left_and_with_what_failed() -> None:
    bad = {"2", "5"}

    def script(text: str) -> str:
        if text in bad:
            raise mf.BadRequestError(f"no {text}")
        return f"said {text}"

    model = Scripted(script)
    first = quiet("{text}", [str(n) for n in range(8)], models=model)
    assert first.mf.cells()["_status"].tolist().count("failed") == 2
    bad.clear()
    again = mf.resume(first, progress=False)
    assert again.iloc[:, 0].tolist() == [f"said {n}" for n in range(8)]
    assert len(model.sent) == 10
    assert mf.runs().iloc[-1]["failed"] == 0
    assert again.mf.scores()["answers"].tolist() == [8]
    with pytest.raises(ValueError, match=r"only max_cost may change\. Call mf\.grid for others"):
        mf.resume(first, ["a"], progress=False)


def test_a_grid_of_another_kernel_is_listed_and_goes_on_by_the_same_call(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "grid.sqlite"
    first = quiet(PROMPTS, INPUTS, models=model_at(server.url), store=store)
    restart_kernel(monkeypatch)
    assert mf.runs(store)["task"].tolist() == ["grid"]
    with pytest.raises(mf.StoreError, match=r"repeat the call of mf\.grid"):
        mf.resume(first, store=store)
    with pytest.raises(mf.StoreError, match=r"(?i)repeat the call of mf\.grid"):
        mf.GridView(first)
    before = len(server.bodies)
    again = quiet(PROMPTS, INPUTS, models=model_at(server.url), store=store)
    assert len(server.bodies) == before
    pd.testing.assert_frame_equal(again, first)
