"""Equal requests in flight at the same time, within a batch and between batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

import msgflux_nb as mf
from tests.scripted import Reply, completion, error, serving
from tests.tables.scripted_model import bare


class City(msgspec.Struct):
    name: str


ROWS = [f"row {number}" for number in range(20)]
SOON = Reply([0.2, *completion('{"name": "Ur"}').pieces], headers=completion().headers)


def together(
    batches: list[dict[str, Any]], *, reply: Any = lambda row, count: SOON, cancel: int | None = None, **model: Any
) -> tuple[list[Any], Counter[str]]:
    """Run batches at the same time; return their frames and the number of requests of each row."""
    asked: Counter[str] = Counter()

    async def main(url: str) -> list[Any]:
        model_ = mf.Model.chat_completion("scripted", base_url=url, max_retries=0, **model)
        tasks = [
            asyncio.ensure_future(mf.aextract(ROWS, City, model=model_, progress=False, max_concurrency=32, **options))
            for options in batches
        ]
        if cancel is not None:
            await asyncio.sleep(0.1)
            tasks[cancel].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with serving(completion()) as server:

        def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
            row = bare(body["messages"][-1]["content"])
            with server.lock:
                asked[row] += 1
                count = asked[row]
            found: Reply = reply(row, count)
            return found

        server.next_reply = next_reply  # type: ignore[method-assign]  # replies by content
        return asyncio.run(main(server.url)), asked


def states(frame: pd.DataFrame) -> set[str]:
    return set(frame["_status"])


def test_equal_rows_of_batches_that_run_at_the_same_time_are_paid_for_once() -> None:
    frames, asked = together([{}, {}, {}])
    assert asked.total() == 20
    assert states(pd.concat(frames)) == {"ok", "cached"}
    assert sum(frame["_prompt_tokens"].sum() for frame in frames) == 20 * 4
    assert all(frame["name"].tolist() == ["Ur"] * 20 for frame in frames)


def test_each_of_them_keeps_the_answers_in_its_own_store(tmp_path: Path) -> None:
    stores = [tmp_path / "one.sqlite", tmp_path / "two.sqlite"]

    async def main(model: mf.ChatCompletion) -> None:
        await asyncio.gather(*(mf.aextract(ROWS, City, model=model, progress=False, store=store) for store in stores))

    with serving(SOON) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        asyncio.run(main(model))
        assert len(server.bodies) == 20
        for store in stores:
            assert states(mf.extract(ROWS, City, model=model, progress=False, store=store)) == {"cached"}
        assert len(server.bodies) == 20


def test_a_batch_without_a_store_shares_no_answers() -> None:
    _, asked = together([{"store": False}, {"store": False}])
    assert asked.total() == 40


def test_a_batch_that_is_cancelled_leaves_its_rows_to_the_others() -> None:
    (cancelled, whole), asked = together([{}, {}], cancel=0)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert states(whole) == {"ok"}
    assert max(asked.values()) == 2


def test_a_failure_of_one_batch_is_not_another_ones() -> None:
    slow_failure = Reply([0.2, *error(400).pieces], status=400)
    frames, asked = together([{}, {}], reply=lambda row, count: slow_failure if count == 1 and row == ROWS[0] else SOON)
    assert sorted(frame["_status"].iloc[0] for frame in frames) == ["failed", "ok"]
    assert asked[ROWS[0]] == 2
    assert asked.total() == 21


def test_no_task_is_left_behind_by_a_cancellation() -> None:
    async def main(url: str) -> int:
        model = mf.Model.chat_completion("scripted", base_url=url)
        before = len(asyncio.all_tasks())
        for _ in range(3):
            task = asyncio.ensure_future(mf.aextract(["a"], City, model=model, progress=False, store=False))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks()) - before

    with serving(Reply([5.0, b"{}"])) as server:
        assert asyncio.run(main(server.url)) == 0
