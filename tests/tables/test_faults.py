"""Tests whether a failure concerns one row, the endpoint for some time, or every row of a batch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from tests.protocol.test_fault import CASES
from tests.scripted import Reply, completion, model_at, serving

OK = '{"name": "Ada", "age": 36}'


class Person(msgspec.Struct):
    name: str
    age: int


@pytest.fixture(autouse=True)
def nothing_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was learnt of servers: the server of another test may have the same port."""
    monkeypatch.setattr(server_quirks, "_known", {})


def reply(status: int, body: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, str) else json.dumps(body)
    data = text.replace("1700040000000", f"{time.time() + 40_000:.0f}").encode()  # a day that has not ended yet
    return Reply([data] if data else [], status=status, headers=named)


def run(rows: list[str], answer: Callable[[str], Reply], **options: Any) -> tuple[list[str], str | None, int]:
    """Return how rows end, why the batch stopped, and the number of requests."""
    with serving(completion(OK)) as server:
        usual = server.next_reply

        def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
            usual(body, headers)
            return answer(body["messages"][-1]["content"])

        server.next_reply = next_reply  # type: ignore[method-assign]
        options = {"max_concurrency": 1, **options}
        frame = mf.extract(rows, Person, model=model_at(server.url), progress=False, store=False, **options)
        return frame["_status"].tolist(), frame.attrs["report"]["stopped"], len(server.bodies)


def of(fault: str) -> Iterator[Any]:
    for case in CASES:
        if case["fault"] == fault:
            yield pytest.param(case, id=f"{case['who']}-{case['status']}-{case['error']}")


ROWS = [*(f"bad {number}" for number in range(6)), *(f"row {number}" for number in range(6))]


@pytest.mark.parametrize("case", [*of("content"), *of("size")])
def test_an_error_of_one_row_never_stops_the_others(case: dict[str, Any]) -> None:
    refused = reply(case["status"], case["body"])
    states, stopped, requests = run(ROWS, lambda text: refused if "bad" in text else completion(OK))
    assert states == ["refused" if case["error"] == "PromptFilteredError" else "failed"] * 6 + ["ok"] * 6
    assert stopped is None
    assert requests == 12


@pytest.mark.parametrize("case", [*of("account")])
def test_an_empty_account_ends_the_batch_and_its_rows_are_pending(case: dict[str, Any]) -> None:
    states, stopped, requests = run(["a", "b", "c"], lambda text: reply(case["status"], case["body"]))
    assert states == ["pending"] * 3
    assert stopped is not None
    assert requests == 1


@pytest.mark.parametrize("case", [*of("settings")])
def test_what_is_wrong_for_every_row_is_paid_for_once(case: dict[str, Any]) -> None:
    states, stopped, requests = run(["a", "b", "c"], lambda text: reply(case["status"], case["body"]))
    assert states == ["failed", "pending", "pending"]
    assert stopped is not None
    assert requests == 1


@pytest.mark.parametrize("case", [*of("unknown")])
def test_an_unknown_error_stops_a_batch_if_all_first_rows_fail_with_it(case: dict[str, Any]) -> None:
    refused = reply(case["status"], case["body"])
    states, stopped, _ = run(ROWS, lambda text: refused if "bad" in text else completion(OK))
    assert states == ["failed"] * 5 + ["pending"] * 7
    assert stopped is not None
    states, stopped, _ = run(["row", *ROWS], lambda text: refused if "bad" in text else completion(OK))
    assert states == ["ok"] + ["failed"] * 6 + ["ok"] * 6
    assert stopped is None


WAITS = [
    [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no", "details": [{"retryDelay": "0.6s"}]}}],
    {"error": {"message": "Rate limit reached. Please try again in 600ms. Upgrade at https://x.example/billing"}},
    {"error": {"message": "busy", "metadata": {"headers": {"Retry-After": "0.6"}}}},
    {"detail": "busy", "retry_after_ms": 600},
]


@pytest.mark.parametrize("body", WAITS, ids=str)
def test_a_row_waits_as_long_as_an_error_body_asks(body: Any) -> None:
    came: list[float] = []

    def answer(text: str) -> Reply:
        came.append(time.monotonic())
        return reply(429, body) if len(came) == 1 else completion(OK)

    states, stopped, requests = run(["a", "b", "c"], answer)
    assert states == ["ok"] * 3
    assert (stopped, requests) == (None, 4)
    assert came[1] - came[0] >= 0.59


def test_rows_that_are_too_large_slow_nobody_down() -> None:
    case = next(case for case in CASES if case["fault"] == "size" and case["status"] == 429)
    rows = [f"bad {number}" if number % 4 == 0 else f"row {number}" for number in range(80)]
    began = time.monotonic()
    refused = reply(429, case["body"])
    states, _, requests = run(rows, lambda text: refused if "bad" in text else completion(OK), max_concurrency=8)
    assert states == ["failed" if "bad" in row else "ok" for row in rows]
    assert requests == 80
    assert time.monotonic() - began < 8


def test_a_filter_that_answers_with_status_200_refuses_the_row() -> None:
    blocked = reply(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}})
    states, stopped, _ = run(ROWS, lambda text: blocked if "bad" in text else completion(OK))
    assert states == ["refused"] * 6 + ["ok"] * 6
    assert stopped is None
