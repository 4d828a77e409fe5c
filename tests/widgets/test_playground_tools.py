"""Tools in the playground: the loop, a person's decision on each call, and how the loop ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.display.figures import numbers
from msgflux_nb.reasoning.tool_loop import StepEnded
from msgflux_nb.widgets.tool_calls import approval as _approval
from msgflux_nb.widgets.tool_calls import tool_job as _tool_job
from tests.moments import quickly
from tests.scripted import Reply, chunk, error, serving, stream

from .bench import Bench, eventually, model_of

SUM = '{"a":17,"b":25}'
Build = Callable[..., Bench]


def calling(*calls: tuple[str, str], text: str = "") -> Reply:
    """Return a streamed answer that calls ``add``: ids and arguments."""
    made: list[bytes] = []
    for index, (id_, arguments) in enumerate(calls):
        half = len(arguments) // 2
        opening = {"index": index, "id": id_, "type": "function", "function": {"name": "add", "arguments": ""}}
        pieces = [{"index": index, "function": {"arguments": piece}} for piece in (arguments[:half], arguments[half:])]
        made += [chunk(tool_calls=[piece]) for piece in (opening, *pieces)]
    begin = [text] if text else []
    return stream(*begin, *made, chunk(reason="tool_calls"), b"data: [DONE]\n\n", done=False)


@pytest.fixture
def build() -> Iterator[Build]:
    """Make a bench whose playground has tools."""
    open_: list[tuple[Any, Bench]] = []

    def make(*replies: Reply, tools: Any = (), approve: str = "ask", **options: Any) -> Bench:
        context = serving(*replies)
        server = context.__enter__()
        playground = mf.Playground(model_of(server), prompt="17 + 25?", tools=tools, approve=approve, **options)
        open_.append((context, Bench(server, playground)))
        return open_[-1][1]

    yield make
    for context, bench in open_:
        bench.close()
        context.__exit__(None, None, None)


class Adder:
    """The tool, which records its calls."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def add(self, a: int, b: int) -> int:
        """Add two numbers."""
        self.asked.append((a, b))
        return a + b


@pytest.fixture
def adder() -> Adder:
    return Adder()


def show(bench: Bench, lane: int = 0) -> None:
    """Wait for the question about a call, and show it."""
    eventually(lambda: lane in bench.playground.calls._approvals.open, "the question")
    bench.page(bench.playground.calls, "seen", lanes=[lane])


def decide(bench: Bench, verdict: str, lane: int = 0, **beside: Any) -> None:
    show(bench, lane)
    bench.page(bench.playground.calls, "decide", lane=lane, verdict=verdict, **beside)


def results(bench: Bench) -> list[Any]:
    return [message["content"] for message in bench.playground.messages if message["role"] == "tool"]


# What a person decides


def test_an_approved_call_runs_and_the_turns_are_those_of_the_run(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM), text="Let me see."), stream("It is ", "42."), tools=[adder.add])
    bench.ask("17 + 25?")
    decide(bench, "approve")
    bench.wait()
    playground = bench.playground
    assert (playground.value, adder.asked, results(bench)) == ("It is 42.", [(17, 25)], ["42"])
    assert bench.roles == ["user", "assistant", "tool", "assistant"]
    assert playground.messages == playground.response.messages
    assert playground.messages[:3] == bench.server.bodies[1]["messages"]
    assert (playground.calls.state, [call.name for call in playground.calls.value]) == ("complete", ["add"])
    assert bench.of("end")[0]["status"][0] == "2 answers"


def test_the_page_is_told_whom_a_run_waits_for(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), stream("42."), tools=[adder.add])
    bench.ask("17 + 25?")
    show(bench)
    [waits] = bench.of("phase")
    assert (waits["number"], waits["phase"], waits["call"]["name"]) == (1, "approval", "add")
    assert waits["figures"] == numbers(bench.playground.response)
    bench.page(bench.playground, "hello")
    eventually(lambda: bench.of("progress") or bench.of("start"), "all of the answer")
    assert all(one["figures"] == waits["figures"] for one in bench.of("progress"))
    decide(bench, "approve")
    bench.wait()
    assert [one["phase"] for one in bench.of("phase")] == ["approval", "tools"]
    assert [one["phase"] for one in bench.of("start")] == ["", ""]


def test_tools_of_the_provider_go_along_in_every_form(build: Build, adder: Adder) -> None:
    search = {"type": "openrouter:web_search"}
    bench = build(calling(("call_1", SUM)), stream("42."), tools=[search, adder.add], approve="auto")
    bench.playground.run(wait=True)
    assert (bench.playground.value, results(bench)) == ("42.", ["42"])
    assert bench.server.bodies[0]["tools"][0] == search
    assert repr(search) in bench.playground.code


def test_each_answer_of_a_run_is_sent_separately(build: Build, adder: Adder) -> None:
    bench = build(
        calling(("call_1", SUM), text="Let me see."), stream("It is ", "42."), tools=[adder.add], approve="auto"
    )
    bench.playground.prefilling = "Let"
    bench.playground.run(wait=True)
    first, second = bench.of("start")
    assert (first["number"], first["prefill"], second["number"], second["prefill"]) == (1, "Let", 2, "")
    told = dict.fromkeys((1, 2), "")
    for batch in bench.of("batch"):
        told[batch["number"]] += batch.get("text", "")
    assert told == {1: "Let me see.", 2: "It is 42."}
    assert [(one["side"], one.get("number")) for one in bench.of("settled")] == [(0, 1), (0, 2), (None, None)]
    assert [message["card"]["position"] for message in bench.of("settled")[:2]] == [1, 3]
    assert bench.playground.prefill.warning == ""  # the start was that of the first answer


def test_a_run_begins_with_its_start_only_once(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM), text=" see."), stream("42"), tools=[adder.add], approve="auto")
    bench.playground.prefilling = "Let me"
    bench.playground.run(wait=True)
    first, second = bench.server.bodies
    assert first["messages"][-1] == {"role": "assistant", "content": "Let me"}
    assert second["messages"][-1]["role"] == "tool"
    assert bench.playground.messages[1]["content"] == "Let me see."
    assert bench.playground.value == "42"


def test_edited_arguments_are_those_that_run(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), stream("It is 3."), tools=[adder.add])
    bench.ask("17 + 25?")
    decide(bench, "edit", arguments='{"a": 1, "b": 2}')
    bench.wait()
    assert (adder.asked, results(bench), bench.playground.value) == ([(1, 2)], ["3"], "It is 3.")


def test_a_rejected_call_does_not_run_and_the_model_is_told_why(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), stream("As you wish."), tools=[adder.add])
    bench.ask("17 + 25?")
    decide(bench, "reject", reason="not today")
    bench.wait()
    assert adder.asked == []
    assert json.loads(results(bench)[0]) == {"error": "the user did not approve this call: not today"}
    assert bench.playground.messages == bench.playground.response.messages


def test_a_tool_that_fails_is_told_to_the_model(build: Build) -> None:
    def add(a: int, b: int) -> int:
        raise ValueError("too large")

    bench = build(calling(("call_1", SUM)), stream("Sorry."), tools=[add], approve="auto")
    bench.playground.run(wait=True)
    assert json.loads(results(bench)[0]) == {"error": "ValueError: too large"}
    assert bench.playground.value == "Sorry."


# How it ends


def test_a_stop_while_a_call_waits_gives_it_up(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM), text="Let me see."), tools=[adder.add])
    bench.ask("17 + 25?")
    show(bench)
    with quickly():
        bench.playground.stop()
        bench.wait()
    assert (bench.of("end")[0]["state"], bench.playground.calls.state, adder.asked) == ("stopped", "stopped", [])
    assert bench.playground.messages[1:] == [{"role": "assistant", "content": "Let me see."}]


def test_a_new_beginning_forgets_the_calls_and_how_they_ended(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), tools=[adder.add])
    bench.ask("17 + 25?")
    show(bench)
    bench.playground.builder.clear()  # while a call waits
    bench.playground.stop()
    bench.wait()
    assert (bench.playground.calls.state, bench.playground.calls.value, bench.playground.ends) == ("idle", [], [])
    bench.ask("17 + 25?")
    show(bench)
    bench.playground.stop()
    bench.wait()
    assert (bench.playground.calls.state, len(bench.playground.ends)) == ("stopped", 1)
    bench.playground.builder.clear()
    assert (bench.playground.calls.state, bench.playground.calls.lanes, bench.playground.ends) == ("idle", {}, [])


def test_of_two_answers_the_page_is_told_the_calls_that_nothing_runs(build: Build) -> None:
    broken = calling(("call_1", SUM), ("call_2", '{"a": 1, "b"'), ("call_3", "[1]"))
    bench = build(broken, broken)
    bench.playground.compare = bench.playground.model
    bench.ask("17 + 25?")
    bench.wait()
    [first, second] = [ending["calls"] for ending in bench.of("end")]
    assert first == second
    shown = [[(row["field"], row["value"]) for row in call["rows"]] for call in first]
    assert shown[0] == [("a", "17"), ("b", "25")]
    assert shown[2] == [("arguments", "[1]")]
    assert [call["name"] for call in first] == ["add"] * 3


def test_after_a_stop_no_further_tool_runs(build: Build) -> None:
    """A running tool may end, but its result is not used, and the next call of the turn is not run."""
    entered, gate, asked = threading.Event(), threading.Event(), list[int]()

    def add(a: int, b: int) -> int:
        asked.append(a)
        entered.set()
        gate.wait(5)
        return a + b

    bench = build(calling(("call_1", SUM), ("call_2", '{"a":1,"b":2}')), tools=[add], approve="auto")
    bench.playground.run()
    assert entered.wait(5)
    bench.playground.stop()
    gate.set()
    bench.wait()
    time.sleep(0.1)
    assert (asked, bench.of("end")[0]["state"], len(bench.server.bodies)) == ([17], "stopped", 1)


def test_a_tool_that_hangs_is_left_and_does_not_disturb_the_next_run(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tool_job, "GRACE_SECONDS", 0.05)
    entered, gate = threading.Event(), threading.Event()

    def add(a: int, b: int) -> int:
        entered.set()
        gate.wait(5)
        return a + b

    bench = build(calling(("call_1", SUM)), stream("done"), tools=[add], approve="auto")
    bench.playground.run()
    assert entered.wait(5)
    bench.playground.stop()
    bench.wait()
    assert (bench.of("end")[0]["state"], bench.playground.calls.state) == ("stopped", "stopped")
    bench.playground.run(wait=True)
    before = list(bench.sent), bench.playground.messages
    gate.set()
    time.sleep(0.2)
    assert (list(bench.sent), bench.playground.messages) == before
    assert (bench.playground.calls.state, bench.playground.calls._calls.all) == ("complete", [])


def test_a_stop_between_the_answer_and_its_calls_runs_none(
    build: Build, adder: Adder, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = build(calling(("call_1", SUM)), tools=[adder.add], approve="auto")
    add = bench.playground.calls.add

    def add_and_stop(event: Any) -> None:
        add(event)
        if isinstance(event, StepEnded):
            bench.playground.stop()

    monkeypatch.setattr(bench.playground.calls, "add", add_and_stop)
    bench.playground.run()
    bench.wait()
    assert (bench.of("end")[0]["state"], adder.asked) == ("stopped", [])


def test_a_failure_after_the_tools_keeps_their_turns(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), error(500, "boom"), tools=[adder.add], approve="auto")
    with pytest.raises(mf.ServerError):
        bench.playground.run(wait=True)
    assert (bench.roles, results(bench)) == (["user", "assistant", "tool"], ["42"])
    assert bench.playground.calls.state == "failed"
    bench.playground.undo()
    assert bench.roles == ["user"]  # a result is not there without its call


def test_asking_for_the_last_answer_again_keeps_the_tools_turns(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), stream("42."), stream("It is 42."), tools=[adder.add], approve="auto")
    bench.playground.run(wait=True)
    bench.playground.rerun(wait=True)
    assert bench.server.bodies[2]["messages"] == bench.server.bodies[1]["messages"]
    assert [message["content"] for message in bench.playground.builder.history.versions(3)] == ["42.", "It is 42."]
    assert adder.asked == [(17, 25)]


def test_a_rerun_with_tools_is_undone_answer_by_answer_to_the_old_one(build: Build, adder: Adder) -> None:
    bench = build(stream("Old."), calling(("call_1", SUM)), stream("New."), tools=[adder.add], approve="auto")
    bench.playground.run(wait=True)
    bench.playground.rerun(wait=True)
    assert bench.roles == ["user", "assistant", "tool", "assistant"]
    bench.playground.undo()
    assert bench.roles == ["user", "assistant", "tool"]
    bench.playground.undo()
    assert bench.playground.messages[-1]["content"] == "Old."


def test_a_plain_answer_ends_the_view_of_calls_too(build: Build, adder: Adder) -> None:
    bench = build(stream("42."), tools=[adder.add])
    bench.playground.run(wait=True)
    assert (bench.playground.calls.state, bench.playground.calls.value) == ("complete", [])
    bench = build(stream("42."))
    bench.playground.run(wait=True)
    assert bench.playground.calls.state == "complete"


# A cell that waits


@pytest.mark.parametrize("heard", [True, False], ids=["a page is there", "no page"])
def test_a_cell_that_waits_for_a_click_is_told_what_to_do(
    build: Build, adder: Adder, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    """A click would be handled only after the cell, by the same thread that waits for it."""
    monkeypatch.setattr(_approval, "SEEN_SECONDS", 0.1)
    bench = build(calling(("call_1", SUM)), tools=[adder.add])
    if heard:
        bench.playground.calls._receive(None, {"type": "hello", "run": 0, "seq": 0}, [])  # as an ipykernel 6 does
    with quickly(), pytest.raises(mf.ToolCallError, match="approve='auto'"):
        bench.playground.run(wait=True)
    assert (adder.asked, bench.of("end")[0]["state"], bench.playground.running) == ([], "failed", False)


def test_a_cell_that_waits_where_clicks_have_a_thread_gets_its_answer(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), stream("42."), tools=[adder.add])
    bench.page(bench.playground.calls, "hello", run=0, seq=0)
    person = threading.Thread(target=decide, args=(bench, "approve"))
    person.start()
    bench.playground.run(wait=True)
    person.join(5)
    assert (bench.playground.value, adder.asked) == ("42.", [(17, 25)])


def test_letting_each_call_run_answers_the_open_question(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", SUM)), stream("42."), tools=[adder.add])
    bench.playground.run()
    show(bench)
    bench.playground.calls.approve = "auto"
    bench.wait()
    assert bench.playground.value == "42."


def test_a_broken_call_is_answered_by_its_error(build: Build, adder: Adder) -> None:
    bench = build(calling(("call_1", '{"a": nonsense')), stream("Sorry."), tools=[adder.add], approve="auto")
    bench.playground.run(wait=True)
    assert adder.asked == []
    assert len(results(bench)) == 1
    assert bench.playground.messages == bench.playground.response.messages
