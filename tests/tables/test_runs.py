"""Earlier runs: listed, resumed and retried, in the same kernel and in the next one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import open_store
from msgflux_nb.tables import run
from msgflux_nb.tables.run import known_runs
from tests.scripted import Reply, completion, error
from tests.tables.counting import Counting, Person, counting, named, restart_kernel

__all__ = ["counting"]

FAILING = error(500, "down")
WRONG = completion('{"name": 3}')


class OnlyName(msgspec.Struct):
    name: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.fixture
def restart(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda: restart_kernel(monkeypatch)


def replies(given: dict[str, Reply]) -> Any:
    return lambda text: given.get(text) or named(text)


def slow(text: str) -> Reply:
    reply = named(text)
    return Reply([20.0, *reply.pieces], headers=reply.headers)


# The list


def test_there_are_no_runs_at_first(counting: Counting) -> None:
    frame = mf.runs()
    assert len(frame) == 0
    assert {"run", "began", "state", "model", "rows", "failed", "left", "cost", "store"} <= set(frame)


@pytest.mark.parametrize("store", ["file", None, False])
def test_a_run_is_listed_with_what_it_did(counting: Counting, path: Path, store: Any) -> None:
    counting.reply = replies({"b": FAILING})
    store = path if store == "file" else store
    result = counting.extract(["a", "b", None, "a"], store=store, prompt="{text}")
    (row,) = mf.runs().to_dict("records")
    told = {name: row[name] for name in ("run", "state", "model", "schema", "prompt", "rows", "done", "failed", "left")}
    assert told == {
        "run": result.attrs["report"]["run"],
        "state": "complete",
        "model": "scripted",
        "schema": "Person",
        "prompt": "{text}",
        "rows": 4,
        "done": 2,
        "failed": 1,
        "left": 0,
    }
    assert pd.Timestamp.now("UTC") - row["began"] < pd.Timedelta(minutes=1)
    assert row["store"] == str(path) if store else pd.isna(row["store"])


def test_the_dtypes_are_the_same_for_no_runs_and_some(counting: Counting) -> None:
    none = mf.runs()
    counting.extract(["a"])
    pd.testing.assert_series_equal(mf.runs().dtypes, none.dtypes)
    assert none.dtypes[["began", "rows", "cost"]].astype(str).tolist() == ["datetime64[us, UTC]", "Int64", "Float64"]


def test_the_runs_of_a_file_are_listed_by_another_kernel(counting: Counting, path: Path, restart: Any) -> None:
    names = [counting.extract([text], store=path).attrs["report"]["run"] for text in "abc"]
    restart()
    assert len(mf.runs()) == 0
    assert mf.runs(path)["run"].tolist() == names
    assert set(mf.runs(path)["state"]) == {"complete"}
    assert mf.runs()["run"].tolist() == names  # it has been opened


def test_a_store_that_was_closed_is_left_out_of_the_list_and_opened_again_by_name(
    counting: Counting, path: Path
) -> None:
    counting.extract(["Ada"], store=path)
    open_store(path).close()
    assert path.name not in " ".join(map(str, mf.runs()["store"]))
    assert len(mf.runs(path)) == 1


def test_a_file_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(mf.StoreError, match="no store"):
        mf.runs(path)
    assert not path.exists()


def test_a_run_is_listed_while_it_runs_and_unfinished_where_its_process_is_gone(
    counting: Counting, path: Path, restart: Any
) -> None:
    counting.reply = replies({"c": slow("c")})
    worker = threading.Thread(
        target=lambda: counting.extract(["a", "b", "c"], store=path, max_concurrency=3), daemon=True
    )
    worker.start()
    wait_until(lambda: len(known_runs()) == 1 and known_runs()[0].batch.ledger.finished == 2)
    (live,) = known_runs()
    (row,) = mf.runs().to_dict("records")
    assert (row["state"], row["rows"], row["done"], row["left"]) == ("running", 3, 2, 1)
    with pytest.raises(RuntimeError, match="still running"):
        mf.resume(live.name, progress=False)
    restart()
    (row,) = mf.runs(path).to_dict("records")
    assert (row["state"], row["rows"]) == ("unfinished", 3)
    assert pd.isna(row["done"])
    live.interrupt()
    worker.join(10)


def wait_until(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def test_batches_may_begin_at_once(restart: Any) -> None:
    restart()

    class Slow:
        def __len__(self) -> int:
            time.sleep(0.02)
            return 1

    names = [str(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: run._list(SimpleNamespace(name=name, rows=Slow())), names))  # type: ignore[arg-type]
    assert sorted(one.name for one in known_runs()) == names


# Going on in the same kernel


def stopped(counting: Counting, data: Any, **options: Any) -> pd.DataFrame:
    """Return a result of which only the first rows were sent."""
    counting.reply = replies({"b": FAILING})
    return counting.extract(data, on_error="stop", max_concurrency=1, **options)


@pytest.mark.parametrize("given", ["name", "report", "result", "row"])
def test_a_run_goes_on_with_what_is_left(counting: Counting, given: str) -> None:
    first = stopped(counting, ["a", "b", "c", "d"])
    assert first["_status"].tolist() == ["ok", "failed", "pending", "pending"]
    counting.reply = named
    report = first.attrs["report"]
    known: Any = {"name": report["run"], "report": report, "result": first, "row": mf.runs().iloc[0]}[given]
    whole = mf.resume(known, progress=False)
    assert whole["_status"].tolist() == ["ok"] * 4
    assert whole["name"].tolist() == ["a", "b", "c", "d"]
    assert counting.texts == ["a", "b", "b", "c", "d"]
    assert whole.attrs["report"]["run"] == report["run"]
    assert len(mf.runs()) == 1
    assert mf.runs()["state"].tolist() == ["complete"]


def test_the_frame_has_the_same_shape(counting: Counting) -> None:
    data = pd.DataFrame({"t": ["a", "b", "c"]}, index=pd.Index([7, 7, 8], name="k"))
    first = stopped(counting, data, prompt="{t}")
    counting.reply = named
    whole = mf.resume(first, progress=False)
    pd.testing.assert_index_equal(whole.index, data.index)
    pd.testing.assert_series_equal(whole.dtypes, first.dtypes)
    assert whole["name"].tolist() == ["a", "b", "c"]


def test_resuming_does_not_ask_again_for_rows_whose_answers_did_not_fit(counting: Counting) -> None:
    counting.reply = replies({"a": WRONG, "b": FAILING})
    first = counting.extract(["a", "b"], max_concurrency=1)
    counting.reply = named
    assert mf.resume(first, progress=False)["_status"].tolist() == ["invalid", "ok"]
    assert counting.texts == ["a", "b", "b"]


def test_going_on_with_a_complete_run_asks_nothing(counting: Counting) -> None:
    first = counting.extract(["a", "b"])
    pd.testing.assert_frame_equal(mf.resume(first, progress=False), first)
    assert counting.calls == 2


def test_an_iterator_is_read_on(counting: Counting) -> None:
    def texts() -> Iterator[str]:
        yield from (f"row {number}" for number in range(3000))

    counting.reply = replies({"row 5": FAILING})
    first = counting.extract(texts(), on_error="stop", max_concurrency=2)
    assert 5 < len(first) < 3000
    counting.reply = named
    whole = mf.resume(first, progress=False)
    assert whole["name"].tolist() == [f"row {number}" for number in range(3000)]
    assert 3001 <= counting.calls <= 3003


def test_resume_changes_the_limits_that_may_change(counting: Counting) -> None:
    first = stopped(counting, ["a", "b", "c", "d"])
    other = counting.model("larger")
    whole = mf.resume(first, model=other, on_error="keep", max_concurrency=2, progress=False)
    assert whole["_status"].tolist() == ["ok", "failed", "ok", "ok"]
    assert [body["model"] for body in counting.server.bodies] == ["scripted"] * 2 + ["larger"] * 3


@pytest.mark.parametrize(("changes", "words"), [({"prompt": "{text}!"}, "prompt"), ({"schema": OnlyName}, "schema")])
def test_resume_refuses_keywords_that_may_not_change(counting: Counting, changes: dict[str, Any], words: str) -> None:
    first = stopped(counting, ["a", "b"])
    with pytest.raises(ValueError, match=f"{words}: .*mf.extract"):
        mf.resume(first, progress=False, **changes)


@pytest.mark.parametrize("run", ["20250101-000000-abcd", {"run": "gone", "store": "/nowhere.sqlite"}])
def test_an_unknown_run_is_reported(counting: Counting, run: Any) -> None:
    with pytest.raises(mf.StoreError, match="no run"):
        mf.resume(run)


@pytest.mark.parametrize("run", [3, None, pd.DataFrame({"a": [1]}), {}])
def test_a_value_that_does_not_name_a_run_is_refused(run: Any) -> None:
    with pytest.raises(TypeError, match="expected the name of a run"):
        mf.resume(run)


def test_the_bill_of_a_row_that_was_asked_for_again_is_the_sum(counting: Counting) -> None:
    counting.reply = replies({"a": WRONG})
    first = counting.extract(["a"])
    counting.reply = named
    whole = first.mf.retry(progress=False)
    assert whole[["_attempts", "_prompt_tokens", "_completion_tokens"]].iloc[0].tolist() == [2, 8, 6]
    assert whole.attrs["report"]["prompt_tokens"] == 8
    assert whole["_seconds"].item() > first["_seconds"].item()


# Trying again


def test_rows_that_failed_are_tried_again_and_no_other(counting: Counting) -> None:
    counting.reply = replies(
        {
            "wrong": WRONG,
            "cut": completion('{"name": "U', reason="length"),
            "down": FAILING,
            "never": completion(None, refusal="No."),
        }
    )
    data = pd.Series(["a", "wrong", "cut", "never", "down", None, "a"], index=list("tuvwxyz"))
    first = counting.extract(data)
    assert first["_status"].tolist() == ["ok", "invalid", "truncated", "refused", "failed", "skipped", "cached"]
    counting.reply = named
    whole = first.mf.retry(progress=False)
    assert whole["_status"].tolist() == ["ok"] * 5 + ["skipped", "cached"]
    assert whole["name"].tolist() == [*data[:5], pd.NA, "a"]
    assert whole["_error"].isna().all()
    assert counting.calls == 9
    assert first["_status"].tolist()[1] == "invalid"  # the first result does not change
    assert counting.extract(data)["_status"].tolist().count("cached") == 6


def test_a_failure_does_not_take_the_place_of_an_answer(counting: Counting, path: Path) -> None:
    counting.reply = replies({"a": WRONG})
    first = counting.extract(["a"], store=path)
    counting.reply = replies({"a": FAILING})
    again = first.mf.retry(progress=False)
    assert again["_status"].tolist() == ["failed"]
    assert again.mf.explain(0).text == '{"name": 3}'
    assert counting.extract(["a"], store=path)["_status"].tolist() == ["invalid"]
    assert counting.calls == 2


def test_states_choose_what_is_tried_again(counting: Counting) -> None:
    counting.reply = replies({"wrong": WRONG, "down": FAILING})
    first = counting.extract(["wrong", "down"])
    counting.reply = named
    assert first.mf.retry(states="failed", progress=False)["_status"].tolist() == ["invalid", "ok"]
    assert first.mf.retry(states=["invalid"], progress=False)["_status"].tolist() == ["ok", "ok"]
    with pytest.raises(ValueError, match="'wrong'"):
        first.mf.retry(states=["wrong"])


@pytest.mark.parametrize("max_concurrency", [1, 4])
def test_equal_rows_are_tried_again_once(counting: Counting, max_concurrency: int) -> None:
    counting.reply = replies({"wrong": WRONG})
    first = counting.extract(["wrong"] * 12, max_concurrency=max_concurrency)
    assert counting.calls == 1
    again = first.mf.retry(progress=False)
    assert again["_status"].tolist() == ["invalid"] * 12
    assert counting.calls == 2


def test_some_rows_of_a_result_stand_for_the_whole_run(counting: Counting) -> None:
    counting.reply = replies({"b": FAILING})
    first = counting.extract(["a", "b", "c"])
    counting.reply = named
    whole = first[first["_status"] == "failed"].mf.retry(progress=False)
    assert whole["name"].tolist() == ["a", "b", "c"]


# In another kernel


def test_another_kernel_is_told_what_it_has_to_be_given(counting: Counting, path: Path, restart: Any) -> None:
    first = stopped(counting, ["a", "b", "c"], store=path, prompt="{text}")
    restart()
    with pytest.raises(mf.StoreError, match=r"not the data, schema and model.*Person.*scripted about 3 rows.*'{text}'"):
        mf.resume(first)
    with pytest.raises(mf.StoreError, match="not the model"):
        mf.resume(first, ["a"], Person)
    assert counting.calls == 2


def test_another_kernel_goes_on_with_what_is_given(counting: Counting, path: Path, restart: Any) -> None:
    options = {"prompt": "Read: {text}", "system_prompt": "Be exact.", "examples": [("x", Person("X", 1))]}
    first = stopped(counting, ["Read: a"], store=path, **options)
    counting.reply = replies({"Read: b": FAILING})
    first = counting.extract(["a", "b", "c"], store=path, on_error="stop", max_concurrency=1, **options)
    name = first.attrs["report"]["run"]
    restart()
    counting.reply = named
    whole = mf.resume(name, ["a", "b", "c"], Person, model=counting.model(), store=path, progress=False)
    assert whole["_status"].tolist() == ["cached", "ok", "ok"]
    assert whole["name"].tolist() == ["Read: a", "Read: b", "Read: c"]
    assert counting.texts[-2:] == ["Read: b", "Read: c"]
    pd.testing.assert_series_equal(whole.dtypes, first.dtypes)
    assert whole.attrs["report"]["run"] == name
    assert mf.runs(path)["run"].tolist().count(name) == 1


def test_the_result_says_where_its_store_is(counting: Counting, path: Path, restart: Any) -> None:
    first = stopped(counting, ["a", "b"], store=path)
    restart()
    counting.reply = named
    whole = mf.resume(first, ["a", "b"], Person, model=counting.model(), progress=False)
    assert whole["_status"].tolist() == ["cached", "ok"]


def test_another_model_would_be_paid_for_every_row_and_is_refused(counting: Counting, path: Path, restart: Any) -> None:
    first = stopped(counting, ["a", "b"], store=path)
    restart()
    with pytest.raises(ValueError, match=r"expected scripted, .* got other"):
        mf.resume(first, ["a", "b"], Person, model=counting.model("other"))
    assert counting.calls == 2


def test_another_kernel_tries_again_what_failed(counting: Counting, path: Path, restart: Any) -> None:
    counting.reply = replies({"wrong": WRONG, "down": FAILING})
    first = counting.extract(["a", "wrong", "down"], store=path)
    restart()
    counting.reply = named
    whole = first.mf.retry(["a", "wrong", "down"], Person, model=counting.model(), progress=False)
    assert whole["_status"].tolist() == ["cached", "ok", "ok"]
    assert counting.calls == 5


def test_a_sample_is_resumed_as_a_sample(counting: Counting, path: Path, restart: Any) -> None:
    texts = [f"row {number}" for number in range(100)]
    counting.reply = lambda _: FAILING
    first = counting.extract(texts, store=path, sample=3)
    restart()
    counting.reply = named
    whole = mf.resume(first, texts, Person, model=counting.model(), progress=False)
    pd.testing.assert_index_equal(whole.index, first.index)
    assert whole["_status"].tolist() == ["ok"] * 3


def test_large_runs_are_kept_less_long(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_KEPT_ROWS", 5)
    names = []
    for texts, kept in (("ab", 1), ("c", 2), ("def", 2), ("ghijklm", 1), ("n", 1), ("o", 2)):
        names.append(counting.extract(list(texts)).attrs["report"]["run"])
        assert [one.name for one in known_runs()] == names[-kept:]
    assert mf.runs()["run"].tolist() == names  # what came of them is known


def test_the_last_sixteen_runs_of_a_kernel_can_go_on(counting: Counting) -> None:
    for number in range(17):
        counting.extract([str(number)])
    assert len(known_runs()) == 16
    oldest = mf.runs().iloc[0]
    with pytest.raises(mf.StoreError, match="Give them again"):
        mf.resume(oldest)
