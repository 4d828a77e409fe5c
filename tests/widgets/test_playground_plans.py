"""A plan schema in the playground: asked for in one call, or run as a plan, whose view is shown in the panel."""

from __future__ import annotations

import json
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.generation.plan import ChainOfThoughts, ReAct, SelfConsistency, TreeOfThoughts
from msgflux_nb.widgets.playground.plan_side import driver_name
from tests.reasoning.test_tools import add, calling
from tests.scripted import Reply, completion, serving, stream

from .bench import Bench, answers, eventually, model_of


def chain(value: int) -> Reply:
    steps = [{"explanation": "6 times 7", "output": str(value)}]
    return completion(json.dumps({"steps": steps, "final_answer": value}))


def playground(server: Any, schema: Any, **more: Any) -> mf.Playground:
    made = mf.Playground(model_of(server), prompt="6 times 7?", **more)
    made.picker.value = schema
    return made


@pytest.mark.parametrize(
    ("schema", "driver"),
    [
        (ReAct[int], "react"),
        (SelfConsistency, "self_consistency"),
        (TreeOfThoughts[str], "tree_of_thoughts"),
        (ChainOfThoughts[int], ""),
        (None, ""),
    ],
)
def test_a_plan_schema_offers_its_driver(schema: Any, driver: str) -> None:
    assert driver_name(schema) == driver
    board = mf.Playground("local/smollm2-135m")
    board.picker.value = schema
    assert board.plan_driver == driver
    board.close()


def test_a_vote_is_run_and_its_answer_is_the_turn_and_the_value() -> None:
    with serving(chain(42), chain(41), chain(42)) as server:
        board = playground(server, SelfConsistency[int])
        board.runs_plan = True
        board.plan_options = {"n": 3, "max_concurrency": 1}
        board.run(wait=True)
        assert (board.value, board.messages[-1]) == (42, {"role": "assistant", "content": "42"})
        assert isinstance(board.response, mf.plan.PlanResult)
        assert (board.plan.state, board.plan.result) == ("complete", board.response)
        assert len(board.to_frame()) == 3
        assert "3 calls" in board._twin()["text/plain"]
        assert "response = mf.plan.self_consistency(" in board.code
        assert "messages, answer=int, n=3, max_concurrency=1)" in board.code
        board.close()


def test_one_call_fills_the_structure_as_ever() -> None:
    path = {"steps": [{"explanation": "so", "output": "42"}], "answer": 42}
    told = {"paths": [path] * 3, "final_answer": 42}
    with serving(stream(json.dumps(told))) as server:
        board = playground(server, SelfConsistency[int])
        board.run()
        eventually(lambda: not board.running, "the run is over")
        assert len(server.bodies) >= 1
        assert board.plan.state == "idle"
        board.close()


def test_react_has_the_tools_and_each_call_is_approved() -> None:
    call = calling(("c1", "add", {"thought": "sum them", "a": 17, "b": 25}))
    with serving(call, stream("42")) as server:
        board = playground(server, ReAct[int], tools=[add], approve="auto")
        board.runs_plan = True
        board.run(wait=True)
        assert board.value == 42
        assert [call.arguments for call in board.calls.value] == [{"thought": "sum them", "a": 17, "b": 25}]
        assert [step.name for _, step in board.plan._moments.steps] == ["add"]
        board.close()


def test_stop_ends_the_plan_and_keeps_what_came() -> None:
    late = chain(41)
    late.pieces.insert(0, 60.0)
    with serving(chain(42), late) as server:
        board = playground(server, SelfConsistency[int])
        board.runs_plan = True
        board.plan_options = {"n": 9, "max_concurrency": 1}
        board.run()
        eventually(lambda: len(server.bodies) == 2, "the second sample is asked for")
        board.stop()
        eventually(lambda: not board.running, "the run is over")
        assert server.left.wait(5)
        eventually(lambda: board.plan.state == "stopped", "the plan is stopped")
        assert board._rounds.state == "stopped"
        assert board.plan.result.final_answer == 42
        assert board.messages[-1]["role"] == "user"
        board.close()


@answers(stream("Hello"))
def test_without_a_plan_nothing_is_different(bench: Bench) -> None:
    bench.playground.runs_plan = True
    bench.playground.prompt = "Hi"
    bench.playground.run(wait=True)
    assert (bench.playground.value, bench.playground.plan.state) == ("Hello", "idle")
