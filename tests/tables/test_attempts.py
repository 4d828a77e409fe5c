"""Tests that ``_attempts`` counts each request of a row: refused, failed, corrections, and those of a resumed run."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from tests.scripted import Reply, completion, error
from tests.tables.counting import Counting, counting, named

__all__ = ["counting"]

BAD = completion('{"name": 3}')
PLANS: dict[str, list[Reply]] = {
    "good at once": [],
    "refused": [error(429, "slow down")],
    "failed": [error(500, "down"), error(503, "down")],
    "no choices": [Reply([b'{"choices": []}'])],
    "corrected": [BAD],
    "all of it": [error(429, "slow down"), error(500, "down"), BAD, error(429, "slow down")],
    "never good": [BAD] * 9,
    "given up": [error(500, "down")] * 9,
}


def planned(counting: Counting) -> collections.Counter[str]:
    came: collections.Counter[str] = collections.Counter()

    def reply(text: str) -> Reply:
        row = next(name for name in PLANS if text.startswith(name))
        came[row] += 1
        return PLANS[row][came[row] - 1] if came[row] <= len(PLANS[row]) else named(row)

    counting.reply = reply
    return came


@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_each_request_counts(counting: Counting, max_concurrency: int) -> None:
    seen: collections.Counter[str] = collections.Counter()

    def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
        first = next(message for message in body["messages"] if message["role"] == "user")
        row = next(name for name in PLANS if name in str(first["content"]))
        with counting.server.lock:
            counting.server.bodies.append(body)
            seen[row] += 1
            number = seen[row]
        return PLANS[row][number - 1] if number <= len(PLANS[row]) else named(row)

    counting.server.next_reply = next_reply  # type: ignore[method-assign]  # by the row, whatever is asked
    model = counting.model(max_retries=2, profile={"reasks": 1})
    frame = counting.extract(list(PLANS), model=model, max_concurrency=max_concurrency)
    assert dict(zip(PLANS, frame["_attempts"], strict=True)) == dict(seen)
    assert frame["_status"].tolist() == ["ok"] * 6 + ["invalid", "failed"]


def test_a_run_that_goes_on_counts_on(counting: Counting, tmp_path: Path) -> None:
    came = planned(counting)
    model = counting.model(max_retries=1)
    frame = counting.extract(["given up", "good at once"], model=model, store=tmp_path / "run.sqlite")
    assert frame["_attempts"].tolist() == [2, 1]
    frame = mf.resume(frame, progress=False)
    assert frame["_attempts"].tolist() == [4, 1]
    assert dict(came) == {"given up": 4, "good at once": 1}
