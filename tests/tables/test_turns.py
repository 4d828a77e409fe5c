"""Tests that each request has one ticket at the gate: also corrections, other ways to ask, and unusable answers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.tables import run as run_module
from msgflux_nb.tables.gate import Gate
from tests.scripted import Reply, completion, error, serving
from tests.tables.scripted_model import bare


class City(msgspec.Struct):
    name: str
    people: int


GOOD = completion('{"name": "Ur", "people": 65000}')
WRONG = completion('{"name": "Ur", "people": "many"}')
RESET = Reply([b'{"id": "a", "choi'], cut=True)
PAGE = Reply([b"<html><title>One moment</title></html>"], headers={"Content-Type": "text/html"})
NO_CHOICES = Reply([b'{"id": "a", "model": "m", "choices": []}'], headers={"Content-Type": "application/json"})
NOTHING = Reply([b"{}"], headers={"Content-Type": "application/json"})


class Asked:
    """The requests: for each row, the number of first requests and of corrections."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.corrections: Counter[str] = Counter()
        self.times: list[float] = []
        self.lock = threading.Lock()

    @property
    def all(self) -> int:
        return len(self.times)


def extracted(
    reply: Callable[[str, bool, int], Reply], data: list[str], *, retries: int = 2, profile: Any = None, **options: Any
) -> tuple[pd.DataFrame, Asked]:
    """Extract with a server that chooses its reply by the row, the kind of request, and the number of its requests."""
    asked = Asked()
    with serving(completion()) as server:

        def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
            messages = body["messages"]
            row = next(bare(message["content"]) for message in messages if message["role"] == "user")
            corrects = messages[-1]["content"] != next(m["content"] for m in messages if m["role"] == "user")
            with asked.lock:
                seen = asked.corrections if corrects else asked.rows
                seen[row] += 1
                asked.times.append(time.monotonic())
            return reply(row, corrects, seen[row])

        server.next_reply = next_reply  # type: ignore[method-assign]  # replies by content and not by order
        model = mf.Model.chat_completion("scripted", base_url=server.url, max_retries=retries, profile=profile or {})
        options = {"store": False, **options}
        return mf.extract(data, City, model=model, progress=False, **options), asked


def corrected(first: Reply) -> Callable[[str, bool, int], Reply]:
    """Return a first answer that does not fit, then a failed correction, then one that fits."""
    return lambda row, corrects, count: WRONG if not corrects else first if count == 1 else GOOD


# A correction


@pytest.mark.parametrize(
    "fault",
    [error(429), error(429, retry_after="0.1"), error(503), error(500), RESET, PAGE, NO_CHOICES, NOTHING],
    ids=["429", "429 with a wait", "503", "500", "reset", "page", "no choices", "nothing"],
)
def test_a_correction_that_fails_for_a_moment_is_sent_again_and_the_row_is_not(fault: Reply) -> None:
    frame, asked = extracted(corrected(fault), ["a", "b", "c"])
    assert frame["_status"].tolist() == ["ok"] * 3
    assert set(asked.rows.values()) == {1}
    assert set(asked.corrections.values()) == {2}
    assert frame["_attempts"].tolist() == [3] * 3
    assert frame["_prompt_tokens"].tolist() == [8] * 3


def test_a_correction_that_fails_for_good_leaves_the_answer_that_was_paid_for() -> None:
    frame, asked = extracted(lambda row, corrects, count: error(500) if corrects else WRONG, ["a"])
    assert frame["_status"].tolist() == ["invalid"]
    assert asked.rows["a"] == 1
    assert asked.corrections["a"] == 3
    assert frame["_prompt_tokens"].tolist() == [4]


def test_many_refusals_of_a_correction_do_not_count_against_its_retries() -> None:
    def reply(row: str, corrects: bool, count: int) -> Reply:
        return WRONG if not corrects else error(429, retry_after="0.05") if count < 6 else GOOD

    frame, _ = extracted(reply, ["a"], retries=0)
    assert frame["_status"].tolist() == ["ok"]


def test_the_gate_hears_of_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, heard = Gate(start=8), Counter[str]()

    def counted(name: str) -> None:
        whole = getattr(gate, name)

        def counting(*asked: Any, **more: Any) -> Any:
            heard[name] += 1
            return whole(*asked, **more)

        monkeypatch.setattr(gate, name, counting)

    for name in ("enter", "succeed", "congest", "leave"):
        counted(name)
    monkeypatch.setattr(run_module, "gate_of", lambda key, name: gate)
    frame, asked = extracted(corrected(error(429)), ["a", "b", "c", "d"])
    assert frame["_status"].tolist() == ["ok"] * 4
    assert heard["enter"] == asked.all == 12
    assert (heard["succeed"], heard["congest"], heard["leave"]) == (8, 4, 0)
    assert gate.under_way == 0


def test_corrections_count_as_requests_a_minute() -> None:
    frame, asked = extracted(corrected(GOOD), [f"row {number}" for number in range(5)], rpm=600)
    assert frame["_status"].tolist() == ["ok"] * 5
    assert asked.all == 10
    assert max(asked.times) - min(asked.times) > 0.8  # ten requests at 0.1 s


def test_a_batch_that_stops_before_a_correction_keeps_what_was_paid_for() -> None:
    wrong_soon = Reply([0.2, *WRONG.pieces], headers=WRONG.headers)

    def reply(row: str, corrects: bool, count: int) -> Reply:
        return GOOD if corrects else wrong_soon if row == "a" else error(402, "insufficient credits")

    frame, asked = extracted(reply, ["a", "b"])
    assert frame["_status"].tolist() == ["invalid", "pending"]
    assert frame["_prompt_tokens"].tolist()[0] == 4
    assert asked.corrections == {}


def test_an_interrupt_while_a_correction_is_under_way_keeps_what_was_paid_for() -> None:
    async def main() -> pd.DataFrame:
        with serving(completion()) as server:
            begun = threading.Event()

            def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
                if len(body["messages"]) <= 2:
                    return WRONG
                begun.set()
                return Reply([5.0, *GOOD.pieces], headers=GOOD.headers)

            server.next_reply = next_reply  # type: ignore[method-assign]  # replies by content
            model = mf.Model.chat_completion("scripted", base_url=server.url)
            task = asyncio.ensure_future(mf.aextract(["a"], City, model=model, progress=False))
            await asyncio.to_thread(begun.wait, 5)
            await asyncio.sleep(0.05)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as cancelled:
                return cancelled.result  # type: ignore[attr-defined]  # evidence
        raise AssertionError("it was not cancelled")

    frame = asyncio.run(main())
    assert frame["_status"].tolist() == ["invalid"]
    assert frame["_prompt_tokens"].tolist() == [4]


@pytest.mark.parametrize("how", ["sync", "async", "stream", "async stream"])
def test_a_call_of_its_own_sends_a_correction_again_too(how: str) -> None:
    with serving(WRONG, error(503, retry_after="0.01"), GOOD) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url)

        async def ask() -> Any:
            answer = await model.acall("a", generation_schema=City, stream=how == "async stream")
            found = answer.consume()
            return await found if asyncio.iscoroutine(found) else found

        if how in ("sync", "stream"):
            value = model("a", generation_schema=City, stream=how == "stream").consume()
        else:
            value = asyncio.run(ask())
        assert len(server.bodies) == 3
    assert value == City("Ur", 65_000)


# Other ways to ask, and unusable answers


def test_another_way_to_ask_is_a_request_of_its_own() -> None:
    def reply(row: str, corrects: bool, count: int) -> Reply:
        if count == 1:
            return error(400, "response_format json_schema is not supported")
        return error(503, retry_after="0.05") if count == 2 else GOOD

    frame, asked = extracted(reply, ["a"])
    assert frame["_status"].tolist() == ["ok"]
    assert asked.rows["a"] == 3


@pytest.mark.parametrize("odd", [PAGE, NO_CHOICES, NOTHING], ids=["page", "no choices", "nothing"])
def test_a_body_that_is_not_an_answer_is_asked_for_again_a_few_times(odd: Reply) -> None:
    frame, asked = extracted(lambda row, corrects, count: odd if count == 1 else GOOD, ["a", "b"])
    assert frame["_status"].tolist() == ["ok", "ok"]
    assert asked.all == 4
    frame, asked = extracted(lambda row, corrects, count: odd, ["a"])
    assert frame["_status"].tolist() == ["failed"]
    assert asked.all == 3
    assert json.dumps(frame["_error"].tolist()) != "[null]"
