"""Tests that each limit ends each driver within one call, cancels what is in flight, and keeps trace and events."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.errors import StreamInterruptedError
from tests.reasoning.test_plans import both, run
from tests.reasoning.test_tools import add
from tests.scripted import Reply, Server, serving

PRICE = 0.25  # a call, and 7 tokens
SLOW_SECONDS = 20.0
DRIVERS = ("react", "self_consistency", "tree_of_thoughts")
drivers = pytest.mark.parametrize("driver", DRIVERS)


def answer(body: dict[str, Any], reply: Callable[[str], Reply]) -> Reply:
    """Answer a driver's request, in any order: with a call while there are tools, else with a value of the schema."""
    asked = json.dumps(body["messages"])
    if body.get("tools"):
        function = {"name": "add", "arguments": json.dumps({"thought": "go on", "a": 1, "b": 2})}
        calls = [{"id": f"c{len(body['messages'])}", "type": "function", "function": function}]
        return reply(json.dumps({"tool_calls": calls}))
    if "Propose" in asked:
        return reply(json.dumps({"thoughts": ["left", "right"]}))
    if "How likely" in asked:
        return reply(json.dumps({"reason": "so", "score": 0.5}))
    if "response_format" in body or "json_schema" in body:
        steps = [{"explanation": "so", "output": "it is"}]
        return reply(json.dumps({"steps": steps, "final_answer": "yes"}))
    return reply("closing")


def priced(text: str) -> Reply:
    """Return a whole answer with its price."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if text.startswith('{"tool_calls"'):
        message = {"role": "assistant", "content": None, **json.loads(text)}
    usage = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, "cost": PRICE}
    body = {"id": "a", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return Reply([json.dumps({**body, "usage": usage}).encode()], headers={"Content-Type": "application/json"})


class Answering(Server):
    """Answers by the content of a request; after a number of requests, some of them hang."""

    slow_from: int | None = None

    def next_reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            number = len(self.bodies)
        reply = answer(body, priced)
        closing = reply.pieces == priced("closing").pieces
        if self.slow_from is not None and number >= self.slow_from and not closing:
            return Reply([SLOW_SECONDS, *reply.pieces], headers=reply.headers)
        return reply


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("tests.scripted.Server", Answering)
    with serving() as made:
        yield made


def keywords(driver: str, twin: bool, **more: Any) -> dict[str, Any]:
    own: dict[str, Any] = {"tools": [add], "max_steps": 50}
    if driver != "react":
        own = {"n": 50} if driver == "self_consistency" else {"depth": 9, "breadth": 2}
        own |= {"max_concurrency": 3} if twin else {}  # what the server's backlog takes at once
    return {**own, **more}


def model(server: Server) -> Any:
    return mf.Model.chat_completion("scripted", base_url=server.url, max_retries=0)


def whole(driver: str, result: Any) -> bool:
    """Return whether the trace has everything that came."""
    if driver == "react":
        turns = [entry for entry in result.trace if isinstance(entry, mf.plan.Turn)]
        return len(turns) == result.calls and all(len(turn.steps) == 1 for turn in turns[:-1])
    asked = [entry for entry in result.trace if isinstance(entry, mf.plan.Asked)]
    return len(asked) == result.calls


@both
@drivers
@pytest.mark.parametrize(("limit", "most"), [("max_calls", 6), ("max_tokens", 36), ("max_cost", 1.3)])
def test_a_limit_ends_a_driver_within_one_call(
    server: Answering, driver: str, limit: str, most: float, twin: bool
) -> None:
    result = run(driver, twin, model(server), "well?", **keywords(driver, twin), **{limit: most})
    assert result.stopped == limit
    assert len(server.bodies) == result.calls
    closing = driver != "self_consistency"
    assert result.calls == (6 if limit == "max_calls" else 6 + closing)  # 36 tokens, $1.30: reached by the sixth call
    assert result.cost == pytest.approx(result.calls * PRICE)
    assert result.usage.total_tokens == 7 * result.calls
    assert result.final_answer == ("closing" if closing else "yes")
    assert whole(driver, result)


@both
@drivers
def test_max_seconds_cancels_what_is_in_flight(server: Answering, driver: str, twin: bool) -> None:
    server.slow_from = 3
    began = time.monotonic()
    result = run(driver, twin, model(server), "well?", **keywords(driver, twin), max_seconds=0.6)
    assert time.monotonic() - began < SLOW_SECONDS / 4
    assert server.left.wait(10)  # the connection was closed, so that nothing more is billed
    assert result.stopped == "max_seconds"
    assert result.calls == len(server.bodies)
    assert result.final_answer == ("yes" if driver == "self_consistency" else "closing")
    if driver != "react":
        cut = [entry for entry in result.trace if isinstance(entry, mf.plan.Asked) and entry.problem]
        assert cut
        assert all("max_seconds" in str(entry.problem) for entry in cut)
    assert len(result.responses) == result.calls - (1 if not twin or driver == "react" else len(cut))


@both
@drivers
def test_a_plan_that_is_stopped_from_another_thread_keeps_everything(
    server: Answering, driver: str, twin: bool
) -> None:
    server.slow_from = 3
    told: list[Any] = []

    def listen(event: Any) -> None:
        told.append(event)
        if isinstance(event, mf.plan.PlanStarted):
            threading.Timer(0.5, event.stop).start()

    streamed = {"on_event": listen}
    if driver == "react":
        server.slow_from = 1  # its answers are streamed then, which this server does not do: the first one hangs
    began = time.monotonic()
    with pytest.raises(StreamInterruptedError, match="the plan was stopped") as caught:
        run(driver, twin, model(server), "well?", **keywords(driver, twin), **streamed)
    assert time.monotonic() - began < SLOW_SECONDS / 4
    plan = caught.value.plan  # type: ignore[attr-defined]  # what ends a plan has its result
    assert plan.stopped == "interrupted"
    assert len(plan.responses) == (0 if driver == "react" else 2)
    assert isinstance(told[-1], mf.plan.PlanEnded)
    assert told[-1].error is caught.value
    assert told[-1].result == plan


@both
def test_a_tool_that_is_awaited_is_cut_at_max_seconds(server: Answering, twin: bool) -> None:
    slow = threading.Event()

    def wait(a: int, b: int) -> int:
        slow.wait(0.4)
        return a + b

    async def wait_long(a: int, b: int) -> int:
        await asyncio.sleep(SLOW_SECONDS)
        return a + b

    tool = wait_long if twin else wait
    tool.__name__ = "add"
    began = time.monotonic()
    result = run("react", twin, model(server), "well?", tools=[tool], max_steps=50, max_seconds=0.3)
    assert time.monotonic() - began < SLOW_SECONDS / 4
    assert (result.stopped, result.final_answer) == ("max_seconds", "closing")
    (step,) = result.trace[0].steps
    assert ("max_seconds was reached" in step.result) is twin


@drivers
def test_an_interrupt_keeps_everything(server: Answering, driver: str) -> None:
    def listen(event: Any) -> None:
        if isinstance(event, mf.plan.Spent) and event.calls == 3:
            raise KeyboardInterrupt

    own = keywords(driver, False)
    if driver == "react":  # with on_event its answers are streamed
        own["on_result"] = lambda call, result: _interrupt_at(server, 3)
    else:
        own["on_event"] = listen
    with pytest.raises(KeyboardInterrupt) as caught:
        run(driver, False, model(server), "well?", **own)
    plan = caught.value.plan  # type: ignore[attr-defined]  # what ends a plan has its result
    assert (plan.stopped, len(plan.responses), plan.calls) == ("interrupted", 3, 3)


def _interrupt_at(server: Server, count: int) -> None:
    if len(server.bodies) == count:
        raise KeyboardInterrupt


@both
@pytest.mark.parametrize("driver", DRIVERS[1:])
def test_the_events_of_a_plan_are_those_of_its_trace(server: Answering, driver: str, twin: bool) -> None:
    told: list[Any] = []
    result = run(driver, twin, model(server), "well?", **keywords(driver, twin), max_calls=8, on_event=told.append)
    assert isinstance(told[0], mf.plan.PlanStarted)
    assert (told[0].kind, told[0].limits) == (driver, {"max_calls": 8})
    assert told[-1] == mf.plan.PlanEnded(result)
    asked = [event for event in told if isinstance(event, mf.plan.Asked)]
    assert tuple(asked) == tuple(entry for entry in result.trace if isinstance(entry, mf.plan.Asked))
    last = {getattr(event, "id", getattr(event, "number", None)): event for event in told if _is_own(event)}
    own = [entry for entry in result.trace if _is_own(entry)]
    assert [last[key] for key in sorted(last)] == own  # side by side, they come in any order
    assert [event.calls for event in told if isinstance(event, mf.plan.Spent)] == list(range(1, 9))
    assert sum(isinstance(event, mf.plan.Asking) for event in told) == 8


def _is_own(event: Any) -> bool:
    return isinstance(event, mf.plan.Node | mf.plan.Sample)


def test_a_plan_on_a_thread_is_watched_from_its_beginning_and_stopped(server: Answering) -> None:
    server.slow_from = 3
    started = mf.plan.start(mf.plan.self_consistency, model(server), "well?", n=50, max_concurrency=2)
    while len(server.bodies) < 3:
        time.sleep(0.01)
    told: list[Any] = []
    started.watch(told.append)
    assert isinstance(told[0][1], mf.plan.PlanStarted)
    assert started.wait(0.01) is None
    started.stop()
    plan = started.wait(5)
    assert plan is not None
    assert (started.state, plan.stopped, plan.final_answer) == ("stopped", "interrupted", "yes")
    assert 1 <= len(plan.responses) <= 2
    assert (told[-2][1].result, told[-1]) == (plan, None)
    again: list[Any] = []
    started.watch(again.append)
    assert again == told


def test_a_plan_on_a_thread_says_what_went_wrong() -> None:
    failing = mf.plan.start(mf.plan.self_consistency, lambda task: 1 / 0, "?")
    with pytest.raises(ZeroDivisionError):
        failing.wait(5)
    assert failing.state == "failed"
    with pytest.raises(TypeError, match=r"driver: expected one of mf\.plan\.react"):
        mf.plan.start(print, "?")


@both
def test_a_sample_is_reported_as_soon_as_it_came(server: Answering, twin: bool) -> None:
    server.slow_from = 4  # the others hang until the plan is stopped, which waits for three samples
    told: list[Any] = []

    def listen(event: Any) -> None:
        told.append(event)
        if isinstance(event, mf.plan.Sample) and sum(isinstance(one, mf.plan.Sample) for one in told) == 3:
            next(one for one in told if isinstance(one, mf.plan.PlanStarted)).stop()

    keywords_ = {"n": 9, **({"max_concurrency": 2} if twin else {})}
    with pytest.raises(StreamInterruptedError) as caught:
        run("self_consistency", twin, model(server), "?", on_event=listen, **keywords_)
    samples = [event for event in told if isinstance(event, mf.plan.Sample)]
    assert len({event.number for event in samples}) == len(samples) == 3  # each is counted as it was told
    assert caught.value.plan.margin == 1
