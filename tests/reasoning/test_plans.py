"""Tests that plans end within their budgets, keep everything that happened, and take the user's functions."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from typing import Any

import msgspec
import numpy as np
import pytest

import msgflux_nb as mf
from msgflux_nb.reasoning.budget import Budget
from msgflux_nb.reasoning.tool_loop import RunEnded
from tests.reasoning.test_tools import add, calling
from tests.scripted import Reply, chunk, completion, serving, stream

PRICED = {"max_calls": 3, "max_tokens": 14, "max_seconds": 0.000001}


def chain(answer: Any) -> Reply:
    return completion(json.dumps({"steps": [{"explanation": "so", "output": "it is"}], "final_answer": answer}))


def calling_in_a_stream(*calls: tuple[str, str, Any]) -> Reply:
    pieces: list[Any] = [
        chunk(
            tool_calls=[
                {
                    "index": number,
                    "id": call_id,
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(given)},
                }
            ]
        )
        for number, (call_id, name, given) in enumerate(calls)
    ]
    return stream(*pieces)


def run(driver: str, twin: bool, *given: Any, **keywords: Any) -> Any:
    if twin:
        return asyncio.run(getattr(mf.plan, f"a{driver}")(*given, **keywords))
    return getattr(mf.plan, driver)(*given, **keywords)


both = pytest.mark.parametrize("twin", [False, True], ids=["sync", "async"])


def model(url: str, **options: Any) -> Any:
    return mf.Model.chat_completion("scripted", base_url=url, **options)


@both
def test_react_runs_tools_and_keeps_the_thought_of_each_call(twin: bool) -> None:
    call = calling(("c1", "add", {"thought": "sum them", "a": 17, "b": 25}))
    with serving(call, completion("42")) as server:
        result = run("react", twin, model(server.url), "17 + 25?", tools=[add], answer=int)
        first, second = server.bodies
    assert (result.final_answer, result.calls, result.stopped) == (42, 2, None)
    step = result.trace[0].steps[0]
    assert (step.thought, step.arguments, step.result) == ("sum them", {"a": 17, "b": 25}, "42")
    assert first["tools"][0]["function"]["parameters"]["required"][0] == "thought"
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "c1", "content": "42"}
    assert result.messages[-1] == {"role": "assistant", "content": "42"}
    assert len(result.to_frame()) == 2


@both
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_model_that_has_to_call_answers_by_a_tool(twin: bool, streamed: bool) -> None:
    told: list[Any] = []
    asked: list[str] = []
    listening: dict[str, Any] = {"on_event": told.append} if streamed else {}
    calls = (
        [("c1", "add", {"thought": "sum", "a": 17, "b": 25}), ("c2", "final_answer", {"answer": 42})],
        [("c3", "final_answer", {"answer": "many"})],
        [("c4", "final_answer", {"answer": "42"})],
    )
    with serving(*((calling_in_a_stream if streamed else calling)(*one) for one in calls)) as server:
        result = run(
            "react",
            twin,
            model(server.url),
            "17 + 25?",
            tools=[add],
            answer=int,
            answer_tool=True,
            on_request=lambda call: asked.append(call.name),
            **listening,
        )
        bodies = server.bodies
    assert (result.final_answer, result.calls, result.stopped) == (42, 3, None)
    assert {body["tool_choice"] for body in bodies} == {"required"}
    assert not any("response_format" in body for body in bodies)
    assert bodies[0]["tools"][1]["function"]["parameters"]["properties"]["answer"]["type"] == "integer"
    both_at_once = {step.name: step.result for step in result.trace[0].steps}
    assert both_at_once["add"] == "42"
    assert "call final_answer alone" in both_at_once["final_answer"]
    assert "expected int" in result.trace[1].steps[0].result
    assert (result.trace[2].text, result.trace[2].steps) == ("42", ())
    assert asked == ["add"]
    assert result.messages[-1] == {"role": "assistant", "content": "42"}
    assert not streamed or told[-1].result == result


@both
def test_a_limit_ends_an_answer_by_a_tool_with_one_closing_call_without_tools(twin: bool) -> None:
    with serving(calling(("c1", "add", {"a": 1})), completion("2")) as server:
        result = run("react", twin, model(server.url), "add", tools=[add], answer=int, answer_tool=True, max_calls=2)
        last = server.bodies[-1]
    assert (result.final_answer, result.stopped, result.calls) == (2, "max_calls", 2)
    assert not {"tools", "tool_choice"} & set(last)


@both
def test_a_tool_of_the_name_of_the_answer_is_refused(twin: bool) -> None:
    def final_answer() -> str:
        return ""

    with pytest.raises(ValueError, match="Rename yours"):
        run("react", twin, model("http://127.0.0.1:9"), "add", tools=[final_answer], answer_tool=True)


@both
@pytest.mark.parametrize(("limit", "most"), PRICED.items())
def test_a_limit_ends_react_with_one_closing_call_without_tools(limit: str, most: float, twin: bool) -> None:
    with serving(calling(("c1", "add", {"a": 1})), calling(("c2", "add", {"a": 2})), completion("so far")) as server:
        if limit == "max_seconds":
            server.replies[:2] = []
        result = run("react", twin, model(server.url), "add", tools=[add], **{limit: most})
        last = server.bodies[-1]
    assert (result.final_answer, result.stopped) == ("so far", limit)
    assert "tools" not in last
    assert result.calls == len(result.responses) <= 4
    assert [turn.closing for turn in result.trace][-1]
    if limit != "max_seconds":
        assert "gave: 2" in last["messages"][-1]["content"]
        assert [len(turn.steps) for turn in result.trace] == [1, 1, 0]


@both
def test_react_tells_events_of_a_streamed_answer(twin: bool) -> None:
    told: list[Any] = []
    with serving(stream("4", "2")) as server:
        result = run("react", twin, model(server.url), "17 + 25?", tools=[add], answer=int, on_event=told.append)
    assert result.final_answer == 42
    assert [type(event) for event in told[-2:]] == [RunEnded, mf.plan.PlanEnded]
    assert told[-1].result == result


@both
def test_react_ends_at_max_steps_with_an_answer(twin: bool) -> None:
    with serving(calling(("c1", "add", {"a": 1})), completion("2")) as server:
        result = run("react", twin, model(server.url), "add", tools=[add], max_steps=2)
        assert "tools" not in server.bodies[-1]
    assert (result.final_answer, result.stopped, result.calls) == ("2", "max_steps", 2)


@both
def test_a_long_result_is_cut_for_the_model_and_whole_in_the_trace(twin: bool) -> None:
    def read() -> str:
        return "x" * 100

    with serving(calling(("c1", "read", {})), completion("done")) as server:
        result = run("react", twin, model(server.url), "read", tools=[read], result_max_characters=10)
        seen = server.bodies[1]["messages"][-1]["content"]
    assert seen == "x" * 10 + "… (90 more characters)"
    assert (result.trace[0].steps[0].result, result.trace[0].steps[0].cut) == ("x" * 100, True)


@both
def test_the_error_that_ends_react_carries_the_trace(twin: bool) -> None:
    def stop(call: Any, result: Any) -> None:
        raise KeyError("mine")

    with serving(calling(("c1", "add", {"a": 1})), completion("2")) as server, pytest.raises(KeyError) as caught:
        run("react", twin, model(server.url), "add", tools=[add], on_result=stop)
    assert caught.value.plan.stopped == "error"
    assert caught.value.plan.trace[0].steps[0].result == "2"


@both
def test_a_vote_counts_values_and_shows_what_could_not_be_read(twin: bool) -> None:
    with serving(chain(42), completion("no idea"), completion("no idea"), chain(41), chain(42)) as server:
        asked = model(server.url, profile={"reasks": 0})
        result = run(
            "self_consistency", twin, asked, "6 * 7?", n=4, answer=int, **({"max_concurrency": 1} if twin else {})
        )
        assert server.bodies[0]["temperature"] == 0.7
    votes = [entry for entry in result.trace if isinstance(entry, mf.plan.Sample)]
    assert len(votes) == 4
    assert sum(vote.group is None and vote.problem is not None for vote in votes) >= 1
    assert result.final_answer == 42


@both
@pytest.mark.parametrize(("limit", "most"), PRICED.items())
def test_a_vote_that_reaches_a_limit_ends_with_the_samples_so_far(limit: str, most: float, twin: bool) -> None:
    with serving(chain("yes")) as server:
        result = run("self_consistency", twin, model(server.url), "well?", n=50, **{limit: most})
        assert len(server.bodies) == result.calls <= 3
    assert result.stopped == limit
    assert result.final_answer == (None if limit == "max_seconds" else "yes")


@both
def test_an_unknown_cost_ends_a_plan_with_a_limit_on_cost(twin: bool) -> None:
    with serving(chain("yes")) as server, pytest.raises(ValueError, match="max_cost cannot be enforced") as caught:
        run("self_consistency", twin, model(server.url), "well?", n=50, max_cost=1)
    assert len(caught.value.plan.responses) == 1


@both
def test_a_function_that_raises_keeps_the_samples_before(twin: bool) -> None:
    answers = iter(["a", "b"])

    def answer(task: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt) as caught:
        mf.plan.self_consistency(answer, "which?", n=5)
    assert caught.value.plan.stopped == "interrupted"
    assert [entry.answer for entry in caught.value.plan.trace] == ["a", "b"]
    with pytest.raises(ZeroDivisionError) as failed:
        run("self_consistency", twin, lambda task: 1 / 0, "which?")
    assert failed.value.plan.trace == ()


@both
def test_a_window_that_agrees_and_a_function_stop_a_vote(twin: bool) -> None:
    assert run("self_consistency", twin, lambda task: "a", "?", n=40, stop="window").calls == 5
    result = run("self_consistency", twin, lambda task: "a", "?", n=40, stop=lambda answers: len(answers) == 3)
    assert (result.calls, result.stopped) == (3, "stop")


def test_a_cache_keeps_an_answer_for_each_sample(tmp_path: Any) -> None:
    with serving(chain("a"), chain("b"), chain("b")) as server:
        asked = model(server.url, cache=str(tmp_path))
        first = mf.plan.self_consistency(asked, "which?", n=3)
        again = mf.plan.self_consistency(asked, "which?", n=3)
        assert len(server.bodies) == 3
    assert (first.final_answer, again.final_answer) == ("b", "b")


def several(*answers: Any) -> Reply:
    """Return one answer with several choices."""
    texts = [json.loads(chain(one).pieces[0])["choices"][0]["message"]["content"] for one in answers]  # type: ignore[arg-type]  # bytes
    choices = [
        {"index": number, "message": {"content": text}, "finish_reason": "stop"} for number, text in enumerate(texts)
    ]
    return Reply([json.dumps({"model": "m", "choices": choices, "usage": {"total_tokens": 9}}).encode()])


@both
def test_samples_come_by_one_request_where_the_provider_has_that(twin: bool) -> None:
    with serving(several("a", "b", "b")) as server:
        asked = model(server.url, profile={"several_choices": True})
        result = run("self_consistency", twin, asked, "which?", n=3)
        assert [body["n"] for body in server.bodies] == [3]
    assert (result.final_answer, result.calls) == ("b", 1)
    assert [sample.answer for sample in result.trace if isinstance(sample, mf.plan.Sample)] == ["a", "b", "b"]


@both
def test_a_server_that_gives_one_sample_where_several_were_asked_is_asked_one_by_one(twin: bool) -> None:
    with serving(chain("a"), chain("b"), chain("b")) as server:
        asked = model(server.url, profile={"several_choices": True})
        one = {"max_concurrency": 1} if twin else {}
        result = run("self_consistency", twin, asked, "which?", n=3, **one)
        assert [body.get("n") for body in server.bodies] == [3, None, None]
    assert (result.final_answer, result.calls) == ("b", 3)


def test_a_limit_of_tokens_is_kept_sample_by_sample() -> None:
    with serving(chain("a")) as server:
        asked = model(server.url, profile={"several_choices": True})
        mf.plan.self_consistency(asked, "which?", n=3, max_tokens=10)
        assert all("n" not in body for body in server.bodies)


def test_a_cache_keeps_each_valuation_of_a_node(tmp_path: Any) -> None:
    thoughts = completion(json.dumps({"thoughts": ["left"]}))
    low, high = (completion(json.dumps({"reason": "so", "score": score})) for score in (0.2, 0.8))
    with serving(thoughts, low, high, completion("go left")) as server:
        asked = model(server.url, cache=str(tmp_path))
        result = mf.plan.tree_of_thoughts(asked, "where?", breadth=1, depth=1, samples=2)
        assert len(server.bodies) == 4
    assert [entry.value for entry in result.trace if isinstance(entry, mf.plan.Node)] == [0.5]


@both
def test_a_model_proposes_values_and_answers(twin: bool) -> None:
    thoughts = completion(json.dumps({"thoughts": ["left", "right"]}))
    low, high = (completion(json.dumps({"reason": "so", "score": score})) for score in (0.2, 0.9))
    with serving(thoughts, low, high, completion("go right")) as server:
        one = {"max_concurrency": 1} if twin else {}
        result = run("tree_of_thoughts", twin, model(server.url), "where?", breadth=1, depth=1, **one)
        assert "- right" in server.bodies[-1]["messages"][-1]["content"]
    assert (result.final_answer, result.paths, result.calls) == ("go right", (("right",),), 4)


@both
@pytest.mark.parametrize(("limit", "most"), [("max_calls", 3), ("max_tokens", 10), ("max_seconds", 0.000001)])
def test_a_limit_ends_a_search_with_one_closing_call(limit: str, most: float, twin: bool) -> None:
    thoughts = completion(json.dumps({"thoughts": ["left", "right"]}))
    value = completion(json.dumps({"reason": "so", "score": 0.5}))
    replies = [completion("end")] if limit == "max_seconds" else [thoughts, value, completion("end")]
    with serving(*replies) as server:
        result = run("tree_of_thoughts", twin, model(server.url), "where?", **{limit: most})
        assert len(server.bodies) == result.calls == len(replies)
    assert (result.final_answer, result.stopped) == ("end", limit)
    if limit != "max_seconds":
        assert result.paths == (("left",),)
        assert len([entry for entry in result.trace if isinstance(entry, mf.plan.Node)]) == 2


@both
def test_equal_paths_are_one_node_and_a_solved_one_ends_the_search(twin: bool) -> None:
    valued: list[Any] = []
    keywords = {"propose": lambda path: ["a", "a", "b"], "value": lambda path: valued.append(path) or 1.0, "depth": 2}
    result = run("tree_of_thoughts", twin, None, "?", **keywords, check=lambda path: path == ("b", "a") or None)
    assert valued == [("a",), ("b",)]
    assert (result.stopped, result.paths, result.final_answer) == ("solved", (("b", "a"),), "a")


@both
def test_a_function_that_raises_keeps_the_tree(twin: bool) -> None:
    def value(path: Any) -> float:
        if len(path) == 2:
            raise ZeroDivisionError
        return 1.0

    with pytest.raises(ZeroDivisionError) as caught:
        run("tree_of_thoughts", twin, None, "?", propose=lambda path: ["a", "b"], value=value)
    assert len(caught.value.plan.trace) == 6
    assert caught.value.plan.paths == (("a",), ("b",))


@pytest.mark.parametrize("wrong", [{"max_calls": 0}, {"max_cost": True}, {"max_tokens": float("nan")}])
def test_a_limit_is_a_number_above_0(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected a number above 0"):
        Budget(wrong)


@pytest.mark.parametrize("wrong", [{"max_calls": 1.5}, {"max_calls": 1e-9}, {"max_tokens": 0.5}])
def test_what_is_counted_is_limited_by_a_whole_number(wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected a whole number above 0, got"):
        Budget(wrong)


@pytest.mark.parametrize("name", ["max_calls", "max_tokens", "max_cost", "max_seconds"])
@pytest.mark.parametrize("value", [None, float("inf"), 10**400])
def test_infinity_means_no_limit(name: Any, value: Any) -> None:
    assert Budget({name: value}).limits == {}


def test_a_limit_of_numpy_is_a_number_and_a_huge_one_of_seconds_can_be_waited_for() -> None:
    limits = Budget({"max_calls": np.int64(3), "max_cost": np.float64(0.5)}).limits  # type: ignore[typeddict-item]
    assert [(name, type(value), value) for name, value in limits.items()] == [
        ("max_calls", int, 3),
        ("max_cost", float, 0.5),
    ]
    assert Budget({"max_seconds": 1e30}).seconds_left() == threading.TIMEOUT_MAX


def test_a_display_escapes_what_a_model_wrote() -> None:
    shown = mf.plan.self_consistency(lambda task: "<script>", "?", n=2)._repr_mimebundle_()
    assert "<script>" not in shown["text/html"]
    assert "<script>" in shown["text/plain"]


@both
def test_a_judge_says_which_texts_mean_the_same(twin: bool) -> None:
    answers = iter(["no", "yes", "Yes, it is."])
    with serving(completion('{"groups": [[2, 3], [1]]}')) as server:
        judge = model(server.url)
        result = run("self_consistency", twin, lambda task: next(answers), "well?", n=3, judge=judge)
    assert (result.final_answer, result.judged, result.margin) == ("yes", True, pytest.approx(1 / 3))


def test_a_cancelled_vote_keeps_what_came() -> None:
    async def answer(task: str) -> str:
        came.append(task)
        await asyncio.sleep(0 if len(came) < 3 else 60)
        return "a"

    async def go() -> Any:
        vote = asyncio.create_task(mf.plan.aself_consistency(answer, "which?", n=5))
        while len(came) < 5:
            await asyncio.sleep(0.01)
        vote.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await vote
        return caught.value

    came: list[str] = []
    kept = asyncio.run(go()).plan
    assert (kept.stopped, kept.final_answer, len(kept.trace)) == ("interrupted", "a", 2)


@both
def test_a_vote_that_stopped_early_goes_on_with_the_samples_that_it_has(twin: bool) -> None:
    with serving(*[chain(answer) for answer in (8, 10, 8, 8, 9, 10)]) as server:
        asked = model(server.url)
        early = run("self_consistency", twin, asked, "when?", n=6, answer=int, stop=lambda votes: len(votes) == 4)
        assert (early.stopped, len(server.bodies)) == ("stop", 4)
        whole = run("self_consistency", twin, asked, "when?", n=6, answer=int, before=early)
        assert len(server.bodies) == 6
    samples = [entry for entry in whole.trace if isinstance(entry, mf.plan.Sample)]
    assert [(sample.number, sample.answer, sample.group) for sample in samples[:4]] == [
        (0, 8, 0),
        (1, 10, 1),
        (2, 8, 0),
        (3, 8, 0),
    ]
    assert sorted(sample.answer for sample in samples[4:]) == [9, 10]
    assert (whole.calls, whole.final_answer, whole.stopped, len(whole.responses)) == (6, 8, None, 6)
    assert whole.seconds > early.seconds
    with pytest.raises(ValueError, match="over the same task"):
        run("self_consistency", twin, asked, "another", n=6, before=early)


@pytest.mark.parametrize(
    ("driver", "wrong"),
    [
        *(("self_consistency", {name: 3}) for name in ("key", "judge", "answer")),
        ("self_consistency", {"judge": lambda texts: texts}),
        *(("tree_of_thoughts", {name: "no function"}) for name in ("propose", "value", "check")),
        ("tree_of_thoughts", {"answer": "int"}),
    ],
)
def test_a_wrong_argument_is_reported_before_anything_is_asked(driver: str, wrong: dict[str, Any]) -> None:
    asked: list[str] = []

    def answers(task: str) -> str:
        asked.append(task)
        return "a"

    functions: dict[str, Any] = {}
    if driver == "tree_of_thoughts":
        functions = {"propose": lambda path: [answers("?")], "value": lambda path: 1.0}
    with pytest.raises(TypeError, match=f"{next(iter(wrong))}: expected"):
        run(driver, False, None if functions else answers, "?", **{**functions, **wrong})
    assert asked == []


@pytest.mark.parametrize("kind", ["vote", "tree", "react"])
def test_a_result_is_pickled_without_its_responses(kind: str) -> None:
    """A response has a connection and a key; the trace has everything that was said."""
    with serving(chain(42) if kind == "vote" else completion("42")) as server:
        asked = model(server.url, api_key="canary-4711-xyz")
        if kind == "vote":
            result = mf.plan.self_consistency(asked, "6 * 7?", n=2, answer=int)
        elif kind == "tree":
            propose = {"propose": lambda path: ["a", "b"], "value": lambda path: 1.0}
            result = mf.plan.tree_of_thoughts(asked, "6 * 7?", depth=1, answer=str, **propose)
        else:
            result = mf.plan.react(asked, "6 * 7?", tools=[add])
    written = pickle.dumps(result)
    again = pickle.loads(written)
    assert b"canary" not in written
    assert again == msgspec.structs.replace(result, responses=())
    assert again.to_frame().equals(result.to_frame())
